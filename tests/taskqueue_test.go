package tests

import (
	"fmt"
	"strings"
	"testing"
)

// When and how often tasks run: priorities, delays, deadlines, room in the
// queue, retries, the dead.

const taskQueueScript = evalScript + `
local co = require "co"
ran = {}
tries = {}
function onTask(server, id, src, data)
  if data == "gate" then
    repeat co.sleep(0.01) until server:session(1).open
    return
  end
  if type(data) == "table" and data.fail then
    tries[data.fail] = (tries[data.fail] or 0) + 1
    if tries[data.fail] <= data.times then error(data.fail .. " fails", 0) end
    return data.fail .. " ran at try " .. tries[data.fail]
  end
  print("runs " .. tostring(data))
  return data
end
function onFinish(server, id, r) print("finish " .. tostring(r)) end
function onError(server, event, err) print("error " .. event .. " " .. err.message) end
function own(server, id, r, why, text) print("own", id, r, why, text) end
function close() server:session(1).open = nil assert(server:task("gate")) end
function open() server:session(1).open = true end
`

func TestTaskOptions(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, taskQueueScript+`server:set{ task_worker_num = 1, task_queue_size = 4 }`)
		c := sv.dial(t)

		// Priorities: with the worker held, the highest first, then in order.
		c.ask(`close()`, "")
		c.until(`server:stats().task_queue_num == 0`)
		c.ask(`assert(server:task("low", { priority = -1 })) assert(server:task("a")) assert(server:task("b", nil, nil, { priority = 0 })) assert(server:task("high", { priority = 100, callback = own }))`, "")
		c.ask(`return server:task("full")`, "false|queue_full|the task queue is full (task_queue_size)")
		c.ask(`return server:task("full", { wait = 0.01 })`, "false|queue_full|the task queue is full (task_queue_size)")
		waiter := sv.dial(t) // waits until there is room
		waiter.say(`return server:task("waited", { wait = 60 }) ~= nil` + "\n")
		c.until(`server:stats().task_waiting_num == 1`)
		c.ask(`open()`, "")
		waiter.expect("true")
		sv.Out.wait(t, "runs waited\n")
		sv.Out.wait(t, "runs low\n")
		var order []string
		for line := range strings.Lines(sv.Out.String()) {
			if what, ok := strings.CutPrefix(line, "runs "); ok {
				order = append(order, strings.TrimSpace(what))
			}
		}
		if got := strings.Join(order, " "); got != "high a b waited low" {
			t.Errorf("they ran in the order %s", got)
		}
		sv.Out.wait(t, "\thigh\tnil\tnil\n")

		c.ask(`local s = server:stats() return s.task_waiting_num, s.task_delayed_num, s.task_dead_num`, "0|0|0")

		// Delays: later than what was asked for later. A delay takes no worker.
		c.ask(`server:task("d3", { delay = 0.3 }) server:task("d1", { delay = 0.1 }) assert(server:task_after(200, "d2")) server:task("d0")`, "")
		sv.Out.wait(t, "runs d3\n")
		sv.Out.wait(t, "runs d0\n")
		out := sv.Out.String()
		for _, pair := range [][2]string{{"d0", "d1"}, {"d1", "d2"}, {"d2", "d3"}} {
			if strings.Index(out, "runs "+pair[0]) > strings.Index(out, "runs "+pair[1]) {
				t.Errorf("%s after %s:\n%s", pair[0], pair[1], out)
			}
		}

		// A deadline: what has not begun in time does not run, and says so.
		c.ask(`close()`, "")
		c.until(`server:stats().task_queue_num == 0`)
		c.ask(`server:task("late 1", { deadline = 0.01 })`, "")
		c.ask(`server:task("late 2", { deadline = 0.01, callback = own })`, "")
		c.ask(`server:task("in time", { deadline = 600 })`, "")
		c.until(`server:stats().task_expire_count == 2`)
		c.ask(`server:task_after(3600000, "far")`, "")
		c.ask(`local s = server:stats() return s.task_queue_num, s.task_delayed_num, s.task_oldest_age > 0`, "1|1|true")
		sv.Out.wait(t, "error onTask task ")
		sv.Out.wait(t, " was not run: deadline: the task's deadline passed before a task worker was free\n")
		sv.Out.wait(t, "\tnil\tdeadline\tthe task's deadline passed before a task worker was free\n")
		c.ask(`return server:taskwait("x", 60, nil, { deadline = 0.01 })`, "false|deadline|the task's deadline passed before a task worker was free")
		c.ask(`open()`, "")
		sv.Out.wait(t, "runs in time\n")
		if strings.Contains(sv.Out.String(), "runs late") {
			t.Error("a task ran after its deadline")
		}

		for _, bad := range [][2]string{
			{`server:task(1, { priorty = 1 })`, "server:task: unknown option \"priorty\" (did you mean 'priority'?)"},
			{`server:task(1, { priority = 101 })`, "server:task: option 'priority' must be a whole number, -100 to 100, not 101"},
			{`server:task(1, { delay = -1 })`, "server:task: option 'delay' must be a number of seconds, 0 to 31622400, not -1"},
			{`server:task(1, { deadline = 0 })`, "server:task: option 'deadline' must be more than 0 seconds, not 0"},
			{`server:task(1, { deadline = 1, delay = 2 })`, "server:task: the task's deadline (1s) is not after its delay (2s)"},
			{`server:task(1, { wait = "x" })`, "server:task: option 'wait' must be a number of seconds, 0 to 31622400, not \"x\""},
			{`server:task(1, { callback = 1 })`, "server:task: option 'callback' must be a function, not 1"},
			{`server:task(1, { callback = own }, own)`, "server:task: the callback is given twice"},
			{`server:task(1, { dst = 0.5 })`, "server:task: option 'dst' must be a whole number, not 0.5"},
			{`server:task(1, {}, nil, {})`, "server:task: the options are given twice"},
			{`server:task(1, { 1 })`, "server:task: unknown option 1"},
			{`server:task(1, -1, nil, 5)`, "bad argument #4 'options' to 'server:task' (table expected, got number)"},
			{`server:task(1, { retry = "many" })`, "server:task: option 'retry': \"many\" is not a number of tries, 0 to 1000 (or a table such as { times = 3, delay = 1, factor = 2, max = 60 })"},
			{`server:task(1, { retry = { delay = 1 } })`, "server:task: option 'retry': the table has no field 'times'"},
			{`server:task(1, { retry = { times = 1, dely = 1 } })`, "server:task: option 'retry': unknown field 'dely' (did you mean 'delay'?)"},
			{`server:task(1, { retry = { times = 1, delay = 5, max = 2 } })`, "server:task: option 'retry': delay (5s) is more than max (2s)"},
			{`server:taskwait(1, 1, { wait = 1 })`, "server:taskwait: unknown option \"wait\""},
			{`server:task_after(0, 1)`, "server:task_after: the time must be 1 to 31622400000 milliseconds, not 0"},
			{`server:task_after(5, 1, { delay = 1 })`, "server:task_after: the delay is given twice"},
		} {
			c.ask(`return select(2, pcall(function() return `+bad[0]+` end))`, bad[1])
		}
	})
}

func TestTaskRetry(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, taskQueueScript+`server:set{ task_worker_num = 1, task_retry = { times = 1, delay = 0.01 }, task_dead_size = 3 }`)
		c := sv.dial(t)
		c.ask(`return server.setting.task_retry.times, server.setting.task_retry.delay`, "1|0.01")
		c.ask(`return server:task{ fail = "a", times = 1 }`, "0")
		sv.Out.wait(t, "error onTask a fails\n")
		sv.Out.wait(t, "finish a ran at try 2\n")
		c.ask(`return server:taskwait({ fail = "b", times = 3 }, 60, nil, { retry = { times = 3, delay = 0.01, factor = 1 } })`, "b ran at try 4")
		c.ask(`return server:taskwait({ fail = "c", times = 9 }, 60)`, "false|task_failed|c fails")
		c.ask(`return server:taskwait({ fail = "d", times = 9 }, 60, nil, { retry = false })`, "false|task_failed|d fails")
		c.ask(`return server:task({ fail = "e", times = 9 }, { retry = 0, callback = own })`, "4")
		sv.Out.wait(t, "own\t4\tnil\ttask_failed\te fails\n")
		sv.Log.wait(t, "onTask failed: e fails")

		c.ask(`local s = server:stats() return s.task_retry_count, s.task_fail_count, s.task_dead_num, s.task_dead_lost`, "5|3|3|0")

		// The dead: listed, run again, dropped, bounded.
		c.ask(`local out = {} for i, d in ipairs(server:deadTasks()) do out[i] = d.data.fail .. d.id .. d.reason .. d.message .. d.tries end return table.concat(out, ",")`,
			"c2task_failedc fails2,d3task_failedd fails1,e4task_failede fails1")
		c.ask(`local d = server:deadTasks()[1] return d.src_worker_id == server.worker_id, d.failed >= d.queued, math.abs(d.failed - os.time()) < 100`, "true|true|true")
		c.ask(`return server:deadTasks("requeue", 99)`, "false|no_such_task|no task of this id is among the dead")
		c.ask(`return server:deadTasks("drop", 3)`, "1")
		c.ask(`return server:deadTasks("drop", 3)`, "false|no_such_task|no task of this id is among the dead")
		c.ask(`server:task({ fail = "c2", times = 0 })`, "")
		c.ask(`return server:deadTasks("requeue", 2)`, "1")
		c.until(`#server:deadTasks() == 2`) // it fails again
		c.ask(`return server:deadTasks("list")[2].tries`, "2")
		c.ask(`for i = 1, 3 do server:taskwait({ fail = "f" .. i, times = 9 }, 60, nil, { retry = 0 }) end return #server:deadTasks(), server:deadTasks()[1].data.fail`, "3|f1")
		c.ask(`return server:deadTasks("drop")`, "3")
		c.ask(`return #server:deadTasks(), server:deadTasks("requeue"), server:deadTasks("drop")`, "0|0|0")
		c.ask(`return select(2, pcall(server.deadTasks, server, "requeu"))`, "server:deadTasks: unknown action 'requeu' (did you mean 'requeue'?): list, requeue or drop")
		c.ask(`return select(2, pcall(server.deadTasks, server, "drop", 1.5))`, "bad argument #2 'id' to 'server:deadTasks' (task id expected, got 1.5)")
	})
}

// After task_max_request tasks a task worker has a fresh VM; no task is lost.
func TestTaskMaxRequest(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := evalScript + `
server:set{ task_worker_num = 2, task_max_request = 10, task_max_request_grace = 5 }
local timer = require "timer"
local n, results = 0, 0
local hour
function onWorkerStart(server, id)
  if not server.taskworker then return end
  print("start " .. id)
  hour = timer.tick{ name = "hour", ms = 3600000, fn = print }
end
function onWorkerStop(server, id) if server.taskworker then print("stop " .. id .. " after " .. n) end end
function onTask(server, id, src, data)
  n = n + 1
  if data == "passed" then return 3600000 - timer.info(hour).exec_msec end
  return n
end
most, sum = 0, 0
function onFinish(server, id, r) results = results + 1 most = math.max(most, r) end
function count() return results end
`
		sv := serve(t, s, text)
		c := sv.dial(t)
		for round := range 10 {
			c.ask(`for i = 1, 20 do assert(server:task(i)) end`, "")
			c.until(fmt.Sprintf("count() == %d", 20*(round+1)))
		}
		c.until(`server:stats().tasking_num == 0`)
		// 200 tasks, a VM for at most 15 and those that run while the next one starts.
		if n := strings.Count(sv.Out.String(), "start "); n < 6 {
			t.Errorf("%d VMs for 200 tasks:\n%s", n, sv.Out)
		}
		sv.Out.wait(t, "stop ")
		sv.Log.wait(t, "why=task_max_request")

		// Its named timers go on.
		c.ask(`local last = 0 for i = 1, 60 do local p = assert(server:taskwait("passed", 60, 0)) assert(p >= last, i) last = p end return "on"`, "on")

		// A VM that does not come up is not taken; the old one goes on.
		sv.save(t, text+`
local start = onWorkerStart
function onWorkerStart(server, id)
  start(server, id)
  if server.taskworker and server:session(1).broken then error("cannot start", 0) end
end
`)
		sv.Log.wait(t, "reloaded generation=2")
		c.ask(`server:session(fd).broken = true`, "")
		c.ask(`for i = 1, 60 do assert(server:taskwait(i, 60)) end`, "")
		sv.Log.wait(t, "a worker keeps its VM: the fresh one failed: cannot start")
		if n := sv.Log.count("a worker keeps its VM"); n > 12 {
			t.Errorf("it was tried %d times within 60 tasks", n)
		}
		c.ask(`server:session(fd).broken = nil`, "")
		fresh := sv.Log.count("a worker has a fresh VM")
		c.ask(`for i = 1, 60 do assert(server:taskwait(i, 60)) end`, "")
		sv.Log.waitCount(t, "a worker has a fresh VM", fresh+1)
	})
}

func TestTaskSettingsFaults(t *testing.T) {
	t.Parallel()
	path := script(t, `
server:set{
  task_retry = { times = 3, factor = 0 }, task_dead_size = -1, task_max_request = 1.5,
  task_use_object = 1, message_queue_size = 0,
}
function onReceive() end
`)
	sv := launch(t, setup{}, path)
	if code := sv.wait(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"setting 'task_retry': factor must be a number, 1 to 1000",
		"setting 'task_dead_size': -1 is not in 0..16777216",
		"setting 'task_max_request': whole number expected, got number (1.5)",
		"setting 'task_use_object': boolean expected, got number (1)",
		"setting 'message_queue_size': 0 is not in 1..16777216",
	} {
		if !strings.Contains(sv.Log.String(), want) {
			t.Errorf("%q is not in\n%s", want, sv.Log)
		}
	}
}

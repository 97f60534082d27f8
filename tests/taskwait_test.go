package tests

import (
	"strings"
	"testing"
)

// Waiting for tasks: taskwait, taskWaitMulti, taskCo; the task object.

const taskwaitScript = evalScript + `
co = require "co"
function onPipeMessage(server, src, m) print("message: " .. server:taskwait(m, 30)) end
function onTask(server, id, src, data)
  if type(data) ~= "table" then return data end
  if data.sleep then co.sleep(data.sleep) return "slept" end
  if data.gate then
    repeat co.sleep(0.01) until server:session(data.gate).open
    return "opened"
  end
  if data.fail then error("failed: " .. data.fail, 0) end
  if data.nothing then return end
  if data.parts then server:finish("part 1") server:finish("part 2") return "end" end
  if data.inner then
    local ok, r = pcall(server.taskwait, server, data.inner, 30, data.dst)
    return tostring(ok) .. "|" .. tostring(r):gsub("^.-(would_deadlock).*", "%1")
  end
  if data.where then return server.worker_id end
  return data
end
function onFinish(server, id, r) print("finish " .. tostring(r)) end
function show(t)
  if type(t) ~= "table" then return tostring(t) end
  local keys, out = {}, {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do out[#out + 1] = tostring(k) .. "=" .. show(t[k]) end
  return "{" .. table.concat(out, ",") .. "}"
end
function shows(...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = show((select(i, ...))) end
  return table.concat(out, " ")
end
`

func TestTaskwait(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, taskwaitScript+`server:set{ task_worker_num = 2 }`)
		c := sv.dial(t)
		c.ask(`return server:taskwait("hello", 30)`, "hello")
		c.ask(`return show(server:taskwait({ 1, { x = "y" } }, 30))`, "{1=1,2={x=y}}")
		c.ask(`return server:taskwait(false, 30)`, "false")
		c.ask(`return show(server:taskwait({ nothing = true }, 30))`, "nil")
		c.ask(`return server:taskwait({ parts = true }, 30)`, "part 1")
		c.ask(`return server:taskwait({ fail = 1 }, 30)`, "false|task_failed|failed: 1")
		c.ask(`return server:getLastError()`, "2002")
		for dst := range 2 {
			c.ask(`return server:taskwait({ where = 1 }, 30, `+string(rune('0'+dst))+`) - server.setting.worker_num`, string(rune('0'+dst)))
		}
		c.ask(`return server:taskwait(1, 30, 2)`, "false|no_such_worker|no worker has this id")

		// A time-out: the task goes on, its result is dropped and counted.
		c.ask(`return server:taskwait({ gate = fd }, 0.01)`, "false|timeout|the task did not end within the time-out")
		c.ask(`return server:getLastError()`, "2003")
		c.ask(`return server:taskwait({ gate = fd })`, "false|timeout|the task did not end within the time-out")
		c.ask(`server:session(fd).open = true`, "")
		c.until(`server:stats().tasking_num == 0`)
		c.until(`server:stats().task_late_count >= 4`) // the last is counted when it is told
		c.ask(`server:session(fd).open = nil`, "")
		c.ask(`return server:stats().task_late_count`, "4") // two of the gate, two of parts

		// A task that waits for a task: on the other worker it may, on its own it
		// would wait for ever.
		c.ask(`return server:taskwait({ inner = "x" }, 30)`, "true|x")
		c.ask(`return server:taskwait({ inner = "x", dst = 0 }, 30, 1)`, "true|x")
		c.ask(`return server:taskwait({ inner = "x", dst = 1 }, 30, 1)`, "false|would_deadlock")

		// Several at once.
		c.ask(`return shows(server:taskCo({ "a", { nothing = 1 }, false, { 7 } }, 30))`, "{1=a,3=false,4={1=7}}")
		c.ask(`return shows(server:taskWaitMulti({ x = "a", y = "b", [9] = "c" }, 30))`, "{9=c,x=a,y=b}")
		for _, f := range [][2]string{{"taskCo", "{1=a,2=false,3=false}"}, {"taskWaitMulti", "{1=a}"}} {
			c.ask(`return shows(server:`+f[0]+`({ "a", { gate = fd }, { fail = 2 } }, 2))`, f[1]+" {2=timeout,3=task_failed}")
			c.ask(`server:session(fd).open = true`, "")
			c.until(`server:stats().tasking_num == 0`)
			c.ask(`server:session(fd).open = nil`, "")
		}
		c.ask(`return shows(server:taskCo({}, 30))`, "{}")
		c.ask(`return shows(server:taskCo({ 1, 2 }, 30, { dst = 5 }))`, "false no_such_worker no worker has this id")
		c.ask(`return select(2, pcall(server.taskCo, server, { 1, print }))`, "data: cannot send a function to a task")

		// From wherever code runs.
		c.ask(`co.go(function() print("fiber: " .. server:taskwait("f", 30)) end)`, "")
		sv.Out.wait(t, "fiber: f\n")
		c.ask(`server:after(1, function() print("timer: " .. server:taskwait("t", 30)) server:task("timer") end)`, "")
		sv.Out.wait(t, "timer: t\n")
		sv.Out.wait(t, "finish timer\n")
		c.ask(`server:defer(function() print("defer: " .. server:taskwait("d", 30)) end)`, "")
		sv.Out.wait(t, "defer: d\n")
		c.ask(`server:sendMessage("m", server.worker_id)`, "")
		sv.Out.wait(t, "message: m\n")
		c.ask(`server:task("outer", -1, function(server, id, r) print("callback: " .. server:taskwait(r, 30)) end)`, "")
		sv.Out.wait(t, "callback: outer\n")

		// Several callers at once do not wait for one another.
		others := []*client{sv.dial(t), sv.dial(t), sv.dial(t)}
		for _, o := range others {
			o.say("return server:taskwait({ sleep = 0.1 }, 30)\n")
		}
		c.ask(`return "here"`, "here")
		for _, o := range others {
			o.expect("slept")
		}
	})
}

// In onWorkerStart nobody runs tasks yet: taskwait says so, task is held.
func TestTasksInOnWorkerStart(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := `
server:set{ task_worker_num = 2 }
local version = 1
function onReceive() end
function onTask(server, id, src, data) return data .. " ran on " .. version end
function onFinish(server, id, r) print("worker " .. server.worker_id .. ": " .. r) end
function onWorkerStart(server, id)
  if id ~= 0 then return end
  print(select(2, pcall(server.taskwait, server, "x")))
  assert(server:task("first"))
  assert(server:task("own", -1, function(server, id, r) print("own " .. r) end))
  assert(server:task_after(5, "after"))
end
`
		sv := serve(t, s, text)
		sv.Out.wait(t, "server:taskwait: task workers run nothing before onWorkerStart has returned everywhere")
		sv.Out.wait(t, "worker 0: first ran on 1\n")
		sv.Out.wait(t, "own own ran on 1\n")
		sv.Out.wait(t, "worker 0: after ran on 1\n")
		sv.save(t, `local broken = `)
		sv.Log.wait(t, "reload failed")
		sv.save(t, text+`
function onWorkerStart(server, id)
  assert(server:task("ghost"))
  if id == 0 then error("not this one") end
end
`)
		sv.Log.waitCount(t, "reload failed", 2)
		sv.save(t, text+"\nversion = 2\n")
		sv.Log.wait(t, "reloaded generation=2")
		sv.Out.waitCount(t, "own own ran on", 2)
		sv.Out.waitCount(t, "worker 0: after ran on ", 2)
		if strings.Contains(sv.Out.String(), "ghost") {
			t.Errorf("a task of code that never went live has run:\n%s", sv.Out)
		}
	})
}

// The task object, as task_use_object and task_enable_coroutine give it.
func TestTaskObject(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"task_use_object = true", "task_object = true", "task_enable_coroutine = true"} {
		everyMode(t, func(t *testing.T, s setup) {
			if s.workers == 1 || s.race && set[5] == 'o' {
				return
			}
			sv := serve(t, s, evalScript+`
server:set{ task_worker_num = 1, `+set+` }
local co = require "co"
function onTask(server, task, ...)
  assert(select("#", ...) == 0)
  local d = task.data
  assert(rawequal(d, task.data))
  if d == "fields" then
    return ("%s %d %d %d %s %s"):format(tostring(task), task.id, task.worker_id, task.flags, math.abs(task.dispatch_time - os.time()) < 100, task.tries)
  end
  if d == "finish" then
    assert(task:finish("one"))
    local done
    co.go(function() co.sleep(0.01) assert(task:finish("two")) done = true end)
    while not done do co.sleep(0.01) end
    return "three"
  end
  if d == "late" then
    co.go(function() co.sleep(0.05) print("late", task:finish("too late")) end)
    return "ended"
  end
  if d == "pack" then
    local t = { 1, 2.5, "\0\255", { x = true, y = { [7] = false } }, -9007199254740991 }
    local p = task:pack(t)
    local u = task:unpack(p)
    assert(u[1] == 1 and u[2] == 2.5 and u[3] == "\0\255" and u[4].x == true and u[4].y[7] == false and u[5] == -9007199254740991)
    assert(task:unpack(task:pack()) == "pack")
    local v, why, text = task:unpack(p:sub(1, -2))
    return tostring(v) .. " " .. why .. " " .. text .. " " .. tostring(task:unpack(task:pack(nil)))
  end
  return select(2, pcall(function() return task[d] end))
end
function onFinish(server, id, r) print("finish", id, r) end
`)
			c := sv.dial(t)
			c.ask(`return (server:taskwait("fields", 30):gsub("task (%d+) %d+", "task %1"))`, "task 0 32 true 1")
			c.ask(`return (server:taskwait("nonsense", 30):gsub("^app.lua:%d+: ", ""))`, "a task has no 'nonsense'")
			c.ask(`return server:taskwait("pack", 30)`, "nil malformed the text ends too early nil")
			c.ask(`return server:task("finish")`, "3")
			sv.Out.wait(t, "finish\t3\tone\nfinish\t3\ttwo\nfinish\t3\tthree\n")
			c.ask(`return server:task("late")`, "4")
			sv.Out.wait(t, "late\tfalse\ttask_ended\tthe task has ended: it sends no more results\n")
			sv.Out.wait(t, "finish\t4\tended\n")
		})
	}
}

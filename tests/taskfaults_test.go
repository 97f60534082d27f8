package tests

import (
	"fmt"
	"strings"
	"testing"
)

// What a task's callback can do to itself. Whatever it is, the task is told by
// name, runs again if it may, and is kept among the dead when it may not; its
// worker runs the next one.
const taskFaultScript = evalScript + `
local co = require "co"
server:set{ task_worker_num = 1, task_max_execution_time = 1, memory_limit = "150M", task_retry = 0 }
local faults = {}
function faults.throws() error("thrown on purpose", 0) end
function faults.throws_nothing() error() end
function faults.throws_a_table() error({ code = 7 }) end
function faults.calls_nil() local x; x() end
function faults.recurses() local function deeper(n) return 1 + deeper(n + 1) end return deeper(1) end
function faults.resumes_for_ever() local function f() coroutine.resume(coroutine.create(f)) end f() error("deep enough", 0) end
function faults.yields() coroutine.yield() end
function faults.spins() while true do end end
function faults.spins_in_pcall() while true do pcall(function() while true do end end) end end
function faults.eats_memory() local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end end
function faults.returns_a_function() return { deep = { print } } end
function faults.returns_itself() local t = {} t.me = t return t end
function faults.is_cancelled() local me = co.self() co.go(function() co.sleep(0.01) co.cancel(me) end) co.sleep(1000) end
function faults.sleeps() co.sleep(1000) end
function onTask(server, id, src, data)
  if type(data) ~= "string" then return data end
  return faults[data]()
end
function onFinish(server, id, r) print("finish", id, r) end
function onError(server, event, err) print("onError " .. event .. " " .. err.message) end
function own(server, id, r, why, text) print("own", id, r, why, text) end
`

func TestTaskFaults(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "process", workers: 2, race: true}, taskFaultScript)
	c := sv.dial(t)
	const limit, deadline = "ran longer than 1s without a wait (task_max_execution_time)", "the task's deadline passed while it ran"
	for i, f := range []struct {
		name, options string
		why           string
		text          string // part of it
		tries         int
	}{
		{"throws", ``, "task_failed", "thrown on purpose", 1},
		{"throws", `retry = { times = 2, delay = 0.01 }`, "task_failed", "thrown on purpose", 3},
		{"throws_nothing", ``, "task_failed", "nil", 1},
		{"throws_a_table", ``, "task_failed", "table value", 1},
		{"calls_nil", ``, "task_failed", "attempt to call", 1},
		{"recurses", `retry = { times = 1, delay = 0.01 }`, "task_failed", "stack overflow", 2},
		{"resumes_for_ever", ``, "task_failed", "", 1},
		{"yields", ``, "task_failed", "yield", 1},
		{"spins", ``, "task_failed", limit, 1},
		{"spins_in_pcall", ``, "task_failed", limit, 1},
		{"returns_a_function", ``, "task_failed", "onTask: result.deep[1]: cannot send a function to onFinish", 1},
		{"returns_itself", ``, "task_failed", "result.me", 1},
		{"is_cancelled", ``, "task_cut", "the fiber was cancelled by co.cancel", 1},
		{"is_cancelled", `retry = { times = 1, delay = 0.01 }`, "task_cut", "the fiber was cancelled by co.cancel", 2},
		{"sleeps", `deadline = 2, retry = 5`, "deadline", deadline, 1},
	} {
		got := c.eval(fmt.Sprintf(`return server:taskwait(%q, 60, nil, { %s })`, f.name, f.options))
		if want := "false|" + f.why + "|"; !strings.HasPrefix(got, want) || !strings.Contains(got, f.text) {
			t.Errorf("%s: taskwait got %q, want %s and %q", f.name, got, want, f.text)
		}
		got = c.eval(`local all = server:deadTasks() local d = all[#all] return #all, d.data, d.reason, d.tries`)
		if want := fmt.Sprintf("%d|%s|%s|%d", i+1, f.name, f.why, f.tries); got != want {
			t.Errorf("%s: dead is %s, want %s", f.name, got, want)
		}
		c.ask(`return server:taskwait(7, 60)`, "7") // the worker runs the next one
	}
	if n := sv.Out.count("onError onTask "); n < 9 {
		t.Errorf("onError was called %d times:\n%s", n, sv.Out)
	}
	// Without anybody who waits it is the same: a callback, or onError, is told.
	c.ask(`server:deadTasks("drop") server:task("sleeps", { deadline = 2, callback = own })`, "")
	sv.Out.wait(t, "\tnil\tdeadline\t"+deadline+"\n")
	c.ask(`server:task("sleeps", { deadline = 2 })`, "")
	c.until(`#server:deadTasks() == 2`)
	c.ask(`return server:stats().task_expire_count`, "3")
	sv.Log.wait(t, "deadline: "+deadline)
	c.until(`server:stats().tasking_num == 0`)
	c.ask(`return server:taskwait("throws", 60)`, "false|task_failed|thrown on purpose")
}

// A task that computes past its deadline is stopped too, after the time that a
// cancelled callback has to end; so is one that fills the memory.
func TestTaskComputesPastItsDeadline(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, strings.Replace(taskFaultScript, "task_max_execution_time = 1", "task_max_execution_time = 0", 1))
	c := sv.dial(t)
	c.ask(`return server:taskwait("spins_in_pcall", 60, nil, { deadline = 0.6 })`, "false|deadline|the task's deadline passed while it ran")
	c.ask(`return server:taskwait(7, 60), server:deadTasks()[1].reason`, "7|deadline")
	got := c.eval(`return server:taskwait("eats_memory", 60)`)
	if !strings.HasPrefix(got, "false|task_failed|") || !strings.HasSuffix(got, "stopped: the process uses more than 150 MB (memory_limit)") {
		t.Errorf("got %q", got)
	}
	c.ask(`return server:taskwait(7, 60), server:deadTasks()[2].data`, "7|eats_memory")
}

// Tasks that fill all task workers and wait for each other: the wait that closes
// the circle is refused, so that the others are answered.
func TestSaturatedTaskWorkersDoNotHang(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{mode: "process", workers: 1}, {mode: "base", workers: 2, race: true}} {
		t.Run(s.mode, func(t *testing.T) {
			sv := serve(t, s, evalScript+`
local co = require "co"
server:set{ task_worker_num = 3 }
function onTask(server, id, src, data)
  if data == "leaf" then return "leaf" end
  local all = server:session(data.fd)
  if data.meet then
    all[data.n] = true
    while not (all[1] and all[2] and all[3]) do co.sleep(0.01) end
  end
  local ok, r = pcall(server.taskwait, server, data.next or "leaf", -1, data.dst)
  return ok and tostring(r) or r:match("would_deadlock") or r
end
function meet(server, fd, ...)
  local tasks = {}
  for n, dst in ipairs{...} do tasks[n] = { fd = fd, meet = true, n = n, dst = dst } end
  local done = {}
  for n, d in ipairs(tasks) do
    server:task(d, n - 1, function(server, id, r, why) done[n] = r or why end)
  end
  while not (done[1] and done[2] and done[3]) do co.sleep(0.01) end
  for n = 1, 3 do server:session(fd)[n] = nil end
  table.sort(done)
  return table.concat(done, " ")
end
`)
			c := sv.dial(t)
			c.ask(`return meet(server, fd, -1, -1, -1)`, "leaf leaf would_deadlock")
			c.ask(`return meet(server, fd, 1, 2, 0)`, "leaf leaf would_deadlock")
			// A row of tasks each in the other, longer than there are workers.
			c.ask(`return server:taskwait({ fd = fd, next = { fd = fd } }, 60)`, "leaf")
			c.ask(`return server:taskwait({ fd = fd, next = { fd = fd, next = { fd = fd } } }, 60)`, "would_deadlock")
			c.ask(`return server:taskwait("leaf", 60)`, "leaf")
		})
	}
}

package scripting_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"

	lua "github.com/yuin/gopher-lua"
)

// A task whose VM is lost is told by name, as are those that waited on that VM:
// they run again if they may, and are among the dead otherwise. The results that
// the lost VM of a worker waited for go to onFinish of the one in its place.
func TestTasksOfLostVMs(t *testing.T) {
	var starts atomic.Int32
	// bomb.light panics outside of every protection when the running callback has
	// ended, so that its VM is replaced.
	bomb := scripting.Module{Name: "bomb", Funcs: []scripting.Func{
		{Name: "light", Fn: func(in *scripting.Instance, L *lua.LState) int {
			in.AtEnd("bomb", func() { panic("on purpose") })
			return 0
		}},
		{Name: "start", Returns: "number", Fn: func(in *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LNumber(starts.Add(1)))
			return 1
		}},
		{Name: "started", Returns: "number", Fn: func(in *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LNumber(starts.Load()))
			return 1
		}},
	}}
	s := scriptingtest.Serve(t, []scripting.Module{co.Module, bomb}, `
local co, bomb = require "co", require "bomb"
server:set{ worker_num = 1, task_worker_num = 1, task_enable_coroutine = true }
local function show(...)
  local t = {}
  for i = 1, select("#", ...) do t[i] = tostring((select(i, ...))) end
  print(table.concat(t, " "))
end
function onTask(server, task)
  local d = task.data
  if d.bombs and task.tries <= d.bombs then bomb.light() end
  if d.sleep and task.tries == 1 then co.sleep(d.sleep) end
  while d.gate and bomb.started() == 1 do co.sleep(0.01) end
  return d.name .. " at try " .. task.tries
end
function onFinish(server, id, r) show("finish", r) end
function onWorkerError(server, id, pid, code, signal, err) show("lost worker", id, err) end
function onReceive() end

local told = 0
local function own(server, id, r, why, text) show("own", id, r, why, text) told = told + 1 end
local function runs(n) while server:stats().task_queue_num > 0 do co.sleep(0.01) end end
function onWorkerStart(server, id)
  if id ~= 0 or bomb.start() > 1 then return end
  server:after(1, function()
    show("wait", server:taskwait({ name = "a", bombs = 9 }, 60))
    show("wait", server:taskwait({ name = "b", bombs = 1 }, 60, nil, { retry = { times = 1, delay = 0.01 } }))
    server:task({ name = "c", bombs = 9 }, -1, own)
    while told < 1 do co.sleep(0.01) end
    -- others that wait on that VM
    server:task({ name = "d", sleep = 1000 }, -1, own) runs()
    server:task({ name = "e", sleep = 1000 }, -1, own, { retry = 1 }) runs()
    show("wait", server:taskwait({ name = "f", bombs = 9 }, 60))
    while told < 3 do co.sleep(0.01) end
    for _, d in ipairs(server:deadTasks()) do show("dead", d.id, d.data.name, d.reason, d.tries) end
    -- now the VM that asks
    server:task({ name = "g", gate = true }, -1, own) runs()
    bomb.light()
  end)
end
`)
	const want = `wait false task_lost an internal error ended the task
lost worker 1 on purpose
lost worker 1 on purpose
wait b at try 2
lost worker 1 on purpose
own 2 nil task_lost an internal error ended the task
lost worker 1 on purpose
wait false task_lost an internal error ended the task
own 3 nil task_cut the task was cancelled while it ran: vm_lost: the worker's VM was replaced after an internal error
own 4 e at try 2 nil nil
dead 0 a task_lost 1
dead 2 c task_lost 1
dead 3 d task_cut 1
dead 5 f task_lost 1
lost worker 0 on purpose
finish g at try 1
`
	// onWorkerError runs beside the rest, and so do the callbacks of two tasks.
	sorted := func(text string) string {
		lines := strings.SplitAfter(text, "\n")
		slices.Sort(lines)
		return strings.Join(lines, "")
	}
	s.Out.WaitCount(t, "\n", strings.Count(want, "\n"))
	if got := s.Out.String(); sorted(got) != sorted(want) {
		t.Errorf("got:\n%s", got)
	}
	s.Log.Wait(t, "the callback of task 6 (worker 0, generation 1): onFinish gets its result")
}

package tests

import (
	"fmt"
	"strings"
	"testing"
)

// server:addProcess: functions that run beside the workers.

func TestProcesses(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := func(version, count int) string {
			return evalScript + fmt.Sprintf(`
local version, count = %d, %d
server:set{ task_worker_num = 1 }
local co = require "co"
local timer = require "timer"
runs = 0
for i = 0, count - 1 do
  assert(server:addProcess(function(server, id)
    assert(server.worker_id == id and server:getWorkerId() == id and not server.taskworker)
    assert(id == server.setting.worker_num + server.setting.task_worker_num + i)
    print(("process %%d of %%d begins"):format(i, version))
    timer.tick(5, function() ticks = (ticks or 0) + 1 end)
    server:task("from process " .. i)
    while true do
      co.sleep(0.01)
      if ask == "fail" then ask = nil error("process " .. i .. " fails", 0) end
      if ask == "end" then ask = nil return end
    end
  end) == i)
end
function onTask(server, id, src, data) return data end
function onFinish(server, id, r) print("finish in " .. server.worker_id .. ": " .. r) end
function onWorkerStart(server, id) assert(id <= server.setting.worker_num) end
function onPipeMessage(server, src, message)
  if type(message) == "table" then
    print("says " .. tostring(assert(loadstring("local server = ... return " .. message[1]))(server)))
    return
  end
  ask = message
end
function onError(server, event, err) print("error " .. event .. " " .. err.message) end
function to(i, m) return server:sendMessage(m, server.setting.worker_num + 1 + i) end
`, version, count)
		}
		sv := serve(t, s, text(1, 2))
		c := sv.dial(t)
		first := s.workers + 1
		for i := range 2 {
			sv.Out.wait(t, fmt.Sprintf("process %d of 1 begins\n", i))
			sv.Out.wait(t, fmt.Sprintf("finish in %d: from process %d\n", first+i, i))
		}
		c.ask(`return server:stats().user_worker_num`, "2")
		// A VM of its own, which sends and has timers.
		eventually(t, "its timer runs", func() bool {
			c.ask(`return to(1, { "ticks and ticks > 3 and server.worker_id" })`, "true")
			return sv.Out.count(fmt.Sprintf("says %d\n", first+1)) > 0
		})
		c.ask(`return tostring(ticks)`, "nil")
		c.ask(`return to(2, "x")`, "false|no_such_worker|no worker has this id")

		// It begins anew when it has ended, however it did, in a fresh VM.
		c.ask(`return to(0, "end")`, "true")
		sv.Out.waitCount(t, "process 0 of 1 begins\n", 2)
		c.ask(`return to(0, "fail")`, "true")
		sv.Out.wait(t, "error process process 0 fails\n")
		sv.Out.waitCount(t, "process 0 of 1 begins\n", 3)
		sv.Log.wait(t, fmt.Sprintf("a process has ended: it begins anew worker=%d failed=true in=1s", first))
		if n := sv.Out.count("process 1 of 1 begins\n"); n != 1 {
			t.Errorf("the other one began %d times", n)
		}

		// A reload that fails leaves it alone; one that does not swaps it, and may
		// bring more or fewer.
		sv.save(t, "broken(")
		sv.Log.wait(t, "reload failed")
		c.ask(`return to(1, { "ticks > 3" })`, "true")
		sv.Out.wait(t, "says true\n")
		for i, n := range []int{3, 1, 0, 2} {
			sv.save(t, text(2+i, n))
			sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d ", 2+i))
			for k := range n {
				sv.Out.wait(t, fmt.Sprintf("process %d of %d begins\n", k, 2+i))
			}
			c.ask(`return server:stats().user_worker_num`, fmt.Sprint(n))
			c.ask(fmt.Sprintf(`return (to(%d, "x"))`, n), "false")
		}
		if strings.Contains(sv.Log.String(), "cancelled what=") {
			t.Errorf("the log speaks of what a reload ends anyway:\n%s", sv.Log)
		}
	})
}

func TestAddProcessFaults(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, evalScript)
	c := sv.dial(t)
	c.ask(`return select(2, pcall(server.addProcess, server, print))`, "server:addProcess is for the top level of the script: change the file instead, it is loaded again when it is saved")
	differs := launch(t, setup{}, script(t, `
function onReceive() end
if server.worker_id == 0 then server:addProcess(function() end) end
`))
	if code := differs.wait(t); code != 1 || !strings.Contains(differs.Log.String(), "processes: 0 -> 1 (it must declare the same each time it runs)") {
		t.Errorf("exit code %d:\n%s", code, differs.Log)
	}
}

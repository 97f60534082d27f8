package scripting_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	stdtime "swoon/stdlib/time"
)

// What tasks cost a script. The start of the server is in ns/op too:
// -benchtime 100000x makes it small. docs/tasks.md has the figures.
func BenchmarkTasks(b *testing.B) {
	for _, c := range []struct{ name, before, code string }{
		// One fiber waits for one empty task after the other, with nothing else to do.
		{"taskwait", "", `
local spent = {}
for i = 1, n do
  local began = time.monotonic()
  server:taskwait(i, -1)
  spent[i] = time.monotonic() - began
end
table.sort(spent)
print(("@%.0f ns-median"):format(spent[math.floor(#spent / 2) + 1] * 1e9))`},
		// The same, with everything at rest before each.
		{"taskwait after a pause", "", `
local spent = {}
for i = 1, math.min(n, 2000) do
  co.sleep(0.0005)
  local began = time.monotonic()
  server:taskwait(i, -1)
  spent[i] = time.monotonic() - began
end
table.sort(spent)
print(("@%.0f ns-median"):format(spent[math.floor(#spent / 2) + 1] * 1e9))`},
		{"taskwait 1KiB", `data = { name = ("x"):rep(100), list = {} } for i = 1, 50 do data.list[i] = i end for i = 1, 10 do data["key" .. i] = ("v"):rep(48) end`,
			`for i = 1, n do server:taskwait(data, -1) end`},
		// As many as the queue takes, each with a result for onFinish.
		{"task and onFinish", "", `
local submitted = 0
while submitted < n do
  assert(server:task(1, { wait = 60 }))
  submitted = submitted + 1
end
while finished < n do co.sleep(0.001) end`},
		// 64 fibers that wait for tasks beside each other.
		{"taskwait by 64", "", `co.parallel(64, function() for i = 1, n / 64 do server:taskwait(i, -1) end end)`},
		{"sendMessage and back", "", `
for i = 1, n do
  server:sendMessage(i, 1)
  back:pop()
end`},
	} {
		for _, workers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/%d", c.name, workers), func(b *testing.B) {
				b.ReportAllocs()
				defer scriptingtest.ReportCPU(b, b.N)()
				s := scriptingtest.Serve(b, []scripting.Module{co.Module, stdtime.Module}, fmt.Sprintf(`
local co, time = require "co", require "time"
server:set{ worker_num = 2, task_worker_num = %d, max_execution_time = 0, task_queue_size = 10000 }
finished, back = 0, co.channel(1)
%s
function onTask(server, id, src, data) return data end
function onFinish(server, id, r) finished = finished + 1 end
function onPipeMessage(server, src, m)
  if server.worker_id == 1 then server:sendMessage(m, 0) else back:push(m) end
end
function onReceive() end
local function run(n)
%s
end
function onWorkerStart(server, id)
  if id ~= 0 then return end
  server:after(1, function()
    run(math.min(1000, %d))
    finished = 0
    run(%d)
    print("@end")
  end)
end`, workers, c.before, c.code, b.N, b.N), [2]string{"worker_num", "2"})
				s.Out.Wait(b, "@end")
				if list := strings.Split(s.Out.String(), "@"); len(list) == 4 { // of the warm-up, of the run, the end
					median, err := strconv.ParseFloat(strings.Fields(list[2])[0], 64)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(median, "ns-median")
				}
			})
		}
	}
}

package timer_test

import (
	"fmt"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/timer"
)

// What one timer costs: set among as many as the benchmark has rounds, cleared
// again, called. -benchtime 100000x is a hundred thousand of them.
func BenchmarkTimers(b *testing.B) {
	for _, c := range []struct{ name, code string }{
		{"set", `for i = 1, n do timer.after(3600000 + i * 7919 % n, called) end print("@end")`},
		{"set and clear", `
local ids = {}
for i = 1, n do ids[i] = timer.after(3600000 + i * 7919 % n, called) end
for i = 1, n do timer.clear(ids[i]) end
print("@end")`},
		{"set and called", `for i = 1, n do timer.after(1 + i * 7919 % 100, called) end`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			defer scriptingtest.ReportCPU(b, b.N)()
			s := scriptingtest.Serve(b, []scripting.Module{timer.Module}, fmt.Sprintf(`
local timer = require "timer"
local n, times = %d, 0
local function called()
  times = times + 1
  if times == n then print("@end") end
end
function onReceive() end
function onWorkerStart(server)
  server:after(1, function() %s end)
end`, b.N, c.code), [2]string{"worker_num", "1"}, [2]string{"max_execution_time", "0"})
			s.Out.Wait(b, "@end")
		})
	}
}

package shared_test

import (
	"fmt"
	"testing"

	"swoon/scripting/scriptingtest"
)

// What one call costs a script, with the loop around it. The start of the
// server is in the figures too: -benchtime 1000000x makes it small.
func BenchmarkFromLua(b *testing.B) {
	for _, c := range []struct{ name, before, op string }{
		{"loop", "", ""},
		{"get number", `t:set("key", 1.5)`, `t:get("key")`},
		{"get string", `t:set("key", "value")`, `t:get("key")`},
		{"get lru", `t = shared.table("l", {max_bytes = "1M", lru = true}) t:set("key", "value")`, `t:get("key")`},
		{"get table", `t:set("key", {a = 1, b = "x", 3})`, `t:get("key")`},
		{"get field", `t:set("key", {a = 1, b = "x", 3})`, `t:get("key", "b")`},
		{"set number", "", `t:set("key", 1.5)`},
		{"set table", "local v = {a = 1, b = 'x', 3}", `t:set("key", v)`},
		{"set ttl", "", `t:set("key", 1.5, 100)`},
		{"incr", "", `t:incr("key")`},
		{"row get", `t = shared.table("r", {columns = {a = "int", b = "string"}}) t:set("key", {a = 1, b = "x"})`, `t:get("key")`},
		{"row field", `t = shared.table("r", {columns = {a = "int", b = "string"}}) t:set("key", {a = 1, b = "x"})`, `t:get("key", "a")`},
		{"row set", `t = shared.table("r", {columns = {a = "int", b = "string"}})`, `t:set("key", {a = 1})`},
		{"row incr", `t = shared.table("r", {columns = {a = "int", b = "string"}})`, `t:incr("key", "a")`},
		{"atomic add", "", `a:add()`},
		{"lock unlock", "", `l:lock() l:unlock()`},
		{"push pop", "", `c:push(i) c:pop()`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			scriptingtest.Run(b, modules, fmt.Sprintf(`
local shared = require "shared"
local t, a, l, c = shared.table("t"), shared.atomic("a"), shared.lock("l"), shared.channel("c", 10)
%s
for i = 1, %d do %s end`, c.before, b.N, c.op), [2]string{"max_execution_time", "0"})
		})
	}
}

// Workers on one table at once, each with b.N calls on keys all over it. ns/op is
// of one call on each worker: four workers that do not hinder each other, with
// four processors, need as long as one.
func BenchmarkWorkers(b *testing.B) {
	for _, c := range []struct{ name, op string }{
		{"get", `t:get(keys[i % 1000 + 1])`},
		{"set", `t:set(keys[i % 1000 + 1], i)`},
		{"incr", `t:incr(keys[i % 1000 + 1])`},
		{"incr one key", `t:incr("key")`},
		{"row incr", `r:incr(keys[i % 1000 + 1], "n")`},
	} {
		for _, workers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/%d", c.name, workers), func(b *testing.B) {
				defer scriptingtest.ReportCPU(b, b.N*workers)()
				s := scriptingtest.Serve(b, modules, fmt.Sprintf(`
local shared = require "shared"
local t, r = shared.table("t"), shared.table("r", { columns = { n = "int" } })
function onReceive() end
local keys = {}
for i = 1, 1000 do keys[i] = "key " .. i end
function onWorkerStart(server, id)
  server:after(1, function()
    for i = 1, 1000 do t:set(keys[i], i) end
    for i = 1, %d do %s end
    print("@end")
  end)
end`, b.N, c.op), [2]string{"worker_num", fmt.Sprint(workers)}, [2]string{"max_execution_time", "0"})
				s.Out.WaitCount(b, "@end", workers)
				b.ReportMetric(float64(b.N*workers)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}

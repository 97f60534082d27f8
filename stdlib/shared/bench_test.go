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

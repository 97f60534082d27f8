package tests

import (
	"fmt"
	"strings"
	"testing"
)

// What could take the process down, or hold its only worker for ever. After
// each the server answers another client.
var crashes = []struct{ name, code string }{
	{"coroutines that resume each other", `local a, b; a = coroutine.create(function() coroutine.resume(b) end); b = coroutine.create(function() coroutine.resume(a) end); coroutine.resume(a)`},
	{"coroutine in coroutine", `local function f() return coroutine.wrap(f)() end f()`},
	{"coroutine.resume in coroutine", `local function f() coroutine.resume(coroutine.create(f)) end f()`},
	{"nested braces", `assert(loadstring("return " .. ("{"):rep(1e6) .. ("}"):rep(1e6)))`},
	{"unary minus", `assert(loadstring("return " .. ("-"):rep(5e6) .. "1"))`},
	{"nested functions", `assert(loadstring(("function f() "):rep(1e6) .. (" end"):rep(1e6)))`},
	{"nested parentheses", `assert(loadstring("return " .. ("("):rep(2e5) .. "1" .. (")"):rep(2e5)))`},
	{"concatenations without end", `assert(loadstring("return " .. ("a.."):rep(8e4) .. "a"))`},
	{"a load that never ends", `load(function() return "x = 1 " end)`},
	{"captures without end", `("x"):find(("("):rep(1e6) .. (")"):rep(1e6))`},
	{"a match over a megabyte", `assert(#(("a"):rep(999000)):match("^(.*)$") == 999000)`},
	{"a runaway pattern", `(("a"):rep(60)):find(("a*"):rep(9) .. "b")`},
	{"a quadratic gsub", `(("a "):rep(1e5)):gsub(" ", "")`},
	{"a huge repetition", `string.rep("x", 2e10)`},
	{"an impossible repetition", `string.rep("x", 1e300)`},
	{"a string that doubles", `local s = "x" while true do s = s .. s end`},
	{"table.concat", `local t = {} for i = 1, 1000 do t[i] = ("x"):rep(1e6) end table.concat(t)`},
	{"a huge width", `string.format("%999999999d", 1)`},
	{"varargs without end", `local function v(...) return v(1, ...) end v()`},
	{"unpack", `unpack({}, 1, 1e8)`},
	{"recursion", `local function f() return 1 + f() end f()`},
	{"recursion through pcall", `local function f() pcall(f) error("x") end f()`},
	{"recursion through xpcall's handler", `local function f() xpcall(error, f) end f()`},
	{"recursion through __index", `local t = setmetatable({}, {__index = function(t, k) return t[k .. "x"] end}) local _ = t.a`},
	{"recursion through __tostring", `local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) tostring(t)`},
	{"recursion through __eq", `local m = {} m.__eq = function(a, b) return a == b end local _ = setmetatable({}, m) == setmetatable({}, m)`},
	{"recursion through __concat", `local m = {} m.__concat = function(a, b) return a .. b end local _ = setmetatable({}, m) .. "x"`},
	{"recursion through __call", `local m = {} m.__call = function(self) return self() end setmetatable({}, m)()`},
	{"recursion through sort", `local function f() table.sort({1, 2, 3}, f) end f()`},
	{"recursion through gsub", `local function f() return (("x"):gsub(".", f)) end f()`},
	{"a comparator that lies", `local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)`},
	{"a sparse index", `local t = {} for i = 1, 100 do t[i * 60000000] = 1 end`},
	{"os.execute", `os.execute("true")`},
	{"io.read", `io.read()`},
	{"debug", `debug.setmetatable(0, {})`},
	{"while", `while true do end`},
	{"repeat", `repeat until false`},
	{"goto", `::top:: goto top`},
	{"for", `for i = 1, math.huge do end`},
	{"for in", `for _ in function() return 1 end do end`},
	{"a tail call", `local function f() return f() end f()`},
	{"pcall in a loop", `while true do pcall(error) end`},
	{"a loop in pcall", `pcall(function() while true do end end) while true do end`},
	{"a handler that loops", `xpcall(error, function() while true do end end)`},
	{"a loop in a coroutine", `coroutine.wrap(function() while true do end end)()`},
	{"a loop in __index", `local _ = setmetatable({}, {__index = function() while true do end end}).x`},
	{"a loop in a comparator", `table.sort({1, 2, 3}, function() while true do end end)`},
	{"a loop in gsub", `("x"):gsub(".", function() while true do end end)`},
	{"a loop in __call", `setmetatable({}, {__call = function() while true do end end})()`},
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	var script strings.Builder
	script.WriteString("server:set{ max_execution_time = 0.5, memory_limit = \"1500M\" }\nlocal cases = {\n")
	for _, c := range crashes {
		fmt.Fprintf(&script, "function() %s end,\n", c.code)
	}
	script.WriteString(`}
		function onReceive(server, fd, reactor_id, data)
		  local n = tonumber(data:match("^run (%d+)"))
		  if n then cases[n]() end
		  server:send(fd, "ok\n")
		end`)
	sv := serve(t, setup{mode: "base", workers: 1}, script.String())
	other := sv.dial(t)
	for i, c := range crashes {
		bad := sv.dial(t)
		bad.say(fmt.Sprintf("run %d", i+1))
		bad.CloseWrite()
		answer, err := bad.rest() // the error closes the session, or it is none
		if err != nil && answer == "" {
			t.Errorf("%s: %v", c.name, err)
		}
		bad.Close()
		other.say("still there?")
		if got := other.line(); got != "ok" {
			t.Fatalf("%s: another client got %q", c.name, got)
		}
		if t.Failed() {
			return
		}
	}
	sv.Log.waitCount(t, "(max_execution_time)", 13) // endless loops that the clock has stopped
}

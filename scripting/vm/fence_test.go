package vm

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each of these took the process down, or would have, with gopher-lua alone.
func TestFences(t *testing.T) {
	cases := []struct{ name, src, want string }{
		{"coroutines resuming each other", `local a, b
a = coroutine.create(function() return coroutine.resume(b) end) b = coroutine.create(function() return coroutine.resume(a) end)
print(coroutine.resume(a))`, "true\ttrue\tfalse\tcannot resume normal coroutine"},
		{"coroutine nesting, resume", `local function f() return select(2, coroutine.resume(coroutine.create(f))) end print(select(2, coroutine.resume(coroutine.create(f))))`, "C stack overflow"},
		{"coroutine nesting, wrap", `local function f() coroutine.wrap(f)() end print((select(2, pcall(f)):gsub("app.lua:1: ", "")))`, "C stack overflow"},
		{"nested braces", `print(loadstring("return " .. ("{"):rep(100000)))`, "chunk has too many syntax levels (limit 200)"},
		{"nested functions", `print(loadstring(("return function() "):rep(10000)))`, "chunk has too many syntax levels"},
		{"unary minus", `print(loadstring("return " .. ("- "):rep(100000) .. "1"))`, "chunk has too many syntax levels"},
		{"unary not", `print(loadstring("return " .. ("not "):rep(60000) .. "1"))`, "chunk has too many syntax levels"},
		{"long sum", `print(loadstring("return 1" .. ("+1"):rep(100000)))`, "expression too complex"},
		{"long power", `print(loadstring("return 1" .. ("^1"):rep(100000)))`, "expression too complex"},
		{"long concat", `print(loadstring("return 1" .. (" ..1"):rep(60000)))`, "expression too complex"},
		{"long index", `print(loadstring("return a" .. (".a"):rep(100000)))`, "expression too complex"},
		{"long calls", `print(loadstring("return a" .. ("()"):rep(100000)))`, "expression too complex"},
		{"long elseif", `print(loadstring("if a then " .. ("elseif a then "):rep(4000) .. "end"))`, ""},
		{"big source", `print(loadstring(("x=1 "):rep(100000)))`, "source too large (limit 262144 bytes)"},
		{"endless reader", `print(load(function() return "x=1 " end))`, "source too large"},
		{"nested pattern", `print(pcall(string.find, "x", ("("):rep(1e6)))`, "pattern too long (1000000 bytes, limit 65536)"},
		{"open captures", `print(pcall(string.find, "x", ("("):rep(1e4)))`, "too many captures"},
		{"long subject", `print(#("x"):rep(999000):match("^(.*)$"))`, "999000"},
		{"long subject, lazy", `print(#("x"):rep(999000):match("^(.-)$"))`, "999000"},
		{"pattern of question marks", `print(#("a"):rep(30000):match(("a?"):rep(30000)))`, "30000"},
		{"rep", `print(pcall(string.rep, "x", 2e10))`, "string too large (20000000000 bytes, limit 4194304)"},
		{"rep of rep", `print(pcall(string.rep, ("x"):rep(1e6), 1e300))`, "string too large"},
		{"concat", `print(pcall(function() local s = "x" while true do s = s .. s end end))`, "app.lua:1: string too large (8388608 bytes, limit 4194304)"},
		{"table.concat", `local t = {} for i = 1, 5 do t[i] = ("x"):rep(1e6) end print(pcall(table.concat, t))`, "string too large"},
		{"gsub", `print(pcall(string.gsub, ("x"):rep(1e5), "x", ("y"):rep(1000)))`, "string too large"},
		{"format width", `print(pcall(string.format, "%1000000000d", 1))`, "invalid format (width or precision too long)"},
		{"sparse index", `local t = {} t[6e7] = 1 t[12345678] = 2 print(t[6e7], t[12345678], #t, next(t) ~= nil, t[6e7 - 1])`, "1\t2\t0\ttrue\tnil"},
		{"sparse rawset", `local t = {} rawset(t, 6e7, 1) table.insert(t, 5e7, 2) print(t[6e7], t[5e7])`, "1\t2"},
		{"session ids", `local t = {} for id = 5e6, 5e6 + 3000 do t[id] = id t[id - 100] = nil end local n = 0 for k in pairs(t) do n = n + 1 end print(n)`, "100\n"},
		{"list past 2^20", `local t = {} print(pcall(function() for i = 1, 1048577 do t[i] = i end end)) print(#t)`, "true\n1048577"},
		{"list by #", `local t = {} for i = 1, 1048575 do t[i] = i end print(pcall(function() t[#t + 1] = 1 end)) print(#t)`, "true\n1048576"},
		{"list by insert", `local t = {} for i = 1, 1048575 do t[i] = i end table.insert(t, 1) print(#t) rawset(t, 1048577, 1) print(#t, table.maxn(t))`, "1048576\n1048577\t1048577"},
		{"list downwards", `local t = {} print(pcall(function() for i = 110000, 1, -1 do t[i] = i end return #t end))`, "true\t110000"},
		{"vararg recursion", `local function v(...) return 1 + v(1, ...) end print(pcall(v))`, "stack overflow"},
		{"vararg tail recursion", `local function v(...) return v(1, ...) end print(pcall(v, unpack({}, 1, 130500)))`, "overflow"},
		{"unpack", `print(pcall(unpack, {}, 1, 1e8))`, "too many results to unpack"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			if got := out(t, c.src); !strings.Contains(got, c.want) {
				t.Errorf("%.300q lacks %q", got, c.want)
			}
			// It ends, also on a machine that does other things too.
			if d := time.Since(start); d > time.Minute {
				t.Error("took", d)
			}
		})
	}
}

// Recursion of every kind ends in an error that Lua can catch; the VM goes on.
func TestStackOverflow(t *testing.T) {
	kinds := map[string]string{
		"plain":          `local function f() return 1 + f() end return f`,
		"method":         `local o = {} function o:m() return 1 + self:m() end return function() o:m() end`,
		"closures":       `local keep = {} local function f(n) local x = n; keep[1] = function() return x end; return 1 + f(n + 1) end return function() f(1) end`,
		"__index":        `local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return function() return t[1] end`,
		"__newindex":     `local t = setmetatable({}, {__newindex = function(t, k, v) t[k + 1] = v end}) return function() t[1] = 1 end`,
		"__add":          `local t t = setmetatable({}, {__add = function(a, b) return a + b end}) return function() return t + t end`,
		"__concat":       `local t t = setmetatable({}, {__concat = function(a, b) return a .. b end}) return function() return t .. t end`,
		"__eq":           `local mt = {} mt.__eq = function(a, b) return a == b end local a, b = setmetatable({}, mt), setmetatable({}, mt) return function() return a == b end`,
		"__call":         `local t t = setmetatable({}, {__call = function(s) return 1 + s() end}) return function() return t() end`,
		"__tostring":     `local t t = setmetatable({}, {__tostring = function(s) return tostring(s) end}) return function() return tostring(t) end`,
		"pcall":          `local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end return f`,
		"xpcall":         `local function f() local ok, e = xpcall(f, function(m) return m end) if not ok then error(e, 0) end end return f`,
		"handler":        `local function f() error("x") end local function h(m) local function g() return 1 + g() end g() end return function() local ok, e = xpcall(f, h) error(e, 0) end`,
		"sort":           `local function f() table.sort({3, 2, 1}, function(a, b) f() return a < b end) end return f`,
		"gsub":           `local function f() (("x"):gsub("x", f)) end return f`,
		"gsub plain":     `local function f() string.gsub("x", "x", f) return 1 end return f`,
		"iterator":       `local function f() for _ in f do end end return f`,
		"wrap":           `local function f() coroutine.wrap(f)() end return f`,
		"loadstring":     `function g() return 1 + loadstring("return g()")() end return g`,
		"index in pcall": `local t t = setmetatable({}, {__index = function(t, k) local ok, e = pcall(function() return t[k + 1] end) if not ok then error(e, 0) end end}) return function() return t[1] end`,
	}
	for name, src := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := out(t, fmt.Sprintf(`local f = (function() %s end)()
local n = 0 local function up() n = n + 1 end
for i = 1, 3 do local ok, e = pcall(f) up() print(ok, #tostring(e) < 20000 and tostring(e):sub(-60)) end
print(xpcall(f, function(m) return "handled" end)) up()
print(coroutine.resume(coroutine.create(function() local ok, e = pcall(f) return ok end)))
print(n, pcall(error, "usable"))
local function deep(k) if k > 0 then return 1 + deep(k - 1) end return 0 end print(deep(3000))`, src))
			if strings.Count(got, "overflow")+strings.Count(got, "error in error handling") < 3 || !strings.HasSuffix(got, "4\tfalse\tusable\n3000\n") {
				t.Errorf("%.1500s", got)
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"return 1", "x = [==[ ]==]", "a.b.c:d(1)(2){3}", "for i=1,2 do end", "goto a ::a::", "--[[ ]]", "return - - -1", "#!x\nreturn ...", "local t = {1, 2; x = 3, [4] = 5}", "x='\\", "0x", "1e", "..", "[[", "if a then elseif b then else end", "\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Compile("", "@fuzz.lua", src)
		if (c == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if err != nil && err.Full() == "" {
			t.Fatal("no text")
		}
	})
}

package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func (v *VM) fn(t testing.TB, src string) *lua.LFunction {
	t.Helper()
	c, err := Compile("", "@app.lua", []byte(src))
	if err != nil {
		t.Fatal(err.Full())
	}
	out, err := v.Call(c.Function(v), 1)
	if err != nil {
		t.Fatal(err.Full())
	}
	return out[0].(*lua.LFunction)
}

func TestCall(t *testing.T) {
	v, _ := newVM(t)
	f := v.fn(t, `return function(a, b, ...) return b, a, select('#', ...) end`)
	out, err := v.Call(f, lua.MultRet, lua.LNumber(1), lua.LString("x"), lua.LNil)
	if err != nil || len(out) != 3 || out[0].String() != "x" || out[2].String() != "1" {
		t.Fatal(out, err)
	}
	if out, err = v.Call(f, 0); err != nil || len(out) != 0 {
		t.Fatal(out, err)
	}
	if out, err = v.Call(f, 5, lua.LTrue); err != nil || len(out) != 5 || out[4] != lua.LNil {
		t.Fatal(out, err)
	}
}

func TestError(t *testing.T) {
	v, _ := newVM(t)
	dir := v.opt.Dir
	if err := os.WriteFile(filepath.Join(dir, "m.lua"), []byte("local M = {}\nfunction M.go()\n\terror('boom')\nend\nreturn M\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	f := v.fn(t, "local m = require 'm'\nreturn function() m.go() end")
	_, err := v.Call(f, 0)
	if err == nil || err.Message != "m.lua:3: boom" || err.File != "m.lua" || err.Line != 3 || err.Func != "go" || err.Source != "\terror('boom')" {
		t.Fatalf("%+v", err)
	}
	want := "m.lua:3: boom\n  3 | \terror('boom')\nstack traceback:\n\t[C]: in function 'error'\n\tm.lua:3: in function 'go'\n\tapp.lua:2: in function <app.lua:2>\n\t[C]: ?"
	if err.Full() != want {
		t.Fatalf("got:\n%s\nwant:\n%s", err.Full(), want)
	}
	for src, want := range map[string]string{
		`error(setmetatable({}, {__tostring = function() return "obj" end}))`: "obj",
		`error({})`: "(error object is a table value)",
		`error()`:   "(error object is a nil value)",
		`error(setmetatable({}, {__tostring = function() error("no") end}))`: "(error object is a table value)",
		`local t = nil; t.x = 1`: "app.lua:1: attempt to index a nil value (local 't')",
		`nope()`:                 "app.lua:1: attempt to call a nil value (global 'nope')",
	} {
		if err := v.do(t, src); err == nil || err.Message != want {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestSyntaxError(t *testing.T) {
	for src, want := range map[string]string{
		"local x = = 1":      "app.lua:1: syntax error near '='\n  1 | local x = = 1\n                ^",
		"a = 1\nfor":         "app.lua:2: syntax error near '<eof>'\n  2 | for\n         ^",
		"x = 'abc":           "app.lua:1: unterminated string near '<eof>'",
		"goto nowhere":       "app.lua:2: no visible label 'nowhere' for <goto> at line 1",
		"\n\nlocal a 12 = 1": "app.lua:3: syntax error near '12'\n  3 | local a 12 = 1\n              ^",
	} {
		_, err := Compile("", "@app.lua", []byte(src))
		if err == nil || !strings.HasPrefix(err.Full(), want) || err.Kind != KindSyntax {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func TestRequire(t *testing.T) {
	v, h := newVM(t)
	dir := v.opt.Dir
	write := func(name, src string) {
		path := filepath.Join(dir, name)
		_ = os.MkdirAll(filepath.Dir(path), 0o777)
		if err := os.WriteFile(path, []byte(src), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("a/b.lua", "return 'ab'")
	write("pkg/init.lua", "return 'pkg'")
	write("c1.lua", "require 'c2'")
	write("c2.lua", "require 'c1'")
	write("syn.lua", "x = = 1")
	v.Preload("native", func(L *lua.LState) int {
		L.Push(lua.LString("native " + L.Get(1).String()))
		return 1
	})
	if err := v.do(t, `print(require 'a.b', require 'pkg', require 'native')
print(select(2, pcall(require, 'c1')))
print(select(2, pcall(require, 'syn')))
print(select(2, pcall(require, 'gone.x')))
print(select(2, pcall(require, '../etc')))
print(select(2, pcall(require, 'c1')))`); err != nil {
		t.Fatal(err.Full())
	}
	want := `ab	pkg	native native
c2.lua:1: loop while loading module 'c1': it requires itself, directly or through another module
error loading module 'syn' from file 'DIR/syn.lua':
	syn.lua:1: syntax error near '='
module 'gone.x' not found:
	no field package.preload['gone.x']
	no file 'DIR/gone/x.lua'
	no file 'DIR/gone/x/init.lua'
module '../etc' not found: a module name has no slashes and no empty parts
c2.lua:1: loop while loading module 'c1': it requires itself, directly or through another module
`
	if got := strings.ReplaceAll(h.out.String(), dir, "DIR"); got != want {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
	if n := len(v.Loader().Files()); n < 6 {
		t.Fatal(v.Loader().Files())
	}
}

func TestRemoved(t *testing.T) {
	got := out(t, `for _, f in ipairs{os.execute, os.remove, os.rename, os.tmpname, io.popen, io.read, io.tmpfile, io.input, string.dump} do
  local ok, e = pcall(f, "x") print(ok, e) end
print(channel, newproxy, module, _printregs, package.loadlib, debug.sethook, debug.getlocal, package.loaders)
print(pcall(io.stdin.read, io.stdin))
print(math.huge, 1/0, math.huge == 1/0, collectgarbage("count") > 10, collectgarbage(), pcall(collectgarbage, "bad"))
math.randomseed(1) local a = math.random(100) math.randomseed(1) print(a == math.random(100), pcall(math.random, 0))`)
	for _, want := range []string{
		"false\tos.execute is not available in Swoon: ", "false\tio.popen is not", "nil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\n",
		"io.stdin is not available", "true\tfalse\tbad argument #1 to '?' (interval is empty)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q missing in\n%s", want, got)
		}
	}
}

func TestExit(t *testing.T) {
	v, h := newVM(t)
	err := v.do(t, `pcall(function() coroutine.wrap(function() xpcall(function() os.exit(3) end, print) end)() end) print("never")`)
	if err == nil || !err.Uncatchable || err.Kind != KindKilled || len(h.exit) != 1 || h.exit[0] != 3 || h.out.Len() != 0 {
		t.Fatal(err, h.exit, h.out.String())
	}
	if err := v.do(t, `print("fine", pcall(error, "x"))`); err != nil || h.out.String() != "fine\tfalse\tx\n" {
		t.Fatal(err, h.out.String())
	}
}

// Library functions written in Go may panic; that is an error like any other.
func TestGoPanic(t *testing.T) {
	v, h := newVM(t)
	v.SetGlobal("crash", v.Function(func(L *lua.LState) int {
		var m map[string]int
		m["x"] = 1
		return 0
	}))
	if err := v.do(t, `
local n, kept = 0
local function up() n = n + 1 end
for i = 1, 3 do
  print(pcall(function() local s = "kept" .. i; kept = function() s = s .. "!" return s end; crash() end))
  up() print(kept(), kept(), n)
end
print(xpcall(crash, function(m) return "handled: " .. m end))
print(coroutine.resume(coroutine.create(function() local s = "co"; kept = function() return s end; crash() end)))
print(kept())`); err != nil {
		t.Fatal(err.Full())
	}
	got := h.out.String()
	if strings.Count(got, "app.lua:5: assignment to entry in nil map") != 3 || !strings.Contains(got, "kept3!\tkept3!!\t3\n") ||
		!strings.Contains(got, "false\thandled: assignment to entry in nil map\n") || !strings.HasSuffix(got, "assignment to entry in nil map\nco\n") {
		t.Fatal(got)
	}
	err := v.do(t, `crash()`)
	if err == nil || err.Kind != KindPanic || !strings.Contains(err.GoStack, "TestGoPanic") || !strings.Contains(err.Traceback, "in function 'crash'") {
		t.Fatalf("%+v", err)
	}
}

func TestSharedProto(t *testing.T) {
	c, cerr := Compile("", "@app.lua", []byte(`local t, n = {}, 0
local function add(...) for _, x in ipairs{...} do n = n + x end return n end
for i = 1, 20 do t["k" .. i] = add(i, i); pcall(error, "x") end
local co = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i) end end)
for i = 1, 5 do n = n + co() end
goto done
do n = 0 end
::done::
return n, setmetatable({}, {__index = function(_, k) return k .. "!" end}).x`))
	if cerr != nil {
		t.Fatal(cerr)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				v := New(Options{})
				out, err := v.Call(c.Function(v), 2)
				if err != nil || out[0].String() != "435" || out[1].String() != "x!" {
					t.Error(out, err)
				}
				v.Close()
			}
		})
	}
	wg.Wait()
}

func TestLoaderShared(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.lua")
	if err := os.WriteFile(path, []byte("return 1"), 0o666); err != nil {
		t.Fatal(err)
	}
	l := NewLoader(dir)
	var wg sync.WaitGroup
	var first atomic.Pointer[Chunk]
	for range 8 {
		wg.Go(func() {
			c, err := l.Load("x.lua")
			if err != nil || !first.CompareAndSwap(nil, c) && first.Load() != c {
				t.Error("not the same chunk", err)
			}
		})
	}
	wg.Wait()
	if f := l.Files(); len(f) != 1 || f[0] != path {
		t.Fatal(f)
	}
	if err := os.WriteFile(path, []byte("return 22"), 0o666); err != nil {
		t.Fatal(err)
	}
	if c, _ := l.Load("x.lua"); c != first.Load() {
		t.Fatal("Load must keep to one state of the tree")
	}
	if c, _ := l.Reload("x.lua"); c == first.Load() {
		t.Fatal("Reload must see the change")
	}
}

// A wait that is cancelled raises its error in Lua, catchable.
func TestBlockError(t *testing.T) {
	v, h := newVM(t)
	h.block = func(*lua.LState, string, func(context.Context)) error { return errors.New("cancelled: shutdown") }
	if err := v.do(t, `print(pcall(io.open, "x"))`); err != nil || !strings.Contains(h.out.String(), "cancelled: shutdown") {
		t.Fatal(err, h.out.String())
	}
}

func TestNoAllocation(t *testing.T) {
	v, _ := newVM(t)
	f := v.fn(t, `return function(a, b) if a then return b end end`)
	a, b := lua.LValue(lua.LTrue), lua.LValue(lua.LString("data"))
	bad := false
	n := testing.AllocsPerRun(500, func() {
		th := v.Begin(f)
		th.Push(a)
		th.Push(b)
		err := th.Run(1)
		bad = bad || err != nil || th.Get(1) != b
		v.End(th)
	})
	if n != 0 || bad {
		t.Fatal(n, bad)
	}
}

func TestInterruptLoops(t *testing.T) {
	loops := map[string]string{
		"while":            `while true do end`,
		"repeat":           `repeat until false`,
		"goto":             `::a:: goto a`,
		"for":              `for i = 1, math.huge do end`,
		"for in":           `for _ in function() return 1 end do end`,
		"tail call":        `local function f() return f() end f()`,
		"pcall":            `while true do pcall(error, "x") end`,
		"pcall in pcall":   `pcall(function() while true do pcall(function() while true do end end) end end) while true do end`,
		"xpcall handler":   `xpcall(error, function() while true do end end)`,
		"coroutine":        `coroutine.wrap(function() while true do end end)()`,
		"resume loop":      `while true do coroutine.resume(coroutine.create(function() while true do end end)) end`,
		"__index":          `local t = setmetatable({}, {__index = function() while true do end end}) local _ = t.x`,
		"sort":             `local t = {} for i = 1, 50 do t[i] = i end table.sort(t, function() while true do end end)`,
		"gsub":             `("x"):gsub("x", function() while true do end end)`,
		"__call":           `setmetatable({}, {__call = function() while true do end end})()`,
		"pattern":          `(("a"):rep(60)):match(("a*"):rep(12) .. "b")`,
		"pattern in pcall": `while true do pcall(string.find, ("a"):rep(80), ("a-"):rep(14) .. "b") end`,
		"gsub long":        `while true do (("a "):rep(1000)):gsub(" ", "") end`,
		"load reader":      `while true do load(function() return " " end) end`,
		"string build":     `local s = "" while true do s = "x" end`,
		"method":           `local o = {} function o:m() return self:m() end o:m()`,
		"nested xpcall":    `local function f() xpcall(f, f) return f() end f()`,
	}
	rounds := 50
	if raceEnabled {
		rounds = 10
	}
	for name, src := range loops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			word := new(atomic.Uint32)
			h := &testHost{}
			v := New(Options{Host: h, Interrupt: word})
			defer v.Close()
			h.interrupt = func(L *lua.LState) { RaiseUncatchable(L, &Error{Message: "too long"}) }
			for range rounds { // in a row, on one VM: it must stay right
				h.out.Reset()
				timer := time.AfterFunc(4*time.Millisecond, func() { word.Store(1) })
				start := time.Now()
				err := v.do(t, src)
				timer.Stop()
				if err == nil || !err.Uncatchable || err.Message != "too long" || err.Traceback == "" {
					t.Fatal(err)
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Fatal("stopped only after", d)
				}
				word.Store(0)
				if err := v.do(t, `print(pcall(error, "x"))`); err != nil || h.out.String() != "false\tx\n" {
					t.Fatal("the VM must live on", err, h.out.String())
				}
			}
		})
	}
}

func TestFullTraceback(t *testing.T) {
	v, h := newVM(t)
	h.interrupt = func(L *lua.LState) { RaiseUncatchable(L, &Error{Message: "stop"}) }
	v.SetGlobal("arm", v.Function(func(*lua.LState) int { v.opt.Interrupt.Store(1); return 0 }))
	err := v.do(t, `local function spin() arm() while true do end end
pcall(function()
  coroutine.wrap(function() pcall(spin) end)()
end)`)
	v.opt.Interrupt.Store(0)
	want := `stack traceback:
	app.lua:1: in function <app.lua:1>
	[C]: in function 'pcall'
	app.lua:3: in function <app.lua:3>
resumed by:
	[C]: ?
	app.lua:3: in function <app.lua:2>
	[C]: in function 'pcall'
	app.lua:2: in main chunk
	[C]: ?`
	if err == nil || err.Traceback != want || err.Line != 1 || err.File != "app.lua" {
		t.Fatal(err.Full())
	}
}

// The thread of a wrapped coroutine is used again only when the script cannot
// see that it is the same one.
func TestCoroutineReuse(t *testing.T) {
	v, h := newVM(t)
	if err := v.do(t, `local w = coroutine.wrap(function(a) coroutine.yield(a) return "end" end)
print(w(1), w(), pcall(w))
local x = coroutine.wrap(function() return "other" end)
print(pcall(w)) print(x()) print(pcall(w)) print(pcall(x))
local me local y = coroutine.wrap(function() me = coroutine.running() end) y()
local z = coroutine.wrap(function() coroutine.yield(coroutine.running() ~= me) end)
print(z(), coroutine.status(me), coroutine.resume(me))
for i = 1, 1000 do local n = 0 for k in coroutine.wrap(function() for j = 1, 3 do coroutine.yield(j) end end) do n = n + k end assert(n == 6) end
local t = coroutine.wrap(function() return coroutine.yield("tail") end) print(t(), t("last"), pcall(t))`); err != nil {
		t.Fatal(err.Full())
	}
	want := `1	end	false	cannot resume dead coroutine
false	cannot resume dead coroutine
other
false	cannot resume dead coroutine
false	cannot resume dead coroutine
true	dead	false	cannot resume dead coroutine
tail	last	false	cannot resume dead coroutine
`
	if got := h.out.String(); got != want {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
	if len(v.spare) == 0 || len(v.spare) > 4 {
		t.Fatal(len(v.spare), "spare threads")
	}
}

package vm

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func benchLoop(b *testing.B, setup, body string) {
	v, _ := newVM(b)
	f := v.fn(b, setup+" return function(n) for i = 1, n do "+body+" end end")
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := v.Call(f, 0, lua.LNumber(b.N)); err != nil {
		b.Fatal(err.Full())
	}
}

func BenchmarkCall(b *testing.B) {
	v, _ := newVM(b)
	f := v.fn(b, `return function(a, b) return b end`)
	a, x := lua.LValue(lua.LTrue), lua.LValue(lua.LString("data"))
	b.ReportAllocs()
	for b.Loop() {
		th := v.Begin(f)
		th.Push(a)
		th.Push(x)
		if err := th.Run(0); err != nil {
			b.Fatal(err)
		}
		v.End(th)
	}
}

func BenchmarkPCallOK(b *testing.B) {
	benchLoop(b, "local f = function() end", "pcall(f)")
}
func BenchmarkPCallError(b *testing.B) {
	benchLoop(b, "local f = function() error('x') end", "pcall(f)")
}
func BenchmarkPCallErrorValue(b *testing.B) {
	benchLoop(b, "local e = {}", "pcall(error, e)")
}
func BenchmarkPCallErrorDeep(b *testing.B) {
	benchLoop(b, "local function f(n) if n == 0 then error('x') end f(n - 1) end", "pcall(f, 50)")
}
func BenchmarkXPCallTraceback(b *testing.B) {
	benchLoop(b, "local f = function() error('x') end", "xpcall(f, debug.traceback)")
}
func BenchmarkCoroutineSwitch(b *testing.B) {
	benchLoop(b, "local w = coroutine.wrap(function() while true do coroutine.yield() end end)", "w()")
}
func BenchmarkCoroutineCreate(b *testing.B) {
	benchLoop(b, "local f = function() end", "coroutine.wrap(f)()")
}
func BenchmarkFib18(b *testing.B) {
	benchLoop(b, "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end", "fib(18)")
}
func BenchmarkForLoop(b *testing.B) {
	benchLoop(b, "", "local s = 0 for j = 1, 1000 do s = s + j end")
}
func BenchmarkSetTable(b *testing.B) {
	benchLoop(b, "local t = {}", "for j = 1, 1000 do t[j] = j end")
}
func BenchmarkError(b *testing.B) {
	v, _ := newVM(b)
	f := v.fn(b, `return function() error("x") end`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Call(f, 0); err == nil {
			b.Fatal()
		}
	}
}
func BenchmarkPCallNilIndex(b *testing.B) {
	benchLoop(b, "local x local f = function() return x.y end", "pcall(f)")
}
func BenchmarkPCallNilCall(b *testing.B) {
	benchLoop(b, "local t = {} local f = function() t.nope() end", "pcall(f)")
}
func BenchmarkConcatNumber(b *testing.B) {
	benchLoop(b, "", "local s = 'key:' .. i")
}
func BenchmarkFormat(b *testing.B) {
	benchLoop(b, "local f = string.format", "f('%d:%s', i, 'x')")
}

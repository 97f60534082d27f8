package inside_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"swoon/scripting/vm"
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// speedTests are the measure of the interpreter: what scripts do all day.
var speedTests = []struct{ name, src string }{
	{"fib", `local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end fib(18)`},
	{"for", `local s = 0 for i = 1, 50000 do s = s + i end`},
	{"while", `local i = 0 while i < 30000 do i = i + 1 end`},
	{"array fill", `for j = 1, 4 do local t = {} for i = 1, 5000 do t[i] = i end end`},
	{"array append", `for j = 1, 4 do local t = {} for i = 1, 3000 do t[#t + 1] = i end end`},
	{"array read", `local t = {} for i = 1, 500 do t[i] = i end local s = 0 for j = 1, 40 do for i = 1, 500 do s = s + t[i] end end`},
	{"array swap", `local t = {} for i = 1, 500 do t[i] = i end for j = 1, 30 do for i = 1, 499 do t[i], t[i + 1] = t[i + 1], t[i] end end`},
	{"fields", `local o = {x = 1, y = 2} for i = 1, 15000 do o.x = o.x + o.y end`},
	{"new fields", `for i = 1, 2000 do local o = {} o.a = 1 o.b = 2 o.c = 3 end`},
	{"objects", `local C = {} C.__index = C function C:add(n) self.n = self.n + n end for i = 1, 100 do local o = setmetatable({n = 0}, C) for j = 1, 80 do o:add(j) end end`},
	{"small tables", `for i = 1, 6000 do local p = {x = i, y = i} end`},
	{"small lists", `for i = 1, 6000 do local p = {i, i, i} end`},
	{"string keys", `local t = {} for i = 1, 3000 do t["k" .. i % 100] = i end`},
	{"integer keys", `local t = {} for i = 1, 5000 do t[1000000 + i % 100] = i end`},
	{"churn", `local t = {} for i = 1, 4000 do t["k" .. i] = i t["k" .. i - 50] = nil end`},
	{"ipairs", `local t = {} for i = 1, 500 do t[i] = i end for j = 1, 20 do local s = 0 for i, v in ipairs(t) do s = s + v end end`},
	{"pairs", `local t = {} for i = 1, 300 do t["k" .. i] = i end for j = 1, 20 do local s = 0 for k, v in pairs(t) do s = s + v end end`},
	{"insert remove", `local t = {} for j = 1, 10 do for i = 1, 300 do table.insert(t, i) end for i = 1, 300 do table.remove(t) end end`},
	{"sort", `local t = {} for i = 1, 3000 do t[i] = i * 7919 % 10007 end table.sort(t)`},
	{"sort by", `local t = {} for i = 1, 500 do t[i] = i * 7919 % 10007 end table.sort(t, function(a, b) return a > b end)`},
	{"concat", `local t = {} for i = 1, 1000 do t[i] = "x" end for j = 1, 10 do table.concat(t, ",") end`},
	{"strings", `for i = 1, 6000 do local s = "key:" .. i end`},
	{"closures", `for i = 1, 6000 do local f = function() return i end f() end`},
	{"method calls", `local o = {} function o:m(x) return x end for i = 1, 12000 do o:m(i) end`},
	{"varargs", `local function f(...) return select("#", ...) end for i = 1, 6000 do f(i, i, i) end`},
	{"unpack", `local t = {1, 2, 3} for i = 1, 6000 do local a, b, c = unpack(t) end`},
}

// speedPair makes a test ready to run by gopher-lua as it is, and by a VM.
func speedPair(t testing.TB, src string) (stock, ours func()) {
	run := func(L *lua.LState, fn *lua.LFunction) func() {
		return func() {
			L.Push(fn)
			L.Call(0, 0)
		}
	}
	restore := inside.UseStock()
	L := lua.NewState()
	fn, err := L.LoadString(src)
	restore()
	t.Cleanup(L.Close)
	if err != nil {
		t.Fatal(err)
	}
	v := vm.New(vm.Options{Dir: t.TempDir()})
	t.Cleanup(v.Close)
	c, bad := vm.Compile("", "@speed.lua", []byte(src))
	if bad != nil {
		t.Fatal(bad)
	}
	th := v.Begin(c.Function(v))
	t.Cleanup(func() { v.End(th) })
	other := run(L, fn)
	stock = func() {
		defer inside.UseStock()()
		other()
	}
	return stock, run(th.State(), c.Function(v))
}

// TestSpeedReport compares the interpreter with the one it is built on. Run it
// with -v on a quiet machine; goal: 1.05 of stock over all, nothing above 1.25.
func TestSpeedReport(t *testing.T) {
	if testing.Short() || raceEnabled || !testing.Verbose() {
		t.Skip("a report, for -v only")
	}
	sum := 0.0
	for _, s := range speedTests {
		stock, ours := speedPair(t, s.src)
		a, b := time.Hour, time.Hour
		for range 25 {
			a, b = min(a, timed(stock)), min(b, timed(ours))
		}
		ratio := float64(b) / float64(a)
		sum += math.Log(ratio)
		t.Logf("%-14s stock %8.3f ms  ours %8.3f ms  %.2f", s.name, a.Seconds()*1e3, b.Seconds()*1e3, ratio)
	}
	mean := math.Exp(sum / float64(len(speedTests)))
	t.Logf("geometric mean %.3f", mean)
	if mean > 1.5 {
		t.Error("much slower than gopher-lua alone")
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func BenchmarkSpeed(b *testing.B) {
	for _, s := range speedTests {
		stock, ours := speedPair(b, s.src)
		for name, f := range map[string]func(){"stock": stock, "ours": ours} {
			b.Run(strings.ReplaceAll(s.name, " ", "-")+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
	}
}

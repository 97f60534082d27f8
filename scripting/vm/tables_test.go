package vm

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// Tables through which a million keys go, 100 at a time, stay small and quick.
func TestTablesForget(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 100_000
	}
	for name, step := range map[string]string{
		"session ids":   `t[i] = i t[i - 100] = nil`,
		"large ids":     `t[1e7 + i] = i t[1e7 + i - 100] = nil`,
		"strings":       `t["k" .. i] = i t["k" .. i - 100] = nil`,
		"tables":        `local k = {} t[k] = i if ring[i % 100] then t[ring[i % 100]] = nil end ring[i % 100] = k`,
		"mixed":         `local k = i % 3 == 0 and i or i % 3 == 1 and "k" .. i or {} t[k] = i if ring[i % 100] then t[ring[i % 100]] = nil end ring[i % 100] = k`,
		"rawset":        `rawset(t, i, i) rawset(t, i - 100, nil)`,
		"through meta":  `m[i] = i m[i - 100] = nil`,
		"negative":      `t[-i] = i t[100 - i] = nil`,
		"fractions":     `t[i + 0.5] = i t[i - 99.5] = nil`,
		"queue":         `t[#t + 1] = i if i > 100 then table.remove(t, 1) end`,
		"head and tail": `t[i] = i t[i - 100] = nil`,
		"pool":          `if #t >= 100 then while #t > 0 do t[#t] = nil end end t[#t + 1] = i`,
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := newVM(t)
			before := heap()
			setup := v.fn(t, `t, ring = {}, {} local m = setmetatable({}, {__index = t, __newindex = t}) return function(n) for i = 1, n do `+step+` end end`)
			if _, err := v.Call(setup, 0, lua.LNumber(n)); err != nil {
				t.Fatal(err.Full())
			}
			if used := heap() - before; used > 1 {
				t.Errorf("%.2f MB kept", used)
			}
			count := v.fn(t, `return function() local n = 0 for k in pairs(t) do n = n + 1 end return n end`)
			best := time.Hour
			for range 20 {
				start := time.Now()
				out, err := v.Call(count, 1)
				if d := time.Since(start); d < best {
					best = d
				}
				if err != nil || out[0].(lua.LNumber) < 97 || out[0].(lua.LNumber) > 100 {
					t.Fatal(out, err)
				}
			}
			t.Log("pairs over", 100, "takes", best)
			if limit := 50 * time.Microsecond; best > limit*10 {
				t.Error("pairs took", best)
			}
			first := v.fn(t, `for k in pairs(t) do t[k] = nil end return function() for i = 1, 1000 do if next(t) then error("not empty") end end end`)
			best = time.Hour
			for range 20 {
				start := time.Now()
				if _, err := v.Call(first, 0); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(start))
			}
			if best > 20*time.Millisecond {
				t.Error("next of an empty table took", best/1000)
			}
			runtime.KeepAlive(v)
		})
	}
}

// A table that was large once is small again soon after it is used again.
func TestTablesShrink(t *testing.T) {
	for name, src := range map[string]string{
		"strings": `for i = 1, 2e5 do t["k" .. i] = i end for i = 1, 2e5 do t["k" .. i] = nil end t.x = 1`,
		"list":    `for i = 1, 1e6 do t[i] = i end while #t > 0 do t[#t] = nil end t[1] = 1`,
		"front":   `for i = 1, 2e5 do t[i] = i end for i = 1, 2e5 do t[i] = nil end t[1] = 1`,
		"sparse":  `for i = 1, 2e5 do t[i * 7] = i end for i = 1, 2e5 do t[i * 7] = nil end t[7] = 1`,
		"slowly":  `for i = 1, 2e5 do t["k" .. i] = i end for i = 1, 2e5 do t["k" .. i] = nil if i % 4 == 0 then t["n" .. i] = 1 t["n" .. i - 400] = nil end end`,
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := newVM(t)
			before := heap()
			if err := v.do(t, `t = {} `+src); err != nil {
				t.Fatal(err.Full())
			}
			if used := heap() - before; used > 1 {
				t.Errorf("%.2f MB kept", used)
			}
			runtime.KeepAlive(v)
		})
	}
}

// A loop that waits meets every key that stays exactly once, whatever others
// do to the table meanwhile.
func TestPairsAcrossWaits(t *testing.T) {
	loops := map[string]string{
		"pairs":   `for k, v in pairs(t) do seen(k) wait() end`,
		"next":    `for k, v in next, t do seen(k) wait() end`,
		"foreach": `table.foreach(t, function(k) seen(k) wait() end)`,
	}
	seeds := 30
	if raceEnabled {
		seeds = 6
	}
	for name, loop := range loops {
		for seed := range seeds {
			v, h := newVM(t)
			others := v.fn(t, `t, n = {}, 0
math.randomseed(`+fmt.Sprint(seed)+`)
local r = math.random
keep, count = {}, {}
for i = 1, r(1, 120) do keep[i] = true end
for i = 1, r(0, 60) do keep[i * r(2, 5) + 200] = true end
for i = 1, r(0, 60) do keep["s" .. i] = true keep[{}] = true end
for i = 1, (r(1, 10) == 1 and 300 or 0) do keep["many" .. i] = true end
for k in pairs(keep) do t[k] = k end
function seen(k) count[k] = (count[k] or 0) + 1 end
local mine = {}
local function set(k) if not keep[k] and not t[k] and #mine < 2000 then t[k] = 1 mine[#mine + 1] = k end end
return function()
  for i = 1, r(0, 4) do
    local kind = r(1, 9)
    if kind == 1 then set(#t + 1)
    elseif kind == 2 then set(r(1, 400))
    elseif kind == 3 then set("x" .. r(1, 1000))
    elseif kind == 4 then set({})
    elseif kind == 5 then set(r(1, 1e6))
    elseif kind == 6 then for j = #t + 1, #t + r(1, 200) do set(j) end
    else for j = 1, r(1, 40) do local k = table.remove(mine, r(1, math.max(1, #mine))) if k ~= nil then t[k] = nil end end end
  end
end`)
			h.block = func(L *lua.LState, what string, f func(context.Context)) error {
				_, err := v.Call(others, 0)
				if err != nil {
					t.Fatal(err.Full())
				}
				return nil
			}
			v.SetGlobal("wait", v.Function(func(L *lua.LState) int {
				_ = v.host.Block(L, "wait", nil)
				return 0
			}))
			if err := v.do(t, loop+` for k in pairs(keep) do if count[k] ~= 1 then error(tostring(k) .. " came " .. tostring(count[k]) .. " times") end end`); err != nil {
				t.Fatal(name, seed, err.Full())
			}
		}
	}
}

// After anything happened to a table, all ways to look at it agree, and it is
// what a plain Go map would be.
func TestTableModel(t *testing.T) {
	for seed := range 60 {
		v, _ := newVM(t)
		L := v.State()
		rnd := newRandom(uint64(seed))
		tb := L.NewTable()
		model := map[lua.LValue]lua.LValue{}
		objects := make([]lua.LValue, 50)
		for i := range objects {
			objects[i] = L.NewTable()
		}
		span := 1 << (2 + rnd(12))
		key := func() lua.LValue {
			switch rnd(12) {
			case 0:
				return lua.LString(fmt.Sprint("s", rnd(300)))
			case 1:
				return objects[rnd(len(objects))]
			case 2:
				return lua.LNumber(rnd(1 << 30))
			case 3:
				return lua.LNumber(-rnd(100))
			case 4:
				return lua.LNumber(float64(rnd(100)) + 0.5)
			case 5:
				return lua.LNumber(tb.Len() + 1)
			case 6:
				return lua.LNumber(tb.Len() + rnd(12))
			case 7:
				return lua.LBool(rnd(2) == 0)
			}
			return lua.LNumber(1 + rnd(span))
		}
		for step := range 4000 {
			k := key()
			val := lua.LValue(lua.LNumber(step))
			if rnd(5) < 2 {
				val = lua.LNil
			}
			inside.RawSet(L, tb, k, val)
			if val == lua.LNil {
				delete(model, k)
			} else {
				model[k] = val
			}
			if rnd(200) == 0 { // clear a range, or most of it
				inside.Each(tb, func(k, _ lua.LValue) bool {
					if rnd(10) != 0 {
						inside.RawSet(L, tb, k, lua.LNil)
						delete(model, k)
					}
					return true
				})
			}
			if step%97 != 0 {
				continue
			}
			check := func(how string, n *int, k, val lua.LValue) {
				if *n++; model[k] != val || inside.RawGet(tb, k) != val {
					t.Fatal(seed, step, how, k, val, model[k], inside.RawGet(tb, k))
				}
			}
			n := 0
			inside.Each(tb, func(k, val lua.LValue) bool { check("Each", &n, k, val); return true })
			m := 0
			tb.ForEach(func(k, val lua.LValue) { check("ForEach", &m, k, val) })
			o := 0
			for k, val := tb.Next(lua.LNil); k != lua.LNil && o <= len(model); k, val = tb.Next(k) {
				check("LTable.Next", &o, k, val)
			}
			p := 0
			for k, val, ok := inside.Next(tb, lua.LNil); k != lua.LNil || !ok; k, val, ok = inside.Next(tb, k) {
				check("Next", &p, k, val)
			}
			if n != len(model) || m != n || o != n || p != n {
				t.Fatal(seed, step, n, m, o, p, len(model))
			}
			if b := tb.Len(); b > 0 && model[lua.LNumber(b)] == nil || model[lua.LNumber(b+1)] != nil {
				t.Fatal(seed, step, "not a border:", b)
			}
		}
	}
}

func newRandom(seed uint64) func(n int) int {
	return func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int(seed>>33) % n
	}
}

func TestLongLists(t *testing.T) {
	n := 5_000_000
	if testing.Short() || raceEnabled {
		n = 1_200_000
	}
	v, h := newVM(t)
	if err := v.do(t, strings.ReplaceAll(`local t = {}
for i = 1, N do t[i] = i end print(#t == N, t[N], t[N + 1])
t[#t + 1] = 7 print(#t == N + 1, table.remove(t), #t == N)
local s, c = 0, 0 for i, v in ipairs(t) do s = s + v c = c + 1 end print(c == N, s == N * (N + 1) / 2)
c = 0 for k, v in pairs(t) do c = c + 1 if k ~= v then error(k) end end print(c == N)
table.insert(t, 1, 0) print(#t == N + 1, t[N + 1] == N, t[2]) print(table.remove(t, 1), #t == N, t[N] == N)
print(table.maxn(t) == N, next(t, N), #table.concat(t, "", N - 10) > 70)
for i = N, 1, -1 do t[i] = nil end print(#t, next(t))`, "N", fmt.Sprint(n))); err != nil {
		t.Fatal(err.Full())
	}
	want := fmt.Sprintf("true\t%d\tnil\ntrue\t7\ttrue\ntrue\ttrue\ntrue\ntrue\ttrue\t1\n0\ttrue\ttrue\ntrue\tnil\ttrue\n0\tnil\n", n)
	if got := h.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLargeTables(t *testing.T) {
	got := out(t, `local t = {} for i = 1, 20000 do t[i] = i end
print(select("#", unpack(t)), #{unpack(t)}, #table.concat(t, ","), (select(20000, unpack(t))))
print(pcall(unpack, t, 1, 1e6)) print(pcall(function() return unpack(t, 1, 3e5) end))
table.sort(t, function(a, b) return a > b end) print(t[1], t[20000])
local u = {} for i = 1, 200000 do u[i] = (i * 7919) % 200003 end table.sort(u)
local ok = true for i = 2, #u do ok = ok and u[i - 1] <= u[i] end print(ok)
local p = table.pack(unpack(t, 1, 10000)) print(p.n, #p)
print(#table.move(t, 1, 20000, 5, {}), table.move({1, 2, 3}, 1, 3, 2)[4], table.move({1, 2, 3}, 2, 3, 1)[2])
print(pcall(table.insert, t, -3, 1), #t, t[-3], table.unpack == unpack)`)
	want := `20000	20000	108893	20000
false	too many results to unpack
false	app.lua:3: too many results to unpack
20000	1
true
10000	10000
20004	3	3
true	20001	1	true
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Comparators may raise, wait, and change the table.
func TestSortUnderChange(t *testing.T) {
	got := out(t, `local t = {} for i = 1, 300 do t[i] = i * 37 % 301 end
print(pcall(table.sort, t, function(a, b) error("no", 0) end)) print(#t)
local n = 0 print(pcall(table.sort, t, function(a, b) n = n + 1 if n == 100 then for i = 1, 300 do t[i] = nil end end return a < b end))
for i = 1, 300 do t[i] = i * 37 % 301 end
print(pcall(table.sort, t, function(a, b) t[#t + 1] = 1e9 return a < b end), t[1], t[300], #t > 300)
local w = coroutine.wrap(function() return pcall(table.sort, t, function(a, b) coroutine.yield() return a < b end) end) print(w())
for i = 1, 50 do local l = {} for j = 1, i do l[j] = j end local ok, e = pcall(table.sort, l, function(a, b) return i % 2 == 0 end) if not ok then print(i, (e:gsub("compare.*", "compare"))) end end`)
	for _, want := range []string{"false\tno\n300\n", "attempt to compare", "true\t1\t300\ttrue\n", "attempt to yield across metamethod/C-call boundary", "invalid order function for sorting"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// When the sparse end of a list moves away, the end of what stays is a border.
func TestSparseEnd(t *testing.T) {
	got := out(t, `local function border(t) return (#t == 0 or t[#t] ~= nil) and t[#t + 1] == nil end
for _, keep in ipairs{{1, 9, 16, 17, 64}, {1, 17, 32, 33, 64}, {1, 1, 64, 64, 64}, {1, 5, 8, 9, 64}, {60, 64, 64, 64, 64}} do
  local t = {} for i = 1, 64 do t[i] = i end
  for i = 1, 64 do if not (i >= keep[1] and i <= keep[2] or i == keep[3] or i == keep[4] or i == keep[5]) then t[i] = nil end end
  t[65] = 65 io.write(tostring(border(t)), " ")
  t[10] = 10 t[18] = 18 t[2] = 2 io.write(tostring(border(t)), " ")
  local n = 0 for k, v in pairs(t) do assert(k == v and t[k] == v) n = n + 1 end print(n)
end`)
	if want := "true true 15\ntrue true 22\ntrue true 6\ntrue true 11\ntrue true 9\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// The long loops of the table functions can be stopped.
func TestTablesInterrupt(t *testing.T) {
	for name, src := range map[string]string{
		"insert":  `table.insert({}, -1e15, 1)`,
		"move":    `table.move({}, 1, 1e15, 2)`,
		"foreach": `local t = {1} while true do table.foreach(t, print) end`,
		"sort":    `local t = {} while true do for i = 1, 1000 do t[i] = -i end table.sort(t) end`,
		"bad cmp": `local t = {} for i = 1, 2e5 do t[i] = i end while true do pcall(table.sort, t, rawequal) end`,
		"pairs":   `local t = {1} while true do for k in pairs(t) do end end`,
		"churn":   `local t, i = {}, 0 while true do i = i + 1 t[i] = 1 t[i - 9] = nil end`,
	} {
		t.Run(name, func(t *testing.T) {
			v, h := newVM(t)
			h.interrupt = func(L *lua.LState) { RaiseUncatchable(L, &Error{Message: "too long"}) }
			timer := time.AfterFunc(30*time.Millisecond, func() { v.opt.Interrupt.Store(1) })
			defer timer.Stop()
			start := time.Now()
			err := v.do(t, src)
			if err == nil || !err.Uncatchable {
				t.Fatal(err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Fatal("stopped only after", d)
			}
		})
	}
}

// Loops over tables work inside coroutines, left and entered again, and leave
// nothing behind.
func TestPairsInCoroutines(t *testing.T) {
	got := out(t, `local t = {} for i = 1, 50 do t[i] = i t["k" .. i] = i end
local ws = {} for i = 1, 20 do ws[i] = coroutine.wrap(function() local n = 0 for k, v in pairs(t) do n = n + v coroutine.yield() end return n end) end
local sums, left = {}, 20
while left > 0 do
  for i = 1, 20 do local s = ws[i] and ws[i]() if s then sums[#sums + 1] = s ws[i] = nil left = left - 1 end end
  for i = 1, 30 do local k = "x" .. left .. i t[k] = 0 t[k] = nil t[1000 + i * left] = 0 end
end
local ok = #sums == 20 for i = 1, #sums do ok = ok and sums[i] == 2550 end print(ok)
for k in pairs({1, 2, 3}) do if k == 2 then break end end
local function first(t) for k, v in pairs(t) do return k, v end end print(first({7}), first({}))
local a = {} for k in pairs(t) do for j in pairs(t) do if j == k then a[#a + 1] = k break end end end print(#a >= 100)
print(pcall(function() for k in pairs(t) do error("in loop") end end))`)
	if want := "true\n1\ntrue\nfalse\tapp.lua:12: in loop\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

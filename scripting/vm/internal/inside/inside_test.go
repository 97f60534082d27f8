package inside

import (
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func ours(t testing.TB) (*lua.LState, *Global) {
	L := lua.NewState()
	g := &Global{Interrupt: new(atomic.Uint32), MaxString: 1 << 20}
	Attach(L, g)
	SetLimit(L, 200)
	t.Cleanup(L.Close)
	return L, g
}

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.Contains(s, want) || !strings.Contains(s, KnownGood) {
			t.Errorf("%q lacks %q", s, want)
		}
	}()
	f()
}

func TestBrokenAssumptions(t *testing.T) {
	state := reflect.TypeFor[lua.LState]()
	mustPanic(t, "has no field nothing", func() { offsetOf(state, "nothing", "int") })
	mustPanic(t, "LState.stop is a int32, expected int64", func() { offsetOf(state, "stop", "int64") })
	type other struct{ Idx, Fn int }
	mustPanic(t, "has 10 fields, expected 2", func() { mirror(reflect.TypeFor[Frame](), reflect.TypeFor[other](), true) })
	mustPanic(t, "field 1 of", func() { mirror(reflect.TypeFor[Frame](), reflect.TypeFor[other](), false) })
}

// A state that is not ours runs as if nothing was wrapped.
func TestForeignState(t *testing.T) {
	L := lua.NewState()
	defer L.Close()
	if err := L.DoString(`local t = {} for i = 1, 100 do t[#t + 1] = "a" .. i end
local function f(n) if n > 0 then return f(n - 1) end return #t end
for _ in pairs(t) do f(3) end while #t > 100 do end assert(f(10) == 100 and #{1, 2, 3} == 3)`); err != nil {
		t.Fatal(err)
	}
	if Ours(L) || Limit(L) != 0 {
		t.Fatal("taken for ours")
	}
}

func TestFrames(t *testing.T) {
	L, _ := ours(t)
	var lines, ops []int
	L.SetGlobal("look", L.NewFunction(func(L *lua.LState) int {
		for f := Current(L); f != nil; f = f.Parent {
			lines, ops = append(lines, f.Line()), append(ops, f.Op())
			if f.Fn.IsG != (f.Line() == -1) {
				t.Error("Line of", f.Fn)
			}
		}
		return 0
	}))
	if err := L.DoString("local function f()\n look()\nend\nf()\nfor _ in function() look() end do end"); err != nil {
		t.Fatal(err)
	}
	if want := []int{-1, 2, 4, -1, 5, 5}; !reflect.DeepEqual(lines, want) {
		t.Error(lines)
	}
	if want := []int{-1, OpCall, OpCall, -1, OpCall, OpTForLoop}; !reflect.DeepEqual(ops, want) {
		t.Error(ops)
	}
}

func TestInterrupt(t *testing.T) {
	L, g := ours(t)
	n := 0
	g.OnInterrupt = func(L *lua.LState) {
		if n++; n == 3 {
			L.RaiseError("stop")
		}
	}
	g.Interrupt.Store(1)
	if err := L.DoString("while true do end"); err == nil || !strings.Contains(err.Error(), "stop") || n != 3 {
		t.Fatal(err, n)
	}
}

func TestLimits(t *testing.T) {
	L, _ := ours(t)
	for src, want := range map[string]string{
		`local function f() return 1 + f() end f()`:                             "stack overflow",
		`local s = ("x"):rep(600000) s = s .. s`:                                "string too large (1200000 bytes, limit 1048576)",
		`local t = {} for i = 1, 1100000 do t[i] = i end assert(#t == 1100000)`: "",
		`local t = {} t[6e7] = 1 t[1] = 1 assert(t[6e7] == 1 and #t == 1)`:      "",
	} {
		err := L.DoString(src)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", src, err)
		}
	}
	if Slots(L) == 0 {
		t.Error("no slots")
	}
}

// The wrapped opcodes against the original ones.
func BenchmarkOpcodes(b *testing.B) {
	wrapped := jumpTable
	for name, src := range map[string]string{
		"fib":    `local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end return function() fib(15) end`,
		"while":  `return function() local i = 0 while i < 1000 do i = i + 1 end end`,
		"for":    `return function() local s = 0 for i = 1, 1000 do s = s + i end end`,
		"method": `local o = {} function o:m(x) return x end return function() for i = 1, 1000 do o:m(i) end end`,
		"array":  `local t = {} return function() for i = 1, 1000 do t[i] = i end end`,
		"concat": `return function() for i = 1, 1000 do local s = "a" .. i end end`,
	} {
		for _, mode := range []string{"stock", "wrapped"} {
			b.Run(name+"/"+mode, func(b *testing.B) {
				if mode == "stock" {
					jumpTable = original
					defer func() { jumpTable = wrapped }()
				}
				L, _ := ours(b)
				if err := L.DoString(src); err != nil {
					b.Fatal(err)
				}
				fn := L.Get(-1)
				for b.Loop() {
					L.Push(fn)
					L.Call(0, 0)
				}
			})
		}
	}
}

// A list that would grow out of the library's sight fails loudly, however it
// is filled; a table that is merely keyed by large numbers does not.
func TestListLimit(t *testing.T) {
	keep := lua.MaxArrayIndex
	lua.MaxArrayIndex = 1000
	defer func() { lua.MaxArrayIndex = keep }()
	const want = "list too long (limit 999 entries)"
	for src, want := range map[string]string{
		`local t = {} for i = 1, 1000 do t[i] = i end`:                                                                                    want,
		`local t = {} for i = 1, 999 do t[#t + 1] = i end assert(#t == 999 and t[999] == 999)`:                                            "",
		`local t = {} for i = 1000, 1, -1 do t[i] = i end`:                                                                                want,
		`local t = {} for i = 999, 1, -1 do t[i] = i end assert(#t == 999)`:                                                               "",
		`local t = {} for i = 2, 1000 do t[i] = i end t[1] = 1`:                                                                           want,
		`local t = {} for i = 1, 5000, 2 do t[i] = i end local n = 0 for i = 1, 5000 do n = n + (t[i] or 0) end assert(n == 2500 * 2500)`: "",
		`local t = {} for i = 998, 3000 do t[i] = i end for i = 998, 3000 do assert(t[i] == i) t[i] = nil end assert(next(t) == nil)`:     "",
	} {
		L, _ := ours(t)
		err := L.DoString(src)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// The fields of a table are checked by name and type, and the message says how
// to go on without them.
func TestBrokenTable(t *testing.T) {
	type other struct {
		Metatable lua.LValue
		array     []lua.LValue
		dict      map[lua.LValue]lua.LValue
	}
	mustPanic(t, "LTable has 6 fields, expected 3", func() { mirror(reflect.TypeFor[lua.LTable](), reflect.TypeFor[other](), true) })
	type renamed struct {
		Metatable lua.LValue
		array     []lua.LValue
		dict      map[lua.LValue]lua.LValue
		strdict   map[string]lua.LValue
		names     []lua.LValue
		k2i       map[lua.LValue]int
	}
	mustPanic(t, "field 4 of lua.LTable is keys []lua.LValue at 56, expected names", func() { checkTable(reflect.TypeFor[renamed]()) })
	mustPanic(t, "SWOON_STOCK_TABLES=1", func() { checkTable(reflect.TypeFor[renamed]()) })
}

func TestTableMemory(t *testing.T) {
	L, _ := ours(t)
	for src, limit := range map[string]float64{
		`local l = l for i = 1, 10000 do l[i] = {} end`:                               200,
		`local l = l for i = 1, 10000 do local t = {} t.x = 1 l[i] = t end`:           900,
		`local l = l for i = 1, 10000 do l[i] = {a = 1, b = 2, c = 3} end`:            900,
		`local l = l for i = 1, 10000 do local t = {} t[1e7] = 1 l[i] = t end`:        900,
		`local l = l for i = 1, 10000 do local t = {} t[1] = 1 t[2] = 2 l[i] = t end`: 250,
	} {
		fn, err := L.LoadString(src)
		if err != nil {
			t.Fatal(err)
		}
		L.SetGlobal("l", L.NewTable())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		L.Push(fn)
		L.Call(0, 0)
		runtime.ReadMemStats(&after)
		each := float64(after.TotalAlloc-before.TotalAlloc) / 10000
		t.Logf("%4.0f bytes: %s", each, src)
		if each > limit {
			t.Errorf("%.0f bytes a table, limit %.0f: %s", each, limit, src)
		}
	}
}

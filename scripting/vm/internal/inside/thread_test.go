package inside

import (
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Small is a VM whose threads are made here.
func Small(t testing.TB) *Threads {
	L := lua.NewState()
	g := &Global{Interrupt: new(atomic.Uint32), MaxString: 1 << 20}
	Attach(L, g)
	t.Cleanup(L.Close)
	L.Options = lua.Options{RegistrySize: FirstSlots, RegistryMaxSize: 1 << 18, RegistryGrowStep: 4096, CallStackSize: FirstFrames, MinimizeStackMemory: true}
	return NewThreads(L)
}

func load(t testing.TB, L *lua.LState, code string) {
	t.Helper()
	fn, err := L.LoadString(code)
	if err != nil {
		t.Fatal(err)
	}
	L.Push(fn)
}

// A thread gets the frames that it was promised, however few it began with, by
// calls of any kind.
func TestFramesGrow(t *testing.T) {
	const frames = 3900
	threads := Small(t)
	for name, code := range map[string]string{
		"calls":                 `local function f(n) if n > 0 then return 1 + f(n - 1) end return 0 end return f(%)`,
		"calls back":            `local function f(n) if n > 0 then local _, m = next({(f(n - 1))}) return 1 + m end return 0 end return f(%)`,
		"metamethods that call": `local t = setmetatable({}, {__index = function(t, n) local function id(x) return x end if n > 0 then return 1 + t[id(n) - 1] end return 0 end}) return t[%]`,
		"metamethods":           `local t = setmetatable({}, {__index = function(t, n) if n > 0 then return 1 + t[n - 1] end return 0 end}) return t[%]`,
	} {
		t.Run(name, func(t *testing.T) {
			L := threads.New()
			SetLimit(L, frames)
			for _, n := range []string{"10", "250", "300", "1000", "1900"} {
				load(t, L, strings.ReplaceAll(code, "%", n))
				if err := L.PCall(0, 1, nil); err != nil {
					t.Fatalf("%s deep: %v", n, err)
				}
				if got := L.Get(-1).String(); got != n {
					t.Errorf("%s deep: %s", n, got)
				}
				L.SetTop(0)
			}
			if Limit(L) != frames {
				t.Errorf("the limit is %d now", Limit(L))
			}
		})
	}
}

// At the limit there is an ordinary error, before and after more room was made.
func TestFramesEnd(t *testing.T) {
	threads := Small(t)
	for _, limit := range []int{20, 31, 32, 33, 100, 255, 256, 257, 1000, 3871, 3872, 3900, 4088} {
		L := threads.New()
		SetLimit(L, limit)
		for range 2 {
			depth := 0
			L.SetGlobal("deeper", L.NewFunction(func(L *lua.LState) int {
				depth = max(depth, Current(L).Idx)
				return 0
			}))
			load(t, L, `local function f() deeper() return 1 + f() end return f()`)
			err := L.PCall(0, 0, nil)
			if err == nil || !strings.Contains(err.Error(), "stack overflow") {
				t.Fatalf("%d frames: %v", limit, err)
			}
			if depth < limit-1 || depth > limit+1 {
				t.Errorf("%d frames: it ended at %d", limit, depth)
			}
			L.SetTop(0)
		}
	}
}

// Threads are each other's in nothing but what they compute with.
func TestThreadsAreApart(t *testing.T) {
	threads := Small(t)
	a, b := threads.New(), threads.New()
	SetLimit(a, 100)
	SetLimit(b, 200)
	a.Push(lua.LNumber(1.5))
	if a.GetTop() != 1 || b.GetTop() != 0 || threads.first.GetTop() != 0 || Limit(a) != 100 || Limit(b) != 200 {
		t.Error("they share a stack or an option")
	}
	for _, L := range []*lua.LState{a, b, a} {
		L.SetTop(0)
		load(t, L, `local n = 0.5 for i = 1, 1000 do n = n + 0.25 end x = (x or 0) + n return n`)
		if err := L.PCall(0, 1, nil); err != nil || L.Get(1) != lua.LNumber(250.5) {
			t.Errorf("%v, %v", err, L.Get(1))
		}
	}
	if x := a.GetGlobal("x"); x != lua.LNumber(3*250.5) {
		t.Errorf("globals: %v", x)
	}
	// One that runs out of values says so itself.
	load(t, a, `local t = {} for i = 1, 300000 do t[i] = i end return (function(...) return select("#", ...) end)(unpack(t))`)
	if err := a.PCall(0, 1, nil); err == nil || !strings.Contains(err.Error(), "registry overflow") {
		t.Errorf("too many values: %v", err)
	}
	if b.SetTop(0); b.GetTop() != 0 {
		t.Error("the other is not as it was")
	}
}

func TestBrokenLayouts(t *testing.T) {
	type fewer struct{ array []lua.LValue }
	type other struct {
		array   []lua.LValue
		top     uint
		growBy  int
		maxSize int
		alloc   *int
		handler any
	}
	reg := reflect.TypeFor[registry]()
	mustPanic(t, "has 1 fields, expected 6", func() { alike(reflect.TypeFor[fewer](), reg) })
	mustPanic(t, "field 1 of", func() { alike(reflect.TypeFor[other](), reg) })
}

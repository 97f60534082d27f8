package meet

import (
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"

	lua "github.com/yuin/gopher-lua"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inWait runs f in a wait of a fiber: w is the right to end it.
func inWait(t *testing.T, f func(w scripting.Waiter)) (got any) {
	t.Helper()
	probe := scripting.Module{Name: "probe", Funcs: []scripting.Func{{Name: "run", Fn: func(in *scripting.Instance, L *lua.LState) int {
		got, _ = in.Wait(L, "probe", 0, func(w scripting.Waiter) bool {
			f(w)
			return true
		})
		return 0
	}}}}
	scriptingtest.Run(t, []scripting.Module{probe}, `require("probe").run()`)
	return got
}

// A wait that has ended in one place takes nothing from another, and leaves
// nothing there: a select stands in several.
func TestWaitThatIsOverMovesNothing(t *testing.T) {
	full, empty, none := NewChannel("full", 1), NewChannel("empty", 1), NewChannel("none", 0)
	full.Push(lua.LNumber(1))
	l := NewLock("lock", true)
	me := &Owner{Fiber: 1}
	got := inWait(t, func(w scripting.Waiter) {
		cases := []choice{
			{ch: &Chan{Channel: empty}}, {&Chan{Channel: full}, true, lua.LNumber(4)},
			{&Chan{Channel: none}, true, lua.LNumber(9)}, {ch: &Chan{Channel: none}}, // not with itself
		}
		if d, ok := await(w, cases, 2); ok {
			t.Errorf("%+v went through", d)
		}
		w.Wake("over")
		l.Await(w, me, false)
		l.Await(w, me, true)
	})
	if got != "over" {
		t.Errorf("the wait ended with %v", got)
	}
	if full.Len() != 1 || empty.Len() != 0 {
		t.Errorf("%d and %d inside", full.Len(), empty.Len())
	}
	if state := none.Push(lua.LNil); state != Blocked {
		t.Error("a push has met a wait that is over:", state)
	}
	if _, state := none.Pop(); state != Blocked {
		t.Error("a pop has met a wait that is over:", state)
	}
	if l.Holder() != nil {
		t.Error("the lock is held")
	}
	if v, state := full.Pop(); state != Moved || v != lua.LNumber(1) || full.Len() != 0 {
		t.Errorf("popped %v, %d left", v, full.Len())
	}
	if empty.Push(lua.LNumber(5)); empty.Len() != 1 {
		t.Error("what was pushed went to a wait that is over")
	}
	if _, ok := l.Try(me, false); !ok {
		t.Error("the lock is not free")
	}
}

// Who comes between a fiber's attempt and its wait is met all the same: nothing
// stands in line on both sides.
func TestAwaitMeetsWhoCameInBetween(t *testing.T) {
	c := NewChannel("none", 0)
	var popped, pushed Done
	wait := func(at *Done, cases ...choice) func(*scripting.Instance, *lua.LState) int {
		return func(in *scripting.Instance, L *lua.LState) int {
			v, _ := in.Wait(L, "probe", 0, func(w scripting.Waiter) (waits bool) {
				d, ok := await(w, cases, 0)
				if ok {
					*at = d
				}
				return !ok
			})
			if v != nil {
				*at = v.(Done)
			}
			return 0
		}
	}
	none := &Chan{Channel: c}
	probe := scripting.Module{Name: "probe", Funcs: []scripting.Func{
		{Name: "pop", Fn: wait(&popped, choice{ch: none})},
		{Name: "push", Fn: wait(&pushed, choice{ch: none}, choice{none, true, lua.LNumber(7)})},
	}}
	scriptingtest.Run(t, []scripting.Module{probe}, `
server:after(1, function() require("probe").push() end)
require("probe").pop()
`)
	if pushed != (Done{1, lua.LNil, true}) || popped != (Done{0, lua.LNumber(7), true}) {
		t.Errorf("pushed %v, popped %v", pushed, popped)
	}
}

// A channel that gets room takes what waits to be pushed; one that loses it keeps
// what is inside, and pushes and pops meet behind that.
func TestRoomComesAndGoes(t *testing.T) {
	c := NewChannel("none", 0)
	got := inWait(t, func(w scripting.Waiter) {
		if _, ok := await(w, []choice{{&Chan{Channel: c}, true, lua.LNumber(7)}}, 0); ok {
			t.Error("pushed into nothing")
		}
		c.Resize(2)
	})
	if got != (Done{0, lua.LNil, true}) || c.Len() != 1 {
		t.Errorf("the push ended with %v, %d inside", got, c.Len())
	}
	c.Resize(0)
	got = inWait(t, func(w scripting.Waiter) {
		await(w, []choice{{&Chan{Channel: c}, true, lua.LNumber(8)}}, 0)
		for _, want := range []lua.LNumber{7, 8} {
			if v, state := c.Pop(); state != Moved || v != want {
				t.Errorf("popped %v, want %v", v, want)
			}
		}
		if _, state := c.Pop(); state != Blocked {
			t.Error("there is more")
		}
	})
	if got != (Done{0, lua.LNil, true}) || c.Len() != 0 {
		t.Errorf("the push ended with %v, %d inside", got, c.Len())
	}
}

// Waits that are over do not pile up.
func TestLineForgetsWhatIsOver(t *testing.T) {
	var l line[int]
	for i := range 100_000 {
		l.add(scripting.Waiter{}, i) // the zero Waiter is over
	}
	if len(l.q) > 2*minSweep || cap(l.q) > 4*minSweep {
		t.Errorf("%d waits, room for %d", len(l.q), cap(l.q))
	}
	if l.count() != 0 {
		t.Error("they count")
	}
}

func TestChannelRing(t *testing.T) {
	c := NewChannel("test", 1000)
	next, want := 0, 0
	for round := range 200 {
		for range round % 37 {
			if c.Push(lua.LNumber(next)) == Moved {
				next++
			}
		}
		for range round % 31 {
			v, state := c.Pop()
			if state != Moved {
				break
			}
			if v != lua.LNumber(want) {
				t.Fatalf("got %v, want %d", v, want)
			}
			want++
		}
	}
	if c.Len() != next-want {
		t.Errorf("%d inside, want %d", c.Len(), next-want)
	}
	// A smaller capacity loses nothing.
	had := c.Len()
	c.Resize(1)
	if c.Push(lua.LNil) != Blocked || c.Len() != had {
		t.Error("the smaller channel took one more, or lost some")
	}
	for want < next {
		v, _ := c.Pop()
		if v != lua.LNumber(want) {
			t.Fatalf("got %v, want %d", v, want)
		}
		want++
	}
	if c.Push(lua.LNil) != Moved || c.Push(lua.LNil) != Blocked {
		t.Error("the capacity is not 1")
	}
}

func TestAtomicRange(t *testing.T) {
	a := NewAtomic("test", true, MaxExact-1)
	if v, ok := a.Add(1); !ok || v != MaxExact {
		t.Error(v, ok)
	}
	if v, ok := a.Add(1); ok || a.Get() != MaxExact {
		t.Error(v, ok)
	}
	if v, ok := a.Add(-MaxExact); !ok || v != 0 {
		t.Error(v, ok)
	}
	b := NewAtomic("test", false, 0)
	if v, _ := b.Add(-1); v != 1<<32-1 {
		t.Error(v)
	}
	if v, _ := b.Add(MaxExact); v != 1<<32-1 { // 2^53 is 0 in 32 bits
		t.Error(v)
	}
	for _, f := range []float64{-1, 0.5, 1 << 32} {
		if b.Fits(f) {
			t.Errorf("%v fits into 32 bits", f)
		}
	}
}

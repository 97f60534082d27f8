package co

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// barrier lets fibers go on together. It belongs to one VM.
type barrier struct {
	size  int
	waits []scripting.Waiter // of this round; some may be over
}

// EachValue says that the barrier keeps no values of Lua.
func (b *barrier) EachValue(func(lua.LValue)) {}

// here drops the waits that are over, and counts the others.
func (b *barrier) here() int {
	kept := b.waits[:0]
	for _, w := range b.waits {
		if w.Open() {
			kept = append(kept, w)
		}
	}
	clear(b.waits[len(kept):])
	b.waits = kept
	return len(kept)
}

var barrierType = &scripting.Type{
	Name: "co.barrier", Doc: "A place where fibers wait for one another. It may be used again: with the last one of a round the next begins.",
	Methods: []scripting.Func{
		{
			Name: "wait", Params: []scripting.Param{timeout}, Returns: answer, Fn: waitAtBarrier,
			Doc: "Wait until as many fibers wait here as the barrier is for; the last one does not wait, and all go on. A fiber whose time-out passes, or that is cancelled, leaves and does not count. With a time-out of 0 only the last one gets through.",
		},
		{
			Name: "waiting", Returns: "number", Doc: "How many fibers wait here.", Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LNumber(scripting.Self[*barrier](L).here()))
				return 1
			},
		},
	},
}

func newBarrier(in *scripting.Instance, L *lua.LState) int {
	n, _ := scripting.Number(L.Get(1))
	if n < 1 || n > most || n != float64(int(n)) {
		vm.Raise(L, "bad argument #1 'n' to 'co.barrier' (a whole number from 1 to %.0f expected, got %v)", most, L.Get(1))
	}
	L.Push(in.NewObject(barrierType, &barrier{size: int(n)}))
	return 1
}

func waitAtBarrier(in *scripting.Instance, L *lua.LState) int {
	const what = "co.barrier:wait"
	in.MustRun(L, what)
	b := scripting.Self[*barrier](L)
	limit := scripting.Timeout(L, 2, what)
	if b.here()+1 >= b.size {
		round := b.waits
		b.waits = nil
		for _, w := range round {
			w.Wake(nil)
		}
		return done(in, L, nil)
	}
	if limit == time.Nanosecond { // as a time-out of 0 is
		return done(in, L, scripting.ErrTimeout)
	}
	_, err := in.WaitOn(L, what, b, limit, func(w scripting.Waiter) bool {
		b.waits = append(b.waits, w)
		return true
	})
	return done(in, L, err)
}

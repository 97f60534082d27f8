package co

import (
	"math"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// crew is several fibers that one waits for. It belongs to one VM.
type crew struct {
	in      *scripting.Instance
	what    string
	results *lua.LTable
	errors  *lua.LTable // nil: not made yet
	failed  int
	working map[lua.LValue]uint64 // fibers, 0 until it is known
	waiter  scripting.Waiter
	over    bool // nobody looks at the tables any more but the script
}

func newCrew(in *scripting.Instance, L *lua.LState, what string) *crew {
	in.MustRun(L, what)
	return &crew{in: in, what: what, results: L.NewTable(), working: map[lua.LValue]uint64{}}
}

// run starts fn(args...) as a fiber; its first result is to be found under key.
func (c *crew) run(L *lua.LState, key lua.LValue, fn *lua.LFunction, args ...lua.LValue) {
	c.working[key] = 0
	id, err := c.in.Call(L, c.what, fn, args, func(th *vm.Thread, err *vm.Error) {
		delete(c.working, key)
		switch {
		case c.over:
			if err != nil {
				c.in.Report(c.what, err)
			}
		case err != nil:
			c.fail(th.State(), key, errorValue(err))
		case th.Results() > 0:
			vm.RawSet(th.State(), c.results, key, th.Get(1))
		}
		if len(c.working) == 0 {
			c.waiter.Wake(nil)
		}
	})
	if err != nil {
		delete(c.working, key)
		c.fail(L, key, lua.LString(err.Error()))
	} else if _, waits := c.working[key]; waits {
		c.working[key] = id
	}
}

// Givers are the fibers that have not ended.
func (c *crew) Givers() (ids []uint64) {
	for _, id := range c.working {
		ids = append(ids, id)
	}
	return ids
}

// errorValue is what the script gets for an error: the table it was raised with,
// or its text.
func errorValue(err *vm.Error) lua.LValue {
	if t, ok := err.Value.(*lua.LTable); ok {
		return t
	}
	return lua.LString(err.Message)
}

func (c *crew) fail(L *lua.LState, key lua.LValue, err lua.LValue) {
	if c.errors == nil {
		c.errors = L.NewTable()
	}
	c.failed++
	vm.RawSet(L, c.errors, key, err)
}

// join waits for all, and answers with what came of each.
func (c *crew) join(L *lua.LState, timeout time.Duration) int {
	defer func() { c.over = true }() // also when a cancelled wait raises
	if len(c.working) > 0 {
		// On the stack, what they returned is to be found.
		L.Push(c.results)
		if c.errors == nil {
			c.errors = L.NewTable()
		}
		L.Push(c.errors)
		_, err := c.in.WaitOn(L, c.what, c, timeout, func(w scripting.Waiter) bool {
			c.waiter = w
			return true
		})
		if err != nil {
			for key := range c.working {
				c.fail(L, key, lua.LString(scripting.ErrTimeout.Name))
			}
		}
	}
	L.Push(c.results)
	if c.failed == 0 {
		return 1
	}
	L.Push(c.errors)
	return 2
}

func batch(in *scripting.Instance, L *lua.LState) int {
	const what = "co.batch"
	c, fns, limit := newCrew(in, L, what), L.CheckTable(1), scripting.Timeout(L, 2, what)
	vm.Each(fns, func(k, v lua.LValue) bool {
		if _, ok := v.(*lua.LFunction); !ok {
			vm.Raise(L, "bad argument #1 'fns' to '%s' (entry %s must be a function, not %s)", what, k, v.Type())
		}
		return true
	})
	vm.Each(fns, func(k, v lua.LValue) bool {
		if fn, ok := v.(*lua.LFunction); ok {
			c.run(L, k, fn)
		}
		return true
	})
	return c.join(L, limit)
}

// most is how many fibers parallel starts at most.
const most = 1e6

func parallel(in *scripting.Instance, L *lua.LState) int {
	const what = "co.parallel"
	n, _ := scripting.Number(L.Get(1))
	if n != math.Trunc(n) || n < 0 || n > most {
		vm.Raise(L, "bad argument #1 'n' to '%s' (a whole number from 0 to %.0f expected, got %v)", what, most, lua.LNumber(n))
	}
	c, fn, limit := newCrew(in, L, what), L.CheckFunction(2), scripting.Timeout(L, 3, what)
	for i := range int(n) {
		c.run(L, lua.LNumber(i+1), fn, lua.LNumber(i+1))
	}
	return c.join(L, limit)
}

func mapped(in *scripting.Instance, L *lua.LState) int {
	const what = "co.map"
	c, list, fn, limit := newCrew(in, L, what), L.CheckTable(1), L.CheckFunction(2), scripting.Timeout(L, 3, what)
	vm.Each(list, func(k, v lua.LValue) bool {
		c.run(L, k, fn, v, k)
		return true
	})
	return c.join(L, limit)
}

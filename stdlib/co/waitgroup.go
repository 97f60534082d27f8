package co

import (
	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// waitGroup counts work that is to be waited for. It belongs to one VM.
type waitGroup struct {
	count  int
	waiter scripting.Waiter
}

// EachValue says that the group keeps no values of Lua.
func (g *waitGroup) EachValue(func(lua.LValue)) {}

var waitGroupType = &scripting.Type{
	Name: "co.waitgroup", Doc: "A count of work to wait for. It may be used again when the wait is over.",
	Methods: []scripting.Func{
		{
			Name: "add", Params: []scripting.Param{{Name: "n", Type: "number?"}},
			Doc: "Count n (1) more. The count cannot become negative, and cannot grow while a fiber waits.", Fn: func(in *scripting.Instance, L *lua.LState) int {
				n := 1.0
				if L.Get(2) != lua.LNil {
					n, _ = scripting.Number(L.Get(2))
				}
				return count(in, L, "co.waitgroup:add", n)
			},
		},
		{
			Name: "done", Doc: "Count one less; at 0 the wait ends.", Fn: func(in *scripting.Instance, L *lua.LState) int {
				return count(in, L, "co.waitgroup:done", -1)
			},
		},
		{Name: "wait", Params: []scripting.Param{timeout}, Returns: answer, Doc: "Wait until the count is 0. One fiber at a time can wait.", Fn: waitForGroup},
		{
			Name: "count", Returns: "number", Doc: "The count.", Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LNumber(scripting.Self[*waitGroup](L).count))
				return 1
			},
		},
	},
}

func newWaitGroup(in *scripting.Instance, L *lua.LState) int {
	n, _ := scripting.Number(L.Get(1))
	if n < 0 || n != float64(int(n)) {
		vm.Raise(L, "bad argument #1 'count' to 'co.waitgroup' (a whole number from 0 expected, got %v)", L.Get(1))
	}
	L.Push(in.NewObject(waitGroupType, &waitGroup{count: int(n)}))
	return 1
}

func count(in *scripting.Instance, L *lua.LState, what string, n float64) int {
	in.MustRun(L, what)
	g := scripting.Self[*waitGroup](L)
	switch {
	case n != float64(int(n)):
		vm.Raise(L, "bad argument #1 'n' to '%s' (a whole number expected, got %v)", what, lua.LNumber(n))
	case n > 0 && g.waiter.Open():
		vm.Raise(L, "%s: a fiber waits for the group already", what)
	case g.count+int(n) < 0:
		vm.Raise(L, "%s: the count would be negative (%d)", what, g.count+int(n))
	}
	g.count += int(n)
	if g.count == 0 {
		g.waiter.Wake(nil)
	}
	return 0
}

func waitForGroup(in *scripting.Instance, L *lua.LState) int {
	const what = "co.waitgroup:wait"
	in.MustRun(L, what)
	g := scripting.Self[*waitGroup](L)
	if g.waiter.Open() {
		vm.Raise(L, "%s: a fiber waits for the group already", what)
	}
	limit := scripting.Timeout(L, 2, what)
	var err error
	if g.count > 0 {
		_, err = in.WaitOn(L, what, g, limit, func(w scripting.Waiter) bool {
			g.waiter = w
			return true
		})
	}
	return done(in, L, err)
}

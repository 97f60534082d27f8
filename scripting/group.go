package scripting

import (
	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// fiberGroup counts the fibers that a co.run waits for: its own and those that
// they start. nil is no group. Baton holder.
type fiberGroup struct {
	left int
	w    Waiter
}

// groupOf is the group of the callback that f runs.
func groupOf(f *engine.Fiber) *fiberGroup {
	if c, ok := f.Data.(*call); ok && c.more != nil {
		return c.more.group
	}
	return nil
}

func (g *fiberGroup) enter() {
	if g != nil {
		g.left++
	}
}

func (g *fiberGroup) leave() {
	if g == nil {
		return
	}
	if g.left--; g.left == 0 {
		g.w.Wake(nil)
	}
}

// RunGroup runs fn(args...) as a fiber and waits until it and all fibers that
// were started in it have ended. It returns how fn failed.
func (in *Instance) RunGroup(L *lua.LState, what string, fn *lua.LFunction, args []lua.LValue) (failed *vm.Error, err error) {
	in.mustRun(L, what)
	in.FiberID() // so that there is a state, which knows the group
	st := in.state()
	g, outer := &fiberGroup{}, st.group
	st.group = g
	_, err = in.Call(L, what, fn, args, func(_ *vm.Thread, e *vm.Error) { failed = e })
	st.group = outer
	if err != nil || g.left == 0 {
		return failed, err
	}
	_, err = in.Wait(L, what, 0, func(w Waiter) bool {
		g.w = w
		return true
	})
	return failed, err
}

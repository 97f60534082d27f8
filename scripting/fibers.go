package scripting

import (
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Sleep parks the running fiber. A sleep of 0 lets everything else that is
// ready go first.
func (in *Instance) Sleep(L *lua.LState, d time.Duration) {
	f := in.mustWait(L, "co.sleep")
	p := in.park(L)
	var err error
	if d <= 0 {
		err = f.Yield("co.sleep")
	} else if _, err = f.Begin("co.sleep"); err == nil {
		if _, err = f.Wait(d); err == engine.ErrTimeout {
			err = nil
		}
	}
	p.back()
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
}

// Go runs fn as a new fiber at once, until its first wait, and returns the
// fiber's id.
func (in *Instance) Go(L *lua.LState, fn *lua.LFunction, args []lua.LValue) (uint64, error) {
	f := in.mustWait(L, "co.go")
	var id uint64
	body := func(child *engine.Fiber) {
		id = child.ID()
		if err := in.run(child, evError, "co.go", fn, args...); err != nil {
			in.failed(child, "co.go", 0, err)
		}
		in.release()
	}
	if in.stage == warming {
		in.held = append(in.held, func() {
			in.underWay++
			in.loop.Spawn(engine.RootGo, body)
		})
		return 0, nil
	}
	in.underWay++ // until it has ended, wherever it stands
	// What a session event or a task starts belongs to it: a drain waits for it.
	root := engine.RootGo
	switch f.Root() {
	case engine.RootSession, engine.RootTask, engine.RootFinish:
		root = f.Root()
	}
	p := in.park(L)
	err := f.Go(root, body)
	p.back()
	if err != nil {
		in.release()
	}
	return id, err
}

// FiberID is the id of the running fiber, 0 while the script loads.
func (in *Instance) FiberID() uint64 {
	if in.loop == nil || in.loop.Current() == nil {
		return 0
	}
	return in.loop.Current().ID()
}

package scripting

import (
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Failures of what scripts do with fibers.
var (
	errNoFiber  = &Errno{Name: "no_such_fiber", Code: 10003, Text: "no fiber of this VM has this id (it may have ended)"}
	errSelf     = &Errno{Name: "would_deadlock", Code: 10004, Text: "a fiber cannot do this to itself"}
	errHeld     = &Errno{Name: "would_deadlock", Code: 10004, Text: "the fiber starts when onWorkerStart has returned"}
	errNoYield  = &Errno{Name: "not_yielded", Code: 10005, Text: "the fiber does not wait in co.yield"}
	errByScript = &Errno{Name: "cancelled", Code: 10017, Text: "the fiber was cancelled by co.cancel"}
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
// fiber's id. What onWorkerStart starts begins when it has returned everywhere.
// An error of fn is logged and given to onError.
func (in *Instance) Go(L *lua.LState, fn *lua.LFunction, args []lua.LValue) (uint64, error) {
	in.mustRun(L, "co.go")
	if in.stage != warming {
		return in.start(L, "co.go", fn, args, nil)
	}
	st := &fiberState{in: in, id: in.loop.NewFiberID()}
	st.know()
	in.held = append(in.held, func() {
		if st.dropped {
			return
		}
		in.underWay++
		in.loop.Spawn(engine.RootGo, func(child *engine.Fiber) {
			child.SetID(st.id)
			in.body(child, "co.go", fn, args, st, nil)
		})
	})
	return st.id, nil
}

// Call runs fn as a new fiber at once, also in onWorkerStart, and hands what it
// returned, or its error, to done as it ends: as the baton holder, th is good
// for the call only. name is what lists call it.
func (in *Instance) Call(L *lua.LState, name string, fn *lua.LFunction, args []lua.LValue, done func(th *vm.Thread, err *vm.Error)) (uint64, error) {
	in.mustRun(L, name)
	return in.start(L, name, fn, args, done)
}

func (in *Instance) start(L *lua.LState, name string, fn *lua.LFunction, args []lua.LValue, done func(*vm.Thread, *vm.Error)) (uint64, error) {
	f := in.loop.Current()
	// What a session event or a task starts belongs to it: a drain waits for it.
	root := engine.RootGo
	switch f.Root() {
	case engine.RootSession, engine.RootPacket, engine.RootTask, engine.RootFinish, engine.RootMessage:
		root = f.Root()
	}
	st := &fiberState{in: in, group: groupOf(f)}
	st.group.enter()
	in.underWay++ // until it has ended, wherever it stands
	p := in.park(L)
	err := f.Go(root, func(child *engine.Fiber) {
		st.id = child.ID()
		in.body(child, name, fn, args, st, done)
	})
	p.back()
	if err != nil {
		st.group.leave()
		in.release()
	}
	return st.id, err
}

// body is what a fiber of the script's own does, from beginning to end.
func (in *Instance) body(f *engine.Fiber, name string, fn *lua.LFunction, args []lua.LValue, st *fiberState, done func(*vm.Thread, *vm.Error)) {
	c := in.begin(f, evError, name, fn)
	st.c, st.f, c.more = c, f, st
	st.know()
	for _, a := range args {
		c.th.Push(a)
	}
	nret := 0
	if done != nil {
		nret = lua.MultRet
	}
	err := c.th.Run(nret)
	if done != nil {
		done(c.th, err)
		f.Data = c
	}
	c.end()
	if err != nil && done == nil {
		in.failed(f, name, 0, err)
	}
	st.group.leave()
	in.release()
}

// FiberID is the id of the running fiber, 0 while the script loads.
func (in *Instance) FiberID() uint64 {
	if in.loop == nil || in.loop.Current() == nil {
		return 0
	}
	if st := in.state(); st != nil {
		st.know()
		return st.id
	}
	return in.loop.Current().ID()
}

// Running is the number of the running fiber, for what a module keeps for it;
// other than FiberID it is not for the script.
func (in *Instance) Running() uint64 { return in.loop.Current().ID() }

// CancelFiber makes the wait that a fiber is in, and every later one, raise an
// error. One that has not started yet never will.
func (in *Instance) CancelFiber(L *lua.LState, id uint64) error {
	in.mustRun(L, "co.cancel")
	st := in.fibers[id]
	switch {
	case st == nil:
		return errNoFiber
	case st.f == nil:
		st.dropped = true
		st.over()
	case st.f == in.loop.Current():
		return errSelf
	default:
		st.f.Cancel(errByScript)
	}
	return nil
}

// joining is one wait for several fibers to end.
type joining struct {
	left int
	w    Waiter
	all  []*fiberState
}

// Givers are the fibers that have not ended.
func (j *joining) Givers() (ids []uint64) {
	for _, st := range j.all {
		if st.f != nil && st.in.fibers[st.id] == st {
			ids = append(ids, st.f.ID())
		}
	}
	return ids
}

// Join waits until the fibers have ended; one that has ended already, or never
// was, is not waited for. ErrTimeout says that some go on.
func (in *Instance) Join(L *lua.LState, ids []uint64, timeout time.Duration) error {
	in.mustRun(L, "co.join")
	j := &joining{}
	var all []*fiberState
	for _, id := range ids {
		st := in.fibers[id]
		switch {
		case st == nil:
			continue
		case st.f == in.loop.Current():
			return errSelf
		case st.f == nil && in.stage == warming:
			return errHeld
		}
		all = append(all, st)
		j.left++
	}
	if j.left == 0 {
		return nil
	}
	j.all = all
	_, err := in.WaitOn(L, "co.join", j, timeout, func(w Waiter) bool {
		j.w = w
		for _, st := range all {
			st.joiners = append(st.joiners, j)
		}
		return true
	})
	return err
}

// YieldFiber parks the running fiber until ResumeFiber names it, and returns
// what it was resumed with.
func (in *Instance) YieldFiber(L *lua.LState) []lua.LValue {
	in.mustRun(L, "co.yield")
	in.FiberID()
	v, _ := in.Wait(L, "co.yield", 0, func(w Waiter) bool {
		if st := in.state(); st != nil {
			st.yielded = w
		}
		return true
	})
	values, _ := v.([]lua.LValue)
	return values
}

// ResumeFiber ends the co.yield of a fiber of this VM: it goes on when the
// running one waits or ends.
func (in *Instance) ResumeFiber(L *lua.LState, id uint64, values []lua.LValue) error {
	in.mustRun(L, "co.resume")
	st := in.fibers[id]
	if st == nil {
		return errNoFiber
	}
	if !st.yielded.Wake(values) {
		return errNoYield
	}
	return nil
}

// FiberExists reports whether a fiber of this VM that the script knows has this
// id and has not ended.
func (in *Instance) FiberExists(id uint64) bool { return in.fibers[id] != nil }

// Report logs the error of what a module ran for the script, and gives it to
// onError. Baton holder.
func (in *Instance) Report(what string, err *vm.Error) { in.failed(in.loop.Current(), what, 0, err) }

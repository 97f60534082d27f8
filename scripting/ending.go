package scripting

import (
	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// fiberState is what a callback has beside its thread once a script has asked
// for its id, or something is to be done when it ends. Baton holder.
type fiberState struct {
	in      *Instance
	c       *call // nil until it has started
	f       *engine.Fiber
	id      uint64
	endings []ending
	joiners []*joining
	yielded Waiter // of co.yield
	group   *fiberGroup
	dropped bool // cancelled before it started
}

// ending is one thing to do when a fiber ends: fn of Go, or lua of the script.
type ending struct {
	key  any
	fn   func()
	lua  *lua.LFunction
	args []lua.LValue
}

// state is the running callback's, made when it is first asked for; nil where
// no callback runs.
func (in *Instance) state() *fiberState {
	if in.loop == nil || in.loop.Current() == nil {
		return nil
	}
	f := in.loop.Current()
	c, ok := f.Data.(*call)
	if !ok {
		return nil
	}
	if c.more == nil {
		c.more = &fiberState{in: in, c: c, f: f, id: f.ID()}
	}
	return c.more
}

// know makes the fiber's id one that the script may use.
func (st *fiberState) know() {
	if st.in.fibers == nil {
		st.in.fibers = map[uint64]*fiberState{}
	}
	st.in.fibers[st.id] = st
}

// AtEnd runs fn when the running callback has ended, however it ended; what was
// asked for last runs first. key is for NotAtEnd. Baton holder.
func (in *Instance) AtEnd(key any, fn func()) {
	if st := in.state(); st != nil {
		st.endings = append(st.endings, ending{key: key, fn: fn})
	}
}

// NotAtEnd takes back what AtEnd was last given for key in this callback.
func (in *Instance) NotAtEnd(key any) {
	st := in.state()
	if st == nil {
		return
	}
	for i := len(st.endings) - 1; i >= 0; i-- {
		if st.endings[i].key == key {
			st.endings = append(st.endings[:i], st.endings[i+1:]...)
			return
		}
	}
}

// Defer calls fn(args...) when the running callback has ended, however it
// ended; what was deferred last runs first. It may wait, unless the fiber was
// cancelled.
func (in *Instance) Defer(L *lua.LState, fn *lua.LFunction, args []lua.LValue) {
	in.mustRun(L, "co.defer")
	if st := in.state(); st != nil {
		st.endings = append(st.endings, ending{lua: fn, args: args})
	}
}

// finish does what was asked for at the end of the callback, and tells those
// who wait for it.
func (c *call) finish() {
	st := c.more
	for n := len(st.endings); n > 0; n = len(st.endings) {
		e := st.endings[n-1]
		st.endings = st.endings[:n-1]
		if e.fn != nil {
			e.fn()
			continue
		}
		st.f.Afresh()
		if err := c.in.run(st.f, evError, "co.defer", e.lua, e.args...); err != nil {
			c.in.failed(st.f, "co.defer", c.fd, err)
		}
		st.f.Data = c
	}
	st.over()
	c.more = nil
}

// abandon is finish for a callback whose VM is in an unknown state: what is
// Go's is done, the script's functions are not run.
func (c *call) abandon() {
	if c == nil || c.more == nil {
		return
	}
	st := c.more
	for n := len(st.endings); n > 0; n = len(st.endings) {
		e := st.endings[n-1]
		st.endings = st.endings[:n-1]
		if e.fn != nil {
			e.fn()
		}
	}
	st.over()
	c.more = nil
}

// over forgets the fiber's id and wakes those who join it.
func (st *fiberState) over() {
	delete(st.in.fibers, st.id)
	for _, j := range st.joiners {
		j.left--
		if j.left == 0 {
			j.w.Wake(nil)
		}
	}
	st.joiners = nil
}

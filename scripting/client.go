package scripting

import (
	"sync"
	"sync/atomic"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// What modules need that keep something open beyond a call, and run callbacks
// of the script for what happens to it: clients, pools, watched descriptors.

// Kept is something that a module keeps open for one VM. Both methods are
// called by the baton holder.
type Kept interface {
	// Retire is called once when the VM's generation is replaced or the server
	// stops: begin no more work, let what is under way finish, then close.
	Retire(why string)
	// Close is called when the VM closes. No Lua runs any more.
	Close()
}

// Why kept things are retired, as scripts read it.
const (
	RetiredByReload   = "reload"
	RetiredByShutdown = "shutdown"
)

// kept is what the modules keep open for a VM.
type kept struct {
	all     map[Kept]bool
	retired bool
	holds   int // see Hold
	cycle   cycle
	last    int    // of SpawnLast, that have not ended
	ended   Waiter // of awaitLast
}

// Keep has k retired and closed with the VM. Baton holder.
func (in *Instance) Keep(k Kept) {
	if in.kept.all == nil {
		in.kept.all = map[Kept]bool{}
	}
	in.kept.all[k] = true
	if in.kept.retired {
		k.Retire(in.retireReason())
	}
}

// Unkeep forgets k. Baton holder.
func (in *Instance) Unkeep(k Kept) { delete(in.kept.all, k) }

func (in *Instance) retireReason() string {
	if in.host.stopping.Load() {
		return RetiredByShutdown
	}
	return RetiredByReload
}

// retireKept begins the end of what the modules keep open.
func (in *Instance) retireKept() {
	if in.kept.retired {
		return
	}
	in.kept.retired = true
	if c := in.kept.cycle; c.before != nil || c.after != nil {
		in.loop.EachTurn(nil)
	}
	for k := range in.kept.all {
		k.Retire(in.retireReason())
	}
}

// closeAllKept closes what is left of all VMs when their loops have ended.
func (h *Host) closeAllKept() {
	for _, l := range append(h.loops(), h.engine.Control()) {
		s, ok := l.Data.(*seat)
		if !ok {
			continue
		}
		for in := range s.draining {
			in.closeKept()
		}
		if s.live != nil {
			s.live.closeKept()
		}
	}
}

// closeKept closes what is left.
func (in *Instance) closeKept() {
	for k := range in.kept.all {
		k.Close()
	}
	in.kept.all = nil
}

// Hold keeps a script that runs alone from ending, by n more or fewer reasons:
// what can still call it. Baton holder.
func (in *Instance) Hold(n int) {
	in.kept.holds += n
	if in.lone != nil {
		in.lone.look()
	}
}

// WhenLive runs fn as the baton holder: now, or when onWorkerStart has returned
// on all workers; in the control VM of a server, which has no such moment, what
// its top level asks for is not run. What waits is dropped when the generation
// is given up.
func (in *Instance) WhenLive(fn func()) {
	if in.stage == warming || in.stage == declaring {
		in.held = append(in.held, fn)
		return
	}
	fn()
}

// Spawn runs fn on the VM's loop as a fiber of its own, which may call and
// wait; not if the VM has closed meanwhile. A drain waits for it. Any goroutine.
func (in *Instance) Spawn(fn func()) {
	in.loop.Spawn(in.spawnRoot(), func(*engine.Fiber) {
		if in.stage == dead {
			return
		}
		in.underWay++
		defer in.release()
		fn()
	})
}

// spawnRoot is what a drain waits for, unless the server stops: a chatty peer
// would hold that up.
func (in *Instance) spawnRoot() engine.Root {
	if in.host.stopping.Load() {
		return engine.RootGo
	}
	return engine.RootMessage
}

// SpawnKept is Spawn for the baton holder: the VM stays until fn has run.
func (in *Instance) SpawnKept(fn func()) { in.spawnKept(in.spawnRoot(), fn) }

// SpawnLast is SpawnKept for what brings something to its end: a server that
// stops waits for it, within max_wait_time.
func (in *Instance) SpawnLast(fn func()) {
	in.kept.last++
	in.spawnKept(engine.RootMessage, func() {
		defer func() {
			if in.kept.last--; in.kept.last == 0 {
				in.kept.ended.Wake(nil)
			}
		}()
		fn()
	})
}

// awaitLast waits until what SpawnLast was given has run.
func (in *Instance) awaitLast(f *engine.Fiber, limit time.Duration) {
	if in.kept.last == 0 {
		return
	}
	if w, err := f.Begin("shutdown"); err == nil {
		in.kept.ended = w
		f.Wait(limit)
	}
}

func (in *Instance) spawnKept(root engine.Root, fn func()) {
	in.underWay++
	in.loop.Spawn(root, func(*engine.Fiber) {
		defer in.release()
		if in.stage != dead {
			fn()
		}
	})
}

// Post runs fn on the VM's loop between callbacks, as the baton holder; not if
// the VM has closed meanwhile. fn must not call Lua. Any goroutine.
func (in *Instance) Post(fn func()) { in.PostOr(fn, func() {}) }

// PostOr is Post that runs otherwise when the VM has closed.
func (in *Instance) PostOr(fn, otherwise func()) {
	in.loop.Call(func() {
		if in.stage == dead {
			otherwise()
			return
		}
		fn()
	})
}

// Callback runs a function of the script inside a fiber of Spawn, and reports
// whether it ended without an error. What it raises is logged and given to
// onError; what names it there.
func (in *Instance) Callback(what string, fn *lua.LFunction, args ...lua.LValue) bool {
	f := in.loop.Current()
	f.Afresh()
	err := in.run(f, evError, what, fn, args...)
	if err != nil {
		in.failed(f, what, 0, err)
	}
	return err == nil
}

// CallbackResults is Callback that hands what the function returned, or its
// error, to done: th is good for the call only.
func (in *Instance) CallbackResults(what string, fn *lua.LFunction, args []lua.LValue, done func(th *vm.Thread, err *vm.Error)) {
	c := in.begin(in.loop.Current(), evError, what, fn)
	for _, a := range args {
		c.th.Push(a)
	}
	err := c.th.Run(lua.MultRet)
	done(c.th, err)
	c.end()
}

// Alarm is a timer of a module: it shows in no list, and does not keep a script
// from ending. The zero Alarm is not set. Baton holder.
type Alarm struct {
	in    *Instance
	fn    func()
	entry engine.Timer
}

// Set has fn called once after d, between callbacks; fn must not call Lua. It
// replaces what the alarm was set to.
func (a *Alarm) Set(in *Instance, d time.Duration, fn func()) {
	a.Stop()
	a.in, a.fn = in, fn
	in.loop.SetTimer(&a.entry, engine.Now()+int64(d), a, func(t *engine.Timer) {
		a := t.Owner().(*Alarm)
		fn := a.fn
		a.fn = nil
		if a.in.stage != dead {
			fn()
		}
	})
}

// Pending reports whether the alarm is set.
func (a *Alarm) Pending() bool { return a.fn != nil }

// Stop ends the alarm if it is set.
func (a *Alarm) Stop() {
	if a.fn != nil {
		a.fn = nil
		a.in.loop.StopTimer(&a.entry)
	}
}

// DeferTurn calls fn(args...) as a fiber of its own at the end of this turn, as
// server:defer does. Baton holder.
func (in *Instance) DeferTurn(L *lua.LState, what string, fn *lua.LFunction, args []lua.LValue) {
	in.mustRun(L, what)
	in.deferTurn(what, fn, args)
}

// cycle is what a script has called at each turn of its loop.
type cycle struct {
	before, after *lua.LFunction
	running       bool
}

// Cycle has fn called at the end of each turn of the loop, one call at a time; a
// second one, before, comes after it. nil ends that. Baton holder.
func (in *Instance) Cycle(L *lua.LState, what string, fn *lua.LFunction, before bool) {
	in.mustRun(L, what)
	c := &in.kept.cycle
	if before {
		c.before = fn
	} else {
		c.after = fn
	}
	in.WhenLive(in.setCycle)
}

func (in *Instance) setCycle() {
	c := &in.kept.cycle
	if in.kept.retired || c.before == nil && c.after == nil {
		in.loop.EachTurn(nil)
		return
	}
	in.loop.EachTurn(func(f *engine.Fiber) {
		if c.running || in.stage == dead {
			return
		}
		c.running = true
		defer func() { c.running = false }()
		for _, fn := range []*lua.LFunction{c.after, c.before} {
			if fn != nil {
				in.Callback("event.cycle", fn)
			}
		}
	})
}

// NewTable makes an empty table. Baton holder.
func (in *Instance) NewTable() *lua.LTable { return in.vm.State().NewTable() }

// Stopping reports whether the server stops. Any goroutine.
func (in *Instance) Stopping() bool { return in.host.stopping.Load() }

// ClientCounts are numbers of the process's clients, for stats. Any goroutine.
type ClientCounts struct {
	Open     atomic.Int64  // connected, or about to be
	Idle     atomic.Int64  // of these, kept for whoever wants one next
	Closing  atomic.Int64  // closed by the script, and bringing out what it has sent
	Lost     atomic.Uint64 // closed because nobody could use them any more
	Connects atomic.Uint64
	Errors   atomic.Uint64 // that did not come about
}

// ClientCounts are the host's.
func (in *Instance) ClientCounts() *ClientCounts { return &in.host.clients.ClientCounts }

// clients is what the host knows of them.
type clients struct {
	ClientCounts
	mu   sync.Mutex
	ends []func()
}

// AtHostEnd runs fn when the server has stopped, for what is shared by all VMs.
// Any goroutine.
func (in *Instance) AtHostEnd(fn func()) {
	c := &in.host.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, fn)
}

// end runs what AtHostEnd was given, and waits for what is being closed.
func (c *clients) end() {
	c.mu.Lock()
	ends := c.ends
	c.ends = nil
	c.mu.Unlock()
	for _, fn := range ends {
		fn()
	}
	for end := time.Now().Add(closingTime); c.Closing.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// closingTime is how long the process stays for clients that are bringing out
// what they have sent.
const closingTime = 5 * time.Second

// stats adds the counts to the answer of server:stats.
func (c *clients) stats(num func(string, float64)) {
	num("client_num", float64(c.Open.Load()))
	num("client_idle_num", float64(c.Idle.Load()))
	num("client_closing_num", float64(c.Closing.Load()))
	num("client_lost_num", float64(c.Lost.Load()))
	num("client_connect_count", float64(c.Connects.Load()))
	num("client_error_count", float64(c.Errors.Load()))
}

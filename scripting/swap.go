package scripting

import (
	"slices"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// The swap and what comes after it: each loop switches to the new generation at
// a turn of its own, and the old one drains. Everything here but swap itself
// runs as the baton holder of the instance's loop.

// maxDraining is how many generations may drain at once; then the oldest is
// cancelled.
const maxDraining = 8

// swap makes g the live generation on the loops it was made for, and lets what
// was live there drain. The control VM goes first, so that a message never
// meets code newer than it. With other numbers of workers, the added ones come
// next, before any session can, and what leaves comes last; then the sessions
// are spread. It returns how many callbacks go on on old code.
func (h *Host) swap(old, g *Generation, resize *engine.Resize) (draining int) {
	h.lastGen = g.id
	if old != nil {
		c := h.engine.Control()
		h.onLoop(c, func() {
			h.gen.Store(g)
			s := seatOf(c)
			s.live = g.control
			g.control.stage = live
			old.control.drain(errReplaced)
		})
	}
	exchange := func(i int, l *engine.Loop) {
		in := g.instances[i]
		h.onLoop(l, func() {
			s := seatOf(l)
			before := s.live
			s.live = in
			if before != nil {
				h.replaced(before.gen)
				in.takeOver(before)
				draining += before.drain(errReplaced)
			}
			in.goLive()
		})
	}
	var added, leaving []*engine.Loop
	if resize != nil {
		added, leaving = resize.Added(), resize.Leaving()
	}
	for i, l := range g.crew {
		if slices.Contains(added, l) {
			exchange(i, l)
		}
	}
	if resize != nil {
		resize.Commit()
	}
	for i, l := range g.crew {
		if !slices.Contains(added, l) {
			exchange(i, l)
		}
	}
	for _, l := range leaving {
		h.onLoop(l, func() { draining += h.leave(l) })
	}
	if resize != nil {
		h.engine.Spread()
	}
	return draining
}

// takeOver carries over what survives in the loop itself: named timers.
func (in *Instance) takeOver(before *Instance) {
	in.takeTimersOver(before)
	in.processRuns.failures = before.processRuns.failures
}

// goLive starts what onWorkerStart has asked for.
func (in *Instance) goLive() {
	in.stage = live
	in.life.worn = in.settings().wornAt()
	in.gen.wentLive.Store(true)
	for _, start := range in.held {
		start()
	}
	in.held = nil
	s := seatOf(in.loop)
	for _, w := range s.early {
		w.Wake(nil)
	}
	s.early = nil
	if in.process {
		in.beginProcess()
	}
}

// Why waits end when their code is replaced.
var (
	errReplaced  = &engine.Errno{Name: "cancelled", Code: 10017, Text: "the script was reloaded"}
	errDiscarded = &engine.Errno{Name: "cancelled", Code: 10017, Text: "the reload was given up"}
)

// exitGrace is how long onWorkerExit may wait before the fibers it speaks for
// are cancelled.
const exitGrace = time.Second

// drain lets what is under way finish on this instance and ends the rest: its
// timers, and the fibers that no session and no task waits for, which
// onWorkerExit may tell first. It returns how many callbacks go on.
func (in *Instance) drain(why *engine.Errno) int {
	in.stage = draining
	s := seatOf(in.loop)
	if s.draining == nil {
		s.draining = map[*Instance]bool{}
	}
	s.draining[in] = true
	in.stopTimers()
	if in.started && in.on[evWorkerExit] != nil {
		in.tellExit(why)
	} else {
		in.cancelRootless(why)
	}
	if in.underWay == 0 {
		in.retire()
		return 0
	}
	limit := in.drainTime()
	if limit == 0 {
		in.cut("reload_async is off: cancelled")
	} else {
		in.loop.SetTimer(&in.drainTimer, engine.Now()+int64(limit), in, overstayed)
	}
	return in.inFlight()
}

// inFlight counts the waiting callbacks of this instance that a drain waits for.
func (in *Instance) inFlight() (n int) {
	in.loop.CancelIf(nil, func(f *engine.Fiber) bool { // only looks
		if in.owns(f) && !rootless(f) {
			n++
		}
		return false
	})
	return n
}

// owns says whether f runs a callback of this instance.
func (in *Instance) owns(f *engine.Fiber) bool {
	c, ok := f.Data.(*call)
	return ok && c.in == in
}

// rootless says whether f belongs to no session and no task.
func rootless(f *engine.Fiber) bool {
	switch f.Root() {
	case engine.RootTimer, engine.RootGo, engine.RootWorker:
		return true
	}
	return false
}

// drainTime is how long callbacks in flight may go on; 0 means not at all. It
// is the new code that says so, where there is one.
func (in *Instance) drainTime() time.Duration {
	s := in.host.Settings()
	if !s.ReloadAsync {
		return 0
	}
	return s.DrainTime
}

// tellExit runs onWorkerExit, then cancels; also when it waits for too long.
func (in *Instance) tellExit(why *engine.Errno) {
	in.underWay++
	in.loop.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		in.loop.SetTimer(&in.exitTimer, engine.Now()+int64(exitGrace), in, func(t *engine.Timer) {
			t.Owner().(*Instance).cancelRootless(why)
		})
		if err := in.run(f, evWorkerExit, "", in.on[evWorkerExit], in.server.value, in.id); err != nil {
			in.failed(f, evWorkerExit.String(), 0, err)
		}
		in.loop.StopTimer(&in.exitTimer)
		in.cancelRootless(why)
		in.release()
	})
}

// cancelRootless ends the fibers of this instance that belong to no session and
// no task: a dead generation must not take messages from a shared channel.
func (in *Instance) cancelRootless(why *engine.Errno) {
	in.loop.CancelIf(why, func(f *engine.Fiber) bool { return in.owns(f) && rootless(f) })
}

// overstayed cancels what still runs when reload_drain_time is over.
func overstayed(t *engine.Timer) {
	t.Owner().(*Instance).cut("reload_drain_time is over: cancelled")
}

// cut cancels, by name, everything that still runs on this instance.
func (in *Instance) cut(why string) {
	in.dropAwaited(why)
	in.loop.CancelIf(errReplaced, func(f *engine.Fiber) bool {
		if !in.owns(f) {
			return false
		}
		c := f.Data.(*call)
		in.host.log.Warn(why, "what", c.Where(), "fd", c.fd)
		return true
	})
}

// retire runs onWorkerStop and closes the VM, once nothing needs it.
func (in *Instance) retire() {
	if in.stopping || in.stage == dead {
		return
	}
	in.stopping = true
	in.loop.StopTimer(&in.drainTimer)
	in.loop.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		in.runStop(f)
		if in.underWay == 0 {
			in.close()
		} else {
			in.stopping = false // onWorkerStop has started something: once more when it ends
		}
	})
}

// runStop runs onWorkerStop, once, where onWorkerStart has succeeded.
func (in *Instance) runStop(f *engine.Fiber) {
	if !in.started {
		return
	}
	in.started = false
	if fn := in.on[evWorkerStop]; fn != nil {
		in.underWay++ // keep the VM while it runs
		if err := in.run(f, evWorkerStop, "", fn, in.server.value, in.id); err != nil {
			in.failed(f, evWorkerStop.String(), 0, err)
		}
		in.underWay--
	}
}

// close ends the VM.
func (in *Instance) close() {
	if in.stage == dead {
		return
	}
	in.stage = dead
	in.stopTimers()
	in.closeKept()
	in.vm.Close()
	if in.loop != nil {
		delete(seatOf(in.loop).draining, in)
	}
	in.gen.alive.Add(-1)
	if in.last != nil {
		in.last()
	}
}

// replaced notes that instances of g drain. The reloader's, or a loop's while
// the reloader waits for it.
func (h *Host) replaced(g *Generation) {
	for _, other := range h.draining {
		if other == g {
			return
		}
	}
	h.draining = append(h.draining, g)
}

// limitDraining cancels the oldest generations when too many drain at once.
// The reloader's.
func (h *Host) limitDraining() {
	kept := h.draining[:0]
	for _, g := range h.draining {
		if g.alive.Load() > 0 {
			kept = append(kept, g)
		}
	}
	clear(h.draining[len(kept):])
	h.draining = kept
	for len(h.draining) > maxDraining {
		g := h.draining[0]
		h.draining = h.draining[1:]
		for i, l := range g.crew {
			l.Call(func() {
				if in := g.instances[i]; in.stage == draining {
					in.cut("more than 8 generations drain: the oldest is cancelled")
				}
			})
		}
	}
}

// reloadEvent runs onBeforeReload or onAfterReload in a control VM, and waits
// for it, but not for ever.
func (h *Host) reloadEvent(in *Instance, ev event, generation uint64, r *ReloadReport) {
	if in.on[ev] == nil {
		return
	}
	done := make(chan struct{})
	in.loop.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		defer close(done)
		if in.stage == dead {
			return
		}
		t := in.vm.State().NewTable()
		for i, text := range r.Changes {
			t.RawSetInt(i+1, lua.LString(text))
		}
		files := in.vm.State().NewTable()
		for i, name := range r.Files {
			files.RawSetInt(i+1, lua.LString(name))
		}
		t.RawSetString("files", files)
		t.RawSetString("why", lua.LString(r.Why))
		if err := in.run(f, ev, "", in.on[ev], in.server.value, lua.LNumber(generation), t); err != nil {
			in.failed(f, ev.String(), 0, err)
		}
	})
	select {
	case <-done:
	case <-h.done:
	case <-time.After(exitGrace):
		h.log.Warn(ev.String()+" waits for long: the reload goes on without it", "generation", in.gen.id)
	}
}

// leave takes the live instance of a loop that is to go: it drains, its
// sessions move to other loops, and when it has closed the loop ends.
func (h *Host) leave(l *engine.Loop) int {
	in := seatOf(l).live
	h.replaced(in.gen)
	in.last = func() { h.engine.Retire(l) }
	l.Leave()
	return in.drain(errReplaced)
}

package scripting

import (
	"fmt"
	"path/filepath"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"
)

// Generation is one loaded version of the script: its code, its settings, and
// an instance on every loop.
type Generation struct {
	id        uint64
	loader    *vm.Loader
	settings  *Settings
	control   *Instance
	ports     []*engine.Port // where it listens, the primary port first
	slots     []int          // by the engine's number of a port: its place in ports
	instances []*Instance    // by worker id; owned by their loops
}

// seat is what a loop keeps for the host: who answers its events.
type seat struct{ live *Instance }

func seatOf(l *engine.Loop) *seat { return l.Data.(*seat) }

// current is the live instance of the loop of f.
func current(f *engine.Fiber) *Instance { return f.Loop().Data.(*seat).live }

// warmTime is how long onWorkerStart may take on all workers together.
const warmTime = 60 * time.Second

func (h *Host) newGeneration() *Generation {
	h.lastGen++
	return &Generation{id: h.lastGen, loader: vm.NewLoader(filepath.Dir(h.script))}
}

// settle gives an instance that was made before its loop to the loop.
func (in *Instance) settle(l *engine.Loop) {
	in.loop = l
	in.stage = live
	in.server.setFixed()
}

// warm makes the instance of every worker, on the worker's own loop: top level
// and onWorkerStart. It waits for all and returns the first failure.
func (h *Host) warm(g *Generation) *vm.Error {
	loops := h.loops()
	g.instances = make([]*Instance, len(loops))
	type result struct {
		i   int
		err *vm.Error
	}
	results := make(chan result, len(loops))
	for i, l := range loops {
		l.Spawn(engine.RootWorker, func(f *engine.Fiber) {
			// Should Swoon itself panic here, the generation has failed.
			err := &vm.Error{Message: "the worker failed while it started"}
			defer func() { results <- result{i, err} }()
			in := h.newInstance(g, l)
			g.instances[i] = in
			err = in.warm(f)
		})
	}
	deadline := time.NewTimer(warmTime)
	defer deadline.Stop()
	var first *vm.Error
	for range loops {
		select {
		case r := <-results:
			if r.err != nil && first == nil {
				first = r.err
			}
		case <-h.done:
			return &vm.Error{Message: "the server stopped while it started"}
		case <-deadline.C:
			return &vm.Error{Message: fmt.Sprintf("onWorkerStart did not return within %v on every worker", warmTime)}
		}
	}
	return first
}

// warm runs the top level and onWorkerStart.
func (in *Instance) warm(f *engine.Fiber) *vm.Error {
	if err := in.runTop(); err != nil {
		return err
	}
	if err := in.sameAs(in.gen.control); err != nil {
		return err
	}
	in.stage = warming
	if fn := in.on[evWorkerStart]; fn != nil {
		if err := in.run(f, evWorkerStart, "", fn, in.server.value, in.id); err != nil {
			return err
		}
	}
	in.started = true
	return nil
}

// swap makes g the live generation, each loop at a turn of its own, and lets
// old drain. The control VM goes first, so that a message never meets code
// newer than it.
func (h *Host) swap(old, g *Generation) {
	h.gen.Store(g)
	if old != nil {
		c := h.engine.Control()
		h.onLoop(c, func() {
			seatOf(c).live = g.control
			g.control.stage = live
			old.control.drain()
		})
	}
	for i, l := range h.loops() {
		in := g.instances[i]
		h.onLoop(l, func() {
			before := seatOf(l).live
			seatOf(l).live = in
			in.goLive()
			if before != nil {
				before.drain()
			}
		})
	}
}

// goLive starts what onWorkerStart has asked for.
func (in *Instance) goLive() {
	in.stage = live
	for _, start := range in.held {
		start()
	}
	in.held = nil
}

// errReplaced ends the waits of fibers that belong to no session and no task
// when their code is replaced.
var errReplaced = &engine.Errno{Name: "cancelled", Code: 10017, Text: "the script was reloaded"}

// drain lets what is under way finish on this instance and ends the rest.
func (in *Instance) drain() {
	in.stage = draining
	in.stopTimers()
	in.loop.CancelIf(errReplaced, func(f *engine.Fiber) bool {
		c, ok := f.Data.(*call)
		if !ok || c.in != in {
			return false
		}
		switch f.Root() {
		case engine.RootTimer, engine.RootGo, engine.RootWorker:
			return true
		}
		return false
	})
	if in.underWay == 0 {
		in.retire()
		return
	}
	in.loop.SetTimer(&in.drainTimer, engine.Now()+int64(in.gen.settings.DrainTime), in, overstayed)
}

// overstayed cancels, by name, what still runs on an old generation.
func overstayed(t *engine.Timer) {
	in := t.Owner().(*Instance)
	in.loop.CancelIf(errReplaced, func(f *engine.Fiber) bool {
		c, ok := f.Data.(*call)
		if ok && c.in == in {
			in.host.log.Warn("reload_drain_time is over: cancelled", "what", c.Where(), "fd", c.fd)
			return true
		}
		return false
	})
}

// retire runs onWorkerStop and closes the VM, once nothing needs it.
func (in *Instance) retire() {
	if in.stopping {
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

func (in *Instance) close() {
	if in.stage == dead {
		return
	}
	in.stage = dead
	in.stopTimers()
	in.vm.Close()
}

// discard ends the instances of a generation that failed to warm.
func (h *Host) discard(g *Generation) {
	for i, l := range h.loops() {
		h.onLoop(l, func() {
			if in := g.instances[i]; in != nil && in.stage != dead {
				in.held = nil
				in.drainAfterFailure()
			}
		})
	}
}

func (in *Instance) drainAfterFailure() {
	if in.gen.settings == nil {
		in.gen.settings = defaultSettings()
	}
	in.drain()
}

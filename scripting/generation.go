package scripting

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
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
	crew      []*engine.Loop               // workers, task workers, processes: the loops it is made for
	instances []*Instance                  // one for each of crew; owned by their loops
	ports     []*engine.Port               // where it listens, the primary port first
	slots     []int                        // by the engine's number of a port: its place in ports
	formers   map[*engine.Port]*Generation // see reactorvm.go
	alive     atomic.Int32                 // instances that have not closed
	dropped   atomic.Bool                  // given up: what has not begun to warm need not
	wentLive  atomic.Bool                  // some loop has switched to it
}

// seat is what a loop keeps for the host: who answers its events, and who is
// still at work for older generations.
type seat struct {
	live     *Instance
	early    []engine.Waiter // fibers that wait for the first live instance
	renewing atomic.Bool     // a fresh VM of the same generation warms
	draining map[*Instance]bool
	former   map[*Generation]*Instance // former code that sessions are still framed by
}

func seatOf(l *engine.Loop) *seat { return l.Data.(*seat) }

// current is the live instance of the loop of f.
func current(f *engine.Fiber) *Instance { return f.Loop().Data.(*seat).live }

// warmTime is how long onWorkerStart may take on all workers together.
const warmTime = 60 * time.Second

// newGeneration is the generation after the live one. Only one that goes live
// uses its number up.
func (h *Host) newGeneration() *Generation {
	return &Generation{id: h.lastGen + 1, loader: vm.NewLoader(filepath.Dir(h.script))}
}

// settle gives an instance that was made before its loop to the loop.
func (in *Instance) settle(l *engine.Loop) {
	in.loop = l
	in.stage = live
	in.server.setFixed()
}

// begin starts the warming of an instance on every loop of crew, on the loop
// itself: top level and onWorkerStart. The channel gets the outcome of each.
func (h *Host) begin(g *Generation, crew []*engine.Loop) <-chan *vm.Error {
	first := 0 // the number of the first of crew
	if len(crew) > 0 && crew[0].IsTask() {
		first = crew[0].ID()
	}
	g.crew, g.instances = crew, make([]*Instance, len(crew))
	results := make(chan *vm.Error, len(crew))
	for i, l := range crew {
		l.Spawn(engine.RootWorker, func(f *engine.Fiber) {
			// Should Swoon itself panic here, the generation has failed.
			err := &vm.Error{Message: "the worker failed while it started"}
			defer func() { results <- err }()
			if g.dropped.Load() {
				return
			}
			in := h.newInstance(g, l)
			in.place = i
			if !l.OnlyReads() {
				in.number = first + i
			}
			in.server.setFixed()
			g.instances[i] = in
			err = in.warm(f)
		})
	}
	return results
}

// errors of a warm that ended before every worker was ready.
var (
	errStopped    = &vm.Error{Message: "the server stopped while it started"}
	errSuperseded = &vm.Error{Message: "the files changed again"}
)

// warm makes g ready on every loop of crew. It returns the first failure; what
// has been made is the caller's to discard. When again or stop delivers, it gives
// up.
func (h *Host) warm(g *Generation, crew []*engine.Loop, again, stop <-chan struct{}) *vm.Error {
	select {
	case <-stop:
		return errStopped
	default:
	}
	results := h.begin(g, crew)
	deadline := time.NewTimer(warmTime)
	defer deadline.Stop()
	for range crew {
		select {
		case err := <-results:
			if err != nil {
				return err
			}
		case <-again:
			return errSuperseded
		case <-stop:
			return errStopped
		case <-deadline.C:
			return &vm.Error{Message: fmt.Sprintf("onWorkerStart did not return within %v on every worker", warmTime)}
		}
	}
	return nil
}

// warm runs the top level, and onWorkerStart but for processes.
func (in *Instance) warm(f *engine.Fiber) *vm.Error {
	if err := in.runTop(); err != nil {
		return err
	}
	if err := in.sameAs(in.gen.control); err != nil {
		return err
	}
	in.stage = warming
	if in.loop.OnlyReads() || in.process {
		return nil // one only asks, the other begins when it is live
	}
	if fn := in.on[evWorkerStart]; fn != nil {
		if err := in.run(f, evWorkerStart, "", fn, in.server.value, in.id); err != nil {
			return err
		}
	}
	in.started = true
	return nil
}

// discard ends the instances of a generation that does not go live: those that
// warm still are cancelled, where onWorkerStart had succeeded onWorkerStop runs.
func (h *Host) discard(g *Generation) {
	g.dropped.Store(true)
	for i, l := range g.crew {
		h.onLoop(l, func() {
			if in := g.instances[i]; in != nil && in.stage != dead {
				in.held = nil
				in.drain(errDiscarded)
			}
		})
	}
}

// dropControl closes the control VM of a generation that does not go live.
func (h *Host) dropControl(g *Generation) {
	if g.control != nil {
		h.onLoop(h.engine.Control(), g.control.close)
	}
}

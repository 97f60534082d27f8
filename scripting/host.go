// Package scripting runs a Lua script as the logic of a server: VMs, callbacks,
// generations, reload, and the `server` object.
//
// Reading order: host.go (life of a server), declare.go and settings.go (what a
// script says), generation.go (one version of it on all loops), instance.go
// (one VM), callbacks.go (events in), server.go and methods.go (calls out),
// reload.go (the next version). vm/ is the Lua machine itself.
package scripting

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Options configure a Host.
type Options struct {
	Script   string
	Args     []string    // the script's arguments
	Flags    [][2]string // settings from the command line, name and value: they win
	Modules  []Module
	Out      io.Writer // what print writes to
	NoReload bool      // do not watch the script
	Check    bool      // only look: a script that runs alone is not run
	// Applied, if any, is called when a reload has changed settings, for those
	// that the process as a whole answers to: log_level, log_file, memory_limit.
	Applied func(*Settings)
	// Bound, if any, is called when the server listens, before any worker has
	// begun. An error ends the start.
	Bound func() error
	// NewHistogram, if any, makes what collects how long callbacks take.
	NewHistogram func() engine.Histogram
	// Status, if any, is told how the server is, with a line for people.
	Status func(s Status, text string)
}

// Host is one server: a script, its generations, and the engine they live on.
type Host struct {
	script     string // absolute path
	scriptName string // for messages
	args       []string
	flags      []given
	modules    []Module
	methods    []method // of `server`
	noReload   bool
	applied    func(*Settings)
	status     func(Status, string)

	outMu sync.Mutex
	out   io.Writer
	begun *line // whose line on out has no end yet
	log   *slog.Logger
	early []slog.Record // what the script logged before there was a log

	controlWord *atomic.Uint32
	engine      *engine.Engine
	running     atomic.Bool                // engine is set, for goroutines that Start has not started
	gen         atomic.Pointer[Generation] // the live one
	lastGen     uint64                     // number of the newest generation built
	stores      sync.Map                   // engine.SessionID -> *store
	shared      sharedObjects
	stats       statsWriter
	histogram   func() engine.Histogram
	bound       func() error
	files       fileWatches
	clients     clients
	lone        *loneRun // a script that runs alone; nil: a server

	wishes     wishes
	saves      chan struct{} // cap 1: files have changed since the last build
	failed     *vm.Loader    // of the last reload, if it failed; the reloader's
	draining   []*Generation // replaced, oldest first; the reloader's
	lastReload atomic.Pointer[ReloadReport]
	stopCode   chan int
	stopping   atomic.Bool
	done       chan struct{} // closed when stopping: the reloader ends, and nobody waits for a start
	doneOnce   sync.Once
	work       sync.WaitGroup
}

// LoadError is a script that cannot be started as it is: exit code 1.
type LoadError struct {
	Faults []string  // what is wrong with what it declares
	Err    *vm.Error // or why it failed to load
}

func (e *LoadError) Error() string {
	if e.Err != nil {
		return e.Err.Full()
	}
	return strings.Join(e.Faults, "\n")
}

// New loads a script far enough to know its settings: it compiles it and runs
// its top level in the control VM. Nothing listens yet. One that turns out to
// run alone (see alone.go) stands where it began to: Run lets it go on.
func New(o Options) (*Host, error) {
	path, err := filepath.Abs(o.Script)
	if err != nil {
		return nil, &LoadError{Faults: []string{err.Error()}}
	}
	h := &Host{methods: serverMethods, script: path, scriptName: filepath.Base(path), args: o.Args, modules: o.Modules, noReload: o.NoReload, applied: o.Applied, status: o.Status, histogram: o.NewHistogram, bound: o.Bound,
		out: o.Out, log: slog.New(slog.DiscardHandler), controlWord: new(atomic.Uint32),
		wishes: wishes{come: make(chan struct{}, 1)}, saves: make(chan struct{}, 1), stopCode: make(chan int, 1), done: make(chan struct{})}
	h.stats.changed = make(chan struct{}, 1)
	h.stats.want.Store(&StatsSettings{})
	for _, f := range o.Flags {
		h.flags = append(h.flags, given{f[0], flagValue(f[1]), "command line"})
	}
	g := h.newGeneration()
	chunk, verr := g.loader.Load(h.script)
	if verr != nil {
		return nil, &LoadError{Err: verr}
	}
	if mayRunAlone(g.loader, chunk) {
		if err := h.beginAlone(g, chunk, o.Check); err != nil {
			return nil, err
		}
		if h.lone != nil {
			return h, nil
		}
	} else if verr := h.beginServer(g); verr != nil {
		return nil, &LoadError{Err: verr}
	}
	settings, faults := g.control.check(h.flags)
	if len(faults) > 0 {
		return nil, &LoadError{Faults: faults}
	}
	g.settings = settings
	h.gen.Store(g)
	return h, nil
}

// beginServer runs the top level of a server.
func (h *Host) beginServer(g *Generation) *vm.Error {
	g.control = h.newInstance(g, nil)
	// Nobody watches the clock yet but this timer.
	limit := time.AfterFunc(engine.DefaultMaxStretch, func() { h.controlWord.Store(1) })
	defer h.controlWord.Store(0)
	defer limit.Stop()
	return g.control.runTop()
}

// flagValue reads the value of --set: true and false are booleans.
func flagValue(s string) lua.LValue {
	switch s {
	case "true":
		return lua.LTrue
	case "false":
		return lua.LFalse
	}
	return lua.LString(s)
}

// Settings are the settings of the live generation.
func (h *Host) Settings() *Settings { return h.gen.Load().settings }

// Addr is where the server listens.
func (h *Host) Addr() engine.Listen { return h.gen.Load().ports[0].Addr() }

// Addrs is where each port listens, the primary one first.
func (h *Host) Addrs() (list []engine.Listen) {
	for _, p := range h.gen.Load().ports {
		list = append(list, p.Addr())
	}
	return list
}

// Files lists what the script was read from.
func (h *Host) Files() []string { return h.gen.Load().loader.Files() }

// ErrInterrupted is returned by Start when a stop was asked for meanwhile.
var ErrInterrupted = errors.New("stopped while starting")

// Start listens, warms the workers and lets clients in. A *engine.ListenError
// (one or more, joined) says that it cannot listen, a *LoadError that the
// script failed.
func (h *Host) Start(log *slog.Logger) error {
	h.log = log
	h.flushEarly()
	g := h.gen.Load()
	w := h.watch() // from here on no save is missed
	defer func() {
		if w != nil {
			w.close()
		}
	}()
	o := g.settings.engineOptions()
	o.Limits = h.limits(g.settings)
	for i, p := range g.settings.Ports {
		o.Ports[i] = h.portOptions(p)
	}
	o.Logger = log
	o.ControlInterrupt = h.controlWord
	o.NewHistogram = h.histogram
	e, err := engine.New(o, h)
	if err != nil {
		return err
	}
	h.engine = e
	h.running.Store(true)
	if err := e.Listen(); err != nil {
		e.Stop()
		return err
	}
	if h.bound != nil {
		if err := h.bound(); err != nil {
			e.Stop()
			return err
		}
	}
	g.bindPorts(e.Ports())
	for _, l := range append(h.loops(), e.Reactors()...) { // in base mode these are the workers once more
		h.onLoop(l, func() { l.Data = &seat{} })
	}
	h.onLoop(e.Control(), func() {
		e.Control().Data = &seat{live: g.control}
		g.control.settle(e.Control())
	})
	if verr := h.warm(g, append(h.loops(), h.reactorsFor(g)...), nil, h.done); verr != nil {
		h.discard(g)
		if h.stopping.Load() {
			return ErrInterrupted
		}
		e.Stop()
		return &LoadError{Err: verr}
	}
	h.swap(nil, g, nil)
	h.notice(nil, g.settings)
	h.event(g.control, evStart)
	h.event(g.control, evManagerStart)
	if h.stopping.Load() {
		return ErrInterrupted
	}
	e.Accept()
	h.tell(Ready, h.serving())
	h.stats.set(g.settings.StatsSettings)
	h.work.Add(3)
	go h.keepStats()
	go h.watchFiles(w)
	go (&reloader{h: h}).run(w)
	w = nil
	return nil
}

// loops are the loops with a VM each, but for the control loop.
func (h *Host) loops() []*engine.Loop {
	return slices.Concat(h.engine.Workers(), h.engine.TaskWorkers(), h.engine.Processes())
}

// onLoop runs fn on a loop between callbacks and waits for it.
func (h *Host) onLoop(l *engine.Loop, fn func()) {
	done := make(chan struct{})
	l.Call(func() { fn(); close(done) })
	<-done
}

// event runs a callback of the form fn(server) in the control VM, and waits
// until it has returned or the server stops.
func (h *Host) event(in *Instance, ev event) {
	done := make(chan struct{})
	in.loop.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		defer close(done)
		if fn := in.on[ev]; fn != nil && in.stage != dead {
			if err := in.run(f, ev, "", fn, in.server.value); err != nil {
				in.failed(f, ev.String(), 0, err)
			}
		}
	})
	select {
	case <-done:
	case <-h.done:
	}
}

// RequestStop asks for a graceful stop with the given exit code. Any goroutine.
func (h *Host) RequestStop(code int) {
	h.stopping.Store(true)
	h.doneOnce.Do(func() { close(h.done) })
	select {
	case h.stopCode <- code:
	default:
	}
}

// Wait serves until a stop is asked for, stops, and returns the exit code and
// what had to be cut short.
func (h *Host) Wait() (code int, cut []string) {
	code = <-h.stopCode
	cut = h.stop()
	if code == 0 && len(cut) > 0 {
		code = 4
	}
	return code, cut
}

// stop drains and ends everything, in the order of design: clients, tasks,
// workers, onShutdown.
func (h *Host) stop() []string {
	h.log.Info("shutting down")
	h.tell(Stopping, "shutting down")
	h.controlEvent(evBeforeShutdown, time.After(h.Settings().MaxWait))
	cut := h.engine.Drain(func(line string) { h.log.Info(line) })
	h.work.Wait() // a reload under way sees stopping and ends
	grace := time.After(h.Settings().MaxWait)
	for _, l := range h.loops() {
		h.spawnWait(l, grace, func(f *engine.Fiber) {
			s := seatOf(l)
			for in := range s.draining {
				in.runStop(f)
			}
			if s.live != nil {
				s.live.stopTimers()
				s.live.runExit(f)
				s.live.runStop(f)
				s.live.awaitLast(f, h.Settings().MaxWait)
			}
		})
	}
	h.controlEvent(evManagerStop, grace)
	g := h.gen.Load()
	h.spawnWait(h.engine.Control(), grace, func(f *engine.Fiber) {
		g.control.stopTimers()
		if fn := g.control.on[evShutdown]; fn != nil {
			if err := g.control.run(f, evShutdown, "", fn, g.control.server.value); err != nil {
				g.control.failed(f, evShutdown.String(), 0, err)
			}
		}
	})
	h.writeStats()
	left := h.engine.Stop()
	if left == 0 {
		h.closeAllKept()
	}
	h.clients.end()
	if left > 0 {
		cut = append(cut, fmt.Sprintf("%d fibers did not end", left))
	}
	return cut
}

// spawnWait runs fn as a fiber on l and waits for it, or for the grace to end.
func (h *Host) spawnWait(l *engine.Loop, grace <-chan time.Time, fn func(*engine.Fiber)) {
	done := make(chan struct{})
	l.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		defer close(done)
		fn(f)
	})
	select {
	case <-done:
	case <-grace:
	}
}

// store is the data of a session, made when it is first asked for.
func (h *Host) store(s *engine.Session) *store {
	if st, ok := h.stores.Load(s.ID()); ok {
		return st.(*store)
	}
	st, _ := h.stores.LoadOrStore(s.ID(), newStore())
	if _, err := h.engine.Session(s.ID()); err != nil {
		h.Gone(s) // it ended meanwhile: nobody else would clean up
	}
	return st.(*store)
}

// Gone ends the data of a session that has ended.
func (h *Host) Gone(s *engine.Session) {
	if st, ok := h.stores.LoadAndDelete(s.ID()); ok {
		st := st.(*store)
		st.mu.Lock()
		st.over = true
		st.mu.Unlock()
	}
}

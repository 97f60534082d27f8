package engine

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is one server: loops, listeners, sessions, tasks.
//
// Its life: New, Listen, Accept, Drain, Stop; each once, in this order.
type Engine struct {
	opts    Options
	handler Handler
	gone    func(*Session) // the handler's Gone, if it has one
	water   func(*Fiber, *Session, bool)
	log     *slog.Logger

	workers  []*Loop // run callbacks; in Base mode also the reactors
	reactors []*Loop // own sockets
	tasks    []*Loop
	control  *Loop
	loops    []*Loop // all

	listeners  []*listener
	sessions   registry
	open       atomic.Int64
	accepted   atomic.Uint64
	refused    [numReasons]atomic.Uint64
	refusedLog limiter
	memoryLog  limiter
	dryAccepts atomic.Int64 // accepts in a row that found no descriptor

	placing          sync.Mutex
	placeNext        int
	placeNextReactor int

	pool     taskPool
	blocking atomic.Int64
	helpers  sync.WaitGroup

	started    time.Time
	draining   atomic.Bool
	stopped    chan struct{}
	dozing     atomic.Bool   // the watchdog sleeps
	roused     chan struct{} // cap 1: wakes it
	background sync.WaitGroup
}

// New makes an engine with its loops running and nothing to listen to yet.
func New(o Options, h Handler) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	e := &Engine{opts: o, handler: h, log: o.Logger, started: time.Now(), stopped: make(chan struct{}), roused: make(chan struct{}, 1)}
	if g, ok := h.(interface{ Gone(*Session) }); ok {
		e.gone = g.Gone
	}
	if w, ok := h.(interface{ Water(*Fiber, *Session, bool) }); ok {
		e.water = w.Water
	}
	e.sessions.byID = make(map[SessionID]*Session)
	e.pool.size = o.TaskQueue
	e.pool.own = make([]fifo[*Task], o.TaskWorkers)
	add := func(r role, id, idx int) (*Loop, error) {
		l, err := newLoop(e, r, id, idx)
		if err == nil {
			e.loops = append(e.loops, l)
		}
		return l, err
	}
	var faults []error
	must := func(l *Loop, err error) *Loop {
		if err != nil {
			faults = append(faults, err)
		}
		return l
	}
	for i := range o.Workers {
		r := workerRole
		if o.Mode == Base {
			r |= reactorRole
		}
		e.workers = append(e.workers, must(add(r, i, i)))
	}
	e.reactors = e.workers
	if o.Mode == Process {
		e.reactors = nil
		for i := range o.Reactors {
			e.reactors = append(e.reactors, must(add(reactorRole, -1, i)))
		}
	}
	for i := range o.TaskWorkers {
		e.tasks = append(e.tasks, must(add(taskRole, o.Workers+i, i)))
	}
	e.control = must(add(controlRole, -1, 0))
	if len(faults) > 0 {
		for _, l := range e.loops {
			if l.poller != nil {
				l.poller.close()
			}
		}
		return nil, errors.Join(faults...)
	}
	for _, l := range e.loops {
		l.start()
	}
	e.background.Add(1)
	go e.watchdog()
	return e, nil
}

// Listen binds every declared address, or none. Clients wait in the kernel
// until Accept.
func (e *Engine) Listen() error {
	var faults []error
	for i, want := range e.opts.Listen {
		ln, err := listen(e, i, want)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		e.listeners = append(e.listeners, ln)
	}
	if len(faults) > 0 {
		for _, ln := range e.listeners {
			ln.file.Close()
		}
		e.listeners = nil
	}
	return errors.Join(faults...)
}

// Accept lets clients in.
func (e *Engine) Accept() {
	for _, ln := range e.listeners {
		ln.running.Store(true)
		go ln.run()
	}
}

// Addr is where listener i listens.
func (e *Engine) Addr(i int) Listen {
	if i >= len(e.listeners) {
		return Listen{}
	}
	a := e.listeners[i].addr
	return Listen{Host: a.Addr().String(), Port: int(a.Port())}
}

// Options are the engine's options with all defaults filled in.
func (e *Engine) Options() Options { return e.opts }

// Workers are the loops that run callbacks of sessions, by worker id.
func (e *Engine) Workers() []*Loop { return e.workers }

// TaskWorkers are the loops that run tasks.
func (e *Engine) TaskWorkers() []*Loop { return e.tasks }

// Control is the loop of the events that belong to no worker.
func (e *Engine) Control() *Loop { return e.control }

// Draining says whether the server is stopping.
func (e *Engine) Draining() bool { return e.draining.Load() }

// limiter lets one thing happen a second.
type limiter struct{ last atomic.Int64 }

func (l *limiter) allow() bool {
	now, last := nanotime(), l.last.Load()
	return now-last >= int64(time.Second) && l.last.CompareAndSwap(last, now)
}

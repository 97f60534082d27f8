package engine

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is one server: loops, listeners, sessions, tasks.
//
// Its life: New, Listen, Accept, Drain, Stop; each once, in this order.
type Engine struct {
	opts    Options // as it began
	limits  atomic.Pointer[Limits]
	handler Handler
	gone    func(*Session) // the handler's Gone, if it has one
	water   func(*Fiber, *Session, bool)
	packet  func(*Fiber, *Packet)
	moved   func(*Session)
	log     *slog.Logger

	roster      atomic.Pointer[roster]
	rosterMu    sync.Mutex   // taken to replace roster
	handing     sync.RWMutex // held for reading while packets go to workers
	pastLatency latency      // and how long their callbacks took
	past        counters     // of the loops that have ended; under rosterMu
	resizing    atomic.Bool
	control     *Loop

	portsMu    sync.Mutex // guards the next three
	nextPort   int
	closers    []*time.Timer // close the sessions of removed ports
	ports      []*Port
	sessions   registry
	open       atomic.Int64
	addresses  perAddress
	accepted   atomic.Uint64
	refused    [numReasons]atomic.Uint64
	refusedLog limiter
	packets    packetCounts
	memoryLog  limiter
	frameLog   flood        // of faults of clients
	dryAccepts atomic.Int64 // accepts in a row that found no descriptor

	robin      atomic.Uint64 // dispatch begins to look for a worker here
	noIdle     atomic.Uint64
	noIdleTold uint64 // the watchdog's
	noIdleLog  limiter

	placing          sync.Mutex
	placeNext        int
	placeNextReactor int

	pool     taskPool
	blocking atomic.Int64
	helpers  sync.WaitGroup

	started    time.Time
	draining   atomic.Bool
	stopped    chan struct{}
	processors atomic.Int32  // that Go may use
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
	if p, ok := h.(interface{ Packet(*Fiber, *Packet) }); ok {
		e.packet = p.Packet
	}
	if m, ok := h.(interface{ Moved(*Session) }); ok {
		e.moved = m.Moved
	}
	e.limits.Store(&o.Limits)
	e.pool.begin(e, o.TaskStore, o.TaskWorkers)
	var all roster
	var faults []error
	must := func(l *Loop, err error) *Loop {
		if err != nil {
			faults = append(faults, err)
		} else {
			all.all = append(all.all, l)
		}
		return l
	}
	for i := range o.Workers {
		all.workers = append(all.workers, must(e.newWorker(i)))
	}
	all.reactors = all.workers
	if o.Mode == Process {
		all.reactors = nil
		for i := range o.Reactors {
			all.reactors = append(all.reactors, must(newLoop(e, reactorRole, -1, i)))
		}
	}
	for i := range o.TaskWorkers {
		all.tasks = append(all.tasks, must(newLoop(e, taskRole, o.Workers+i, i)))
	}
	for i := range o.Processes {
		all.processes = append(all.processes, must(newLoop(e, processRole, o.Workers+o.TaskWorkers+i, i)))
	}
	e.control = must(newLoop(e, controlRole, -1, 0))
	tick, err := newTicker()
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		for _, l := range all.all {
			l.closePoller()
		}
		if tick != nil {
			tick.close()
		}
		return nil, errors.Join(faults...)
	}
	e.processors.Store(int32(runtime.GOMAXPROCS(0)))
	e.sessions.next = o.LastSession
	e.roster.Store(&all)
	for _, l := range all.all {
		l.start()
	}
	e.background.Add(1)
	go e.watchdog(tick)
	return e, nil
}

// Limits are the limits in force.
func (e *Engine) Limits() *Limits { return e.limits.Load() }

// SetLimits puts other limits in force, at once and for sessions, fibers and
// tasks that are there already too: nothing that is over a lower limit is cut,
// but nothing is added to it. Zero fields mean their defaults. Any goroutine.
func (e *Engine) SetLimits(m Limits) {
	m.setDefaults()
	old := e.limits.Swap(&m)
	if old.MaxPerAddress == 0 && m.MaxPerAddress > 0 {
		e.countAll()
	}
	if old.HeartbeatStep != m.HeartbeatStep {
		e.recheckIdle()
	}
	if old.MaxSessions < m.MaxSessions {
		e.checkDescriptors()
	}
}

// Mode is what dispatch does with a frame.
func (e *Engine) Mode() Mode { return e.opts.Mode }

// Workers are the loops that run callbacks of sessions, by worker id.
func (e *Engine) Workers() []*Loop { return e.roster.Load().workers }

// Reactors are the loops that own sockets; in Base mode these are the workers.
func (e *Engine) Reactors() []*Loop { return e.roster.Load().reactors }

// TaskWorkers are the loops that run tasks.
func (e *Engine) TaskWorkers() []*Loop { return e.roster.Load().tasks }

// Processes are the loops that have neither sessions nor tasks.
func (e *Engine) Processes() []*Loop { return e.roster.Load().processes }

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

package engine

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// role says which work a loop does. In Base mode a loop is reactor and worker.
type role uint8

const (
	reactorRole role = 1 << iota
	workerRole
	taskRole
	controlRole
	processRole
)

// Loop is one event loop. Everything without a lock or atomic of its own is
// owned by the holder of its baton.
type Loop struct {
	eng  *Engine
	id   atomic.Int32 // worker id, task workers after the workers; -1 for a reactor or the control loop
	idx  int          // place among the loops of its role
	role role
	Data any // the handler's state for this loop

	// The baton.
	state      atomic.Int32
	kicked     atomic.Bool
	watched    bool // a fiber waits for the poller
	cur        *Fiber
	spares     []*Fiber
	starters   int   // fibers that wait for a co.go of theirs to wait or end
	inline     bool  // a script is asked something and cannot wait, see Inline
	closing    error // set when the engine stops: cancels every fiber that begins
	goroutines sync.WaitGroup

	mail      mailbox
	spareMail letters

	// The turn.
	phase       phase
	now         int64 // nanotime of the last poll
	gaveWay     int64 // when other goroutines were last let in
	left        int   // budget of the phase
	readyLeft   int
	ready       fifo[*Fiber]
	jobs        fifo[job]
	runq        fifo[*Session]
	timers      timerHeap
	alarm       *time.Timer
	alarmAt     int64
	waiting     []*Fiber
	mostWaiting int // so many have waited at once
	nextFiber   uint64
	roots       [RootGo + 1]int // callbacks in flight by what started them
	stopped     bool
	off         atomic.Bool  // gets no sessions and tasks: not yet, or no more
	leaving     bool         // Leave was called
	retired     bool         // Retire was called
	restless    bool         // sessions are to move to other workers
	movers      []*Session   // of these, those still to be looked at
	sessions    atomic.Int64 // placed on this loop

	// A reactor's sockets.
	poller    *poller
	evNext    int
	evEnd     int
	rbuf      []byte
	read      reading
	slots     []*Session
	free      []int32
	nextTag   int32
	idle      idleQueue
	idleTimer Timer        // for the first in it
	batch     [][]*Session // per worker index: sessions with new events
	batchOf   []*Loop      // whose batch it is
	batched   bool

	// A worker's sessions.
	dirty   []*Session // with unsent output of this turn
	backlog atomic.Int64
	starved struct {
		sync.Mutex
		list []*Session // not read because backlog is over WorkerBytes
	}

	parcels parcels // a worker's packets

	eachTurn func(*Fiber) // see EachTurn
	turned   bool         // it has run in this turn
	tally

	// A task worker.
	tasks     atomic.Int32 // being run
	glutted   atomic.Bool  // so many that no more can be taken
	taskFiber *Fiber       // runs the task that was taken last

	messages atomic.Int64 // sent to this loop and not handled yet

	// What the watchdog looks at.
	stretch   atomic.Uint64 // counts stretches of script code
	killed    atomic.Uint64 // the stretch to stop
	killedFor atomic.Pointer[Errno]
	seen      sight
	Interrupt *atomic.Uint32 // non-zero: the script must call Interrupted

	sample  uint // callbacks of those that are not all timed
	latency latency
	count   counters // exact, the holder's
	public  published
}

// ID is the worker id; -1 on the control loop and on pure reactors. Task
// workers come after the workers, and so get other ids when the number of
// workers changes. Any goroutine.
func (l *Loop) ID() int { return int(l.id.Load()) }

// IsTask says whether the loop runs tasks.
func (l *Loop) IsTask() bool { return l.role&taskRole != 0 }

// OnlyReads says whether the loop owns sockets and runs no callbacks: a reactor
// of Process mode.
func (l *Loop) OnlyReads() bool { return l.role == reactorRole }

// IsProcess says whether the loop is one of Processes.
func (l *Loop) IsProcess() bool { return l.role&processRole != 0 }

// Index is the loop's place among those of its kind.
func (l *Loop) Index() int { return l.idx }

// Engine is the loop's engine.
func (l *Loop) Engine() *Engine { return l.eng }

// Current is the fiber that holds the baton. Only that fiber may ask.
func (l *Loop) Current() *Fiber { return l.cur }

func newLoop(e *Engine, r role, id, idx int) (*Loop, error) {
	l := &Loop{eng: e, role: r, idx: idx, Interrupt: new(atomic.Uint32)}
	l.id.Store(int32(id))
	if r&controlRole != 0 && e.opts.ControlInterrupt != nil {
		l.Interrupt = e.opts.ControlInterrupt
	}
	if r&reactorRole != 0 {
		p, err := newPoller()
		if err != nil {
			return nil, err
		}
		l.poller = p
		l.rbuf = make([]byte, readSize)
	}
	return l, nil
}

// start puts the loop to work.
func (l *Loop) start() {
	l.now = nanotime()
	l.awake()
	f := l.spare()
	l.pass(f)
}

// invoke runs fn as a callback of fiber f. It is the loop's one place that
// recovers a panic of Swoon's own code. The baton is held before and after;
// in between the loop may have run many turns.
func (l *Loop) invoke(f *Fiber, root Root, s *Session, fn func(*Fiber)) {
	f.begin(root, s)
	defer f.end()
	defer l.recovered(f)
	fn(f)
}

func (l *Loop) recovered(f *Fiber) {
	if p := recover(); p != nil {
		l.panicked(f, p)
	}
}

func (l *Loop) panicked(f *Fiber, p any) { l.eng.handler.Panicked(f, p, debug.Stack()) }

// Run runs fn as a callback inline, from a timer. Baton holder.
func (l *Loop) Run(root Root, fn func(*Fiber)) { l.invoke(l.cur, root, nil, fn) }

// newStretch tells the watchdog that script code starts to run.
func (l *Loop) newStretch() { l.stretch.Store(l.stretch.Load() + 1) }

// Waiting describes every fiber that waits on the loop. Baton holder.
func (l *Loop) Waiting() []WaitInfo {
	list := make([]WaitInfo, 0, len(l.waiting))
	for _, f := range l.waiting {
		list = append(list, f.Info())
	}
	return list
}

// CancelIf cancels the waiting fibers that match. Baton holder.
func (l *Loop) CancelIf(err error, match func(*Fiber) bool) int {
	var hit []*Fiber
	for _, f := range l.waiting {
		if match(f) {
			hit = append(hit, f)
		}
	}
	for _, f := range hit {
		f.Cancel(err)
	}
	return len(hit)
}

// stop ends the loop at its next turn. No fiber may wait any more. Any goroutine.
func (l *Loop) stop() { l.Call(func() { l.stopped = true }) }

// shut ends all goroutines of the loop. The baton is never given on.
func (l *Loop) shut() {
	l.dismiss()
	l.closePoller()
}

// dismiss ends the goroutines that have nothing to do, and the alarm.
func (l *Loop) dismiss() {
	if l.alarm != nil {
		l.alarm.Stop()
		l.alarmAt = 0
	}
	for _, f := range l.spares {
		f.quit = true
		f.wake <- struct{}{}
	}
	l.spares = nil
}

// closePoller ends the wait of the goroutine that watches the poller, too.
func (l *Loop) closePoller() {
	if l.poller != nil {
		l.poller.close()
		l.poller = nil
	}
}

// Requests counts the messages and tasks the loop has handled. Baton holder.
func (l *Loop) Requests() uint64 { return l.count.requests }

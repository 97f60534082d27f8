package engine

import (
	"runtime"
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

// What one turn does at most, so that no kind of work can starve another.
const (
	turnEvents  = 256 // session events from the run queue
	turnJobs    = 64
	turnPackets = 256
	turnTimers  = 256

	turnTime = 5 * time.Millisecond // after this, queued events wait for the next turn
)

// phase is where a turn stands. It lies in the loop because the goroutine that
// runs the loop changes whenever a callback waits.
type phase uint8

const (
	phaseMail    phase = iota // take what other goroutines posted
	phaseReady                // pass the baton to fibers whose wait is over
	phaseJobs                 // run posted callbacks
	phaseQueue                // run events of queued sessions
	phasePackets              // run packets
	phaseTimers               // run due timers
	phaseTask                 // run one task
	phasePoll                 // flush, poll, or rest
	phaseEvents               // handle what the poll brought
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
	poller  *poller
	evNext  int
	evEnd   int
	rbuf    []byte
	read    reading
	slots   []*Session
	free    []int32
	nextTag int32
	batch   [][]*Session // per worker index: sessions with new events
	batchOf []*Loop      // whose batch it is
	batched bool

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

// run executes the loop until this goroutine must end. Every case leaves all
// it knows in l before anything that may wait.
func (l *Loop) run(f *Fiber) {
	for {
		if f.job != nil {
			job, root := f.job, f.jobRoot
			f.job = nil
			l.invoke(f, root, nil, job)
			if s := f.starter; s != nil { // it never waited
				f.starter = nil
				if !l.stepAside(f, s) {
					return
				}
				continue
			}
		}
		switch l.phase {
		case phaseMail:
			l.takeMail()
			if l.stopped {
				l.shut()
				return
			}
			if len(l.movers) > 0 {
				l.moveSome()
			}
			l.readyLeft = l.ready.len()
			l.phase = phaseReady

		case phaseReady:
			if l.readyLeft > 0 && l.ready.len() > 0 {
				l.readyLeft--
				if !l.stepAside(f, l.ready.pop()) {
					return
				}
				continue
			}
			l.phase, l.left = phaseJobs, turnJobs

		case phaseJobs:
			if l.left > 0 && l.jobs.len() > 0 {
				l.left--
				j := l.jobs.pop()
				l.invoke(f, j.root, nil, j.fn)
				continue
			}
			l.phase, l.left = phaseQueue, turnEvents

		case phaseQueue:
			for l.left > 0 && l.runq.len() > 0 {
				l.left--
				l.serve(f, l.runq.pop())
				if l.phase != phaseQueue {
					break
				}
				// A session that is fed as fast as it is served could keep the
				// queue to itself for the whole budget: sessions that come in by
				// mail stand behind it once, not behind all its events.
				if l.mail.full.Load() {
					l.takeMail()
				}
				if l.left%8 == 0 && nanotime()-l.now > int64(turnTime) {
					l.left = 0
				}
			}
			if l.phase != phaseQueue {
				continue
			}
			l.phase, l.left = phasePackets, turnPackets

		case phasePackets:
			if l.leaving {
				l.passPackets()
			}
			for l.left > 0 && l.packetsReady() {
				l.left--
				l.servePacket(f)
				if l.phase != phasePackets {
					break
				}
				if l.left%8 == 0 && nanotime()-l.now > int64(turnTime) {
					l.left = 0
				}
			}
			if l.phase != phasePackets {
				continue
			}
			l.phase, l.left = phaseTimers, turnTimers

		case phaseTimers:
			if l.left > 0 && l.timerDue() {
				l.left--
				t := l.timers.heap[0]
				l.timers.remove(t)
				t.fire(t)
				continue
			}
			l.phase = phasePoll
			if l.role&taskRole != 0 {
				l.phase = phaseTask
			}

		case phaseTask:
			l.phase = phasePoll
			l.nextTask(f)

		case phasePoll:
			if l.eachTurn != nil && !l.turned {
				l.turned = true
				l.invoke(f, RootGo, nil, l.eachTurn)
				continue
			}
			l.turned = false
			l.flushDirty()
			l.handOff()
			l.publish()
			l.phase = phaseMail
			l.kicked.Store(false)
			if l.poller != nil && l.fetch() {
				continue
			}
			l.now = nanotime()
			if l.busy() {
				l.giveWay()
				continue
			}
			if l.retired && l.spent() {
				l.vanish()
			}
			if !l.rest(f) {
				return
			}
			l.now = nanotime()

		case phaseEvents:
			for l.phase == phaseEvents && l.evNext < l.evEnd {
				ev := l.poller.events[l.evNext]
				l.evNext++
				l.handle(f, ev.Fd, ev.Pad, ev.Events)
			}
			if l.phase != phaseEvents {
				continue
			}
			l.phase = phaseMail
			l.handOff()
		}
	}
}

// giveWay lets other goroutines run when the loop has been busy for a while.
// Fibers that hand the baton to one another look to Go's scheduler like one
// goroutine that never waits: with few processors it would come to the other
// loops, a reactor with our sessions among them, a few times a second only.
func (l *Loop) giveWay() {
	if l.now-l.gaveWay > int64(turnTime) {
		runtime.Gosched()
		l.now = nanotime()
		l.gaveWay = l.now
	}
}

// busy says whether a turn would find something to do without waiting.
func (l *Loop) busy() bool {
	return l.mail.full.Load() || l.ready.len() > 0 || l.runq.len() > 0 || l.jobs.len() > 0 ||
		l.timerDue() || l.taskWaits() || l.packetsReady() || l.stopped
}

func (l *Loop) timerDue() bool {
	due := l.timers.next()
	return due != 0 && due <= l.now
}

// fetch polls for events and starts their phase.
func (l *Loop) fetch() bool {
	n := l.poller.poll()
	if n == 0 {
		return false
	}
	l.now = nanotime()
	l.evNext, l.evEnd = 0, n
	l.phase = phaseEvents
	return true
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

// EachTurn has fn called at the end of each turn, before the loop waits; nil
// ends that. When fn waits it is called again in the turns meanwhile. Baton
// holder.
func (l *Loop) EachTurn(fn func(*Fiber)) { l.eachTurn, l.turned = fn, false }

// newStretch tells the watchdog that script code starts to run.
func (l *Loop) newStretch() { l.stretch.Store(l.stretch.Load() + 1) }

// beforePark takes what the turn holds to where others find it: output to the
// kernel, the rest of a read to its session.
func (l *Loop) beforePark() {
	if l.read.s != nil {
		l.stash()
	}
	if len(l.dirty) > 0 {
		l.flushDirty()
	}
	if l.batched {
		l.handOff()
	}
}

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

package engine

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"
)

// Dispatch in Process mode: which worker gets the next event of a session. It
// is asked anew whenever an event may begin. Ordered, that is when the one
// before has returned; unordered, when the one before has begun.

// DispatchMode says how a worker is chosen. The numbers are Swoole's; 0 is
// ByConnection.
type DispatchMode uint8

// The dispatch modes.
const (
	RoundRobin    DispatchMode = 1  // the next worker, for each event
	ByConnection  DispatchMode = 2  // the worker that had the fewest sessions when the session came
	IdleWorker    DispatchMode = 3  // a worker with nothing to do, for each event; else the next
	ByAddress     DispatchMode = 4  // the same worker for all sessions of an IP address
	ByUser        DispatchMode = 5  // the same worker for all sessions bound to a uid: Session.Bind
	FewestFibers  DispatchMode = 8  // the worker with the fewest fibers when the session came
	FewestPerCall DispatchMode = 9  // the worker with the fewest fibers, for each event
	FewestEvents  DispatchMode = 10 // the worker with the fewest events queued, running or waiting, for each event
)

// DispatchOptions can be changed while the engine runs: a session follows them
// from its next event on.
type DispatchOptions struct {
	Dispatch DispatchMode // Base: ByConnection

	// Unordered has an event of a session begin although the one before waits
	// still, but for the last; packets of a peer likewise: ordered = false.
	Unordered bool

	// UnsafeEvents has sessions begin and end with an event, and be told of
	// watermarks, also where their events may begin on several workers at a time:
	// enable_unsafe_event.
	UnsafeEvents bool

	// DiscardGone drops messages of a session whose connection has broken since
	// they came: discard_timeout_request.
	DiscardGone bool

	// DispatchFunc, if set, chooses the worker of each message and of onConnect:
	// its id, or one of DispatchDiscard, DispatchClose, DispatchByMode. The baton
	// holder of the session's reactor calls it; it must not wait. Process only.
	DispatchFunc func(l *Loop, s *Session, kind DispatchKind, data string) int
}

// DispatchKind is what a DispatchFunc is asked about. The numbers are Swoole's.
type DispatchKind int

// The kinds.
const (
	DispatchData    DispatchKind = 0
	DispatchConnect DispatchKind = 5
)

// What a DispatchFunc may answer instead of a worker id.
const (
	DispatchDiscard = -1 // drop the message; of onConnect: there is none
	DispatchClose   = -2 // close the session, behind the messages before this one
	DispatchByMode  = -3 // as the mode says
)

// PerEvent says whether the mode chooses a worker for each event.
func (m DispatchMode) PerEvent() bool {
	switch m {
	case RoundRobin, IdleWorker, FewestPerCall, FewestEvents:
		return true
	}
	return false
}

// sticky says whether a session stays where it was placed.
func (m DispatchMode) sticky() bool { return m == 0 || m == ByConnection || m == FewestFibers }

func (o *DispatchOptions) validate(mode Mode) error {
	switch m := o.Dispatch; m {
	case 0, ByConnection:
	case RoundRobin, IdleWorker, ByAddress, ByUser, FewestFibers, FewestPerCall, FewestEvents:
		if mode == Base {
			return fmt.Errorf("dispatch_mode: %d needs process mode: in base mode a session stays on the loop that reads it", m)
		}
	default:
		return fmt.Errorf("dispatch_mode: %d is none of 1, 2, 3, 4, 5, 8, 9, 10", m)
	}
	if o.DispatchFunc != nil && mode == Base {
		return fmt.Errorf("dispatch_func: in base mode a session stays on the loop that reads it")
	}
	return nil
}

// Silent says whether sessions that begin now have no events but messages.
func (o *DispatchOptions) Silent() bool {
	return o.Unordered && !o.UnsafeEvents && (o.Dispatch.PerEvent() || o.DispatchFunc != nil)
}

// mayBegin says whether the first event of the inbox may begin now. With the
// inbox locked.
func (s *Session) mayBegin(o *Limits) bool {
	return s.in.n > 0 && (s.in.running == 0 || o.Unordered && !s.receiving && s.in.one.kind != evEnd)
}

// queueNext queues the session for its next event, where that is to begin. The
// inbox is locked, its first event may begin, and the session stands in no
// queue.
func (l *Loop) queueNext(s *Session, o *Limits) {
	s.queued = true
	if s.split && (o.Dispatch != ByConnection && o.Dispatch != 0 || s.in.one.to != 0) {
		if to := l.route(s, o); to != s.worker.Load() {
			s.assign(to)
		}
	}
	l.enqueue(s)
}

// assign has events of the session begin on another worker. Under mu; Process.
func (s *Session) assign(to *Loop) {
	if s.dirty { // it stands in a list of the other one
		s.dirty = false
		s.flush(nanotime())
	}
	s.worker.Store(to)
}

// route is the worker for the first event of the inbox. Under mu.
func (l *Loop) route(s *Session, o *Limits) *Loop {
	workers := l.eng.roster.Load().workers
	if to := int(s.in.one.to); to > 0 && to <= len(workers) {
		return workers[to-1]
	}
	switch o.Dispatch {
	case ByAddress:
		return workers[bucket(addressKey(s.peer()), len(workers))]
	case ByUser:
		if uid := s.rare().uid; uid != 0 {
			return workers[bucket(scatter(uint64(uid)), len(workers))]
		}
	case FewestFibers:
		if !s.weighed {
			s.weighed = true
			return l.pick(workers, o.Dispatch)
		}
	case RoundRobin, IdleWorker, FewestPerCall, FewestEvents:
		return l.pick(workers, o.Dispatch)
	}
	return s.worker.Load()
}

// pick chooses a worker by what all of them do now. l may be nil.
func (l *Loop) pick(workers []*Loop, m DispatchMode) *Loop {
	e := workers[0].eng
	n := uint64(len(workers))
	from := e.robin.Add(1) - 1
	best := workers[from%n]
	if m == RoundRobin || n == 1 {
		return best
	}
	least := best.load(l, m)
	for i := uint64(1); i < n && least > 0; i++ {
		w := workers[(from+i)%n]
		if load := w.load(l, m); load < least {
			best, least = w, load
		}
	}
	if m == IdleWorker && least > 0 {
		e.noIdle.Add(1) // the watchdog says so
		return workers[from%n]
	}
	return best
}

// tellNoIdle warns if dispatch has found no idle worker. The watchdog.
func (e *Engine) tellNoIdle() {
	if n := e.noIdle.Load(); n > e.noIdleTold && e.noIdleLog.allow() {
		e.log.Warn("no idle worker: dispatch_mode 3 takes the next one", "workers", len(e.Workers()), "times", n-e.noIdleTold)
		e.noIdleTold = n
	}
}

// load is how much a worker has to do. asking may have something for it that it
// has not handed over.
func (w *Loop) load(asking *Loop, m DispatchMode) int64 {
	n := w.sent.Load() - w.done.Load()
	if asking != nil && w.idx < len(asking.batch) && asking.batchOf[w.idx] == w {
		n += int64(len(asking.batch[w.idx]))
	}
	if m == FewestFibers || m == FewestPerCall {
		n += int64(w.others.Load())
	}
	return n
}

// tally is what dispatch counts of a worker. Entries are sessions in its run
// queue or on the way there, one each for an event, until that has returned; and
// packets likewise.
type tally struct {
	sent   atomic.Int64 // entries; whoever makes one
	done   atomic.Int64 // of these, done with; the worker
	others atomic.Int32 // fibers that are no entry's; the worker, now and then
}

// finished notes that the worker is done with an entry of its run queue.
func (l *Loop) finished(s *Session) {
	if s.split {
		l.ticked()
	}
}

// ticked notes that the worker is done with an entry.
func (l *Loop) ticked() { l.done.Store(l.done.Load() + 1) }

// consult asks the DispatchFunc about an event that is about to go into the
// inbox. It reports false if the event is not to. The reactor; Process.
func (l *Loop) consult(s *Session, ev *event) bool {
	o := l.eng.Limits()
	if o.DispatchFunc == nil {
		return true
	}
	kind := DispatchData
	if ev.kind == evConnect {
		kind = DispatchConnect
	}
	l.newStretch()
	to := o.DispatchFunc(l, s, kind, ev.data)
	switch {
	case to >= 0 && to < len(l.eng.roster.Load().workers):
		ev.to = int16(to + 1)
	case to == DispatchDiscard:
		l.count.undispatched++
		return false
	case to == DispatchClose:
		l.count.undispatched++
		if l.read.s == s {
			l.count.discarded += uint64(len(l.read.rest))
			l.read = reading{}
		}
		l.forget(s)
		s.mu.Lock()
		s.byScript = true
		s.mu.Unlock()
		if kind == DispatchConnect {
			s.mute = true // nobody has heard of it
		}
		l.endInput(s, ServerClosed)
		return false
	}
	return true
}

// broken says whether the connection is of no more use.
func (s *Session) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == broken || s.state == closed
}

// ErrBound: a session is bound to a uid once.
var ErrBound = &Errno{"already_bound", 506, "the session is bound to a uid already"}

// Bind binds the session to a uid other than 0, once. Where ByUser dispatches,
// its events go to the uid's worker from the next one on. Any goroutine.
func (s *Session) Bind(uid int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.takesOutput(); err != nil {
		return err
	}
	if s.rare().uid != 0 {
		return ErrBound
	}
	s.beside().uid = uid
	return nil
}

// addressKey is the same number for all peers of one address.
func addressKey(p Peer) uint64 {
	if p.Addr.IsValid() {
		return maphash.Comparable(peerSeed, p.Addr.Addr().Unmap())
	}
	return maphash.Comparable(peerSeed, p.Path)
}

// scatter makes numbers that differ a little differ in every bit.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// bucket spreads keys over n buckets so that few change theirs when n does: of
// a larger n those that go to the new ones, of a smaller n those that were in
// the ones that are no more. (A jump consistent hash.)
func bucket(key uint64, n int) int {
	b, j := int64(-1), int64(0)
	for j < int64(n) {
		b = j
		key = key*2862933555777941757 + 1
		j = int64(float64(b+1) * (float64(1<<31) / float64(key>>33+1)))
	}
	return int(b)
}

// packetWorker is the worker that gets a packet: by its sender, unless packets
// of a peer need no order and the mode is for each event.
func (e *Engine) packetWorker(from Peer, workers []*Loop, o *Limits) *Loop {
	switch {
	case len(workers) == 1:
		return workers[0]
	case o.Unordered && o.Dispatch.PerEvent():
		return (*Loop)(nil).pick(workers, o.Dispatch)
	case o.Dispatch == ByAddress:
		return workers[bucket(addressKey(from), len(workers))]
	}
	return workers[bucket(maphash.Comparable(peerSeed, from), len(workers))]
}

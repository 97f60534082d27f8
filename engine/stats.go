package engine

import (
	"sync"
	"time"
)

// counters are a loop's own, touched by its baton holder only.
type counters struct {
	requests, sends, closedFDs uint64
	closed                     [numReasons]uint64 // last events, by why the session ended
	recvBytes, sentBytes       uint64
	dropped, discarded, paused uint64
	stale, lingerCut           uint64
	undispatched               uint64
	kinds                      [MaxKinds]uint64 // callbacks begun, by the handler's kinds
}

// add adds what o has counted.
func (c *counters) add(o *counters) {
	c.requests += o.requests
	c.sends += o.sends
	for r, n := range o.closed {
		c.closed[r] += n
	}
	c.closedFDs += o.closedFDs
	c.recvBytes += o.recvBytes
	c.sentBytes += o.sentBytes
	c.dropped += o.dropped
	c.discarded += o.discarded
	c.paused += o.paused
	c.stale += o.stale
	c.lingerCut += o.lingerCut
	c.undispatched += o.undispatched
	for i, n := range o.kinds {
		c.kinds[i] += n
	}
}

// published is a copy of a loop's numbers that others may read.
type published struct {
	mu      sync.Mutex
	count   counters
	waiting int
	timers  int
	spares  int
	most    int // fibers that have waited at once
	roots   [RootGo + 1]int
	at      int64
}

// publish copies the numbers for others, at most once a millisecond while the
// loop is busy and always before it rests.
func (l *Loop) publish() {
	if l.now-l.public.at < int64(time.Millisecond) && l.busy() {
		return
	}
	l.publishNow()
}

func (l *Loop) publishNow() {
	p := &l.public
	p.at = l.now
	p.mu.Lock()
	p.count = l.count
	p.waiting, p.timers, p.spares, p.most, p.roots = len(l.waiting), l.timers.len(), len(l.spares), l.mostWaiting, l.roots
	p.mu.Unlock()
	others := 0
	for root, n := range l.roots {
		if r := Root(root); r != RootSession && r != RootPacket {
			others += n
		}
	}
	l.others.Store(int32(others))
}

// concurrency counts callbacks that somebody outside waits for. Under mu.
func (p *published) concurrency() int {
	return p.roots[RootSession] + p.roots[RootPacket] + p.roots[RootTask] + p.roots[RootFinish] + p.roots[RootMessage]
}

// Stats is a snapshot of the engine's counters.
type Stats struct {
	Start                      time.Time
	Sessions                   int64
	Accepted, Closed           uint64
	Refused, ClosedFor         map[Reason]uint64
	Requests, Responses        uint64
	RecvBytes, SentBytes       uint64
	Dropped, Discarded, Paused uint64
	Stale, LingerCut           uint64
	Undispatched               uint64 // messages that a DispatchFunc has dropped
	NoIdleWorker               uint64 // events for which IdleWorker found none
	Fibers, Timers, Spares     int    // waiting fibers, armed timers, idle goroutines
	TasksQueued, TasksRunning  int
	TaskBusy                   int // task workers that run a task
	Tasks                      uint64
	Blocking                   int64 // helper goroutines of Block
	MostFibers                 int   // fibers that have waited at once on one loop
	Concurrency                int   // callbacks of sessions, packets and messages that run or wait
	IdleWorkers                int   // workers without such a callback
	LastID                     SessionID
	MinID, MaxID               SessionID // of the sessions there are; 0: there is none
	Workers, TaskWorkers       int
	Processes                  int
	Kinds                      [MaxKinds]uint64 // callbacks begun, by the handler's kinds
	PacketStats
}

// Stats adds up all loops. The loop that asks, if any, counts exactly; the
// others are at most a turn behind.
func (e *Engine) Stats(asking *Loop) Stats {
	packets := e.packetStats()
	e.rosterMu.Lock() // a loop counts among those there are or those there were, not twice
	defer e.rosterMu.Unlock()
	now := e.roster.Load()
	st := Stats{Start: e.started, Sessions: e.open.Load(), Accepted: e.accepted.Load(), Blocking: e.blocking.Load(),
		Refused: map[Reason]uint64{}, ClosedFor: map[Reason]uint64{}, TasksQueued: int(e.pool.queued.Load()), Tasks: e.pool.total.Load(),
		Workers: len(now.workers), TaskWorkers: len(now.tasks), Processes: len(now.processes), PacketStats: packets}
	for r := range e.refused {
		if n := e.refused[r].Load(); n > 0 {
			st.Refused[Reason(r)] = n
		}
	}
	sum := e.past
	for _, l := range now.all {
		if l == asking {
			l.publishNow()
		}
		p := &l.public
		p.mu.Lock()
		sum.add(&p.count)
		st.Fibers += p.waiting
		st.Timers += p.timers
		st.Spares += p.spares
		st.MostFibers = max(st.MostFibers, p.most)
		st.Concurrency += p.concurrency()
		if l.role&workerRole != 0 && p.concurrency() == 0 && (l == asking || l.state.Load() == idle) {
			st.IdleWorkers++
		}
		p.mu.Unlock()
		if n := int(l.tasks.Load()); n > 0 {
			st.TasksRunning += n
			st.TaskBusy++
		}
	}
	st.Requests, st.Responses = sum.requests, sum.sends
	for r, n := range sum.closed {
		if n > 0 {
			st.Closed += n
			st.ClosedFor[Reason(r)] = n
		}
	}
	st.RecvBytes, st.SentBytes = sum.recvBytes, sum.sentBytes
	st.Dropped, st.Discarded, st.Paused = sum.dropped, sum.discarded, sum.paused
	st.Stale, st.LingerCut, st.Kinds = sum.stale, sum.lingerCut, sum.kinds
	st.Undispatched, st.NoIdleWorker = sum.undispatched, e.noIdle.Load()
	st.LastID, st.MinID, st.MaxID = e.sessions.span()
	return st
}

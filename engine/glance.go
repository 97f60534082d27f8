package engine

// LoopStats is what can be known of a loop without asking it.
type LoopStats struct {
	Sessions  int64  // placed on it
	Requests  uint64 // messages and tasks it has handled, at most a turn ago
	Fibers    int    // that waited on it, at most a turn ago
	Sends     uint64 // sends it has made, at most a turn ago
	Callbacks int    // of sessions, packets, tasks, results and messages, at most a turn ago
	Busy      bool   // it computes
}

// Stats looks at the loop from outside, also while a callback holds it. Any
// goroutine.
func (l *Loop) Stats() LoopStats {
	p := &l.public
	p.mu.Lock()
	defer p.mu.Unlock()
	return LoopStats{Sessions: l.sessions.Load(), Requests: p.count.requests, Fibers: p.waiting,
		Sends: p.count.sends, Callbacks: p.concurrency(), Busy: l.state.Load() != idle}
}

// WaitingFrom describes at most n of the fibers that wait on the loop, from
// place i on, and says how many there are in all: Waiting for many fibers, in
// pieces between which the loop goes on. Baton holder.
func (l *Loop) WaitingFrom(i, n int) (list []WaitInfo, all int) {
	all = len(l.waiting)
	for ; i < all && n > 0; i, n = i+1, n-1 {
		list = append(list, l.waiting[i].Info())
	}
	return list, all
}

package engine

import "golang.org/x/sys/unix"

// How a session moves from one worker to another, when the number of workers
// changes. It moves with all it has: its inbox, the part of a frame it has
// read, its place in the order. In Base mode its socket moves with it.
//
// Who moves it is its worker, holding the baton, at a moment at which nothing
// of the session runs or waits (running == 0) and it stands in no queue. Those
// it cannot move now it moves when they come out of the queue, instead of
// serving them, or when their callback returns. So there is never a session of
// another worker in a run queue. Other letters may come to a loop after the
// session has gone: these are sent on.
//
// Session.worker and Session.reactor are written under mu, last of all; who
// has seen the new loop there may post to it, for the letter with the session
// itself stands in its mailbox before. In Process mode dispatch writes worker as
// well (dispatch.go); home says who counts the session and its backlog.

// turnMoves is how many sessions of its list a loop looks at in one turn.
const turnMoves = 256

// Leave is called at the turn at which the host gives up its VM on a loop that
// leaves: from now on no event of a session and no task starts here. The
// sessions move to the workers that stay, one whose callback waits as soon as
// that returns. Only after Commit. Baton holder.
func (l *Loop) Leave() {
	if !l.off.Load() || l.leaving {
		return
	}
	l.leaving, l.restless = true, true
	l.movers = l.own()
}

// Leaving says whether the loop takes no new sessions and tasks any more. Any
// goroutine.
func (l *Loop) Leaving() bool { return l.off.Load() }

// Spread moves sessions from workers that have more to those that have fewer,
// until they have alike. The host calls it after a growth, when every worker
// runs the same code. Any goroutine.
func (e *Engine) Spread() {
	if !e.Limits().Dispatch.sticky() {
		return // dispatch spreads them
	}
	for _, l := range e.roster.Load().workers {
		l.Call(func() {
			if !l.leaving && !e.Draining() {
				l.restless = true
				l.movers = l.own()
			}
		})
	}
}

// own lists the sessions whose worker l is, or that it counts.
func (l *Loop) own() []*Session {
	if l.role&workerRole == 0 {
		return nil
	}
	var list []*Session
	for _, s := range l.eng.Sessions(0, 0) {
		if s.worker.Load() == l || s.home.Load() == l {
			list = append(list, s)
		}
	}
	return list
}

// moveSome goes on with the list of sessions to be moved.
func (l *Loop) moveSome() {
	n := min(len(l.movers), turnMoves)
	list := l.movers[:n]
	l.movers = l.movers[n:]
	for _, s := range list {
		if l.restless {
			l.moveOff(s)
		}
	}
	clear(list)
	if len(l.movers) == 0 || !l.restless {
		l.movers = nil
	}
}

// moveOff moves s to another worker, if it can be moved now and one wants it.
func (l *Loop) moveOff(s *Session) bool {
	if l.read.s == s {
		return false // frames of it are being handled
	}
	if len(l.dirty) > 0 {
		l.flushDirty() // s may stand there
	}
	bytes, ok := l.hand(s)
	if l.batched {
		l.handOff()
	}
	if bytes > 0 {
		l.handled(0)
	}
	return ok
}

// hand is moveOff under the lock. A session whose events dispatch has sent to
// another worker only takes its books elsewhere.
func (l *Loop) hand(s *Session) (bytes int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coming || s.state == closed && s.ended {
		return 0, false // settle looks at it again; or it is no session any more
	}
	ok = s.worker.Load() == l && s.in.running == 0 && !s.queued
	to := s.home.Load()
	mine := to == l
	if l.leaving && !ok && !(mine && s.split) || !l.leaving && !(ok && mine) {
		return 0, false
	}
	if mine {
		if to = l.better(s); to == nil {
			return 0, false
		}
		bytes = s.in.bytes.Load()
		l.sessions.Add(-1)
		l.backlog.Add(-bytes)
		to.backlog.Add(bytes)
		eased := s.pause&pauseWorker != 0
		s.pause &^= pauseWorker
		s.starved = false // what stands in our list of the starved is skipped there
		if eased && s.split {
			s.tellReactor()
		}
	} else if to.off.Load() {
		to = l.eng.heir(int(s.id))
	}
	if !ok {
		return bytes, false
	}
	if l.eng.moved != nil {
		l.eng.moved(s)
	}
	if !s.split {
		l.unseat(s)
		s.coming = true
		to.post(func(m *letters) { m.moves = append(m.moves, s) })
		s.reactor.Store(to)
		s.worker.Store(to)
		return bytes, true
	}
	s.worker.Store(to)
	if o := l.eng.Limits(); s.mayBegin(o) {
		l.queueNext(s, o)
	}
	return bytes, true
}

// better is the worker that gets s, a session of ours: its home already, so that
// it lists s if it is told to leave now. Nil when none has fewer than we. Under
// s.mu.
func (l *Loop) better(s *Session) *Loop {
	e := l.eng
	e.placing.Lock()
	defer e.placing.Unlock()
	to := fewest(e.roster.Load().workers, &e.placeNext)
	if !l.leaving && (l.sessions.Load()-to.sessions.Load() < 2 || !e.Limits().Dispatch.sticky()) {
		l.restless = false
		return nil
	}
	to.sessions.Add(1)
	s.home.Store(to)
	return to
}

// settle takes in a session that has moved here. What came to it meanwhile
// stands behind this letter.
func (l *Loop) settle(s *Session) {
	s.mu.Lock()
	s.coming = false
	if s.fd >= 0 {
		l.seat(s)
		if t := s.rare().linger; t != nil {
			l.SetTimer(t, t.When(), s, lingerOver)
		}
	}
	if s.in.n > 0 && s.in.running == 0 && !s.queued {
		s.queued = true
		l.runq.push(s)
	}
	s.mu.Unlock()
	l.control(s)
	l.checkBacklog(s)
	if l.restless {
		l.moveOff(s)
	}
}

// seat gives a session a slot, a tag and its place in the poller. Under mu.
func (l *Loop) seat(s *Session) {
	if n := len(l.free); n > 0 {
		s.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.slots[s.slot] = s
	} else {
		s.slot = int32(len(l.slots))
		l.slots = append(l.slots, s)
	}
	l.nextTag++
	s.tag = l.nextTag
	s.seated = true
	if l.eng.Draining() {
		s.pause |= pauseDrain
	}
	s.interest = s.wanted()
	l.readingIs(s, s.interest&unix.EPOLLIN != 0)
	if err := l.poller.add(int(s.fd), s.interest.events(), s.slot, s.tag); err != nil {
		l.eng.log.Error("cannot watch a session", "fd", s.id, "error", err)
		s.breakOff(ReadError, 0)
	} else {
		s.polled = true
	}
}

// unseat is the opposite of seat, for a session that moves or is closed.
func (l *Loop) unseat(s *Session) {
	if !s.seated {
		return
	}
	if s.polled {
		l.poller.del(int(s.fd))
	}
	if t := s.rare().linger; t != nil {
		l.StopTimer(t)
	}
	l.forgetIdle(s)
	l.slots[s.slot] = nil
	l.free = append(l.free, s.slot)
	s.seated, s.polled = false, false
}

// passPackets gives the packets that have not begun here to the workers that
// their peers belong to now.
func (l *Loop) passPackets() {
	q := &l.parcels
	workers := l.eng.roster.Load().workers
	for q.again.len()+q.next.len() > 0 {
		from := &q.next
		if q.again.len() > 0 {
			from = &q.again
		}
		pkt := from.pop()
		if pkt.turn { // those of its peer that wait behind it come next
			pkt.turn = false
			l.nextOf(pkt)
		}
		l.begun(pkt)
		to := l.eng.packetWorker(pkt.From, workers, l.eng.Limits())
		l.ticked()
		to.sent.Add(1)
		to.parcels.queued.Add(1)
		to.parcels.bytes.Add(int64(len(pkt.Data)))
		to.post(func(m *letters) { m.packets = append(m.packets, pkt) })
	}
}

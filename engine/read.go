package engine

import (
	"golang.org/x/sys/unix"

	"swoon/engine/frame"
)

// The reactor's half of the path: adopt, read, frame, dispatch. Everything in
// this file is run by the baton holder of the session's reactor.

// reading is a read whose frames are being handled. It lies in the loop: when
// a callback waits, the rest of the read goes to its session first.
type reading struct {
	s    *Session
	rest []byte       // behind the session's partial
	cur  frame.Cursor // in rest, where there is no partial
}

// adopt takes a new session: a slot, a tag, the poller, onConnect.
func (l *Loop) adopt(s *Session) {
	s.mu.Lock()
	s.coming = false
	l.seat(s)
	s.mu.Unlock()
	ev := event{kind: evConnect}
	s.mute = l.eng.Limits().Silent()
	if !s.mute && l.eng.handler.WantsConnect(s) && (!s.split || l.consult(s, &ev)) {
		l.push(s, ev)
	} else {
		s.lockIn()
		s.greeted = true
		s.unlockIn()
	}
	l.control(s) // others may have found the session before it had a slot
	if l.restless {
		l.moveOff(s)
	}
}

// handle takes one event of the poller. The tag tells whether it still means
// the session that stands in the slot now.
func (l *Loop) handle(f *Fiber, slot, tag int32, events uint32) {
	s := l.slots[slot]
	if s == nil || s.tag != tag {
		l.count.stale++
		return
	}
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 && s.interest&unix.EPOLLIN == 0 {
		l.hangUp(s)
		return
	}
	if events&unix.EPOLLOUT != 0 {
		l.writable(s)
	}
	if events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0 && l.slots[slot] == s {
		l.readable(f, s)
	}
}

// readable reads once. A read shorter than the buffer has drained the socket;
// after a full one the level-triggered poller announces the rest again.
func (l *Loop) readable(f *Fiber, s *Session) {
	ending, held := l.look(s)
	if held {
		return
	}
	n, errno := recv(int(s.fd), l.rbuf)
	switch {
	case errno == unix.EAGAIN:
	case errno != 0:
		reason := lostReason(int(s.fd), errno, ReadError)
		if errno == unix.EPIPE {
			reason = Reset
		}
		l.lost(s, reason, errno)
	case n == 0:
		l.endOfInput(s)
	default:
		if ending {
			l.forget(s)
			l.count.discarded += uint64(n)
			return
		}
		l.count.recvBytes += uint64(n)
		s.lastRecv.Store(l.now)
		l.ingest(f, s, l.rbuf[:n])
	}
}

// look is taken before a read: ending says that what the peer still sends is of
// no interest any more, held that the session has been paused meanwhile.
func (l *Loop) look(s *Session) (ending, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open {
		return true, false
	}
	if s.held {
		l.setInterest(s)
	}
	return false, s.held
}

// ingest cuts what was read into frames and dispatches them.
func (l *Loop) ingest(f *Fiber, s *Session, b []byte) {
	l.read = reading{s: s, rest: b}
	told := false
	// A callback that waits has stashed the rest; then l.read is empty.
	for l.read.s == s {
		if s.cut.Load() { // the callback has closed the session
			l.count.discarded += uint64(len(l.read.rest))
			l.read = reading{}
			l.forget(s)
			break
		}
		data, ok := l.nextFrame()
		if !ok {
			break
		}
		if !told {
			told = true
			s.lastFrame.Store(l.now)
		}
		l.arrive(f, s, data)
	}
	if s.split || s.worker.Load() == l { // it may have moved when a callback that waited was done
		l.checkBacklog(s)
	}
}

// arrive dispatches one frame: straight into the callback where reactor and
// worker are one and nothing of the session is before it, else into the inbox.
func (l *Loop) arrive(f *Fiber, s *Session, data string) {
	if !s.split && s.in.n == 0 {
		if (s.in.running == 0 || l.eng.Limits().Unordered && !s.receiving) && !s.ended && !l.leaving {
			s.in.running++
			l.deliver(f, s, event{kind: evData, data: data})
			l.release(s)
			return
		}
		if s.receiving && s.receiver.waiter().wakeLocal(data, nil) {
			s.receiving = false
			return
		}
	}
	ev := event{kind: evData, data: data}
	if !s.split || l.consult(s, &ev) {
		l.push(s, ev)
	}
}

// push puts an event into the session's inbox and the session into its
// worker's run queue, if it does not stand there.
func (l *Loop) push(s *Session, ev event) {
	s.lockIn()
	l.pushLocked(s, ev)
	s.unlockIn()
}

func (l *Loop) pushLocked(s *Session, ev event) {
	if s.endQueued && ev.kind != evEnd {
		return // nothing comes after the last event
	}
	s.in.push(ev)
	if len(ev.data) > 0 {
		s.home.Load().backlog.Add(int64(len(ev.data)))
	}
	if s.queued {
		return
	}
	if o := l.eng.Limits(); s.mayBegin(o) {
		l.queueNext(s, o)
	} else if s.receiving { // the callback that waits for it is where it is
		s.queued = true
		l.enqueue(s)
	}
}

// pushEnd queues the last event, once. With the inbox locked.
func (l *Loop) pushEnd(s *Session, reason Reason) {
	if !s.endQueued {
		s.endQueued = true
		l.pushLocked(s, event{kind: evEnd, reason: reason})
	}
}

// enqueue is dispatch's last step: at most one wake-up per worker and round.
func (l *Loop) enqueue(s *Session) {
	w := s.worker.Load()
	if w == l {
		if s.split {
			l.sent.Add(1)
		}
		l.runq.push(s)
		return
	}
	for w.idx >= len(l.batch) {
		l.batch, l.batchOf = append(l.batch, nil), append(l.batchOf, nil)
	}
	if l.batchOf[w.idx] != w {
		l.handOff() // another worker had this number before
		l.batchOf[w.idx] = w
	}
	l.batch[w.idx] = append(l.batch[w.idx], s)
	l.batched = true
}

// handOff gives every worker its sessions of this round.
//
//go:noinline
func (l *Loop) handOff() {
	if !l.batched {
		return
	}
	l.batched = false
	for i, list := range l.batch {
		if len(list) > 0 {
			l.batchOf[i].sent.Add(int64(len(list)))
			l.batchOf[i].post(func(m *letters) { m.queue = append(m.queue, list...) })
			l.batch[i] = reset(list)
		}
	}
}

// checkBacklog stops reading a session whose messages come faster than its
// callbacks handle them. The worker switches reading on again at half.
func (l *Loop) checkBacklog(s *Session) {
	o := l.eng.Limits()
	s.lockIn()
	w, before, list := s.home.Load(), s.pause, false
	if int(s.in.n) > o.InboxEvents || s.in.bytes.Load() > int64(o.InboxBytes) {
		s.pause |= pauseInbox
	}
	if s.in.n > 0 && w.backlog.Load() > o.WorkerBytes {
		s.pause |= pauseWorker
		list = !s.starved
		s.starved = true
	}
	now := s.pause
	s.unlockIn()
	if now == before {
		return
	}
	if list {
		w.starved.Lock()
		w.starved.list = append(w.starved.list, s)
		w.starved.Unlock()
		w.handled(0) // it may have become hungry before s stood in the list
	}
	l.count.paused++
	s.mu.Lock()
	l.setInterest(s)
	s.mu.Unlock()
}

// endOfInput is the peer's FIN: an event behind the backlog. The socket stays
// writable until the callbacks have returned.
func (l *Loop) endOfInput(s *Session) {
	s.eof = true
	l.forget(s)
	s.mu.Lock()
	state := s.state
	if state == ending {
		l.finish(s)
	} else {
		l.setInterest(s)
	}
	s.mu.Unlock()
	if state == open {
		s.lockIn()
		l.pushEnd(s, ClientClosed)
		s.unlockIn()
	}
}

// endInput is a fault of the stream: the last event stands behind the backlog,
// as at the peer's FIN, and what comes until then stays in the kernel. Not
// under mu.
func (l *Loop) endInput(s *Session, reason Reason) {
	s.lockIn()
	s.pause |= pauseFault
	l.pushEnd(s, reason)
	s.unlockIn()
	s.mu.Lock()
	l.setInterest(s)
	s.mu.Unlock()
}

// hangUp is an error on a session that is not being read. Left in epoll it
// would be announced for ever.
func (l *Loop) hangUp(s *Session) {
	reason := ClientClosed
	errno, _ := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case errno == 0 && s.port.kind == UnixStream && !s.eof && !s.blocked:
		// A unix peer hangs up as soon as it closes; what it sent can be read
		// still. Until then the hang-up is announced once.
		s.mu.Lock()
		if s.interest != edge {
			s.interest = edge
			l.poller.mod(int(s.fd), edge.events(), s.slot, s.tag)
		}
		s.mu.Unlock()
		return
	case errno != 0 && errno != int(unix.EPIPE):
		reason = lostReason(int(s.fd), unix.Errno(errno), Reset)
	}
	l.lost(s, reason, unix.Errno(errno))
}

// lost ends a session whose socket or stream is of no more use. What was read
// before is handled still.
func (l *Loop) lost(s *Session, reason Reason, errno unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakOff(reason, errno)
	l.finish(s)
}

// writable goes on with the outbox.
func (l *Loop) writable(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked = false
	s.flush(l.now)
	if s.state == open {
		l.setInterest(s)
	} else {
		l.finish(s)
	}
}

// wanted is what the session waits for of the poller. Under mu.
func (s *Session) wanted() (events interest) {
	if !s.eof && (s.pause == 0 && !s.held || s.state == ending) {
		events = unix.EPOLLIN
	}
	if s.blocked {
		events |= unix.EPOLLOUT
	}
	return events
}

// setInterest tells the poller what the session waits for. Under mu.
func (l *Loop) setInterest(s *Session) {
	if s.fd < 0 || !s.polled {
		return
	}
	want := s.wanted()
	if want == s.interest {
		return
	}
	if (want^s.interest)&unix.EPOLLIN != 0 {
		l.readingIs(s, want&unix.EPOLLIN != 0)
	}
	s.interest = want
	if err := l.poller.mod(int(s.fd), want.events(), s.slot, s.tag); err != nil {
		l.eng.log.Error("cannot watch a session", "fd", s.id, "error", err)
		s.breakOff(ReadError, 0)
	}
}

// control looks at what others want of the reactor for this session.
func (l *Loop) control(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.reactor.Load(); r != l { // it has moved since
		r.post(func(m *letters) { m.ctl = append(m.ctl, s) })
		return
	}
	s.ctlPosted = false
	if s.state == open {
		l.setInterest(s)
		l.watchIdle(s)
	} else {
		l.finish(s)
	}
}

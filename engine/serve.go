package engine

import "time"

// The worker's half of the path: handle, call. Everything in this file is run
// by the baton holder of the session's worker.

// Handler is the script side. Its methods run as fiber f on the loop of f,
// which may wait; the session's next event waits for them to return. A handler
// that also has a method Gone(*Session) is told when a session has ended and
// can no longer be found; Gone must not call the engine. One that has a method
// Water(*Fiber, *Session, bool) is told, as an event of the session, when its
// outbox has reached the high watermark (true) and is back at the low one. One
// that has a method Moved(*Session) is told when a session goes to another
// worker, on the old one, when nothing of the session runs: Local may say what
// is no longer so. Moved must not call the engine. Ports
// of packets need one with a method Packet(*Fiber, *Packet), called for each
// packet as a fiber without a session; the packet is its until it returns.
type Handler interface {
	WantsConnect(s *Session) bool
	Connect(f *Fiber, s *Session)
	Receive(f *Fiber, s *Session, data string)
	Close(f *Fiber, s *Session, reason Reason)
	// Task runs on a task worker; what it returns goes to Finish: a value, none
	// (nil), or a fault, and then the task may run again.
	Task(f *Fiber, t *Task) (result any, fault *Errno)
	// Finish runs on the loop that submitted the task, for each thing it tells.
	Finish(f *Fiber, t *Task, r TaskResult)
	// Panicked reports a panic that the callback of f did not catch.
	Panicked(f *Fiber, value any, stack []byte)
}

// What a session may have in a row before others have their turn: so that the
// answers to messages that came together leave together, too.
const (
	serveEvents = 16
	serveTime   = 100 * time.Microsecond
)

// serve handles events of a session from the run queue.
func (l *Loop) serve(f *Fiber, s *Session) {
	o := l.eng.Limits()
	s.lockIn()
	s.queued = false
	if !s.mayBegin(o) || s.ended {
		ev, home, resume := l.feedReceiver(s)
		s.unlockIn()
		l.took(s, home, ev, resume)
		l.finished(s)
		return
	}
	if l.restless {
		s.unlockIn()
		if l.moveOff(s) || l.leaving {
			l.finished(s)
			return // when it did not move, it stands in a queue once more
		}
		s.lockIn()
		if s.queued || !s.mayBegin(o) {
			s.unlockIn()
			l.finished(s)
			return
		}
	}
	for n, begun := 1, nanotime(); ; n++ {
		ev, home := s.in.pop(), s.home.Load()
		s.in.running++
		resume := l.eased(s)
		if o.Unordered && !s.queued && s.mayBegin(o) {
			l.queueNext(s, o)
		}
		s.unlockIn()
		if l.batched {
			l.handOff()
		}
		l.took(s, home, ev, resume)
		if ev.kind == evData && (s.cut.Load() || o.DiscardGone && s.isBroken()) {
			l.count.dropped++
		} else {
			l.deliver(f, s, ev)
		}
		if !l.next(s, n, begun) {
			break
		}
	}
	l.finished(s)
}

// took keeps the books of an event that left its inbox. No inbox is locked.
func (l *Loop) took(s *Session, home *Loop, ev event, resume bool) {
	if n := len(ev.data); n > 0 {
		home.handled(int64(n))
	}
	if resume {
		s.mu.Lock()
		s.tellReactor()
		s.mu.Unlock()
	}
}

// handled takes bytes off the worker's backlog. Any goroutine; no inbox is locked.
func (l *Loop) handled(bytes int64) {
	if l.backlog.Add(-bytes) <= l.eng.Limits().WorkerBytes/2 {
		l.feedStarved()
	}
}

// eased switches reading on again at half of what switched it off. A session
// with nothing left is not what fills the worker: it is read whatever others
// have, so that their waiting callbacks cannot stall it. With the inbox locked.
func (l *Loop) eased(s *Session) bool {
	if s.pause == 0 {
		return false
	}
	o := l.eng.Limits()
	before := s.pause
	if int(s.in.n) <= o.InboxEvents/2 && s.in.bytes.Load() <= int64(o.InboxBytes)/2 {
		s.pause &^= pauseInbox
	}
	if s.in.n == 0 {
		s.pause &^= pauseWorker
	}
	return s.pause != before
}

// feedStarved switches reading on for the sessions that the worker's budget
// switched off.
func (l *Loop) feedStarved() {
	l.starved.Lock()
	list := l.starved.list
	l.starved.list = nil
	l.starved.Unlock()
	for _, s := range list {
		s.lockIn()
		if s.home.Load() != l { // it has moved since, and was forgiven then
			s.unlockIn()
			continue
		}
		s.pause &^= pauseWorker
		s.starved = false
		s.unlockIn()
		s.mu.Lock()
		s.tellReactor()
		s.mu.Unlock()
	}
}

// deliver calls the callback for one event.
func (l *Loop) deliver(f *Fiber, s *Session, ev event) {
	f.begin(RootSession, s)
	defer f.end()
	defer l.recovered(f)
	h := l.eng.handler
	switch ev.kind {
	case evData:
		l.count.requests++
		h.Receive(f, s, ev.data)
	case evFull, evEmpty:
		if s.Alive() {
			l.eng.water(f, s, ev.kind == evFull)
		}
	case evConnect:
		s.lockIn()
		s.greeted = true
		s.unlockIn()
		h.Connect(f, s)
	case evEnd:
		reason, greeted := l.beginEnd(s, ev.reason)
		defer s.drained()
		if greeted && !s.mute {
			h.Close(f, s, reason)
		}
	}
}

// beginEnd makes an open session closing, so that onClose finds it so, and has
// its socket flushed and closed.
func (l *Loop) beginEnd(s *Session, reason Reason) (_ Reason, greeted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == open {
		s.state, s.reason = ending, reason
		s.wakeSenders()
		s.tellReactor()
	}
	if reason != NoReason && !s.cut.Load() {
		s.reason = reason // it came before whatever broke the socket since
	}
	l.count.closed[s.reason]++
	return s.reason, s.greeted
}

// release lets the session's next event have its turn.
func (l *Loop) release(s *Session) { l.next(s, serveEvents, 0) }

// next is release for one who can go on with the session at once, after n
// events in a row since begun: if the next one is due here, and the loop has not
// gone on meanwhile. Then it reports true, with the inbox locked.
func (l *Loop) next(s *Session, n int, begun int64) bool {
	s.lockIn()
	if s.in.running--; s.in.n > 0 && !s.queued {
		if o := l.eng.Limits(); s.mayBegin(o) {
			if n < serveEvents && l.phase == phaseQueue && l.left > 0 && !l.restless && !o.Unordered && !s.ended &&
				(!s.split || s.in.one.to == 0 && !o.Dispatch.PerEvent() && l.route(s, o) == l) &&
				nanotime()-begun <= int64(serveTime) {
				l.left--
				return true
			}
			l.queueNext(s, o)
		}
	}
	s.unlockIn()
	if l.batched {
		l.handOff()
	}
	if l.restless {
		l.moveOff(s)
	}
	return false
}

// feedReceiver gives the next message to the callback that waits for it in
// Recv, and returns what took is to be told. With the inbox locked.
func (l *Loop) feedReceiver(s *Session) (ev event, home *Loop, resume bool) {
	if !s.receiving || !s.skipWater() {
		return event{}, nil, false
	}
	if s.in.one.kind != evData {
		s.receiving = false
		l.wakeReceiver(s, nil, ErrClosed)
		return event{}, nil, false
	}
	if !l.wakeReceiver(s, s.in.one.data, nil) {
		return event{}, nil, false // timed out just now; the message stays
	}
	s.receiving = false
	return s.in.pop(), s.home.Load(), l.eased(s)
}

// wakeReceiver wakes who waits in Recv, here or on the worker the session had
// before dispatch was changed.
func (l *Loop) wakeReceiver(s *Session, v any, err error) bool {
	w := s.receiver.waiter() // it begins no other wait before it has cleared receiving
	if w.f.loop == l {
		return w.wakeLocal(v, err)
	}
	return w.finish(v, err)
}

// skipWater moves watermark events behind what a receiver waits for, and
// reports whether there is anything else in the inbox. With the inbox locked.
func (s *Session) skipWater() bool {
	for range s.in.n {
		if k := s.in.one.kind; k != evFull && k != evEmpty {
			return true
		}
		s.in.push(s.in.pop())
	}
	return false
}

// tellWater queues the event of a crossed watermark, unless it has been
// crossed back meanwhile.
func (l *Loop) tellWater(s *Session) {
	s.mu.Lock()
	if w := s.worker.Load(); w != l { // it has moved since
		w.post(func(m *letters) { m.water = append(m.water, s) })
		s.mu.Unlock()
		return
	}
	s.wetPosted = false
	full := s.full
	same := full == s.toldFull
	s.toldFull = full
	s.mu.Unlock()
	if same || s.mute {
		return
	}
	kind := evEmpty
	if full {
		kind = evFull
	}
	l.push(s, event{kind: kind})
}

// Recv takes the session's next message inside a callback, instead of its
// onReceive. timeout 0 waits without limit. Baton holder.
func (f *Fiber) Recv(s *Session, timeout time.Duration) (string, error) {
	l := f.loop
	s.lockIn()
	if s.worker.Load() != l && f.session != s {
		s.unlockIn()
		return "", ErrOtherWorker
	}
	if s.receiving {
		s.unlockIn()
		return "", ErrBusy
	}
	if s.greeted && !s.cut.Load() && s.skipWater() {
		if s.in.one.kind == evData {
			ev, home := s.in.pop(), s.home.Load()
			resume := l.eased(s)
			s.unlockIn()
			l.took(s, home, ev, resume)
			return ev.data, nil
		}
		if s.in.one.kind == evEnd {
			s.unlockIn()
			return "", ErrClosed
		}
	}
	if !s.greeted {
		s.unlockIn()
		return "", ErrBusy
	}
	if s.ended || s.endQueued || s.cut.Load() {
		s.unlockIn()
		return "", ErrClosed
	}
	if s.pause&pauseDrain != 0 {
		s.unlockIn()
		return "", ErrShutdown
	}
	if _, err := f.Begin("server:recv"); err != nil {
		s.unlockIn()
		return "", err
	}
	s.receiver, s.receiving = f, true
	s.in.running++ // nothing may overtake the waiting receiver
	s.unlockIn()
	v, err := f.Wait(timeout)
	s.lockIn()
	if s.receiver == f {
		s.receiving = false
	}
	s.unlockIn()
	l.release(s)
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

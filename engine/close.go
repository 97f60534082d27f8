package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// How a session ends. Two things must happen, in either order: the worker
// handles the session's last event (onClose), and the reactor closes the
// descriptor. Whoever is last takes the session out of the registry.
//
// The socket: flush, shutdown(WR), read and discard until the peer is done or
// close_timeout passes, close. Closing with unread input would send a reset,
// and destroy what was just sent.

// Close ends the session for the given reason. Queued output is flushed first,
// unless abort: then the peer sees a reset. A session that is closing already
// can be aborted still; its reason stays. Any goroutine.
func (s *Session) Close(reason Reason, abort bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == closed:
		return ErrClosed
	case s.state == ending && abort && !s.abort:
		s.abort = true
		s.out.discard()
		s.wakeSenders()
		s.tellReactor()
		return nil
	case s.state != open:
		return ErrClosing
	}
	s.state, s.reason, s.abort = ending, reason, abort
	s.byScript = reason == ServerClosed
	if abort {
		s.out.discard()
	}
	s.wakeSenders()
	s.tellReactor()
	s.cut.Store(true)
	s.worker.Load().post(func(m *letters) { m.ends = append(m.ends, s) })
	return nil
}

// endBehind ends an open session in order: its backlog is handled first, what
// was sent is flushed. The reactor; not under mu.
func (l *Loop) endBehind(s *Session, reason Reason) {
	s.mu.Lock()
	if s.state == open {
		s.state, s.reason = ending, reason
		s.wakeSenders()
		s.tellReactor()
	}
	s.mu.Unlock()
	s.lockIn()
	l.pushEnd(s, reason)
	s.unlockIn()
}

// breakOff marks a session whose socket or stream is of no more use; its
// reactor closes it. Under mu; any goroutine.
func (s *Session) breakOff(reason Reason, errno unix.Errno) {
	if s.state == open {
		s.state, s.reason, s.errno = broken, reason, uint8(errno)
	} else if s.state == ending {
		s.state = broken
	}
	s.out.discard()
	s.wakeSenders()
	s.tellReactor()
}

// tellReactor makes the reactor look at the session at its next turn. Under mu.
func (s *Session) tellReactor() {
	if !s.ctlPosted {
		s.ctlPosted = true
		s.reactor.Load().post(func(m *letters) { m.ctl = append(m.ctl, s) })
	}
}

// endByScript is the worker's part of Close: the backlog is dropped, the last
// event queued.
func (l *Loop) endByScript(s *Session) {
	s.lockIn()
	if w := s.worker.Load(); w != l { // it has moved since
		s.unlockIn()
		w.post(func(m *letters) { m.ends = append(m.ends, s) })
		return
	}
	events, bytes := s.in.drop()
	l.count.dropped += uint64(events)
	l.pushEnd(s, NoReason)
	s.unlockIn()
	l.handled(bytes)
}

// finish brings a session that is no longer open nearer to its close. Under
// mu; the reactor.
func (l *Loop) finish(s *Session) {
	switch {
	case s.fd < 0:
		return
	case s.state == broken || s.abort:
		l.closeFD(s)
		return
	case s.state == open:
		return
	}
	before := s.out.bytes
	s.flush(nanotime())
	if s.state == broken {
		l.closeFD(s)
		return
	}
	if s.out.bytes == 0 {
		if s.eof {
			l.closeFD(s)
			return
		}
		if !s.shut {
			s.shut = true
			unix.Shutdown(int(s.fd), unix.SHUT_WR)
			l.lingerFrom(s, nanotime())
		}
	}
	if s.rare().linger == nil || s.out.bytes < before {
		l.lingerFrom(s, nanotime())
	}
	l.setInterest(s)
}

// lingerFrom gives the peer close_timeout from now. It gets it again as long as
// it has taken something: megabytes may still lie in our kernel, and a close
// under a peer that sends would destroy them.
func (l *Loop) lingerFrom(s *Session, now int64) {
	a := s.beside()
	if a.linger == nil {
		a.linger = &Timer{}
	}
	a.unsent = s.out.bytes + outqueue(int(s.fd))
	wait := l.eng.Limits().CloseTime
	if l.eng.Draining() {
		wait = drainLinger
	}
	l.SetTimer(a.linger, now+int64(wait), s, lingerOver)
}

// drainLinger replaces close_timeout while the server stops: a peer whose
// kernel has acknowledged everything has nothing to lose by our close.
const drainLinger = 20 * time.Millisecond

func lingerOver(t *Timer) {
	s := t.owner.(*Session)
	l := s.reactor.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.eng.Draining() && (s.out.bytes > 0 || outqueue(int(s.fd)) > 0) {
		l.SetTimer(t, nanotime()+int64(drainLinger), s, lingerOver)
		return
	}
	if left := s.out.bytes + outqueue(int(s.fd)); left > 0 && left < s.rare().unsent && !l.eng.Draining() {
		l.lingerFrom(s, nanotime())
		return
	}
	l.count.lingerCut++
	if s.out.bytes > 0 {
		l.eng.log.Warn("close_timeout: closed with unsent output", "fd", s.id, "bytes", s.out.bytes)
	}
	l.closeFD(s)
}

// closeFD closes the descriptor: here and nowhere else, under mu, so that
// nobody can be writing to it. The reactor.
func (l *Loop) closeFD(s *Session) {
	if s.fd < 0 {
		return
	}
	wasBroken := s.state == broken
	if s.abort || wasBroken {
		unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(int(s.fd)) // takes it out of epoll too
	s.fd, s.state, s.polled = -1, closed, false
	l.forgetIdle(s)
	s.out.discard()
	s.wakeSenders()
	l.unseat(s)
	if a := s.aside.Load(); a != nil {
		a.linger = nil
	}
	s.partial = nil
	if wasBroken {
		l.pushEnd(s, s.reason) // behind the backlog: what was read is handled first
	}
	if s.ended {
		s.port.eng.sessions.remove(s)
	}
	l.count.closedFDs++
}

// drained is the worker's report that the session's last event was handled.
func (s *Session) drained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.state == closed {
		s.port.eng.sessions.remove(s)
	}
}

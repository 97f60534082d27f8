package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Sessions that are idle for too long are closed. Nothing is done for a
// message but to note its time, which is done anyway. Each session stands in a
// queue, see idlequeue.go, by when it would be idle if nothing came; when that is
// due, it is queued again for what has come since. So a session is looked at about once in its idle
// time, however many there are.
//
// The clock of a session stands while we do not read it: what its client sends
// meanwhile cannot be seen.

// IdleLimits say how sessions of all ports are watched. They can be changed
// while the engine runs.
type IdleLimits struct {
	HeartbeatStep time.Duration // heartbeat_check_interval: sessions are looked at on a grid of it; 0: when they are due
	DelayReceive  bool          // enable_delay_receive: a new session is not read until it is resumed
}

// IdleOptions say when a session of a port is idle for too long.
type IdleOptions struct {
	Heartbeat time.Duration // a session from which nothing comes for so long is closed: heartbeat_idle_time; 0 is off
	Silent    time.Duration // one whose client has never sent anything: first_data_timeout; 0 is off
	MaxIdle   time.Duration // one through which nothing moves either way: max_idle_time; 0 is off
}

// ErrHeartbeatOff: no port has a heartbeat_idle_time.
var ErrHeartbeatOff = &Errno{"heartbeat_off", 509, "no port has a heartbeat_idle_time"}

// Protect exempts the session from Heartbeat and MaxIdle, or ends that. Any
// goroutine.
func (s *Session) Protect(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.takesOutput(); err != nil {
		return err
	}
	s.protected = on
	s.tellReactor()
	return nil
}

// Idle lists the sessions from which nothing has come for the Heartbeat of
// their port, by id, and with close closes them. Any goroutine.
func (e *Engine) Idle(close bool) ([]SessionID, error) {
	on := false
	for _, p := range e.Ports() {
		on = on || p.Options().Heartbeat > 0
	}
	if !on {
		return nil, ErrHeartbeatOff
	}
	var list []SessionID
	now := nanotime()
	for _, s := range e.Sessions(0, 0) {
		s.mu.Lock()
		limit := s.port.opts.Load().Heartbeat
		idle := limit > 0 && s.state == open && !s.protected && s.rare().stood == 0 && now-s.quietSince() >= int64(limit)
		s.mu.Unlock()
		if !idle {
			continue
		}
		list = append(list, s.id)
		if close {
			s.Close(TimeoutHeartbeat, false)
		}
	}
	return list, nil
}

// quietSince is since when nothing has come, without the time in which the
// clock stood. Under mu.
func (s *Session) quietSince() int64 { return max(s.lastRecv.Load(), s.rare().idleFrom) }

// silent says whether the client has never sent anything.
func (s *Session) silent() bool { return epoch.UnixNano()+s.lastRecv.Load() == s.connected }

// readingIs starts or stops the idle clock. Under mu; the reactor.
func (l *Loop) readingIs(s *Session, on bool) {
	now := nanotime()
	switch {
	case !on && s.rare().stood == 0:
		s.beside().stood = now
	case on && s.rare().stood != 0:
		a := s.beside()
		a.idleFrom = now - (a.stood - s.quietSince())
		a.stood = 0
	}
	l.watchIdle(s)
}

// watchIdle queues a session for when it is idle, if that matters and it is not
// queued for earlier. Under mu; the reactor.
func (l *Loop) watchIdle(s *Session) {
	due, _ := l.idleAt(s)
	if due == 0 {
		return // if it is queued, nothing will be found
	}
	if i := s.idlePos; i > 0 && l.idle[i-1].due <= due {
		return
	}
	l.idle.set(s, due)
	l.setIdleTimer()
}

// forgetIdle is for a session that leaves the loop.
func (l *Loop) forgetIdle(s *Session) {
	if s.idlePos > 0 {
		l.idle.remove(s)
		l.setIdleTimer()
	}
}

// idleAt is when the session is to be closed if nothing happens until then,
// and why; 0 is never. Under mu.
func (l *Loop) idleAt(s *Session) (due int64, why Reason) {
	o := s.port.opts.Load()
	if s.state != open || s.protected || o.Heartbeat == 0 && o.MaxIdle == 0 && o.Silent == 0 {
		return 0, NoReason
	}
	earliest := func(at int64, reason Reason) {
		if due == 0 || at < due {
			due, why = at, reason
		}
	}
	reads := s.rare().stood == 0 && !s.eof
	if o.Heartbeat > 0 && reads {
		earliest(onGrid(s.quietSince()+int64(o.Heartbeat), l.eng.Limits().HeartbeatStep), TimeoutHeartbeat)
	}
	if o.Silent > 0 && reads && s.silent() {
		earliest(s.quietSince()+int64(o.Silent), TimeoutSilent)
	}
	if o.MaxIdle > 0 {
		if s.blocked {
			earliest(s.lastSent+int64(o.MaxIdle), SlowReader)
		}
		if reads {
			earliest(max(s.quietSince(), s.lastSent)+int64(o.MaxIdle), TimeoutIdle)
		}
	}
	return due, why
}

// onGrid is the first time of the grid that is not before at.
func onGrid(at int64, step time.Duration) int64 {
	if step > 0 {
		at = (at + int64(step) - 1) / int64(step) * int64(step)
	}
	return at
}

// lookIdle is called when a session may be idle.
func (l *Loop) lookIdle(s *Session) {
	now := nanotime()
	s.mu.Lock()
	due, why := l.idleAt(s)
	if due != 0 && due <= now && why != SlowReader && (s.hasInput() || why == TimeoutIdle && s.busy()) {
		// We are late, not the client; or it waits for us.
		s.beside().idleFrom = now
		due, why = l.idleAt(s)
	}
	if due == 0 || due > now {
		l.watchIdle(s)
		s.mu.Unlock()
		return
	}
	if why == SlowReader {
		s.breakOff(why, 0) // to flush it is what has failed
		l.finish(s)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	l.endBehind(s, why)
}

// hasInput says whether bytes have come that we have not read. Under mu.
func (s *Session) hasInput() bool {
	n, err := unix.IoctlGetInt(int(s.fd), unix.TIOCINQ)
	return err == nil && n > 0
}

// busy says whether a callback of the session runs, or an event waits for one.
// The reactor, under mu.
func (s *Session) busy() bool { return s.in.running > 0 || s.in.n > 0 }

// recheckIdle looks at all sessions anew: what counts as idle has changed. It
// does so in steps, so that many sessions do not hold up their loop.
func (e *Engine) recheckIdle() {
	for _, l := range e.roster.Load().all {
		if l.role&reactorRole != 0 {
			l.Call(func() { l.recheckFrom(0) })
		}
	}
}

const recheckStep = 1024

func (l *Loop) recheckFrom(slot int) {
	end := min(slot+recheckStep, len(l.slots))
	for _, s := range l.slots[slot:end] {
		if s != nil {
			s.mu.Lock()
			l.watchIdle(s)
			s.mu.Unlock()
		}
	}
	if end < len(l.slots) {
		l.Call(func() { l.recheckFrom(end) })
	}
}

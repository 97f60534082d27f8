package engine

import "time"

// What a callback sends goes into the session's outbox, at once or when there
// is room. Who may wait for room: a callback for its own session, which is back
// pressure; for another one only with send_yield, and never without end. Two
// callbacks can so never wait for each other's outbox for ever.

// SendLimits are the limits of sends. They can be changed while the engine
// runs.
type SendLimits struct {
	SendBytes   int           // bytes of one send: output_buffer_size; 0 is no limit of its own
	SendYield   bool          // send_yield: a send to another session than the callback's own waits for room too
	SendTimeout time.Duration // send_timeout; 0: a callback's own session without limit, others DefaultSendTimeout
}

// DefaultSendTimeout is how long a send waits for another session's outbox.
const DefaultSendTimeout = 10 * time.Second

// ErrTooLong: one send larger than is allowed.
var ErrTooLong = &Errno{"data_length_too_large", 1203, "the data is larger than output_buffer_size"}

// send queues data and sees to it that it leaves: at the end of the turn when
// the session's own worker sends, at once when anybody else does.
func (s *Session) send(from *Loop, data string) error {
	if len(data) == 0 {
		return ErrEmpty
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.accept(from, data); err != nil {
		return err
	}
	if from != nil && from == s.worker.Load() {
		from.makeDirty(s)
		if s.out.bytes < flushAt {
			return nil
		}
	}
	s.flush(nanotime())
	return nil
}

// accept puts data into the outbox, or says why not. Under mu.
func (s *Session) accept(from *Loop, data string) error {
	opts := s.port.opts.Load()
	if err := s.takesOutput(); err != nil {
		return err
	}
	if most := s.port.eng.Limits().SendBytes; most > 0 && len(data) > most {
		return ErrTooLong
	}
	if len(data) > opts.OutboxBytes {
		return ErrTooLarge
	}
	if !s.out.fits(len(data), opts.OutboxBytes) {
		return ErrOutboxFull
	}
	s.out.queue(data)
	s.accepted(from, len(data), opts)
	return nil
}

// takesOutput says why not, if the session is not open. Under mu.
func (s *Session) takesOutput() error {
	switch s.state {
	case open:
		return nil
	case closed:
		return ErrClosed
	}
	return ErrClosing
}

// accepted keeps the books of what was queued. Under mu.
func (s *Session) accepted(from *Loop, n int, opts *PortOptions) {
	if from != nil {
		from.count.sends++
		from.count.sentBytes += uint64(n)
	}
	if s.out.bytes >= opts.HighWater {
		s.setFull(true)
	}
}

// makeDirty has s flushed at the end of the turn. Under the mu of s; baton
// holder of its worker.
func (l *Loop) makeDirty(s *Session) {
	if !s.dirty {
		s.dirty = true
		l.dirty = append(l.dirty, s)
	}
}

// Send queues data for the session. A callback that sends to its own session
// waits while the outbox is full, at most Limits.SendTimeout; to any other
// session it fails at once, or with Limits.SendYield waits that long. Baton
// holder.
func (f *Fiber) Send(s *Session, data string) error {
	err := s.send(f.loop, data)
	if err == ErrOutboxFull {
		err = f.whenRoom("server:send", s, len(data), func() error { return s.send(f.loop, data) })
	}
	return err
}

// SendAndWait is Send that waits until the kernel has taken data and all that
// was sent before it. After a time-out the data is on its way still. Baton
// holder.
func (f *Fiber) SendAndWait(s *Session, data string) error {
	if err := f.Send(s, data); err != nil {
		return err
	}
	w, err := f.Begin("server:sendwait")
	if err != nil {
		return err
	}
	if done, err := s.awaitTaken(w); done {
		w.wakeLocal(nil, err)
	}
	_, err = f.Wait(f.patience(s))
	if err != nil {
		s.forget(w)
	}
	return err
}

// whenRoom tries put again when there is room for need, for as long as the
// fiber may wait for this session.
func (f *Fiber) whenRoom(what string, s *Session, need int, put func() error) error {
	if f.session != s && !f.loop.eng.Limits().SendYield {
		return ErrOutboxFull
	}
	patience := f.patience(s)
	deadline := nanotime() + int64(patience)
	for {
		w, err := f.Begin(what)
		if err != nil {
			return err
		}
		if !s.awaitRoom(w, need) {
			w.wakeLocal(nil, nil)
		}
		left := time.Duration(0)
		if patience > 0 {
			left = max(time.Duration(deadline-nanotime()), 1)
		}
		if _, err := f.Wait(left); err != nil {
			s.forget(w)
			return err
		}
		if err := put(); err != ErrOutboxFull {
			return err
		}
	}
}

// patience is how long f may wait for the output of s; 0 is without limit.
func (f *Fiber) patience(s *Session) time.Duration {
	t := f.loop.eng.Limits().SendTimeout
	if t == 0 && f.session != s {
		t = DefaultSendTimeout
	}
	return t
}

// awaitRoom registers w to be woken when need fits. It reports false when there
// is no need to wait.
func (s *Session) awaitRoom(w Waiter, need int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.out.fits(need, s.port.opts.Load().OutboxBytes) {
		return false
	}
	u := s.out.unusual()
	u.senders = append(u.senders, sender{w, need})
	return true
}

// awaitTaken registers w to be woken when the kernel has taken all that is
// queued now; done says that there is nothing to wait for.
func (s *Session) awaitTaken(w Waiter) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out.bytes == 0 {
		if s.state == open || s.state == ending && !s.abort {
			return true, nil
		}
		return true, ErrClosed
	}
	u := s.out.unusual()
	u.takers = append(u.takers, taker{w, s.out.bytes})
	return false, nil
}

// forget removes what w was registered for: its wait is over.
func (s *Session) forget(w Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.out.rare
	if u == nil {
		return
	}
	for i := range u.senders {
		if u.senders[i].w == w {
			u.senders = append(u.senders[:i], u.senders[i+1:]...)
			break
		}
	}
	for i := range u.takers {
		if u.takers[i].w == w {
			u.takers = append(u.takers[:i], u.takers[i+1:]...)
			break
		}
	}
	s.wakeSenders() // it may have stood before others for whom there is room
}

// wakeSenders lets those go on for whom there is room now, and ends all waits
// for the output of a session that is no longer open. Under mu.
func (s *Session) wakeSenders() {
	u := s.out.rare
	if u == nil {
		return
	}
	limit := s.port.opts.Load().OutboxBytes
	for len(u.senders) > 0 && (s.state != open || s.out.fits(u.senders[0].need, limit)) {
		first := u.senders[0]
		u.senders = u.senders[1:]
		if s.state == open {
			first.w.Wake(nil)
		} else {
			first.w.Fail(ErrClosed)
		}
	}
	if len(u.senders) == 0 {
		u.senders = nil
	}
	if s.state != open && s.out.bytes == 0 {
		for _, t := range u.takers {
			t.w.Fail(ErrClosed)
		}
		u.takers = nil
	}
}

// taken counts n bytes that the kernel has taken for those who wait for it.
func (u *unusual) taken(n int) {
	kept := u.takers[:0]
	for _, t := range u.takers {
		if t.left -= n; t.left > 0 {
			kept = append(kept, t)
		} else {
			t.w.Wake(nil)
		}
	}
	if len(kept) == 0 {
		kept = nil
	}
	u.takers = kept
}

package engine

// Reading a session can be stopped by the script: pause, and for new sessions
// enable_delay_receive. What has been read already is delivered still.

// Pause stops reading the session, or goes on with it; to go on also ends the
// delay of a session that began unread. Nothing is read after it returns. Baton
// holder.
func (f *Fiber) Pause(s *Session, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.takesOutput(); err != nil {
		return err
	}
	if s.held != on {
		s.held = on
		if s.reactor.Load() == f.loop {
			f.loop.setInterest(s)
		} else {
			s.tellReactor() // what comes before it looks is left in the kernel, see readable
		}
	}
	return nil
}

// Paused says whether the script has stopped reading the session.
func (s *Session) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

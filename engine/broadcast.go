package engine

// Broadcast queues data for each of the sessions, without a wait, and counts
// those it was queued for and those it was refused for, by the name of the
// error. All share the one string. Each worker writes the output of its own
// sessions: one note to each does it, and their loops write at the same time.
// Baton holder of from; nil is anybody.
func (e *Engine) Broadcast(from *Loop, list []*Session, data string) (sent int, refused map[string]int) {
	theirs := map[*Loop][]*Session{}
	for _, s := range list {
		s.mu.Lock()
		err := s.accept(from, data)
		if err == nil {
			sent++
			if w := s.worker.Load(); w == from {
				w.makeDirty(s)
			} else if !s.wet {
				s.wet = true
				theirs[w] = append(theirs[w], s)
			}
		}
		s.mu.Unlock()
		if err != nil {
			if refused == nil {
				refused = map[string]int{}
			}
			refused[err.(*Errno).Name]++
		}
	}
	for l, sessions := range theirs {
		l.post(func(m *letters) { m.wet = append(m.wet, sessions...) })
	}
	return sent, refused
}

// flushWet writes what others have queued for sessions of this worker. Baton
// holder.
func (l *Loop) flushWet(list []*Session) {
	now := nanotime()
	for _, s := range list {
		s.mu.Lock()
		s.wet = false
		s.flush(now)
		s.mu.Unlock()
	}
}

// takeWet is takeMail for the output alone, in the middle of a callback that
// computes for long.
func (l *Loop) takeWet() {
	if !l.mail.full.Load() {
		return
	}
	l.mail.mu.Lock()
	list := l.mail.wet
	l.mail.wet = nil
	l.mail.mu.Unlock()
	l.flushWet(list)
}

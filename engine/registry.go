package engine

import "sync"

// registry finds sessions by id and keeps them in the order of their ids.
type registry struct {
	mu    sync.RWMutex
	byID  map[SessionID]*Session
	first *Session
	last  *Session
	next  SessionID
}

// add gives s the next id.
func (r *registry) add(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	s.id = r.next
	r.byID[s.id] = s
	s.prev = r.last
	if r.last == nil {
		r.first = s
	} else {
		r.last.next = s
	}
	r.last = s
}

func (r *registry) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[s.id] != s {
		return
	}
	if s.port.eng.gone != nil {
		s.port.eng.gone(s)
	}
	s.port.eng.open.Add(-1)
	if s.counted {
		s.port.eng.addresses.drop(s)
	}
	s.home.Load().sessions.Add(-1)
	if s.split {
		s.reactor.Load().sessions.Add(-1)
	}
	delete(r.byID, s.id)
	if s.prev == nil {
		r.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		r.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

func (r *registry) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byID)
}

// span is the last id given, and the lowest and highest of those there are.
func (r *registry) span() (last, lowest, highest SessionID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.first != nil {
		lowest, highest = r.first.id, r.last.id
	}
	return r.next, lowest, highest
}

// Session finds an open or closing session. Any goroutine.
func (e *Engine) Session(id SessionID) (*Session, error) {
	e.sessions.mu.RLock()
	s := e.sessions.byID[id]
	e.sessions.mu.RUnlock()
	if s == nil {
		return nil, ErrNoSession
	}
	return s, nil
}

// Sessions lists up to max sessions with ids above after, in order; max 0
// means all. Any goroutine.
func (e *Engine) Sessions(after SessionID, max int) []*Session {
	r := &e.sessions
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.first
	if from := r.byID[after]; from != nil {
		s = from.next
	}
	var list []*Session
	for ; s != nil && (max == 0 || len(list) < max); s = s.next {
		if s.id > after {
			list = append(list, s)
		}
	}
	return list
}

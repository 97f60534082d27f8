package engine

import (
	"math"
	"sync"
)

// registry finds sessions by id and keeps them in the order of their ids. As
// ids are given in turn, a list to which new ones are added is in order; what
// has gone leaves a hole, and when holes are more than sessions they are closed.
// Where none is, the place of an id is computed, not searched.
type registry struct {
	mu    sync.RWMutex
	pages []*registryPage // so that a list that grows is not copied
	size  int             // entries, holes too
	from  int             // the first that is no hole; size if there is none
	live  int
	next  SessionID
}

const registryPageSize = 256

type registryPage [registryPageSize]registryEntry

type registryEntry struct {
	id SessionID
	s  *Session // nil is a hole
}

func (r *registry) at(i int) *registryEntry {
	return &r.pages[i/registryPageSize][i%registryPageSize]
}

// seek is the place of the first entry whose id is not below id; size if there
// is none.
func (r *registry) seek(id SessionID) int {
	low, high := 0, r.size // before low ids are below, from high on they are not
	for guess := 0; low < high; guess++ {
		mid := low + (high-low)/2
		if guess < 3 { // holes lie evenly as a rule
			first, last := r.at(low).id, r.at(high-1).id
			switch {
			case id <= first:
				return low
			case id > last:
				return high
			}
			mid = low + int(float64(id-first)/float64(last-first)*float64(high-1-low))
		}
		switch at := r.at(mid).id; {
		case at == id:
			return mid
		case at < id:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low
}

// find is the session with an id, or nil. Under mu.
func (r *registry) find(id SessionID) *Session {
	if i := r.seek(id); i < r.size && r.at(i).id == id {
		return r.at(i).s
	}
	return nil
}

// add gives s the next id.
func (r *registry) add(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	s.id = r.next
	if r.size == len(r.pages)*registryPageSize {
		r.pages = append(r.pages, new(registryPage))
	}
	*r.at(r.size) = registryEntry{s.id, s}
	r.size++
	r.live++
}

// punch makes a hole at i. Under mu.
func (r *registry) punch(i int) {
	r.at(i).s = nil
	r.live--
	for r.size > r.from && r.at(r.size-1).s == nil {
		r.size--
	}
	for r.from < r.size && r.at(r.from).s == nil {
		r.from++
	}
	if r.size > registryPageSize && r.live < r.size/2 || r.from == r.size {
		r.close()
	}
	if keep := r.size/registryPageSize + 2; keep < len(r.pages) {
		clear(r.pages[keep:])
		r.pages = r.pages[:keep]
	}
}

// close closes the holes.
func (r *registry) close() {
	n := 0
	for i := r.from; i < r.size; i++ {
		if e := *r.at(i); e.s != nil {
			*r.at(n) = e
			n++
		}
	}
	for i := n; i < r.size; i++ {
		*r.at(i) = registryEntry{}
	}
	r.size, r.from = n, 0
}

func (r *registry) remove(s *Session) {
	if !r.strike(s) {
		return
	}
	s.home.Load().mayEnd()
}

// strike takes s out and reports whether it stood there.
func (r *registry) strike(s *Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.seek(s.id)
	if i == r.size || r.at(i).s != s {
		return false
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
	r.punch(i)
	return true
}

func (r *registry) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.live
}

// span is the last id given, and the lowest and highest of those there are.
func (r *registry) span() (last, lowest, highest SessionID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.live > 0 {
		lowest, highest = r.at(r.from).id, r.at(r.size-1).id
	}
	return r.next, lowest, highest
}

// Session finds an open or closing session. Any goroutine.
func (e *Engine) Session(id SessionID) (*Session, error) {
	e.sessions.mu.RLock()
	s := e.sessions.find(id)
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
	var list []*Session
	if after == math.MaxUint64 {
		return nil
	}
	for i := r.seek(after + 1); i < r.size && (max == 0 || len(list) < max); i++ {
		if s := r.at(i).s; s != nil {
			list = append(list, s)
		}
	}
	return list
}

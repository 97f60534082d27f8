package engine

import (
	"net/netip"
	"sync"
)

// perAddress counts the sessions of each client address, while there is a limit
// for them. mu is a leaf.
type perAddress struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

// count counts s, unless its address has max sessions already; max 0 is no
// limit. A client without an address, of a unix socket, is not limited.
func (c *perAddress) count(s *Session, max int) bool {
	at := s.peer().Addr.Addr().Unmap()
	if !at.IsValid() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.counted {
		return true
	}
	if max > 0 && c.open[at] >= max {
		return false
	}
	if c.open == nil {
		c.open = map[netip.Addr]int{}
	}
	c.open[at]++
	s.counted = true
	return true
}

// drop is for a session that has ended.
func (c *perAddress) drop(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.counted {
		return
	}
	s.counted = false
	at := s.peer().Addr.Addr().Unmap()
	if c.open[at]--; c.open[at] == 0 {
		delete(c.open, at)
	}
}

// countAll counts the sessions that were there before there was a limit.
func (e *Engine) countAll() {
	for _, s := range e.Sessions(0, 0) {
		e.addresses.count(s, 0)
		if _, err := e.Session(s.id); err != nil {
			e.addresses.drop(s) // it ended meanwhile
		}
	}
}

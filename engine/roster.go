package engine

// Which loops there are, and which of them a session gets.

// roster is which loops there are. It is replaced as a whole: whoever has
// loaded one may go through it without a lock.
type roster struct {
	workers  []*Loop // run callbacks; in Base mode also the reactors
	reactors []*Loop // own sockets
	tasks    []*Loop
	all      []*Loop // with the control loop
}

// enlist gives a new session its loops and its id: the worker with the fewest
// sessions, ties in turn; its reactor likewise.
func (e *Engine) enlist(s *Session) {
	e.placing.Lock()
	defer e.placing.Unlock()
	all := e.roster.Load()
	worker := fewest(all.workers, &e.placeNext)
	worker.sessions.Add(1)
	reactor := worker
	if e.opts.Mode == Process {
		s.split = true
		reactor = fewest(all.reactors, &e.placeNextReactor)
		reactor.sessions.Add(1)
	}
	s.worker.Store(worker)
	s.reactor.Store(reactor)
	e.sessions.add(s)
}

func fewest(loops []*Loop, next *int) *Loop {
	best := loops[*next%len(loops)]
	for i := range loops {
		l := loops[(*next+i)%len(loops)]
		if l.sessions.Load() < best.sessions.Load() {
			best = l
		}
	}
	*next = (*next + 1) % len(loops)
	return best
}

package engine

import (
	"errors"
	"fmt"
	"slices"
)

// Which loops there are, which of them a session gets, and how their numbers
// change while the server runs.

// roster is which loops there are. It is replaced as a whole: whoever has
// loaded one may go through it without a lock.
type roster struct {
	workers   []*Loop // run callbacks; in Base mode also the reactors
	reactors  []*Loop // own sockets
	tasks     []*Loop
	processes []*Loop
	all       []*Loop // with the control loop, those that begin, those that leave
}

// enlist gives a new session its loops and its id: the worker with the fewest
// sessions, ties in turn; its reactor likewise.
func (e *Engine) enlist(s *Session) {
	e.placing.Lock()
	defer e.placing.Unlock()
	all := e.roster.Load()
	worker := fewest(all.workers, &e.placeNext)
	switch o := e.Limits(); o.Dispatch {
	case ByAddress:
		worker = all.workers[bucket(addressKey(s.peer()), len(all.workers))]
	case FewestFibers:
		worker, s.weighed = (*Loop)(nil).pick(all.workers, o.Dispatch), true
	}
	worker.sessions.Add(1)
	reactor := worker
	if e.opts.Mode == Process {
		s.split = true
		reactor = fewest(all.reactors, &e.placeNextReactor)
		reactor.sessions.Add(1)
	}
	s.coming = !s.split
	s.home.Store(worker)
	s.worker.Store(worker)
	s.reactor.Store(reactor)
	e.sessions.add(s) // under placing: a resize sees the session here or not at all
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

// Resize is a change of the numbers of workers, task workers and processes under way:
// Prepare, then Commit or Abort. After Commit each leaving loop is told Leave,
// at a turn, and then given up with Retire.
type Resize struct {
	eng       *Engine
	workers   []*Loop
	tasks     []*Loop
	processes []*Loop
	added     []*Loop
	leaving   []*Loop
}

// Prepare makes and starts the loops for other numbers of workers, task workers
// and processes. Nothing uses them yet. One resize at a time.
func (e *Engine) Prepare(workers, tasks, processes int) (*Resize, error) {
	switch {
	case workers < 1:
		return nil, fmt.Errorf("worker_num: %d is less than 1", workers)
	case tasks < 0:
		return nil, fmt.Errorf("task_worker_num: %d is negative", tasks)
	case processes < 0:
		return nil, fmt.Errorf("processes: %d is negative", processes)
	case e.draining.Load():
		return nil, ErrShutdown
	case !e.resizing.CompareAndSwap(false, true):
		return nil, errors.New("the numbers of workers are being changed already")
	}
	now := e.roster.Load()
	r := &Resize{eng: e}
	var fault error
	fit := func(have []*Loop, n int, make func(i int) (*Loop, error)) []*Loop {
		list := slices.Clone(have[:min(n, len(have))])
		r.leaving = append(r.leaving, have[len(list):]...)
		for i := len(list); i < n && fault == nil; i++ {
			l, err := make(i)
			if err != nil {
				fault = err
				break
			}
			l.off.Store(true)
			list, r.added = append(list, l), append(r.added, l)
		}
		return list
	}
	r.workers = fit(now.workers, workers, e.newWorker)
	r.tasks = fit(now.tasks, tasks, func(i int) (*Loop, error) { return newLoop(e, taskRole, workers+i, i) })
	r.processes = fit(now.processes, processes, func(i int) (*Loop, error) { return newLoop(e, processRole, workers+tasks+i, i) })
	if fault != nil {
		for _, l := range r.added {
			l.closePoller()
		}
		e.resizing.Store(false)
		return nil, fault
	}
	e.changeRoster(func(next *roster) { next.all = slices.Concat(next.all, r.added) })
	for _, l := range r.added {
		l.start()
	}
	return r, nil
}

// newWorker makes worker i; in Base mode it is a reactor too.
func (e *Engine) newWorker(i int) (*Loop, error) {
	role := workerRole
	if e.opts.Mode == Base {
		role |= reactorRole
	}
	return newLoop(e, role, i, i)
}

// changeRoster puts another roster in the place of the one there is.
func (e *Engine) changeRoster(change func(*roster)) {
	e.rosterMu.Lock()
	defer e.rosterMu.Unlock()
	next := *e.roster.Load()
	change(&next)
	e.roster.Store(&next)
}

// Workers are the workers there will be after Commit, by id.
func (r *Resize) Workers() []*Loop { return r.workers }

// TaskWorkers are the task workers there will be after Commit, by id.
func (r *Resize) TaskWorkers() []*Loop { return r.tasks }

// Processes are the process loops there will be after Commit, by id.
func (r *Resize) Processes() []*Loop { return r.processes }

// Added are the loops that Prepare has started, by id.
func (r *Resize) Added() []*Loop { return r.added }

// Leaving are the loops that will be none of them any more.
func (r *Resize) Leaving() []*Loop { return r.leaving }

// ID is the id that a loop of Workers or TaskWorkers will have after Commit;
// a task worker or process that stays may have another one before.
func (r *Resize) ID(l *Loop) int {
	switch {
	case l.IsTask():
		return len(r.workers) + l.idx
	case l.IsProcess():
		return len(r.workers) + len(r.tasks) + l.idx
	}
	return l.idx
}

// Commit makes the change: from now on new sessions and tasks go to the loops
// of Workers and TaskWorkers only, so the added ones must be able to run
// callbacks. The tasks that were queued for one task worker that leaves are for
// any. Any goroutine.
func (r *Resize) Commit() {
	e := r.eng
	e.placing.Lock()
	for _, l := range r.leaving {
		l.off.Store(true)
	}
	e.handing.Lock()
	e.changeRoster(func(next *roster) {
		next.workers, next.tasks, next.processes = r.workers, r.tasks, r.processes
		if e.opts.Mode == Base {
			next.reactors = r.workers
		}
	})
	e.handing.Unlock() // no packet goes to a loop that leaves after this
	for _, l := range slices.Concat(r.tasks, r.processes) {
		l.id.Store(int32(r.ID(l)))
	}
	for _, l := range r.added {
		l.off.Store(false)
	}
	e.placing.Unlock()
	e.pool.resize(len(r.tasks))
	e.resizing.Store(false)
}

// Abort gives up what Prepare has started, instead of Commit: the added loops
// end when nothing runs or waits on them any more. Any goroutine.
func (r *Resize) Abort() {
	for _, l := range r.added {
		r.eng.Retire(l)
	}
	r.eng.resizing.Store(false)
}

// Retire says that the host is done with a loop that leaves, or that Abort gave
// up: it ends when its last session and its last fiber have gone. Any goroutine.
func (e *Engine) Retire(l *Loop) {
	l.Call(func() {
		if l.off.Load() {
			l.retired = true
		}
	})
}

// spent says whether nothing is left on a retired loop. Baton holder, with
// nothing else to do.
func (l *Loop) spent() bool {
	return l.sessions.Load() == 0 && len(l.waiting) == 0 && l.starters == 0 && l.tasks.Load() == 0
}

// mayEnd is told when a session that the loop counts has gone: it may have been
// the last that kept a loop which leaves, and have ended elsewhere. Any goroutine.
func (l *Loop) mayEnd() {
	if l.off.Load() && l.sessions.Load() == 0 {
		l.kicked.Store(true)
		l.notify()
	}
}

// vanish ends a retired loop: its numbers stay in the totals, its poller and
// its goroutines go. All that is left is a loop at rest, which a late letter
// can wake; it hands the letter on and rests again. Baton holder.
func (l *Loop) vanish() {
	l.eng.changeRoster(func(next *roster) {
		l.eng.past.add(&l.count)
		l.latency.addTo(&l.eng.pastLatency.kinds, l.eng.opts.NewHistogram)
		l.latency.forget()
		l.count = counters{}
		l.timers.clear()
		l.publishNow()
		next.all = slices.DeleteFunc(slices.Clone(next.all), func(o *Loop) bool { return o == l })
	})
	l.dismiss()
	l.closePoller()
}

// heir is some worker that stays: it gets what was for one that leaves.
func (e *Engine) heir(n int) *Loop {
	workers := e.roster.Load().workers
	return workers[n%len(workers)]
}

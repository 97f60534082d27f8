package engine

import "time"

// TaskStats is a snapshot of the tasks.
type TaskStats struct {
	TaskDepth
	Running   int           // tasks that run now
	Busy      int           // task workers that run one
	Age       time.Duration // of the oldest that may run; 0: none
	Waiting   int           // fibers that wait for room in the queue
	Submitted uint64
	Retried   uint64
	Failed    uint64 // for good
	Expired   uint64 // by their deadline
	Late      uint64 // results that came after their taskwait
	Forgotten uint64 // dead that made room for others
}

// TaskStats counts. Any goroutine.
func (e *Engine) TaskStats() TaskStats {
	p := &e.pool
	p.mu.Lock()
	st := TaskStats{TaskDepth: p.queue.Depth(), Waiting: len(p.waiting)}
	oldest := p.queue.Oldest()
	p.mu.Unlock()
	if !oldest.IsZero() {
		st.Age = time.Since(oldest)
	}
	for _, l := range e.roster.Load().tasks {
		if n := int(l.tasks.Load()); n > 0 {
			st.Running += n
			st.Busy++
		}
	}
	st.Submitted, st.Retried, st.Failed = p.total.Load(), p.retries.Load(), p.failedN.Load()
	st.Expired, st.Late, st.Forgotten = p.expired.Load(), p.late.Load(), p.lostN.Load()
	return st
}

// DeadTasks lists the tasks that failed for good, the oldest first. Any goroutine.
func (e *Engine) DeadTasks() []*DeadTask {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	return e.pool.queue.Dead()
}

// Requeue submits a dead task anew, with the id it had and all its tries. Its
// result goes to the handler's Finish. Any goroutine.
func (e *Engine) Requeue(id uint64) error {
	p := &e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.queue.Unbury(id)
	if d == nil {
		return ErrNoTask
	}
	t := &Task{ID: d.ID, numbered: true, Src: d.Src, Dst: d.Dst, Data: d.Data, Flags: d.Flags, TaskOptions: d.TaskOptions}
	t.Delay = 0
	if t.Dst >= p.workers {
		t.Dst = -1
	}
	if err := p.admit(t); err != nil {
		p.queue.Bury(d, p.eng.Limits().DeadTasks) // it was there: there is room
		return err
	}
	return nil
}

// DropDead forgets a dead task and reports whether it was there. Any goroutine.
func (e *Engine) DropDead(id uint64) bool {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	return e.pool.queue.Unbury(id) != nil
}

package engine

import (
	"sync"
	"time"
)

// gathering is a fiber's wait for the results of its tasks.
type gathering struct {
	tasks []*Task
	until int64 // when it ends by itself, by its time-out or its task's deadline; 0: never

	mu      sync.Mutex
	results []TaskResult
	told    []bool
	left    int // tasks that have not told
	armed   bool
	over    bool
	w       Waiter
}

// TaskGather submits the tasks and waits until each has sent its first result,
// has failed, or the time-out has passed: then ErrTaskTimeout is its result. A
// task that could not be submitted has the reason as its result. What comes
// later is counted and dropped. The error is of the wait as a whole: the fiber
// was cancelled, or the tasks could only run on task workers that wait for each
// other. Baton holder.
func (f *Fiber) TaskGather(what string, tasks []*Task, timeout time.Duration) ([]TaskResult, error) {
	w, err := f.Begin(what)
	if err != nil {
		return nil, err
	}
	p := &f.loop.eng.pool
	g := &gathering{tasks: tasks, results: make([]TaskResult, len(tasks)), told: make([]bool, len(tasks)), left: len(tasks), w: w}
	if timeout > 0 {
		g.until = nanotime() + int64(timeout)
	}
	if before(f.until, g.until) {
		g.until = f.until
	}
	if f.loop.taskFiber == f {
		if !p.hold(f.loop, g) {
			return nil, ErrWouldDeadlock
		}
		defer p.unhold(f.loop, g)
	}
	for i, t := range tasks {
		t.Answer = func(r TaskResult) { g.tell(p, i, r) }
		if err := f.loop.eng.Submit(t); err != nil {
			fault, ok := err.(*Errno)
			if !ok {
				fault = ErrTaskLost
			}
			g.tell(p, i, TaskResult{Err: fault})
		}
	}
	g.mu.Lock()
	g.armed = true
	wait := g.left > 0
	g.mu.Unlock()
	if wait {
		_, err = f.Wait(timeout)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if err != nil && err != ErrTimeout {
		return nil, err
	}
	for i := range g.results {
		if !g.told[i] {
			g.results[i].Err = ErrTaskTimeout
		}
	}
	return g.results, nil
}

// tell takes what task i has to tell: the first time only.
func (g *gathering) tell(p *taskPool, i int, r TaskResult) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.told[i] {
		if r.Value != nil || r.Err != nil {
			p.late.Add(1)
		}
		return
	}
	g.results[i], g.told[i] = r, true
	if g.left--; g.left == 0 && g.armed {
		g.w.Wake(nil)
	}
}

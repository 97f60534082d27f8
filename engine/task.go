package engine

import (
	"math"
	"time"
)

// Task is one piece of work for the task workers. Until it is submitted it
// belongs to whoever made it, then to the queue (under the pool's lock), and
// while it runs to its worker; what is exported stays as it is but for Dst,
// Due, Tries.
type Task struct {
	ID    uint64
	Src   *Loop // who asked, and is told what came of it
	Dst   int   // index of the task worker; -1: any
	Data  any
	Meta  any // the handler's
	Flags int // likewise
	TaskOptions

	// Answer, if set, is told what came of the task instead of the handler's
	// Finish. Any goroutine, also before Submit has returned; it must not wait.
	Answer func(TaskResult)
	// Always has Finish called at the end even if there is nothing to tell.
	Always bool

	Queued time.Time // when it was submitted
	Due    int64     // when it may run, as Now counts; 0: now
	Until  int64     // its deadline; 0: none
	Tries  int       // how often it has begun to run

	numbered bool
	place    whereabouts
	on       *Loop // the task worker that runs it now
	seq      uint64
	timer    Timer
	ranOn    int // worker id of the last try, plus 1; its task worker's, then whose the result is
}

// TaskOptions say when and how often a task runs. The zero value: now, once.
type TaskOptions struct {
	Priority int           // higher first
	Delay    time.Duration // not before
	Deadline time.Duration // not begun after it, and cancelled at it; both from Submit
	Retry    Retry
}

// Retry says whether a task that has failed runs again, and when.
type Retry struct {
	Times  int           // further tries
	First  time.Duration // the wait before the first of them
	Factor float64       // by which each wait is longer than the last
	Max    time.Duration // the longest wait; 0: no limit
}

// wait is how long to wait after the n-th try has failed.
func (r *Retry) wait(n int) time.Duration {
	w := float64(r.First) * math.Pow(max(r.Factor, 1), float64(n-1))
	if r.Max > 0 {
		w = min(w, float64(r.Max))
	}
	return time.Duration(min(w, float64(longestWait)))
}

const longestWait = 10 * 365 * 24 * time.Hour

// TaskResult is what a task tells whoever submitted it: some number of values,
// or why there is none.
type TaskResult struct {
	Value any    // nil: nothing
	Err   *Errno // why the task has failed; then it is the last
	Last  bool   // no more will come
}

// Worker is the id of the task worker that ran the task last; -1 if none has.
// For Finish.
func (t *Task) Worker() int { return t.ranOn - 1 }

// Number gives a task its id before it is submitted. Ids start at 0, as
// Swoole's do. Any goroutine.
func (e *Engine) Number(t *Task) uint64 {
	if !t.numbered {
		t.numbered = true
		t.ID = e.pool.nextID.Add(1) - 1
	}
	return t.ID
}

// Submit queues a task: ErrQueueFull and the like say why not. Any goroutine.
func (e *Engine) Submit(t *Task) error {
	p := &e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.admit(t)
}

// Submit is Engine.Submit for a fiber that waits up to timeout for room in the
// queue. Baton holder.
func (f *Fiber) Submit(t *Task, timeout time.Duration) error {
	p := &f.loop.eng.pool
	p.mu.Lock()
	err := p.admit(t)
	if err != ErrQueueFull || timeout <= 0 {
		p.mu.Unlock()
		return err
	}
	w, werr := f.Begin("server:task")
	if werr != nil {
		p.mu.Unlock()
		return werr
	}
	p.eng.Number(t) // now: whoever makes room must not write what we may read
	p.waiting = append(p.waiting, admission{w, t})
	p.mu.Unlock()
	if _, err = f.Wait(timeout); err != nil {
		p.forget(w)
	}
	if err == ErrTimeout {
		err = ErrQueueFull
	}
	return err
}

// nextTask runs one task. It is the task loop's place that recovers a panic.
func (l *Loop) nextTask(f *Fiber) {
	p := &l.eng.pool
	l.glutted.Store(l.full())
	if l.taskBusy() || p.queued.Load() == 0 || p.halted.Load() {
		return
	}
	t := p.take(l)
	if t == nil {
		return
	}
	l.tasks.Add(1)
	l.taskFiber, t.ranOn = f, l.ID()+1
	result, fault := l.runTask(f, t)
	if l.taskFiber == f {
		l.taskFiber = nil
	}
	l.tasks.Add(-1)
	l.count.requests++
	if fault != nil {
		p.failed(t, fault)
		return
	}
	p.mu.Lock()
	t.on = nil
	p.queue.Ack(t)
	p.mu.Unlock()
	p.answer(t, TaskResult{Value: result, Last: true})
}

// runTask calls the handler. A panic in it is a failure of the task.
func (l *Loop) runTask(f *Fiber, t *Task) (result any, fault *Errno) {
	f.begin(RootTask, nil)
	defer f.end()
	if f.until = t.Until; f.until > 0 {
		var limit Timer
		l.SetTimer(&limit, f.until, f, func(t *Timer) { t.owner.(*Fiber).overdue() })
		defer l.StopTimer(&limit)
	}
	defer l.recovered(f)
	fault = ErrTaskLost
	return l.eng.handler.Task(f, t)
}

// overdue cancels a task that still runs at its deadline. Baton holder.
func (f *Fiber) overdue() {
	if f.until > 0 && f.cancel == nil && nanotime() >= f.until {
		f.Cancel(ErrTaskOverdue)
	}
}

// FinishTask sends a result of a task that runs before its last. Any goroutine.
func (l *Loop) FinishTask(t *Task, result any) {
	l.eng.pool.answer(t, TaskResult{Value: result})
}

// taskWaits says whether the loop could run a task now. Any goroutine.
func (l *Loop) taskWaits() bool {
	if l.role&taskRole == 0 || l.taskBusy() {
		return false
	}
	p := &l.eng.pool
	if p.queued.Load() == 0 || p.halted.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !l.off.Load() && p.queue.Waits(l.idx)
}

// taskBusy says whether the loop can take no task: a task worker is serial,
// unless its tasks may overlap at waits, and then it takes no more than may
// wait. Any goroutine.
func (l *Loop) taskBusy() bool {
	if l.eng.Limits().TaskConcurrent {
		return l.glutted.Load()
	}
	return l.tasks.Load() > 0
}

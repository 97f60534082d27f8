package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// Task is one piece of work for the task workers.
type Task struct {
	ID      uint64
	Src     *Loop // who asked; nil when no result is wanted
	Dst     int   // index of the task worker; -1: any
	Data    any
	Meta    any // the handler's
	Queued  time.Time
	waiting *Fiber
}

// taskPool is the queue before the task workers. It lives outside every VM, so
// a reload loses none of it.
type taskPool struct {
	mu     sync.Mutex
	any    fifo[*Task]
	own    []fifo[*Task] // for one worker
	n      int           // in all queues
	nextID atomic.Uint64
	queued atomic.Int64 // n, for a look without the lock
	flying atomic.Int64 // tasks not yet finished: queued, running, or with a result on its way
	total  atomic.Uint64
}

// Submit queues a task. Ids start at 0, as Swoole's do. Any goroutine.
func (e *Engine) Submit(t *Task) error {
	tasks := e.roster.Load().tasks
	if len(tasks) == 0 {
		return ErrNoTaskWorkers
	}
	if t.Dst >= len(tasks) || t.Dst < -1 {
		return ErrBadWorker
	}
	p := &e.pool
	p.mu.Lock()
	if p.n >= e.Limits().TaskQueue {
		p.mu.Unlock()
		return ErrQueueFull
	}
	t.ID = p.nextID.Add(1) - 1
	t.Queued = time.Now()
	if t.Dst >= 0 {
		p.own[t.Dst].push(t)
	} else {
		p.any.push(t)
	}
	p.n++
	p.flying.Add(1)
	p.queued.Store(int64(p.n))
	p.mu.Unlock()
	p.total.Add(1)
	if t.Dst >= 0 {
		tasks[t.Dst].notify()
		return nil
	}
	for _, l := range tasks {
		if !l.taskBusy() && l.notify() {
			break
		}
	}
	return nil
}

// take gives task worker i its next task, or nil.
func (p *taskPool) take(i int) *Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	var t *Task
	own, any := &p.own[i], &p.any
	switch {
	case own.len() > 0 && (any.len() == 0 || (*own.peek()).ID < (*any.peek()).ID):
		t = own.pop()
	case any.len() > 0:
		t = any.pop()
	default:
		return nil
	}
	p.n--
	p.queued.Store(int64(p.n))
	return t
}

// taskWaits says whether the loop could run a task now.
func (l *Loop) taskWaits() bool {
	if l.role&taskRole == 0 || l.taskBusy() {
		return false
	}
	p := &l.eng.pool
	if p.queued.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.any.len() > 0 || p.own[l.idx].len() > 0
}

// taskBusy: a task worker is serial, unless its tasks may overlap at waits.
func (l *Loop) taskBusy() bool {
	return l.task.Load() != nil && !l.eng.Limits().TaskConcurrent
}

// nextTask runs one task. It is the task loop's place that recovers a panic.
func (l *Loop) nextTask(f *Fiber) {
	if l.taskBusy() || l.eng.pool.queued.Load() == 0 {
		return
	}
	t := l.eng.pool.take(l.idx)
	if t == nil {
		return
	}
	l.task.Store(t)
	result, ok := l.runTask(f, t)
	l.task.CompareAndSwap(t, nil)
	l.count.requests++
	if !ok || t.Src == nil {
		l.eng.pool.flying.Add(-1)
		return
	}
	l.FinishTask(t, result, true)
}

// FinishTask sends a result to the loop that submitted the task. last says
// that it is the task's last. Any goroutine.
func (l *Loop) FinishTask(t *Task, result any, last bool) {
	e := l.eng
	t.Src.Spawn(RootFinish, func(f *Fiber) {
		if last {
			defer e.pool.flying.Add(-1)
		}
		e.handler.Finish(f, t, result, last)
	})
}

func (l *Loop) runTask(f *Fiber, t *Task) (result any, ok bool) {
	f.begin(RootTask, nil)
	defer f.end()
	defer l.recovered(f)
	return l.eng.handler.Task(f, t)
}

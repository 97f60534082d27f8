package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// taskPool is what lies before the task workers: the queue, those who wait for
// room in it, and the clock of what is delayed. It is outside every VM, so a
// reload loses none of it.
type taskPool struct {
	eng *Engine

	mu      sync.Mutex
	queue   TaskQueue
	workers int                  // how many there are for the queue
	waiting []admission          // for room, first come first served
	holds   map[*Loop]*gathering // task workers whose task waits for tasks
	alarm   *time.Timer          // rings when the queue's next time has come
	alarmAt int64
	closed  bool // the server stops: nothing is put off any more
	over    bool // the clock has stopped

	halted  atomic.Bool // the drain cuts: no task begins any more
	nextID  atomic.Uint64
	queued  atomic.Int64 // tasks that may run now, for a look without the lock
	flying  atomic.Int64 // tasks that a drain waits for: queued, running, or with a result on its way
	total   atomic.Uint64
	retries atomic.Uint64
	failedN atomic.Uint64 // failed for good
	expired atomic.Uint64
	late    atomic.Uint64 // results that nobody waited for any more
	lostN   atomic.Uint64 // dead that made room for others

	strayLog limiter
}

// admission is a fiber that waits until its task finds room.
type admission struct {
	w Waiter
	t *Task
}

// begin makes the pool ready. queue may be nil: in memory.
func (p *taskPool) begin(e *Engine, queue TaskQueue, workers int) {
	if queue == nil {
		queue = NewTaskMemory(workers)
	}
	p.eng, p.queue, p.workers = e, queue, workers
}

// admit puts a task into the queue, or says why not. Under mu.
func (p *taskPool) admit(t *Task) error {
	switch {
	case p.workers == 0:
		return ErrNoTaskWorkers
	case t.Dst >= p.workers || t.Dst < -1:
		return ErrBadWorker
	case p.closed && t.Delay > 0:
		return ErrShutdown
	case !p.room():
		return ErrQueueFull
	}
	p.push(t)
	return nil
}

// room says whether there is place for one more task. Under mu.
func (p *taskPool) room() bool {
	d := p.queue.Depth()
	return d.Ready+d.Delayed < p.eng.Limits().TaskQueue
}

// push queues a task. Under mu.
func (p *taskPool) push(t *Task) {
	p.eng.Number(t)
	p.total.Add(1)
	t.Queued = time.Now()
	t.Due, t.Until = 0, 0
	now := nanotime()
	if t.Delay > 0 {
		t.Due = now + int64(t.Delay)
	} else {
		p.flying.Add(1)
	}
	if t.Deadline > 0 {
		t.Until = now + int64(t.Deadline)
	}
	p.queue.Push(t)
	p.settle()
	if t.Due == 0 {
		p.call(t.Dst)
	}
}

// look brings the look without the lock up to date. It comes before a worker is
// called: one that is about to rest looks once more. Under mu.
func (p *taskPool) look() { p.queued.Store(int64(p.queue.Depth().Ready)) }

// settle brings the look and the alarm up to date. Under mu.
func (p *taskPool) settle() {
	p.look()
	at := p.queue.Next()
	if at == 0 || p.over || p.alarmAt != 0 && p.alarmAt <= at {
		return // an alarm that rings too early only looks
	}
	p.alarmAt = at
	d := time.Duration(max(at-nanotime(), 0))
	if p.alarm == nil {
		p.alarm = time.AfterFunc(d, p.ring)
	} else {
		p.alarm.Reset(d)
	}
}

// call wakes a task worker that could run a task for dst. Under mu: what it
// takes is a baton or the lock of a mailbox.
func (p *taskPool) call(dst int) {
	tasks := p.eng.roster.Load().tasks
	if dst >= 0 {
		if dst < len(tasks) {
			tasks[dst].notify()
		}
		return
	}
	for _, l := range tasks {
		if !l.taskBusy() && l.notify() {
			return
		}
	}
}

// callAll wakes every task worker that could run a task. Under mu.
func (p *taskPool) callAll() {
	for _, l := range p.eng.roster.Load().tasks {
		if p.queue.Waits(l.idx) && !l.taskBusy() {
			l.notify()
		}
	}
}

// ring is called when the time of something in the queue has come.
func (p *taskPool) ring() {
	p.mu.Lock()
	p.alarmAt = 0
	expired := p.advance()
	p.settle()
	p.mu.Unlock()
	p.expire(expired)
}

// advance lets time pass and wakes workers for what may run now. Under mu.
func (p *taskPool) advance() (expired []*Task) {
	before := p.queue.Depth().Delayed
	expired = p.queue.Advance(nanotime())
	if come := before - p.queue.Depth().Delayed; come > 0 {
		p.flying.Add(int64(come)) // ready, or expired and not told yet
		p.look()
		p.callAll()
	}
	if len(expired) > 0 {
		p.letIn()
	}
	return expired
}

// expire tells of tasks whose deadline has passed.
func (p *taskPool) expire(list []*Task) {
	for _, t := range list {
		p.expired.Add(1)
		p.answer(t, TaskResult{Err: ErrTaskDeadline, Last: true})
	}
}

// take gives a task worker its next task, or nil.
func (p *taskPool) take(l *Loop) *Task {
	var expired []*Task
	p.mu.Lock()
	if l.off.Load() {
		p.mu.Unlock()
		return nil
	}
	if at := p.queue.Next(); at > 0 && at <= nanotime() {
		expired = p.advance() // the alarm is late
	}
	t := p.queue.Take(l.idx)
	if t != nil {
		t.Tries++
		t.on = l
		p.letIn()
	}
	p.settle()
	p.mu.Unlock()
	p.expire(expired)
	return t
}

// letIn admits tasks whose submitters wait for room. Under mu.
func (p *taskPool) letIn() {
	for len(p.waiting) > 0 && p.room() {
		a := p.waiting[0]
		p.waiting[0] = admission{}
		p.waiting = p.waiting[1:]
		if a.w.Wake(nil) {
			p.push(a.t)
		}
	}
}

// forget removes a fiber that waits no more.
func (p *taskPool) forget(w Waiter) {
	p.mu.Lock()
	p.waiting = slices.DeleteFunc(p.waiting, func(a admission) bool { return a.w == w })
	p.mu.Unlock()
}

// failed is for a task whose callback has: it runs again, or is dead.
func (p *taskPool) failed(t *Task, fault *Errno) {
	id, try, wait := t.ID, t.Tries, t.Retry.wait(t.Tries)
	again := nanotime() + int64(wait)
	p.mu.Lock()
	t.on = nil
	switch {
	case fault.Name == ErrTaskDeadline.Name:
		p.expired.Add(1)
	case t.Tries > t.Retry.Times, p.closed && fault.Name == ErrTaskCut.Name:
	case t.Until > 0 && again >= t.Until:
		p.expired.Add(1)
		fault = &Errno{ErrTaskDeadline.Name, ErrTaskDeadline.Code, "its deadline passes before another try: " + fault.Text}
	default:
		if !p.closed {
			t.Due = again
			p.flying.Add(-1)
		}
		p.queue.Fail(t)
		p.retries.Add(1)
		p.settle()
		if p.closed {
			p.call(t.Dst)
		}
		p.mu.Unlock()
		p.eng.log.Debug("a task has failed and runs again", "task", id, "try", try, "in", wait, "why", fault.Text)
		return
	}
	p.bury(t, fault)
	p.mu.Unlock()
	p.answer(t, TaskResult{Err: fault, Last: true})
}

// answer tells whoever submitted the task what came of it.
func (p *taskPool) answer(t *Task, r TaskResult) {
	if t.Answer != nil {
		t.Answer(r)
		if r.Last { // not before: a drain that sees no task under way finds the answer
			p.flying.Add(-1)
		}
		return
	}
	if r.Last && r.Value == nil && r.Err == nil && !t.Always {
		p.flying.Add(-1)
		return
	}
	p.tell(p.asker(t), t, r)
}

// tell has a loop hear of a task.
func (p *taskPool) tell(to *Loop, t *Task, r TaskResult) {
	to.Spawn(RootFinish, func(f *Fiber) {
		if to.leaving && !t.Always { // since this was sent
			p.answer(t, r)
			return
		}
		if r.Last {
			defer p.flying.Add(-1)
		}
		p.eng.handler.Finish(f, t, r)
	})
}

// asker is the loop that hears of a task: the one that submitted it, or if that
// leaves, a worker that stays; unless the handler wants to hear of it there
// (Always).
func (p *taskPool) asker(t *Task) *Loop {
	if t.Always || !t.Src.off.Load() {
		return t.Src
	}
	return p.stray(t)
}

// stray is the worker that hears of a task in place of one that has left.
func (p *taskPool) stray(t *Task) *Loop {
	l := p.eng.heir(int(t.ID))
	if p.strayLog.allow() {
		p.eng.log.Info("the worker that asked for a task has left: another one gets the result", "task", t.ID, "worker", l.ID())
	}
	return l
}

// PassResult gives what Finish was told on a loop that leaves, and has no use
// for there, to a worker that stays. Any goroutine.
func (e *Engine) PassResult(t *Task, r TaskResult) {
	if r.Last {
		e.pool.flying.Add(1)
	}
	e.pool.tell(e.pool.stray(t), t, r)
}

// resize says how many task workers there are from now on. Those that are new
// must be able to run tasks. Tasks for one that has left are for any; when there
// is none left, what waits fails. Any goroutine.
func (p *taskPool) resize(workers int) {
	p.mu.Lock()
	p.workers = workers
	if moved := p.queue.Resize(workers); moved > 0 {
		p.eng.log.Warn("tasks for task workers that have left go to any", "tasks", moved)
	}
	var stranded []*Task
	if workers == 0 {
		stranded = p.queue.Drop()
		p.flying.Add(int64(len(stranded))) // the others fly already
		for t := p.queue.Take(0); t != nil; t = p.queue.Take(0) {
			stranded = append(stranded, t)
		}
		for _, t := range stranded {
			p.bury(t, ErrNoTaskWorkers)
		}
		for _, a := range p.waiting { // for room that is there, but for nobody
			a.w.Fail(ErrNoTaskWorkers)
		}
		p.waiting = nil
	}
	p.breakCircles()
	p.settle()
	p.callAll()
	p.mu.Unlock()
	for _, t := range stranded {
		p.answer(t, TaskResult{Err: ErrNoTaskWorkers, Last: true})
	}
}

// bury keeps a task that has failed for good among the dead. Under mu.
func (p *taskPool) bury(t *Task, fault *Errno) {
	p.failedN.Add(1)
	p.lostN.Add(uint64(p.queue.Bury(t.dead(fault), p.eng.Limits().DeadTasks)))
}

// close makes the pool wait for nothing that is put off: what is delayed is
// dropped and told so, what fails from now on runs again at once. It returns how
// many tasks were dropped.
func (p *taskPool) close() int {
	p.mu.Lock()
	p.closed = true
	dropped := p.queue.Drop()
	p.flying.Add(int64(len(dropped)))
	if p.alarm != nil {
		p.alarm.Stop()
	}
	p.alarmAt = 0
	p.settle() // deadlines go on
	p.mu.Unlock()
	for _, t := range dropped {
		p.answer(t, TaskResult{Err: ErrShutdown, Last: true})
	}
	return len(dropped)
}

// stop ends the clock.
func (p *taskPool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.alarm != nil {
		p.alarm.Stop()
	}
}

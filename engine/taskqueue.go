package engine

import "time"

// TaskQueue keeps tasks from the time they are submitted until they have ended:
// those that wait for a worker, for their time or for another try, and those
// that failed for good. The engine's own, NewTaskMemory, lies in memory. One
// that outlives the process embeds it and writes down what Push, Ack, Fail,
// Bury and Unbury are told. Take need not be: a task that ran when the process
// died was never acknowledged, so it runs again.
//
// The engine calls every method under one lock: an implementation needs none of
// its own, must not wait, and must not call the engine.
type TaskQueue interface {
	// Push adds a task that may run from t.Due on.
	Push(t *Task)
	// Take gives a task worker, by its index, the next task that may run now: of
	// the highest priority, and of these the one that has waited longest. nil:
	// there is none. Whoever took it calls Ack, Fail or Bury when it has run.
	Take(worker int) *Task
	// Waits says whether Take would give that worker a task.
	Waits(worker int) bool
	// Ack says that a task has done its work.
	Ack(t *Task)
	// Fail says that it has not, and is to run again from t.Due on.
	Fail(t *Task)
	// Bury says that it has not, and is to be kept among the dead. At most limit
	// are: the oldest make room. It returns how many were lost so.
	Bury(d *DeadTask, limit int) (lost int)
	// Unbury takes a task out of the dead; nil: it is not there.
	Unbury(id uint64) *DeadTask
	// Dead lists those that failed for good, the oldest first.
	Dead() []*DeadTask
	// Advance lets time pass: tasks whose Due has come may be taken, and those
	// whose Until has come are taken out and returned.
	Advance(now int64) (expired []*Task)
	// Next is when Advance has something to do; 0: never.
	Next() int64
	// Drop takes out the tasks whose Due has not come.
	Drop() []*Task
	// Resize says how many task workers there are. Tasks for one that is no more
	// are for any worker from then on; it returns how many.
	Resize(workers int) (moved int)
	// Depth counts what is kept. It is asked often.
	Depth() TaskDepth
	// Oldest is when the oldest of the ready tasks was submitted; zero: none.
	Oldest() time.Time
}

// TaskDepth is how much lies in a queue.
type TaskDepth struct {
	Ready   int // may be taken now
	Delayed int // whose time has not come: a delay, or another try
	Dead    int // failed for good
}

// DeadTask is a task that failed for good.
type DeadTask struct {
	*Task
	Reason *Errno
	At     time.Time // when it failed
}

// dead is what is kept of a task that has failed for good: nothing that would
// keep a VM.
func (t *Task) dead(fault *Errno) *DeadTask {
	kept := &Task{ID: t.ID, Src: t.Src, Dst: t.Dst, Data: t.Data, Flags: t.Flags, TaskOptions: t.TaskOptions, Queued: t.Queued, Tries: t.Tries}
	return &DeadTask{kept, fault, time.Now()}
}

// TaskMemory is the task queue in memory.
type TaskMemory struct {
	any     lanes   // for whoever is free
	own     []lanes // for one worker each
	clock   timerHeap
	seq     uint64
	ready   int
	delayed int
	graves  fifo[*DeadTask]
}

// NewTaskMemory makes a queue for that many task workers.
func NewTaskMemory(workers int) *TaskMemory {
	return &TaskMemory{own: make([]lanes, workers)}
}

// whereabouts is where a task lies in a TaskMemory.
type whereabouts uint8

const (
	nowhere whereabouts = iota
	inClock             // its time has not come
	inLane              // ready
)

// Push implements TaskQueue.
func (q *TaskMemory) Push(t *Task) {
	if t.Due > 0 {
		t.place = inClock
		q.delayed++
		q.wakeAt(t, t.Due)
		return
	}
	q.enter(t)
}

// Fail implements TaskQueue.
func (q *TaskMemory) Fail(t *Task) { q.Push(t) }

// Ack implements TaskQueue.
func (q *TaskMemory) Ack(*Task) {}

// enter puts a task whose time has come into its lane.
func (q *TaskMemory) enter(t *Task) {
	q.seq++
	t.seq, t.place = q.seq, inLane
	q.ready++
	if t.Dst >= len(q.own) {
		t.Dst = -1 // that worker has left
	}
	q.lanesOf(t).push(t)
	if t.Until > 0 {
		q.wakeAt(t, t.Until)
	}
}

func (q *TaskMemory) lanesOf(t *Task) *lanes {
	if t.Dst >= 0 {
		return &q.own[t.Dst]
	}
	return &q.any
}

// wakeAt has Advance look at the task at that time.
func (q *TaskMemory) wakeAt(t *Task, when int64) {
	t.timer.owner = t
	q.clock.add(&t.timer, when)
}

// Take implements TaskQueue.
func (q *TaskMemory) Take(worker int) *Task {
	from := &q.any
	t := q.any.first()
	if worker < len(q.own) {
		if mine := q.own[worker].first(); mine != nil && (t == nil || mine.before(t)) {
			t, from = mine, &q.own[worker]
		}
	}
	if t == nil {
		return nil
	}
	from.pop()
	q.leave(t)
	return t
}

// leave is for a ready task that is not in its lane any more.
func (q *TaskMemory) leave(t *Task) {
	t.place = nowhere
	q.ready--
	if t.timer.armed() {
		q.clock.remove(&t.timer)
	}
}

// before says which of two ready tasks runs first.
func (t *Task) before(other *Task) bool {
	return t.Priority > other.Priority || t.Priority == other.Priority && t.seq < other.seq
}

// Waits implements TaskQueue.
func (q *TaskMemory) Waits(worker int) bool {
	return q.any.first() != nil || worker < len(q.own) && q.own[worker].first() != nil
}

// Advance implements TaskQueue.
func (q *TaskMemory) Advance(now int64) (expired []*Task) {
	for q.clock.len() > 0 && q.clock.next() <= now {
		timer := q.clock.heap[0]
		q.clock.remove(timer)
		t := timer.owner.(*Task)
		switch {
		case t.place == inClock:
			q.delayed--
			t.Due = 0
			q.enter(t) // its deadline may have passed too: then this loop meets it again
		case t.place == inLane:
			q.lanesOf(t).lost(t)
			q.leave(t)
			expired = append(expired, t)
		}
	}
	return expired
}

// Next implements TaskQueue.
func (q *TaskMemory) Next() int64 { return q.clock.next() }

// Drop implements TaskQueue.
func (q *TaskMemory) Drop() (dropped []*Task) {
	for _, timer := range q.clock.heap {
		if t := timer.owner.(*Task); t.place == inClock {
			dropped = append(dropped, t)
		}
	}
	for _, t := range dropped {
		q.clock.remove(&t.timer)
		t.place = nowhere
	}
	q.delayed = 0
	return dropped
}

// Resize implements TaskQueue.
func (q *TaskMemory) Resize(workers int) (moved int) {
	for i := workers; i < len(q.own); i++ {
		for t := q.own[i].first(); t != nil; t = q.own[i].first() {
			q.own[i].pop()
			t.Dst = -1
			q.any.push(t)
			moved++
		}
	}
	if moved > 0 {
		q.any.sort()
	}
	own := make([]lanes, workers)
	copy(own, q.own)
	q.own = own
	return moved
}

// Bury implements TaskQueue.
func (q *TaskMemory) Bury(d *DeadTask, limit int) (lost int) {
	for q.graves.len() > 0 && q.graves.len() >= limit {
		q.graves.pop()
		lost++
	}
	if limit <= 0 {
		return lost + 1
	}
	q.graves.push(d)
	return lost
}

// Unbury implements TaskQueue.
func (q *TaskMemory) Unbury(id uint64) *DeadTask {
	for n := q.graves.len(); n > 0; n-- {
		d := q.graves.pop()
		if d.ID == id {
			// The others keep their order: those before d are at the end now.
			for n--; n > 0; n-- {
				q.graves.push(q.graves.pop())
			}
			return d
		}
		q.graves.push(d)
	}
	return nil
}

// Dead implements TaskQueue.
func (q *TaskMemory) Dead() []*DeadTask {
	return append([]*DeadTask(nil), q.graves.list[q.graves.head:]...)
}

// Depth implements TaskQueue.
func (q *TaskMemory) Depth() TaskDepth {
	return TaskDepth{Ready: q.ready, Delayed: q.delayed, Dead: q.graves.len()}
}

// Oldest implements TaskQueue.
func (q *TaskMemory) Oldest() (when time.Time) {
	when = q.any.oldest(when)
	for i := range q.own {
		when = q.own[i].oldest(when)
	}
	return when
}

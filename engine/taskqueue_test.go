package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// taskModel is what a TaskMemory promises, the slow way.
type taskModel struct {
	ready   []*Task // in no order
	order   map[*Task]int
	next    int
	delayed []*Task
	dead    []uint64
	workers int
}

func (m *taskModel) enter(t *Task) {
	m.next++
	m.order[t] = m.next
	if t.Dst >= m.workers {
		t.Dst = -1
	}
	m.ready = append(m.ready, t)
}

func (m *taskModel) take(worker int) *Task {
	best := -1
	for i, t := range m.ready {
		if t.Dst >= 0 && t.Dst != worker {
			continue
		}
		if best < 0 || t.Priority > m.ready[best].Priority ||
			t.Priority == m.ready[best].Priority && m.order[t] < m.order[m.ready[best]] {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	t := m.ready[best]
	m.ready = slices.Delete(m.ready, best, best+1)
	return t
}

// advance returns the tasks that expire. Those that become ready at one time do
// so in the order of their due times.
func (m *taskModel) advance(now int64) (expired []*Task) {
	due := slices.Clone(m.delayed)
	slices.SortStableFunc(due, func(a, b *Task) int { return int(a.Due - b.Due) })
	for _, t := range due {
		if t.Due > now {
			break
		}
		m.delayed = slices.DeleteFunc(m.delayed, func(o *Task) bool { return o == t })
		if t.Until > 0 && t.Until <= now {
			expired = append(expired, t)
		} else {
			m.enter(t)
		}
	}
	m.ready = slices.DeleteFunc(m.ready, func(t *Task) bool {
		if t.Until > 0 && t.Until <= now {
			expired = append(expired, t)
			return true
		}
		return false
	})
	return expired
}

// driveTasks does with a queue what ops say, beside the model.
func driveTasks(t *testing.T, ops []byte) {
	const limit = 5
	q := NewTaskMemory(3)
	m := &taskModel{order: map[*Task]int{}, workers: 3}
	var id uint64
	var running []*Task
	now := int64(1)
	same := func(what string, got, want *Task) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: got %+v, want %+v", what, got, want)
		}
	}
	for i, op := range ops {
		arg := int(op >> 3)
		switch op & 7 {
		case 0, 1: // a task: now, or later, with or without a deadline
			task := &Task{ID: id, Dst: arg%(m.workers+1) - 1, Queued: time.Unix(now, 0)}
			id++
			task.Priority = int(ops[(i+1)%len(ops)]%4) - 1
			if arg%3 == 0 {
				task.Due = now + int64(1+arg) // two may have the same
			}
			if arg%4 == 1 {
				task.Until = max(task.Due, now) + int64(1+arg/2)
			}
			if task.Due > 0 {
				m.delayed = append(m.delayed, task)
			} else {
				m.enter(task)
			}
			q.Push(task)
		case 2, 3: // a worker is free
			w := arg % m.workers
			want := m.take(w)
			if q.Waits(w) != (want != nil) {
				t.Fatalf("step %d: Waits(%d) is %v", i, w, q.Waits(w))
			}
			same("take", q.Take(w), want)
			if want != nil {
				running = append(running, want)
			}
		case 4: // time passes
			now += int64(arg)
			want := m.advance(now)
			got := q.Advance(now)
			if len(got) != len(want) {
				t.Fatalf("step %d: %d expire, want %d", i, len(got), len(want))
			}
			for _, task := range want {
				if !slices.Contains(got, task) {
					t.Fatalf("step %d: task %d does not expire", i, task.ID)
				}
			}
		case 5: // a task ends, well or not
			if len(running) == 0 {
				break
			}
			task := running[0]
			running = running[1:]
			switch arg % 3 {
			case 0:
				q.Ack(task)
			case 1:
				task.Due, task.Until = now+int64(arg), 0
				m.delayed = append(m.delayed, task)
				if task.Due == 0 {
					t.Fatal("never")
				}
				q.Fail(task)
			case 2:
				m.dead = append(m.dead, task.ID)
				lost := q.Bury(task.dead(ErrTaskFailed), limit)
				if n := max(len(m.dead)-limit, 0); lost != n {
					t.Fatalf("step %d: %d lost, want %d", i, lost, n)
				} else {
					m.dead = m.dead[n:]
				}
			}
		case 6: // the number of workers changes
			if arg%4 != 0 {
				break
			}
			n := 1 + arg%5
			moved := 0
			for _, task := range m.ready {
				if task.Dst >= n {
					moved++
				}
			}
			m.workers = n
			if got := q.Resize(n); got != moved {
				t.Fatalf("step %d: %d moved, want %d", i, got, moved)
			}
			for _, task := range m.ready {
				if task.Dst >= n {
					t.Fatalf("step %d: task %d is for a worker that has left", i, task.ID)
				}
			}
		case 7: // one of the dead is wanted
			if len(m.dead) == 0 {
				break
			}
			k := arg % len(m.dead)
			want := m.dead[k]
			m.dead = slices.Delete(m.dead, k, k+1)
			if d := q.Unbury(want); d == nil || d.ID != want {
				t.Fatalf("step %d: Unbury(%d) is %+v", i, want, d)
			}
			if q.Unbury(1<<60) != nil {
				t.Fatal("a task that never was is among the dead")
			}
		}
		var ids []uint64
		for _, d := range q.Dead() {
			ids = append(ids, d.ID)
		}
		if !slices.Equal(ids, m.dead) {
			t.Fatalf("step %d: the dead are %v, want %v", i, ids, m.dead)
		}
		if d := q.Depth(); d.Ready != len(m.ready) || d.Delayed != len(m.delayed) || d.Dead != len(m.dead) {
			t.Fatalf("step %d: depth %+v, want %d %d %d", i, d, len(m.ready), len(m.delayed), len(m.dead))
		}
		var oldest time.Time
		for _, task := range m.ready {
			if oldest.IsZero() || task.Queued.Before(oldest) {
				oldest = task.Queued
			}
		}
		// Within a lane the first in line is the oldest by seq, which a delay may
		// have made younger by its submission: never older than the oldest.
		if got := q.Oldest(); got.IsZero() != oldest.IsZero() || got.Before(oldest) {
			t.Fatalf("step %d: oldest %v, want %v", i, got, oldest)
		}
		next := int64(0)
		for _, task := range slices.Concat(m.delayed, m.ready) {
			at := task.Due
			if at == 0 {
				at = task.Until
			}
			if at > 0 && (next == 0 || at < next) {
				next = at
			}
		}
		if q.Next() != next {
			t.Fatalf("step %d: next %d, want %d", i, q.Next(), next)
		}
	}
	if dropped := q.Drop(); len(dropped) != len(m.delayed) || q.Depth().Delayed != 0 {
		t.Fatalf("%d dropped, want %d", len(dropped), len(m.delayed))
	}
	for len(m.ready) > 0 {
		for w := range m.workers {
			same("the rest", q.Take(w), m.take(w))
		}
	}
	if q.Depth().Ready != 0 {
		t.Fatal("something is left")
	}
}

func FuzzTaskMemory(f *testing.F) {
	f.Add([]byte{0, 8, 2, 3, 250, 4})
	for range 20 {
		random := make([]byte, 600)
		for i := range random {
			random[i] = byte(rand.IntN(256))
		}
		f.Add(random)
	}
	f.Fuzz(driveTasks)
}

// Tasks that expire while no worker takes any leave nothing behind.
func TestExpiredTasksLeaveNothing(t *testing.T) {
	q := NewTaskMemory(1)
	q.Push(&Task{Dst: -1})
	for i := range int64(100_000) {
		q.Push(&Task{Dst: -1, Until: i + 1})
		if n := len(q.Advance(i + 1)); n != 1 {
			t.Fatalf("%d expired", n)
		}
	}
	if n := len(q.any.list[0].fifo.list); n > 1000 {
		t.Errorf("%d tasks are kept", n)
	}
	if d := q.Depth(); d.Ready != 1 || q.Next() != 0 {
		t.Errorf("depth %+v, next %d", d, q.Next())
	}
}

// The many priorities that tasks once had leave no lanes behind.
func TestLanesAreBounded(t *testing.T) {
	q := NewTaskMemory(1)
	for i := range 10_000 {
		task := &Task{Dst: -1}
		task.Priority = i%2001 - 1000
		q.Push(task)
		if q.Take(0) != task {
			t.Fatal("another one")
		}
	}
	if n := len(q.any.list); n > keepLanes+1 {
		t.Errorf("%d lanes", n)
	}
}

func TestRetryWaits(t *testing.T) {
	r := Retry{Times: 9, First: time.Second, Factor: 2, Max: 10 * time.Second}
	for i, want := range []int{1, 2, 4, 8, 10, 10} {
		if got := r.wait(i + 1); got != time.Duration(want)*time.Second {
			t.Errorf("after try %d: %v", i+1, got)
		}
	}
	if got := (&Retry{First: time.Hour, Factor: 1000}).wait(1000); got != longestWait {
		t.Errorf("without limit: %v", got)
	}
	if got := (&Retry{First: time.Hour}).wait(7); got != time.Hour {
		t.Errorf("without factor: %v", got)
	}
}

package engine

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// circles is a server whose tasks are functions of the fiber that runs them.
func circles(t *testing.T, workers int) *Engine {
	h := &funcs{run: func(f *Fiber, task *Task) (any, *Errno) {
		if fn, ok := task.Data.(func(*Fiber)); ok {
			fn(f)
		}
		return "done", nil
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: workers, Limits: Limits{TaskQueue: 10_000}}, h)
	return e
}

// Each task of a row waits for one that goes to the worker dst, once all of
// them have begun; so many of the waits are refused, the others are answered.
func TestCirclesOfTaskWorkers(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name     string
		workers  int
		dst      []int
		timeouts []time.Duration
		deadline time.Duration // of the first
		refused  int
	}{
		{"two wait for any", 2, []int{-1, -1}, nil, 0, 1},
		{"one waits for any", 2, []int{-1}, nil, 0, 0},
		{"crossed", 2, []int{1, 0}, nil, 0, 1},
		{"three in a ring", 3, []int{1, 2, 0}, nil, 0, 1},
		{"a chain to a free one", 4, []int{1, 2, 3}, nil, 0, 0},
		{"three wait for any", 3, []int{-1, -1, -1}, nil, 0, 1},
		{"a pair beside a free one", 3, []int{1, 0}, nil, 0, 1},
		{"one who gives up in time", 2, []int{-1, -1}, []time.Duration{30 * ms, time.Hour}, 0, 0},
		{"crossed, one gives up in time", 2, []int{1, 0}, []time.Duration{30 * ms, 0}, 0, 0},
		{"crossed, the task of one has a deadline", 2, []int{1, 0}, nil, 1000 * ms, 0},
		{"crossed, one would give up too late", 2, []int{1, 0}, []time.Duration{time.Hour, time.Minute}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := circles(t, c.workers)
			ends := make(chan error, len(c.dst))
			var begun, over atomic.Int64
			held := func() int {
				e.pool.mu.Lock()
				defer e.pool.mu.Unlock()
				return len(e.pool.holds)
			}
			for i, dst := range c.dst {
				timeout := time.Duration(0)
				if c.timeouts != nil {
					timeout = c.timeouts[i]
				}
				run := func(f *Fiber) {
					begun.Add(1)
					eventually(t, "all have begun", func() bool { return int(begun.Load()) == len(c.dst) })
					eventually(t, "those before wait", func() bool { return held()+int(over.Load()) == i })
					results, err := f.TaskGather("test", []*Task{{Src: f.Loop(), Dst: dst}}, timeout)
					if err == nil && results[0].Err != nil {
						err = results[0].Err
					}
					over.Add(1)
					ends <- err
				}
				task := &Task{Src: e.Workers()[0], Dst: i, Data: run}
				if i == 0 {
					task.Deadline = c.deadline
				}
				if err := e.Submit(task); err != nil {
					t.Fatal(err)
				}
			}
			refused := 0
			for range c.dst {
				switch err := from(t, ends); err {
				case ErrWouldDeadlock:
					refused++
				case nil, ErrTaskTimeout, ErrTaskOverdue:
				default:
					t.Errorf("%v", err)
				}
			}
			if refused != c.refused {
				t.Errorf("%d waits were refused, want %d", refused, c.refused)
			}
			eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
			if n := held(); n != 0 {
				t.Errorf("%d waits are kept", n)
			}
		})
	}
}

// The worker that could have run it leaves: the wait ends.
func TestCircleWhenATaskWorkerLeaves(t *testing.T) {
	e := circles(t, 2)
	var g gate
	src := e.Workers()[0]
	end := make(chan error, 1)
	if err := e.Submit(&Task{Src: src, Dst: 1, Data: func(f *Fiber) { g.pass(f) }}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one is busy", func() bool { return g.waiting() == 1 })
	err := e.Submit(&Task{Src: src, Dst: 0, Data: func(f *Fiber) {
		_, err := f.TaskGather("test", []*Task{{Src: f.Loop(), Dst: 1}}, 0)
		end <- err
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits", func() bool { return e.TaskStats().Ready == 1 })
	resize(t, e, 1, 1, func(*Loop) {})
	if err := from(t, end); err != ErrWouldDeadlock {
		t.Errorf("the wait ended with %v", err)
	}
	g.open()
	eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
}

// The worker that runs it leaves: it ends its task, and the wait goes on.
func TestNoCircleWithATaskWorkerThatLeaves(t *testing.T) {
	e := circles(t, 2)
	var g gate
	end := make(chan error, 1)
	err := e.Submit(&Task{Src: e.Workers()[0], Dst: 0, Data: func(f *Fiber) {
		_, err := f.TaskGather("test", []*Task{{Src: f.Loop(), Dst: 1, Data: func(f *Fiber) { g.pass(f) }}}, 0)
		end <- err
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one runs it", func() bool { return g.waiting() == 1 })
	resize(t, e, 1, 1, func(*Loop) {})
	g.open()
	if err := from(t, end); err != nil {
		t.Errorf("the wait ended with %v", err)
	}
	eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
}

// Tasks that wait for tasks, at random: none hangs, and a wait is refused only
// when workers wait for each other.
func TestCircleStorm(t *testing.T) {
	const workers, outer = 3, 300
	e := circles(t, workers)
	src := e.Workers()[0]
	var answered, refused, ended atomic.Int64
	var run func(deep int) func(*Fiber)
	run = func(deep int) func(*Fiber) {
		return func(f *Fiber) {
			defer ended.Add(1)
			if deep == 0 {
				return
			}
			var tasks []*Task
			for range 1 + rand.IntN(2) {
				tasks = append(tasks, &Task{Src: f.Loop(), Dst: rand.IntN(workers+1) - 1, Data: run(deep - 1)})
			}
			timeout := time.Duration(0)
			if rand.IntN(4) == 0 {
				timeout = time.Duration(1+rand.IntN(50)) * time.Millisecond
			}
			switch _, err := f.TaskGather("test", tasks, timeout); err {
			case nil:
				answered.Add(1)
			case ErrWouldDeadlock:
				refused.Add(1)
			default:
				t.Errorf("a wait ended with %v", err)
			}
		}
	}
	for i := range outer {
		eventually(t, "there is time for more", func() bool { return e.pool.flying.Load() < 3 })
		if err := e.Submit(&Task{Src: src, Dst: -1, Data: run(i % 4)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have ended", func() bool { return e.pool.flying.Load() == 0 })
	if answered.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d waits were answered, %d refused", answered.Load(), refused.Load())
	}
	t.Logf("%d tasks: %d waits were answered, %d refused", ended.Load(), answered.Load(), refused.Load())
}

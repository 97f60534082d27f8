package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Thousands of tasks, some of which wait: each runs once, on the worker it was
// meant for, and its result goes to the loop that asked.
func TestTasks(t *testing.T) {
	for _, concurrent := range []bool{false, true} {
		modes(t, func(t *testing.T, o Options) {
			const workers = 4
			total := few(8000)
			o.TaskWorkers, o.TaskConcurrent = workers, concurrent
			ran := make([]atomic.Int32, total)
			finished := make([]atomic.Int32, total)
			var inside [workers]int
			var overlap atomic.Bool
			var done, silent atomic.Int64
			h := &funcs{
				task: func(f *Fiber, task *Task) (any, bool) {
					i := task.Data.(int)
					ran[i].Add(1)
					w := f.Loop().idx
					if task.Dst >= 0 && task.Dst != w {
						t.Errorf("a task for worker %d ran on %d", task.Dst, w)
					}
					if inside[w]++; inside[w] > 1 {
						overlap.Store(true)
					}
					if i%50 == 0 {
						sleep(f, time.Microsecond)
					}
					inside[w]--
					switch i % 10 {
					case 1:
						silent.Add(1)
						return nil, false
					case 2:
						f.Loop().FinishTask(task, i)
					}
					return i, true
				},
				finish: func(f *Fiber, task *Task, result any) {
					if f.Loop() != task.Src || result != task.Data || f.Root() != RootFinish {
						t.Errorf("result %v of task %v came to loop %d as %v", result, task.Data, f.Loop().ID(), f.Root())
					}
					if finished[result.(int)].Add(1); result.(int)%100 == 0 {
						sleep(f, time.Microsecond)
					}
					done.Add(1)
				},
			}
			e, _ := serve(t, o, h)
			var wg sync.WaitGroup
			for part := range 4 {
				wg.Go(func() {
					for i := part; i < total; i += 4 {
						task := &Task{Src: e.Workers()[i%len(e.Workers())], Dst: i%(workers+1) - 1, Data: i}
						if i%7 == 0 {
							task.Src = e.control
						}
						if err := e.Submit(task); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
			for i := range total {
				want := int32(1)
				switch i % 10 {
				case 1:
					want = 0
				case 2:
					want = 2
				}
				if n := ran[i].Load(); n != 1 {
					t.Errorf("task %d ran %d times", i, n)
				}
				if n := finished[i].Load(); n != want {
					t.Errorf("task %d has %d results, want %d", i, n, want)
				}
			}
			if overlap.Load() != concurrent {
				t.Errorf("tasks overlap: %v, want %v", overlap.Load(), concurrent)
			}
			if st := e.Stats(nil); st.TasksQueued != 0 || st.TasksRunning != 0 || st.Tasks != uint64(total) {
				t.Errorf("queued %d, running %d, of %d", st.TasksQueued, st.TasksRunning, st.Tasks)
			}
		})
	}
}

// A task is seen at once by a worker whose other tasks wait.
func TestTaskBesideWaitingTask(t *testing.T) {
	ran := make(chan int, 4)
	var g gate
	h := &funcs{task: func(f *Fiber, task *Task) (any, bool) {
		ran <- task.Data.(int)
		g.pass(f)
		return nil, false
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 1, Limits: Limits{TaskConcurrent: true}}, h)
	for i := range 4 {
		eventually(t, "the worker rests", func() bool { return e.TaskWorkers()[0].state.Load() == idle })
		if err := e.Submit(&Task{Dst: -1, Data: i}); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-ran:
			if n != i {
				t.Errorf("task %d ran, want %d", n, i)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the task was not seen")
		}
	}
	g.open()
}

func TestTaskQueueIsBounded(t *testing.T) {
	var g gate
	var ran atomic.Int32
	h := &funcs{task: func(f *Fiber, task *Task) (any, bool) {
		g.pass(f)
		ran.Add(1)
		return nil, false
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 2, Limits: Limits{TaskQueue: 10}}, h)
	for range 2 {
		if err := e.Submit(&Task{Dst: -1}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both workers are busy", func() bool { return g.waiting() == 2 })
	for i := range 10 {
		if err := e.Submit(&Task{Dst: i%3 - 1}); err != nil {
			t.Errorf("task %d: %v", i, err)
		}
	}
	if err := e.Submit(&Task{Dst: -1}); err != ErrQueueFull {
		t.Errorf("one task too many: %v", err)
	}
	if err := e.Submit(&Task{Dst: 2}); err != ErrBadWorker {
		t.Errorf("a task for a worker that is not: %v", err)
	}
	g.open()
	eventually(t, "all run", func() bool { return ran.Load() == 12 })
	none, _ := serve(t, Options{Workers: 1}, &funcs{})
	if err := none.Submit(&Task{Dst: -1}); err != ErrNoTaskWorkers {
		t.Errorf("without task workers: %v", err)
	}
}

// A panic in a task or its result loses that one and nothing else.
func TestPanicInTask(t *testing.T) {
	var finished atomic.Int32
	h := &funcs{
		task: func(f *Fiber, task *Task) (any, bool) {
			if task.Data.(int)%3 == 0 {
				sleep(f, time.Microsecond)
				panic("on purpose")
			}
			return task.Data, true
		},
		finish: func(f *Fiber, task *Task, result any) {
			finished.Add(1)
			if task.Data.(int)%3 == 1 {
				panic("on purpose")
			}
		},
	}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 2}, h)
	for i := range 30 {
		e.Submit(&Task{Src: e.Workers()[0], Dst: -1, Data: i})
	}
	eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
	if n := finished.Load(); n != 20 {
		t.Errorf("%d results, want 20", n)
	}
	onLoop(e.Workers()[0], func() {}) // the last panic is told
	if h.panicked.Swap(nil) == nil {
		t.Error("the panics were not reported")
	}
}

package engine

import (
	"slices"
	"testing"
	"time"
)

func TestTaskGather(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var g gate
		h := &funcs{run: func(f *Fiber, task *Task) (any, *Errno) {
			switch task.Data {
			case "gate":
				g.pass(f)
			case "fails":
				return nil, ErrTaskFailed
			case "parts":
				f.Loop().FinishTask(task, "part 1")
				f.Loop().FinishTask(task, "part 2")
			case "nothing":
				return nil, nil
			}
			return task.Data, nil
		}}
		o.TaskWorkers, o.TaskQueue = 2, 8
		e, _ := serve(t, o, h)
		type answer struct {
			results []TaskResult
			err     error
		}
		gather := func(l *Loop, timeout time.Duration, data ...any) answer {
			t.Helper()
			done := make(chan answer, 1)
			l.Spawn(RootSession, func(f *Fiber) {
				var tasks []*Task
				for _, d := range data {
					task := &Task{Src: l, Dst: -1, Data: d}
					if d == "nowhere" {
						task.Dst = 9
					}
					if d == "gate" {
						task.Dst = 0
					}
					tasks = append(tasks, task)
				}
				results, err := f.TaskGather("test", tasks, timeout)
				done <- answer{results, err}
			})
			return from(t, done)
		}
		w := e.Workers()[0]
		for _, l := range []*Loop{w, e.control} {
			a := gather(l, time.Hour, "one", "fails", "parts", "nothing", "nowhere")
			if a.err != nil {
				t.Fatal(a.err)
			}
			want := []TaskResult{{Value: "one", Last: true}, {Err: ErrTaskFailed, Last: true}, {Value: "part 1"}, {Last: true}, {Err: ErrBadWorker}}
			if !slices.Equal(a.results, want) {
				t.Errorf("got %+v", a.results)
			}
		}
		if a := gather(w, time.Hour); a.err != nil || len(a.results) != 0 {
			t.Errorf("no task: %+v", a)
		}
		if a := gather(w, time.Hour, "nowhere"); a.err != nil || a.results[0].Err != ErrBadWorker {
			t.Errorf("none that runs: %+v", a)
		}
		eventually(t, "two results came too late", func() bool { return e.TaskStats().Late == 4 }) // of parts, twice
		a := gather(w, 500*time.Millisecond, "gate", "two")
		if a.err != nil || a.results[0].Err != ErrTaskTimeout || a.results[1].Value != "two" {
			t.Errorf("after the time-out: %+v", a)
		}
		g.open()
		eventually(t, "its result came too late", func() bool { return e.TaskStats().Late == 5 })

		// A cancelled wait.
		var shut gate
		g = gate{}
		cancelled := make(chan error, 1)
		w.Spawn(RootSession, func(f *Fiber) {
			_, err := f.TaskGather("test", []*Task{{Src: w, Dst: -1, Data: "gate"}}, 0)
			cancelled <- err
			shut.open()
		})
		eventually(t, "it waits", func() bool { return g.waiting() == 1 })
		onLoop(w, func() { w.CancelIf(errStop, func(*Fiber) bool { return true }) })
		if err := from(t, cancelled); err != errStop {
			t.Errorf("cancelled: %v", err)
		}
		g.open()
		eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
	})
}

// A task that waits for one that only its own worker could run.
func TestWouldDeadlock(t *testing.T) {
	for _, c := range []struct {
		workers    int
		concurrent bool
		dst        int
		beside     bool // the wait is in a co.go of the task
		want       error
	}{
		{1, false, -1, false, ErrWouldDeadlock},
		{1, false, 0, false, ErrWouldDeadlock},
		{2, false, 0, false, ErrWouldDeadlock},
		{2, false, -1, false, nil},
		{2, false, 1, false, nil},
		{1, true, -1, false, nil},
		{1, false, -1, true, nil},
	} {
		got := make(chan error, 1)
		h := &funcs{run: func(f *Fiber, task *Task) (any, *Errno) {
			l := f.Loop()
			if task.Data == "inner" {
				return 1, nil
			}
			wait := func(f *Fiber) {
				_, err := f.TaskGather("test", []*Task{{Src: l, Dst: c.dst, Data: "inner"}}, time.Hour)
				got <- err
			}
			if c.beside {
				f.Go(RootTask, wait)
			} else {
				wait(f)
			}
			return nil, nil
		}}
		e, _ := serve(t, Options{Workers: 1, TaskWorkers: c.workers, Limits: Limits{TaskConcurrent: c.concurrent}}, h)
		if err := e.Submit(&Task{Src: e.Workers()[0], Dst: 0, Data: "outer"}); err != nil {
			t.Fatal(err)
		}
		if err := from(t, got); err != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
	}
}

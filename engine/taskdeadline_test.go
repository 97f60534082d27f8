package engine

import (
	"testing"
	"time"
)

// A task that runs at its deadline is cancelled there, waiting or computing, and
// does not run again; one that ends in time is not, nor is what its worker does
// next.
func TestDeadlineOfARunningTask(t *testing.T) {
	const deadline = 500 * time.Millisecond
	var n ends
	ran := make(chan time.Duration, 10)
	h := &funcs{told: n.told, run: func(f *Fiber, task *Task) (any, *Errno) {
		began := time.Now()
		var err error
		switch task.Data {
		case "waits":
			err = sleep(f, time.Hour)
			if again := sleep(f, time.Hour); again != err {
				t.Errorf("a later wait ended with %v", again)
			}
		case "computes":
			err = compute(f.Loop(), func() bool { return false })
		case "waits, then computes":
			sleep(f, time.Hour)
			err = compute(f.Loop(), func() bool { return false })
		case "after it":
			err = sleep(f, time.Millisecond)
		}
		ran <- time.Since(began)
		if err != nil {
			return nil, err.(*Errno)
		}
		return task.Data, nil
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 1, Limits: Limits{TaskStretch: -1}}, h)
	submit := func(data string, d time.Duration) {
		t.Helper()
		task := &Task{Src: e.Workers()[0], Dst: -1, Data: data, TaskOptions: TaskOptions{Deadline: d, Retry: Retry{Times: 3}}}
		if err := e.Submit(task); err != nil {
			t.Fatal(err)
		}
		from(t, ran)
		eventually(t, "it is told", func() bool { return len(n.of(data)) == 1 })
	}
	submit("in time", time.Hour)
	for i, data := range []string{"waits", "computes", "waits, then computes"} {
		submit(data, deadline)
		if r := n.of(data)[0]; r.Err != ErrTaskOverdue || !r.Last {
			t.Errorf("%s: %+v", data, r)
		}
		dead := e.DeadTasks()
		if len(dead) != i+1 || dead[i].Data != data || dead[i].Tries != 1 || dead[i].Reason != ErrTaskOverdue {
			t.Errorf("%s: %d dead, the last is %+v", data, len(dead), dead[len(dead)-1])
		}
	}
	submit("after it", 0)
	submit("also in time", deadline)
	beside := make(chan error, 1)
	e.TaskWorkers()[0].Message(func(f *Fiber) { // not the task's, so not its deadline's
		end := time.Now().Add(deadline + deadline/4)
		if err := compute(f.Loop(), func() bool { return time.Now().After(end) }); err != nil {
			beside <- err
			return
		}
		beside <- f.Cancelled()
	})
	if err := from(t, beside); err != nil {
		t.Errorf("what the worker did next ended with %v", err)
	}
	if n.why("after it") != "" || n.why("in time") != "" {
		t.Error("a task in time was cut")
	}
	if st := e.TaskStats(); st.Expired != 3 || st.Failed != 3 || st.Retried != 0 {
		t.Errorf("%+v", st)
	}
	eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
}

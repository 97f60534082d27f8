package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ends collects what tasks tell, by the task's data.
type ends struct {
	mu   sync.Mutex
	seen map[any][]TaskResult
}

func (n *ends) told(_ *Fiber, t *Task, r TaskResult) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[any][]TaskResult{}
	}
	n.seen[t.Data] = append(n.seen[t.Data], r)
}

func (n *ends) of(data any) []TaskResult {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.seen[data])
}

// why is the name of the error that a task ended with; "" while it has not.
func (n *ends) why(data any) string {
	if list := n.of(data); len(list) > 0 && list[len(list)-1].Err != nil {
		return list[len(list)-1].Err.Name
	}
	return ""
}

func TestDelayAndDeadline(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var n ends
		var g gate
		began := make(chan any, 100)
		h := &funcs{told: n.told, run: func(f *Fiber, task *Task) (any, *Errno) {
			began <- task.Data
			if task.Data == "gate" {
				g.pass(f)
			}
			return task.Data, nil
		}}
		o.TaskWorkers = 1
		e, _ := serve(t, o, h)
		src := e.Workers()[0]
		submit := func(data string, opt TaskOptions) {
			t.Helper()
			if err := e.Submit(&Task{Src: src, Dst: -1, Data: data, TaskOptions: opt}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		submit("second", TaskOptions{Delay: 400 * time.Millisecond})
		submit("first", TaskOptions{Delay: 200 * time.Millisecond})
		submit("zeroth", TaskOptions{})
		for _, want := range []string{"zeroth", "first", "second"} {
			if got := from(t, began); got != want {
				t.Errorf("%v runs, want %v", got, want)
			}
		}
		if d := time.Since(start); d < 400*time.Millisecond {
			t.Errorf("after %v", d)
		}

		// With the worker held, priorities decide, and what is late does not run.
		submit("gate", TaskOptions{})
		from(t, began)
		submit("low", TaskOptions{Priority: -1})
		submit("plain", TaskOptions{})
		submit("high", TaskOptions{Priority: 5, Deadline: time.Hour})
		submit("late", TaskOptions{Priority: 9, Deadline: 10 * time.Millisecond})
		submit("later", TaskOptions{Delay: 5 * time.Millisecond, Deadline: 15 * time.Millisecond})
		eventually(t, "both are told of their deadline", func() bool {
			return n.why("late") == "deadline" && n.why("later") == "deadline"
		})
		if st := e.TaskStats(); st.Expired != 2 || st.Ready != 3 || st.Running != 1 || st.Busy != 1 || st.Age <= 0 {
			t.Errorf("%+v", st)
		}
		g.open()
		for _, want := range []string{"high", "plain", "low"} {
			if got := from(t, began); got != want {
				t.Errorf("%v runs, want %v", got, want)
			}
		}
		eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
		if len(began) > 0 {
			t.Errorf("%v runs too", <-began)
		}
	})
}

func TestRetriesAndTheDead(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var n ends
		var mu sync.Mutex
		tries := map[any][]time.Time{}
		var cured atomic.Bool
		h := &funcs{told: n.told, run: func(f *Fiber, task *Task) (any, *Errno) {
			mu.Lock()
			tries[task.Data] = append(tries[task.Data], time.Now())
			k := len(tries[task.Data])
			mu.Unlock()
			if cured.Load() || task.Data == "third time" && k == 3 {
				return k, nil
			}
			return nil, &Errno{Name: ErrTaskFailed.Name, Text: fmt.Sprintf("%v, try %d", task.Data, k)}
		}}
		o.TaskWorkers = 2
		o.DeadTasks = 3
		e, _ := serve(t, o, h)
		src := e.Workers()[0]
		r := Retry{Times: 2, First: 20 * time.Millisecond, Factor: 2}
		submit := func(data any, opt TaskOptions) {
			t.Helper()
			if err := e.Submit(&Task{Src: src, Dst: -1, Data: data, TaskOptions: opt}); err != nil {
				t.Fatal(err)
			}
		}
		submit("third time", TaskOptions{Retry: r})
		submit("never", TaskOptions{Retry: r})
		submit("once", TaskOptions{})
		submit("no time", TaskOptions{Retry: Retry{Times: 5, First: time.Hour}, Deadline: time.Minute})
		eventually(t, "all have ended", func() bool {
			return len(n.of("third time")) == 1 && n.why("never") != "" && n.why("once") != "" && n.why("no time") != ""
		})
		if got := n.of("third time"); got[0].Value != 3 || !got[0].Last {
			t.Errorf("%+v", got)
		}
		if got := n.of("never"); len(got) != 1 || got[0].Err.Text != "never, try 3" {
			t.Errorf("%+v", got)
		}
		if n.why("no time") != "deadline" {
			t.Errorf("%+v", n.of("no time"))
		}
		mu.Lock()
		if at := tries["never"]; len(at) != 3 || at[1].Sub(at[0]) < 20*time.Millisecond || at[2].Sub(at[1]) < 40*time.Millisecond {
			t.Errorf("tries at %v", at)
		}
		mu.Unlock()
		dead := map[any]*DeadTask{}
		for _, d := range e.DeadTasks() {
			dead[d.Data] = d
		}
		if len(dead) != 3 || dead["never"].Tries != 3 || dead["once"].Tries != 1 || dead["never"].Reason.Text != "never, try 3" {
			t.Errorf("the dead: %+v", dead)
		}

		// The dead are bounded, the oldest go.
		submit("one more", TaskOptions{})
		eventually(t, "it has failed", func() bool { return n.why("one more") != "" })
		if st := e.TaskStats(); st.Dead != 3 || st.Forgotten != 1 || st.Retried != 4 || st.Failed != 4 {
			t.Errorf("%+v", st)
		}

		// Requeued, they run with all their tries.
		cured.Store(true)
		list := e.DeadTasks()
		last := list[len(list)-1]
		if err := e.Requeue(last.ID); err != nil {
			t.Fatal(err)
		}
		if err := e.Requeue(last.ID); err != ErrNoTask {
			t.Errorf("twice: %v", err)
		}
		eventually(t, "it has a result", func() bool { return len(n.of(last.Data)) == 2 })
		if got := n.of(last.Data)[1]; got.Err != nil || !got.Last {
			t.Errorf("%+v", got)
		}
		if !e.DropDead(list[0].ID) || e.DropDead(list[0].ID) || len(e.DeadTasks()) != 1 {
			t.Errorf("the dead: %v", e.DeadTasks())
		}
		eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
	})
}

func TestWaitForRoom(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var g gate
		var order []any
		h := &funcs{run: func(f *Fiber, task *Task) (any, *Errno) {
			if task.Data == "gate" {
				g.pass(f)
			}
			order = append(order, task.Data)
			return nil, nil
		}}
		o.TaskWorkers, o.TaskQueue = 1, 2
		e, _ := serve(t, o, h)
		l := e.Workers()[0]
		if err := e.Submit(&Task{Src: l, Dst: -1, Data: "gate"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the worker is busy", func() bool { return g.waiting() == 1 })
		for i := range 2 {
			if err := e.Submit(&Task{Src: l, Dst: -1, Data: i}); err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 100)
		try := func(data any, timeout time.Duration) {
			l.Spawn(RootSession, func(f *Fiber) { results <- f.Submit(&Task{Src: l, Dst: -1, Data: data}, timeout) })
		}
		try("now", 0)
		if err := from(t, results); err != ErrQueueFull {
			t.Errorf("without a wait: %v", err)
		}
		try("short", time.Millisecond)
		if err := from(t, results); err != ErrQueueFull {
			t.Errorf("after the time-out: %v", err)
		}
		for i := range 5 {
			try(10+i, time.Hour)
		}
		eventually(t, "five wait", func() bool { return e.TaskStats().Waiting == 5 })
		onLoop(l, func() {
			n := 0
			l.CancelIf(errStop, func(*Fiber) bool { n++; return n == 1 })
		})
		if err := from(t, results); err != errStop {
			t.Errorf("a cancelled one: %v", err)
		}
		eventually(t, "four wait", func() bool { return e.TaskStats().Waiting == 4 })
		g.open()
		for range 4 {
			if err := from(t, results); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "no task flies", func() bool { return e.pool.flying.Load() == 0 })
		onLoop(e.TaskWorkers()[0], func() {
			if len(order) != 7 {
				t.Errorf("%v", order)
			}
		})
	})
}

// A worker that has left hears nothing: another one does.
func TestAskerHasLeft(t *testing.T) {
	told := make(chan *Loop, 10)
	h := &funcs{told: func(f *Fiber, task *Task, r TaskResult) { told <- f.Loop() },
		run: func(f *Fiber, task *Task) (any, *Errno) { return 1, nil }}
	e, _ := serve(t, Options{Workers: 2, TaskWorkers: 1}, h)
	if err := e.Submit(&Task{Src: e.Workers()[1], Dst: -1}); err != nil {
		t.Fatal(err)
	}
	if l := from(t, told); l != e.Workers()[1] {
		t.Errorf("worker %d is told", l.ID())
	}
	r, err := e.Prepare(1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.Commit()
	if err := e.Submit(&Task{Src: r.Leaving()[0], Dst: -1}); err != nil {
		t.Fatal(err)
	}
	if l := from(t, told); l != e.Workers()[0] {
		t.Errorf("worker %d is told", l.ID())
	}
}

// Tasks for a task worker that goes are for any, and none is accepted for it.
func TestFewerTaskWorkers(t *testing.T) {
	var g gate
	ran := make(chan int, 10)
	var n ends
	h := &funcs{told: n.told, run: func(f *Fiber, task *Task) (any, *Errno) {
		if task.Data == nil {
			g.pass(f)
			return nil, nil
		}
		ran <- f.Loop().idx
		return nil, nil
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 2, Limits: Limits{TaskQueue: 3}}, h)
	l := e.Workers()[0]
	for i := range 2 {
		e.Submit(&Task{Src: l, Dst: i})
	}
	eventually(t, "both are busy", func() bool { return g.waiting() == 2 })
	for range 3 {
		e.Submit(&Task{Src: l, Dst: 1, Data: 1})
	}
	e.pool.resize(1)
	if err := e.Submit(&Task{Src: l, Dst: 1, Data: 1}); err != ErrBadWorker {
		t.Errorf("for one that has left: %v", err)
	}
	g.open()
	for range 3 {
		from(t, ran)
	}
	// The last one leaves: what waits fails, and can be had back.
	g = gate{}
	for range 2 { // both loops are there still
		e.Submit(&Task{Src: l, Dst: -1})
	}
	eventually(t, "they are busy", func() bool { return g.waiting() == 2 })
	for i := range 3 {
		e.Submit(&Task{Src: l, Dst: i%2 - 1, Data: "stranded", TaskOptions: TaskOptions{Delay: time.Duration(i/2) * time.Hour}})
	}
	waited := make(chan error, 1)
	l.Spawn(RootSession, func(f *Fiber) { waited <- f.Submit(&Task{Src: l, Dst: -1}, time.Hour) })
	eventually(t, "one waits for room", func() bool { return e.TaskStats().Waiting == 1 })
	e.pool.resize(0)
	if err := from(t, waited); err != ErrNoTaskWorkers {
		t.Errorf("who waits for room: %v", err)
	}
	eventually(t, "the three are told", func() bool { return len(n.of("stranded")) == 3 })
	if n.why("stranded") != "no_task_workers" || e.TaskStats().Dead != 3 {
		t.Errorf("%+v, %+v", n.of("stranded"), e.TaskStats())
	}
	g.open()
	if err := e.Submit(&Task{Src: l, Dst: -1}); err != ErrNoTaskWorkers {
		t.Errorf("without task workers: %v", err)
	}
	e.pool.resize(2)
	if err := e.Submit(&Task{Src: l, Dst: 1, Data: 1}); err != nil {
		t.Error(err)
	}
	from(t, ran)
}

// A drain does not wait for what is put off, and tells those who asked.
func TestDrainDropsWhatIsDelayed(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var n ends
		var running atomic.Int32
		var g gate
		h := &funcs{told: n.told, run: func(f *Fiber, task *Task) (any, *Errno) {
			running.Add(1)
			g.pass(f)
			if task.Data == "fails" && task.Tries < 3 {
				return nil, ErrTaskFailed
			}
			return task.Data, nil
		}}
		o.TaskWorkers, o.DrainTime = 2, time.Hour
		e, _ := serve(t, o, h)
		l := e.Workers()[0]
		e.Submit(&Task{Src: l, Dst: -1, Data: "delayed", TaskOptions: TaskOptions{Delay: time.Hour}})
		e.Submit(&Task{Src: l, Dst: -1, Data: "runs"})
		// A task that fails while the server stops runs again at once.
		e.Submit(&Task{Src: l, Dst: -1, Data: "fails", TaskOptions: TaskOptions{Retry: Retry{Times: 5, First: time.Hour}}})
		eventually(t, "two run", func() bool { return running.Load() == 2 })
		done := make(chan []string)
		go func() { done <- e.Drain(func(string) {}) }()
		eventually(t, "the delayed one is told", func() bool { return n.why("delayed") == "shutdown" })
		if err := e.Submit(&Task{Src: l, Dst: -1, TaskOptions: TaskOptions{Delay: time.Hour}}); err != ErrShutdown {
			t.Errorf("a delay while the server stops: %v", err)
		}
		g.open()
		if cut := from(t, done); len(cut) > 0 {
			t.Errorf("cut: %v", cut)
		}
		for _, data := range []any{"runs", "fails"} {
			if got := n.of(data); len(got) != 1 || got[0].Value != data {
				t.Errorf("%v: %+v", data, got)
			}
		}
	})
}

// With task_enable_coroutine a worker takes as many as may wait, and rests.
func TestGluttedTaskWorker(t *testing.T) {
	var g gate
	var ran atomic.Int32
	h := &funcs{run: func(f *Fiber, task *Task) (any, *Errno) {
		if err := g.pass(f); err != nil {
			return nil, &Errno{Name: "refused", Text: err.Error()}
		}
		ran.Add(1)
		return nil, nil
	}}
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 1, Limits: Limits{TaskConcurrent: true, MaxFibers: 5}}, h)
	l := e.TaskWorkers()[0]
	for range 20 {
		e.Submit(&Task{Src: e.Workers()[0], Dst: -1})
	}
	eventually(t, "it has taken five, and rests", func() bool { return g.waiting() == 5 && l.state.Load() == idle })
	if st := e.TaskStats(); st.Running != 5 || st.Ready != 15 {
		t.Errorf("%+v", st)
	}
	g.open()
	eventually(t, "all have run", func() bool { return ran.Load() == 20 })
	if st := e.TaskStats(); st.Failed != 0 {
		t.Errorf("%+v", st)
	}
}

// Thousands of tasks with everything a task may have, from all sides at once:
// each ends exactly once.
func TestTaskStorm(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		total := few(6000)
		const workers = 3
		ended := make([]atomic.Int32, total)
		var overdue, refused atomic.Int32
		end := func(i int) {
			if ended[i].Add(1) > 1 {
				t.Errorf("task %d ends again", i)
			}
		}
		h := &funcs{
			told: func(f *Fiber, task *Task, r TaskResult) {
				if task.Data.(int)%100 == 0 {
					sleep(f, time.Microsecond)
				}
				if r.Last {
					end(task.Data.(int))
				}
			},
			run: func(f *Fiber, task *Task) (any, *Errno) {
				i := task.Data.(int)
				if task.Until > 0 && Now() > task.Until+int64(time.Second) {
					overdue.Add(1)
				}
				if i%20 == 0 {
					sleep(f, time.Duration(1+rand.IntN(300))*time.Microsecond)
				}
				if i%7 == 0 && task.Tries < 1+i%4 {
					return nil, ErrTaskFailed
				}
				if i%5 == 0 {
					f.Loop().FinishTask(task, "part")
				}
				if i%3 == 0 {
					return nil, nil
				}
				return i, nil
			},
		}
		o.TaskWorkers, o.TaskQueue, o.DeadTasks = workers, 200, 10
		o.TaskConcurrent = o.Workers > 1
		e, _ := serve(t, o, h)
		options := func(i int) TaskOptions {
			var p TaskOptions
			p.Priority = i % 3
			if i%11 == 0 {
				p.Delay = time.Duration(i%5) * time.Millisecond
			}
			if i%13 == 0 {
				p.Deadline = p.Delay + time.Duration(1+i%3)*time.Millisecond
			}
			if i%14 == 0 {
				p.Retry = Retry{Times: 2, First: time.Duration(i%3) * time.Millisecond}
			}
			return p
		}
		var wg sync.WaitGroup
		loops := append(append([]*Loop{}, e.Workers()...), e.TaskWorkers()[0], e.control)
		for part := range 8 {
			wg.Add(1)
			l := loops[part%len(loops)]
			l.Spawn(RootSession, func(f *Fiber) {
				defer wg.Done()
				for i := part; i < total; i += 8 {
					task := &Task{Src: l, Dst: i%(workers+1) - 1, Data: i, TaskOptions: options(i), Always: true}
					if i%17 == 0 && l.role&taskRole == 0 {
						res, err := f.TaskGather("test", []*Task{task}, time.Hour)
						if err != nil {
							t.Error(err)
						}
						if res[0].Err == ErrQueueFull {
							refused.Add(1)
						}
						end(i) // nobody else is told
						continue
					}
					for {
						err := f.Submit(task, time.Duration(i%3)*time.Second)
						if err == nil {
							break
						}
						if err != ErrQueueFull {
							t.Error(err)
							break
						}
						sleep(f, time.Millisecond)
					}
				}
			})
		}
		stats := make(chan bool)
		go func() {
			for {
				select {
				case <-stats:
					return
				default:
					if st := e.TaskStats(); st.Ready+st.Delayed > 200+workers {
						t.Errorf("%+v", st)
					}
					e.DeadTasks()
					time.Sleep(time.Millisecond)
				}
			}
		}()
		wg.Wait()
		eventually(t, "no task flies", func() bool {
			st := e.TaskStats()
			return e.pool.flying.Load() == 0 && st.Delayed == 0
		})
		close(stats)
		for i := range ended {
			if n := ended[i].Load(); n != 1 {
				t.Errorf("task %d has ended %d times", i, n)
			}
		}
		if overdue.Load() > 0 {
			t.Errorf("%d ran long after their deadline", overdue.Load())
		}
		if st := e.TaskStats(); st.Running != 0 || st.Busy != 0 || st.Dead > 10 || int(st.Submitted) != total-int(refused.Load()) {
			t.Errorf("%+v", st)
		}
	})
}

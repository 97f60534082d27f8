package scripting

import (
	"fmt"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// taskState is what a VM knows of tasks. Baton holder.
type taskState struct {
	running []*taskRun        // on a task worker: what its fibers run
	awaited map[*awaited]bool // callbacks of this VM for tasks that have not ended
	served  int               // tasks that this VM has run
	renewAt int               // the VM is to be renewed when it has run so many
}

// awaited is a callback that a task was given; it needs the VM until the task
// has ended.
type awaited struct {
	in *Instance
	fn *lua.LFunction
	id uint64
}

// taskRun is one try of a task, as the fiber of a task worker that runs it.
type taskRun struct {
	in    *Instance
	f     *engine.Fiber
	t     *engine.Task
	tries int
	data  lua.LValue // the task's, for the object
	ended bool
}

// newTask makes a task of what a script asked for.
func (in *Instance) newTask(r *taskRequest, v lua.LValue, flags int, L *lua.LState) *engine.Task {
	data, bad := toPlain(v)
	if bad != nil {
		vm.Raise(L, "%s", bad.message("data", "a task"))
	}
	if _, isString := data.(string); !isString {
		flags |= taskSerialized
	}
	if r.callback != nil {
		flags |= taskCallback
	}
	return &engine.Task{Src: in.loop, Dst: r.dst, Data: data, Flags: flags, TaskOptions: r.TaskOptions}
}

// await has the task tell fn what comes of it, instead of onFinish.
func (in *Instance) await(t *engine.Task, fn *lua.LFunction) {
	a := &awaited{in: in, fn: fn, id: t.ID}
	t.Meta, t.Always = a, true
	if in.tasks.awaited == nil {
		in.tasks.awaited = map[*awaited]bool{}
	}
	in.tasks.awaited[a] = true
	in.underWay++
}

// over is for a callback that will not be called any more.
func (a *awaited) over() {
	if in := a.in; in.tasks.awaited[a] {
		delete(in.tasks.awaited, a)
		in.release()
	}
}

// dropAwaited gives up the callbacks of a VM that goes: the results of their tasks
// go to onFinish of the live one.
func (in *Instance) dropAwaited(why string) {
	for a := range in.tasks.awaited {
		in.host.log.Warn(why, "what", fmt.Sprintf("the callback of task %d (worker %d, generation %d): onFinish gets its result", a.id, in.number, in.gen.id))
		a.over()
	}
}

// submit queues a task. What onWorkerStart submits is queued when every worker
// is live.
func (in *Instance) submit(t *engine.Task, r *taskRequest, L *lua.LState) error {
	e := in.host.engine
	if in.stage == warming {
		e.Number(t)
		in.held = append(in.held, func() {
			if r.callback != nil {
				in.await(t, r.callback)
			}
			if err := e.Submit(t); err != nil {
				in.loop.Spawn(engine.RootFinish, func(f *engine.Fiber) {
					in.host.Finish(f, t, engine.TaskResult{Err: errnoOf(err), Last: true})
				})
			}
		})
		return nil
	}
	if r.callback != nil {
		e.Number(t)
		in.await(t, r.callback)
	}
	var err error
	if r.wait > 0 {
		f := in.mustWait(L, r.what)
		p := in.park(L)
		err = f.Submit(t, r.wait)
		p.back()
		raiseCancel(L, f, err)
	} else {
		err = e.Submit(t)
	}
	if err != nil && r.callback != nil {
		t.Meta.(*awaited).over()
	}
	return err
}

// errnoOf is err as a script sees it.
func errnoOf(err error) *engine.Errno {
	if e, ok := err.(*engine.Errno); ok {
		return e
	}
	return &engine.Errno{Name: "error", Code: 502, Text: err.Error()}
}

// Task runs onTask on a task worker.
func (h *Host) Task(f *engine.Fiber, t *engine.Task) (result any, fault *engine.Errno) {
	in := h.liveOn(f)
	if in == nil {
		return nil, engine.ErrTaskCut
	}
	fn := in.on[evTask]
	if fn == nil { // a task from code that had onTask, met by code that has not
		err := &vm.Error{Message: fmt.Sprintf("there is no onTask in this generation: task %d cannot run", t.ID)}
		in.failed(f, evTask.String(), 0, err)
		return nil, &engine.Errno{Name: engine.ErrTaskFailed.Name, Code: engine.ErrTaskFailed.Code, Text: err.Message}
	}
	c := in.begin(f, evTask, "", fn)
	run := &taskRun{in: in, f: f, t: t, tries: t.Tries}
	in.tasks.running = append(in.tasks.running, run)
	in.tasks.served++
	c.th.Push(in.server.value)
	if in.settings().taskObject() {
		c.th.Push(in.NewObject(taskType, run))
	} else {
		c.th.Push(lua.LNumber(t.ID))
		c.th.Push(lua.LNumber(t.Src.ID()))
		c.th.Push(toLua(c.th.State(), t.Data))
	}
	err := c.th.Run(1)
	var bad *plainError
	if err == nil {
		result, bad = toPlain(c.th.Get(1))
	}
	run.end()
	c.end()
	in.wear()
	if bad != nil {
		err = &vm.Error{Message: "onTask: " + bad.message("result", "onFinish")}
	}
	if err == nil {
		return result, nil
	}
	fault = &engine.Errno{Name: engine.ErrTaskFailed.Name, Code: engine.ErrTaskFailed.Code, Text: err.Message}
	if why := f.Cancelled(); why == engine.ErrTaskOverdue {
		fault = engine.ErrTaskOverdue
	} else if why != nil {
		fault.Name, fault.Text = engine.ErrTaskCut.Name, engine.ErrTaskCut.Text+": "+why.Error()
	}
	in.failed(f, evTask.String(), 0, err)
	return nil, fault
}

// wear renews the VM of a task worker that has run task_max_request tasks.
func (in *Instance) wear() {
	n := in.settings().MaxTasks
	if n == 0 || in.stage != live {
		return
	}
	s := &in.tasks
	if s.renewAt == 0 {
		s.renewAt = n + in.settings().taskGrace()
	}
	if s.served >= s.renewAt && in.host.renew(in.loop, "task_max_request", nil) {
		s.renewAt += n // if it fails, not again with the next task
	}
}

// end closes a try.
func (r *taskRun) end() {
	r.ended = true
	list := r.in.tasks.running
	for i := range list {
		if list[i] == r {
			r.in.tasks.running = append(list[:i], list[i+1:]...)
			return
		}
	}
}

// send sends a result before the end of the task.
func (r *taskRun) send(L *lua.LState, v lua.LValue) int {
	result, bad := toPlain(v)
	if bad != nil {
		vm.Raise(L, "%s", bad.message("data", "onFinish"))
	}
	if r.ended {
		return r.in.server.fail(L, engine.ErrTaskEnded)
	}
	r.in.loop.FinishTask(r.t, result)
	L.Push(lua.LTrue)
	return 1
}

// doFinish is server:finish(data) inside onTask, or in a fiber that it started.
func (in *Instance) doFinish(L *lua.LState) int {
	in.mustRun(L, "server:finish")
	f := in.loop.Current()
	for _, r := range in.tasks.running {
		if r.f == f {
			return r.send(L, L.Get(2))
		}
	}
	if f.Root() == engine.RootTask {
		if list := in.tasks.running; len(list) == 1 {
			return list[0].send(L, L.Get(2))
		}
		vm.Raise(L, "server:finish: several tasks run on this worker; say which: task:finish (task_use_object)")
	}
	vm.Raise(L, "server:finish is for onTask")
	return 0
}

// Finish tells the script what came of a task: its own callback, or onFinish.
func (h *Host) Finish(f *engine.Fiber, t *engine.Task, r engine.TaskResult) {
	a, _ := t.Meta.(*awaited)
	if a != nil && a.in.loop == f.Loop() && a.in.tasks.awaited[a] {
		if r.Value != nil || r.Err != nil || !r.Last {
			a.in.tell(f, a.fn, t, r)
		}
		if r.Last {
			a.over()
		}
		return
	}
	if f.Loop().Leaving() {
		h.engine.PassResult(t, r)
		return
	}
	in := h.liveOn(f)
	if in == nil {
		return
	}
	switch {
	case r.Err != nil:
		in.taskFault(f, t, r.Err)
	case r.Value == nil && r.Last:
	case in.on[evFinish] != nil:
		in.tell(f, in.on[evFinish], t, r)
	default:
		if n, ok := in.storm.allow("onFinish", "", 0); ok {
			h.log.Warn("a task has a result, but there is no onFinish", "task", t.ID, "worker", in.number, "not_shown", n)
		}
	}
}

// tell calls fn(server, task_id, result), or fn(server, task_id, nil, reason,
// text).
func (in *Instance) tell(f *engine.Fiber, fn *lua.LFunction, t *engine.Task, r engine.TaskResult) {
	c := in.begin(f, evFinish, "", fn)
	c.th.Push(in.server.value)
	if data := toLua(c.th.State(), r.Value); in.objects() {
		c.th.Push(in.resultObject(t, data, r))
	} else {
		c.th.Push(lua.LNumber(t.ID))
		c.th.Push(data)
		if r.Err != nil {
			c.th.Push(lua.LString(r.Err.Name))
			c.th.Push(lua.LString(r.Err.Text))
		}
	}
	err := c.th.Run(0)
	c.end()
	if err != nil {
		in.failed(f, evFinish.String(), 0, err)
	}
}

// taskFault reports a task that failed and has no callback of its own. What
// onTask threw was reported where it happened.
func (in *Instance) taskFault(f *engine.Fiber, t *engine.Task, fault *engine.Errno) {
	switch name := fault.Name; {
	case name == engine.ErrTaskFailed.Name, name == engine.ErrTaskLost.Name, name == engine.ErrTaskDeadline.Name && t.Tries > 0:
		if t.Retry.Times > 0 {
			in.host.log.Warn("a task has failed for good: server:deadTasks", "task", t.ID, "tries", t.Tries, "why", fault.Text)
		}
	case name == engine.ErrTaskCut.Name:
		in.host.log.Warn("a task was cut: server:deadTasks", "task", t.ID, "why", fault.Text)
	case name == engine.ErrShutdown.Name: // the drain has said how many
	default:
		in.failed(f, evTask.String(), 0, &vm.Error{Message: fmt.Sprintf("task %d was not run: %s: %s", t.ID, fault.Name, fault.Text)})
	}
}

// liveOn is the live instance of the loop of f. While the server starts there is
// none yet on some loops: then f waits for it; nil if it is cancelled.
func (h *Host) liveOn(f *engine.Fiber) *Instance {
	s := seatOf(f.Loop())
	for s.live == nil {
		w, err := f.Begin("the start")
		if err != nil {
			return nil
		}
		s.early = append(s.early, w)
		if _, err := f.Wait(0); err != nil {
			return nil
		}
	}
	return s.live
}

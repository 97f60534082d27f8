package scripting

import (
	"sort"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// doTask is server:task(data, dst, callback, options).
func (in *Instance) doTask(L *lua.LState) int {
	in.mustRun(L, "server:task")
	return in.task1(L, in.request(L, "server:task", 3, 4, 5), L.Get(2))
}

// doTaskAfter is server:task_after(ms, data, dst, callback, options).
func (in *Instance) doTaskAfter(L *lua.LState) int {
	in.mustRun(L, "server:task_after")
	ms, _ := number(L.Get(2))
	if !(ms >= 1) || ms > maxTaskDelay*1000 {
		vm.Raise(L, "server:task_after: the time must be 1 to %d milliseconds, not %s", int(maxTaskDelay)*1000, show(L.Get(2)))
	}
	r := in.request(L, "server:task_after", 4, 5, 6)
	if r.Delay > 0 {
		vm.Raise(L, "server:task_after: the delay is given twice")
	}
	r.Delay = time.Duration(ms * float64(time.Millisecond))
	if r.Deadline > 0 && r.Deadline <= r.Delay {
		vm.Raise(L, "server:task_after: the task's deadline (%v) is not after its delay (%v)", r.Deadline, r.Delay)
	}
	return in.task1(L, r, L.Get(3))
}

func (in *Instance) task1(L *lua.LState, r *taskRequest, data lua.LValue) int {
	t := in.newTask(r, data, taskAsked, L)
	if err := in.submit(t, r, L); err != nil {
		return in.server.fail(L, err)
	}
	L.Push(lua.LNumber(t.ID))
	return 1
}

// taskTimeout is how long taskwait and its kin wait if they are not told.
const taskTimeout = 500 * time.Millisecond

func (in *Instance) taskTimeout(L *lua.LState, n int, what string) time.Duration {
	if L.Get(n) == lua.LNil {
		return taskTimeout
	}
	return seconds(L, n, what)
}

// gather submits tasks and waits for them.
func (in *Instance) gather(L *lua.LState, what string, tasks []*engine.Task, timeout time.Duration) []engine.TaskResult {
	if in.stage == warming {
		vm.Raise(L, "%s: task workers run nothing before onWorkerStart has returned everywhere (server:task is held until then)", what)
	}
	f := in.mustWait(L, what)
	p := in.park(L)
	results, err := f.TaskGather(what, tasks, timeout)
	p.back()
	if err != nil {
		vm.Raise(L, "%s: %s", what, err.Error())
	}
	return results
}

// doTaskwait is server:taskwait(data, timeout, dst, options).
func (in *Instance) doTaskwait(L *lua.LState) int {
	const what = "server:taskwait"
	in.mustRun(L, what)
	r := in.request(L, what, 4, 0, 5)
	t := in.newTask(r, L.Get(2), taskFiber, L)
	res := in.gather(L, what, []*engine.Task{t}, in.taskTimeout(L, 3, what))[0]
	if res.Err != nil {
		return in.server.fail(L, res.Err)
	}
	L.Push(toLua(L, res.Value))
	return 1
}

// doTaskWaitMulti is server:taskWaitMulti(list, timeout, options): a result for
// each task that has one, under the key of its data.
func (in *Instance) doTaskWaitMulti(L *lua.LState) int {
	return in.taskMulti(L, "server:taskWaitMulti", taskAll|taskFiber, nil)
}

// doTaskCo is server:taskCo(list, timeout, options): the same, with false where
// there is no result.
func (in *Instance) doTaskCo(L *lua.LState) int {
	return in.taskMulti(L, "server:taskCo", taskFiber, lua.LFalse)
}

// taskMulti returns the results, and the reasons where there is none if there
// are any; false, reason, text if not one task could be submitted.
func (in *Instance) taskMulti(L *lua.LState, what string, flags int, missing lua.LValue) int {
	in.mustRun(L, what)
	list := L.CheckTable(2)
	r := in.request(L, what, 4, 0, 5)
	var keys []lua.LValue
	var tasks []*engine.Task
	vm.Each(list, func(k, v lua.LValue) bool {
		keys = append(keys, k)
		tasks = append(tasks, in.newTask(r, v, flags, L))
		return true
	})
	if len(tasks) == 0 {
		L.Push(L.NewTable())
		return 1
	}
	sort.Stable(byIndex{keys, tasks})
	results := in.gather(L, what, tasks, in.taskTimeout(L, 3, what))
	values, reasons := L.CreateTable(len(tasks), 0), (*lua.LTable)(nil)
	refused := 0
	for i, res := range results {
		if res.Err == nil {
			vm.RawSet(L, values, keys[i], toLua(L, res.Value))
			continue
		}
		if tasks[i].Queued.IsZero() {
			refused++
		}
		if reasons == nil {
			reasons = L.NewTable()
		}
		vm.RawSet(L, reasons, keys[i], lua.LString(res.Err.Name))
		if missing != nil {
			vm.RawSet(L, values, keys[i], missing)
		}
	}
	if refused == len(tasks) {
		return in.server.fail(L, results[0].Err)
	}
	L.Push(values)
	if reasons == nil {
		return 1
	}
	in.server.lastError = engine.ErrTaskTimeout.Code
	L.Push(reasons)
	return 2
}

// byIndex sorts whole-number keys before others, so that a list is submitted in
// its order.
type byIndex struct {
	keys  []lua.LValue
	tasks []*engine.Task
}

func (b byIndex) Len() int { return len(b.keys) }
func (b byIndex) Less(i, j int) bool {
	x, isNumber := b.keys[i].(lua.LNumber)
	y, other := b.keys[j].(lua.LNumber)
	return isNumber && (!other || x < y)
}
func (b byIndex) Swap(i, j int) {
	b.keys[i], b.keys[j] = b.keys[j], b.keys[i]
	b.tasks[i], b.tasks[j] = b.tasks[j], b.tasks[i]
}

// doDeadTasks is server:deadTasks(action, id): tasks that failed for good.
func (in *Instance) doDeadTasks(L *lua.LState) int {
	in.mustRun(L, "server:deadTasks")
	e := in.host.engine
	action := L.OptString(2, "list")
	var act func(id uint64) error
	switch action {
	case "list":
	case "requeue":
		act = e.Requeue
	case "drop":
		act = func(id uint64) error {
			if !e.DropDead(id) {
				return engine.ErrNoTask
			}
			return nil
		}
	default:
		vm.Raise(L, "server:deadTasks: unknown action '%s'%s: list, requeue or drop", action, didYouMean(action, []string{"list", "requeue", "drop"}))
	}
	if v := L.Get(3); v != lua.LNil {
		id, ok := number(v)
		if !ok || id < 0 || id != float64(uint64(id)) {
			vm.Raise(L, "bad argument #2 'id' to 'server:deadTasks' (task id expected, got %s)", show(v))
		}
		if act == nil {
			vm.Raise(L, "server:deadTasks: 'list' takes no id")
		}
		if err := act(uint64(id)); err != nil {
			return in.server.fail(L, err)
		}
		L.Push(lua.LNumber(1))
		return 1
	}
	dead := e.DeadTasks()
	if act == nil {
		L.Push(deadList(L, dead))
		return 1
	}
	n := 0
	for _, d := range dead {
		if err := act(d.ID); err == engine.ErrNoTask {
			continue // somebody else was faster
		} else if err != nil {
			in.server.fail(L, err)
			L.Push(lua.LNumber(n))
			return 4
		}
		n++
	}
	L.Push(lua.LNumber(n))
	return 1
}

func deadList(L *lua.LState, dead []*engine.DeadTask) *lua.LTable {
	list := L.CreateTable(len(dead), 0)
	for i, d := range dead {
		t := L.CreateTable(0, 8)
		t.RawSetString("id", lua.LNumber(d.ID))
		t.RawSetString("data", toLua(L, d.Data))
		t.RawSetString("reason", lua.LString(d.Reason.Name))
		t.RawSetString("message", lua.LString(d.Reason.Text))
		t.RawSetString("tries", lua.LNumber(d.Tries))
		t.RawSetString("src_worker_id", lua.LNumber(d.Src.ID()))
		t.RawSetString("queued", lua.LNumber(float64(d.Queued.UnixNano())/1e9))
		t.RawSetString("failed", lua.LNumber(float64(d.At.UnixNano())/1e9))
		list.RawSetInt(i+1, t)
	}
	return list
}

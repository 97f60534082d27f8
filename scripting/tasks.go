package scripting

import (
	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// taskCall is what a task carries beside its data.
type taskCall struct {
	in       *Instance      // who asked: a callback given with the task runs there
	callback *lua.LFunction // instead of onFinish
	gen      uint64
}

func (in *Instance) doTask(L *lua.LState) int {
	in.mustRun(L, "server:task")
	data, bad := toPlain(L.Get(2))
	if bad != nil {
		vm.Raise(L, "%s", bad.message("data", "a task"))
	}
	dst := L.OptInt(3, -1)
	t := &engine.Task{Dst: dst, Data: data}
	meta := &taskCall{in: in, gen: in.gen.id}
	t.Meta = meta
	if fn, ok := L.Get(4).(*lua.LFunction); ok {
		meta.callback = fn
	}
	if in.loop != in.host.engine.Control() {
		t.Src = in.loop
	}
	if err := in.host.engine.Submit(t); err != nil {
		return in.server.fail(L, err)
	}
	if meta.callback != nil {
		in.underWay++ // the callback needs this VM
	}
	L.Push(lua.LNumber(t.ID))
	return 1
}

// Task runs onTask on a task worker.
func (h *Host) Task(f *engine.Fiber, t *engine.Task) (result any, ok bool) {
	in := current(f)
	fn := in.on[evTask]
	if fn == nil { // a task from code that had onTask, met by code that has not
		in.failed(f, evTask.String(), 0, &vm.Error{Message: "there is no onTask in this generation: the task is lost"})
		return nil, false
	}
	c := in.begin(f, evTask, "", fn)
	in.tasks = append(in.tasks, running{f, t})
	src := lua.LNumber(-1)
	if t.Src != nil {
		src = lua.LNumber(t.Src.ID())
	}
	L := c.th.State()
	c.th.Push(in.server.value)
	c.th.Push(lua.LNumber(t.ID))
	c.th.Push(src)
	c.th.Push(toLua(L, t.Data))
	err := c.th.Run(1)
	var bad *plainError
	if err == nil {
		result, bad = toPlain(c.th.Get(1))
	}
	for i := range in.tasks {
		if in.tasks[i].f == f {
			in.tasks = append(in.tasks[:i], in.tasks[i+1:]...)
			break
		}
	}
	c.end()
	if bad != nil {
		err = &vm.Error{Message: "onTask: " + bad.message("result", "onFinish")}
	}
	if err != nil {
		in.failed(f, evTask.String(), 0, err)
		return nil, meta(t).callback != nil
	}
	return result, result != nil || meta(t).callback != nil
}

func meta(t *engine.Task) *taskCall { return t.Meta.(*taskCall) }

// running is a task that a fiber of this task worker runs.
type running struct {
	f *engine.Fiber
	t *engine.Task
}

// doFinish is server:finish(data) inside onTask: a result before the end.
func (in *Instance) doFinish(L *lua.LState) int {
	in.mustRun(L, "server:finish")
	f := in.loop.Current()
	for _, r := range in.tasks {
		if r.f != f {
			continue
		}
		result, bad := toPlain(L.Get(2))
		if bad != nil {
			vm.Raise(L, "%s", bad.message("data", "onFinish"))
		}
		if r.t.Src == nil {
			return in.server.fail(L, engine.ErrNoResult)
		}
		in.loop.FinishTask(r.t, result, false)
		L.Push(lua.LTrue)
		return 1
	}
	vm.Raise(L, "server:finish is for onTask")
	return 0
}

// Finish runs onFinish, or the task's own callback, on the loop that asked.
func (h *Host) Finish(f *engine.Fiber, t *engine.Task, result any, last bool) {
	m := meta(t)
	in, fn := current(f), (*lua.LFunction)(nil)
	if in != nil {
		fn = in.on[evFinish]
	}
	own := m.callback != nil && m.in.stage != dead
	if own {
		in, fn = m.in, m.callback
	}
	if fn != nil && (result != nil || !last) {
		c := in.begin(f, evFinish, "", fn)
		c.th.Push(in.server.value)
		c.th.Push(lua.LNumber(t.ID))
		c.th.Push(toLua(c.th.State(), result))
		err := c.th.Run(0)
		c.end()
		if err != nil {
			in.failed(f, evFinish.String(), 0, err)
		}
	}
	if own && last {
		in.release()
	}
}

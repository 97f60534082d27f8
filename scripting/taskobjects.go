package scripting

import (
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Flags of a task, with Swoole's numbers.
const (
	taskSerialized = 2  // its data is not a string
	taskAsked      = 4  // server:task
	taskCallback   = 8  // it has a callback of its own
	taskAll        = 16 // server:taskWaitMulti
	taskFiber      = 32 // server:taskwait, server:taskCo
)

// taskType is the object that onTask gets with task_use_object.
var taskType = &Type{
	Name: "task",
	Doc:  "A task that runs: what onTask is called with when task_use_object or task_enable_coroutine is set.",
	Methods: []Func{
		{Name: "finish", Params: []Param{{"data", "any"}}, Returns: "boolean, string?, string?",
			Doc: "Send a result before onTask returns. May be called several times, and from fibers that the task has started.",
			Fn:  func(in *Instance, L *lua.LState) int { return Self[*taskRun](L).send(L, L.Get(2)) }},
		{Name: "pack", Params: []Param{{"data", "any"}}, Returns: "string",
			Doc: "Plain data as a string, from which unpack makes it again; without an argument, the task's own data.",
			Fn:  doTaskPack},
		{Name: "unpack", Params: []Param{{"text", "string"}}, Returns: "any",
			Doc: "The data that pack made a string of; nil, reason, text if it did not.",
			Fn:  doTaskUnpack},
	},
	Fields: []Param{{"id", "number"}, {"worker_id", "number"}, {"flags", "number"}, {"data", "any"}, {"dispatch_time", "number"}, {"tries", "number"}},
	Field: func(in *Instance, v any, name string) lua.LValue {
		r := v.(*taskRun)
		switch name {
		case "id":
			return lua.LNumber(r.t.ID)
		case "worker_id":
			return lua.LNumber(r.t.Src.ID())
		case "flags":
			return lua.LNumber(r.t.Flags)
		case "data":
			if r.data == nil {
				r.data = toLua(in.vm.State(), r.t.Data)
			}
			return r.data
		case "dispatch_time":
			return lua.LNumber(float64(r.t.Queued.UnixNano()) / 1e9)
		case "tries":
			return lua.LNumber(r.tries)
		}
		return nil
	},
}

func doTaskPack(in *Instance, L *lua.LState) int {
	data := Self[*taskRun](L).t.Data
	if L.GetTop() > 1 {
		var bad *plainError
		if data, bad = toPlain(L.Get(2)); bad != nil {
			vm.Raise(L, "%s", bad.Refuse("data", "pack", "into a task"))
		}
	}
	L.Push(lua.LString(packPlain(data)))
	return 1
}

func doTaskUnpack(in *Instance, L *lua.LState) int {
	v, err := unpackPlain(L.CheckString(2))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString("malformed"))
		L.Push(lua.LString(err.Error()))
		return 3
	}
	L.Push(toLua(L, v))
	return 1
}

package scripting

import (
	"os"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// With event_object a callback gets the server and one table with what would be
// its other arguments, under the names that Swoole's objects have.

var objectSettings = []setting{
	{name: "event_object", def: "false", server: boolean(func(s *Settings) *bool { return &s.EventObject }),
		doc: "onConnect, onReceive, onClose, onPacket, onPipeMessage, onTask, onFinish and onWorkerError get (server, object) instead of single arguments"},
}

// objects says whether callbacks get objects.
func (in *Instance) objects() bool { return in.gen.settings.EventObject }

// field is one field of an object.
type field struct {
	name  string
	value lua.LValue
}

// object is a table of fields, and when the callback began.
func (in *Instance) object(fields ...field) *lua.LTable {
	t := in.vm.State().CreateTable(0, len(fields)+1)
	for _, f := range fields {
		t.RawSetString(f.name, f.value)
	}
	t.RawSetString("dispatch_time", lua.LNumber(float64(time.Now().UnixNano())/1e9))
	return t
}

// eventObject is the object of onConnect, onReceive and onClose.
func (in *Instance) eventObject(fd, reactor lua.LValue, more ...field) *lua.LTable {
	return in.object(append(more, field{"fd", fd}, field{"reactor_id", reactor})...)
}

// packetObject is the object of onPacket.
func (in *Instance) packetObject(p *engine.Packet) *lua.LTable {
	t := in.client(p)
	t.RawSetString("data", lua.LString(p.Data))
	return t
}

// messageObject is the object of onPipeMessage.
func (in *Instance) messageObject(src, data lua.LValue) *lua.LTable {
	return in.object(field{"source_worker_id", src}, field{"worker_id", src}, field{"data", data})
}

// resultObject is the object of onFinish, and of the callback of a task.
func (in *Instance) resultObject(t *engine.Task, data lua.LValue, r engine.TaskResult) *lua.LTable {
	o := in.object(field{"task_id", lua.LNumber(t.ID)}, field{"task_worker_id", lua.LNumber(t.Worker())}, field{"data", data})
	if r.Err != nil {
		o.RawSetString("reason", lua.LString(r.Err.Name))
		o.RawSetString("text", lua.LString(r.Err.Text))
	}
	return o
}

// statusObject is the object of onWorkerError.
func (in *Instance) statusObject(id int, why string) *lua.LTable {
	return in.object(field{"worker_id", lua.LNumber(id)}, field{"worker_pid", lua.LNumber(os.Getpid())},
		field{"status", lua.LNumber(255 << 8)}, field{"exit_code", lua.LNumber(255)}, field{"signal", lua.LNumber(0)},
		field{"err", lua.LString(why)})
}

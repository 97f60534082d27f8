package scripting

import (
	"fmt"
	"os"
	"strings"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// serverObject is the `server` of one VM: a userdata whose methods and fixed
// fields lie in one table, and whose changing fields are functions behind it.
type serverObject struct {
	in        *Instance
	value     *lua.LUserData
	methods   *lua.LTable
	fields    map[string]func(L *lua.LState) lua.LValue
	builtin   map[string]bool
	proxyMeta *lua.LTable
	lastError int
}

// method is one row of the table of methods.
type method struct {
	name   string
	params []Param
	doc    string
	fn     func(in *Instance, L *lua.LState) int
}

// aliases are the old names that Swoole keeps.
var methodAliases = map[string]string{
	"addlistener": "listen", "exist": "exists", "connection_info": "getClientInfo", "connection_list": "getClientList",
}

func newServerObject(in *Instance) *serverObject {
	L := in.vm.State()
	so := &serverObject{in: in, builtin: map[string]bool{}}
	so.methods = L.CreateTable(0, 64)
	define := func(name string, fn lua.LGFunction) {
		so.methods.RawSetString(name, L.NewFunction(fn))
		so.builtin[name] = true
	}
	// The two on every message's path are bound without the general checks.
	define("send", so.send)
	define("close", so.close)
	for i := range in.host.methods {
		define(in.host.methods[i].name, bindServer(in, &in.host.methods[i]))
	}
	for alias, name := range methodAliases {
		so.methods.RawSetString(alias, so.methods.RawGetString(name))
		so.builtin[alias] = true
	}
	so.fields = so.changingFields()
	for name := range so.fields {
		so.builtin[name] = true
	}
	so.setFixed()

	dynamic := L.NewTable()
	dynamic.RawSetString("__index", L.NewFunction(so.index))
	so.methods.Metatable = dynamic

	meta := L.NewTable()
	meta.RawSetString("__index", so.methods)
	meta.RawSetString("__newindex", L.NewFunction(so.newIndex))
	meta.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString("server"))
		return 1
	}))
	meta.RawSetString("__metatable", lua.LString("server"))
	so.value = &lua.LUserData{Value: so, Env: L.G.Global, Metatable: meta}
	return so
}

// setFixed fills in the fields that do not change while the VM lives.
func (so *serverObject) setFixed() {
	in := so.in
	fixed := map[string]lua.LValue{
		"master_pid":  lua.LNumber(os.Getpid()),
		"manager_pid": lua.LNumber(os.Getpid()),
		"worker_pid":  lua.LNumber(os.Getpid()),
		"worker_id":   lua.LNumber(in.number),
		"taskworker":  lua.LBool(in.task),
		"generation":  lua.LNumber(in.gen.id),
	}
	in.id = fixed["worker_id"]
	for name, v := range fixed {
		so.methods.RawSetString(name, v)
		so.builtin[name] = true
	}
}

// changingFields are computed when they are read.
func (so *serverObject) changingFields() map[string]func(*lua.LState) lua.LValue {
	in := so.in
	return map[string]func(*lua.LState) lua.LValue{
		"host": func(*lua.LState) lua.LValue { return lua.LString(in.settings().Host) },
		"port": func(*lua.LState) lua.LValue {
			if len(in.gen.ports) > 0 {
				return lua.LNumber(in.gen.ports[0].Addr().Port)
			}
			return lua.LNumber(in.settings().Port)
		},
		"ports": func(L *lua.LState) lua.LValue {
			t := L.NewTable()
			t.RawSetInt(1, in.NewObject(portType, in.decl.primary))
			for i, d := range in.decl.ports {
				t.RawSetInt(i+2, in.NewObject(portType, d))
			}
			return t
		},
		"type": func(*lua.LState) lua.LValue { return lua.LNumber(in.settings().Kind) },
		"mode": func(*lua.LState) lua.LValue { return lua.LString(in.settings().Mode.String()) },
		"setting": func(L *lua.LState) lua.LValue {
			s := in.settings()
			t := L.NewTable()
			for name, v := range s.Given {
				t.RawSetString(name, in.shown(name, v))
			}
			t.RawSetString("worker_num", lua.LNumber(s.Workers))
			t.RawSetString("task_worker_num", lua.LNumber(s.TaskWorkers))
			t.RawSetString("max_connection", lua.LNumber(s.MaxConnection))
			t.RawSetString("output_buffer_size", lua.LNumber(s.maxSend()))
			return t
		},
		"connections": func(L *lua.LState) lua.LValue {
			return in.sessionList(func(*engine.Session) bool { return true })
		},
	}
}

// settings are the resolved settings, or while the top level runs what it has
// set so far.
func (in *Instance) settings() *Settings {
	if in.stage != declaring && in.gen.settings != nil {
		return in.gen.settings
	}
	s, _ := resolve(append(append([]given(nil), in.decl.values...), in.host.flags...), in.decl.ports)
	return s
}

func (so *serverObject) index(L *lua.LState) int {
	key, ok := L.Get(2).(lua.LString)
	if !ok {
		L.Push(lua.LNil)
		return 1
	}
	name := string(key)
	if f := so.fields[name]; f != nil {
		L.Push(f(L))
		return 1
	}
	if hint := so.nearMethod(name); hint != "" {
		vm.Raise(L, "server has no '%s' (did you mean '%s'?)", name, hint)
	}
	L.Push(lua.LNil)
	return 1
}

// nearMethod finds the name that was meant, if it is a slip of the pen.
func (so *serverObject) nearMethod(name string) string {
	if len(name) < 4 {
		return ""
	}
	best := ""
	for known := range so.builtin {
		if (best == "" || known < best) && distance(name, known) == 1 {
			best = known
		}
	}
	return best
}

// newIndex lets a script keep fields of its own on the server, as PHP scripts
// do, but not replace what is there.
func (so *serverObject) newIndex(L *lua.LState) int {
	key := L.Get(2)
	if name, ok := key.(lua.LString); ok && so.builtin[string(name)] {
		vm.Raise(L, "server.%s cannot be changed", name)
	}
	L.RawSet(so.methods, key, L.Get(3))
	return 0
}

// fail answers as every method does that Swoole answers with false.
func (so *serverObject) fail(L *lua.LState, err error) int {
	e, ok := err.(*engine.Errno)
	if !ok {
		e = &engine.Errno{Name: "error", Code: 502, Text: err.Error()}
	}
	so.lastError = e.Code
	L.Push(lua.LFalse)
	L.Push(lua.LString(e.Name))
	L.Push(lua.LString(e.Text))
	return 3
}

// failNil is fail for a method of which false could be an answer.
func (so *serverObject) failNil(L *lua.LState, err error) int {
	n := so.fail(L, err)
	L.Replace(-n, lua.LNil)
	return n
}

// session finds the session named by argument n of the running function.
func (so *serverObject) session(L *lua.LState, n int) (*engine.Session, error) {
	id, ok := L.Get(n).(lua.LNumber)
	if !ok {
		text, isText := L.Get(n).(lua.LString)
		f, isNumber := number(text)
		if _, isTable := L.Get(n).(*lua.LTable); isTable {
			vm.Raise(L, "bad argument #%d 'fd' (number expected, got table): the sender of a packet has no session: server:sendto(client.address, client.port, data)", n-1)
		}
		if !isText || !isNumber {
			argFault(L, n, "fd", "number", L.Get(n))
		}
		id = lua.LNumber(f)
	}
	if id < 1 || id != lua.LNumber(engine.SessionID(id)) {
		return nil, engine.ErrNoSession
	}
	if s := so.in.loop.Current().Session(); s != nil && s.ID() == engine.SessionID(id) {
		return s, nil
	}
	return so.in.host.engine.Session(engine.SessionID(id))
}

// argFault raises a Lua error that names the argument. n counts self.
func argFault(L *lua.LState, n int, name, want string, got lua.LValue) {
	kind := got.Type().String()
	if n > L.GetTop() {
		kind = "no value"
	}
	vm.Raise(L, "bad argument #%d '%s' (%s expected, got %s)", n-1, name, want, kind)
}

// send is server:send(fd, data).
func (so *serverObject) send(L *lua.LState) int {
	in := so.in
	if in.stage == declaring || in.asked != "" {
		in.mustRun(L, "server:send")
	}
	if L.Get(1) != so.value {
		so.badSelf(L, "send")
	}
	data, ok := L.Get(3).(lua.LString)
	if !ok {
		n, isNumber := L.Get(3).(lua.LNumber)
		if !isNumber {
			argFault(L, 3, "data", "string", L.Get(3))
		}
		data = lua.LString(n.String())
	}
	s, err := so.session(L, 2)
	if err == nil {
		f := in.loop.Current()
		p := in.park(L)
		err = f.Send(s, string(data))
		p.back()
		if err != nil {
			raiseCancel(L, f, err)
		}
	}
	if err != nil {
		return so.fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

// close is server:close(fd, reset).
func (so *serverObject) close(L *lua.LState) int {
	in := so.in
	in.mustRun(L, "server:close")
	if L.Get(1) != so.value {
		so.badSelf(L, "close")
	}
	s, err := so.session(L, 2)
	if err == nil {
		err = s.Close(engine.ServerClosed, lua.LVAsBool(L.Get(3)))
	}
	if err != nil {
		return so.fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

func (so *serverObject) badSelf(L *lua.LState, name string) {
	vm.Raise(L, "calling '%s' without the server: write server:%s(...) with a colon", name, name)
}

// place is where the script called the running Go function: "app.lua:3".
func place(L *lua.LState) string { return strings.TrimSuffix(strings.TrimSpace(L.Where(1)), ":") }

// must is for declarations: they come before the start.
func (in *Instance) mustDeclare(L *lua.LState, what string) {
	if in.stage != declaring && in.lone != nil {
		in.lone.refuse(L, what)
	}
	if in.stage != declaring {
		vm.Raise(L, "%s is for the top level of the script: change the file instead, it is loaded again when it is saved", what)
	}
	if in.decl.started != "" {
		vm.Raise(L, "%s after server:start() (called at %s)", what, in.decl.started)
	}
}

func (d *declaration) describeServer(in *Instance) string {
	return fmt.Sprintf("%s, generation %d", in.host.scriptName, in.gen.id)
}

// Fail is the answer of a module's function that Swoole answers with false.
func (in *Instance) Fail(L *lua.LState, err error) int { return in.server.fail(L, err) }

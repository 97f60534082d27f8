package scripting

import (
	"math"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// The methods of `server` that hold traffic back, let it go, and send what is
// not one string to one session.

// answer is true, or false with the reason.
func (so *serverObject) answer(L *lua.LState, err error) int {
	if err != nil {
		return so.fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

// waited is answer for a method that may have waited: a cancelled fiber gets an
// error.
func (so *serverObject) waited(L *lua.LState, f *engine.Fiber, err error) int {
	raiseCancel(L, f, err)
	return so.answer(L, err)
}

func (in *Instance) doPause(L *lua.LState) int  { return in.hold(L, "server:pause", true) }
func (in *Instance) doResume(L *lua.LState) int { return in.hold(L, "server:resume", false) }

func (in *Instance) hold(L *lua.LState, what string, on bool) int {
	f := in.mustWait(L, what)
	s, err := in.server.session(L, 2)
	if err == nil {
		err = f.Pause(s, on)
	}
	return in.server.answer(L, err)
}

func (in *Instance) doProtect(L *lua.LState) int {
	in.mustRun(L, "server:protect")
	s, err := in.server.session(L, 2)
	if err == nil {
		err = s.Protect(L.Get(3) == lua.LNil || lua.LVAsBool(L.Get(3)))
	}
	return in.server.answer(L, err)
}

func (in *Instance) doHeartbeat(L *lua.LState) int {
	in.mustRun(L, "server:heartbeat")
	ids, err := in.host.engine.Idle(lua.LVAsBool(L.Get(2)))
	if err != nil {
		return in.server.fail(L, err)
	}
	t := L.CreateTable(len(ids), 0)
	for i, id := range ids {
		t.RawSetInt(i+1, lua.LNumber(id))
	}
	L.Push(t)
	return 1
}

func (in *Instance) doSendwait(L *lua.LState) int {
	f := in.mustWait(L, "server:sendwait")
	s, err := in.server.session(L, 2)
	if err == nil {
		data := L.CheckString(3)
		p := in.park(L)
		err = f.SendAndWait(s, data)
		p.back()
	}
	return in.server.waited(L, f, err)
}

func (in *Instance) doSendfile(L *lua.LState) int {
	f := in.mustWait(L, "server:sendfile")
	s, err := in.server.session(L, 2)
	if err == nil {
		path := L.CheckString(3)
		offset, length := fileNumber(L, 4, "offset"), fileNumber(L, 5, "length")
		p := in.park(L)
		err = f.Sendfile(s, path, offset, length)
		p.back()
	}
	return in.server.waited(L, f, err)
}

// fileNumber is an optional place in a file, or size of a piece of it.
func fileNumber(L *lua.LState, n int, name string) int64 {
	if L.Get(n) == lua.LNil {
		return 0
	}
	v, _ := number(L.Get(n))
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		vm.Raise(L, "server:sendfile: %s must be a whole number, not %v", name, v)
	}
	return int64(v)
}

// doBroadcast sends one string to every session that the filter lets pass.
func (in *Instance) doBroadcast(L *lua.LState) int {
	in.mustRun(L, "server:broadcast")
	data := L.CheckString(2)
	if data == "" {
		return in.server.fail(L, engine.ErrEmpty)
	}
	list, unknown := in.audience(L, L.Get(3))
	sent, refused := in.host.engine.Broadcast(in.loop, list, data)
	t := L.CreateTable(0, len(refused))
	if unknown > 0 {
		t.RawSetString(engine.ErrNoSession.Name, lua.LNumber(unknown))
	}
	for name, n := range refused {
		t.RawSetString(name, lua.LNumber(n))
	}
	L.Push(lua.LNumber(sent))
	L.Push(t)
	return 2
}

// audience are the sessions that a broadcast is for: all that are open, those
// of a port, those a function says yes to, or those of a list; unknown counts
// what is listed and no session's id any more.
func (in *Instance) audience(L *lua.LState, filter lua.LValue) (list []*engine.Session, unknown int) {
	var pass func(s *engine.Session) bool
	switch x := filter.(type) {
	case *lua.LNilType:
		pass = func(*engine.Session) bool { return true }
	case *lua.LFunction:
		pass = func(s *engine.Session) bool {
			L.Push(x)
			L.Push(lua.LNumber(s.ID()))
			L.Call(1, 1)
			yes := lua.LVAsBool(L.Get(-1))
			L.Pop(1)
			return yes
		}
	case *lua.LUserData:
		d, ok := x.Value.(*portDecl)
		if !ok {
			argFault(L, 3, "filter", "function, port or table", filter)
		}
		p := in.enginePort(d)
		pass = func(s *engine.Session) bool { return p != nil && s.Port() == p }
	case *lua.LTable:
		for i := 1; i <= x.Len(); i++ {
			id, ok := number(vm.RawGet(x, lua.LNumber(i)))
			if !ok || id < 1 {
				vm.Raise(L, "server:broadcast: filter[%d] is no fd: %s", i, show(vm.RawGet(x, lua.LNumber(i))))
			}
			if s, err := in.host.engine.Session(engine.SessionID(id)); err == nil {
				list = append(list, s)
			} else {
				unknown++
			}
		}
		return list, unknown
	default:
		argFault(L, 3, "filter", "function, port or table", filter)
	}
	for _, s := range in.host.engine.Sessions(0, 0) {
		if s.Alive() && pass(s) {
			list = append(list, s)
		}
	}
	return list, 0
}

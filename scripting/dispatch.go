package scripting

import (
	"fmt"
	"math"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// dispatch_func: the reactor of a session asks it which worker a message is
// for, before any has it, in a VM that it has for such questions (see
// reactorvm.go). It must answer at once. If it fails, dispatch_mode chooses.

const dispatchFunc = "dispatch_func"

// limits are the settings as the engine's limits.
func (h *Host) limits(s *Settings) engine.Limits {
	m := s.limits()
	if s.DispatchFunc {
		m.DispatchFunc = h.dispatch
	}
	return m
}

// dispatch asks the script. The reactor's.
func (h *Host) dispatch(l *engine.Loop, s *engine.Session, kind engine.DispatchKind, data string) (to int) {
	to = engine.DispatchByMode
	in := seatOf(l).live
	if in == nil || in.dispatch == nil {
		return to // between two generations, one of which has none
	}
	stay := l.Inline(s)
	defer stay.End()
	to, err := in.choose(s, kind, data)
	if err != nil {
		to = engine.DispatchByMode
		// onError belongs where the session's other callbacks are, and may wait.
		s.Worker().Spawn(engine.RootWorker, func(f *engine.Fiber) {
			if in := current(f); in != nil {
				in.failed(f, dispatchFunc, s.ID(), err)
			}
		})
	}
	return to
}

// choose calls the function. Baton holder; nothing may wait.
func (in *Instance) choose(s *engine.Session, kind engine.DispatchKind, data string) (to int, err *vm.Error) {
	fn := in.dispatch
	c := in.begin(in.loop.Current(), evError, dispatchFunc, fn)
	in.asked = dispatchFunc
	c.th.Push(in.server.value)
	c.th.Push(lua.LNumber(s.ID()))
	c.th.Push(lua.LNumber(kind))
	c.th.Push(lua.LString(data))
	if err = c.th.Run(1); err == nil {
		to, err = workerAnswer(fn, c.th.Get(1), len(in.host.engine.Workers()))
	}
	in.asked = ""
	c.end()
	return to, err
}

// workerAnswer reads what a dispatch_func has returned.
func workerAnswer(fn *lua.LFunction, v lua.LValue, workers int) (int, *vm.Error) {
	n, ok := v.(lua.LNumber)
	if ok && float64(n) == math.Trunc(float64(n)) && n >= engine.DispatchByMode && float64(n) < float64(workers) {
		return int(n), nil
	}
	return 0, &vm.Error{Message: fmt.Sprintf("%s: dispatch_func must return the id of a worker, 0 to %d, or -1, -2 or -3, not %s",
		placeOf(fn), workers-1, show(v))}
}

// collectDispatch notes the dispatch_func.
func (in *Instance) collectDispatch() {
	in.dispatch, _ = lastGiven(in.decl.values, dispatchFunc).(*lua.LFunction)
}

// maxUID is the largest uid, and -maxUID-1 the smallest: what a number of Lua
// holds exactly.
const maxUID = 1 << 53

// doBind is server:bind(fd, uid).
func (in *Instance) doBind(L *lua.LState) int {
	in.mustRun(L, "server:bind")
	uid, ok := number(L.Get(3))
	if !ok || uid != math.Trunc(uid) || uid == 0 || math.Abs(uid) > maxUID {
		vm.Raise(L, "bad argument #2 'uid' (a whole number other than 0 expected, got %s)", show(L.Get(3)))
	}
	s, err := in.server.session(L, 2)
	if err == nil {
		err = s.Bind(int64(uid))
	}
	return in.server.answer(L, err)
}

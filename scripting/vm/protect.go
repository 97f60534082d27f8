package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// pcall and xpcall run their function on a thread of its own, a guard. An error
// then closes the variables of the guard's calls only; gopher-lua's own pcall
// detaches the closures of every function on the stack from their variables.

// tryGuard takes a guard for a protected call made from L, nil when the chain
// is nested too deeply.
func (v *VM) tryGuard(L *lua.LState) *Thread {
	frames, level := room(L)
	if level > MaxNesting || frames < 20 {
		return nil
	}
	var t *Thread
	if n := len(v.guards); n > 0 {
		t = v.guards[n-1]
		v.guards[n-1] = nil
		v.guards = v.guards[:n-1]
	} else {
		t = v.newThread(guard)
	}
	place(t.L, guard, level, frames)
	t.L.Parent = L
	t.L.Env = L.Env
	t.handler, t.inside, t.broken = nil, 0, false
	t.L.Push(t.body)
	return t
}

// endGuard gives a guard back, unless a Go panic went through it.
func (v *VM) endGuard(t *Thread) {
	t.L.Parent = nil
	t.handler = nil
	if t.broken || len(v.guards) >= maxPool || inside.Slots(t.L) > keepSlots {
		return
	}
	t.L.SetTop(0)
	v.guards = append(v.guards, t)
}

// run calls what was pushed onto the guard: a function and its arguments. The
// results are then on its stack. On failure it returns the error value.
func (t *Thread) run(nret int) (lua.LValue, bool) {
	if err := t.L.PCall(t.L.GetTop()-1, nret, nil); err != nil {
		t.L.SetTop(0)
		if ae, ok := err.(*lua.ApiError); ok {
			return ae.Object, false
		}
		return lua.LString(err.Error()), false
	}
	return nil, true
}

// callable reports whether lv can be called.
func callable(L *lua.LState, lv lua.LValue) bool {
	if _, ok := lv.(*lua.LFunction); ok {
		return true
	}
	_, ok := L.GetMetaField(lv, "__call").(*lua.LFunction)
	return ok
}

func basePCall(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	return protected(L, nil, 2)
}

func baseXPCall(L *lua.LState) int {
	if L.GetTop() < 2 {
		argError(L, 2, "value expected")
	}
	return protected(L, L.Get(2), 3)
}

// protected runs argument 1 of L with the arguments from first on.
func protected(L *lua.LState, handler lua.LValue, first int) int {
	v := Of(L)
	t := v.tryGuard(L)
	if t == nil {
		return failed(L, overflowText(L))
	}
	fn := L.Get(1)
	n := L.GetTop()
	if !callable(L, fn) {
		// The guard calls a function that raises, so that the handler runs.
		t.L.Push(v.L.NewFunction(func(G *lua.LState) int {
			G.Error(lua.LString("attempt to call a "+fn.Type().String()+" value"), 0)
			return 0
		}))
		n = 0
	} else {
		t.L.Push(fn)
	}
	t.handler = handler
	for i := first; i <= n; i++ {
		t.L.Push(L.Get(i))
	}
	lv, ok := t.run(lua.MultRet)
	if !ok {
		v.endGuard(t)
		if fatal(lv) != nil {
			L.Error(lv, 0)
		}
		return failed(L, lv)
	}
	L.SetTop(0)
	L.Push(lua.LTrue)
	n = t.L.GetTop()
	t.L.XMoveTo(L, n)
	v.endGuard(t)
	return n + 1
}

func overflowText(L *lua.LState) lua.LString {
	if levelOf(L) >= MaxNesting {
		return "C stack overflow"
	}
	return "stack overflow"
}

func failed(L *lua.LState, lv lua.LValue) int {
	L.SetTop(0)
	L.Push(lua.LFalse)
	L.Push(lv)
	return 2
}

// Protect runs fn on behalf of a Go library function called from L, as pcall
// would: ok is false when it raised, and errv is what it raised. Errors that
// Lua may not catch are raised again. The results are passed to take, which
// may be nil, and must not be used after it returned.
func (v *VM) Protect(L *lua.LState, fn *lua.LFunction, take func(th *lua.LState), args ...lua.LValue) (errv lua.LValue, ok bool) {
	t := v.tryGuard(L)
	if t == nil {
		return overflowText(L), false
	}
	t.L.Push(fn)
	for _, a := range args {
		t.L.Push(a)
	}
	errv, ok = t.run(lua.MultRet)
	if ok && take != nil {
		take(t.L)
	}
	v.endGuard(t)
	if !ok && fatal(errv) != nil {
		L.Error(errv, 0)
	}
	return errv, ok
}

func baseError(L *lua.LState) int {
	lv := L.Get(1)
	level := 1
	if L.GetTop() >= 2 && L.Get(2) != lua.LNil {
		level = checkInt(L, 2)
	}
	switch x := lv.(type) {
	case lua.LString:
		raiseAt(L, level, string(x))
	case lua.LNumber:
		if level > 0 {
			raiseAt(L, level, numberText(x))
		}
	}
	L.Error(lv, 0)
	return 0
}

func baseAssert(L *lua.LState) int {
	n := L.GetTop()
	if n == 0 {
		argError(L, 1, "value expected")
	}
	if lua.LVAsBool(L.Get(1)) {
		return n
	}
	msg := "assertion failed!"
	switch x := L.Get(2).(type) {
	case lua.LString:
		msg = string(x)
	case lua.LNumber:
		msg = numberText(x)
	case *lua.LNilType:
	default:
		// PUC Lua 5.1 refuses these; later versions pass them on, which is what
		// a script that asserts with an error object means.
		L.Error(x, 0)
	}
	Raise(L, "%s", msg)
	return 0
}

// checkInt is L.CheckInt with the numbers and the words of PUC Lua.
func checkInt(L *lua.LState, n int) int {
	switch x := L.Get(n).(type) {
	case lua.LNumber:
		return toInt(float64(x))
	case lua.LString:
		if f, ok := parseNumber(string(x)); ok {
			return toInt(f)
		}
	}
	typeError(L, n, "number")
	return 0
}

func optInt(L *lua.LState, n, def int) int {
	if L.Get(n) == lua.LNil {
		return def
	}
	return checkInt(L, n)
}

// toInt converts as C does, but keeps out-of-range numbers at the ends instead
// of leaving them to the machine.
func toInt(f float64) int {
	const big = 1 << 62
	switch {
	case f != f:
		return 0
	case f > big:
		return big
	case f < -big:
		return -big
	}
	return int(f)
}

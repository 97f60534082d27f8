package vm

import (
	lua "github.com/yuin/gopher-lua"
)

// environment finds whose globals argument 1 means: a function, or the one at a
// level of the stack. Level 0 is the thread, for which fn is nil.
func environment(L *lua.LState, level int) (fn *lua.LFunction) {
	if fn, ok := L.Get(1).(*lua.LFunction); ok {
		return fn
	}
	if L.Get(1) != lua.LNil || level < 0 {
		level = checkInt(L, 1)
	}
	if level < 0 {
		argError(L, 1, "level must be non-negative")
	}
	if level == 0 {
		return nil
	}
	c := start(L)
	c.skip(level)
	if !c.ok() {
		argError(L, 1, "invalid level")
	}
	if c.tail() {
		Raise(L, "no function environment for tail call at level %d", level)
	}
	return c.f.Fn
}

func baseGetFEnv(L *lua.LState) int {
	fn := environment(L, 1)
	switch {
	case fn == nil:
		L.Push(L.Env)
	case fn.IsG:
		L.Push(L.G.Global)
	default:
		L.Push(fn.Env)
	}
	return 1
}

func baseSetFEnv(L *lua.LState) int {
	env := checkTable(L, 2)
	fn := environment(L, -1)
	if fn == nil {
		L.Env = env
		return 0
	}
	if fn.IsG {
		Raise(L, "'setfenv' cannot change environment of given object")
	}
	fn.Env = env
	L.Push(fn)
	return 1
}

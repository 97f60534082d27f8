package vm

import (
	"runtime/metrics"

	lua "github.com/yuin/gopher-lua"
)

// openBase replaces the functions of gopher-lua's base library that word their
// complaints in their own way or take what PUC Lua refuses.
func (v *VM) openBase() {
	for name, fn := range map[string]lua.LGFunction{
		"assert": baseAssert, "error": baseError, "pcall": basePCall, "xpcall": baseXPCall,
		"collectgarbage": baseCollectGarbage, "type": baseType,
		"setmetatable": baseSetMetatable, "getmetatable": baseGetMetatable,
		"getfenv": baseGetFEnv, "setfenv": baseSetFEnv,
	} {
		v.SetGlobal(name, v.Function(fn))
	}
}

// typeNames are the boxed names: type allocates nothing.
var typeNames = func() (list [lua.LTChannel + 1]lua.LValue) {
	for t := range list {
		list[t] = lua.LString(lua.LValueType(t).String())
	}
	return list
}()

func baseType(L *lua.LState) int {
	L.Push(typeNames[checkAny(L, 1).Type()])
	return 1
}

func baseGetMetatable(L *lua.LState) int {
	lv := checkAny(L, 1)
	L.Push(L.GetMetatable(lv))
	if hidden := L.GetMetaField(lv, "__metatable"); hidden != lua.LNil {
		L.Push(hidden)
	}
	return 1
}

func baseSetMetatable(L *lua.LState) int {
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		typeError(L, 1, "table")
	}
	mt := L.Get(2)
	if _, ok := mt.(*lua.LTable); !ok && (mt != lua.LNil || L.GetTop() < 2) {
		argError(L, 2, "nil or table expected")
	}
	if L.GetMetaField(t, "__metatable") != lua.LNil {
		Raise(L, "cannot change a protected metatable")
	}
	t.Metatable = mt
	L.SetTop(1)
	return 1
}

// baseCollectGarbage answers "count" with the kilobytes in use by the whole
// process. All other options are accepted and do nothing: one script must not
// stop all loops for a collection.
func baseCollectGarbage(L *lua.LState) int {
	opt := "collect"
	if L.Get(1) != lua.LNil {
		opt = checkString(L, 1)
	}
	switch opt {
	case "count":
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		L.Push(lua.LNumber(float64(s[0].Value.Uint64()) / 1024))
	case "collect", "stop", "restart", "step", "setpause", "setstepmul":
		L.Push(lua.LNumber(0))
	default:
		argError(L, 1, "invalid option '"+opt+"'")
	}
	return 1
}

package scripting

import (
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Null stands for "no value" where nil cannot: in a JSON array, in a row of a
// database. It is plain data: it may pass from one VM to another. Each VM has
// one object for it, so that == works in scripts.
type Null struct{}

const nullKey = "swoon.null"

// NullOf is the null of L's VM. Baton holder.
func NullOf(L *lua.LState) lua.LValue {
	registry := L.G.Registry
	if v := registry.RawGetString(nullKey); v != lua.LNil {
		return v
	}
	meta := L.NewTable()
	meta.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		vm.Raise(L, "attempt to index null (field '%s'): compare with json.null first", L.Get(2).String())
		return 0
	}))
	meta.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		vm.Raise(L, "attempt to set field '%s' of null", L.Get(2).String())
		return 0
	}))
	meta.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString("null"))
		return 1
	}))
	meta.RawSetString("__metatable", lua.LString("null"))
	null := &lua.LUserData{Value: Null{}, Env: L.G.Global, Metatable: meta}
	registry.RawSetString(nullKey, null)
	return null
}

// IsNull reports whether v is the null of some VM.
func IsNull(v lua.LValue) bool {
	u, ok := v.(*lua.LUserData)
	if !ok {
		return false
	}
	_, ok = u.Value.(Null)
	return ok
}

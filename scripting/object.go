package scripting

import (
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Type declares a kind of object: a value of Go that a script holds and calls
// methods of. Like a module's functions, its methods are declared once; that
// is what is bound, checked and documented.
type Type struct {
	Name    string // as errors and stubs call it: "regex"
	Doc     string
	Methods []Func
	// Field answers a read of obj.name that is no method; nil: not there. It
	// runs as the baton holder.
	Field func(in *Instance, v any, name string) lua.LValue
	// Fields names what Field answers, with types and docs, for stubs.
	Fields []Param
	// Meta are further metamethods, "__len", "__call" or "__pairs", which pairs
	// calls as in Lua 5.2: argument 1 is the object.
	Meta map[string]func(in *Instance, L *lua.LState) int
}

// NewObject makes an object of type t around v. Baton holder.
func (in *Instance) NewObject(t *Type, v any) *lua.LUserData {
	return &lua.LUserData{Value: v, Env: in.vm.State().G.Global, Metatable: in.metaOf(t)}
}

// metaOf is the metatable of t in this VM, made once.
func (in *Instance) metaOf(t *Type) *lua.LTable {
	if meta := in.metas[t]; meta != nil {
		return meta
	}
	L := in.vm.State()
	methods := L.CreateTable(0, len(t.Methods))
	var names []string
	for _, m := range t.Methods {
		fn := bind(in, t.Name+":"+m.Name, 2, m.Params, m.Fn)
		methods.RawSetString(m.Name, L.NewFunction(func(L *lua.LState) int {
			if u, ok := L.Get(1).(*lua.LUserData); !ok || u.Metatable != in.metas[t] {
				vm.Raise(L, "calling '%s' without its %s: write obj:%s(...) with a colon", m.Name, t.Name, m.Name)
			}
			return fn(L)
		}))
		names = append(names, m.Name)
	}
	for _, f := range t.Fields {
		names = append(names, f.Name)
	}
	meta := L.NewTable()
	unknown := func(L *lua.LState) int {
		name, ok := L.Get(2).(lua.LString)
		if !ok {
			L.Push(lua.LNil)
			return 1
		}
		vm.Raise(L, "a %s has no '%s'%s", t.Name, name, didYouMean(string(name), names))
		return 0
	}
	if t.Field == nil {
		// A table in __index is looked into without a call.
		behind := L.NewTable()
		behind.RawSetString("__index", L.NewFunction(unknown))
		methods.Metatable = behind
		meta.RawSetString("__index", methods)
	} else {
		meta.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
			if name, ok := L.Get(2).(lua.LString); ok {
				if fn := methods.RawGetString(string(name)); fn != lua.LNil {
					L.Push(fn)
					return 1
				}
				if v := t.Field(in, L.Get(1).(*lua.LUserData).Value, string(name)); v != nil {
					L.Push(v)
					return 1
				}
			}
			return unknown(L)
		}))
	}
	meta.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		vm.Raise(L, "the fields of a %s cannot be set ('%s')", t.Name, L.Get(2).String())
		return 0
	}))
	meta.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(t.Name))
		return 1
	}))
	meta.RawSetString("__metatable", lua.LString(t.Name))
	for name, fn := range t.Meta {
		meta.RawSetString(name, L.NewFunction(func(L *lua.LState) int { return fn(in, L) }))
	}
	if in.metas == nil {
		in.metas = map[*Type]*lua.LTable{}
	}
	in.metas[t] = meta
	return meta
}

// Self is the value of the object whose method is running: what NewObject was
// given.
func Self[T any](L *lua.LState) T { return L.Get(1).(*lua.LUserData).Value.(T) }

// Arg is argument n as an object of the Go type T, or ok is false.
func Arg[T any](L *lua.LState, n int) (v T, ok bool) {
	if u, isObject := L.Get(n).(*lua.LUserData); isObject {
		v, ok = u.Value.(T)
	}
	return v, ok
}

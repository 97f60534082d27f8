package json

import (
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// kind says what a table stands for where its entries alone do not tell.
type kind uint8

const (
	plain  kind = iota
	array       // marked by json.array, or decoded from one
	object      // marked by json.object, or decoded from an empty one
)

// Tables are marked by a metatable, one of each kind per VM.
var markKeys = [...]string{array: "swoon.json.array", object: "swoon.json.object"}

// marks are the two metatables of a VM.
type marks struct{ array, object *lua.LTable }

func marksOf(L *lua.LState) marks {
	get := func(k kind, name string) *lua.LTable {
		registry := L.G.Registry
		if t, ok := registry.RawGetString(markKeys[k]).(*lua.LTable); ok {
			return t
		}
		t := L.CreateTable(0, 1)
		t.RawSetString("__name", lua.LString(name))
		registry.RawSetString(markKeys[k], t)
		return t
	}
	return marks{get(array, "json.array"), get(object, "json.object")}
}

func (m marks) of(t *lua.LTable) kind {
	switch t.Metatable {
	case m.array:
		return array
	case m.object:
		return object
	}
	return plain
}

// mark is json.array and json.object: argument 1, or a new table, marked.
func mark(L *lua.LState, k kind, name string) int {
	m := marksOf(L)
	meta := m.array
	if k == object {
		meta = m.object
	}
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		t = L.NewTable()
	}
	if t.Metatable != lua.LNil && m.of(t) == plain {
		vm.Raise(L, "json.%s: the table has a metatable of its own, which the mark would replace", name)
	}
	t.Metatable = meta
	L.Push(t)
	return 1
}

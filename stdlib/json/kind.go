package json

import (
	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// marks are the metatables of a VM that mark tables as arrays and objects.
type marks struct{ array, object *lua.LTable }

func marksOf(L *lua.LState) marks {
	return marks{scripting.MarkMeta(L, scripting.ArrayMark), scripting.MarkMeta(L, scripting.ObjectMark)}
}

// of is scripting.MarkOf, faster for the marks that are common.
func (m marks) of(t *lua.LTable) scripting.Mark {
	switch t.Metatable {
	case lua.LNil:
		return scripting.NoMark
	case m.array:
		return scripting.ArrayMark
	case m.object:
		return scripting.ObjectMark
	}
	return scripting.MarkOf(t)
}

// mark is json.array and json.object: argument 1, or a new table, marked.
func mark(L *lua.LState, k scripting.Mark, name string) int {
	m := marksOf(L)
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		t = L.NewTable()
	}
	if meta := t.Metatable; meta != lua.LNil && meta != m.array && meta != m.object {
		vm.Raise(L, "json.%s: the table has a metatable of its own, which the mark would replace (give that one the field __jsontype = %q)", name, name)
	}
	t.Metatable = scripting.MarkMeta(L, k)
	L.Push(t)
	return 1
}

package scripting

import (
	lua "github.com/yuin/gopher-lua"
)

// Mark says what a table stands for where its entries alone do not tell: an
// empty table may be an array or an object to formats that know both. A script
// sees it as the field __jsontype of the metatable. It goes along when the table
// passes to another VM or into a session.
type Mark uint8

const (
	NoMark Mark = iota
	ArrayMark
	ObjectMark
)

var markNames = [...]lua.LString{ArrayMark: "array", ObjectMark: "object"}

// MarkOf is the mark of t. Baton holder of t's VM.
func MarkOf(t *lua.LTable) Mark {
	meta, ok := t.Metatable.(*lua.LTable)
	if !ok {
		return NoMark
	}
	switch meta.RawGetString("__jsontype") {
	case markNames[ArrayMark]:
		return ArrayMark
	case markNames[ObjectMark]:
		return ObjectMark
	}
	return NoMark
}

// MarkMeta is the metatable that gives a table of L's VM the mark m, which is
// not NoMark. Each VM has one for each mark.
func MarkMeta(L *lua.LState, m Mark) *lua.LTable {
	registry, key := L.G.Registry, "swoon.mark."+string(markNames[m])
	if t, ok := registry.RawGetString(key).(*lua.LTable); ok {
		return t
	}
	t := L.NewTable()
	t.RawSetString("__jsontype", markNames[m])
	registry.RawSetString(key, t)
	return t
}

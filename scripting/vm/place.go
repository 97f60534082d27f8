package vm

import (
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// Place is where the Lua code of L stands, as "app.lua:12", or "" when none
// runs there. It may be asked of a thread whose fiber waits.
func (v *VM) Place(L *lua.LState) string {
	var e Error
	e.locate(L, 0)
	if e.File == "" {
		return ""
	}
	return e.File + ":" + strconv.Itoa(e.Line)
}

// SourceLine is the line of source on which the Lua code of L stands, "" when
// it is not known.
func (v *VM) SourceLine(L *lua.LState) string {
	var e Error
	e.locate(L, 0)
	return e.Source
}

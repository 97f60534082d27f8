package inside

import (
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// A number or a string in an interface is a pointer to memory that nobody writes
// again. Plain and Lua give that memory another type of the same shape, so that
// data on its way from one VM to another is not copied for its type alone.

// eface is any interface, as the compiler lays it out.
type eface struct{ kind, data unsafe.Pointer }

var (
	anyNumber any        = float64(0)
	anyString any        = ""
	luaNumber lua.LValue = lua.LNumber(0)
	luaString lua.LValue = lua.LString("")
)

// Plain is a number or a string of Lua as a float64 or a string of Go; any other
// value is not for it.
func Plain(v lua.LValue) (out any) {
	out = anyNumber
	if _, ok := v.(lua.LString); ok {
		out = anyString
	}
	(*eface)(unsafe.Pointer(&out)).data = (*eface)(unsafe.Pointer(&v)).data
	return out
}

// Lua is a float64 or a string of Go as a value of Lua; any other value is not
// for it.
func Lua(v any) (out lua.LValue) {
	out = luaNumber
	if _, ok := v.(string); ok {
		out = luaString
	}
	(*eface)(unsafe.Pointer(&out)).data = (*eface)(unsafe.Pointer(&v)).data
	return out
}

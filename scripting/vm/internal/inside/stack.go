package inside

import lua "github.com/yuin/gopher-lua"

// Stack is what L's stack holds. It is good until L runs, and not to be written.
func Stack(L *lua.LState) []lua.LValue {
	r := registryOf(L)
	return r.array[:r.top]
}

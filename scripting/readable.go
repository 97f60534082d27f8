package scripting

import (
	lua "github.com/yuin/gopher-lua"
)

// ReadTable is v as a table to read from: v itself, or a copy of the session
// data that v stands for. ok is false for anything else. It raises when the
// session has ended.
func ReadTable(L *lua.LState, v lua.LValue) (t *lua.LTable, ok bool) {
	if t, ok := v.(*lua.LTable); ok {
		return t, true
	}
	p := proxyOf(v)
	if p == nil {
		return nil, false
	}
	p.open(L)
	data := fromNode(p.n)
	p.st.mu.Unlock()
	return toLua(L, data).(*lua.LTable), true
}

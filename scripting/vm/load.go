package vm

import (
	"context"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openLoad replaces the functions that compile text at run time. All go
// through Compile and its limits; files also through the loader, which records
// them for hot reload.
func (v *VM) openLoad() {
	v.SetGlobal("loadstring", v.Function(func(L *lua.LState) int {
		src := checkString(L, 1)
		name := src
		if L.Get(2) != lua.LNil {
			name = checkString(L, 2)
		}
		return v.loadText(L, src, name)
	}))
	v.SetGlobal("load", v.Function(v.load))
	v.SetGlobal("loadfile", v.Function(func(L *lua.LState) int {
		c, e := v.loadFile(L, "loadfile")
		if e != nil {
			L.Push(lua.LNil)
			L.Push(lua.LString(e.Message))
			return 2
		}
		L.Push(c.Function(v))
		return 1
	}))
	v.SetGlobal("dofile", v.Function(func(L *lua.LState) int {
		c, e := v.loadFile(L, "dofile")
		if e != nil {
			L.Error(lua.LString(e.Message), 0)
		}
		L.SetTop(0)
		L.Push(c.Function(v))
		L.Call(0, lua.MultRet)
		return L.GetTop()
	}))
}

func (v *VM) loadFile(L *lua.LState, what string) (c *Chunk, e *Error) {
	if L.Get(1) == lua.LNil {
		Raise(L, "%s without a file name reads standard input, which a server does not have", what)
	}
	path := checkString(L, 1)
	if err := v.block(L, what+" "+path, func(context.Context) { c, e = v.loader.Reload(path) }); err != nil {
		Raise(L, "%s", err.Error())
	}
	return c, e
}

func (v *VM) loadText(L *lua.LState, src, name string) int {
	fail := func(msg string) int {
		L.Push(lua.LNil)
		L.Push(lua.LString(msg))
		return 2
	}
	if len(src) > maxText {
		return fail(fmt.Sprintf("%s: source too large (limit %d bytes)", displayName(name), maxText))
	}
	if strings.HasPrefix(src, "\x1b") {
		return fail(displayName("=?") + ": binary chunks are not supported")
	}
	if name == "" {
		name = "=?"
	}
	c, e := Compile("", name, []byte(src))
	if e != nil {
		return fail(e.Message)
	}
	L.Push(c.Function(v))
	return 1
}

// load compiles a string, or the pieces a reader function returns. The reader
// runs in protected mode, as in PUC Lua, and may not go on for ever. Mode and
// environment are those of Lua 5.2.
func (v *VM) load(L *lua.LState) int {
	if L.Get(3) != lua.LNil {
		if mode := checkString(L, 3); !strings.Contains(mode, "t") {
			L.Push(lua.LNil)
			L.Push(lua.LString("attempt to load a text chunk (mode is '" + mode + "')"))
			return 2
		}
	}
	n := v.loadAny(L)
	if fn, ok := L.Get(-n).(*lua.LFunction); ok && L.GetTop() >= 4+n {
		fn.Env = checkTable(L, 4)
	}
	return n
}

func (v *VM) loadAny(L *lua.LState) int {
	switch L.Get(1).(type) {
	case lua.LString, lua.LNumber:
		src := checkString(L, 1)
		name := src
		if L.Get(2) != lua.LNil {
			name = checkString(L, 2)
		}
		return v.loadText(L, src, name)
	}
	fn, ok := L.Get(1).(*lua.LFunction)
	if !ok {
		typeError(L, 1, "function")
	}
	name := "=(load)"
	if L.Get(2) != lua.LNil {
		name = checkString(L, 2)
	}
	var b strings.Builder
	for b.Len() <= maxText {
		piece := lua.LValue(lua.LNil)
		errv, ok := v.Protect(L, fn, func(th *lua.LState) { piece = th.Get(1) })
		if !ok {
			L.Push(lua.LNil)
			L.Push(errv)
			return 2
		}
		s, isText := piece.(lua.LString)
		if n, isNum := piece.(lua.LNumber); isNum {
			s, isText = lua.LString(numberText(n)), true
		}
		if piece == lua.LNil || isText && s == "" {
			break
		}
		if !isText {
			L.Push(lua.LNil)
			L.Push(lua.LString(where(L, 1) + "reader function must return a string"))
			return 2
		}
		b.WriteString(string(s))
	}
	return v.loadText(L, b.String(), name)
}

package vm

import (
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// openDebug offers the two functions that only look: traceback and getinfo.
func (v *VM) openDebug() {
	v.register("debug", map[string]lua.LGFunction{
		"traceback": v.debugTraceback,
		"getinfo":   debugGetInfo,
	})
}

func (v *VM) debugTraceback(L *lua.LState) int {
	at, i := L, 0
	if co, ok := L.Get(1).(*lua.LState); ok {
		at, i = co, 1
	}
	level := 0
	if at == L {
		level = 1
	}
	level = optInt(L, i+2, level)
	msg := ""
	switch x := L.Get(i + 1).(type) {
	case lua.LString:
		msg = string(x) + "\n"
	case lua.LNumber:
		msg = numberText(x) + "\n"
	default:
		if L.GetTop() > i {
			L.Push(x) // anything else comes back untouched
			return 1
		}
	}
	if at != L && kindOf(at) >= coroutine {
		L.Push(lua.LString(msg + v.traceOf(at, max(level, 0))))
		return 1
	}
	L.Push(lua.LString(msg + traceback(at, max(level, 0))))
	return 1
}

// debugGetInfo answers as PUC Lua does for functions and levels, except for
// activelines.
func debugGetInfo(L *lua.LState) int {
	at, i := L, 0
	if co, ok := L.Get(1).(*lua.LState); ok {
		at, i = co, 1
	}
	what := "flnSu"
	if L.Get(i+2) != lua.LNil {
		what = L.CheckString(i + 2)
	}
	if strings.Trim(what, "flnSuL") != "" {
		argError(L, i+2, "invalid option")
	}
	var c cursor
	fn, isFn := L.Get(i + 1).(*lua.LFunction)
	if !isFn {
		n, ok := L.Get(i + 1).(lua.LNumber)
		if !ok {
			argError(L, i+1, "function or level expected")
		}
		if at != L && inside.Current(at) == nil || n < 0 {
			L.Push(lua.LNil)
			return 1
		}
		c = start(at)
		c.skip(toInt(float64(n)))
		if !c.ok() {
			L.Push(lua.LNil)
			return 1
		}
		fn = c.f.Fn
	}
	t := L.CreateTable(0, 10)
	set := func(k string, lv lua.LValue) { t.RawSetString(k, lv) }
	if strings.Contains(what, "S") {
		source, short, kind := "=[C]", "[C]", "C"
		first, last := -1, -1
		switch {
		case c.inTC:
			source, short, kind = "=(tail call)", "(tail call)", "tail"
		case !fn.IsG:
			short = fn.Proto.SourceName
			source, kind = "@"+short, "Lua"
			if strings.HasPrefix(short, "[string ") {
				source = "=" + short
			}
			first, last = fn.Proto.LineDefined, fn.Proto.LastLineDefined
			if first == 0 {
				kind, last = "main", 0
			}
		}
		set("source", lua.LString(source))
		set("short_src", lua.LString(short))
		set("what", lua.LString(kind))
		set("linedefined", lua.LNumber(first))
		set("lastlinedefined", lua.LNumber(last))
	}
	if strings.Contains(what, "l") {
		line := -1
		if c.f != nil && !c.inTC {
			line = c.f.Line()
		}
		set("currentline", lua.LNumber(line))
	}
	if strings.Contains(what, "u") {
		n := 0
		if !c.inTC {
			n = len(fn.Upvalues)
		}
		set("nups", lua.LNumber(n))
	}
	if strings.Contains(what, "n") {
		name, kind := "", ""
		if c.f != nil {
			name, kind = c.call()
		}
		if name != "" {
			set("name", lua.LString(name))
		}
		set("namewhat", lua.LString(kind))
	}
	if strings.Contains(what, "f") && !c.inTC {
		set("func", fn)
	}
	L.Push(t)
	return 1
}

package scripting

import (
	"fmt"
	"math"
	"strconv"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Plain data is what may pass from one VM to another: nil, booleans, numbers,
// strings, null, and tables of these without cycles. In Go it is nil, bool,
// float64, string, Null and *plainTable.

// plainTable is a table on its way between VMs: list part and rest.
type plainTable struct {
	list []any
	keys []any // parallel to values; numbers, strings, booleans
	vals []any
}

// maxPlainDepth bounds how deeply plain data nests.
const maxPlainDepth = 200

// plainError says which part of a value cannot leave its VM, and why.
type plainError struct{ path, what string }

func (e *plainError) message(root, where string) string {
	return fmt.Sprintf("%s%s: cannot send %s to %s", root, e.path, e.what, where)
}

// toPlain copies v out of its VM.
func toPlain(v lua.LValue) (any, *plainError) { return copyOut(v, nil, 0) }

func copyOut(v lua.LValue, above []*lua.LTable, depth int) (any, *plainError) {
	switch x := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(x), nil
	case lua.LNumber:
		return float64(x), nil
	case lua.LString:
		return string(x), nil
	case *lua.LTable:
		for _, t := range above {
			if t == x {
				return nil, &plainError{"", "a table that contains itself"}
			}
		}
		if depth == maxPlainDepth {
			return nil, &plainError{"", fmt.Sprintf("a table nested deeper than %d", maxPlainDepth)}
		}
		return copyTableOut(x, append(above, x), depth)
	case *lua.LUserData:
		switch u := x.Value.(type) {
		case *proxy:
			return u.snapshot(), nil
		case Null:
			return u, nil
		}
	}
	return nil, &plainError{"", article(v.Type().String())}
}

func copyTableOut(t *lua.LTable, above []*lua.LTable, depth int) (any, *plainError) {
	out := &plainTable{}
	n := t.Len()
	if n > 0 {
		out.list = make([]any, n)
	}
	for i := 1; i <= n; i++ {
		v, err := copyOut(t.RawGetInt(i), above, depth+1)
		if err != nil {
			err.path = "[" + strconv.Itoa(i) + "]" + err.path
			return nil, err
		}
		out.list[i-1] = v
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		var key any
		switch x := k.(type) {
		case lua.LNumber:
			if f := float64(x); f == math.Trunc(f) && f >= 1 && f <= float64(n) {
				continue
			}
			key = float64(x)
		case lua.LString:
			key = string(x)
		case lua.LBool:
			key = bool(x)
		default:
			return nil, &plainError{"", article(k.Type().String()) + " as a key"}
		}
		val, err := copyOut(v, above, depth+1)
		if err != nil {
			err.path = keyPath(key) + err.path
			return nil, err
		}
		out.keys = append(out.keys, key)
		out.vals = append(out.vals, val)
	}
	return out, nil
}

func keyPath(key any) string {
	if s, ok := key.(string); ok && isName(s) {
		return "." + s
	}
	if s, ok := key.(string); ok {
		return "[" + strconv.Quote(s) + "]"
	}
	return fmt.Sprintf("[%v]", key)
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

func article(kind string) string {
	if kind == "userdata" || kind == "thread" || kind == "function" || kind == "channel" {
		return "a " + kind
	}
	return kind
}

// toLua copies plain data into a VM.
func toLua(L *lua.LState, v any) lua.LValue {
	switch x := v.(type) {
	case bool:
		return lua.LBool(x)
	case float64:
		return lua.LNumber(x)
	case string:
		return lua.LString(x)
	case Null:
		return NullOf(L)
	case *plainTable:
		t := L.CreateTable(len(x.list), len(x.keys))
		for i, e := range x.list {
			t.RawSetInt(i+1, toLua(L, e))
		}
		for i, k := range x.keys {
			vm.RawSet(L, t, toLua(L, k), toLua(L, x.vals[i]))
		}
		return t
	}
	return lua.LNil
}

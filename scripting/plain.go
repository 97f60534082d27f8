package scripting

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Plain data is what may pass from one VM to another: nil, booleans, numbers,
// strings, null, and tables of these without cycles. In Go it is nil, bool,
// float64, string, Null and *plainTable.

// plainTable is a table on its way between VMs: list part and rest. Nobody
// changes it once it is made, so that any goroutine may read it.
type plainTable struct {
	list []any
	keys []any // parallel to vals; numbers, strings, booleans
	vals []any
	mark Mark
}

// maxPlainDepth bounds how deeply plain data nests.
const maxPlainDepth = 200

// plainError says which part of a value cannot leave its VM, and why.
type plainError struct{ path, what string }

func (e *plainError) message(root, where string) string { return e.Refuse(root, "send", "to "+where) }

// Refuse is the error as a sentence: root is what the value is called, as in
// "data.user.callback: cannot send a function to a task".
func (e *plainError) Refuse(root, verb, where string) string {
	return fmt.Sprintf("%s%s: cannot %s %s %s", root, e.path, verb, e.what, where)
}

// PlainError says which part of a value is no plain data.
type PlainError = plainError

// toPlain copies v out of its VM, on its way to another.
func toPlain(v lua.LValue) (any, *plainError) {
	c := copier{passing: true}
	return c.out(v, 0)
}

// holdPlain copies v out of its VM, to stay outside.
func holdPlain(v lua.LValue) (any, *plainError) {
	var c copier
	return c.out(v, 0)
}

// copier copies one value out of its VM.
type copier struct {
	above   []*lua.LTable // the tables that lead to where it is
	keep    bool          // the copy is kept: a part of a long string must not hold all of it
	passing bool          // the copy is soon gone: it may hold memory of the VM
}

// number is a number outside of its VM.
func (c *copier) number(v lua.LValue, n lua.LNumber) any {
	if c.passing {
		return vm.Plain(v)
	}
	return float64(n)
}

// text is a string outside of its VM.
func (c *copier) text(v lua.LValue, s lua.LString) any {
	switch {
	case c.passing:
		return vm.Plain(v)
	case c.keep:
		return strings.Clone(string(s))
	}
	return string(s)
}

func (c *copier) out(v lua.LValue, depth int) (any, *plainError) {
	switch x := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(x), nil
	case lua.LNumber:
		return c.number(v, x), nil
	case lua.LString:
		return c.text(v, x), nil
	case *lua.LTable:
		for _, t := range c.above {
			if t == x {
				return nil, &plainError{"", "a table that contains itself"}
			}
		}
		if depth == maxPlainDepth {
			return nil, &plainError{"", fmt.Sprintf("a table nested deeper than %d", maxPlainDepth)}
		}
		c.above = append(c.above, x)
		t, err := c.table(x, depth)
		c.above = c.above[:len(c.above)-1]
		if err != nil {
			return nil, err
		}
		return t, nil
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

func (c *copier) table(t *lua.LTable, depth int) (*plainTable, *plainError) {
	out := &plainTable{mark: MarkOf(t)}
	list, others := vm.Shape(t) // nothing touches t meanwhile
	n := len(list)
	for n > 0 && list[n-1] == lua.LNil {
		n--
	}
	if n > 0 {
		out.list = make([]any, n)
	}
	for i, e := range list[:n] {
		v, err := c.out(e, depth+1)
		if err != nil {
			err.path = "[" + strconv.Itoa(i+1) + "]" + err.path
			return nil, err
		}
		out.list[i] = v
	}
	if others == 0 {
		return out, nil
	}
	both := make([]any, 2*others)
	out.keys, out.vals = both[:0:others], both[others:others]
	for _, k := range vm.Keys(t) {
		v := t.RawGetH(k)
		if v == lua.LNil {
			continue
		}
		var key any
		switch x := k.(type) {
		case lua.LNumber:
			key = c.number(k, x)
		case lua.LString:
			key = c.text(k, x)
		case lua.LBool:
			key = bool(x)
		default:
			return nil, &plainError{"", article(k.Type().String()) + " as a key"}
		}
		val, err := c.out(v, depth+1)
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
	case float64, string:
		return vm.FromPlain(v)
	case Null:
		return NullOf(L)
	case *plainTable:
		t := x.table(L)
		if x.mark != NoMark {
			t.Metatable = MarkMeta(L, x.mark)
		}
		return t
	}
	return lua.LNil
}

func (p *plainTable) table(L *lua.LState) *lua.LTable {
	switch {
	case len(p.list) > 0 && len(p.keys) == 0:
		if slices.Contains(p.list, nil) {
			break
		}
		values := make([]lua.LValue, len(p.list))
		for i, e := range p.list {
			values[i] = toLua(L, e)
		}
		return vm.NewList(values)
	case len(p.list) == 0 && p.isRecord():
		pairs := make([]lua.LValue, 0, 2*len(p.keys))
		for i, k := range p.keys {
			pairs = append(pairs, vm.FromPlain(k), toLua(L, p.vals[i]))
		}
		return vm.NewRecord(pairs)
	}
	t := L.CreateTable(len(p.list), len(p.keys))
	for i, e := range p.list {
		t.RawSetInt(i+1, toLua(L, e))
	}
	for i, k := range p.keys {
		vm.RawSet(L, t, toLua(L, k), toLua(L, p.vals[i]))
	}
	return t
}

// isRecord says whether all keys are strings, and all values something.
func (p *plainTable) isRecord() bool {
	for i, k := range p.keys {
		if _, ok := k.(string); !ok || p.vals[i] == nil {
			return false
		}
	}
	return true
}

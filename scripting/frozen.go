package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// A frozen value is plain data that belongs to no VM, in the form in which a VM
// takes it without a copy: nil, booleans, numbers and strings are the Lua values
// themselves, a table is a *Table that nobody changes any more, null a value of
// its own. Any goroutine may hold one; whoever has a VM's baton may thaw it.

// Table is a frozen table.
type Table = plainTable

// Type and String make a frozen table a Lua value, for the sake of the type; a
// script never sees one.
func (t *plainTable) Type() lua.LValueType { return lua.LTTable }

func (t *plainTable) String() string { return "table" }

// Freeze copies v out of its VM for others to take. keep says that it will be
// held for long: then strings are copied too, as a part of a string keeps the
// whole of it in memory.
func Freeze(v lua.LValue, keep bool) (lua.LValue, *PlainError) {
	switch x := v.(type) {
	case lua.LNumber, lua.LBool, *lua.LNilType:
		return v, nil
	case lua.LString:
		if keep {
			return lua.LString(strings.Clone(string(x))), nil
		}
		return v, nil
	}
	c := copier{keep: keep, passing: !keep}
	p, err := c.out(v, 0)
	if err != nil {
		return nil, err
	}
	if t, ok := p.(*plainTable); ok {
		return t, nil
	}
	return frozenNull{}, nil // all else was above, or is refused
}

// frozenNull is null outside any VM.
type frozenNull struct{}

func (frozenNull) Type() lua.LValueType { return lua.LTUserData }
func (frozenNull) String() string       { return "null" }

// Thaw is a frozen value in the VM of L.
func Thaw(L *lua.LState, v lua.LValue) lua.LValue {
	switch x := v.(type) {
	case *plainTable:
		return toLua(L, x)
	case frozenNull:
		return NullOf(L)
	}
	return v
}

// Size is what a frozen value counts where memory is limited: the bytes of its
// strings and 16 for each value, 64 more for each table.
func Size(v lua.LValue) int {
	switch x := v.(type) {
	case *lua.LNilType:
		return 0
	case lua.LString:
		return 16 + len(x)
	case *plainTable:
		return plainSize(x)
	}
	return 16
}

func plainSize(v any) int {
	switch x := v.(type) {
	case string:
		return 16 + len(x)
	case *plainTable:
		n := 64
		for _, e := range x.list {
			n += plainSize(e)
		}
		for i, k := range x.keys {
			n += plainSize(k) + plainSize(x.vals[i])
		}
		return n
	}
	return 16
}

// Same reports whether two frozen values are the same, tables by what they hold.
func Same(a, b lua.LValue) bool {
	ta, ok := a.(*plainTable)
	if !ok {
		return a == b
	}
	tb, ok := b.(*plainTable)
	return ok && samePlain(ta, tb)
}

func samePlain(a, b any) bool {
	ta, ok := a.(*plainTable)
	if !ok {
		return a == b
	}
	tb, ok := b.(*plainTable)
	if !ok || len(ta.list) != len(tb.list) || len(ta.keys) != len(tb.keys) {
		return false
	}
	for i := range ta.list {
		if !samePlain(ta.list[i], tb.list[i]) {
			return false
		}
	}
	if len(ta.keys) == 0 {
		return true
	}
	at := make(map[any]any, len(tb.keys))
	for i, k := range tb.keys {
		at[k] = tb.vals[i]
	}
	for i, k := range ta.keys {
		v, ok := at[k]
		if !ok || !samePlain(ta.vals[i], v) {
			return false
		}
	}
	return true
}

// Field is the value of a string key of a frozen table, as Thaw gives it to the
// VM of L.
func (t *plainTable) Field(L *lua.LState, key lua.LValue) lua.LValue {
	switch k := key.(type) {
	case lua.LString:
		return toLua(L, t.at(string(k)))
	case lua.LNumber:
		if i, ok := index(float64(k)); ok && i <= len(t.list) {
			return toLua(L, t.list[i-1])
		}
		return toLua(L, t.at(float64(k)))
	case lua.LBool:
		return toLua(L, t.at(bool(k)))
	}
	return lua.LNil
}

func (t *plainTable) at(key any) any {
	for i, k := range t.keys {
		if k == key {
			return t.vals[i]
		}
	}
	return nil
}

// Rows is the length of the list part, and Row its i-th entry, counted from 1.
func (t *plainTable) Rows() int { return len(t.list) }

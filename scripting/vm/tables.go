package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// The functions of the base library that read, write and walk tables.

func (v *VM) openTables() {
	next, hidden, step := v.Function(baseNext), v.Function(baseNext), v.Function(ipairsStep)
	inside.MarkNext(next)
	inside.MarkNext(hidden) // what pairs returns is another function than next
	inside.MarkIPairs(step)
	for name, fn := range map[string]lua.LGFunction{
		"rawequal": baseRawEqual, "rawget": baseRawGet, "rawset": baseRawSet,
		"select": baseSelect, "unpack": baseUnpack,
		"pairs": func(L *lua.LState) int {
			t := checkTable(L, 1)
			L.Push(hidden)
			L.Push(t)
			L.Push(lua.LNil)
			return 3
		},
		"ipairs": func(L *lua.LState) int {
			t := checkTable(L, 1)
			L.Push(step)
			L.Push(t)
			L.Push(inside.Int(0))
			return 3
		},
	} {
		v.SetGlobal(name, v.Function(fn))
	}
	v.SetGlobal("next", next)
}

// index is obj[key] with metamethods. Other than L.GetTable it finds every key.
func index(L *lua.LState, obj, key lua.LValue) lua.LValue { return inside.Index(L, obj, key) }

// RawGet reads a key of a table without metamethods. Other than lua.LTable's
// own method it finds every key.
func RawGet(t *lua.LTable, key lua.LValue) lua.LValue { return inside.RawGet(t, key) }

// RawSet writes a key of a table without metamethods, as an assignment in Lua
// would: large numbers as keys take no more room than others.
func RawSet(L *lua.LState, t *lua.LTable, key, value lua.LValue) { inside.RawSet(L, t, key, value) }

// Each calls f for every entry of t until it returns false. f may change t and
// may wait; an entry that is there from beginning to end comes exactly once.
func Each(t *lua.LTable, f func(key, value lua.LValue) bool) { inside.Each(t, f) }

func checkTable(L *lua.LState, n int) *lua.LTable {
	t, ok := L.Get(n).(*lua.LTable)
	if !ok {
		typeError(L, n, "table")
	}
	return t
}

func checkAny(L *lua.LState, n int) lua.LValue {
	if L.GetTop() < n {
		argError(L, n, "value expected")
	}
	return L.Get(n)
}

func baseNext(L *lua.LState) int {
	t := checkTable(L, 1)
	k, v, ok := inside.Next(t, L.Get(2))
	if !ok {
		raiseAt(L, 0, "invalid key to 'next'")
	}
	L.Push(k)
	if k == lua.LNil {
		return 1
	}
	L.Push(v)
	return 2
}

func ipairsStep(L *lua.LState) int {
	i := checkInt(L, 2) + 1
	v := inside.RawGetInt(checkTable(L, 1), i)
	if v == lua.LNil {
		return 0
	}
	L.Push(inside.Int(i))
	L.Push(v)
	return 2
}

func baseRawEqual(L *lua.LState) int {
	checkAny(L, 1)
	checkAny(L, 2)
	L.Push(lua.LBool(L.Get(1) == L.Get(2)))
	return 1
}

func baseRawGet(L *lua.LState) int {
	t := checkTable(L, 1)
	L.Push(inside.RawGet(t, checkAny(L, 2)))
	return 1
}

func baseRawSet(L *lua.LState) int {
	t := checkTable(L, 1)
	key, value := checkAny(L, 2), checkAny(L, 3)
	checkKey(L, key)
	inside.RawSet(L, t, key, value)
	L.SetTop(1)
	return 1
}

// checkKey refuses what cannot be a key. The message has no position, as in
// PUC Lua: it comes from within a library function.
func checkKey(L *lua.LState, key lua.LValue) {
	if key == lua.LNil {
		raiseAt(L, 0, "table index is nil")
	}
	if n, ok := key.(lua.LNumber); ok && n != n {
		raiseAt(L, 0, "table index is NaN")
	}
}

func baseSelect(L *lua.LState) int {
	n := L.GetTop()
	if s, ok := L.Get(1).(lua.LString); ok && len(s) > 0 && s[0] == '#' {
		L.Push(lua.LNumber(n - 1))
		return 1
	}
	i := checkInt(L, 1)
	if i < 0 {
		i += n
	} else if i > n {
		i = n
	}
	if i < 1 {
		argError(L, 1, "index out of range")
	}
	return n - i
}

func baseUnpack(L *lua.LState) int {
	t := checkTable(L, 1)
	from, to := optInt(L, 2, 1), 0
	if L.Get(3) == lua.LNil {
		to = t.Len()
	} else {
		to = checkInt(L, 3)
	}
	if from > to {
		return 0
	}
	n := to - from + 1
	if n > maxSlots-inside.Top(L)-256 {
		Raise(L, "too many results to unpack")
	}
	out := inside.Reserve(L, n)
	for i := range out {
		out[i] = inside.RawGetInt(t, from+i)
	}
	return n
}

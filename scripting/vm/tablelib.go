package vm

import (
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// The table library, as in PUC Lua 5.1, with pack, unpack and move of later
// versions. A table may change in any way while a function of the script runs
// inside one of these: nothing of a table is kept across such a call.

func (v *VM) openTable() {
	v.openTables()
	t := v.register("table", map[string]lua.LGFunction{
		"concat": v.tabConcat, "insert": tabInsert, "remove": tabRemove, "sort": tabSort,
		"getn": tabGetN, "setn": tabSetN, "maxn": tabMaxN, "foreach": tabForeach, "foreachi": tabForeachI,
		"pack": tabPack, "move": tabMove,
	})
	t.RawSetString("unpack", v.GetGlobal("unpack"))
}

func (v *VM) tabConcat(L *lua.LState) int {
	sep := ""
	if L.Get(2) != lua.LNil {
		sep = checkString(L, 2)
	}
	t := checkTable(L, 1)
	from, to := optInt(L, 3, 1), 0
	if L.Get(4) == lua.LNil {
		to = t.Len()
	} else {
		to = checkInt(L, 4)
	}
	var b strings.Builder
	for i := from; i <= to; i++ {
		switch x := inside.RawGetInt(t, i).(type) {
		case lua.LString:
			b.WriteString(string(x))
		case lua.LNumber:
			b.WriteString(numberText(x))
		default:
			Raise(L, "invalid value (%s) at index %d in table for 'concat'", x.Type(), i)
		}
		if i != to {
			b.WriteString(sep)
		}
		if b.Len() > v.opt.MaxString {
			tooLarge(L, b.Len(), v.opt.MaxString)
		}
		if i%checkEvery == 0 {
			inside.Check(L)
		}
	}
	L.Push(lua.LString(b.String()))
	return 1
}

func tabInsert(L *lua.LState) int {
	t := checkTable(L, 1)
	n := t.Len()
	switch L.GetTop() {
	case 2:
		inside.RawSetInt(L, t, n+1, L.Get(2))
		return 0
	case 3:
	default:
		Raise(L, "wrong number of arguments to 'insert'")
	}
	pos, v := checkInt(L, 2), L.Get(3)
	if !inside.Insert(L, t, n, pos, v) {
		for i := n + 1; i > pos; i-- {
			inside.RawSetInt(L, t, i, inside.RawGetInt(t, i-1))
			if i%checkEvery == 0 {
				inside.Check(L)
			}
		}
		inside.RawSetInt(L, t, pos, v)
	}
	return 0
}

func tabRemove(L *lua.LState) int {
	t := checkTable(L, 1)
	n := t.Len()
	pos := optInt(L, 2, n)
	if pos < 1 || pos > n {
		return 0
	}
	v, ok := inside.Remove(t, n, pos)
	if !ok {
		v = inside.RawGetInt(t, pos)
		for i := pos; i < n; i++ {
			inside.RawSetInt(L, t, i, inside.RawGetInt(t, i+1))
			if i%checkEvery == 0 {
				inside.Check(L)
			}
		}
		inside.RawSetInt(L, t, n, lua.LNil)
	}
	L.Push(v)
	return 1
}

func tabGetN(L *lua.LState) int {
	L.Push(inside.Int(checkTable(L, 1).Len()))
	return 1
}

func tabSetN(L *lua.LState) int {
	checkTable(L, 1)
	Raise(L, "'setn' is obsolete")
	return 0
}

func tabMaxN(L *lua.LState) int {
	t := checkTable(L, 1)
	largest, n := lua.LNumber(0), 0
	inside.Each(t, func(k, _ lua.LValue) bool {
		if x, ok := k.(lua.LNumber); ok && x > largest {
			largest = x
		}
		if n++; n%checkEvery == 0 {
			inside.Check(L)
		}
		return true
	})
	L.Push(largest)
	return 1
}

func checkFunction(L *lua.LState, n int) *lua.LFunction {
	fn, ok := L.Get(n).(*lua.LFunction)
	if !ok {
		typeError(L, n, "function")
	}
	return fn
}

// visit calls the function of foreach. It reports whether the loop is to end,
// and leaves the result on the stack then.
func visit(L *lua.LState, fn *lua.LFunction, k, v lua.LValue) bool {
	inside.Check(L)
	L.Push(fn)
	L.Push(k)
	L.Push(v)
	L.Call(2, 1)
	if L.Get(-1) != lua.LNil {
		return true
	}
	L.Pop(1)
	return false
}

func tabForeach(L *lua.LState) int {
	t, fn := checkTable(L, 1), checkFunction(L, 2)
	n := 0
	inside.Each(t, func(k, v lua.LValue) bool {
		if visit(L, fn, k, v) {
			n = 1
		}
		return n == 0
	})
	return n
}

func tabForeachI(L *lua.LState) int {
	t := checkTable(L, 1)
	n := t.Len()
	fn := checkFunction(L, 2)
	for i := 1; i <= n; i++ {
		if visit(L, fn, inside.Int(i), inside.RawGetInt(t, i)) {
			return 1
		}
	}
	return 0
}

func tabPack(L *lua.LState) int {
	n := L.GetTop()
	t := L.CreateTable(n, 0)
	for i := 1; i <= n; i++ {
		t.RawSetInt(i, L.Get(i))
	}
	inside.RawSet(L, t, lua.LString("n"), inside.Int(n))
	L.Push(t)
	return 1
}

func tabMove(L *lua.LState) int {
	src := checkTable(L, 1)
	from, to, at := checkInt(L, 2), checkInt(L, 3), checkInt(L, 4)
	dst := src
	if L.Get(5) != lua.LNil {
		dst = checkTable(L, 5)
	}
	move := func(i int) {
		inside.RawSetInt(L, dst, at+i, inside.RawGetInt(src, from+i))
		if i%checkEvery == 0 {
			inside.Check(L)
		}
	}
	n := to - from + 1
	if src != dst || at <= from || at > to {
		for i := 0; i < n; i++ {
			move(i)
		}
	} else {
		for i := n - 1; i >= 0; i-- {
			move(i)
		}
	}
	L.Push(dst)
	return 1
}

package php

import (
	"slices"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var orderFuncs = []scripting.Func{
	sorter("sort", "", "Sorts a list in place, smallest first: numbers and numeric strings by their value, other strings by their bytes.", func(L *lua.LState) func(a, b lua.LValue) int {
		return func(a, b lua.LValue) int { return compare(L, a, b) }
	}),
	sorter("rsort", "", "As sort, largest first.", func(L *lua.LState) func(a, b lua.LValue) int {
		return func(a, b lua.LValue) int { return compare(L, b, a) }
	}),
	sorter("usort", ", callback function", "Sorts a list in place by callback(a, b), which answers a number: less than, equal to or greater than 0. Equal values keep their order.", func(L *lua.LState) func(a, b lua.LValue) int {
		fn := L.CheckFunction(2)
		return func(a, b lua.LValue) int {
			switch n := toNumber(L, call(L, fn, a, b)); {
			case n < 0:
				return -1
			case n > 0:
				return 1
			}
			return 0
		}
	}),
	extreme("min", "The smallest of the arguments, or of the values of a single table.", -1),
	extreme("max", "The largest of the arguments, or of the values of a single table.", 1),
}

func sorter(name, more, doc string, order func(L *lua.LState) func(a, b lua.LValue) int) scripting.Func {
	return pure(name, "array table"+more, "boolean", doc, func(L *lua.LState) lua.LValue {
		t, cmp, n := L.CheckTable(1), order(L), 0
		slots, others := vm.Shape(t)
		if others > 0 {
			vm.Raise(L, "php.%s: the table is no list, it has other keys too", name)
		}
		list := make([]lua.LValue, 0, len(slots))
		for _, v := range slots {
			if v != lua.LNil {
				list = append(list, v)
			}
		}
		slices.SortStableFunc(list, func(a, b lua.LValue) int {
			if n++; n%checkEvery == 0 {
				vm.Check(L)
			}
			return cmp(a, b)
		})
		now, others := vm.Shape(t)
		refill(L, t, len(now), list)
		return lua.LTrue
	})
}

func extreme(name, doc string, sign int) scripting.Func {
	return pure(name, "... any", "any", doc, func(L *lua.LState) lua.LValue {
		var best lua.LValue
		take := func(v lua.LValue) {
			if best == nil || compare(L, v, best)*sign > 0 {
				best = v
			}
		}
		if t, ok := scripting.ReadTable(L, L.Get(1)); ok && L.GetTop() == 1 {
			each(L, t, func(_, v lua.LValue) { take(v) })
		} else {
			for _, v := range rest(L, 1) {
				take(v)
			}
		}
		if best == nil {
			vm.Raise(L, "php.%s: there is no value", name)
		}
		return best
	})
}

// compare is PHP's <=>.
func compare(L *lua.LState, a, b lua.LValue) int {
	m, isNum := numeric(a)
	n, isNum2 := numeric(b)
	x, isText := a.(lua.LString)
	y, isText2 := b.(lua.LString)
	_, aNumber := a.(lua.LNumber)
	_, bNumber := b.(lua.LNumber)
	switch {
	case isNum && isNum2:
		switch {
		case m < n:
			return -1
		case m > n:
			return 1
		}
		return 0
	case isText && isText2:
		return strings.Compare(string(x), string(y))
	case aNumber && isText2 || isText && bNumber:
		return strings.Compare(toText(L, a), toText(L, b))
	}
	t, ok := scripting.ReadTable(L, a)
	u, ok2 := scripting.ReadTable(L, b)
	switch {
	case ok && ok2:
		return size(t) - size(u)
	case ok && !isNull(b):
		return 1
	case ok2 && !isNull(a):
		return -1
	}
	p, q := truth(L, a), truth(L, b)
	switch {
	case p == q:
		return 0
	case q:
		return -1
	}
	return 1
}

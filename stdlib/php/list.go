package php

import (
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var listFuncs = []scripting.Func{
	pure("count", "array any", "number", "How many entries a table has, whatever their keys.", func(L *lua.LState) lua.LValue { return vm.Int(size(table(L, 1, "count", "array"))) }),
	pure("sizeof", "array any", "number", "As count.", func(L *lua.LState) lua.LValue { return vm.Int(size(table(L, 1, "sizeof", "array"))) }),
	pure("in_array", "needle any, haystack any, strict any", "boolean", "Whether a value is in the table: equal as PHP's == has it (\"1\" equals 1), or with strict the same.", func(L *lua.LState) lua.LValue {
		return lua.LBool(search(L, "in_array") != lua.LNil)
	}),
	pure("array_search", "needle any, haystack any, strict any", "any", "The key of the first value that equals the needle, as in_array has it; false if there is none.", func(L *lua.LState) lua.LValue {
		if k := search(L, "array_search"); k != lua.LNil {
			return k
		}
		return lua.LFalse
	}),
	pure("array_key_exists", "key any, array any", "boolean", "Whether the table has the key.", func(L *lua.LState) lua.LValue {
		k := L.Get(1)
		return lua.LBool(k != lua.LNil && vm.RawGet(table(L, 2, "array_key_exists", "array"), k) != lua.LNil)
	}),
	pure("array_keys", "array any", "table", "The table's keys, as a list.", func(L *lua.LState) lua.LValue {
		return collect(L, table(L, 1, "array_keys", "array"), func(k, _ lua.LValue) (lua.LValue, bool) { return k, true })
	}),
	pure("array_values", "array any", "table", "The table's values, as a list.", func(L *lua.LState) lua.LValue {
		return collect(L, table(L, 1, "array_values", "array"), func(_, v lua.LValue) (lua.LValue, bool) { return v, true })
	}),
	row("array_push", "array any, ... any", "number", "Adds values at the end of a list; the result is its new length.", arrayPush),
	row("array_pop", "array table", "any", "Takes the last value off a list; nil when it is empty.", func(_ *scripting.Instance, L *lua.LState) int {
		t := L.CheckTable(1)
		n := t.Len()
		v := lua.LValue(lua.LNil)
		if n > 0 {
			v = t.RawGetInt(n)
			vm.RawSet(L, t, vm.Int(n), lua.LNil)
		}
		L.Push(v)
		return 1
	}),
	row("array_shift", "array table", "any", "Takes the first value off a list; nil when it is empty.", func(_ *scripting.Instance, L *lua.LState) int {
		t := L.CheckTable(1)
		list, _ := vm.Shape(t)
		if len(list) == 0 {
			L.Push(lua.LNil)
			return 1
		}
		rest := append([]lua.LValue(nil), list[1:]...)
		L.Push(list[0])
		refill(L, t, len(list), rest)
		return 1
	}),
	row("array_unshift", "array table, ... any", "number", "Puts values before the first one of a list; the result is its new length.", func(_ *scripting.Instance, L *lua.LState) int {
		t := L.CheckTable(1)
		list, _ := vm.Shape(t)
		all := append(rest(L, 2), list...)
		refill(L, t, len(list), all)
		L.Push(vm.Int(len(all)))
		return 1
	}),
	pure("array_merge", "... any", "table", "A new table with the entries of all: values of lists one behind the other, others by their keys, where a later table wins.", func(L *lua.LState) lua.LValue {
		out, n := L.NewTable(), 0
		for i := 1; i <= L.GetTop(); i++ {
			each(L, table(L, i, "array_merge", "array"), func(k, v lua.LValue) {
				if _, isNumber := k.(lua.LNumber); isNumber {
					n++
					k = vm.Int(n)
				}
				vm.RawSet(L, out, k, v)
			})
		}
		return out
	}),
	pure("array_map", "callback function, array any", "table", "A new table with what callback(value) answers for each value, under the same keys.", func(L *lua.LState) lua.LValue {
		fn, out := L.CheckFunction(1), L.NewTable()
		each(L, table(L, 2, "array_map", "array"), func(k, v lua.LValue) { vm.RawSet(L, out, k, call(L, fn, v)) })
		return out
	}),
	pure("array_filter", "array any, callback function?", "table", "A new table of the values for which callback(value) is true, or which are true themselves. A list stays a list; other keys are kept.", func(L *lua.LState) lua.LValue {
		t := table(L, 1, "array_filter", "array")
		fn, _ := L.Get(2).(*lua.LFunction)
		_, others := vm.Shape(t)
		out, n := L.NewTable(), 0
		each(L, t, func(k, v lua.LValue) {
			answer := v
			if fn != nil {
				answer = call(L, fn, v)
			}
			if !truth(L, answer) {
				return
			}
			if n++; others == 0 {
				k = vm.Int(n)
			}
			vm.RawSet(L, out, k, v)
		})
		return out
	}),
	pure("array_reduce", "array any, callback function, initial any", "any", "callback(carry, value) for each value: what it answers is the next carry, and at last the result.", func(L *lua.LState) lua.LValue {
		t, fn, carry := table(L, 1, "array_reduce", "array"), L.CheckFunction(2), L.Get(3)
		each(L, t, func(_, v lua.LValue) { carry = call(L, fn, carry, v) })
		return carry
	}),
	pure("array_slice", "array any, offset number, length number?", "table", "A part of a list, by its offset from 0 (negative: from the end) and its length (negative: so many left out at the end).", func(L *lua.LState) lua.LValue {
		list, _ := vm.Shape(table(L, 1, "array_slice", "array"))
		from, to := window(len(list), whole(L, 2, "array_slice", "offset", 0), optional(L, 3, "array_slice", "length"))
		return solid(L, list[from:to])
	}),
	pure("array_reverse", "array any", "table", "A new list with the values in reverse order.", func(L *lua.LState) lua.LValue {
		list, _ := vm.Shape(table(L, 1, "array_reverse", "array"))
		out := make([]lua.LValue, len(list))
		for i, v := range list {
			out[len(list)-1-i] = v
		}
		return solid(L, out)
	}),
	pure("array_unique", "array any", "table", "A new list of the values without those that are equal, as strings, to an earlier one.", func(L *lua.LState) lua.LValue {
		seen := map[string]bool{}
		return collect(L, table(L, 1, "array_unique", "array"), func(_, v lua.LValue) (lua.LValue, bool) {
			s := toText(L, v)
			again := seen[s]
			seen[s] = true
			return v, !again
		})
	}),
	pure("array_flip", "array any", "table", "A new table whose keys are the values and whose values are the keys.", func(L *lua.LState) lua.LValue {
		out := L.NewTable()
		each(L, table(L, 1, "array_flip", "array"), func(k, v lua.LValue) {
			switch v.(type) {
			case lua.LString, lua.LNumber:
				vm.RawSet(L, out, v, k)
			default:
				vm.Raise(L, "php.array_flip: a value is a %s; only strings and numbers can become keys", v.Type())
			}
		})
		return out
	}),
	pure("array_combine", "keys any, values any", "table", "A new table of a list of keys and a list of values.", func(L *lua.LState) lua.LValue {
		keys, _ := vm.Shape(table(L, 1, "array_combine", "keys"))
		values, _ := vm.Shape(table(L, 2, "array_combine", "values"))
		if len(keys) != len(values) {
			vm.Raise(L, "php.array_combine: %d keys and %d values", len(keys), len(values))
		}
		out := L.NewTable()
		for i, k := range keys {
			vm.RawSet(L, out, k, values[i])
		}
		return out
	}),
	pure("array_chunk", "array any, length number", "table", "The values in lists of length each.", func(L *lua.LState) lua.LValue {
		list, _ := vm.Shape(table(L, 1, "array_chunk", "array"))
		n := whole(L, 2, "array_chunk", "length", 0)
		if n < 1 {
			vm.Raise(L, "bad argument #2 'length' to 'php.array_chunk' (1 or more expected, got %d)", n)
		}
		var out []lua.LValue
		for len(list) > 0 {
			k := min(n, len(list))
			out = append(out, solid(L, list[:k]))
			list = list[k:]
		}
		return vm.NewList(out)
	}),
	pure("array_diff", "array any, other any", "table", "A new list of the values that are not, as strings, in the other table.", func(L *lua.LState) lua.LValue { return compared(L, "array_diff", false) }),
	pure("array_intersect", "array any, other any", "table", "A new list of the values that are, as strings, in the other table.", func(L *lua.LState) lua.LValue { return compared(L, "array_intersect", true) }),
	pure("array_sum", "array any", "number", "The sum of the values.", func(L *lua.LState) lua.LValue {
		sum := 0.0
		each(L, table(L, 1, "array_sum", "array"), func(_, v lua.LValue) { sum += toNumber(L, v) })
		return lua.LNumber(sum)
	}),
	pure("array_product", "array any", "number", "The product of the values.", func(L *lua.LState) lua.LValue {
		product := 1.0
		each(L, table(L, 1, "array_product", "array"), func(_, v lua.LValue) { product *= toNumber(L, v) })
		return lua.LNumber(product)
	}),
	pure("array_column", "array any, column_key any, index_key any", "table", "One field of each of a list of tables, as a list, or under the keys that the field index_key has.", func(L *lua.LState) lua.LValue {
		out, n := L.NewTable(), 0
		each(L, table(L, 1, "array_column", "array"), func(_, v lua.LValue) {
			t, ok := scripting.ReadTable(L, v)
			if !ok {
				return
			}
			value := lua.LValue(t)
			if L.Get(2) != lua.LNil {
				value = vm.RawGet(t, L.Get(2))
			}
			if value == lua.LNil {
				return
			}
			if L.Get(3) != lua.LNil {
				if k := vm.RawGet(t, L.Get(3)); k != lua.LNil {
					vm.RawSet(L, out, k, value)
				}
				return
			}
			n++
			vm.RawSet(L, out, vm.Int(n), value)
		})
		return out
	}),
	pure("range", "from any, to any, step number?", "table", "The numbers, or the letters, from one to another, as a list.", arrayRange),
}

// each walks a table and lets itself be stopped.
func each(L *lua.LState, t *lua.LTable, f func(k, v lua.LValue)) {
	i := 0
	vm.Each(t, func(k, v lua.LValue) bool {
		if i++; i%checkEvery == 0 {
			vm.Check(L)
		}
		f(k, v)
		return true
	})
}

// collect makes a list of what f answers.
func collect(L *lua.LState, t *lua.LTable, f func(k, v lua.LValue) (lua.LValue, bool)) lua.LValue {
	var list []lua.LValue
	each(L, t, func(k, v lua.LValue) {
		if x, ok := f(k, v); ok {
			list = append(list, x)
		}
	})
	return vm.NewList(list)
}

// solid makes a list of a copy of slots, which may have holes.
func solid(L *lua.LState, slots []lua.LValue) lua.LValue {
	list := make([]lua.LValue, 0, len(slots))
	for _, v := range slots {
		if v != lua.LNil {
			list = append(list, v)
		}
	}
	return vm.NewList(list)
}

// refill gives a list of n slots other values.
func refill(L *lua.LState, t *lua.LTable, n int, values []lua.LValue) {
	for i, v := range values {
		if i%checkEvery == checkEvery-1 {
			vm.Check(L)
		}
		vm.RawSet(L, t, vm.Int(i+1), v)
	}
	for i := n; i > len(values); i-- {
		vm.RawSet(L, t, vm.Int(i), lua.LNil)
	}
}

// call calls a function of the script; it may wait.
func call(L *lua.LState, fn *lua.LFunction, args ...lua.LValue) lua.LValue {
	L.Push(fn)
	for _, a := range args {
		L.Push(a)
	}
	L.Call(len(args), 1)
	v := L.Get(-1)
	L.Pop(1)
	return v
}

// search is the key of argument 1 in argument 2, LNil if there is none.
func search(L *lua.LState, what string) lua.LValue {
	needle, found, i := L.Get(1), lua.LValue(lua.LNil), 0
	strict := flag(L, 3)
	vm.Each(table(L, 2, what, "haystack"), func(k, v lua.LValue) bool {
		if i++; i%checkEvery == 0 {
			vm.Check(L)
		}
		if strict && identical(L, needle, v) || !strict && equal(L, needle, v, 0) {
			found = k
		}
		return found == lua.LNil
	})
	return found
}

func arrayPush(_ *scripting.Instance, L *lua.LState) int {
	t, isTable := L.Get(1).(*lua.LTable)
	n := table(L, 1, "array_push", "array").Len()
	for _, v := range rest(L, 2) {
		if n++; isTable {
			vm.RawSet(L, t, vm.Int(n), v)
		} else {
			L.SetTable(L.Get(1), vm.Int(n), v) // session data
		}
	}
	L.Push(vm.Int(n))
	return 1
}

func compared(L *lua.LState, what string, keep bool) lua.LValue {
	t, other := table(L, 1, what, "array"), map[string]bool{}
	each(L, table(L, 2, what, "other"), func(_, v lua.LValue) { other[toText(L, v)] = true })
	return collect(L, t, func(_, v lua.LValue) (lua.LValue, bool) { return v, other[toText(L, v)] == keep })
}

// longestRange is how many entries range may make.
const longestRange = 10_000_000

func arrayRange(L *lua.LState) lua.LValue {
	step := number(L, 3, 1)
	from, to := L.Get(1), L.Get(2)
	a, isText := from.(lua.LString)
	b, isText2 := to.(lua.LString)
	letters := isText && isText2 && a != "" && b != "" && !strings.Contains("0123456789+-.", string(a[:1])) && !strings.Contains("0123456789+-.", string(b[:1]))
	x, y := toNumber(L, from), toNumber(L, to)
	if letters {
		x, y = float64(a[0]), float64(b[0])
	}
	if step < 0 {
		step = -step
	}
	if step == 0 || step != step {
		vm.Raise(L, "bad argument #3 'step' to 'php.range' (cannot be 0)")
	}
	count := (y - x) / step
	if y < x {
		count, step = -count, -step
	}
	if !(count < longestRange) {
		vm.Raise(L, "php.range: more than %d entries", longestRange)
	}
	list := make([]lua.LValue, 0, int(count+1e-9)+1)
	for i := 0; i <= int(count+1e-9); i++ {
		if i%checkEvery == checkEvery-1 {
			vm.Check(L)
		}
		v := x + float64(i)*step
		if letters {
			list = append(list, lua.LString([]byte{byte(v)}))
		} else {
			list = append(list, lua.LNumber(v))
		}
	}
	return vm.NewList(list)
}

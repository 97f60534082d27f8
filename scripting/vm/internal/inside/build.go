package inside

import (
	lua "github.com/yuin/gopher-lua"
)

// Whole tables at once, for library functions that build or read many: data
// formats, mostly.

// NewList makes a table of the values, in order; none may be LNil. The table
// takes the slice over.
func NewList(values []lua.LValue) *lua.LTable {
	lt := &lua.LTable{Metatable: lua.LNil}
	if StockTables {
		for i, v := range values {
			lt.RawSetInt(i+1, v)
		}
		return lt
	}
	of(lt).array = values
	return lt
}

// NewRecord makes a table of string keys, each followed by its value, which may
// not be LNil. A key that comes twice has its last value, in its first place.
func NewRecord(pairs []lua.LValue) *lua.LTable {
	lt := &lua.LTable{Metatable: lua.LNil}
	if StockTables {
		for i := 0; i < len(pairs); i += 2 {
			lt.RawSetString(string(pairs[i].(lua.LString)), pairs[i+1])
		}
		return lt
	}
	n := len(pairs) / 2
	if n == 0 {
		return lt
	}
	t := of(lt)
	t.strdict = make(map[string]lua.LValue, n)
	t.k2i = make(map[lua.LValue]int, n)
	t.keys = make([]lua.LValue, 0, n)
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i]
		t.strdict[string(key.(lua.LString))] = pairs[i+1]
		if len(t.strdict) != len(t.keys) {
			t.k2i[key] = len(t.keys)
			t.keys = append(t.keys, key)
		}
	}
	return lt
}

// Shape tells what a table holds: the slots of its list, LNil for holes, and
// how many entries it has besides. The slots are good until anything touches
// the table, and are not to be written.
func Shape(lt *lua.LTable) (list []lua.LValue, others int) {
	if !StockTables {
		t := of(lt)
		return t.array, t.live()
	}
	n := lt.Len()
	for i := 1; i <= n; i++ {
		list = append(list, lt.RawGetInt(i))
	}
	Each(lt, func(k, _ lua.LValue) bool {
		if i := index(k); i == 0 || i > n {
			others++
		}
		return true
	})
	return list, others
}

// Keys are the keys of what a table holds besides its list, in the order they
// came, dead ones among them: read their values with RawGetH of the table. The
// slice is not to be written.
func Keys(lt *lua.LTable) []lua.LValue {
	if !StockTables {
		return of(lt).keys
	}
	n := lt.Len()
	var keys []lua.LValue
	Each(lt, func(k, _ lua.LValue) bool {
		if i := index(k); i == 0 || i > n {
			keys = append(keys, k)
		}
		return true
	})
	return keys
}

package inside

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua's tables never forget a key, keep a slot for every integer below
// the largest one they ever saw, and lose sight of a list's end past a limit.
// Nothing exported takes a key away again, so this file works on the fields.
//
// What holds for every table, and what the library's own Go methods expect:
//
//   - An integer key n is in the array part if n <= len(array), else in dict.
//   - dict has no entry for len(array)+1: the array's end is an end of the list.
//   - keys and k2i know every key of dict and strdict, and dead ones besides.
//     A slice of keys is only ever appended to or replaced, so that whoever
//     walks an old one may go on.
//
// Go code may read tables with the library's methods, except that RawGet and
// RawGetInt do not see integer keys of a sparse table: use RawGet here. It may
// write lists and string keys; for other keys use RawSet here.

// StockTables leaves tables as gopher-lua made them, with their leaks. It is
// the way on if a changed gopher-lua makes the field checks fail.
var StockTables = os.Getenv("SWOON_STOCK_TABLES") != ""

// table mirrors lua.LTable.
type table struct {
	Metatable lua.LValue

	array   []lua.LValue
	dict    map[lua.LValue]lua.LValue
	strdict map[string]lua.LValue
	keys    []lua.LValue
	k2i     map[lua.LValue]int
}

func of(t *lua.LTable) *table { return (*table)(unsafe.Pointer(t)) }

func init() {
	if !StockTables {
		checkTable(reflect.TypeFor[table]())
		wrapTables()
	}
}

// checkTable compares lua.LTable with its mirror.
func checkTable(ours reflect.Type) {
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprint(r, "\nSWOON_STOCK_TABLES=1 in the environment runs Swoon with gopher-lua's own tables, which leak memory"))
		}
	}()
	mirror(reflect.TypeFor[lua.LTable](), ours, true)
}

// ints are boxed integers, as making one costs an allocation.
var ints = func() (a [1024]lua.LValue) {
	for i := range a {
		a[i] = lua.LNumber(i)
	}
	return
}()

// Int is i as a Lua number.
func Int(i int) lua.LValue {
	if i >= 0 && i < len(ints) {
		return ints[i]
	}
	return lua.LNumber(i)
}

// index is the integer that key stands for, 0 if it is none that an array part
// could hold.
func index(key lua.LValue) int {
	if n, ok := key.(lua.LNumber); ok {
		if i := int(n); lua.LNumber(i) == n && i >= 1 && i < lua.MaxArrayIndex {
			return i
		}
	}
	return 0
}

// List is the array part of t, nil for stock tables. Slots may hold LNil. It is
// good until anything else touches the table.
func List(t *lua.LTable) []lua.LValue {
	if StockTables {
		return nil
	}
	return of(t).array
}

// RawGet reads a key of t without metamethods.
func RawGet(t *lua.LTable, key lua.LValue) lua.LValue {
	if n, ok := key.(lua.LNumber); ok && !StockTables {
		return of(t).number(n)
	}
	return t.RawGet(key)
}

// RawGetInt is RawGet for an integer.
func RawGetInt(t *lua.LTable, i int) lua.LValue {
	if StockTables {
		return t.RawGet(lua.LNumber(i))
	}
	return of(t).number(lua.LNumber(i))
}

func (t *table) number(n lua.LNumber) lua.LValue {
	if i := int(n); i >= 1 && i <= len(t.array) && lua.LNumber(i) == n {
		return t.array[i-1]
	}
	if len(t.dict) != 0 {
		if v, ok := t.dict[n]; ok {
			return v
		}
	}
	return lua.LNil
}

// RawSet writes a key of t without metamethods. It raises on L for keys that
// cannot be, and when a list grows past what the library can hold.
func RawSet(L *lua.LState, t *lua.LTable, key, v lua.LValue) {
	if StockTables {
		L.RawSet(t, key, v)
		return
	}
	of(t).set(L, key, v)
}

// RawSetInt is RawSet for an integer.
func RawSetInt(L *lua.LState, t *lua.LTable, i int, v lua.LValue) {
	if !StockTables && i >= 1 && i < lua.MaxArrayIndex {
		of(t).setInt(L, i, nil, v)
		return
	}
	RawSet(L, t, lua.LNumber(i), v)
}

func (t *table) set(L *lua.LState, key, v lua.LValue) {
	switch k := key.(type) {
	case lua.LNumber:
		if i := index(key); i != 0 {
			t.setInt(L, i, key, v)
			return
		}
		if math.IsNaN(float64(k)) {
			L.RaiseError("table index is NaN")
		}
		if k == lua.LNumber(lua.MaxArrayIndex) && len(t.array) == lua.MaxArrayIndex-1 && v != lua.LNil {
			tooLong(L)
		}
		t.setHash(key, v)
	case lua.LString:
		t.setString(string(k), key, v)
	case *lua.LNilType:
		L.RaiseError("table index is nil")
	default:
		t.setHash(key, v)
	}
}

// setInt stores at an index; key is the boxed index if the caller has it.
func (t *table) setInt(L *lua.LState, i int, key, v lua.LValue) {
	n := len(t.array)
	if i <= n {
		t.array[i-1] = v
		if i == n && v == lua.LNil {
			t.trim()
		}
		return
	}
	if v == lua.LNil {
		if len(t.dict) != 0 {
			delete(t.dict, lua.LNumber(i))
		}
		return
	}
	if i == n+1 || i <= n+smallGap && n >= bigList {
		if t.room(i) {
			for len(t.array) < i-1 {
				t.array = append(t.array, t.take(len(t.array)+1))
			}
			t.array = append(t.array, v)
			if len(t.dict) != 0 {
				delete(t.dict, lua.LNumber(i))
				t.join(L)
			}
			return
		}
	}
	if key == nil {
		key = Int(i)
	}
	if t.array == nil {
		t.array = []lua.LValue{} // the library's Next takes nil to mean: no integers
	}
	if t.setHash(key, v) && len(t.keys)&(len(t.keys)-1) == 0 && len(t.keys) >= 8 {
		t.densify(L)
	}
}

// A list of bigList entries or more takes a new one up to smallGap behind its
// end; a shorter one has its end where the first hole is, as in PUC Lua.
const (
	bigList  = 64
	smallGap = 8
)

// take removes an integer key from dict and returns what it had.
func (t *table) take(i int) lua.LValue {
	if len(t.dict) != 0 {
		if v, ok := t.dict[lua.LNumber(i)]; ok {
			delete(t.dict, lua.LNumber(i))
			return v
		}
	}
	return lua.LNil
}

// join moves what continues the array from dict to it.
func (t *table) join(L *lua.LState) {
	for len(t.dict) != 0 {
		i := len(t.array) + 1
		v, ok := t.dict[lua.LNumber(i)]
		if !ok {
			return
		}
		if i >= lua.MaxArrayIndex {
			tooLong(L)
		}
		delete(t.dict, lua.LNumber(i))
		t.array = append(t.array, v)
	}
}

// trim cuts empty slots off the end.
func (t *table) trim() {
	n := len(t.array)
	for n > 0 && t.array[n-1] == lua.LNil {
		n--
	}
	t.array = t.array[:n]
}

// setHash stores a key in dict. It reports whether the key is new.
func (t *table) setHash(key, v lua.LValue) bool {
	if v == lua.LNil {
		if len(t.dict) != 0 {
			delete(t.dict, key)
		}
		return false
	}
	n := len(t.dict)
	if t.dict == nil {
		t.dict = map[lua.LValue]lua.LValue{}
	}
	t.dict[key] = v
	return len(t.dict) != n && t.note(key)
}

// setString stores a string key; key is the same string as a Lua value.
func (t *table) setString(s string, key, v lua.LValue) {
	if v == lua.LNil {
		if len(t.strdict) != 0 {
			delete(t.strdict, s)
		}
		return
	}
	n := len(t.strdict)
	if t.strdict == nil {
		t.strdict = map[string]lua.LValue{} // the library's would have room for 32
	}
	t.strdict[s] = v
	if len(t.strdict) != n {
		t.note(key)
	}
}

// note adds a key that came to life to keys. It reports whether it was unknown.
func (t *table) note(key lua.LValue) bool {
	if t.k2i == nil {
		t.k2i = map[lua.LValue]int{}
		t.keys = make([]lua.LValue, 0, 4)
	}
	_, known := t.k2i[key]
	if !known {
		t.k2i[key] = len(t.keys)
		t.keys = append(t.keys, key)
	}
	if len(t.keys) > 2*t.live()+slack {
		t.compact()
	}
	return !known
}

func (t *table) live() int { return len(t.dict) + len(t.strdict) }

func tooLong(L *lua.LState) {
	L.RaiseError("list too long (limit %d entries)", lua.MaxArrayIndex-1)
}

// Insert moves the entries pos..n of a list of length n up by one and stores v
// at pos. It reports whether it could; if not, nothing was done.
func Insert(L *lua.LState, lt *lua.LTable, n, pos int, v lua.LValue) bool {
	if StockTables {
		return false
	}
	t := of(lt)
	if n != len(t.array) || pos < 1 || pos > n || !t.room(n+1) {
		return false
	}
	t.setInt(L, n+1, nil, t.array[n-1])
	copy(t.array[pos:n], t.array[pos-1:n-1])
	t.array[pos-1] = v
	return true
}

// Remove takes the entry at pos out of a list of length n and moves the rest
// down. It reports whether it could; if not, nothing was done.
func Remove(lt *lua.LTable, n, pos int) (lua.LValue, bool) {
	if StockTables {
		return nil, false
	}
	t := of(lt)
	if n != len(t.array) || pos < 1 || pos > n {
		return nil, false
	}
	v := t.array[pos-1]
	copy(t.array[pos-1:n-1], t.array[pos:n])
	t.array[n-1] = lua.LNil
	t.trim()
	return v, true
}

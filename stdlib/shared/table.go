package shared

import (
	"fmt"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/table"

	lua "github.com/yuin/gopher-lua"
)

var (
	key   = scripting.Param{Name: "key", Type: "any"}
	ttl   = scripting.Param{Name: "ttl", Type: "number?"}
	value = scripting.Param{Name: "value", Type: "any"}
)

var tableType = &scripting.Type{
	Name: "shared.table",
	Doc: "A map that all workers share. Keys are strings and numbers, values plain data. #t is the number of keys, and pairs(t) goes through them. " +
		"Each call is one step: no other worker sees half of it.",
	Methods: []scripting.Func{
		{
			Name: "get", Params: []scripting.Param{key, {Name: "field", Type: "any?"}}, Returns: "any",
			Doc: "The value under key, or only its field; nil if there is none. What comes out is a copy.", Fn: get,
		},
		{
			Name: "set", Params: []scripting.Param{key, value, ttl}, Returns: "boolean, string?, string?",
			Doc: "Store a value, for ttl seconds if given (0: for ever), else as the table's ttl says. With columns the value is a table of some of them: " +
				"the others keep what they have. Fails with table_full, value_too_large or value_too_long (a string for its column).", Fn: set,
		},
		{
			Name: "incr", Params: counting, Returns: "number|false, string?, string?",
			Doc: "Add n (1) to the number under key, or to its column, which comes second in a table with columns; returns the sum. " +
				"What is not there begins at 0, and lives for ttl seconds if given.",
			Fn: func(in *scripting.Instance, L *lua.LState) int { return count(in, L, "shared.table:incr", 1) },
		},
		{
			Name: "decr", Params: counting, Returns: "number|false, string?, string?", Doc: "Subtract n (1), as incr adds.",
			Fn: func(in *scripting.Instance, L *lua.LState) int { return count(in, L, "shared.table:decr", -1) },
		},
		{
			Name: "cas", Params: []scripting.Param{key, {Name: "old", Type: "any"}, value, ttl}, Returns: "boolean, string?, string?",
			Doc: "Store value if what is under key is old, compared by what it holds; an old of nil: if nothing is. With columns, old names those to compare. " +
				"A value of nil removes the key. Fails with changed, and as set does.", Fn: cas,
		},
		{Name: "del", Params: []scripting.Param{key}, Returns: "boolean", Doc: "Remove a key; false if it was not there.", Fn: del},
		{Name: "exists", Params: []scripting.Param{key}, Returns: "boolean", Doc: "Whether the key is there.", Fn: exists},
		{Name: "count", Returns: "number", Doc: "How many keys there are.", Fn: countKeys},
		{Name: "keys", Params: []scripting.Param{{Name: "max", Type: "number?"}}, Returns: "table", Doc: "The keys, at most max, in no order.", Fn: keys},
		{
			Name: "iterate", Returns: "function",
			Doc: "For a loop: for key, value in t:iterate() do. A key that is there from beginning to end comes once, one that comes or goes meanwhile once or not at all; the body may change the table and may wait.", Fn: iterate,
		},
		{
			Name: "expire", Params: []scripting.Param{key, ttl}, Returns: "boolean",
			Doc: "Let the key live ttl more seconds (none or 0: for ever); false if it is not there.", Fn: expire,
		},
		{Name: "ttl", Params: []scripting.Param{key}, Returns: "number|boolean", Doc: "How many seconds the key has to live; true: for ever, false: it is not there.", Fn: timeLeft},
		{Name: "clear", Returns: "boolean", Doc: "Remove all keys.", Fn: clearAll},
		{
			Name: "stats", Returns: "table",
			Doc: "num, bytes, max_bytes, hits, misses, insert_count, update_count, delete_count, expired_count, evicted_count, watch_num.", Fn: tableStats,
		},
		{
			Name: "watch", Params: []scripting.Param{{Name: "key", Type: "any"}, {Name: "callback", Type: "any?"}}, Returns: "shared.watch",
			Doc: "Call callback(key, value, what) for every change of a key, or of all with watch(callback): what is set, del, expired or evicted, value what it is, or was until it went. " +
				"The calls come in order, one at a time, as fibers of the VM that watches, and end with its generation or by stop(). " +
				"At most 10000 changes wait; when more come, callback(nil, n, \"missed\") says how many were left out.", Fn: watch,
		},
	},
	Meta: map[string]func(*scripting.Instance, *lua.LState) int{"__len": countKeys, "__pairs": iterate},
}

var counting = []scripting.Param{key, {Name: "column_or_n", Type: "any?"}, {Name: "n_or_ttl", Type: "number?"}, ttl}

func newTable(in *scripting.Instance, L *lua.LState) int {
	name := checkName(L, "shared.table")
	var spec TableSpec
	if t, ok := L.Get(2).(*lua.LTable); ok {
		spec.Options = options(L, t)
	}
	v := in.Shared(L, "shared.table", name, spec, func() any { return table.New(spec.Options) })
	L.Push(in.NewObject(tableType, v))
	return 1
}

func self(in *scripting.Instance, L *lua.LState, what string) *table.Table {
	in.MustRun(L, what)
	return scripting.Self[*table.Table](L)
}

func checkKey(L *lua.LState, what string) table.Key {
	k, ok := table.KeyOf(L.Get(2))
	if !ok {
		badKey(L, what)
	}
	return k
}

func badKey(L *lua.LState, what string) {
	got := L.Get(2).Type().String()
	if L.GetTop() < 2 {
		got = "no value"
	} else if n, ok := L.Get(2).(lua.LNumber); ok && n != n {
		got = "nan"
	}
	vm.Raise(L, "bad argument #1 'key' to '%s' (string or number expected, got %s)", what, got)
}

func get(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:get"
	t, k, field := self(in, L, what), checkKey(L, what), L.Get(3)
	if t.Columns() != nil {
		return Row(L, t, what, k, field, lua.LNil)
	}
	v, ok := t.Get(k)
	switch {
	case !ok:
		L.Push(lua.LNil)
	case field == lua.LNil:
		L.Push(scripting.Thaw(L, v))
	default:
		row, isTable := v.(*scripting.Table)
		if !isTable {
			vm.Raise(L, "%s: the value is a %s, it has no field '%s'", what, v.Type(), field)
		}
		L.Push(row.Field(L, field))
	}
	return 1
}

// Row pushes the row under k, or one column of it; none if there is no row.
func Row(L *lua.LState, t *table.Table, what string, k table.Key, field, none lua.LValue) int {
	row, c, ok := t.Row(k)
	if field != lua.LNil {
		i := column(L, t.Columns(), what, field)
		if ok {
			none = row[i]
		}
		L.Push(none)
		return 1
	}
	if !ok {
		L.Push(none)
		return 1
	}
	L.Push(rowTable(L, c, row))
	return 1
}

func rowTable(L *lua.LState, c *table.Columns, row []lua.LValue) *lua.LTable {
	out := L.CreateTable(0, len(c.List))
	for i := range c.List {
		if i < len(row) {
			out.RawSetString(c.List[i].Name, row[i])
		}
	}
	return out
}

// column is the place of a column, or raises.
func column(L *lua.LState, c *table.Columns, what string, name lua.LValue) int {
	i, ok := c.At(name.String())
	if _, isText := name.(lua.LString); !ok || !isText {
		vm.Raise(L, "%s: there is no column '%s'%s", what, name, scripting.Suggest(name.String(), c.Names))
	}
	return i
}

// life reads argument n, a time to live.
func life(L *lua.LState, n int, what string) table.Life {
	v := L.Get(n)
	if v == lua.LNil {
		return table.Usual
	}
	f, ok := scripting.Number(v)
	if !ok || !(f >= 0) || f > 1e9 {
		vm.Raise(L, "bad argument #%d 'ttl' to '%s' (seconds from 0 expected, got %s)", n-1, what, v)
	}
	if f == 0 {
		return 0
	}
	return table.Life(max(time.Duration(f*float64(time.Second)), 1))
}

func set(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:set"
	t, k := self(in, L, what), checkKey(L, what)
	if t.Columns() != nil {
		return SetRow(in, L, t, what, k, life(L, 4, what))
	}
	if L.Get(3) == lua.LNil {
		vm.Raise(L, "%s: the value is nil: remove a key with del", what)
	}
	return answer(in, L, what, t.Put(k, freeze(L, 3), life(L, 4, what)))
}

func freeze(L *lua.LState, n int) lua.LValue {
	v, bad := scripting.Freeze(L.Get(n), true)
	if bad != nil {
		vm.Raise(L, "%s", bad.Refuse("value", "keep", "in a shared table"))
	}
	return v
}

// cell is one column of a row to be stored, and its value as it was given.
type cell struct {
	name lua.LValue
	v    lua.LValue
}

// cells reads argument n, a table of columns.
func cells(L *lua.LState, n int, what string) (list []cell) {
	t, ok := scripting.ReadTable(L, L.Get(n))
	if !ok {
		vm.Raise(L, "bad argument #%d to '%s' (a table of columns expected, got %s)", n-1, what, L.Get(n).Type())
	}
	vm.Each(t, func(k, v lua.LValue) bool {
		list = append(list, cell{k, v})
		return true
	})
	return list
}

// fit makes values of cells that their columns can store, in their places.
func fit(L *lua.LState, c *table.Columns, what string, list []cell) (at []int, vals []lua.LValue, err error) {
	for _, x := range list {
		i := column(L, c, what, x.name)
		v, err := c.List[i].Fit(x.v, scripting.Number)
		if err != nil {
			return nil, nil, err
		}
		at, vals = append(at, i), append(vals, v)
	}
	return at, vals, nil
}

// SetRow stores argument 3, a table of some columns, under k.
func SetRow(in *scripting.Instance, L *lua.LState, t *table.Table, what string, k table.Key, l table.Life) int {
	at, vals, err := fit(L, t.Columns(), what, cells(L, 3, what))
	if err == nil {
		err = t.ChangeRow(k, l, func(_ *table.Columns, row []lua.LValue, _ bool) error {
			for i, v := range vals {
				row[at[i]] = v
			}
			return nil
		})
	}
	return answer(in, L, what, err)
}

// answer pushes true, or what went wrong; what is the script's own fault is
// raised.
func answer(in *scripting.Instance, L *lua.LState, what string, err error) int {
	if err != nil {
		return failed(in, L, what, err)
	}
	L.Push(lua.LTrue)
	return 1
}

func failed(in *scripting.Instance, L *lua.LState, what string, err error) int {
	switch e := err.(type) {
	case *scripting.Errno:
		return in.Fail(L, e)
	case *table.TooLong:
		return in.Fail(L, &scripting.Errno{Name: "value_too_long", Code: 27, Text: e.Error()})
	}
	vm.Raise(L, "%s: %s", what, err.Error())
	return 0
}

// count is incr and decr: (key, n, ttl), or (key, column, n, ttl).
func count(in *scripting.Instance, L *lua.LState, what string, sign float64) int {
	t, k := self(in, L, what), checkKey(L, what)
	if t.Columns() != nil {
		return CountRow(in, L, t, what, k, sign, life(L, 5, what))
	}
	n := sign * amount(L, 3, what)
	sum := lua.LNumber(n)
	err := t.Change(k, table.IfNew(life(L, 4, what)), func(old lua.LValue, there bool) (lua.LValue, error) {
		sum = lua.LNumber(n)
		if there {
			was, ok := old.(lua.LNumber)
			if !ok {
				return nil, fmt.Errorf("the value is a %s, it cannot be counted", old.Type())
			}
			sum += was
		}
		return sum, nil
	})
	if err != nil {
		return failed(in, L, what, err)
	}
	L.Push(sum)
	return 1
}

func amount(L *lua.LState, n int, what string) float64 {
	v := L.Get(n)
	if v == lua.LNil {
		return 1
	}
	f, ok := scripting.Number(v)
	if !ok {
		vm.Raise(L, "bad argument #%d 'n' to '%s' (number expected, got %s)", n-1, what, v.Type())
	}
	return f
}

// CountRow adds argument 4 (1), times sign, to the column that argument 3
// names. l is for a row that is new.
func CountRow(in *scripting.Instance, L *lua.LState, t *table.Table, what string, k table.Key, sign float64, l table.Life) int {
	at := column(L, t.Columns(), what, L.Get(3))
	n := sign * amount(L, 4, what)
	var sum lua.LValue
	err := t.ChangeRow(k, table.IfNew(l), func(c *table.Columns, row []lua.LValue, _ bool) (err error) {
		sum, err = c.List[at].Add(row[at], n)
		row[at] = sum
		return err
	})
	if err != nil {
		return failed(in, L, what, err)
	}
	L.Push(sum)
	return 1
}

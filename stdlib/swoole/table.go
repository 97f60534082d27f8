package swoole

import (
	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/table"
	"swoon/stdlib/shared"

	lua "github.com/yuin/gopher-lua"
)

// swooleTable is a Swoole\Table as one VM sees it.
type swooleTable struct {
	name string
	size int
	cols []table.Column
	t    *table.Table // nil before create
}

var tableFunc = scripting.Func{
	Name: "Table", Params: []scripting.Param{{Name: "size", Type: "number"}, {Name: "conflict", Type: "number?"}}, Returns: "swoole.Table",
	Doc: "A table of rows that all workers share, at the top level only. size is what Swoole would reserve; this one grows. conflict means nothing to it and must be what Swoole takes, 0.2 to 1.",
	Fn: func(in *scripting.Instance, L *lua.LState) int {
		size, _ := scripting.Number(L.Get(1))
		if !(size >= 1) || size != float64(int(size)) {
			vm.Raise(L, "bad argument #1 'size' to 'swoole.Table' (a number of rows from 1 expected, got %v)", L.Get(1))
		}
		if v := L.Get(2); v != lua.LNil {
			if f, _ := scripting.Number(v); !(f >= 0.2 && f <= 1) {
				vm.Raise(L, "bad argument #2 'conflict' to 'swoole.Table' (0.2 to 1 expected, got %v)", v)
			}
		}
		L.Push(in.NewObject(tableType, &swooleTable{name: shareName(in, L, "Table"), size: int(size)}))
		return 1
	},
}

var (
	key    = scripting.Param{Name: "key", Type: "string"}
	counts = []scripting.Param{key, {Name: "column", Type: "string"}, {Name: "n", Type: "number?"}}
)

func method(name string, params []scripting.Param, returns, doc string, fn func(in *scripting.Instance, L *lua.LState, t *swooleTable, what string) int) scripting.Func {
	what := "swoole.Table:" + name
	return scripting.Func{Name: name, Params: params, Returns: returns, Doc: doc, Fn: func(in *scripting.Instance, L *lua.LState) int {
		return fn(in, L, scripting.Self[*swooleTable](L), what)
	}}
}

// ready is the table itself, in a callback and after create.
func (s *swooleTable) ready(in *scripting.Instance, L *lua.LState, what string) *table.Table {
	in.MustRun(L, what)
	switch {
	case s.t == nil:
		vm.Raise(L, "%s: the table has not been created: call create() behind the last column()", what)
	case s.t.Ended():
		vm.Raise(L, "%s: the table was destroyed", what)
	}
	return s.t
}

// textKey is argument 2: Swoole's keys are text.
func textKey(L *lua.LState) table.Key {
	text, ok := L.Get(2).(lua.LString)
	if !ok {
		n, _ := L.Get(2).(lua.LNumber)
		text = lua.LString(vm.Number(float64(n)))
	}
	k, _ := table.KeyOf(text)
	return k
}

var tableType = &scripting.Type{
	Name: "swoole.Table",
	Doc:  "A table of rows that all workers share. #t is the number of rows, and pairs(t) goes through them.",
	Methods: []scripting.Func{
		method("column", []scripting.Param{{Name: "name", Type: "string"}, {Name: "type", Type: "any"}, {Name: "size", Type: "number?"}}, "boolean",
			"Declare a column before create: TYPE_INT, TYPE_FLOAT, or TYPE_STRING with the most bytes it may hold.", addColumn),
		method("create", nil, "boolean", "The columns are complete: make the table, or find it as another worker made it.", create),
		method("set", []scripting.Param{key, {Name: "row", Type: "any"}}, "boolean, string?, string?",
			"Store a row: columns that it does not name keep what they have. Fails with value_too_long for a string that its column cannot hold; other wrong values raise.",
			func(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
				return shared.SetRow(in, L, s.ready(in, L, what), what, textKey(L), table.Usual)
			}),
		method("get", []scripting.Param{key, {Name: "field", Type: "string?"}}, "table|any|false", "A row, or one column of it; false if there is none.",
			func(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
				return shared.Row(L, s.ready(in, L, what), what, textKey(L), L.Get(3), lua.LFalse)
			}),
		method("incr", counts, "number", "Add n (1) to a column and return the sum; a row that is not there begins with zeros.",
			func(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
				return shared.CountRow(in, L, s.ready(in, L, what), what, textKey(L), 1, table.Usual)
			}),
		method("decr", counts, "number", "Subtract n (1) from a column and return the difference.",
			func(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
				return shared.CountRow(in, L, s.ready(in, L, what), what, textKey(L), -1, table.Usual)
			}),
		method("del", []scripting.Param{key}, "boolean", "Remove a row; false if it was not there.", del),
		method("delete", []scripting.Param{key}, "boolean", "The same as del.", del),
		method("exists", []scripting.Param{key}, "boolean", "Whether there is such a row.", exists),
		method("exist", []scripting.Param{key}, "boolean", "The same as exists.", exists),
		method("count", nil, "number", "How many rows there are.", count),
		method("getSize", nil, "number", "The size that was asked for.", func(_ *scripting.Instance, L *lua.LState, s *swooleTable, _ string) int {
			L.Push(lua.LNumber(s.size))
			return 1
		}),
		method("getMemorySize", nil, "number", "How many bytes the rows take.", func(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
			L.Push(lua.LNumber(s.ready(in, L, what).Bytes()))
			return 1
		}),
		method("stats", nil, "table", "num, insert_count, update_count, delete_count; conflict_count and conflict_max_level are 0: nothing conflicts.", stats),
		method("destroy", nil, "boolean", "Remove all rows and end the table, for all workers.", destroy),
	},
	Fields: []scripting.Param{{Name: "size", Type: "number"}, {Name: "memorySize", Type: "number"},
		{Name: "TYPE_INT", Type: "number"}, {Name: "TYPE_FLOAT", Type: "number"}, {Name: "TYPE_STRING", Type: "number"}},
	Field: func(_ *scripting.Instance, v any, name string) lua.LValue {
		s := v.(*swooleTable)
		switch name {
		case "size":
			return lua.LNumber(s.size)
		case "memorySize":
			if s.t == nil {
				return lua.LNumber(0)
			}
			return lua.LNumber(s.t.Bytes())
		case "TYPE_INT":
			return lua.LNumber(table.Int)
		case "TYPE_FLOAT":
			return lua.LNumber(table.Float)
		case "TYPE_STRING":
			return lua.LNumber(table.String)
		}
		return nil
	},
	Meta: map[string]func(*scripting.Instance, *lua.LState) int{
		"__len": func(in *scripting.Instance, L *lua.LState) int {
			return count(in, L, scripting.Self[*swooleTable](L), "swoole.Table:count")
		},
		"__pairs": func(in *scripting.Instance, L *lua.LState) int {
			const what = "pairs of a swoole.Table"
			return shared.Iterate(L, scripting.Self[*swooleTable](L).ready(in, L, what))
		},
	},
}

func addColumn(_ *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	if s.t != nil {
		vm.Raise(L, "%s: the table has been created", what)
	}
	c := table.Column{Name: L.CheckString(2)}
	switch n, ok := scripting.Number(L.Get(3)); {
	case ok && n >= 1 && n <= 3 && n == float64(int(n)):
		c.Type = table.Type(n)
	default:
		vm.Raise(L, "bad argument #2 'type' to '%s' (TYPE_INT, TYPE_FLOAT or TYPE_STRING expected, got %s)", what, L.Get(3))
	}
	size, _ := scripting.Number(L.Get(4))
	switch {
	case c.Type == table.String && (size < 1 || size != float64(int(size))):
		vm.Raise(L, "bad argument #3 'size' to '%s' (a string column needs its number of bytes)", what)
	case c.Type == table.String:
		c.Size = int(size)
	}
	for _, has := range s.cols {
		if has.Name == c.Name {
			vm.Raise(L, "%s: there is a column '%s' already", what, c.Name)
		}
	}
	s.cols = append(s.cols, c)
	L.Push(lua.LTrue)
	return 1
}

func create(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	if s.t != nil {
		vm.Raise(L, "%s: the table has been created", what)
	}
	if len(s.cols) == 0 {
		vm.Raise(L, "%s: the table has no columns: declare them with column()", what)
	}
	spec := shared.TableSpec{Options: table.Options{Columns: table.NewColumns(s.cols)}}
	s.t = in.Shared(L, "swoole.Table", s.name, spec, func() any { return table.New(spec.Options) }).(*table.Table)
	L.Push(lua.LTrue)
	return 1
}

func del(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	L.Push(lua.LBool(s.ready(in, L, what).Delete(textKey(L))))
	return 1
}

func exists(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	L.Push(lua.LBool(s.ready(in, L, what).Has(textKey(L))))
	return 1
}

func count(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	L.Push(lua.LNumber(s.ready(in, L, what).Count()))
	return 1
}

func stats(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	x := s.ready(in, L, what).Stats()
	t := L.CreateTable(0, 6)
	for name, n := range map[string]float64{
		"num": float64(x.Num), "insert_count": float64(x.Inserts), "update_count": float64(x.Updates), "delete_count": float64(x.Deletes),
		"conflict_count": 0, "conflict_max_level": 0,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	L.Push(t)
	return 1
}

func destroy(in *scripting.Instance, L *lua.LState, s *swooleTable, what string) int {
	t := s.ready(in, L, what)
	in.Forget("swoole.Table", s.name, t)
	t.End()
	L.Push(lua.LTrue)
	return 1
}

package shared

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/table"

	lua "github.com/yuin/gopher-lua"
)

// checkName is argument 1, the name of something shared.
func checkName(L *lua.LState, what string) string {
	name := L.CheckString(1)
	if name == "" || len(name) > 255 {
		vm.Raise(L, "bad argument #1 'name' to '%s' (1 to 255 bytes expected, got %d)", what, len(name))
	}
	return strings.Clone(name)
}

var optionNames = []string{"columns", "max_bytes", "ttl", "lru"}

// options reads the options of shared.table.
func options(L *lua.LState, t *lua.LTable) (o table.Options) {
	bad := func(format string, args ...any) { vm.Raise(L, "shared.table: "+format, args...) }
	vm.Each(t, func(k, v lua.LValue) bool {
		switch name := k.String(); name {
		case "columns":
			list, ok := v.(*lua.LTable)
			if !ok {
				bad("columns must be a table {name = type}, not %s", v.Type())
			}
			o.Columns = columns(L, list)
		case "max_bytes":
			n, ok := bytes(v)
			if !ok || n < 1024 {
				bad("max_bytes must be a number of bytes from 1024 or a string such as \"64M\", not %s", v)
			}
			o.MaxBytes = n
		case "ttl":
			f, ok := scripting.Number(v)
			if !ok || !(f > 0) || f > 1e9 {
				bad("ttl must be a number of seconds above 0, not %s", v)
			}
			o.TTL = max(time.Duration(f*float64(time.Second)), 1)
		case "lru":
			b, ok := v.(lua.LBool)
			if !ok {
				bad("lru must be true or false, not %s", v.Type())
			}
			o.LRU = bool(b)
		default:
			bad("unknown option '%s'%s", name, scripting.Suggest(name, optionNames))
		}
		return true
	})
	if o.LRU && o.MaxBytes == 0 {
		bad("lru needs max_bytes: without a limit nothing is ever full")
	}
	return o
}

// bytes is a number of bytes, or text such as "64M".
func bytes(v lua.LValue) (int, bool) {
	factor := 1.0
	if s, ok := v.(lua.LString); ok && s != "" {
		if i := strings.IndexByte("kmg", s[len(s)-1]|0x20); i >= 0 {
			factor = float64(int(1) << (10 * (i + 1)))
			v = s[:len(s)-1]
		}
	}
	f, ok := scripting.Number(v)
	f *= factor
	return int(f), ok && f == float64(int(f)) && f <= 1<<50
}

// columns reads {name = type}: "int", "float", "string" or {"string", bytes}.
func columns(L *lua.LState, t *lua.LTable) *table.Columns {
	bad := func(format string, args ...any) { vm.Raise(L, "shared.table: "+format, args...) }
	var list []table.Column
	vm.Each(t, func(k, v lua.LValue) bool {
		name, ok := k.(lua.LString)
		if !ok {
			bad("the name of a column must be a string, not a %s: write columns = {name = \"int\"}", k.Type())
		}
		c := table.Column{Name: strings.Clone(string(name))}
		kind, size := v, lua.LNil
		if pair, ok := v.(*lua.LTable); ok {
			kind, size = pair.RawGetInt(1), pair.RawGetInt(2)
		}
		text, _ := kind.(lua.LString)
		switch text {
		case "int":
			c.Type = table.Int
		case "float":
			c.Type = table.Float
		case "string":
			c.Type = table.String
		default:
			bad("column '%s' must be \"int\", \"float\", \"string\" or {\"string\", bytes}, not %s%s", name, show(kind), scripting.Suggest(string(text), table.TypeNames))
		}
		if size != lua.LNil {
			n, ok := scripting.Number(size)
			if c.Type != table.String {
				bad("column '%s': only a string has a size", name)
			}
			if !ok || n < 1 || n != float64(int(n)) {
				bad("column '%s': the size must be a number of bytes from 1, not %s", name, show(size))
			}
			c.Size = int(n)
		}
		list = append(list, c)
		return true
	})
	if len(list) == 0 {
		bad("columns must name at least one column")
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return table.NewColumns(list)
}

func show(v lua.LValue) string {
	if s, ok := v.(lua.LString); ok {
		return strconv.Quote(string(s))
	}
	return v.String()
}

// TableSpec is how a table is declared.
type TableSpec struct{ table.Options }

// Differ implements scripting.Spec.
func (s TableSpec) Differ(old scripting.Spec) string {
	o := old.(TableSpec)
	switch {
	case s.Columns.Differ(o.Columns) != "":
		return s.Columns.Differ(o.Columns)
	case s.MaxBytes != o.MaxBytes:
		return fmt.Sprintf("max_bytes is %d here, but %d", s.MaxBytes, o.MaxBytes)
	case s.TTL != o.TTL:
		return fmt.Sprintf("ttl is %v here, but %v", s.TTL, o.TTL)
	case s.LRU != o.LRU:
		return fmt.Sprintf("lru is %v here, but %v", s.LRU, o.LRU)
	}
	return ""
}

// Adopt takes new columns at once, as they hurt nobody, and other limits when
// the generation that declares them goes live.
func (s TableSpec) Adopt(v any, old scripting.Spec) (func(), error) {
	t, o := v.(*table.Table), old.(TableSpec)
	if (s.Columns == nil) != (o.Columns == nil) {
		return nil, fmt.Errorf("a table cannot get columns or lose them all")
	}
	if s.Columns != nil {
		if name := o.Columns.Without(s.Columns); name != "" {
			return nil, fmt.Errorf("what column '%s' holds would be lost", name)
		}
		c, err := t.Columns().Extend(s.Columns)
		if err != nil {
			return nil, err
		}
		t.SetColumns(c)
	}
	return func() { t.SetLimits(s.Options) }, nil
}

package scripting

import (
	"fmt"
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// What a setting was given belongs to the VM it was given in. Settings are
// compared, kept and shown elsewhere: of a table they have a frozen copy, of a
// function only that there is one.

// code stands for a function of a script.
type code struct{ where string }

// Type and String make it a Lua value, for the sake of the type; a script never
// sees one.
func (c code) Type() lua.LValueType { return lua.LTFunction }

func (c code) String() string { return "function (" + c.where + ")" }

// settled is a given value as settings have it.
func settled(v lua.LValue) (lua.LValue, error) {
	switch x := v.(type) {
	case *lua.LTable:
		t, err := Freeze(x, true)
		if err != nil {
			return nil, fmt.Errorf("its value%s is %s", err.path, err.what)
		}
		return t, nil
	case *lua.LFunction:
		return code{placeOf(x)}, nil
	}
	return v, nil
}

// placeOf is where a function was written: "app.lua:3".
func placeOf(fn *lua.LFunction) string {
	if fn.IsG {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", fn.Proto.SourceName, fn.Proto.LineDefined)
}

// shown is a settled value for the script: its own function, a table of its
// own.
func (in *Instance) shown(name string, v lua.LValue) lua.LValue {
	if _, ok := v.(code); ok {
		return lastGiven(in.decl.values, name)
	}
	return Thaw(in.vm.State(), v)
}

// lastGiven is the value that was given last for a setting, as it was given.
func lastGiven(values []given, name string) lua.LValue {
	for i := len(values) - 1; i >= 0; i-- {
		if values[i].name == name {
			return values[i].value
		}
	}
	return lua.LNil
}

// showTable is a settled table as a script would write it.
func showTable(v any) string {
	t, ok := v.(*plainTable)
	if !ok {
		if s, ok := v.(string); ok {
			return fmt.Sprintf("%q", s)
		}
		return fmt.Sprint(v)
	}
	var parts, named []string
	for _, e := range t.list {
		parts = append(parts, showTable(e))
	}
	for i, k := range t.keys {
		name := fmt.Sprint(k)
		if s, ok := k.(string); !ok || !isName(s) {
			name = "[" + showTable(k) + "]"
		}
		named = append(named, name+" = "+showTable(t.vals[i]))
	}
	sort.Strings(named)
	return "{ " + strings.Join(append(parts, named...), ", ") + " }"
}

package scripting

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Module declares one Lua module. What is declared here, once, is what is
// bound, checked and documented.
type Module struct {
	Name  string
	Doc   string
	Funcs []Func
	// Later are names that are reserved and raise "not in this version".
	Later []string
	// Values are constants, by name.
	Values map[string]lua.LValue
	// Types are the kinds of objects that the functions return.
	Types []*Type
	// Open, if any, is called with the module's table when a VM first requires it.
	Open func(in *Instance, L *lua.LState, t *lua.LTable)
}

// Func declares one function of a module. A name with a dot in it, "event.add",
// is one in a table of the module's.
type Func struct {
	Name   string
	Params []Param
	Doc    string
	// Returns are the types of the results as the editor stubs show them, such
	// as "string|false, string?"; empty: nothing is returned.
	Returns string
	Fn      func(in *Instance, L *lua.LState) int
}

// Param is a parameter: its name and its type, "number", "string", "table",
// "function", "boolean" or "any"; a "?" behind the type makes it optional. A
// last parameter named "..." takes all further arguments.
type Param struct {
	Name string
	Type string
}

// bind makes a Lua function that checks its arguments as declared. first is
// the index of the first declared argument: 2 for methods.
func bind(in *Instance, what string, first int, params []Param, fn func(*Instance, *lua.LState) int) lua.LGFunction {
	return func(L *lua.LState) int {
		for i, p := range params {
			want, optional := strings.CutSuffix(p.Type, "?")
			if want == "any" || p.Name == "..." {
				continue
			}
			v := L.Get(first + i)
			if v == lua.LNil && optional || v.Type().String() == want {
				continue
			}
			if _, isNumber := Number(v); want == "number" && isNumber {
				continue // a string that is a number, as everywhere in Lua
			}
			if want == "string" && v.Type() == lua.LTNumber {
				continue
			}
			kind := v.Type().String()
			if first+i > L.GetTop() {
				kind = "no value"
			}
			vm.Raise(L, "bad argument #%d '%s' to '%s' (%s expected, got %s)", i+1, p.Name, what, want, kind)
		}
		return fn(in, L)
	}
}

// bindServer is bind for a method of `server`.
func bindServer(in *Instance, m *method) lua.LGFunction {
	fn := bind(in, "server:"+m.name, 2, m.params, m.fn)
	return func(L *lua.LState) int {
		if L.Get(1) != in.server.value {
			in.server.badSelf(L, m.name)
		}
		return fn(L)
	}
}

// install makes the module available to require.
func (m *Module) install(in *Instance) {
	in.vm.Preload(m.Name, func(L *lua.LState) int {
		t := L.CreateTable(0, len(m.Funcs)+len(m.Values))
		for _, f := range m.Funcs {
			at, name := t, f.Name
			if group, rest, ok := strings.Cut(f.Name, "."); ok {
				name = rest
				if at, ok = t.RawGetString(group).(*lua.LTable); !ok {
					at = L.NewTable()
					at.Metatable = m.guard(L, m.Name+"."+group, m.names(group+"."), nil)
					t.RawSetString(group, at)
				}
			}
			at.RawSetString(name, L.NewFunction(bind(in, m.Name+"."+f.Name, 1, f.Params, f.Fn)))
		}
		for name, v := range m.Values {
			t.RawSetString(name, v)
		}
		t.Metatable = m.guard(L, m.Name, m.names(""), m.Later)
		if m.Open != nil {
			m.Open(in, L, t)
		}
		L.Push(t)
		return 1
	})
}

// names are the names of the functions that begin with prefix, without it.
func (m *Module) names(prefix string) (names []string) {
	for _, f := range m.Funcs {
		if name, ok := strings.CutPrefix(f.Name, prefix); ok {
			names = append(names, name)
		}
	}
	return names
}

// guard is the metatable of a module's table, or of one in it: names that are
// not there raise.
func (m *Module) guard(L *lua.LState, what string, names, later []string) *lua.LTable {
	meta := L.NewTable()
	meta.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		if name, ok := L.Get(2).(lua.LString); ok {
			if slices.Contains(later, string(name)) {
				vm.Raise(L, "%s.%s is not in this version", what, name)
			}
			vm.Raise(L, "module '%s' has no '%s'%s", what, name, didYouMean(string(name), names))
		}
		L.Push(lua.LNil)
		return 1
	}))
	return meta
}

// laterModules are on the API page, and not in this version.
var laterModules = strings.Fields(`php json client pool shared pack log fs crypto url time regex
	http websocket redis sql process metrics cluster`)

// reserveModules makes require say so, where the script has no file of that
// name.
func (in *Instance) reserveModules() {
	have := map[string]bool{}
	for _, m := range in.host.modules {
		have[m.Name] = true
	}
	for _, name := range laterModules {
		if have[name] {
			continue
		}
		if _, err := os.Stat(filepath.Join(in.gen.loader.Dir(), name+".lua")); err == nil {
			continue
		}
		in.vm.Preload(name, func(L *lua.LState) int {
			vm.Raise(L, "module '%s' is not in this version", name)
			return 0
		})
	}
}

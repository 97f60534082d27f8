// Package option reads the table of options that many functions of Lua modules
// take as their last argument. A name that is not known and a value of the
// wrong kind are errors that name the function and the option.
package option

import (
	"math"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Set is one table of options being read.
type Set struct {
	L     *lua.LState
	what  string // the function, for messages
	t     *lua.LTable
	known []string
}

// Read begins with argument n of the running function, which what names. The
// argument is nil or a table, as the declaration "table?" has checked.
func Read(L *lua.LState, n int, what string) *Set {
	s := &Set{L: L, what: what}
	s.t, _ = L.Get(n).(*lua.LTable)
	return s
}

func (s *Set) get(name string) lua.LValue {
	if s.t == nil {
		return lua.LNil
	}
	s.known = append(s.known, name)
	return s.t.RawGetString(name)
}

func (s *Set) bad(name, want string, got lua.LValue) {
	show := got.Type().String()
	switch x := got.(type) {
	case lua.LString:
		show = strconv.Quote(string(x))
		if len(show) > 60 {
			show = show[:57] + "..."
		}
	case lua.LNumber, lua.LBool:
		show = got.String()
	}
	vm.Raise(s.L, "%s: option '%s' must be %s, not %s", s.what, name, want, show)
}

// Bool reads true or false.
func (s *Set) Bool(name string, def bool) bool {
	switch x := s.get(name).(type) {
	case *lua.LNilType:
		return def
	case lua.LBool:
		return bool(x)
	default:
		s.bad(name, "true or false", x)
	}
	return def
}

// Int reads a whole number from lo to hi.
func (s *Set) Int(name string, def, lo, hi int) int {
	switch x := s.get(name).(type) {
	case *lua.LNilType:
		return def
	case lua.LNumber:
		if f := float64(x); f == math.Trunc(f) && f >= float64(lo) && f <= float64(hi) {
			return int(f)
		}
		s.bad(name, "a whole number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi), x)
	default:
		s.bad(name, "a whole number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi), x)
	}
	return def
}

// Choice reads one of some words; the first is the default. It returns the
// word's place.
func (s *Set) Choice(name string, words ...string) int {
	v := s.get(name)
	if v == lua.LNil {
		return 0
	}
	for i, w := range words {
		if v == lua.LString(w) {
			return i
		}
	}
	s.bad(name, "'"+strings.Join(words[:len(words)-1], "', '")+"' or '"+words[len(words)-1]+"'", v)
	return 0
}

// Value reads an option as it is; LNil when it is not given.
func (s *Set) Value(name string) lua.LValue { return s.get(name) }

// Bad raises the error of an option whose value the caller cannot take.
func (s *Set) Bad(name, want string, got lua.LValue) { s.bad(name, want, got) }

// Done refuses names that nothing has read.
func (s *Set) Done() {
	if s.t == nil {
		return
	}
	vm.Each(s.t, func(k, _ lua.LValue) bool {
		for _, name := range s.known {
			if k == lua.LString(name) {
				return true
			}
		}
		text := k.String()
		vm.Raise(s.L, "%s: there is no option '%s'%s", s.what, text, scripting.Suggest(text, s.known))
		return false
	})
}

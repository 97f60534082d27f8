package regex

import (
	"slices"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// piece is a part of a template: text, or a group behind it.
type piece struct {
	text  string
	group int // -1: none
}

// template reads a replacement: $1 to $9, ${12}, ${name}, $0 for the whole, $$.
func (c *compiled) template(L *lua.LState, s string) (pieces []piece) {
	bad := func(format string, args ...any) {
		vm.Raise(L, "regex.replace: "+format+" in the replacement %q", append(args, shorten(s))...)
	}
	rest, text := s, ""
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 || i == len(rest)-1 {
			if i >= 0 {
				bad("a $ at the end (write $$ for a dollar sign)")
			}
			return append(pieces, piece{text + rest, -1})
		}
		text += rest[:i]
		name := ""
		switch d := rest[i+1]; {
		case d == '$':
			text += "$"
			rest = rest[i+2:]
			continue
		case d >= '0' && d <= '9':
			name, rest = rest[i+1:i+2], rest[i+2:]
		case d == '{':
			end := strings.IndexByte(rest[i:], '}')
			if end < 0 {
				bad("${ without }")
			}
			name, rest = rest[i+2:i+end], rest[i+end+1:]
		default:
			bad("%q names no group (write ${name}, or $$ for a dollar sign)", rest[i:min(i+2, len(rest))])
		}
		n, err := strconv.Atoi(name)
		if err != nil {
			if n = slices.Index(c.names, name) + 1; n == 0 || name == "" {
				bad("there is no group %q%s", name, scripting.Suggest(name, c.names))
			}
		}
		if n < 0 || n > len(c.names) {
			bad("there is no group %d, the pattern has %d", n, len(c.names))
		}
		pieces = append(pieces, piece{text, n})
		text = ""
	}
}

// replacer builds the result of replace.
type replacer struct {
	c      *compiled
	L      *lua.LState
	s      string
	with   lua.LValue
	pieces []piece
	b      strings.Builder
}

func replace(c *compiled, in *scripting.Instance, L *lua.LState) int {
	r := &replacer{c: c, L: L, s: L.ToString(2), with: L.Get(3)}
	n, given := limit(L, 4, maxMatches, "regex.replace")
	switch x := r.with.(type) {
	case lua.LString:
		r.pieces = c.template(L, string(x))
	case lua.LNumber:
		r.pieces = []piece{{vm.Number(float64(x)), -1}}
	case *lua.LTable, *lua.LFunction:
	default:
		vm.Raise(L, "bad argument #3 'replacement' to 'regex.replace' (string, table or function expected, got %s)", x.Type())
	}
	found := c.all(in, L, r.s, n)
	if !given && len(found) > maxMatches {
		vm.Raise(L, "regex.replace: more than %d matches", maxMatches)
	}
	most, at := vm.Of(L).MaxString(), 0
	for i, m := range found {
		if i%checkEvery == checkEvery-1 {
			vm.Check(L)
		}
		r.b.WriteString(r.s[at:m[0]])
		r.one(m)
		if at = m[1]; r.b.Len() > most {
			vm.Raise(L, "regex.replace: the result would be longer than %d bytes", most)
		}
	}
	r.b.WriteString(r.s[at:])
	L.Push(lua.LString(r.b.String()))
	L.Push(vm.Int(len(found)))
	return 2
}

// one writes what stands for a match.
func (r *replacer) one(m []int) {
	L := r.L
	var v lua.LValue
	switch x := r.with.(type) {
	case *lua.LFunction:
		L.Push(x)
		n := push(L, r.s, m, true)
		L.Call(n, 1)
		v = L.Get(-1)
		L.Pop(1)
	case *lua.LTable:
		n := 0
		if len(m) > 2 {
			n = 1
		}
		v = L.GetTable(x, group(r.s, m, n))
	default:
		for _, p := range r.pieces {
			r.b.WriteString(p.text)
			if p.group >= 0 && m[2*p.group] >= 0 {
				r.b.WriteString(r.s[m[2*p.group]:m[2*p.group+1]])
			}
		}
		return
	}
	switch x := v.(type) {
	case lua.LString:
		r.b.WriteString(string(x))
	case lua.LNumber:
		r.b.WriteString(vm.Number(float64(x)))
	default:
		if lua.LVAsBool(v) {
			vm.Raise(L, "regex.replace: the replacement of %q cannot be a %s", shorten(r.s[m[0]:m[1]]), v.Type())
		}
		r.b.WriteString(r.s[m[0]:m[1]])
	}
}

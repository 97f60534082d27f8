package pack

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Reasons of a failed unpack.
const (
	tooShort   = "too_short"    // the data ends too soon, or the format goes beyond its start
	outOfRange = "out_of_range" // an integer of 8 bytes that a Lua number cannot hold
)

// maxResults is how many results pack.values may have.
const maxResults = 8000

// parser is one call of unpack or values.
type parser struct {
	reader
	data   string
	at     int
	steps  int
	reason string // why it failed
	text   string
	value  func(it *item, i int, v lua.LValue) // takes a value; i counts those of its letter, from 1
}

func newParser(L *lua.LState, what string) *parser {
	p := &parser{reader: reader{L: L, what: what, s: L.ToString(1)}, data: L.ToString(2)}
	if v := L.Get(3); v != lua.LNil {
		n, ok := vm.ParseNumber(v.String()) // a number, or a string that is one
		if !ok || n != math.Trunc(n) || n < 0 || n > float64(len(p.data)) {
			vm.Raise(L, "bad argument #3 'offset' to '%s' (must be a whole number from 0 to the data's length, %d)", what, len(p.data))
		}
		p.data = p.data[int(n):]
	}
	return p
}

// run reads all values; false when the data does not fit the format.
func (p *parser) run() bool {
	var it item
	for p.next(&it, true) {
		switch it.class {
		case text:
			n := it.count
			if it.star {
				n = len(p.data) - p.at
			}
			field, ok := p.take(&it, n)
			if !ok {
				return false
			}
			switch it.c {
			case 'A':
				field = strings.TrimRight(field, " \t\r\n\x00")
			case 'Z':
				if i := strings.IndexByte(field, 0); i >= 0 {
					field = field[:i]
				}
			}
			p.value(&it, 1, lua.LString(field))
		case nibbles:
			n := it.count
			if it.star {
				n = 2 * (len(p.data) - p.at)
			}
			field, ok := p.take(&it, (n+1)/2)
			if !ok {
				return false
			}
			p.value(&it, 1, lua.LString(digits(field, n, it.big)))
		case move:
			if !p.move(&it) {
				return false
			}
		default:
			n := it.count
			if it.star {
				n = (len(p.data) - p.at) / it.size
			}
			for i := 1; i <= n; i++ {
				if p.steps++; p.steps%checkEvery == 0 {
					vm.Check(p.L)
				}
				field, ok := p.take(&it, it.size)
				if !ok {
					return false
				}
				v, ok := p.number(&it, field)
				if !ok {
					return false
				}
				p.value(&it, i, v)
			}
		}
	}
	return true
}

func (p *parser) fault(reason string, it *item, msg string, args ...any) bool {
	p.reason, p.text = reason, it.says(msg, args...)
	return false
}

// take cuts n bytes off the data.
func (p *parser) take(it *item, n int) (string, bool) {
	if left := len(p.data) - p.at; n > left {
		return "", p.fault(tooShort, it, "needs %d byte%s at offset %d, and %d %s left", n, plural(n), p.at, left, isAre(left))
	}
	p.at += n
	return p.data[p.at-n : p.at], true
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (p *parser) number(it *item, field string) (lua.LValue, bool) {
	var b [8]byte
	var n uint64
	if it.big {
		copy(b[8-it.size:], field)
		n = binary.BigEndian.Uint64(b[:])
	} else {
		copy(b[:], field)
		n = binary.LittleEndian.Uint64(b[:])
	}
	switch {
	case it.class == float && it.size == 4:
		return lua.LNumber(math.Float32frombits(uint32(n))), true
	case it.class == float:
		return lua.LNumber(math.Float64frombits(n)), true
	case it.signed:
		i := int64(n<<(64-8*it.size)) >> (64 - 8*it.size)
		if i > 1<<53 || i < -1<<53 {
			return nil, p.tooBig(it, strconv.FormatInt(i, 10))
		}
		return vm.Int(int(i)), true
	case n > 1<<53:
		return nil, p.tooBig(it, strconv.FormatUint(n, 10))
	}
	return vm.Int(int(n)), true
}

func (p *parser) tooBig(it *item, n string) bool {
	return p.fault(outOfRange, it, "%s is beyond 2^53, where Lua numbers are not exact (a8 gives the bytes, H16 their digits)", n)
}

func digits(s string, n int, high bool) string {
	const hex = "0123456789abcdef"
	out := make([]byte, n)
	for i := range n {
		c := s[i/2]
		if (i%2 == 0) == high {
			c >>= 4
		}
		out[i] = hex[c&15]
	}
	return string(out)
}

func (p *parser) move(it *item) bool {
	switch it.c {
	case 'x':
		_, ok := p.take(it, it.count)
		return ok
	case 'X':
		if it.count > p.at {
			return p.fault(tooShort, it, "there are %d bytes to go back over, not %d", p.at, it.count)
		}
		p.at -= it.count
	case '@':
		if it.count > len(p.data) {
			return p.fault(tooShort, it, "offset %d lies beyond the %d bytes of data", it.count, len(p.data))
		}
		p.at = it.count
	}
	return true
}

// failed answers for data that does not fit.
func (p *parser) failed() int {
	p.L.Push(lua.LFalse)
	p.L.Push(lua.LString(p.reason))
	p.L.Push(lua.LString(p.text))
	return 3
}

func unpack(_ *scripting.Instance, L *lua.LState) int {
	p := newParser(L, "pack.unpack")
	out := L.NewTable()
	unnamed := 0
	p.value = func(it *item, i int, v lua.LValue) {
		if it.name == "" {
			unnamed++
			vm.RawSet(L, out, vm.Int(unnamed), v)
			return
		}
		name := it.name
		if it.star && it.class >= integer || it.count != 1 && it.class >= integer {
			name += strconv.Itoa(i)
		}
		if out.RawGetString(name) != lua.LNil {
			p.fail(it, "the name %q is given to two values", name)
		}
		vm.RawSet(L, out, lua.LString(name), v)
	}
	if !p.run() {
		return p.failed()
	}
	L.Push(out)
	return 1
}

func values(_ *scripting.Instance, L *lua.LState) int {
	p := newParser(L, "pack.values")
	var out []lua.LValue
	p.value = func(it *item, _ int, v lua.LValue) {
		if len(out) == maxResults {
			p.fail(it, "more than %d results: pack.unpack gives a table", maxResults)
		}
		out = append(out, v)
	}
	if !p.run() {
		return p.failed()
	}
	for _, v := range out {
		L.Push(v)
	}
	return len(out)
}

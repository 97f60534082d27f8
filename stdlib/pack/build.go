package pack

import (
	"bytes"
	"encoding/binary"
	"math"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// checkEvery is after how many values a long loop lets itself be stopped.
const checkEvery = 4096

// builder is one call of pack.
type builder struct {
	reader
	b   []byte
	arg int // the next argument
	max int // largest result
}

func pack(_ *scripting.Instance, L *lua.LState) int {
	p := &builder{reader: reader{L: L, what: "pack.pack", s: L.ToString(1)}, arg: 2, max: vm.DefaultMaxString}
	if v := vm.Of(L); v != nil {
		p.max = v.MaxString()
	}
	var it item
	for p.next(&it, false) {
		switch it.class {
		case text:
			p.text(&it)
		case nibbles:
			p.nibbles(&it)
		case move:
			p.move(&it)
		default:
			n := it.count
			if it.star {
				n = max(L.GetTop()-p.arg+1, 0)
			}
			p.room(&it, n*it.size)
			for i := range n {
				if i%checkEvery == checkEvery-1 {
					vm.Check(L)
				}
				f := p.number(&it)
				if it.class == float {
					p.float(&it, f)
				} else {
					p.integer(&it, f)
				}
			}
		}
	}
	if left := L.GetTop() - p.arg + 1; left > 0 {
		vm.Raise(L, "pack.pack: argument #%d has no letter: the format takes %d value%s", p.arg, p.arg-2, plural(p.arg-2))
	}
	L.Push(lua.LString(p.b))
	return 1
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// room refuses a result that would be too long.
func (p *builder) room(it *item, more int) {
	if more > p.max-len(p.b) {
		p.fail(it, "the result would be longer than %d bytes", p.max)
	}
}

// take is the value for a letter.
func (p *builder) take(it *item, want string) lua.LValue {
	if p.arg > p.L.GetTop() {
		p.fail(it, "there is no argument #%d for it (%s expected)", p.arg, want)
	}
	p.arg++
	return p.L.Get(p.arg - 1)
}

func (p *builder) number(it *item) float64 {
	v := p.take(it, "number")
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x)
	case lua.LString:
		if f, ok := vm.ParseNumber(string(x)); ok {
			return f
		}
	}
	p.fail(it, "argument #%d must be a number, not a %s", p.arg-1, v.Type())
	return 0
}

func (p *builder) string(it *item) string {
	v := p.take(it, "string")
	switch x := v.(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return vm.Number(float64(x))
	}
	p.fail(it, "argument #%d must be a string, not a %s", p.arg-1, v.Type())
	return ""
}

// integer writes a whole number. A letter takes what fits its bytes with a sign
// or without: -1 and 255 are the same byte.
func (p *builder) integer(it *item, f float64) {
	most := math.Ldexp(1, 8*it.size)
	if f != math.Trunc(f) {
		p.fail(it, "argument #%d must be a whole number, not %s", p.arg-1, vm.Number(f))
	}
	if f < -most/2 || f >= most {
		p.fail(it, "argument #%d, %s, does not fit in %d byte%s", p.arg-1, vm.Number(f), it.size, plural(it.size))
	}
	n := uint64(int64(f))
	if f >= 1<<63 {
		n = uint64(f)
	}
	p.bits(it, n)
}

func (p *builder) float(it *item, f float64) {
	if it.size == 8 {
		p.bits(it, math.Float64bits(f))
		return
	}
	short := float32(f)
	if math.IsInf(float64(short), 0) && !math.IsInf(f, 0) {
		p.fail(it, "argument #%d, %s, does not fit in 4 bytes", p.arg-1, vm.Number(f))
	}
	p.bits(it, uint64(math.Float32bits(short)))
}

func (p *builder) bits(it *item, n uint64) {
	var b [8]byte
	if it.big {
		binary.BigEndian.PutUint64(b[:], n)
		p.b = append(p.b, b[8-it.size:]...)
		return
	}
	binary.LittleEndian.PutUint64(b[:], n)
	p.b = append(p.b, b[:it.size]...)
}

func (p *builder) fill(n int, c byte) {
	if n > 0 {
		p.b = append(p.b, bytes.Repeat([]byte{c}, n)...)
	}
}

// text writes count bytes of a string, filled up with zero bytes or blanks. The
// last byte of Z is always zero.
func (p *builder) text(it *item) {
	s := p.string(it)
	n, fill := it.count, byte(0)
	if it.c == 'A' {
		fill = ' '
	}
	if it.star {
		if n = len(s); it.c == 'Z' {
			n++
		}
	}
	p.room(it, n)
	keep := n
	if it.c == 'Z' {
		keep = max(n-1, 0)
	}
	s = s[:min(len(s), keep)]
	p.b = append(p.b, s...)
	p.fill(n-len(s), fill)
}

// nibbles writes hexadecimal digits, two to a byte.
func (p *builder) nibbles(it *item) {
	s := p.string(it)
	n := it.count
	if it.star {
		n = len(s)
	}
	if n > len(s) {
		p.fail(it, "argument #%d has %d digits, fewer than %d", p.arg-1, len(s), n)
	}
	p.room(it, (n+1)/2)
	for i := range n {
		var d byte
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			p.fail(it, "argument #%d must hold hexadecimal digits, not %q", p.arg-1, c)
		}
		if i%2 == 0 {
			p.b = append(p.b, 0)
		}
		if (i%2 == 0) == it.big {
			d <<= 4
		}
		p.b[len(p.b)-1] |= d
	}
}

func (p *builder) move(it *item) {
	switch it.c {
	case 'x':
		p.room(it, it.count)
		p.fill(it.count, 0)
	case 'X':
		if it.count > len(p.b) {
			p.fail(it, "there are %d bytes to go back over, not %d", len(p.b), it.count)
		}
		p.b = p.b[:len(p.b)-it.count]
	case '@':
		p.room(it, it.count-len(p.b))
		p.fill(it.count-len(p.b), 0)
		p.b = p.b[:it.count]
	}
}

// size is pack.size: how many bytes a format of fixed length makes.
func size(_ *scripting.Instance, L *lua.LState) int {
	r := &reader{L: L, what: "pack.size", s: L.ToString(1)}
	n := 0
	var it item
	for r.next(&it, false) {
		if it.star {
			r.fail(&it, "'*' has no fixed length")
		}
		switch it.class {
		case text:
			n += it.count
		case nibbles:
			n += (it.count + 1) / 2
		case move:
			switch {
			case it.c == 'x':
				n += it.count
			case it.c == '@':
				n = it.count
			case it.count > n:
				r.fail(&it, "there are %d bytes to go back over, not %d", n, it.count)
			default:
				n -= it.count
			}
		default:
			n += it.count * it.size
		}
	}
	L.Push(lua.LNumber(n))
	return 1
}

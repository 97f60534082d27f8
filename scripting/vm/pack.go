package vm

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// string.pack, unpack and packsize with the letters of Lua 5.3. Numbers are
// doubles here: integers beyond 2^53 are rounded when they are unpacked.

const (
	maxPackInt = 16 // bytes of the longest integer
	nativeMax  = 8  // alignment that "!" alone asks for
)

type packKind uint8

const (
	packEnd    packKind = iota
	packInt             // signed
	packUint            // unsigned
	packFloat           // 4 bytes
	packDouble          // 8 bytes
	packFixed           // c: exactly n bytes
	packString          // s: length, then bytes
	packZero            // z: up to a zero byte
	packPad             // x: one byte
	packAlign           // X: alignment only
	packNothing
)

// packer reads a format.
type packer struct {
	L     *lua.LState
	fmt   string
	at    int
	big   bool
	align int
}

func newPacker(L *lua.LState) *packer {
	return &packer{L: L, fmt: checkString(L, 1), align: 1}
}

func (p *packer) digits(def int) int {
	if p.at >= len(p.fmt) || !isDigit(p.fmt[p.at]) {
		return def
	}
	n := 0
	for p.at < len(p.fmt) && isDigit(p.fmt[p.at]) && n < 1<<40 {
		n = n*10 + int(p.fmt[p.at]-'0')
		p.at++
	}
	return n
}

func (p *packer) size(def int) int {
	n := p.digits(def)
	if n < 1 || n > maxPackInt {
		Raise(p.L, "integral size (%d) out of limits [1,%d]", n, maxPackInt)
	}
	return n
}

// option reads one letter; its size does not count alignment.
func (p *packer) option() (kind packKind, size int) {
	if p.at >= len(p.fmt) {
		return packEnd, 0
	}
	c := p.fmt[p.at]
	p.at++
	switch c {
	case 'b':
		return packInt, 1
	case 'B':
		return packUint, 1
	case 'h':
		return packInt, 2
	case 'H':
		return packUint, 2
	case 'i':
		return packInt, p.size(4)
	case 'I':
		return packUint, p.size(4)
	case 'l', 'j':
		return packInt, 8
	case 'L', 'J', 'T':
		return packUint, 8
	case 'f':
		return packFloat, 4
	case 'd', 'n':
		return packDouble, 8
	case 's':
		return packString, p.size(8)
	case 'c':
		n := p.digits(-1)
		if n < 0 {
			Raise(p.L, "missing size for format option 'c'")
		}
		return packFixed, n
	case 'z':
		return packZero, 0
	case 'x':
		return packPad, 1
	case 'X':
		return packAlign, 0
	case ' ':
	case '<', '=':
		p.big = false
	case '>':
		p.big = true
	case '!':
		p.align = p.size(nativeMax)
	default:
		Raise(p.L, "invalid format option '%s'", string([]byte{c}))
	}
	return packNothing, 0
}

// next is option with the bytes of padding that a value at offset total needs.
func (p *packer) next(total int) (kind packKind, size, pad int) {
	kind, size = p.option()
	align := size
	switch kind {
	case packAlign:
		var k packKind
		if k, align = p.option(); k == packEnd || k == packFixed || align == 0 {
			argError(p.L, 1, "invalid next option for option 'X'")
		}
	case packInt, packUint, packFloat, packDouble, packString:
	default:
		return kind, size, 0
	}
	if align <= 1 {
		return kind, size, 0
	}
	align = min(align, p.align)
	if align&(align-1) != 0 {
		argError(p.L, 1, "format asks for alignment not power of 2")
	}
	return kind, size, (align - total&(align-1)) & (align - 1)
}

func (p *packer) putInt(b []byte, n uint64, size int, negative bool) []byte {
	start := len(b)
	for i := range size {
		switch {
		case i < 8:
			b = append(b, byte(n>>(8*i)))
		case negative:
			b = append(b, 0xff)
		default:
			b = append(b, 0)
		}
	}
	if p.big {
		for i, j := start, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

// integer is argument n, which must be whole and fit.
func (p *packer) integer(n, size int, signed bool) (bits uint64, negative bool) {
	f := checkNumber(p.L, n)
	if f != math.Floor(f) || f < -1<<63 || f >= 1<<64 || f >= 1<<63 && signed {
		argError(p.L, n, "number has no integer representation")
	}
	if size < 8 {
		limit := math.Ldexp(1, 8*size)
		switch {
		case signed && (f < -limit/2 || f >= limit/2):
			argError(p.L, n, "integer overflow")
		case !signed && (f < 0 || f >= limit):
			argError(p.L, n, "unsigned overflow")
		}
	}
	if f >= 1<<63 {
		return uint64(f), false
	}
	return uint64(int64(f)), f < 0
}

func (v *VM) strPack(L *lua.LState) int {
	p := newPacker(L)
	var b []byte
	for arg := 2; ; {
		kind, size, pad := p.next(len(b))
		if kind == packEnd {
			break
		}
		if len(b)+pad+size > v.opt.MaxString {
			tooLarge(L, len(b)+pad+size, v.opt.MaxString)
		}
		b = blanks(b, pad, 0)
		switch kind {
		case packInt, packUint:
			n, negative := p.integer(arg, size, kind == packInt)
			b = p.putInt(b, n, size, negative)
			arg++
		case packFloat:
			b = p.putInt(b, uint64(math.Float32bits(float32(checkNumber(L, arg)))), 4, false)
			arg++
		case packDouble:
			b = p.putInt(b, math.Float64bits(checkNumber(L, arg)), 8, false)
			arg++
		case packFixed:
			s := checkString(L, arg)
			if len(s) > size {
				argError(L, arg, "string longer than given size")
			}
			b = blanks(append(b, s...), size-len(s), 0)
			arg++
		case packString:
			s := checkString(L, arg)
			if size < 8 && uint64(len(s)) >= 1<<(8*size) {
				argError(L, arg, "string length does not fit in given size")
			}
			b = append(p.putInt(b, uint64(len(s)), size, false), s...)
			arg++
		case packZero:
			s := checkString(L, arg)
			if strings.IndexByte(s, 0) >= 0 {
				argError(L, arg, "string contains zeros")
			}
			b = append(append(b, s...), 0)
			arg++
		case packPad:
			b = append(b, 0)
		}
		if len(b) > v.opt.MaxString {
			tooLarge(L, len(b), v.opt.MaxString)
		}
	}
	L.Push(lua.LString(b))
	return 1
}

func strPackSize(L *lua.LState) int {
	p := newPacker(L)
	total := 0
	for {
		kind, size, pad := p.next(total)
		switch kind {
		case packEnd:
			L.Push(lua.LNumber(total))
			return 1
		case packString, packZero:
			argError(L, 1, "variable-length format")
		}
		if total += pad + size; total > math.MaxInt32 {
			argError(L, 1, "format result too large")
		}
	}
}

func (p *packer) getInt(s string, signed bool) float64 {
	n, size := uint64(0), len(s)
	fill := byte(0)
	for i := range size {
		c := s[i]
		if !p.big {
			c = s[size-1-i]
		}
		if i == 0 && signed && c >= 0x80 {
			fill = 0xff
		}
		if size-i > 8 { // more bytes than a machine word: they may only extend it
			if c != fill {
				Raise(p.L, "%d-byte integer does not fit into Lua Integer", size)
			}
			continue
		}
		n = n<<8 | uint64(c)
	}
	if !signed {
		return float64(n)
	}
	if size < 8 {
		return float64(int64(n<<(64-8*size)) >> (64 - 8*size))
	}
	return float64(int64(n))
}

func strUnpack(L *lua.LState) int {
	p := newPacker(L)
	s := checkString(L, 2)
	at := fromEnd(optInt(L, 3, 1), len(s)) - 1
	if at < 0 || at > len(s) {
		argError(L, 3, "initial position out of string")
	}
	count := 0
	for {
		kind, size, pad := p.next(at)
		if kind == packEnd {
			break
		}
		if pad+size > len(s)-at {
			argError(L, 2, "data string too short")
		}
		at += pad
		if count++; count > maxSlice {
			Raise(L, "too many results")
		}
		field := s[at : at+size]
		switch kind {
		case packInt, packUint:
			L.Push(lua.LNumber(p.getInt(field, kind == packInt)))
		case packFloat:
			L.Push(lua.LNumber(math.Float32frombits(uint32(p.bits(field)))))
		case packDouble:
			L.Push(lua.LNumber(math.Float64frombits(p.bits(field))))
		case packFixed:
			L.Push(lua.LString(field))
		case packString:
			n := p.getInt(field, false)
			if n > float64(len(s)-at-size) {
				argError(L, 2, "data string too short")
			}
			L.Push(lua.LString(s[at+size : at+size+int(n)]))
			at += int(n)
		case packZero:
			n := strings.IndexByte(s[at:], 0)
			if n < 0 {
				argError(L, 2, "unfinished string for format 'z'")
			}
			L.Push(lua.LString(s[at : at+n]))
			at += n + 1
		default:
			count--
		}
		at += size
	}
	L.Push(lua.LNumber(at + 1))
	return count + 1
}

func (p *packer) bits(s string) (n uint64) {
	for i := range len(s) {
		c := s[i]
		if !p.big {
			c = s[len(s)-1-i]
		}
		n = n<<8 | uint64(c)
	}
	return n
}

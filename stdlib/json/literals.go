package json

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Strings and numbers as the decoder reads them.

// text reads a string. The result may share its bytes with the text, or with
// the buffer until the next call.
func (d *decoder) text() (string, bool) {
	start := d.i + 1
	for i := start; ; {
		i = plainText(d.src, i)
		if i == len(d.src) {
			return d.unclosed()
		}
		switch c := d.src[i]; {
		case c == '"':
			d.i = i + 1
			return d.s[start:i], true
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(d.s[i:])
			if r == utf8.RuneError && n == 1 {
				return d.escaped(start, i)
			}
			i += n
		default:
			return d.escaped(start, i)
		}
	}
}

func (d *decoder) unclosed() (string, bool) {
	d.fail(Syntax, d.i, "the string that begins here has no end")
	return "", false
}

// escaped reads the rest, from i on, of a string that begins at start and is
// not the same as what stands in the text.
func (d *decoder) escaped(start, i int) (string, bool) {
	b := append(d.buf[:0], d.s[start:i]...)
	for {
		from := i
		i = plainText(d.src, i)
		b = append(b, d.s[from:i]...)
		if i == len(d.src) {
			return d.unclosed()
		}
		switch c := d.src[i]; {
		case c == '"':
			d.i, d.buf = i+1, b
			return string(b), true
		case c == '\\':
			var n int
			if b, n = d.escape(b, i); n == 0 {
				return "", false
			}
			i += n
		case c < 0x20:
			d.fail(Syntax, i, "a control character in a string must be written \\u00%c%c", hex[c>>4], hex[c&15])
			return "", false
		default:
			r, n := utf8.DecodeRuneInString(d.s[i:])
			if r == utf8.RuneError && n == 1 {
				switch d.o.UTF8 {
				case RefuseUTF8:
					d.fail(InvalidUTF8, i, "the byte 0x%02x is not UTF-8 (invalid_utf8 = 'replace' or 'keep' reads it all the same)", c)
					return "", false
				case ReplaceUTF8:
					b = utf8.AppendRune(b, utf8.RuneError)
				default:
					b = append(b, c)
				}
			} else {
				b = append(b, d.s[i:i+n]...)
			}
			i += n
		}
	}
}

// escape reads the escape at i and returns its length, 0 when it is wrong.
func (d *decoder) escape(b []byte, i int) ([]byte, int) {
	if i+1 >= len(d.src) {
		d.unclosed()
		return b, 0
	}
	switch c := d.src[i+1]; c {
	case '"', '\\', '/':
		return append(b, c), 2
	case 'b':
		return append(b, '\b'), 2
	case 'f':
		return append(b, '\f'), 2
	case 'n':
		return append(b, '\n'), 2
	case 'r':
		return append(b, '\r'), 2
	case 't':
		return append(b, '\t'), 2
	case 'u':
	default:
		d.i = i + 1
		d.fail(Syntax, i, "there is no such escape as a backslash before what follows: %s", d.found())
		return b, 0
	}
	r, ok := d.four(i + 2)
	if !ok {
		d.fail(Syntax, i, "\\u wants four hexadecimal digits")
		return b, 0
	}
	if r < 0xd800 || r > 0xdfff {
		return utf8.AppendRune(b, r), 6
	}
	if r < 0xdc00 && i+7 < len(d.src) && d.src[i+6] == '\\' && d.src[i+7] == 'u' {
		if low, ok := d.four(i + 8); ok && low >= 0xdc00 && low <= 0xdfff {
			return utf8.AppendRune(b, (r-0xd800)<<10+low-0xdc00+0x10000), 12
		}
	}
	switch d.o.UTF8 {
	case RefuseUTF8:
		d.fail(InvalidUTF8, i, "%s is half of a pair that is not there (invalid_utf8 = 'replace' or 'keep' reads it all the same)", d.s[i:i+6])
		return b, 0
	case ReplaceUTF8:
		return utf8.AppendRune(b, utf8.RuneError), 6
	}
	return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f)), 6
}

func (d *decoder) four(i int) (r rune, ok bool) {
	if i+4 > len(d.src) {
		return 0, false
	}
	for _, c := range d.src[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// powers of ten that a float64 holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func (d *decoder) number() (lua.LValue, bool) {
	src, start, i := d.src, d.i, d.i
	negative := src[i] == '-'
	if negative {
		i++
	}
	digits := func() int {
		from := i
		for i < len(src) && src[i]-'0' <= 9 {
			i++
		}
		return i - from
	}
	whole := i
	n := digits()
	switch {
	case n == 0:
		d.i = i
		d.expected("a digit")
		return nil, false
	case n > 1 && src[whole] == '0':
		d.fail(Syntax, start, "a number cannot begin with 0%c", src[whole+1])
		return nil, false
	}
	integer, fraction := true, 0
	if i < len(src) && src[i] == '.' {
		integer = false
		i++
		if fraction = digits(); fraction == 0 {
			d.i = i
			d.expected("a digit behind the point")
			return nil, false
		}
	}
	exponent := i < len(src) && src[i]|0x20 == 'e'
	if exponent {
		integer = false
		if i++; i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if digits() == 0 {
			d.i = i
			d.expected("a digit in the exponent")
			return nil, false
		}
	}
	d.i = i
	if n+fraction <= 15 && !exponent {
		// The digits are an integer below 2^53 and the divisor is exact: so is
		// the rounding of their quotient.
		m := 0
		for _, c := range src[whole:i] {
			if c != '.' {
				m = m*10 + int(c-'0')
			}
		}
		if integer && !negative {
			return vm.Int(m), true
		}
		f := float64(m) / powers[fraction]
		if negative {
			f = -f
		}
		return lua.LNumber(f), true
	}
	f, err := strconv.ParseFloat(d.s[start:i], 64)
	if err != nil {
		d.fail(OutOfRange, start, "the number %s is too large", short(d.s[start:i]))
		return nil, false
	}
	if integer && math.Abs(f) >= 1<<53 && d.o.Big != RoundBig {
		if d.o.Big == StringBig {
			return lua.LString(strings.Clone(d.s[start:i])), true
		}
		d.fail(OutOfRange, start, "the integer %s is not below 2^53, and a Lua number may not be exact (big_integers = 'string' keeps its digits)", short(d.s[start:i]))
		return nil, false
	}
	return lua.LNumber(f), true
}

func short(s string) string {
	if len(s) > 40 {
		return s[:37] + "..."
	}
	return s
}

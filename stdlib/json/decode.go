package json

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Big says what becomes of integers from 2^53 on, which a Lua number cannot
// always hold.
type Big uint8

const (
	RoundBig  Big = iota // the nearest number
	StringBig            // a string of its digits
	RefuseBig            // a fault
)

// DecodeOptions are how a text is read.
type DecodeOptions struct {
	MaxDepth         int
	MaxSize          int
	RefuseDuplicates bool // else the last one wins
	UTF8             UTF8
	Big              Big
	DropNulls        bool // a member of an object that is null is left out
}

func (o *DecodeOptions) setDefaults() {
	if o.MaxDepth == 0 {
		o.MaxDepth = DefaultDepth
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultSize
	}
}

// decoder reads one text.
type decoder struct {
	L     *lua.LState
	o     *DecodeOptions
	s     string
	src   []byte // s
	i     int    // the next byte
	depth int
	steps int
	marks marks
	null  lua.LValue
	stack []lua.LValue // values of the arrays and objects that are not finished
	buf   []byte       // of strings with escapes
	keys  [64]lua.LValue
	fault *Fault
}

// Decode reads the one value that s holds. Baton holder; it raises only to be
// stopped.
func Decode(L *lua.LState, s string, o DecodeOptions) (lua.LValue, *Fault) {
	o.setDefaults()
	if len(s) > o.MaxSize {
		return nil, fault(TooLarge, "the text has %d bytes, more than %d (max_size)", len(s), o.MaxSize)
	}
	d := &decoder{L: L, o: &o, s: s, src: bytesOf(s), marks: marksOf(L), null: scripting.NullOf(L)}
	d.space()
	v, ok := d.value()
	if !ok {
		return nil, d.fault
	}
	d.space()
	if d.i < len(s) {
		d.fail(Syntax, d.i, "more text after the value: %s", d.found())
		return nil, d.fault
	}
	return v, nil
}

// fail notes what is wrong at an offset.
func (d *decoder) fail(reason string, at int, format string, args ...any) {
	d.fault = fault(reason, format, args...)
	d.fault.Text = position(d.s, at) + ": " + d.fault.Text
}

// found shows what stands at the current place.
func (d *decoder) found() string {
	if d.i >= len(d.s) {
		return "the text ends"
	}
	c := d.s[d.i]
	r, n := utf8.DecodeRuneInString(d.s[d.i:])
	switch {
	case r == utf8.RuneError && n == 1:
		return "found the byte 0x" + string(hex[c>>4]) + string(hex[c&15])
	case r == '\uFEFF':
		return "found a byte order mark"
	case c == '\'':
		return "found ' (strings stand in double quotes)"
	case c == '/' && d.i+1 < len(d.s) && (d.s[d.i+1] == '/' || d.s[d.i+1] == '*'):
		return "found a comment, which JSON does not have"
	case c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_':
		end := d.i
		for end < len(d.s) && end < d.i+20 && (d.s[end]|0x20 >= 'a' && d.s[end]|0x20 <= 'z' || d.s[end] == '_' || d.s[end] >= '0' && d.s[end] <= '9') {
			end++
		}
		return "found " + d.s[d.i:end]
	case c < 0x20:
		return "found the control character " + strconv.QuoteRune(r)
	}
	return "found " + string(r)
}

func (d *decoder) expected(what string) {
	d.fail(Syntax, d.i, "expected %s, %s", what, d.found())
}

func (d *decoder) space() {
	for d.i < len(d.src) && blank[d.src[d.i]] {
		d.i++
	}
}

func (d *decoder) value() (lua.LValue, bool) {
	if d.steps++; d.steps%checkEvery == 0 {
		vm.Check(d.L)
	}
	if d.i >= len(d.src) {
		d.expected("a value")
		return nil, false
	}
	switch c := d.src[d.i]; c {
	case '"':
		s, ok := d.text()
		if !ok {
			return nil, false
		}
		return lua.LString(strings.Clone(s)), true
	case '{':
		return d.object()
	case '[':
		return d.array()
	case 't':
		return lua.LTrue, d.word("true")
	case 'f':
		return lua.LFalse, d.word("false")
	case 'n':
		return d.null, d.word("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return d.number()
		}
	}
	d.expected("a value")
	return nil, false
}

func (d *decoder) word(w string) bool {
	if strings.HasPrefix(d.s[d.i:], w) {
		d.i += len(w)
		return true
	}
	d.expected("a value")
	return false
}

// enter goes one level deeper.
func (d *decoder) enter() bool {
	if d.depth++; d.depth > d.o.MaxDepth {
		d.fail(TooDeep, d.i, "nested deeper than %d (max_depth)", d.o.MaxDepth)
		return false
	}
	d.i++
	d.space()
	return true
}

func (d *decoder) array() (lua.LValue, bool) {
	if !d.enter() {
		return nil, false
	}
	base := len(d.stack)
	for first := true; ; first = false {
		if d.i < len(d.src) && d.src[d.i] == ']' {
			if !first {
				d.fail(Syntax, d.i, "expected a value behind the comma, found ]")
				return nil, false
			}
			break
		}
		v, ok := d.value()
		if !ok {
			return nil, false
		}
		d.stack = append(d.stack, v)
		d.space()
		if d.i < len(d.src) && d.src[d.i] == ',' {
			d.i++
			d.space()
			continue
		}
		if d.i < len(d.src) && d.src[d.i] == ']' {
			break
		}
		d.expected("',' or ']' in an array")
		return nil, false
	}
	d.i++
	d.depth--
	t := vm.NewList(append([]lua.LValue(nil), d.stack[base:]...))
	t.Metatable = d.marks.array
	d.pop(base)
	return t, true
}

// pop forgets what an array or object has taken over.
func (d *decoder) pop(base int) {
	clear(d.stack[base:])
	d.stack = d.stack[:base]
}

func (d *decoder) object() (lua.LValue, bool) {
	if !d.enter() {
		return nil, false
	}
	base := len(d.stack)
	var seen map[lua.LValue]bool
	for first := true; ; first = false {
		if d.i < len(d.src) && d.src[d.i] == '}' {
			if !first {
				d.fail(Syntax, d.i, "expected a key behind the comma, found }")
				return nil, false
			}
			break
		}
		at := d.i
		key, ok := d.key()
		if !ok {
			return nil, false
		}
		if d.o.RefuseDuplicates {
			if seen == nil {
				seen = map[lua.LValue]bool{}
			}
			if seen[key] {
				d.fail(DuplicateKey, at, "the key %q comes twice", key.String())
				return nil, false
			}
			seen[key] = true
		}
		d.space()
		if d.i >= len(d.src) || d.src[d.i] != ':' {
			d.expected("':' behind a key")
			return nil, false
		}
		d.i++
		d.space()
		v, ok := d.value()
		if !ok {
			return nil, false
		}
		d.stack = append(d.stack, key, v)
		d.space()
		if d.i < len(d.src) && d.src[d.i] == ',' {
			d.i++
			d.space()
			continue
		}
		if d.i < len(d.src) && d.src[d.i] == '}' {
			break
		}
		d.expected("',' or '}' in an object")
		return nil, false
	}
	d.i++
	d.depth--
	t := vm.NewRecord(d.stack[base:])
	if d.o.DropNulls {
		for i := base; i < len(d.stack); i += 2 {
			if key := string(d.stack[i].(lua.LString)); t.RawGetString(key) == d.null {
				t.RawSetString(key, lua.LNil)
			}
		}
	}
	if len(d.stack) == base {
		t.Metatable = d.marks.object
	}
	d.pop(base)
	return t, true
}

// key reads a key. Most of a text's keys come again and again: a small cache
// saves making them anew.
func (d *decoder) key() (lua.LValue, bool) {
	if d.i >= len(d.src) || d.src[d.i] != '"' {
		d.expected("a key in double quotes")
		return nil, false
	}
	s, ok := d.text()
	if !ok {
		return nil, false
	}
	n := len(s)
	if n == 0 || n > 32 {
		return lua.LString(strings.Clone(s)), true
	}
	slot := &d.keys[(uint(s[0])*31+uint(s[n/2])*7+uint(s[n-1])+uint(n)*17)%uint(len(d.keys))]
	if known, ok := (*slot).(lua.LString); ok && string(known) == s {
		return *slot, true
	}
	*slot = lua.LString(strings.Clone(s))
	return *slot, true
}

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

package json

import (
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

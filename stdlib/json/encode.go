package json

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// UTF8 says what becomes of bytes that are not UTF-8.
type UTF8 uint8

const (
	RefuseUTF8  UTF8 = iota // a fault
	ReplaceUTF8             // each such byte becomes U+FFFD
	KeepUTF8                // they stay as they are
)

// EncodeOptions are how a value is written.
type EncodeOptions struct {
	MaxDepth      int
	MaxSize       int
	Indent        string // one level of it; empty: everything on one line
	SortKeys      bool
	EmptyArray    bool // an empty table without a mark is an array
	ForceObject   bool // every table is an object
	MixedObject   bool // a table with other keys than 1 to n is an object, whatever they are
	UTF8          UTF8
	ASCII         bool // everything beyond ASCII as \u escapes
	EscapeSlashes bool
	Root          string // what paths begin with
}

// Limits of both directions.
const (
	DefaultDepth = 512
	LargestDepth = 10_000
	DefaultSize  = 64 << 20
)

// Defaults of encoding.
func (o *EncodeOptions) setDefaults() {
	if o.MaxDepth == 0 {
		o.MaxDepth = DefaultDepth
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultSize
	}
	if o.Root == "" {
		o.Root = "data"
	}
}

// checkEvery is after how many values a long loop lets itself be stopped.
const checkEvery = 4096

// encoder writes one value.
type encoder struct {
	L     *lua.LState
	o     *EncodeOptions
	b     []byte
	marks marks
	above []*lua.LTable // the tables around the current one
	steps int
}

// Append writes v behind b. Baton holder; it raises only to be stopped.
func Append(L *lua.LState, b []byte, v lua.LValue, o EncodeOptions) ([]byte, *Fault) {
	o.setDefaults()
	e := encoder{L: L, o: &o, b: b, marks: marksOf(L)}
	o.MaxSize += len(b)
	if f := e.value(v); f != nil {
		return nil, f.at(o.Root)
	}
	return e.b, nil
}

func (e *encoder) value(v lua.LValue) *Fault {
	if e.steps++; e.steps%checkEvery == 0 {
		vm.Check(e.L)
	}
	switch x := v.(type) {
	case lua.LString:
		if f := e.text(string(x)); f != nil {
			return f
		}
	case lua.LNumber:
		n := float64(x)
		if math.IsInf(n, 0) || n != n {
			return fault(OutOfRange, "JSON has no %s", vm.Number(n))
		}
		e.b = appendNumber(e.b, n)
	case lua.LBool:
		e.b = strconv.AppendBool(e.b, bool(x))
	case *lua.LNilType:
		e.b = append(e.b, "null"...)
	case *lua.LTable:
		return e.table(x)
	case *lua.LUserData:
		if scripting.IsNull(x) {
			e.b = append(e.b, "null"...)
			break
		}
		t, ok := scripting.ReadTable(e.L, x)
		if !ok {
			return fault(Unsupported, "cannot encode a userdata (%s)", e.L.ToStringMeta(x).String())
		}
		return e.table(t)
	default:
		return fault(Unsupported, "cannot encode a %s", v.Type())
	}
	if len(e.b) > e.o.MaxSize {
		return e.tooLarge()
	}
	return nil
}

func (e *encoder) tooLarge() *Fault {
	return fault(TooLarge, "the text would be longer than %d bytes (max_size)", e.o.MaxSize)
}

func (e *encoder) table(t *lua.LTable) *Fault {
	if slices.Contains(e.above, t) {
		return fault(Unsupported, "the table contains itself")
	}
	if len(e.above) >= e.o.MaxDepth {
		return fault(TooDeep, "nested deeper than %d (max_depth)", e.o.MaxDepth)
	}
	e.above = append(e.above, t)
	list, others := vm.Shape(t)
	isArray := len(list) > 0
	switch e.marks.of(t) {
	case scripting.ArrayMark:
		isArray = true
	case scripting.ObjectMark:
		isArray = false
	default:
		if len(list) == 0 && others == 0 {
			isArray = e.o.EmptyArray
		}
	}
	if e.o.ForceObject || e.o.MixedObject && (others > 0 || slices.Contains(list, lua.LValue(lua.LNil))) {
		isArray = false
	}
	var f *Fault
	switch {
	case isArray && others > 0:
		f = e.misshapen(t, len(list))
	case isArray:
		f = e.array(list)
	default:
		f = e.object(t, list)
	}
	e.above = e.above[:len(e.above)-1]
	if f == nil && len(e.b) > e.o.MaxSize {
		f = e.tooLarge()
	}
	return f
}

// misshapen says why a table with a list and other keys cannot be an array.
func (e *encoder) misshapen(t *lua.LTable, n int) *Fault {
	for _, k := range vm.Keys(t) {
		if t.RawGetH(k) == lua.LNil {
			continue
		}
		switch x := k.(type) {
		case lua.LString:
			if n == 0 {
				return fault(MixedTable, "an array cannot have the key %q", string(x))
			}
			return fault(MixedTable, "a list of %d that also has the key %q (json.object makes an object of it)", n, string(x))
		case lua.LNumber:
			return fault(SparseArray, "a list of %d that also has the key %s: it has holes (fill them with json.null, or json.object makes an object of it)", n, vm.Number(float64(x)))
		default:
			return fault(MixedTable, "a list cannot have a %s as a key", k.Type())
		}
	}
	return nil
}

func (e *encoder) array(list []lua.LValue) *Fault {
	e.b = append(e.b, '[')
	for i, v := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.newline()
		if v == lua.LNil {
			return &Fault{Reason: SparseArray, path: "[" + strconv.Itoa(i+1) + "]",
				Text: "nothing there: a list with holes (fill them with json.null)"}
		}
		if f := e.value(v); f != nil {
			f.path = "[" + strconv.Itoa(i+1) + "]" + f.path
			return f
		}
	}
	e.close(']', len(list) > 0)
	return nil
}

func (e *encoder) object(t *lua.LTable, list []lua.LValue) *Fault {
	keys := vm.Keys(t)
	e.b = append(e.b, '{')
	if len(list) > 0 || e.o.SortKeys || e.mayBeObject(t) {
		return e.objectOf(t, list, keys)
	}
	any := false
	for _, k := range keys {
		v := t.RawGetH(k)
		if v == lua.LNil {
			continue
		}
		key, isText := k.(lua.LString)
		if !isText {
			return e.badKey(k)
		}
		if any {
			e.b = append(e.b, ',')
		}
		any = true
		if f := e.member(string(key), v); f != nil {
			return f
		}
	}
	e.close('}', any)
	return nil
}

// mayBeObject reports whether numbers as keys become text.
func (e *encoder) mayBeObject(t *lua.LTable) bool {
	return e.o.ForceObject || e.o.MixedObject || e.marks.of(t) == scripting.ObjectMark
}

// badKey is the fault of a key that no object can have.
func (e *encoder) badKey(k lua.LValue) *Fault {
	if n, ok := k.(lua.LNumber); ok {
		return fault(SparseArray, "the key %s is a number, and the table is no list from 1 on (json.object makes an object of it)", vm.Number(float64(n)))
	}
	return fault(Unsupported, "cannot encode a %s as a key", k.Type())
}

// objectOf writes an object whose keys must be looked at first: numbers among
// them become text, and they may have to be sorted.
func (e *encoder) objectOf(t *lua.LTable, list, keys []lua.LValue) *Fault {
	type member struct {
		key string
		v   lua.LValue
	}
	var members []member
	for i, v := range list {
		if v != lua.LNil {
			members = append(members, member{strconv.Itoa(i + 1), v})
		}
	}
	numbers := len(members) > 0
	marked := e.mayBeObject(t)
	for _, k := range keys {
		v := t.RawGetH(k)
		if v == lua.LNil {
			continue
		}
		switch x := k.(type) {
		case lua.LString:
			members = append(members, member{string(x), v})
			continue
		case lua.LNumber:
			if marked {
				numbers = true
				members = append(members, member{vm.Number(float64(x)), v})
				continue
			}
		}
		return e.badKey(k)
	}
	if numbers {
		seen := make(map[string]bool, len(members))
		for _, m := range members {
			if seen[m.key] {
				return fault(DuplicateKey, "the key %q is there as a number and as a string", m.key)
			}
			seen[m.key] = true
		}
	}
	if e.o.SortKeys {
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	}
	for i, m := range members {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		if f := e.member(m.key, m.v); f != nil {
			return f
		}
	}
	e.close('}', len(members) > 0)
	return nil
}

func (e *encoder) member(key string, v lua.LValue) *Fault {
	e.newline()
	if f := e.text(key); f != nil {
		f.Text = "the key " + strconv.Quote(key) + ": " + f.Text
		return f
	}
	e.b = append(e.b, ':')
	if e.o.Indent != "" {
		e.b = append(e.b, ' ')
	}
	if f := e.value(v); f != nil {
		f.path = keyPath(key) + f.path
		return f
	}
	return nil
}

func (e *encoder) newline() {
	if e.o.Indent == "" {
		return
	}
	e.b = append(e.b, '\n')
	for range e.above {
		e.b = append(e.b, e.o.Indent...)
	}
}

func (e *encoder) close(bracket byte, any bool) {
	if any && e.o.Indent != "" {
		e.b = append(e.b, '\n')
		for range len(e.above) - 1 {
			e.b = append(e.b, e.o.Indent...)
		}
	}
	e.b = append(e.b, bracket)
}

// appendNumber writes f so that reading gives the same number back; integers
// below 1e21 without an exponent.
func appendNumber(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n >= -1<<53 && n <= 1<<53 && (n != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, n, 10)
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 || f == 0 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

const hex = "0123456789abcdef"

// text writes a string with its quotes.
func (e *encoder) text(s string) *Fault {
	b, src := append(e.b, '"'), bytesOf(s)
	for start, i := 0, 0; ; {
		i = plainText(src, i)
		if i == len(s) {
			b = append(append(b, s[start:]...), '"')
			if e.o.EscapeSlashes {
				from := len(e.b)
				if slashes := bytes.Count(b[from:], []byte{'/'}); slashes > 0 {
					b = append(b[:from], bytes.ReplaceAll(b[from:], []byte{'/'}, []byte(`\/`))...)
				}
			}
			e.b = b
			return nil
		}
		c := s[i]
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			switch e.o.UTF8 {
			case RefuseUTF8:
				return fault(InvalidUTF8, "the string is not UTF-8 at its byte %d (invalid_utf8 = 'replace' or 'keep' writes it all the same)", i+1)
			case KeepUTF8:
				if !e.o.ASCII {
					i++
					continue
				}
			}
			fallthrough
		case e.o.ASCII:
			b = append(b, s[start:i]...)
			if e.o.ASCII {
				b = appendUnicode(b, r)
			} else {
				b = utf8.AppendRune(b, utf8.RuneError)
			}
			i += n
			start = i
		default:
			i += n
		}
	}
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendUnicode writes r as \u escapes, two of them beyond U+FFFF.
func appendUnicode(b []byte, r rune) []byte {
	four := func(r rune) {
		b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	if r > 0xffff {
		r -= 0x10000
		four(0xd800 + r>>10)
		four(0xdc00 + r&0x3ff)
		return b
	}
	four(r)
	return b
}

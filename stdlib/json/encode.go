package json

import (
	"math"
	"slices"
	"strconv"
	"strings"

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

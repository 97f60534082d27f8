// Package json is the Lua module "json": values to text and back.
//
// The text is written and read in one pass over bytes, straight from and into
// tables; other modules use Append and Decode.
package json

import (
	"strings"
	"sync"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/option"

	lua "github.com/yuin/gopher-lua"
)

// Module declares json.
var Module = scripting.Module{
	Name: "json",
	Doc: `Values to JSON text and back, fast and exact.

A table whose keys are 1 to n is an array, one with string keys an object; an empty table is an object. json.array and json.object mark a table as the one or the other whatever it holds, and what decode makes of an array is marked as one, so that an empty array comes out as it went in. Arrays with holes, tables with both kinds of keys, functions, inf, nan and tables that contain themselves are refused by the way to them: "data.user.list[3]: cannot encode a function". Session data encodes as tables do.

Numbers keep every digit that a Lua number has; integers up to 2^53 are exact and are written without an exponent. Strings must be UTF-8 unless the option invalid_utf8 says otherwise. null is json.null, which is not nil: it keeps its place in an array, and it is true in a condition, so compare with json.null.`,
	Funcs: []scripting.Func{
		{
			Name:   "encode",
			Params: []scripting.Param{{Name: "value", Type: "any"}, {Name: "options", Type: "table?"}},
			Doc: `The JSON text of a value. What cannot be encoded raises an error that names the way to it. Options:

- pretty: true for two blanks per level, or a number of blanks from 1 to 16, or "\t".
- sort_keys: true for keys in the order of their bytes; else they come in the order in which they were set.
- empty: "object" or "array", what an empty table is that has no mark.
- invalid_utf8: "refuse", "replace" by U+FFFD, or "keep" the bytes.
- ascii: true for everything beyond ASCII as \u escapes.
- escape_slashes: true for / as \/.
- max_depth: how many arrays and objects may stand in each other, 512.
- max_size: how many bytes the text may have, 64 MiB.`,
			Returns: "string",
			Fn:      encode,
		},
		{
			Name:   "decode",
			Params: []scripting.Param{{Name: "text", Type: "string"}, {Name: "options", Type: "table?"}},
			Doc: `The value of a JSON text; for a text that is not right nil, a reason and a message with line and column. The reasons: syntax, too_deep, too_large, invalid_utf8, duplicate_key, out_of_range. Options:

- duplicates: "last", the last of two equal keys wins, or "refuse".
- invalid_utf8: "refuse", "replace" by U+FFFD, or "keep" the bytes.
- big_integers: what becomes of integers from 2^53 on: "round" to the nearest number, "string" of their digits, or "refuse".
- max_depth: how many arrays and objects may stand in each other, 512.
- max_size: how many bytes the text may have, 64 MiB.`,
			Returns: "any, string?, string?",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				v, f := decode(L, "json.decode")
				if f != nil {
					L.Push(lua.LNil)
					L.Push(lua.LString(f.Reason))
					L.Push(lua.LString(f.Text))
					return 3
				}
				L.Push(v)
				return 1
			},
		},
		{
			Name:    "parse",
			Params:  []scripting.Param{{Name: "text", Type: "string"}, {Name: "options", Type: "table?"}},
			Doc:     `As decode, but a text that is not right raises the message as an error: for files of one's own and for pcall.`,
			Returns: "any",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				v, f := decode(L, "json.parse")
				if f != nil {
					vm.Raise(L, "json.parse: %s", f.Text)
				}
				L.Push(v)
				return 1
			},
		},
		{
			Name:    "array",
			Params:  []scripting.Param{{Name: "t", Type: "table?"}},
			Doc:     `Marks a table, or a new one, as an array, and returns it: json.encode(json.array{}) is []. The mark is a metatable; it goes along when the table is given to a task or kept in a session. A metatable of your own marks too, with __jsontype = "array".`,
			Returns: "table",
			Fn:      func(_ *scripting.Instance, L *lua.LState) int { return mark(L, scripting.ArrayMark, "array") },
		},
		{
			Name:    "object",
			Params:  []scripting.Param{{Name: "t", Type: "table?"}},
			Doc:     `Marks a table, or a new one, as an object, and returns it. Its keys may then be numbers too, which become text: json.encode(json.object{"a"}) is {"1":"a"}.`,
			Returns: "table",
			Fn:      func(_ *scripting.Instance, L *lua.LState) int { return mark(L, scripting.ObjectMark, "object") },
		},
		{
			Name:    "isArray",
			Params:  []scripting.Param{{Name: "value", Type: "any"}},
			Doc:     `Whether encode would write the value as an array, going by its mark or else by its keys.`,
			Returns: "boolean",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				t, ok := scripting.ReadTable(L, L.Get(1))
				if ok {
					list, others := vm.Shape(t)
					k := marksOf(L).of(t)
					ok = k == scripting.ArrayMark || k == scripting.NoMark && len(list) > 0 && others == 0
				}
				L.Push(lua.LBool(ok))
				return 1
			},
		},
	},
	Values: map[string]lua.LValue{"null": lua.LNil},
	Open: func(_ *scripting.Instance, L *lua.LState, t *lua.LTable) {
		t.RawSetString("null", scripting.NullOf(L))
	},
}

// buffers are those of encode, which copies what it built.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer is the largest buffer worth keeping.
const keepBuffer = 1 << 20

func encode(_ *scripting.Instance, L *lua.LState) int {
	var o EncodeOptions
	if L.Get(2) != lua.LNil {
		o = encodeOptions(L)
	}
	p := buffers.Get().(*[]byte)
	b, f := Append(L, (*p)[:0], L.Get(1), o)
	if f != nil {
		buffers.Put(p)
		vm.Raise(L, "json.encode: %s", f.Text)
	}
	L.Push(lua.LString(b))
	if cap(b) <= keepBuffer {
		*p = b
		buffers.Put(p)
	}
	return 1
}

// largestSize is the most that max_size may allow: what one string may have.
func largestSize(L *lua.LState) int {
	if v := vm.Of(L); v != nil {
		return v.MaxString()
	}
	return vm.DefaultMaxString
}

func encodeOptions(L *lua.LState) (o EncodeOptions) {
	s := option.Read(L, 2, "json.encode")
	const want = `true, a number of blanks from 1 to 16, or "\t"`
	switch x := s.Value("pretty").(type) {
	case *lua.LNilType:
	case lua.LBool:
		if x {
			o.Indent = "  "
		}
	case lua.LNumber:
		if x != lua.LNumber(int(x)) || x < 1 || x > 16 {
			s.Bad("pretty", want, x)
		}
		o.Indent = strings.Repeat(" ", int(x))
	case lua.LString:
		if o.Indent = string(x); strings.Trim(o.Indent, " \t") != "" || o.Indent == "" || len(o.Indent) > 16 {
			s.Bad("pretty", want, x)
		}
	default:
		s.Bad("pretty", want, x)
	}
	o.SortKeys = s.Bool("sort_keys", false)
	o.EmptyArray = s.Choice("empty", "object", "array") == 1
	o.UTF8 = UTF8(s.Choice("invalid_utf8", "refuse", "replace", "keep"))
	o.ASCII = s.Bool("ascii", false)
	o.EscapeSlashes = s.Bool("escape_slashes", false)
	o.MaxDepth = s.Int("max_depth", DefaultDepth, 1, LargestDepth)
	largest := largestSize(L)
	o.MaxSize = s.Int("max_size", min(DefaultSize, largest), 1, largest)
	s.Done()
	if o.ASCII && o.UTF8 == KeepUTF8 {
		vm.Raise(L, "json.encode: option 'ascii' leaves no way to keep bytes that are not UTF-8 (invalid_utf8 = 'replace' writes them as \\ufffd)")
	}
	return o
}

func decode(L *lua.LState, what string) (lua.LValue, *Fault) {
	var o DecodeOptions
	if L.Get(2) != lua.LNil {
		s := option.Read(L, 2, what)
		o.RefuseDuplicates = s.Choice("duplicates", "last", "refuse") == 1
		o.UTF8 = UTF8(s.Choice("invalid_utf8", "refuse", "replace", "keep"))
		o.Big = Big(s.Choice("big_integers", "round", "string", "refuse"))
		o.MaxDepth = s.Int("max_depth", DefaultDepth, 1, LargestDepth)
		largest := largestSize(L)
		o.MaxSize = s.Int("max_size", min(DefaultSize, largest), 1, largest)
		s.Done()
	}
	return Decode(L, L.ToString(1), o)
}

package php

import (
	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/json"
	"swoon/stdlib/pack"

	lua "github.com/yuin/gopher-lua"
)

// Flags of json_encode and json_decode, with PHP's values.
const (
	jsonForceObject      = 16
	jsonUnescapedSlashes = 64
	jsonPrettyPrint      = 128
	jsonUnescapedUnicode = 256
	jsonSubstitute       = 2097152 // JSON_INVALID_UTF8_SUBSTITUTE
	jsonThrow            = 4194304 // JSON_THROW_ON_ERROR
	jsonObjectAsArray    = 1
	jsonBigAsString      = 2
)

// jsonErrors are PHP's number and words for a reason.
var jsonErrors = map[string]struct {
	code int
	text string
}{
	"":                {0, "No error"},
	json.TooDeep:      {1, "Maximum stack depth exceeded"},
	json.Syntax:       {4, "Syntax error"},
	json.InvalidUTF8:  {5, "Malformed UTF-8 characters, possibly incorrectly encoded"},
	json.OutOfRange:   {7, "Inf and NaN cannot be JSON encoded"},
	json.Unsupported:  {8, "Type is not supported"},
	json.MixedTable:   {8, "Type is not supported"},
	json.SparseArray:  {8, "Type is not supported"},
	json.DuplicateKey: {8, "Type is not supported"},
	json.TooLarge:     {4, "Syntax error"},
}

const lastErrorKey = "swoon.php.json"

// failed notes the outcome of a call for json_last_error and answers failure.
func failed(L *lua.LState, what string, answer lua.LValue, f *json.Fault, flags int) int {
	if flags&jsonThrow != 0 {
		vm.Raise(L, "php.%s: %s", what, f.Text)
	}
	setLastError(L, f)
	L.Push(answer)
	return 1
}

func succeeded(L *lua.LState, flags int, v lua.LValue) int {
	if flags&jsonThrow == 0 {
		setLastError(L, &json.Fault{})
	}
	L.Push(v)
	return 1
}

func flags(L *lua.LState, n int, what string, known int) int {
	f := whole(L, n, what, "flags", 0)
	if f < 0 || f&^known != 0 {
		vm.Raise(L, "bad argument #%d 'flags' to 'php.%s' (%d is none of the flags that the module has a name for)", n, what, f&^known)
	}
	return f
}

func depth(L *lua.LState, n int, what string) int {
	d := whole(L, n, what, "depth", json.DefaultDepth)
	if d < 1 || d > json.LargestDepth {
		vm.Raise(L, "bad argument #%d 'depth' to 'php.%s' (1 to %d expected, got %d)", n, what, json.LargestDepth, d)
	}
	return d
}

// setLastError keeps a reason and its message, or none, for json_last_error.
func setLastError(L *lua.LState, f *json.Fault) {
	L.G.Registry.RawSetString(lastErrorKey, &lua.LUserData{Value: f, Metatable: lua.LNil})
}

func lastError(L *lua.LState) *json.Fault {
	if u, ok := L.G.Registry.RawGetString(lastErrorKey).(*lua.LUserData); ok {
		return u.Value.(*json.Fault)
	}
	return &json.Fault{}
}

var encodeFuncs = []scripting.Func{
	row("json_encode", "value any, flags number?, depth number?", "string|false", "The JSON text of a value, as PHP writes it: / as \\/, what is beyond ASCII as \\u escapes, an empty table as [], and a table with other keys than 1 to n as an object. flags is a sum of the JSON_ constants. A value that cannot be encoded gives false, and json_last_error_msg says why. The module json has more to offer.", func(_ *scripting.Instance, L *lua.LState) int {
		f := flags(L, 2, "json_encode", jsonForceObject|jsonUnescapedSlashes|jsonPrettyPrint|jsonUnescapedUnicode|jsonSubstitute|jsonThrow)
		o := json.EncodeOptions{ASCII: f&jsonUnescapedUnicode == 0, EscapeSlashes: f&jsonUnescapedSlashes == 0,
			EmptyArray: true, ForceObject: f&jsonForceObject != 0, MixedObject: true, MaxDepth: depth(L, 3, "json_encode"), Root: "value"}
		if f&jsonPrettyPrint != 0 {
			o.Indent = "    "
		}
		if f&jsonSubstitute != 0 {
			o.UTF8 = json.ReplaceUTF8
		}
		b, fault := json.Append(L, nil, L.Get(1), o)
		if fault != nil {
			return failed(L, "json_encode", lua.LFalse, fault, f)
		}
		return succeeded(L, f, lua.LString(b))
	}),
	row("json_decode", "json string, associative any, depth number?, flags number?", "any", "The value of a JSON text. Objects and arrays are tables both, whether associative is true or not. A null in an object is left out, as nil is the same as none; in an array it is json.null, which isset and is_null know. A text that is not right gives nil, and json_last_error_msg says why, with line and column.", func(_ *scripting.Instance, L *lua.LState) int {
		f := flags(L, 4, "json_decode", jsonObjectAsArray|jsonBigAsString|jsonSubstitute|jsonThrow)
		o := json.DecodeOptions{MaxDepth: depth(L, 3, "json_decode"), DropNulls: true}
		if f&jsonBigAsString != 0 {
			o.Big = json.StringBig
		}
		if f&jsonSubstitute != 0 {
			o.UTF8 = json.ReplaceUTF8
		}
		v, fault := json.Decode(L, text(L, 1), o)
		if fault != nil {
			return failed(L, "json_decode", lua.LNil, fault, f)
		}
		if scripting.IsNull(v) {
			v = lua.LNil
		}
		return succeeded(L, f, v)
	}),
	pure("json_last_error", "", "number", "PHP's number for how the last json_encode or json_decode of this worker ended; 0 is well.", func(L *lua.LState) lua.LValue {
		return vm.Int(jsonErrors[lastError(L).Reason].code)
	}),
	pure("json_last_error_msg", "", "string", "PHP's words for how the last json_encode or json_decode of this worker ended, and behind a colon what was wrong where.", func(L *lua.LState) lua.LValue {
		f := lastError(L)
		msg := jsonErrors[f.Reason].text
		if f.Text != "" {
			msg += ": " + f.Text
		}
		return lua.LString(msg)
	}),
	borrowed("pack"), borrowed("unpack"),
}

// borrowed is a function of the module pack. unpack stays Lua's own after
// php.global().
func borrowed(name string) scripting.Func {
	for _, f := range pack.Module.Funcs {
		if f.Name == name {
			return f
		}
	}
	panic("php: the module pack has no " + name)
}

// constants of the module.
var constants = map[string]lua.LValue{
	"PHP_EOL":                      lua.LString("\n"),
	"PHP_INT_MAX":                  lua.LNumber(1 << 53),
	"PHP_INT_MIN":                  lua.LNumber(-1 << 53),
	"PHP_INT_SIZE":                 lua.LNumber(8),
	"M_PI":                         lua.LNumber(3.141592653589793),
	"M_E":                          lua.LNumber(2.718281828459045),
	"STR_PAD_LEFT":                 lua.LNumber(padLeft),
	"STR_PAD_RIGHT":                lua.LNumber(padRight),
	"STR_PAD_BOTH":                 lua.LNumber(padBoth),
	"JSON_FORCE_OBJECT":            lua.LNumber(jsonForceObject),
	"JSON_UNESCAPED_SLASHES":       lua.LNumber(jsonUnescapedSlashes),
	"JSON_PRETTY_PRINT":            lua.LNumber(jsonPrettyPrint),
	"JSON_UNESCAPED_UNICODE":       lua.LNumber(jsonUnescapedUnicode),
	"JSON_INVALID_UTF8_SUBSTITUTE": lua.LNumber(jsonSubstitute),
	"JSON_THROW_ON_ERROR":          lua.LNumber(jsonThrow),
	"JSON_OBJECT_AS_ARRAY":         lua.LNumber(jsonObjectAsArray),
	"JSON_BIGINT_AS_STRING":        lua.LNumber(jsonBigAsString),
	"JSON_ERROR_NONE":              lua.LNumber(0),
	"JSON_ERROR_DEPTH":             lua.LNumber(1),
	"JSON_ERROR_SYNTAX":            lua.LNumber(4),
	"JSON_ERROR_UTF8":              lua.LNumber(5),
	"JSON_ERROR_INF_OR_NAN":        lua.LNumber(7),
	"JSON_ERROR_UNSUPPORTED_TYPE":  lua.LNumber(8),
}

package php

import (
	"math"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Functions that ask for types and change them.

// typeName is PHP's gettype.
func typeName(L *lua.LState, v lua.LValue) string {
	switch x := v.(type) {
	case lua.LBool:
		return "boolean"
	case lua.LNumber:
		if isInt(float64(x)) {
			return "integer"
		}
		return "double"
	case lua.LString:
		return "string"
	case *lua.LTable:
		return "array"
	}
	if isNull(v) {
		return "NULL"
	}
	if _, ok := scripting.ReadTable(L, v); ok {
		return "array"
	}
	return "object"
}

// is makes a function that asks for a type.
func is(name, doc string, names ...string) scripting.Func {
	return pure(name, "value any", "boolean", doc, func(L *lua.LState) lua.LValue {
		have := typeName(L, L.Get(1))
		for _, n := range names {
			if n == have {
				return lua.LTrue
			}
		}
		return lua.LFalse
	})
}

var valueFuncs = []scripting.Func{
	row("isset", "... any", "boolean", "Whether none of the values is null. Lua looks at the way to a value first: where a.b may be null, ask isset(a.b) before a.b.c.", func(_ *scripting.Instance, L *lua.LState) int {
		set := L.GetTop() > 0
		for i := 1; i <= L.GetTop(); i++ {
			set = set && !isNull(L.Get(i))
		}
		L.Push(lua.LBool(set))
		return 1
	}),
	pure("empty", "value any", "boolean", `Whether the value is null, false, 0, "", "0" or a table without entries.`, func(L *lua.LState) lua.LValue {
		return lua.LBool(!truth(L, L.Get(1)))
	}),
	pure("gettype", "value any", "string", "The type's name: boolean, integer, double, string, array, NULL or object.", func(L *lua.LState) lua.LValue {
		return lua.LString(typeName(L, L.Get(1)))
	}),
	is("is_array", "Whether the value is a table.", "array"),
	is("is_string", "Whether the value is a string.", "string"),
	is("is_int", "Whether the value is a number without a fraction.", "integer"),
	is("is_integer", "As is_int.", "integer"),
	is("is_float", "Whether the value is a number with a fraction, or inf or nan.", "double"),
	is("is_bool", "Whether the value is true or false.", "boolean"),
	is("is_null", "Whether the value is nil or json.null.", "NULL"),
	is("is_scalar", "Whether the value is a number, a string or a boolean.", "integer", "double", "string", "boolean"),
	pure("is_numeric", "value any", "boolean", "Whether the value is a number or a string that is a decimal number.", func(L *lua.LState) lua.LValue {
		_, ok := numeric(L.Get(1))
		return lua.LBool(ok)
	}),
	pure("is_callable", "value any", "boolean", "Whether the value is a function, or the name of a global one.", func(L *lua.LState) lua.LValue {
		v := L.Get(1)
		if s, ok := v.(lua.LString); ok {
			v = L.G.Global.RawGetString(string(s))
		}
		_, ok := v.(*lua.LFunction)
		return lua.LBool(ok)
	}),
	pure("function_exists", "name string", "boolean", "Whether there is a global function of that name.", func(L *lua.LState) lua.LValue {
		_, ok := L.G.Global.RawGetString(text(L, 1)).(*lua.LFunction)
		return lua.LBool(ok)
	}),
	pure("intval", "value any, base number?", "number", "The value as an integer: the number that a string begins with, towards zero. With a base from 2 to 36, of the digits in that base; base 0 goes by 0x, 0b or 0 in front.", intval),
	pure("floatval", "value any", "number", "The value as a number: the number that a string begins with.", func(L *lua.LState) lua.LValue {
		return lua.LNumber(toNumber(L, L.Get(1)))
	}),
	pure("strval", "value any", "string", "The value as a string, as echo writes it.", func(L *lua.LState) lua.LValue { return lua.LString(text(L, 1)) }),
	pure("boolval", "value any", "boolean", `The value as true or false: null, false, 0, "", "0" and a table without entries are false.`, func(L *lua.LState) lua.LValue {
		return lua.LBool(flag(L, 1))
	}),
}

func intval(L *lua.LState) lua.LValue {
	base := whole(L, 2, "intval", "base", 10)
	s, isText := L.Get(1).(lua.LString)
	if !isText || base == 10 {
		return toInt(toNumber(L, L.Get(1)))
	}
	if base != 0 && (base < 2 || base > 36) {
		vm.Raise(L, "bad argument #2 'base' to 'php.intval' (0 or 2 to 36 expected, got %d)", base)
	}
	digits := strings.ToLower(strings.TrimLeft(string(s), " \t\n\r\v\f"))
	negative := strings.HasPrefix(digits, "-")
	digits = strings.TrimLeft(digits, "+-")
	for prefix, b := range map[string]int{"0x": 16, "0b": 2, "0o": 8} {
		if rest, ok := strings.CutPrefix(digits, prefix); ok && (base == 0 || base == b) {
			digits, base = rest, b
		}
	}
	if base == 0 {
		if base = 10; strings.HasPrefix(digits, "0") {
			base = 8
		}
	}
	n := 0.0
	for i := range len(digits) {
		d := int(digits[i] - '0')
		if digits[i] >= 'a' && digits[i] <= 'z' {
			d = int(digits[i]-'a') + 10
		}
		if d < 0 || d >= base {
			break
		}
		n = min(n*float64(base)+float64(d), math.MaxInt64)
	}
	if negative {
		n = -n
	}
	return toInt(n)
}

package php

import (
	"math"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// checkEvery is after how many steps a long loop lets itself be stopped.
const checkEvery = 4096

// text is argument n as PHP makes a string of it.
func text(L *lua.LState, n int) string { return toText(L, L.Get(n)) }

func toText(L *lua.LState, v lua.LValue) string {
	switch x := v.(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(float64(x), 14)
	case lua.LBool:
		if x {
			return "1"
		}
		return ""
	case *lua.LNilType:
		return ""
	case *lua.LTable:
		return "Array"
	}
	if scripting.IsNull(v) {
		return ""
	}
	if _, ok := scripting.ReadTable(L, v); ok {
		return "Array"
	}
	return vm.Of(L).ToString(L, v)
}

// numberText writes a number as PHP does: integers in full, floats with up to
// precision digits, or with as many as they have when it is -1.
func numberText(f float64, precision int) string {
	switch {
	case f != f:
		return "NAN"
	case math.IsInf(f, 1):
		return "INF"
	case math.IsInf(f, -1):
		return "-INF"
	case isInt(f):
		return strconv.FormatInt(int64(f), 10)
	}
	digits := precision
	if precision < 0 {
		digits = 17
	}
	s := strconv.FormatFloat(f, 'e', max(precision-1, -1), 64)
	mantissa, exp, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exp)
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if e >= -4 && e < digits {
		return strconv.FormatFloat(f, 'f', max(len(strings.Trim(mantissa, "-"))-1-strings.Count(mantissa, ".")-e, 0), 64)
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := "+"
	if e < 0 {
		sign, e = "-", -e
	}
	return mantissa + "E" + sign + strconv.Itoa(e)
}

// isInt reports whether PHP would have the number as an integer.
func isInt(f float64) bool {
	return f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 && (f != 0 || !math.Signbit(f))
}

// truth is what PHP makes of a value in a condition.
func truth(L *lua.LState, v lua.LValue) bool {
	switch x := v.(type) {
	case *lua.LNilType:
		return false
	case lua.LBool:
		return bool(x)
	case lua.LNumber:
		return x != 0
	case lua.LString:
		return x != "" && x != "0"
	}
	if scripting.IsNull(v) {
		return false
	}
	if t, ok := scripting.ReadTable(L, v); ok {
		return size(t) > 0
	}
	return true
}

func isNull(v lua.LValue) bool { return v == lua.LNil || scripting.IsNull(v) }

// size is how many entries a table has.
func size(t *lua.LTable) int {
	list, n := vm.Shape(t)
	for _, v := range list {
		if v != lua.LNil {
			n++
		}
	}
	return n
}

// table is argument n of what, a table or session data.
func table(L *lua.LState, n int, what, name string) *lua.LTable {
	t, ok := scripting.ReadTable(L, L.Get(n))
	if !ok {
		vm.Raise(L, "bad argument #%d '%s' to 'php.%s' (table expected, got %s)", n, name, what, kindOf(L, n))
	}
	return t
}

func kindOf(L *lua.LState, n int) string {
	if n > L.GetTop() {
		return "no value"
	}
	return L.Get(n).Type().String()
}

// number is argument n, which the declaration has checked; def where it is not
// given.
func number(L *lua.LState, n int, def float64) float64 {
	if L.Get(n) == lua.LNil {
		return def
	}
	f, _ := scripting.Number(L.Get(n))
	return f
}

// whole is number for an argument that must be an integer.
func whole(L *lua.LState, n int, what, name string, def int) int {
	f := number(L, n, float64(def))
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		vm.Raise(L, "bad argument #%d '%s' to 'php.%s' (a whole number expected, got %s)", n, name, what, vm.Number(f))
	}
	return int(f)
}

// flag is argument n as a truth.
func flag(L *lua.LState, n int) bool { return truth(L, L.Get(n)) }

// equal is PHP's ==.
func equal(L *lua.LState, a, b lua.LValue, depth int) bool {
	if isNull(a) {
		a = lua.LNil
	}
	if isNull(b) {
		b = lua.LNil
	}
	_, aBool := a.(lua.LBool)
	_, bBool := b.(lua.LBool)
	if aBool || bBool || a == lua.LNil || b == lua.LNil {
		s, isText := a.(lua.LString)
		t, isText2 := b.(lua.LString)
		if a == lua.LNil && isText2 || b == lua.LNil && isText {
			return s+t == ""
		}
		return truth(L, a) == truth(L, b)
	}
	x, isText := a.(lua.LString)
	y, isText2 := b.(lua.LString)
	m, isNum := numeric(a)
	n, isNum2 := numeric(b)
	switch {
	case isNum && isNum2:
		return m == n
	case isText && isText2:
		return x == y
	case isText || isText2:
		_, other := a.(lua.LNumber)
		_, other2 := b.(lua.LNumber)
		return (other || other2) && toText(L, a) == toText(L, b)
	}
	t, ok := scripting.ReadTable(L, a)
	u, ok2 := scripting.ReadTable(L, b)
	if !ok || !ok2 || t == u {
		return a == b || ok && ok2
	}
	if depth > 100 {
		vm.Raise(L, "php: arrays nested too deeply to be compared")
	}
	same := size(t) == size(u)
	vm.Each(t, func(k, v lua.LValue) bool {
		other := vm.RawGet(u, k)
		same = same && other != lua.LNil && equal(L, v, other, depth+1)
		return same
	})
	return same
}

// identical is PHP's ===.
func identical(L *lua.LState, a, b lua.LValue) bool {
	if isNull(a) && isNull(b) {
		return true
	}
	if t, ok := a.(*lua.LTable); ok {
		if u, ok := b.(*lua.LTable); ok {
			return t == u || size(t) == size(u) && equal(L, t, u, 0)
		}
	}
	return a == b
}

// numeric is a number, or a string that PHP takes for one.
func numeric(v lua.LValue) (float64, bool) {
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x), true
	case lua.LString:
		s := strings.Trim(string(x), " \t\n\r\v\f")
		if n := leading(s); n == len(s) && n > 0 {
			f, err := strconv.ParseFloat(s, 64)
			return f, err == nil || math.IsInf(f, 0)
		}
	}
	return 0, false
}

// leading is how much of s, from its start, is a decimal number.
func leading(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	from := i
	i = digits(i)
	n := i - from
	if i < len(s) && s[i] == '.' {
		if end := digits(i + 1); end-i-1+n > 0 {
			n += end - i - 1
			i = end
		}
	}
	if n == 0 {
		return 0
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if end := digits(j); end > j {
			i = end
		}
	}
	return i
}

// toNumber is what PHP makes of a value in arithmetic.
func toNumber(L *lua.LState, v lua.LValue) float64 {
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x)
	case lua.LString:
		s := strings.TrimLeft(string(x), " \t\n\r\v\f")
		f, _ := strconv.ParseFloat(s[:leading(s)], 64)
		return f
	}
	if truth(L, v) {
		return 1
	}
	return 0
}

// toInt is PHP's (int).
func toInt(f float64) lua.LValue {
	if f != f || math.IsInf(f, 0) {
		return vm.Int(0)
	}
	f = math.Trunc(f)
	if f == 0 {
		f = 0 // no -0
	}
	return lua.LNumber(f)
}

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

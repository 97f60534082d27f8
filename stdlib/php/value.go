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

package vm

import (
	"math"
	"math/bits"
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// numberText is n as tostring, print and .. write it: C's "%.14g".
func numberText(n lua.LNumber) string {
	var b [32]byte
	return string(inside.AppendNumber(b[:0], float64(n)))
}

// parseNumber reads a number as Lua does: decimal or 0x, blanks around it.
func parseNumber(s string) (float64, bool) { return inside.ParseNumber(s) }

// toNumber is lv as arithmetic sees it.
func toNumber(lv lua.LValue) (float64, bool) {
	switch x := lv.(type) {
	case lua.LNumber:
		return float64(x), true
	case lua.LString:
		return parseNumber(string(x))
	}
	return 0, false
}

// openNumber replaces tonumber and tostring, and gives strings the metatable
// through which arithmetic on them follows Lua's rules: gopher-lua asks it
// before it tries its own, which read octal numbers and underscores.
func (v *VM) openNumber() {
	v.SetGlobal("tonumber", v.Function(baseToNumber))
	v.SetGlobal("tostring", v.Function(v.baseToString))
	str := v.L.G.Global.RawGetString("string").(*lua.LTable)
	str.RawSetString("__index", lua.LNil)
	mt := v.L.CreateTable(0, 8)
	mt.RawSetString("__index", str)
	for event, op := range map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": modulo,
		"__pow": math.Pow,
		"__unm": func(a, _ float64) float64 { return -a },
	} {
		mt.RawSetString(event, v.Function(func(L *lua.LState) int { return stringArith(L, event, op) }))
	}
	v.L.SetMetatable(lua.LString(""), mt)
}

// modulo is the % of gopher-lua: the exact remainder, with the divisor's sign.
func modulo(a, b float64) float64 {
	m := math.Mod(a, b)
	if b > 0 && m < 0 || b < 0 && m > 0 {
		m += b
	}
	return m
}

// stringArith is reached when an operand is a string and the first one has no
// metamethod of its own.
func stringArith(L *lua.LState, event string, op func(a, b float64) float64) int {
	a, okA := toNumber(L.Get(1))
	b, okB := toNumber(L.Get(2))
	if event == "__unm" {
		b, okB = 0, true
	}
	if okA && okB {
		L.Push(lua.LNumber(op(a, b)))
		return 1
	}
	if _, isText := L.Get(2).(lua.LString); !isText {
		if fn, ok := L.GetMetaField(L.Get(2), event).(*lua.LFunction); ok {
			x, y := L.Get(1), L.Get(2)
			L.Push(fn)
			L.Push(x)
			L.Push(y)
			L.Call(2, 1)
			return 1
		}
	}
	bad := L.Get(1)
	if okA {
		bad = L.Get(2)
	}
	name := ""
	if f := inside.Current(L); f != nil && f.Parent != nil {
		name = arithName(L, f.Parent, okA)
	}
	Raise(L, "%s", "attempt to perform arithmetic on a "+bad.Type().String()+" value"+name)
	return 0
}

func baseToNumber(L *lua.LState) int {
	base := optInt(L, 2, 10)
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	if base == 10 {
		if f, ok := toNumber(L.Get(1)); ok {
			L.Push(lua.LNumber(f))
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	s := checkString(L, 1)
	if base < 2 || base > 36 {
		argError(L, 2, "base out of range")
	}
	if n, ok := parseBase(s, base); ok {
		L.Push(lua.LNumber(n))
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

// parseBase reads an integer as C's strtoul does: a sign wraps around, what is
// too large stays at the largest.
func parseBase(s string, base int) (uint64, bool) {
	s = strings.Trim(s, " \t\n\r\f\v")
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		s = s[2:]
	}
	n, full := uint64(0), false
	for i := range len(s) {
		d := 99
		switch c := s[i]; {
		case isDigit(c):
			d = int(c - '0')
		case isAlpha(c):
			d = int(c|0x20-'a') + 10
		}
		if d >= base {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(base))
		sum, carry := bits.Add64(lo, uint64(d), 0)
		n, full = sum, full || hi|carry != 0
	}
	switch {
	case full:
		n = math.MaxUint64
	case neg:
		n = -n
	}
	return n, s != ""
}

func (v *VM) baseToString(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	lv := L.Get(1)
	switch x := lv.(type) {
	case lua.LString:
		L.Push(x)
	case lua.LNumber:
		L.Push(lua.LString(numberText(x)))
	default:
		L.Push(L.ToStringMeta(lv)) // a metamethod may answer with anything, as in PUC Lua
	}
	return 1
}

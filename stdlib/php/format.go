package php

import (
	"math"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var formatFuncs = []scripting.Func{
	pure("sprintf", "format string, ... any", "string", "The format with its arguments put in. %s %d %u %f %F %e %E %g %G %x %X %o %b %c and %%, each with an argument's number (%2$s), flags (- left, + sign, 0 or 'x what to fill up with), a width and a precision.", func(L *lua.LState) lua.LValue {
		return lua.LString(sprintf(L, "sprintf", text(L, 1), rest(L, 2)))
	}),
	pure("vsprintf", "format string, values any", "string", "sprintf with its arguments in a list.", func(L *lua.LState) lua.LValue {
		t := table(L, 2, "vsprintf", "values")
		list, _ := vm.Shape(t)
		return lua.LString(sprintf(L, "vsprintf", text(L, 1), append([]lua.LValue(nil), list...)))
	}),
	pure("number_format", "num number, decimals number?, decimal_separator string?, thousands_separator string?", "string", "The number, rounded to decimals (0), with separators: '.' and ',' unless others are given.", func(L *lua.LState) lua.LValue {
		decimals := whole(L, 2, "number_format", "decimals", 0)
		point, comma := ".", ","
		if L.Get(3) != lua.LNil {
			point = text(L, 3)
		}
		if L.Get(4) != lua.LNil {
			comma = text(L, 4)
		}
		if decimals < 0 || decimals > 300 {
			vm.Raise(L, "bad argument #2 'decimals' to 'php.number_format' (0 to 300 expected, got %d)", decimals)
		}
		s := strconv.FormatFloat(math.Abs(round(number(L, 1, 0), decimals)), 'f', decimals, 64)
		digits, fraction, _ := strings.Cut(s, ".")
		var b strings.Builder
		if number(L, 1, 0) < 0 && strings.Trim(s, "0.") != "" {
			b.WriteByte('-')
		}
		for i := range len(digits) {
			if i > 0 && (len(digits)-i)%3 == 0 {
				b.WriteString(comma)
			}
			b.WriteByte(digits[i])
		}
		if fraction != "" {
			b.WriteString(point + fraction)
		}
		return lua.LString(b.String())
	}),
}

// widest is the largest width and precision of a conversion.
const widest = 1 << 20

// conversion is one % of a format.
type conversion struct {
	left, plus bool
	fill       byte
	width      int
	precision  int // -1: none
}

func sprintf(L *lua.LState, what, format string, args []lua.LValue) string {
	var b strings.Builder
	next, most := 0, vm.Of(L).MaxString()
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		at := i + 1
		fail := func(msg string) { vm.Raise(L, "php.%s: %s at byte %d of the format", what, msg, at) }
		num := func() int {
			n := 0
			for i < len(format) && format[i] >= '0' && format[i] <= '9' {
				if n = n*10 + int(format[i]-'0'); n > widest {
					fail("a number larger than " + strconv.Itoa(widest))
				}
				i++
			}
			return n
		}
		if i++; i < len(format) && format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		c := conversion{fill: ' ', precision: -1}
		arg := -1
		if j := i; j < len(format) && format[j] >= '1' && format[j] <= '9' {
			if n := num(); i < len(format) && format[i] == '$' {
				arg = n - 1
				i++
			} else {
				i = j
			}
		}
	flags:
		for ; i < len(format); i++ {
			switch format[i] {
			case '-':
				c.left = true
			case '+':
				c.plus = true
			case '0', ' ':
				c.fill = format[i]
			case '\'':
				if i++; i < len(format) {
					c.fill = format[i]
				}
			default:
				break flags
			}
		}
		c.width = num()
		if i < len(format) && format[i] == '.' {
			i++
			c.precision = num()
		}
		if i >= len(format) {
			fail("an unfinished conversion")
		}
		if arg < 0 {
			arg = next
			next++
		}
		if arg >= len(args) {
			fail("no argument #" + strconv.Itoa(arg+1) + " for the conversion")
		}
		if !c.write(L, &b, format[i], args[arg]) {
			fail("an unknown conversion %" + format[i:i+1])
		}
		if b.Len() > most {
			vm.Raise(L, "php.%s: the result would be longer than %d bytes", what, most)
		}
	}
	return b.String()
}

func (c *conversion) write(L *lua.LState, b *strings.Builder, verb byte, v lua.LValue) bool {
	f := 0.0
	if verb != 's' {
		f = toNumber(L, v)
	}
	i := int64(0)
	if f >= -1<<63 && f < 1<<63 {
		i = int64(f)
	}
	switch verb {
	case 's':
		s := toText(L, v)
		if c.precision >= 0 && c.precision < len(s) {
			s = s[:c.precision]
		}
		c.pad(b, "", s)
	case 'd', 'i':
		c.number(b, strconv.FormatInt(i, 10))
	case 'u':
		c.pad(b, "", strconv.FormatUint(uint64(i), 10))
	case 'x':
		c.pad(b, "", strconv.FormatUint(uint64(i), 16))
	case 'X':
		c.pad(b, "", strings.ToUpper(strconv.FormatUint(uint64(i), 16)))
	case 'o':
		c.pad(b, "", strconv.FormatUint(uint64(i), 8))
	case 'b':
		c.pad(b, "", strconv.FormatUint(uint64(i), 2))
	case 'c':
		b.WriteByte(byte(i))
	case 'f', 'F', 'e', 'E', 'g', 'G':
		precision := c.precision
		if precision < 0 {
			precision = 6
		}
		precision = min(precision, 500)
		s := ""
		switch {
		case f != f:
			s = "nan"
		case math.IsInf(f, 0):
			s = strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+")
		case verb|0x20 == 'g':
			if s = numberText(f, max(precision, 1)); isInt(f) && math.Abs(f) >= math.Pow(10, float64(max(precision, 1))) {
				s = exponent(strconv.FormatFloat(f, 'e', max(precision, 1)-1, 64), true)
			}
			s = strings.Replace(s, "E", "e", 1)
		case verb|0x20 == 'e':
			s = exponent(strconv.FormatFloat(f, 'e', precision, 64), false)
		default:
			s = strconv.FormatFloat(f, 'f', precision, 64)
		}
		if verb == 'E' || verb == 'G' {
			s = strings.ToUpper(s)
		}
		c.number(b, s)
	default:
		return false
	}
	return true
}

// exponent takes the zero out of an exponent such as e+05; short also drops
// zeros at the mantissa's end, but for one behind the point.
func exponent(s string, short bool) string {
	mantissa, e, _ := strings.Cut(s, "e")
	n, _ := strconv.Atoi(e)
	if short && strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if short && !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := "+"
	if n < 0 {
		sign, n = "-", -n
	}
	return mantissa + "e" + sign + strconv.Itoa(n)
}

// number pads a number: zeros come behind its sign.
func (c *conversion) number(b *strings.Builder, s string) {
	sign := ""
	switch {
	case s[0] == '-':
		sign, s = "-", s[1:]
	case c.plus:
		sign = "+"
	}
	c.pad(b, sign, s)
}

func (c *conversion) pad(b *strings.Builder, sign, s string) {
	gap := c.width - len(sign) - len(s)
	if gap > 0 && !c.left && c.fill == '0' {
		b.WriteString(sign)
		sign = ""
	}
	if !c.left {
		for range max(gap, 0) {
			b.WriteByte(c.fill)
		}
	}
	b.WriteString(sign + s)
	if c.left {
		for range max(gap, 0) {
			b.WriteByte(c.fill)
		}
	}
}

// round rounds to so many decimals as PHP does: what is as good as a half goes
// away from zero.
func round(f float64, decimals int) float64 {
	if f != f || math.IsInf(f, 0) || decimals > 300 || decimals < -300 {
		return f
	}
	scale := math.Pow(10, math.Abs(float64(decimals)))
	if decimals < 0 {
		return math.Round(f/scale) * scale
	}
	scaled := f * scale
	if math.IsInf(scaled, 0) || math.Abs(scaled) >= 1<<53 {
		return f
	}
	// 1.005 * 100 is a little less than 100.5: look at 15 digits of it.
	near, err := strconv.ParseFloat(strconv.FormatFloat(scaled, 'e', 14, 64), 64)
	if err != nil {
		near = scaled
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(math.Round(near), 'f', 0, 64)+"e-"+strconv.Itoa(decimals), 64)
	if err != nil {
		return f
	}
	return r
}

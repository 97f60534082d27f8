package vm

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// strFormat is string.format with the verbs of C that PUC Lua 5.1 knows. Widths
// have at most two digits there, which also keeps a format from building
// gigabytes of blanks.
func (v *VM) strFormat(L *lua.LState) int {
	f := checkString(L, 1)
	var b strings.Builder
	arg := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i < len(f) && f[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if arg++; arg > L.GetTop() {
			argError(L, arg, "no value")
		}
		spec := i
		for i < len(f) && strings.IndexByte("-+ #0", f[i]) >= 0 {
			i++
		}
		if i-spec > 5 {
			Raise(L, "invalid format (repeated flags)")
		}
		flags := f[spec:i]
		width, i2 := twoDigits(L, f, i)
		prec := -1
		if i = i2; i < len(f) && f[i] == '.' {
			prec, i = twoDigits(L, f, i+1)
			prec = max(prec, 0)
		}
		if i >= len(f) {
			Raise(L, "invalid option '%%%s' to 'format'", f[spec:])
		}
		v.formatOne(L, &b, f[i], flags, width, prec, arg)
		if b.Len() > v.opt.MaxString {
			tooLarge(L, b.Len(), v.opt.MaxString)
		}
	}
	L.Push(lua.LString(b.String()))
	return 1
}

func twoDigits(L *lua.LState, f string, i int) (n, next int) {
	n = -1
	for d := 0; i < len(f) && isDigit(f[i]); d++ {
		if d == 2 {
			Raise(L, "invalid format (width or precision too long)")
		}
		n = max(n, 0)*10 + int(f[i]-'0')
		i++
	}
	return n, i
}

func checkNumber(L *lua.LState, n int) float64 {
	switch x := L.Get(n).(type) {
	case lua.LNumber:
		return float64(x)
	case lua.LString:
		if f, ok := parseNumber(string(x)); ok {
			return f
		}
	}
	typeError(L, n, "number")
	return 0
}

func (v *VM) formatOne(L *lua.LState, b *strings.Builder, verb byte, flags string, width, prec, arg int) {
	spec := "%" + flags
	if width >= 0 {
		spec += fmt.Sprint(width)
	}
	switch verb {
	case 'c':
		pad(b, string([]byte{byte(toInt(checkNumber(L, arg)))}), flags, width)
	case 'd', 'i', 'u', 'o', 'x', 'X':
		x := checkNumber(L, arg)
		n := int64(toInt(x))
		if x >= 1<<62 || x <= -1<<62 {
			n = int64(math.Max(math.Min(x, 9223372036854774784), -9223372036854775808))
		}
		if prec >= 0 {
			spec += "." + fmt.Sprint(prec)
		}
		switch verb {
		case 'd', 'i':
			fmt.Fprintf(b, spec+"d", n)
		case 'u':
			fmt.Fprintf(b, spec+"d", uint64(n))
		default:
			fmt.Fprintf(b, spec+string(verb), uint64(n))
		}
	case 'e', 'E', 'f', 'g', 'G':
		x := checkNumber(L, arg)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			s := "nan"
			switch {
			case math.IsInf(x, 1):
				s = "inf"
			case math.IsInf(x, -1):
				s = "-inf"
			case math.Signbit(x):
				s = "-nan"
			}
			if s[0] != '-' && strings.Contains(flags, "+") {
				s = "+" + s
			}
			if verb < 'a' {
				s = strings.ToUpper(s)
			}
			pad(b, s, strings.ReplaceAll(flags, "0", ""), width)
			return
		}
		if prec < 0 {
			prec = 6
		}
		fmt.Fprintf(b, spec+"."+fmt.Sprint(prec)+string(verb), x)
	case 'q':
		quote(b, checkString(L, arg))
	case 's':
		s := v.tostring(L, L.Get(arg))
		if prec >= 0 && prec < len(s) {
			s = s[:prec]
		}
		pad(b, s, flags, width)
	default:
		Raise(L, "invalid option '%%%c' to 'format'", verb)
	}
}

func pad(b *strings.Builder, s, flags string, width int) {
	n := max(0, width-len(s))
	if strings.Contains(flags, "-") {
		b.WriteString(s)
		s = ""
	}
	for range n {
		b.WriteByte(' ')
	}
	b.WriteString(s)
}

// quote writes s so that the Lua reader gives it back.
func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\000`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

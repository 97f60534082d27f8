package vm

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// strFormat is string.format with the verbs of C that PUC Lua 5.1 knows. Widths
// have at most two digits there, which also keeps a format from building
// gigabytes of blanks.
func (v *VM) strFormat(L *lua.LState) int {
	f := checkString(L, 1)
	b := make([]byte, 0, len(f)+32)
	arg := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b = append(b, f[i])
			continue
		}
		if i++; i < len(f) && f[i] == '%' {
			b = append(b, '%')
			continue
		}
		if arg++; arg > L.GetTop() {
			argError(L, arg, "no value")
		}
		s, end := parseSpec(L, f, i)
		i = end
		b = v.formatOne(L, b, s, arg)
		if len(b) > v.opt.MaxString {
			tooLarge(L, len(b), v.opt.MaxString)
		}
	}
	L.Push(lua.LString(b))
	return 1
}

// spec is one conversion: what stands between % and the verb, and the verb.
type spec struct {
	minus, plus, blank, alt, zero bool
	width, prec                   int // prec is -1 when there is none
	verb                          byte
}

// parseSpec reads the conversion at i and returns the place of its verb.
func parseSpec(L *lua.LState, f string, i int) (s spec, end int) {
	start := i
flags:
	for ; i < len(f); i++ {
		switch f[i] {
		case '-':
			s.minus = true
		case '+':
			s.plus = true
		case ' ':
			s.blank = true
		case '#':
			s.alt = true
		case '0':
			s.zero = true
		default:
			break flags
		}
	}
	if i-start > 5 {
		Raise(L, "invalid format (repeated flags)")
	}
	two := func() (n int) {
		for d := 0; i < len(f) && isDigit(f[i]) && d < 2; d++ {
			n = n*10 + int(f[i]-'0')
			i++
		}
		return n
	}
	s.width, s.prec = two(), -1
	if i < len(f) && f[i] == '.' {
		i++
		s.prec = two()
	}
	if i < len(f) && isDigit(f[i]) {
		Raise(L, "invalid format (width or precision too long)")
	}
	if i < len(f) {
		s.verb = f[i]
	}
	return s, i
}

func checkNumber(L *lua.LState, n int) float64 {
	if f, ok := toNumber(L.Get(n)); ok {
		return f
	}
	typeError(L, n, "number")
	return 0
}

func (v *VM) formatOne(L *lua.LState, b []byte, s spec, arg int) []byte {
	switch s.verb {
	case 'c':
		return s.pad(b, string([]byte{byte(toInt(checkNumber(L, arg)))}))
	case 'd', 'i':
		return s.integer(b, checkNumber(L, arg))
	case 'u', 'o', 'x', 'X':
		return s.unsigned(b, checkNumber(L, arg))
	case 'e', 'E', 'f', 'g', 'G':
		return s.float(b, checkNumber(L, arg))
	case 'q':
		return quote(b, checkString(L, arg))
	case 's':
		text := v.tostring(L, L.Get(arg))
		if s.prec >= 0 && s.prec < len(text) {
			text = text[:s.prec]
		}
		return s.pad(b, text)
	case 0:
		Raise(L, "invalid option '%' to 'format'")
	}
	Raise(L, "invalid option '%%%s' to 'format'", string([]byte{s.verb}))
	return b
}

func blanks(b []byte, n int, c byte) []byte {
	for ; n > 0; n-- {
		b = append(b, c)
	}
	return b
}

func (s spec) pad(b []byte, text string) []byte {
	if s.minus {
		return blanks(append(b, text...), s.width-len(text), ' ')
	}
	return append(blanks(b, s.width-len(text), ' '), text...)
}

// number writes sign and digits into the width, with zeros between them if
// asked for.
func (s spec) number(b []byte, sign, digits string, zeros bool) []byte {
	gap := s.width - len(sign) - len(digits)
	if zeros && s.zero && !s.minus {
		return append(blanks(append(b, sign...), gap, '0'), digits...)
	}
	if !s.minus {
		b = blanks(b, gap, ' ')
	}
	b = append(append(b, sign...), digits...)
	if s.minus {
		b = blanks(b, gap, ' ')
	}
	return b
}

func (s spec) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.plus:
		return "+"
	case s.blank:
		return " "
	}
	return ""
}

// precise gives an integer at least prec digits; none for 0 with precision 0.
func (s spec) precise(digits string) string {
	if s.prec == 0 && digits == "0" {
		return ""
	}
	if n := s.prec - len(digits); n > 0 {
		return strings.Repeat("0", n) + digits
	}
	return digits
}

func (s spec) integer(b []byte, x float64) []byte {
	n := int64(math.MinInt64) // what the processor makes of numbers beyond its integers
	if x > -1<<63 && x < 1<<63 {
		n = int64(x)
	}
	digits := strings.TrimPrefix(strconv.FormatInt(n, 10), "-")
	return s.number(b, s.sign(n < 0), s.precise(digits), s.prec < 0)
}

func (s spec) unsigned(b []byte, x float64) []byte {
	var n uint64
	switch {
	case x > -1<<63 && x < 1<<63:
		n = uint64(int64(x))
	case x >= 1<<63 && x < 1<<64:
		n = uint64(x)
	case x >= 1<<64:
		n = 0
	default:
		n = 1 << 63
	}
	prefix := ""
	var digits string
	switch s.verb {
	case 'o':
		digits = s.precise(strconv.FormatUint(n, 8))
		if s.alt && !strings.HasPrefix(digits, "0") {
			digits = "0" + digits
		}
	case 'x', 'X':
		digits = s.precise(strconv.FormatUint(n, 16))
		if s.alt && n != 0 {
			prefix = "0x"
		}
		if s.verb == 'X' {
			prefix, digits = strings.ToUpper(prefix), strings.ToUpper(digits)
		}
	default:
		digits = s.precise(strconv.FormatUint(n, 10))
	}
	return s.number(b, prefix, digits, s.prec < 0)
}

func (s spec) float(b []byte, x float64) []byte {
	sign := s.sign(math.Signbit(x))
	upper := s.verb == 'E' || s.verb == 'G'
	x = math.Abs(x)
	var digits string
	switch {
	case math.IsInf(x, 0):
		digits = "inf"
	case x != x:
		digits = "nan"
	default:
		digits = s.digits(x)
	}
	if upper {
		digits = strings.ToUpper(digits)
	}
	return s.number(b, sign, digits, !math.IsInf(x, 0) && x == x)
}

func (s spec) digits(x float64) string {
	prec := s.prec
	if prec < 0 {
		prec = 6
	}
	verb := s.verb | 0x20
	if verb == 'g' {
		prec = max(prec, 1)
		if !s.alt {
			return strconv.FormatFloat(x, 'g', prec, 64)
		}
		// With # the trailing zeros stay: choose between the other two by the
		// exponent after rounding, as C defines it.
		e := strconv.FormatFloat(x, 'e', prec-1, 64)
		exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
		if exp < -4 || exp >= prec {
			verb, prec = 'e', prec-1
		} else {
			verb, prec = 'f', prec-1-exp
		}
	}
	text := strconv.FormatFloat(x, verb, prec, 64)
	if s.alt && prec == 0 {
		mantissa, exp, found := strings.Cut(text, "e")
		if text = mantissa + "."; found {
			text += "e" + exp
		}
	}
	return text
}

// quote writes s so that the Lua reader gives it back.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b = append(b, '\\', c)
		case '\r':
			b = append(b, `\r`...)
		case 0:
			b = append(b, `\000`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

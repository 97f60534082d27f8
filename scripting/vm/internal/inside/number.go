package inside

import (
	"math"
	"strconv"
	"strings"
)

// AppendNumber appends f as C's "%.14g" writes it.
func AppendNumber(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1e14 && n < 1e14 && (n != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, n, 10)
	}
	switch {
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	case f != f && math.Signbit(f):
		return append(b, "-nan"...)
	case f != f:
		return append(b, "nan"...)
	}
	return strconv.AppendFloat(b, f, 'g', 14, 64)
}

// ParseNumber reads a number as Lua does, with blanks around it: decimal, or
// hexadecimal with 0x, both with fractions and exponents as C has them. Words
// like inf and nan are not numbers, nor is anything with a zero byte.
func ParseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\r\f\v")
	if n := len(s); n > 0 && n < 16 { // most are short integers
		var v int64
		for i := 0; i < n; i++ {
			c := s[i] - '0'
			if c > 9 {
				return parseFloat(s)
			}
			v = v*10 + int64(c)
		}
		return float64(v), true
	}
	return parseFloat(s)
}

func parseFloat(s string) (float64, bool) {
	body := s
	if body != "" && (body[0] == '-' || body[0] == '+') {
		body = body[1:]
	}
	// What is left begins with a digit or a dot: Go also knows words and signs.
	if body == "" || strings.IndexByte(body, '_') >= 0 || body[0] != '.' && (body[0] < '0' || body[0] > '9') {
		return 0, false
	}
	if len(body) > 2 && body[0] == '0' && body[1]|0x20 == 'x' && strings.IndexAny(body, "pP") < 0 {
		s += "p0" // Go insists on the exponent
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

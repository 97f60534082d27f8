package url

import (
	"fmt"
	"strings"
)

// set is a set of ASCII characters.
type set [128]bool

func charset(s string) (t set) {
	for c := byte('0'); c <= 'z'; c++ {
		t[c] = c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a'
	}
	for i := range len(s) {
		t[s[i]] = true
	}
	return t
}

func (t *set) has(c byte) bool { return c < 128 && t[c] }

// What may stand unescaped, by RFC 3986.
var (
	unreserved = charset("-._~")
	inUser     = charset("-._~!$&'()*+,;=")
	inPassword = charset("-._~!$&'()*+,;=:")
	inHost     = charset("-._~!$&'()*+,;=")
	inPath     = charset("-._~!$&'()*+,;=:@/")
	inQuery    = charset("-._~!$&'()*+,;=:@/?")
	schemeRest = charset("+-.")
)

const hex = "0123456789ABCDEF"

// escape writes every byte that is not in keep as %XX. With escapes true, those
// that stand in s already stay.
func escape(s string, keep *set, escapes bool) string {
	n := 0
	for i := range len(s) {
		if !keep.has(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		c := s[i]
		if keep.has(c) || escapes && c == '%' && isEscape(s, i) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func isEscape(s string, i int) bool {
	return i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// unescape is the reverse; plus says that + is a blank.
func unescape(s string, plus bool) (string, error) {
	if strings.IndexByte(s, '%') < 0 && !(plus && strings.IndexByte(s, '+') >= 0) {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' && isEscape(s, i):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case c == '%':
			return "", fmt.Errorf("%q at byte %d is no escape: two hexadecimal digits must follow %%", s[i:min(i+3, len(s))], i+1)
		case c == '+' && plus:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}

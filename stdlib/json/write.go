package json

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// Numbers and strings as the encoder writes them.

// appendNumber writes f so that reading gives the same number back; integers
// below 1e21 without an exponent.
func appendNumber(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n >= -1<<53 && n <= 1<<53 && (n != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, n, 10)
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 || f == 0 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

const hex = "0123456789abcdef"

// text writes a string with its quotes.
func (e *encoder) text(s string) *Fault {
	b, src := append(e.b, '"'), bytesOf(s)
	for start, i := 0, 0; ; {
		i = plainText(src, i)
		if i == len(s) {
			b = append(append(b, s[start:]...), '"')
			if e.o.EscapeSlashes {
				from := len(e.b)
				if slashes := bytes.Count(b[from:], []byte{'/'}); slashes > 0 {
					b = append(b[:from], bytes.ReplaceAll(b[from:], []byte{'/'}, []byte(`\/`))...)
				}
			}
			e.b = b
			return nil
		}
		c := s[i]
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			switch e.o.UTF8 {
			case RefuseUTF8:
				return fault(InvalidUTF8, "the string is not UTF-8 at its byte %d (invalid_utf8 = 'replace' or 'keep' writes it all the same)", i+1)
			case KeepUTF8:
				if !e.o.ASCII {
					i++
					continue
				}
			}
			fallthrough
		case e.o.ASCII:
			b = append(b, s[start:i]...)
			if e.o.ASCII {
				b = appendUnicode(b, r)
			} else {
				b = utf8.AppendRune(b, utf8.RuneError)
			}
			i += n
			start = i
		default:
			i += n
		}
	}
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendUnicode writes r as \u escapes, two of them beyond U+FFFF.
func appendUnicode(b []byte, r rune) []byte {
	four := func(r rune) {
		b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	if r > 0xffff {
		r -= 0x10000
		four(0xd800 + r>>10)
		four(0xdc00 + r&0x3ff)
		return b
	}
	four(r)
	return b
}

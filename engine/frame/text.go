package frame

import (
	"fmt"
	"strings"
)

// Text is package_length_text: a header of text. First Prefix, then exactly
// Digits decimal digits, with zeros in front: the length of the body behind.
type Text struct {
	Prefix string // may be empty
	Digits int    // 1 to 18
	// Words are frames of their own that may stand between the others, such as
	// a heartbeat's. A word must differ from a header and from every other word
	// before either of the two ends.
	Words []string
}

// maxDigits is how many digits always fit an int64.
const maxDigits = 18

// maxPrefix is the length a prefix or a word may have: it is compared anew
// with every piece that comes.
const maxPrefix = 255

// text is open_length_check with a header of text.
type text struct {
	Text
	header int
	max    int
}

func (f *text) Next(b []byte, c *Cursor) (int, error) {
	total := int(c.Need)
	if total == 0 {
		n := f.matches(b)
		if n < f.header {
			return f.other(b, n)
		}
		var v int64
		for _, d := range b[len(f.Prefix):f.header] {
			v = v*10 + int64(d-'0')
		}
		if v > int64(f.max-f.header) {
			return 0, tooLarge("header %q says %d bytes, package_max_length is %d (the header adds %d)",
				b[:f.header], v, f.max, f.header)
		}
		total = f.header + int(v)
		c.Need = int32(total)
	}
	if len(b) < total {
		return 0, nil
	}
	return total, nil
}

// matches tells how many bytes of b can be a header.
func (t *Text) matches(b []byte) int {
	n := common(b, t.Prefix)
	if n < len(t.Prefix) {
		return n
	}
	for n < len(b) && n < len(t.Prefix)+t.Digits && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
}

// other is for what is no header, or none yet: n bytes of b could be one.
func (f *text) other(b []byte, n int) (int, error) {
	for _, w := range f.Words {
		m := common(b, w)
		if m == len(w) {
			return m, nil
		}
		n = max(n, m)
	}
	if n == len(b) {
		return 0, nil
	}
	return 0, malformed("a frame begins with %q, package_length_text wants %s", b[:n+1], f)
}

// common is the length of what b and s begin with both.
func common(b []byte, s string) int {
	n := min(len(b), len(s))
	for i := range n {
		if b[i] != s[i] {
			return i
		}
	}
	return n
}

// String says what a frame begins with.
func (t *Text) String() string {
	var s strings.Builder
	if t.Prefix != "" {
		fmt.Fprintf(&s, "%q and ", t.Prefix)
	}
	fmt.Fprintf(&s, "%d digits", t.Digits)
	for _, w := range t.Words {
		fmt.Fprintf(&s, " or %q", w)
	}
	return s.String()
}

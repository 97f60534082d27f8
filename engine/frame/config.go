package frame

import (
	"fmt"
	"math"
	"strings"
)

// Config is a port's framing as its settings declare it. nil is a setting that
// was not made.
type Config struct {
	EOFCheck *bool   // open_eof_check
	EOFSplit *bool   // open_eof_split; implies open_eof_check
	EOF      *string // package_eof: any bytes, at least one

	LengthCheck  *bool   // open_length_check; implied by the func and the text
	LengthType   *string // package_length_type: one of LengthTypes
	LengthOffset *int    // package_length_offset: where the field begins
	BodyOffset   *int    // package_body_offset: added to the field's value
	LengthFunc   LengthFunc
	LengthText   *Text

	MaxLength *int // package_max_length: bytes of a frame, its header and eof included
}

// The defaults, which are Swoole's.
const (
	DefaultEOF        = "\r\n\r\n"
	DefaultLengthType = "N"
	DefaultBodyOffset = 4
	DefaultMaxLength  = 2 << 20
)

// maxOffset is the largest package_length_offset and package_body_offset.
const maxOffset = math.MaxUint16

// New makes the framer that c declares, Raw where it declares none. The error
// is Faults.
func New(c Config) (Framer, error) {
	var k checker
	eof, split := isTrue(c.EOFCheck) || isTrue(c.EOFSplit), isTrue(c.EOFSplit)
	byLength := isTrue(c.LengthCheck)
	if c.LengthCheck == nil {
		byLength = c.LengthFunc != nil || c.LengthText != nil
	}
	limit := value(c.MaxLength, DefaultMaxLength)
	if limit < 1 || limit > math.MaxInt32 {
		k.check(false, "package_max_length", "%d is not in 1..%d", limit, math.MaxInt32)
		limit = math.MaxInt32 // nothing else is wrong because of it
	}
	k.alone(c, eof, byLength)

	var f Framer = Raw{}
	switch {
	case eof && byLength:
		k.check(false, lengthName(c), "%s is on, too: a port has one framing", onOf(split))
	case eof:
		s := value(c.EOF, DefaultEOF)
		k.check(s != "", "package_eof", "it is empty")
		k.check(limit >= len(s), "package_max_length", "%d is less than the %d bytes of package_eof", limit, len(s))
		if split {
			f = &eofSplit{eof: []byte(s), max: limit}
		} else {
			f = &eofCheck{eof: []byte(s), max: limit}
		}
	case byLength:
		k.check(c.LengthFunc == nil || c.LengthText == nil, "package_length_text", "package_length_func is set, too: one of them tells the length")
		switch {
		case c.LengthFunc != nil:
			f = Func(c.LengthFunc, limit)
		case c.LengthText != nil:
			f = k.text(*c.LengthText, limit)
		default:
			f = k.length(c, limit)
		}
	}
	if len(k.faults) > 0 {
		return nil, k.faults
	}
	return f, nil
}

// Faults are all that is wrong with a Config.
type Faults []Fault

// Fault is one of them.
type Fault struct {
	Setting string // by its name
	Text    string
}

func (f Faults) Error() string {
	var lines []string
	for _, one := range f {
		lines = append(lines, one.Setting+": "+one.Text)
	}
	return strings.Join(lines, "\n")
}

// checker gathers faults.
type checker struct{ faults Faults }

func (k *checker) check(ok bool, setting, format string, args ...any) {
	if !ok {
		k.faults = append(k.faults, Fault{setting, fmt.Sprintf(format, args...)})
	}
}

// alone refuses settings that nothing would look at.
func (k *checker) alone(c Config, eof, byLength bool) {
	k.check(c.EOF == nil || eof, "package_eof", "neither open_eof_check nor open_eof_split is on")
	k.check(c.MaxLength == nil || eof || byLength, "package_max_length",
		"none of open_eof_check, open_eof_split and open_length_check is on: a stream without framing has no packages")
	why := "open_length_check is not on"
	if byLength && (c.LengthFunc != nil || c.LengthText != nil) {
		why = lengthName(c) + " tells the length"
	}
	field := byLength && c.LengthFunc == nil && c.LengthText == nil
	k.check(c.LengthType == nil || field, "package_length_type", "%s", why)
	k.check(c.LengthOffset == nil || field, "package_length_offset", "%s", why)
	k.check(c.BodyOffset == nil || field, "package_body_offset", "%s", why)
	k.check(c.LengthFunc == nil || byLength, "package_length_func", "open_length_check is false")
	k.check(c.LengthText == nil || byLength, "package_length_text", "open_length_check is false")
}

// length makes the framer of a binary length field.
func (k *checker) length(c Config, limit int) *length {
	letter := value(c.LengthType, DefaultLengthType)
	var t lengthType
	known := false
	if len(letter) == 1 {
		t, known = lengthTypeOf(letter[0])
	}
	offset, body := value(c.LengthOffset, 0), value(c.BodyOffset, DefaultBodyOffset)
	k.check(known, "package_length_type", "%q is none of %s", letter, strings.Join(strings.Split(LengthTypes, ""), " "))
	k.check(0 <= offset && offset <= maxOffset, "package_length_offset", "%d is not in 0..%d", offset, maxOffset)
	k.check(0 <= body && body <= maxOffset, "package_body_offset", "%d is not in 0..%d", body, maxOffset)
	k.check(limit > offset+t.size, "package_max_length", "%d leaves no body behind a header of %d bytes (package_length_offset %d, package_length_type %s)",
		limit, offset+t.size, offset, letter)
	k.check(limit >= body, "package_max_length", "%d is less than package_body_offset %d", limit, body)
	return &length{typ: t, offset: offset, header: offset + t.size, body: body, max: limit}
}

// text makes the framer of a header of text.
func (k *checker) text(t Text, limit int) *text {
	const setting = "package_length_text"
	header := len(t.Prefix) + t.Digits
	k.check(len(t.Prefix) <= maxPrefix, setting, "prefix has %d bytes, %d are allowed", len(t.Prefix), maxPrefix)
	if t.Digits < 1 || t.Digits > maxDigits {
		k.check(false, setting, "digits: %d is not in 1..%d", t.Digits, maxDigits)
		return nil
	}
	k.check(limit > header, "package_max_length", "%d leaves no body behind a header of %d bytes (package_length_text)", limit, header)
	t.Words = append([]string(nil), t.Words...)
	for i, w := range t.Words {
		if w == "" || len(w) > maxPrefix {
			k.check(false, setting, "words[%d] has %d bytes, 1..%d are allowed", i+1, len(w), maxPrefix)
			continue
		}
		k.check(len(w) <= limit, "package_max_length", "%d is less than the %d bytes of package_length_text.words[%d]", limit, len(w), i+1)
		k.check(t.matches([]byte(w)) < min(len(w), header), setting, "words[%d] %q and a header begin alike", i+1, w)
		for j, v := range t.Words[:i] {
			k.check(common([]byte(w), v) < min(len(w), len(v)), setting, "words[%d] %q and words[%d] %q begin alike", i+1, w, j+1, v)
		}
	}
	return &text{Text: t, header: header, max: limit}
}

// lengthName names the setting that switches the length framing on.
func lengthName(c Config) string {
	switch {
	case c.LengthFunc != nil:
		return "package_length_func"
	case c.LengthText != nil:
		return "package_length_text"
	}
	return "open_length_check"
}

func onOf(split bool) string {
	if split {
		return "open_eof_split"
	}
	return "open_eof_check"
}

func isTrue(p *bool) bool { return p != nil && *p }

func value[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

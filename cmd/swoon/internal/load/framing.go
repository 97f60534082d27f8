package load

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"swoon/engine/frame"
)

// Framing is how the server tells one message from the next. The fields are
// called, and mean, what a port's settings do.
type Framing struct {
	Kind         string // raw, eof, length or text; empty: raw
	EOF          string // package_eof
	LengthType   string // package_length_type
	LengthOffset int    // package_length_offset; what is before the field is zeros
	BodyOffset   int    // package_body_offset
	Prefix       string // package_length_text.prefix
	Digits       int    // package_length_text.digits
}

// Framings are the kinds there are.
var Framings = []string{"raw", "eof", "length", "text"}

// wrap returns what goes before and behind a body of size bytes.
func (f *Framing) wrap(size int) (before, behind []byte, err error) {
	switch f.Kind {
	case "", "raw":
		return nil, nil, nil
	case "eof":
		if f.EOF == "" {
			return nil, nil, errors.New("eof: it is empty")
		}
		return nil, []byte(f.EOF), nil
	case "text":
		if f.Digits < 1 || f.Digits > 18 {
			return nil, nil, fmt.Errorf("digits: %d is not in 1..18", f.Digits)
		}
		text := fmt.Sprintf("%0*d", f.Digits, size)
		if len(text) > f.Digits {
			return nil, nil, fmt.Errorf("digits: %d cannot tell of %d bytes", f.Digits, size)
		}
		return []byte(f.Prefix + text), nil, nil
	case "length":
		if f.LengthOffset < 0 || f.LengthOffset > math.MaxUint16 {
			return nil, nil, fmt.Errorf("length-offset: %d is not in 0..%d", f.LengthOffset, math.MaxUint16)
		}
		header, ok := frame.AppendLength(make([]byte, f.LengthOffset), f.LengthType, 0)
		if !ok {
			return nil, nil, fmt.Errorf("length-type: %q is none of %s", f.LengthType, strings.Join(strings.Split(frame.LengthTypes, ""), " "))
		}
		value := len(header) + size - f.BodyOffset
		if value < 0 {
			return nil, nil, fmt.Errorf("body-offset: %d is more than the %d bytes of a message with its header", f.BodyOffset, len(header)+size)
		}
		header, _ = frame.AppendLength(header[:f.LengthOffset], f.LengthType, uint64(value))
		return header, nil, nil
	}
	return nil, nil, fmt.Errorf("framing: %q is none of %s", f.Kind, strings.Join(Framings, ", "))
}

// message is body as it goes over the wire. It is refused when a server with
// this framing would cut it otherwise.
func (f *Framing) message(body []byte) ([]byte, error) {
	before, behind, err := f.wrap(len(body))
	if err != nil {
		return nil, err
	}
	m := append(append(before, body...), behind...)
	framer, err := f.framer(len(m))
	if err != nil || framer == nil {
		return m, err
	}
	var c frame.Cursor
	n, err := framer.Next(m, &c)
	if err != nil {
		return nil, fmt.Errorf("a message of %d bytes cannot be framed so: %w", len(body), err)
	}
	if n != len(m) {
		return nil, fmt.Errorf("a message of %d bytes cannot be framed so: a server would take %d bytes of %d for one", len(body), n, len(m))
	}
	return m, nil
}

// framer is the server's; nil without framing.
func (f *Framing) framer(longest int) (frame.Framer, error) {
	on := true
	longest = max(longest, frame.DefaultMaxLength)
	c := frame.Config{MaxLength: &longest}
	switch f.Kind {
	case "eof":
		c.EOFSplit, c.EOF = &on, &f.EOF
	case "length":
		c.LengthCheck, c.LengthType, c.LengthOffset, c.BodyOffset = &on, &f.LengthType, &f.LengthOffset, &f.BodyOffset
	case "text":
		c.LengthText = &frame.Text{Prefix: f.Prefix, Digits: f.Digits}
	default:
		return nil, nil
	}
	return frame.New(c)
}

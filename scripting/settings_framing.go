package scripting

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"swoon/engine/frame"

	lua "github.com/yuin/gopher-lua"
)

// FramingSettings say how a port cuts what comes into messages.
type FramingSettings struct {
	// Framing is what is not as it is by default. But for LengthFunc: that lies
	// in the VMs.
	Framing    frame.Config
	LengthFunc bool         // package_length_func is set
	framer     frame.Framer // what they make, where it needs no VM
}

var framingSettings = []setting{
	{name: "open_eof_check", def: "false", port: framing(false, boolean(itself[bool]), func(c *frame.Config) **bool { return &c.EOFCheck }),
		doc: "deliver what has come when it ends with package_eof: a message, or several at once"},
	{name: "open_eof_split", def: "false", port: framing(false, boolean(itself[bool]), func(c *frame.Config) **bool { return &c.EOFSplit }),
		doc: "deliver messages one by one, each with its package_eof"},
	{name: "package_eof", def: `"\r\n\r\n"`, port: framing(frame.DefaultEOF, str(itself[string]), func(c *frame.Config) **string { return &c.EOF }),
		doc: "the bytes that end a message, as many as it takes"},
	{name: "open_length_check", def: "false", port: framing(false, boolean(itself[bool]), func(c *frame.Config) **bool { return &c.LengthCheck }),
		doc: "messages begin with their length; package_length_text and package_length_func switch it on, too"},
	{name: "package_length_type", def: `"N"`, port: framing(frame.DefaultLengthType, str(itself[string]), func(c *frame.Config) **string { return &c.LengthType }),
		doc: "how the length is written, a letter of `pack`: `c C` 1 byte, `s S n v` 2, `l L N V` 4, `q Q J P` 8; `n N J` are big-endian, `v V P` little-endian, the others the machine's; `c s l q` have a sign"},
	{name: "package_length_offset", def: "0", port: framing(0, integer(itself[int], 0, math.MaxUint16), func(c *frame.Config) **int { return &c.LengthOffset }),
		doc: "bytes of a message before its length"},
	{name: "package_body_offset", def: "4", port: framing(frame.DefaultBodyOffset, integer(itself[int], 0, math.MaxUint16), func(c *frame.Config) **int { return &c.BodyOffset }),
		doc: "bytes of a message that its length does not count; 0 when it counts all"},
	{name: "package_max_length", def: "2M", port: framing(frame.DefaultMaxLength, size(itself[int], 1, math.MaxInt32), func(c *frame.Config) **int { return &c.MaxLength }),
		doc: "bytes of a message, all included; a larger one ends its session as `frame_too_large`"},
	{name: "package_length_text", def: "not set", port: setLengthText,
		doc: "a length in decimal digits: `{ prefix = \"length:\", digits = 13 }`, and behind them so many bytes; `words = { \"PING\" }` are messages of their own in between"},
	{name: "package_length_func", def: "not set", port: setLengthFunc,
		doc: "`function(data)` that gets the beginning of a message, up to 8K of it, and returns the length of all of it, 0 when it needs more to tell, or -1 when this begins none"},
}

func itself[T any](x *T) *T { return x }

// framing is a setting of the framing; one with the value of the default is
// one that was not made.
func framing[T comparable](def T, read func(*T, lua.LValue) error, field func(*frame.Config) **T) func(*PortSettings, lua.LValue) error {
	return func(p *PortSettings, v lua.LValue) error {
		var x T
		if err := read(&x, v); err != nil {
			return err
		}
		at := field(&p.Framing)
		if *at = nil; x != def {
			*at = &x
		}
		return nil
	}
}

func setLengthFunc(p *PortSettings, v lua.LValue) error {
	if _, ok := v.(code); !ok {
		return typeFault("function", v)
	}
	p.LengthFunc = true
	return nil
}

func setLengthText(p *PortSettings, v lua.LValue) error {
	t, ok := v.(*plainTable)
	if !ok {
		return typeFault("table", v)
	}
	var text frame.Text
	var faults []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	hasDigits := false
	for i, k := range t.keys {
		switch k {
		case "prefix":
			text.Prefix, ok = t.vals[i].(string)
			check(ok, "prefix must be a string")
		case "digits":
			hasDigits = true
			n, ok := t.vals[i].(float64)
			ok = ok && n == math.Trunc(n) && math.Abs(n) < 1e9
			check(ok, "digits must be a whole number")
			text.Digits = int(n)
		case "words":
			words, ok := t.vals[i].(*plainTable)
			check(ok && len(words.keys) == 0, "words must be a list of strings")
			for n := range words.items() {
				w, ok := words.list[n].(string)
				check(ok, "words[%d] must be a string", n+1)
				text.Words = append(text.Words, w)
			}
		default:
			check(false, "it has no '%v'%s", k, didYouMean(fmt.Sprint(k), []string{"prefix", "digits", "words"}))
		}
	}
	check(len(t.list) == 0, "it is no list: { prefix = ..., digits = ..., words = {...} }")
	check(hasDigits, "digits is missing: how many the length has")
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	p.Framing.LengthText = &text
	return nil
}

// items is how many elements the list has; t may be nil.
func (t *plainTable) items() int {
	if t == nil {
		return 0
	}
	return len(t.list)
}

// frame makes the framer of a port, and reports what of its settings
// contradicts itself. last are those that were given.
func (r *resolver) frame(p *PortSettings, last map[string]given) {
	c := p.Framing
	if g, ok := last["open_length_check"]; ok && g.value == lua.LFalse {
		c.LengthCheck = new(false) // not the same as saying nothing
	}
	if p.LengthFunc {
		c.LengthFunc = func([]byte) (int, error) { return 0, nil }
	}
	f, err := frame.New(c)
	var faults frame.Faults
	if errors.As(err, &faults) {
		for _, fault := range faults {
			r.fault(blamed(fault.Setting, last), "setting '%s': %s", fault.Setting, fault.Text)
		}
		return
	}
	p.framer = f
}

// blamed is where the setting was given that is at fault; when it is at its
// default, where another one of the framing was.
func blamed(name string, last map[string]given) given {
	if g, ok := last[name]; ok {
		return g
	}
	for i := range framingSettings {
		if g, ok := last[framingSettings[i].name]; ok {
			return g
		}
	}
	return given{}
}

// maxLength is package_max_length.
func (s *FramingSettings) maxLength() int {
	if s.Framing.MaxLength != nil {
		return *s.Framing.MaxLength
	}
	return frame.DefaultMaxLength
}

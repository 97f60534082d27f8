package frame

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	fn := func([]byte) (int, error) { return 0, nil }
	text := &Text{Prefix: "length:", Digits: 13}
	for _, c := range []struct {
		Config
		want string // the framer's type, or its faults, one a line
	}{
		{Config{}, "frame.Raw"},
		{Config{EOFCheck: new(false), EOFSplit: new(false), LengthCheck: new(false)}, "frame.Raw"},
		{Config{EOFCheck: new(true)}, "*frame.eofCheck"},
		{Config{EOFSplit: new(true)}, "*frame.eofSplit"},
		{Config{EOFCheck: new(false), EOFSplit: new(true)}, "*frame.eofSplit"},
		{Config{EOFCheck: new(true), LengthCheck: new(false), MaxLength: new(4)}, "*frame.eofCheck"},
		{Config{LengthCheck: new(true), EOFCheck: new(false)}, "*frame.length"},
		{Config{LengthCheck: new(true), MaxLength: new(5)}, "*frame.length"},
		{Config{LengthCheck: new(true), LengthFunc: fn, MaxLength: new(1)}, "*frame.byFunc"},
		{Config{LengthFunc: fn}, "*frame.byFunc"},
		{Config{LengthText: text, MaxLength: new(21)}, "*frame.text"},

		{Config{EOFCheck: new(true), LengthCheck: new(true)},
			"open_length_check: open_eof_check is on, too: a port has one framing"},
		{Config{EOFSplit: new(true), LengthText: text},
			"package_length_text: open_eof_split is on, too: a port has one framing"},
		{Config{EOF: new("x")}, "package_eof: neither open_eof_check nor open_eof_split is on"},
		{Config{EOFSplit: new(true), EOF: new("")}, "package_eof: it is empty"},
		{Config{EOFSplit: new(true), MaxLength: new(3)}, "package_max_length: 3 is less than the 4 bytes of package_eof"},
		{Config{MaxLength: new(100)}, "package_max_length: none of open_eof_check, open_eof_split and open_length_check is on: a stream without framing has no packages"},
		{Config{EOFCheck: new(true), MaxLength: new(0)}, "package_max_length: 0 is not in 1..2147483647"},
		{Config{EOFCheck: new(true), MaxLength: new(-1)}, "package_max_length: -1 is not in 1..2147483647"},
		{Config{EOFCheck: new(true), MaxLength: new(math.MaxInt32 + 1)}, "package_max_length: 2147483648 is not in 1..2147483647"},

		{Config{LengthType: new("N"), LengthOffset: new(0), BodyOffset: new(4)}, `package_length_type: open_length_check is not on
package_length_offset: open_length_check is not on
package_body_offset: open_length_check is not on`},
		{Config{LengthFunc: fn, LengthType: new("N")}, "package_length_type: package_length_func tells the length"},
		{Config{LengthText: text, BodyOffset: new(20)}, "package_body_offset: package_length_text tells the length"},
		{Config{LengthFunc: fn, LengthText: text},
			"package_length_text: package_length_func is set, too: one of them tells the length"},
		{Config{LengthFunc: fn, LengthCheck: new(false)}, "package_length_func: open_length_check is false"},
		{Config{LengthText: text, LengthCheck: new(false)}, "package_length_text: open_length_check is false"},
		{Config{LengthCheck: new(true), LengthType: new("i")}, `package_length_type: "i" is none of c C s S n N l L v V J P q Q`},
		{Config{LengthCheck: new(true), LengthType: new("")}, `package_length_type: "" is none of c C s S n N l L v V J P q Q`},
		{Config{LengthCheck: new(true), LengthType: new("NN")}, `package_length_type: "NN" is none of c C s S n N l L v V J P q Q`},
		{Config{LengthCheck: new(true), LengthOffset: new(-1), BodyOffset: new(-1)},
			"package_length_offset: -1 is not in 0..65535\npackage_body_offset: -1 is not in 0..65535"},
		{Config{LengthCheck: new(true), LengthOffset: new(65536), BodyOffset: new(65536)},
			"package_length_offset: 65536 is not in 0..65535\npackage_body_offset: 65536 is not in 0..65535"},
		{Config{LengthCheck: new(true), LengthOffset: new(10), MaxLength: new(14)},
			"package_max_length: 14 leaves no body behind a header of 14 bytes (package_length_offset 10, package_length_type N)"},
		{Config{LengthCheck: new(true), BodyOffset: new(101), MaxLength: new(100)},
			"package_max_length: 100 is less than package_body_offset 101"},

		{Config{LengthText: &Text{Prefix: "x"}}, "package_length_text: digits: 0 is not in 1..18"},
		{Config{LengthText: &Text{Digits: 19}}, "package_length_text: digits: 19 is not in 1..18"},
		{Config{LengthText: &Text{Digits: -9, Words: []string{"a"}}}, "package_length_text: digits: -9 is not in 1..18"},
		{Config{LengthText: &Text{Prefix: strings.Repeat("x", 256), Digits: 1}},
			"package_length_text: prefix has 256 bytes, 255 are allowed"},
		{Config{LengthText: text, MaxLength: new(20)},
			"package_max_length: 20 leaves no body behind a header of 20 bytes (package_length_text)"},
		{Config{LengthText: &Text{Prefix: "len", Digits: 1, Words: []string{"lent", "lemon", "le", "len1", "len12", "lemonade", ""}}},
			`package_length_text: words[3] "le" and a header begin alike
package_length_text: words[3] "le" and words[1] "lent" begin alike
package_length_text: words[3] "le" and words[2] "lemon" begin alike
package_length_text: words[4] "len1" and a header begin alike
package_length_text: words[4] "len1" and words[3] "le" begin alike
package_length_text: words[5] "len12" and a header begin alike
package_length_text: words[5] "len12" and words[3] "le" begin alike
package_length_text: words[5] "len12" and words[4] "len1" begin alike
package_length_text: words[6] "lemonade" and words[2] "lemon" begin alike
package_length_text: words[6] "lemonade" and words[3] "le" begin alike
package_length_text: words[7] has 0 bytes, 1..255 are allowed`},
		{Config{LengthText: &Text{Digits: 1, Words: []string{"heartbeat"}}, MaxLength: new(8)},
			"package_max_length: 8 is less than the 9 bytes of package_length_text.words[1]"},

		{Config{EOFCheck: new(true), EOF: new(""), LengthType: new("x"), MaxLength: new(0)}, `package_max_length: 0 is not in 1..2147483647
package_length_type: open_length_check is not on
package_eof: it is empty`},
	} {
		f, err := New(c.Config)
		got := fmt.Sprintf("%T", f)
		if err != nil {
			got = err.Error()
			if f != nil {
				t.Errorf("%s: and a %T", got, f)
			}
		}
		if got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// What the caller does with its settings later is nothing to a framer.
func TestFramersAreImmutable(t *testing.T) {
	eof, text := "\n", &Text{Prefix: "=", Digits: 1, Words: []string{"ping"}}
	a := make1(t, Config{EOFSplit: new(true), EOF: &eof})
	b := make1(t, Config{LengthText: text})
	eof, text.Prefix, text.Words[0] = "x", "#", "pong"
	becomes(t, a, []stream{{in: "x\n", frames: []string{"x\n"}}})
	becomes(t, b, []stream{{in: "=1xping", frames: []string{"=1x", "ping"}}})
}

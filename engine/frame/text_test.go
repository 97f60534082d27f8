package frame

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func headed(body string) string { return fmt.Sprintf("length:%013d%s", len(body), body) }

func TestText(t *testing.T) {
	t.Run("headers and heartbeats", func(t *testing.T) {
		f := make1(t, Config{LengthText: &Text{Prefix: "length:", Digits: 13, Words: []string{"HeartBeat"}}})
		date := `"Tue, 03 Apr 2018 06:12:42 GMT"`
		wants := ` begins with %s, package_length_text wants "length:" and 13 digits or "HeartBeat"`
		wants = "a frame" + wants
		becomes(t, f, []stream{
			{in: ""},
			{in: headed(date), frames: []string{headed(date)}},
			{in: headed(date) + "HeartBeatHeartBeat" + headed("") + headed("x") + "Heart", rest: "Heart",
				frames: []string{headed(date), "HeartBeat", "HeartBeat", headed(""), headed("x")}},
			{in: "length:00000000000310", rest: "length:00000000000310"},
			{in: "length:9999999999999", kind: TooLarge,
				text: `header "length:9999999999999" says 9999999999999 bytes, package_max_length is 2097152 (the header adds 20)`},
			{in: "length: 000000000031", kind: Malformed, text: fmt.Sprintf(wants, `"length: "`)},
			{in: "length:-00000000031", kind: Malformed, text: fmt.Sprintf(wants, `"length:-"`)},
			{in: "length:000000000003\x00", kind: Malformed, text: fmt.Sprintf(wants, `"length:000000000003\x00"`)},
			{in: "HeartBeatlenght", frames: []string{"HeartBeat"}, kind: Malformed, text: fmt.Sprintf(wants, `"lengh"`)},
			{in: "HeartAttack", kind: Malformed, text: fmt.Sprintf(wants, `"HeartA"`)},
			{in: "\xff", kind: Malformed, text: fmt.Sprintf(wants, `"\xff"`)},
		})
	})
	t.Run("the limit", func(t *testing.T) {
		f := make1(t, Config{LengthText: &Text{Digits: 2}, MaxLength: new(12)})
		becomes(t, f, []stream{
			{in: "10" + "0123456789" + "011" + "00" + "0", rest: "0",
				frames: []string{"10" + "0123456789", "011", "00"}},
			{in: "11", kind: TooLarge, text: `header "11" says 11 bytes, package_max_length is 12 (the header adds 2)`},
			{in: "1x", kind: Malformed, text: `a frame begins with "1x", package_length_text wants 2 digits`},
		})
	})
	t.Run("all digits there can be", func(t *testing.T) {
		f := make1(t, Config{LengthText: &Text{Prefix: "=", Digits: 18}})
		becomes(t, f, []stream{{in: "=" + strings.Repeat("9", 18), kind: TooLarge,
			text: `header "=999999999999999999" says 999999999999999999 bytes, package_max_length is 2097152 (the header adds 19)`}})
	})
}

func FuzzText(f *testing.F) {
	f.Add("length:", 13, "HeartBeat", 100, []byte(headed("abc")+"HeartBeat"+headed("")+"length:0x"))
	f.Add("", 2, "ping", 40, []byte("02abping00pin"))
	f.Add("a", 1, "ab", 9, []byte("a1xaba9"))
	f.Fuzz(func(t *testing.T, prefix string, digits int, word string, limit int, b []byte) {
		framer, err := New(Config{LengthText: &Text{Prefix: prefix, Digits: digits, Words: []string{word}}, MaxLength: &limit})
		if err != nil {
			t.Skip()
		}
		b = short(b)
		for _, frame := range holdsContract(t, framer, b, false).frames {
			if len(frame) > limit {
				t.Fatalf("a frame of %d bytes, the limit is %d", len(frame), limit)
			}
			if string(frame) == word {
				continue
			}
			head, ok := bytes.CutPrefix(frame, []byte(prefix))
			if !ok || len(head) < digits {
				t.Fatalf("%q is no frame", frame)
			}
			if n, err := strconv.Atoi(string(head[:digits])); err != nil || n != len(head)-digits {
				t.Fatalf("%q is no frame", frame)
			}
		}
	})
}

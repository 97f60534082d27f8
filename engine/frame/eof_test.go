package frame

import (
	"bytes"
	"strings"
	"testing"
)

func TestEOFSplit(t *testing.T) {
	becomes(t, make1(t, Config{EOFSplit: new(true)}), []stream{
		{in: ""},
		{in: "a\r\n\r\nb\r\n\r\n", frames: []string{"a\r\n\r\n", "b\r\n\r\n"}},
		{in: "\r\n\r\n\r\n\r\n\r\n", frames: []string{"\r\n\r\n", "\r\n\r\n"}, rest: "\r\n"},
		{in: "a\r\n\rb\r\n\r\r\n\r\nc", frames: []string{"a\r\n\rb\r\n\r\r\n\r\n"}, rest: "c"},
	})
	// Five bytes with the eof: six are too many, wherever they come from.
	tooMany := `no package_eof ";;" in 5 bytes, package_max_length is 5`
	becomes(t, make1(t, Config{EOFCheck: new(true), EOFSplit: new(true), EOF: new(";;"), MaxLength: new(5)}), []stream{
		{in: "abc;;", frames: []string{"abc;;"}},
		{in: ";;;;a;;abcd", frames: []string{";;", ";;", "a;;"}, rest: "abcd"},
		{in: "abcd;;", kind: TooLarge, text: tooMany},
		{in: "a;;abcd;", frames: []string{"a;;"}, kind: TooLarge, text: tooMany},
		{in: "a;b;c;d;;", kind: TooLarge, text: tooMany},
	})
	becomes(t, make1(t, Config{EOFSplit: new(true), EOF: new("\x00")}), []stream{
		{in: "\x00a\x00b", frames: []string{"\x00", "a\x00"}, rest: "b"},
	})
	// Swoole allows eight bytes; and an eof that begins with its own end.
	long := strings.Repeat("ab", 40)
	becomes(t, make1(t, Config{EOFSplit: new(true), EOF: &long}), []stream{
		{in: "xab" + long + "y", frames: []string{"x" + long}, rest: "aby"},
	})
}

func TestEOFCheck(t *testing.T) {
	f := make1(t, Config{EOFCheck: new(true), EOF: new(";;"), MaxLength: new(8)})
	tooMany := `no package_eof ";;" in 8 bytes, package_max_length is 8`
	for _, s := range []struct {
		pieces string // between bars
		stream
	}{
		{"a;;", stream{frames: []string{"a;;"}}},
		{"a;;b;;", stream{frames: []string{"a;;b;;"}}},
		{"a;;b", stream{rest: "a;;b"}},
		{"a;;b|;;c|;;", stream{frames: []string{"a;;b;;", "c;;"}}},
		{"a|;|;|b;", stream{frames: []string{"a;;"}, rest: "b;"}},
		{"abcdef;;", stream{frames: []string{"abcdef;;"}}},
		{"abcdefg;;", stream{kind: TooLarge, text: tooMany}},
		{"abcd|efgh", stream{kind: TooLarge, text: tooMany}},
		// Over the limit, whole packets are given away and the rest is kept.
		{"a;;b;;c;;d;;", stream{frames: []string{"a;;b;;", "c;;d;;"}}},
		{"a;;b;;c;;d", stream{frames: []string{"a;;b;;"}, rest: "c;;d"}},
		{"a;;b;;c|d", stream{frames: []string{"a;;b;;"}, rest: "cd"}},
		{"a;;12345678", stream{frames: []string{"a;;"}, kind: TooLarge, text: tooMany}},
	} {
		var pieces [][]byte
		for p := range strings.SplitSeq(s.pieces, "|") {
			pieces = append(pieces, []byte(p))
		}
		s.in = s.pieces
		matches(t, s.stream, cut(t, f, pieces...))
	}
}

func FuzzEOFSplit(f *testing.F) {
	f.Add("\r\n", 20, []byte("one\r\n\r\ntwo\r\nand what is left"))
	f.Add("aab", 5, []byte("aaabaabbaab"))
	f.Fuzz(func(t *testing.T, eof string, limit int, b []byte) {
		framer, err := New(Config{EOFSplit: new(true), EOF: &eof, MaxLength: &limit})
		if err != nil {
			t.Skip()
		}
		b = short(b)
		got := holdsContract(t, framer, b, false)
		// The same in the words of the standard library.
		for _, frame := range got.frames {
			want, after, found := bytes.Cut(b, []byte(eof))
			if !found || string(frame) != string(want)+eof || len(frame) > limit {
				t.Fatalf("frame %q of %q, eof %q", frame, b, eof)
			}
			b = after
		}
		i := bytes.Index(b, []byte(eof))
		if over := i < 0 && len(b) >= limit || i >= 0 && i+len(eof) > limit; over != (got.err != nil) {
			t.Fatalf("%q is left, eof %q, limit %d: %v", b, eof, limit, got.err)
		} else if !over && i >= 0 {
			t.Fatalf("%q is left, eof %q", b, eof)
		}
	})
}

func FuzzEOFCheck(f *testing.F) {
	f.Add("\r\n", 20, []byte("one\r\n\r\ntwo\r\nand what is left"))
	f.Add("aab", 5, []byte("aaabaabbaab"))
	f.Fuzz(func(t *testing.T, eof string, limit int, b []byte) {
		framer, err := New(Config{EOFCheck: new(true), EOF: &eof, MaxLength: &limit})
		if err != nil {
			t.Skip()
		}
		b = short(b)
		got := holdsContract(t, framer, b, true)
		for _, frame := range got.frames {
			if !bytes.HasSuffix(frame, []byte(eof)) || len(frame) > limit {
				t.Fatalf("frame %q, eof %q, limit %d", frame, eof, limit)
			}
		}
		if got.err == nil && len(got.rest) >= limit {
			t.Fatalf("%q is kept, limit %d", got.rest, limit)
		}
		if got.err != nil && bytes.Contains(got.rest[:limit], []byte(eof)) {
			t.Fatalf("%v, of %q", got.err, got.rest)
		}
	})
}

// What has been searched is not searched again, but for an eof that may have
// begun in it.
func TestEOFSplitRemembers(t *testing.T) {
	f := make1(t, Config{EOFSplit: new(true), EOF: new("abc")})
	var c Cursor
	if n, err := next(t, f, []byte("12345ab"), &c); n != 0 || err != nil || c != (Cursor{Seen: 7}) {
		t.Fatalf("%d, %v, %+v", n, err, c)
	}
	// No stream does this; it shows which bytes are looked at.
	if n, err := f.Next([]byte("abc45ab"), &Cursor{Seen: 7}); n != 0 || err != nil {
		t.Errorf("bytes were searched twice: %d, %v", n, err)
	}
	if n, err := f.Next([]byte("12345abc"), &c); n != 8 || err != nil {
		t.Errorf("an eof over two reads: %d, %v", n, err)
	}
}

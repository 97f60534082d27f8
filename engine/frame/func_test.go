package frame

import (
	"bytes"
	"errors"
	"testing"
)

// colon is a length function: decimal digits up to a colon, then the body.
func colon(b []byte) (int, error) {
	total := 0
	for i, d := range b {
		switch {
		case d == ':':
			return total + i + 1, nil
		case d == '!':
			return 0, errBang
		case d < '0' || d > '9' || i > 8:
			return -1, nil
		}
		total = total*10 + int(d-'0')
	}
	return 0, nil
}

var errBang = errors.New("bang")

func TestFunc(t *testing.T) {
	becomes(t, make1(t, Config{LengthFunc: colon, MaxLength: new(12)}), []stream{
		{in: ""},
		{in: "3:abc0:10:0123456", frames: []string{"3:abc", "0:"}, rest: "10:0123456", kind: TooLarge,
			text: "package_length_func says 13 bytes, package_max_length is 12"},
		{in: "3:abc9:01234567812", frames: []string{"3:abc", "9:012345678"}, rest: "12"},
		{in: "1:a1;", frames: []string{"1:a"}, kind: Malformed, text: "package_length_func says -1"},
		{in: "!", kind: Malformed, text: "package_length_func failed: bang"},
	})
	_, err := make1(t, Config{LengthFunc: colon}).Next([]byte("!"), new(Cursor))
	if !errors.Is(err, errBang) {
		t.Errorf("%v does not lead to its cause", err)
	}
}

func TestFuncThatKnowsNothing(t *testing.T) {
	for _, want := range []struct {
		limit int
		kind  Kind
		text  string
	}{
		{DefaultMaxLength, Malformed, "package_length_func tells no length in 8192 bytes"},
		{100, TooLarge, "package_length_func tells no length in 100 bytes, package_max_length is 100"},
		{LengthWindow, TooLarge, "package_length_func tells no length in 8192 bytes, package_max_length is 8192"},
	} {
		calls, longest := 0, 0
		f := make1(t, Config{LengthCheck: new(true), MaxLength: &want.limit, LengthFunc: func(b []byte) (int, error) {
			calls, longest = calls+1, max(longest, len(b))
			return 0, nil
		}})
		limit := min(want.limit, LengthWindow)
		b := make([]byte, 3*LengthWindow)
		var c Cursor
		for _, n := range []int{1, 1, 50, 50, limit - 1, limit - 1} {
			if n, err := f.Next(b[:n], &c); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		asked := 3
		if limit > firstWindow {
			asked++ // a look at the beginning of the last one
		}
		if calls != asked {
			t.Errorf("it was asked %d times about 3 buffers, want %d", calls, asked)
		}
		for _, n := range []int{limit, len(b)} {
			at := c
			matches(t, stream{kind: want.kind, text: want.text}, cut(t, f, b[:n]))
			if _, err := f.Next(b[:n], &at); err == nil || err.Error() != want.text {
				t.Error(err)
			}
		}
		if longest > LengthWindow {
			t.Errorf("it was given %d bytes", longest)
		}
	}
}

// A function that is told the length is not asked again.
func TestFuncIsAskedOnce(t *testing.T) {
	calls := 0
	f := make1(t, Config{LengthFunc: func(b []byte) (int, error) {
		calls++
		return 1000, nil
	}})
	var c Cursor
	b := bytes.Repeat([]byte{'x'}, 1500)
	for n := 1; n <= 1000; n++ {
		if got, err := f.Next(b[:n], &c); err != nil || got != n/1000*1000 {
			t.Fatal(n, got, err)
		}
	}
	if calls != 1 {
		t.Errorf("it was asked %d times", calls)
	}
}

func FuzzFunc(f *testing.F) {
	f.Add(20, []byte("3:abc0:10:0123456"))
	f.Add(20, []byte("3:abc!"))
	f.Add(3, []byte("000000000"))
	f.Fuzz(func(t *testing.T, limit int, b []byte) {
		framer, err := New(Config{LengthFunc: colon, MaxLength: &limit})
		if err != nil {
			t.Skip()
		}
		for _, frame := range holdsContract(t, framer, short(b), false).frames {
			if len(frame) > limit {
				t.Fatalf("a frame of %d bytes, the limit is %d", len(frame), limit)
			}
		}
	})
}

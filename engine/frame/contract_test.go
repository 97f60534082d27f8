package frame

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// make1 is New for settings that are right.
func make1(t testing.TB, c Config) Framer {
	t.Helper()
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// taken is what came of a stream.
type taken struct {
	frames [][]byte
	rest   []byte
	err    error
}

// cut takes a stream apart as a session does: bytes come in pieces, and what
// is left of a piece is gathered for the next. It stops at the first error.
func cut(t testing.TB, f Framer, pieces ...[]byte) taken {
	t.Helper()
	var got taken
	var part []byte
	var c Cursor
	for i, b := range pieces {
		for len(b) > 0 {
			from, n := b, 0
			if len(part) > 0 {
				if part, n = Gather(part, b, &c); n == 0 {
					t.Fatalf("nothing of %d bytes was taken behind %d of a frame of %d", len(b), len(part), c.Need)
				}
				from = part
			}
			if n == 0 {
				n = len(b)
			}
			b = b[n:] // behind from
			var end int
			if end, got.err = next(t, f, from, &c); got.err != nil {
				got.rest = slices.Concat(from, b, bytes.Join(pieces[i+1:], nil))
				return got
			}
			if end == 0 {
				part = bytes.Clone(from)
				continue
			}
			got.frames = append(got.frames, bytes.Clone(from[:end]))
			b, part, c = slices.Concat(from[end:], b), nil, Cursor{}
		}
	}
	got.rest = part
	return got
}

// next is Next, with a look at what every Framer promises for a single call.
func next(t testing.TB, f Framer, b []byte, c *Cursor) (int, error) {
	t.Helper()
	kept := bytes.Clone(b)
	n, err := f.Next(b, c)
	if !bytes.Equal(b, kept) {
		t.Fatalf("Next(%q) changed its bytes to %q", kept, b)
	}
	if n < 0 || n > len(b) || err != nil && n != 0 {
		t.Fatalf("Next(%q) = %d, %v", b, n, err)
	}
	if c.Seen < 0 || int(c.Seen) > len(b) || c.Need < 0 {
		t.Fatalf("Next(%q) leaves the cursor at %+v", b, *c)
	}
	if err == nil && n == 0 && c.Need > 0 && int(c.Need) <= len(b) {
		t.Fatalf("Next(%q) wants more for a frame of %d", b, c.Need)
	}
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Text == "" || e.Kind != TooLarge && e.Kind != Malformed) {
		t.Fatalf("Next(%q) fails with %#v", b, err)
	}
	if again, _ := f.Next(b, c); err == nil && again != n {
		t.Fatalf("Next(%q) = %d, and then %d", b, n, again)
	}
	return n, err
}

// holdsContract checks what every Framer promises, for one stream: no byte is
// lost or made up, and wherever the stream is split, the same frames and the
// same error come out. It returns what came of the stream at once.
//
// loose framers have frames that depend on where reads end; of them only the
// bytes must be the same.
func holdsContract(t *testing.T, f Framer, stream []byte, loose bool) taken {
	t.Helper()
	want := cut(t, f, stream)
	same := func(how string, at int, pieces ...[]byte) {
		t.Helper()
		got := cut(t, f, pieces...)
		if all := append(bytes.Join(got.frames, nil), got.rest...); !bytes.Equal(all, stream) {
			t.Fatalf("%s %d: %q became %q", how, at, stream, all)
		}
		if loose {
			return
		}
		if (want.err == nil) != (got.err == nil) || want.err != nil && want.err.Error() != got.err.Error() {
			t.Fatalf("%s %d of %q: error %v, want %v", how, at, stream, got.err, want.err)
		}
		if len(want.frames) != len(got.frames) {
			t.Fatalf("%s %d: %d frames of %q, want %d", how, at, len(got.frames), stream, len(want.frames))
		}
		for i := range want.frames {
			if !bytes.Equal(want.frames[i], got.frames[i]) {
				t.Fatalf("%s %d: frame %d is %q, want %q", how, at, i, got.frames[i], want.frames[i])
			}
		}
	}
	same("at once", len(stream), stream)
	for i := range stream {
		same("split at", i, stream[:i], stream[i:])
	}
	single := make([][]byte, len(stream))
	for i := range stream {
		single[i] = stream[i : i+1]
	}
	same("byte by byte", len(stream), single...)
	return want
}

// short keeps a fuzzed stream at a length whose every split can be tried.
func short(b []byte) []byte { return b[:min(len(b), 200)] }

// A stream is what a table's stream must become.
type stream struct {
	in     string
	frames []string
	rest   string
	kind   Kind
	text   string // of the error
}

// becomes runs a table of streams through one framer.
func becomes(t *testing.T, f Framer, streams []stream) {
	t.Helper()
	for _, s := range streams {
		got := holdsContract(t, f, []byte(s.in), false)
		matches(t, s, got)
	}
}

func matches(t *testing.T, want stream, got taken) {
	t.Helper()
	frames := make([]string, len(got.frames))
	for i := range frames {
		frames[i] = string(got.frames[i])
	}
	if len(frames) != len(want.frames) {
		t.Errorf("%.60q: frames %.60q, want %.60q", want.in, frames, want.frames)
		return
	}
	for i := range frames {
		if frames[i] != want.frames[i] {
			t.Errorf("%.60q: frame %d is %.60q, want %.60q", want.in, i, frames[i], want.frames[i])
		}
	}
	if want.kind == 0 {
		if got.err != nil {
			t.Errorf("%.60q: %v", want.in, got.err)
		} else if string(got.rest) != want.rest {
			t.Errorf("%.60q: %.60q is left, want %.60q", want.in, got.rest, want.rest)
		}
		return
	}
	var e *Error
	if !errors.As(got.err, &e) || e.Kind != want.kind || e.Text != want.text {
		t.Errorf("%.60q: error %v, want %v: %s", want.in, got.err, want.kind, want.text)
	}
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got := holdsContract(t, Raw{}, short(b), true)
		if len(b) > 0 && (len(got.frames) != 1 || got.err != nil) {
			t.Errorf("%q became %q, %v", b, got.frames, got.err)
		}
	})
}

// blind is a framer that takes half a line for a whole one.
type blind struct{}

func (blind) Next(b []byte, _ *Cursor) (int, error) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1, nil
	}
	return len(b), nil
}

func TestContract(t *testing.T) {
	in := []byte("one\n\ntwo\nrest")
	if a := cut(t, blind{}, in[:2], in[2:]); len(a.frames) != 5 {
		t.Errorf("the check cannot see a framer that cuts too early: %q", a.frames)
	}
	f := make1(t, Config{EOFSplit: new(true), EOF: new("\n")})
	becomes(t, f, []stream{{in: string(in), frames: []string{"one\n", "\n", "two\n"}, rest: "rest"}})
}

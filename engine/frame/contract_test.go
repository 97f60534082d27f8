package frame

import (
	"bytes"
	"testing"
)

// cut takes a stream apart as a session does: bytes come in pieces, and what
// is left of a piece is kept for the next. It stops at the first error.
func cut(f Framer, pieces ...[]byte) (frames [][]byte, rest []byte, err error) {
	var c Cursor
	for _, p := range pieces {
		rest = append(rest, p...)
		for len(rest) > 0 {
			n, e := f.Next(rest, &c)
			if e != nil {
				return frames, rest, e
			}
			if n == 0 {
				break
			}
			frames = append(frames, bytes.Clone(rest[:n]))
			rest, c = rest[n:], Cursor{}
		}
	}
	return frames, rest, nil
}

// holdsContract checks what every Framer promises, for one stream: it keeps
// and changes nothing, its lengths are in range, no byte is lost or made up,
// and wherever the stream is split, the same frames come out.
//
// A raw stream has no frames of its own: there only the bytes must be the same.
func holdsContract(t *testing.T, f Framer, stream []byte, raw bool) {
	t.Helper()
	kept := bytes.Clone(stream)
	if n, err := f.Next(stream, new(Cursor)); n < 0 || n > len(stream) || err != nil && n != 0 {
		t.Fatalf("Next(%q) = %d, %v", stream, n, err)
	}
	if again, _ := f.Next(stream, new(Cursor)); !bytes.Equal(stream, kept) {
		t.Fatalf("Next changed its bytes (%d)", again)
	}
	frames, rest, err := cut(f, stream)
	if got := append(bytes.Join(frames, nil), rest...); !bytes.Equal(got, stream) {
		t.Fatalf("%q became %q", stream, got)
	}
	same := func(how string, at int, pieces ...[]byte) {
		t.Helper()
		f2, rest2, err2 := cut(f, pieces...)
		if raw {
			if !bytes.Equal(append(bytes.Join(f2, nil), rest2...), stream) {
				t.Fatalf("%s %d: bytes were lost", how, at)
			}
			return
		}
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%s %d: error %v, want %v", how, at, err2, err)
		}
		if len(frames) != len(f2) {
			t.Fatalf("%s %d: %d frames of %q, want %d", how, at, len(f2), stream, len(frames))
		}
		for i := range frames {
			if !bytes.Equal(frames[i], f2[i]) {
				t.Fatalf("%s %d: frame %d is %q, want %q", how, at, i, f2[i], frames[i])
			}
		}
		if err == nil && !bytes.Equal(rest, rest2) {
			t.Fatalf("%s %d: %q is left, want %q", how, at, rest2, rest)
		}
	}
	for i := range stream {
		same("split at", i, stream[:i], stream[i:])
	}
	single := make([][]byte, len(stream))
	for i := range stream {
		single[i] = stream[i : i+1]
	}
	same("byte by byte, of", len(stream), single...)
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		holdsContract(t, Raw{}, stream[:min(len(stream), 200)], true)
	})
}

// lines is a framer with nothing wrong, to show that the check takes one.
type lines struct{ blind bool }

func (l lines) Next(b []byte, _ *Cursor) (int, error) {
	i := bytes.IndexByte(b, '\n')
	if l.blind && i < 0 {
		return len(b), nil // takes half a line for a whole one
	}
	return i + 1, nil
}

func TestContract(t *testing.T) {
	stream := []byte("one\n\ntwo\nrest")
	holdsContract(t, lines{}, stream, false)
	if a, _, _ := cut(lines{blind: true}, stream[:2], stream[2:]); len(a) == 3 {
		t.Error("the check cannot see a framer that cuts too early")
	}
}

package frame

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func benched(b testing.TB) []struct {
	name string
	Framer
	frame func(body string) string
} {
	return []struct {
		name string
		Framer
		frame func(body string) string
	}{
		{"raw", Raw{}, func(body string) string { return body }},
		{"eof_check", make1(b, Config{EOFCheck: new(true), MaxLength: new(4 << 20)}), func(body string) string { return body + DefaultEOF }},
		{"eof_split", make1(b, Config{EOFSplit: new(true), MaxLength: new(4 << 20)}), func(body string) string { return body + DefaultEOF }},
		{"length", make1(b, Config{LengthCheck: new(true), MaxLength: new(4 << 20)}), func(body string) string {
			return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
		}},
		{"text", make1(b, Config{LengthText: &Text{Prefix: "length:", Digits: 13}, MaxLength: new(4 << 20)}), headed},
		{"func", make1(b, Config{LengthFunc: colon, MaxLength: new(4 << 20)}), func(body string) string {
			return fmt.Sprintf("%d:%s", len(body), body)
		}},
	}
}

// Small frames, 16 in one read. The unit is one read.
func BenchmarkSmall(b *testing.B) {
	for _, f := range benched(b) {
		b.Run(f.name, func(b *testing.B) {
			read := []byte(strings.Repeat(f.frame(strings.Repeat("x", 60)), 16))
			b.SetBytes(int64(len(read)))
			b.ReportAllocs()
			c := new(Cursor)
			for b.Loop() {
				for rest := read; len(rest) > 0; {
					n, err := f.Next(rest, c)
					if n == 0 || err != nil {
						b.Fatal(n, err)
					}
					rest = rest[n:]
					*c = Cursor{}
				}
			}
		})
	}
}

// Large frames that come in pieces of 64 KiB, gathered as a session does it:
// the time for a byte must not grow with the frame.
func BenchmarkLarge(b *testing.B) {
	for _, f := range benched(b)[1:] {
		for _, size := range []int{256 << 10, 1 << 20, 2 << 20} {
			b.Run(fmt.Sprintf("%s/%dK", f.name, size>>10), func(b *testing.B) {
				whole := []byte(f.frame(strings.Repeat("x", size)))
				b.SetBytes(int64(len(whole)))
				b.ReportAllocs()
				c := new(Cursor)
				for b.Loop() {
					var part []byte
					*c = Cursor{}
					for at := 0; at < len(whole); {
						var taken int
						part, taken = Gather(part, whole[at:min(at+64<<10, len(whole))], c)
						at += taken
						if n, err := f.Next(part, c); err != nil || n != at/len(whole)*len(whole) {
							b.Fatal(at, n, err)
						}
					}
				}
			})
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	for _, f := range benched(t) {
		b := []byte(f.frame("hello") + f.frame("world"))
		c := new(Cursor)
		if n := testing.AllocsPerRun(100, func() {
			for _, part := range [][]byte{b[:1], b[:4], b[:len(b)-1], b} {
				*c = Cursor{}
				for range 2 {
					if _, err := f.Next(part, c); err != nil {
						t.Fatal(err)
					}
				}
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", f.name, n)
		}
	}
}

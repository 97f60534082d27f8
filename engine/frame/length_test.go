package frame

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// letters says how each letter is written, in words of its own.
var letters = []struct {
	letter   string
	size     int
	put      func(b []byte, v uint64)
	signed   bool
	greatest uint64
}{
	{"c", 1, put8, true, math.MaxInt8},
	{"C", 1, put8, false, math.MaxUint8},
	{"s", 2, native16, true, math.MaxInt16},
	{"S", 2, native16, false, math.MaxUint16},
	{"n", 2, func(b []byte, v uint64) { b[0], b[1] = byte(v>>8), byte(v) }, false, math.MaxUint16},
	{"N", 4, func(b []byte, v uint64) { bigEndian(b, v) }, false, math.MaxUint32},
	{"l", 4, native32, true, math.MaxInt32},
	{"L", 4, native32, false, math.MaxUint32},
	{"v", 2, func(b []byte, v uint64) { b[1], b[0] = byte(v>>8), byte(v) }, false, math.MaxUint16},
	{"V", 4, func(b []byte, v uint64) { littleEndian(b, v) }, false, math.MaxUint32},
	{"J", 8, func(b []byte, v uint64) { bigEndian(b, v) }, false, math.MaxUint64},
	{"P", 8, func(b []byte, v uint64) { littleEndian(b, v) }, false, math.MaxUint64},
	{"q", 8, native64, true, math.MaxInt64},
	{"Q", 8, native64, false, math.MaxUint64},
}

func put8(b []byte, v uint64)     { b[0] = byte(v) }
func native16(b []byte, v uint64) { binary.NativeEndian.PutUint16(b, uint16(v)) }
func native32(b []byte, v uint64) { binary.NativeEndian.PutUint32(b, uint32(v)) }
func native64(b []byte, v uint64) { binary.NativeEndian.PutUint64(b, v) }

func bigEndian(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * (len(b) - 1 - i)))
	}
}

func littleEndian(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

func TestLettersAreAllThere(t *testing.T) {
	var all string
	for _, l := range letters {
		all += l.letter
	}
	if all != LengthTypes {
		t.Fatalf("tested are %s, there are %s", all, LengthTypes)
	}
	for i := range 256 {
		if _, ok := lengthTypeOf(byte(i)); ok != strings.Contains(LengthTypes, string(rune(i))) {
			t.Errorf("%q: %v", byte(i), ok)
		}
	}
}

// Every letter at every edge: values around zero, around the limit, at the
// ends of its range; as a body's length and as the whole frame's; behind
// other bytes or not.
func TestEveryLetter(t *testing.T) {
	const limit = 100
	for _, l := range letters {
		for _, offset := range []int{0, 1, 7} {
			header := offset + l.size
			for _, body := range []int{0, header, header + 5} {
				f := make1(t, Config{LengthCheck: new(true), LengthType: &l.letter,
					LengthOffset: &offset, BodyOffset: &body, MaxLength: new(limit)})
				for _, v := range []uint64{0, 1, 2, 3, 60, limit - 1, limit, limit + 1, l.greatest - 1, l.greatest,
					1 << 31, 1<<31 - 1, 1 << 32, 1 << 62, 1 << 63, 1<<63 - 1, math.MaxUint64, ^uint64(1)} {
					b := bytes.Repeat([]byte{0xee}, 2*limit)
					l.put(b[offset:header], v)
					value := v & (math.MaxUint64 >> (64 - 8*l.size)) // as far as it fits
					negative := l.signed && value > l.greatest

					var want Kind
					switch {
					case negative:
						want = Malformed
					case value > limit || value+uint64(body) > limit:
						want = TooLarge
					case value+uint64(body) < uint64(header):
						want = Malformed
					}
					var c Cursor
					for n := range header {
						if got, err := next(t, f, b[:n], &c); got != 0 || err != nil || c.Need != 0 {
							t.Fatalf("%s: %d of %d header bytes: %d, %v", l.letter, n, header, got, err)
						}
					}
					got, err := next(t, f, b[:header], &c) // the header alone decides
					if want != 0 {
						if err == nil || err.(*Error).Kind != want {
							t.Errorf("%s at %d, body at %d, value %d: %d, %v, want %v", l.letter, offset, body, value, got, err, want)
						}
						continue
					}
					total := int(value) + body
					if whole := total == header; err != nil || (got == header) != whole || got != 0 && !whole || int(c.Need) != total {
						t.Errorf("%s at %d, body at %d, value %d: %d, %v, needs %d", l.letter, offset, body, value, got, err, c.Need)
						continue
					}
					if total == header {
						continue
					}
					if got, err := next(t, f, b[:total-1], &c); got != 0 || err != nil {
						t.Errorf("%s, value %d: one byte is missing: %d, %v", l.letter, value, got, err)
					}
					if got, err := next(t, f, b, &c); got != total || err != nil {
						t.Errorf("%s, value %d: %d, %v", l.letter, value, got, err)
					}
					if got, err := next(t, f, b, new(Cursor)); got != total || err != nil {
						t.Errorf("%s, value %d, at once: %d, %v", l.letter, value, got, err)
					}
				}
			}
		}
	}
}

// What AppendLength writes is what the framer reads.
func TestAppendLength(t *testing.T) {
	for _, l := range letters {
		for _, v := range []uint64{0, 1, 60, l.greatest - 1, l.greatest} {
			want := make([]byte, l.size)
			l.put(want, v)
			if got, ok := AppendLength([]byte("x"), l.letter, v); !ok || string(got) != "x"+string(want) {
				t.Errorf("%s, %d: %x, %v, want %x", l.letter, v, got, ok, want)
			}
		}
	}
	for _, letter := range []string{"", "X", "NN"} {
		if got, ok := AppendLength([]byte("x"), letter, 1); ok || string(got) != "x" {
			t.Errorf("%q: %x, %v", letter, got, ok)
		}
	}
}

func TestLengthStreams(t *testing.T) {
	t.Run("the defaults", func(t *testing.T) {
		becomes(t, make1(t, Config{LengthCheck: new(true)}), []stream{
			{in: ""},
			{in: "\x00\x00", rest: "\x00\x00"},
			{in: "\x00\x00\x00\x01a\x00\x00\x00\x03bcd\x00\x00", rest: "\x00\x00",
				frames: []string{"\x00\x00\x00\x01a", "\x00\x00\x00\x03bcd"}},
			{in: "\x00\x00\x00\x01a\x00\x4c\x4b\x40bcd", frames: []string{"\x00\x00\x00\x01a"},
				kind: TooLarge, text: "length field says 5000000 bytes, package_max_length is 2097152 (package_body_offset adds 4)"},
			{in: "\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x00", frames: []string{"\x00\x00\x00\x00", "\x00\x00\x00\x01a", "\x00\x00\x00\x00"}},
			{in: "\xff\xff\xff\xffx", kind: TooLarge,
				text: "length field says 4294967295 bytes, package_max_length is 2097152 (package_body_offset adds 4)"},
		})
	})
	t.Run("the value counts the header", func(t *testing.T) {
		f := make1(t, Config{LengthCheck: new(true), LengthType: new("s"), BodyOffset: new(0), MaxLength: new(10)})
		put := func(v int16) string { return string(binary.NativeEndian.AppendUint16(nil, uint16(v))) }
		becomes(t, f, []stream{
			{in: put(3) + "a" + put(10) + "12345678", frames: []string{put(3) + "a", put(10) + "12345678"}},
			{in: put(11), kind: TooLarge, text: "length field says 11 bytes, package_max_length is 10"},
			{in: put(2) + put(1), frames: []string{put(2)}, kind: Malformed, text: "length field says 1 bytes, the header alone has 2"},
			{in: put(0), kind: Malformed, text: "length field says 0 bytes, the header alone has 2"},
			{in: put(-5), kind: Malformed, text: "length field says -5 bytes"},
		})
	})
	t.Run("a long header", func(t *testing.T) {
		f := make1(t, Config{LengthCheck: new(true), LengthType: new("C"), LengthOffset: new(2), BodyOffset: new(6), MaxLength: new(9)})
		becomes(t, f, []stream{
			{in: "hh\x00ddd" + "hh\x03dddabc" + "hh\x01dd", frames: []string{"hh\x00ddd", "hh\x03dddabc"}, rest: "hh\x01dd"},
			{in: "hh\x04", kind: TooLarge, text: "length field says 4 bytes, package_max_length is 9 (package_body_offset adds 6)"},
		})
	})
	t.Run("sixty-four bits", func(t *testing.T) {
		f := make1(t, Config{LengthCheck: new(true), LengthType: new("J"), BodyOffset: new(8)})
		becomes(t, f, []stream{
			{in: "\x00\x00\x00\x00\x00\x00\x00\x02ab", frames: []string{"\x00\x00\x00\x00\x00\x00\x00\x02ab"}},
			{in: strings.Repeat("\xff", 8), kind: TooLarge,
				text: "length field says 18446744073709551615 bytes, package_max_length is 2097152 (package_body_offset adds 8)"},
		})
	})
}

// Nothing may be reserved or counted that does not fit: the largest frame that
// can be configured.
func TestLargestFrame(t *testing.T) {
	f := make1(t, Config{LengthCheck: new(true), MaxLength: new(math.MaxInt32)})
	var c Cursor
	b := binary.BigEndian.AppendUint32(nil, math.MaxInt32-4)
	if n, err := next(t, f, b, &c); n != 0 || err != nil || c.Need != math.MaxInt32 {
		t.Errorf("%d, %v, %+v", n, err, c)
	}
	b = binary.BigEndian.AppendUint32(nil, math.MaxInt32-3)
	if _, err := next(t, f, b, new(Cursor)); err == nil || err.(*Error).Kind != TooLarge {
		t.Error(err)
	}
}

func FuzzLength(f *testing.F) {
	f.Add(8, 0, 4, 100, []byte("\x00\x00\x00\x01a\x00\x00\x00\x03bcd"))
	f.Add(10, 0, 8, 100, []byte("\xff\xff\xff\xff\xff\xff\xff\x7f\x00"))
	f.Add(0, 3, 0, 20, []byte("abc\x07xyabc\x80"))
	f.Fuzz(func(t *testing.T, letter, offset, body, limit int, b []byte) {
		if letter < 0 || letter >= len(LengthTypes) {
			t.Skip()
		}
		framer, err := New(Config{LengthCheck: new(true), LengthType: new(LengthTypes[letter : letter+1]),
			LengthOffset: &offset, BodyOffset: &body, MaxLength: &limit})
		if err != nil {
			t.Skip()
		}
		for _, frame := range holdsContract(t, framer, short(b), false).frames {
			if len(frame) > limit {
				t.Errorf("a frame of %d bytes, the limit is %d", len(frame), limit)
			}
		}
	})
}

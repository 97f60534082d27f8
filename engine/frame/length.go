package frame

import (
	"encoding/binary"
	"fmt"
)

// LengthTypes are the letters package_length_type takes, with the meanings of
// PHP's pack.
const LengthTypes = "cCsSnNlLvVJPqQ"

// lengthType is how a length field is written.
type lengthType struct {
	size   int // bytes
	signed bool
	big    bool // big-endian
}

// machineBig says whether this machine is big-endian.
var machineBig = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// lengthTypeOf knows the letters; ok is false for any other.
func lengthTypeOf(letter byte) (t lengthType, ok bool) {
	switch letter {
	case 'c':
		return lengthType{size: 1, signed: true}, true
	case 'C':
		return lengthType{size: 1}, true
	case 's':
		return lengthType{size: 2, signed: true, big: machineBig}, true
	case 'S':
		return lengthType{size: 2, big: machineBig}, true
	case 'n':
		return lengthType{size: 2, big: true}, true
	case 'v':
		return lengthType{size: 2}, true
	case 'l':
		return lengthType{size: 4, signed: true, big: machineBig}, true
	case 'L':
		return lengthType{size: 4, big: machineBig}, true
	case 'N':
		return lengthType{size: 4, big: true}, true
	case 'V':
		return lengthType{size: 4}, true
	case 'q':
		return lengthType{size: 8, signed: true, big: machineBig}, true
	case 'Q':
		return lengthType{size: 8, big: machineBig}, true
	case 'J':
		return lengthType{size: 8, big: true}, true
	case 'P':
		return lengthType{size: 8}, true
	}
	return lengthType{}, false
}

// read returns the field b begins with. A signed one is widened with its sign.
func (t lengthType) read(b []byte) uint64 {
	var v uint64
	switch {
	case t.size == 1:
		v = uint64(b[0])
	case t.size == 2 && t.big:
		v = uint64(binary.BigEndian.Uint16(b))
	case t.size == 2:
		v = uint64(binary.LittleEndian.Uint16(b))
	case t.size == 4 && t.big:
		v = uint64(binary.BigEndian.Uint32(b))
	case t.size == 4:
		v = uint64(binary.LittleEndian.Uint32(b))
	case t.big:
		v = binary.BigEndian.Uint64(b)
	default:
		v = binary.LittleEndian.Uint64(b)
	}
	if t.signed {
		spare := 64 - 8*t.size
		v = uint64(int64(v<<spare) >> spare)
	}
	return v
}

// AppendLength appends v as a length field of the given package_length_type is
// written; ok is false when there is no such type. Of a v that is too large for
// the field the high bytes are lost.
func AppendLength(b []byte, letter string, v uint64) (out []byte, ok bool) {
	if len(letter) != 1 {
		return b, false
	}
	t, ok := lengthTypeOf(letter[0])
	if !ok {
		return b, false
	}
	for i := range t.size {
		if t.big {
			i = t.size - 1 - i
		}
		b = append(b, byte(v>>(8*i)))
	}
	return b, true
}

// length is open_length_check with a binary field. A frame without a body is
// one: its field says that the header is all.
type length struct {
	typ    lengthType
	offset int // where the field begins
	header int // where it ends
	body   int // package_body_offset
	max    int
}

func (f *length) Next(b []byte, c *Cursor) (int, error) {
	total := int(c.Need)
	if total == 0 {
		if len(b) < f.header {
			return 0, nil
		}
		v := f.typ.read(b[f.offset:])
		// package_body_offset is not negative: a value over the limit stays so.
		if v > uint64(f.max) {
			return 0, f.refuse(v)
		}
		sum := int64(v) + int64(f.body)
		if sum > int64(f.max) || sum < int64(f.header) {
			return 0, f.refuse(v)
		}
		total = int(sum)
		c.Need = int32(total)
	}
	if len(b) < total {
		return 0, nil
	}
	return total, nil
}

// refuse says what is wrong with the value of a length field.
func (f *length) refuse(v uint64) *Error {
	if f.typ.signed && int64(v) < 0 {
		return malformed("length field says %d bytes", int64(v))
	}
	adds := ""
	if f.body > 0 {
		adds = fmt.Sprintf(" (package_body_offset adds %d)", f.body)
	}
	if v > uint64(f.max) || int64(v)+int64(f.body) > int64(f.max) {
		return tooLarge("length field says %d bytes, package_max_length is %d%s", v, f.max, adds)
	}
	return malformed("length field says %d bytes, the header alone has %d%s", v, f.header, adds)
}

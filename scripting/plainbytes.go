package scripting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Plain data as bytes: what leaves the process, or outlives it. A letter for the
// type, then the value; lengths and counts are unsigned varints.
//
//	N nil  Z null  T true  F false
//	I whole number, signed varint        D any other number, 8 bytes, little endian
//	S string: length, bytes
//	L table: length of the list part, its values, count of other keys, key and
//	  value of each; A, O the same for one marked as an array, as an object
//
// The first byte is the version, 1.

const plainVersion = 1

var plainLetters = [...]byte{NoMark: 'L', ArrayMark: 'A', ObjectMark: 'O'}

// packPlain writes v.
func packPlain(v any) string {
	return string(appendPlain([]byte{plainVersion}, v))
}

func appendPlain(b []byte, v any) []byte {
	switch x := v.(type) {
	case bool:
		if x {
			return append(b, 'T')
		}
		return append(b, 'F')
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 && !(x == 0 && math.Signbit(x)) {
			return binary.AppendVarint(append(b, 'I'), int64(x))
		}
		return binary.LittleEndian.AppendUint64(append(b, 'D'), math.Float64bits(x))
	case string:
		return append(binary.AppendUvarint(append(b, 'S'), uint64(len(x))), x...)
	case Null:
		return append(b, 'Z')
	case *plainTable:
		b = binary.AppendUvarint(append(b, plainLetters[x.mark]), uint64(len(x.list)))
		for _, e := range x.list {
			b = appendPlain(b, e)
		}
		b = binary.AppendUvarint(b, uint64(len(x.keys)))
		for i := range x.keys {
			b = appendPlain(appendPlain(b, x.keys[i]), x.vals[i])
		}
		return b
	}
	return append(b, 'N')
}

var errPlainShort = errors.New("the text ends too early")

// unpackPlain reads what packPlain wrote.
func unpackPlain(s string) (any, error) {
	if s == "" || s[0] != plainVersion {
		return nil, errors.New("the text is no packed data")
	}
	r := plainReader{s[1:]}
	v, err := r.value(0)
	if err == nil && r.s != "" {
		err = fmt.Errorf("%d bytes are left over", len(r.s))
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

type plainReader struct{ s string }

func (r *plainReader) value(depth int) (any, error) {
	if r.s == "" {
		return nil, errPlainShort
	}
	kind := r.s[0]
	r.s = r.s[1:]
	switch kind {
	case 'N':
		return nil, nil
	case 'Z':
		return Null{}, nil
	case 'T', 'F':
		return kind == 'T', nil
	case 'I':
		n, err := r.count()
		return float64(int64(n>>1) ^ -int64(n&1)), err // zigzag, as varints are
	case 'D':
		if len(r.s) < 8 {
			return nil, errPlainShort
		}
		bits := binary.LittleEndian.Uint64([]byte(r.s[:8]))
		r.s = r.s[8:]
		return math.Float64frombits(bits), nil
	case 'S':
		n, err := r.count()
		if err != nil || n > uint64(len(r.s)) {
			return nil, errPlainShort
		}
		text := r.s[:n]
		r.s = r.s[n:]
		return text, nil
	case 'L':
		return r.table(depth, NoMark)
	case 'A':
		return r.table(depth, ArrayMark)
	case 'O':
		return r.table(depth, ObjectMark)
	}
	return nil, fmt.Errorf("unknown type %q", kind)
}

// count reads an unsigned varint.
func (r *plainReader) count() (n uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		if r.s == "" {
			return 0, errPlainShort
		}
		c := r.s[0]
		r.s = r.s[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, nil
		}
	}
	return 0, errors.New("a number is too long")
}

func (r *plainReader) table(depth int, mark Mark) (any, error) {
	if depth == maxPlainDepth {
		return nil, fmt.Errorf("a table nested deeper than %d", maxPlainDepth)
	}
	t := &plainTable{mark: mark}
	n, err := r.count()
	if err != nil || n > uint64(len(r.s)) { // each value has a byte at least
		return nil, errPlainShort
	}
	for range n {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		t.list = append(t.list, v)
	}
	if n, err = r.count(); err != nil || n > uint64(len(r.s)) {
		return nil, errPlainShort
	}
	for range n {
		k, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		switch x := k.(type) {
		case string, bool:
		case float64:
			if x != x {
				return nil, errors.New("a key that is no number")
			}
		default:
			return nil, errors.New("a key that is no string, number or boolean")
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		t.keys, t.vals = append(t.keys, k), append(t.vals, v)
	}
	return t, nil
}

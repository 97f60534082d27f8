package json

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// bytesOf is s as bytes to read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainText is the place, from i on, of the first byte that ends a run of text
// that stands in JSON as it is: a quote, a backslash, a control character, or
// the start of something beyond ASCII. It looks at eight bytes at a time.
func plainText(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// The high bit of a byte is set where it is one to stop at. A borrow may
		// set it wrongly too, but only above one that is right.
		hit := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x | x) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
	}
	for i < len(b) && !special[b[i]] {
		i++
	}
	return i
}

// special are the bytes that plainText stops at.
var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80
	}
	return t
}()

// blank are the four bytes that JSON lets stand between tokens.
var blank = [256]bool{' ': true, '\t': true, '\n': true, '\r': true}

package frame

import (
	"bytes"
	"testing"
)

// What a sender makes us keep is at most twice what it has sent.
func TestGatherReservesLittle(t *testing.T) {
	for _, need := range []int32{0, 1 << 20, 1<<20 + 1, 2 << 20} {
		for _, piece := range []int{1000, 64 << 10, 100_001} {
			c := Cursor{Need: need}
			part, copied := []byte{1, 2, 3, 4}, 0
			for n := byte(0); len(part) < 1<<20; n++ {
				before := cap(part)
				more := bytes.Repeat([]byte{n}, piece)
				length := len(part)
				var taken int
				part, taken = Gather(part, more, &c)
				if len(part) != length+taken || !bytes.Equal(part[length:], more[:taken]) {
					t.Fatalf("%d of %d bytes were taken, and then there are %d", taken, length, len(part))
				}
				if want := int(need) - length; taken != piece && (need == 0 || taken != want) {
					t.Fatalf("%d bytes were taken of %d, the frame needs %d", taken, piece, want)
				}
				if cap(part) != before {
					copied += length
					if slack := 1 << 13; cap(part) > 2*len(part)+slack || need > 0 && cap(part) > int(need)+slack {
						t.Fatalf("%d bytes have room for %d, need %d", len(part), cap(part), need)
					}
				}
			}
			if copied > 2*len(part) {
				t.Errorf("need %d in pieces of %d: %d bytes were copied", need, piece, copied)
			}
		}
	}
	if got, taken := Gather([]byte("abc"), []byte("def"), &Cursor{Need: 3}); string(got) != "abc" || taken != 0 {
		t.Errorf("a whole frame took %d more: %q", taken, got)
	}
}

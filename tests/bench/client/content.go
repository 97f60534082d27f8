package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// What a message holds follows from its connection and its number alone:
// eight bytes mixed of the two, then a piece of a fixed random pool that the
// same eight bytes choose. So a reply is checked without keeping what was
// sent, and one that is out of place can be named.

const (
	markLen = 8
	poolLen = 1 << 17
)

// contents makes and checks messages of one size.
type contents struct {
	size int
	pool []byte
}

func newContents(size int) *contents {
	pool := make([]byte, poolLen+size)
	rand.NewChaCha8([32]byte([]byte("every run sends the same bytes.."))).Read(pool)
	return &contents{size: size, pool: pool}
}

// parts returns the two parts of message n of connection id.
func (c *contents) parts(id, n uint64) (mark [markLen]byte, body []byte) {
	x := id<<40 ^ n
	x = (x + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>29) * 0x94d049bb133111eb
	x ^= x >> 32
	binary.LittleEndian.PutUint64(mark[:], x)
	at := x % poolLen
	return mark, c.pool[at : at+uint64(max(c.size-markLen, 0))]
}

// add appends message n of connection id to b.
func (c *contents) add(b []byte, id, n uint64) []byte {
	mark, body := c.parts(id, n)
	b = append(b, mark[:min(markLen, c.size)]...)
	return append(b, body...)
}

// check compares in with message n of connection id from its byte pos on. It
// returns how many bytes of in belong to that message, and the place of the
// first wrong one, or -1.
func (c *contents) check(in []byte, id, n uint64, pos int) (used, wrong int) {
	mark, body := c.parts(id, n)
	in = in[:min(len(in), c.size-pos)]
	for used < len(in) && pos+used < markLen {
		if in[used] != mark[pos+used] {
			return used, pos + used
		}
		used++
	}
	rest := in[used:]
	if len(rest) == 0 {
		return used, -1
	}
	want := body[pos+used-markLen:]
	if bytes.Equal(rest, want[:len(rest)]) {
		return len(in), -1
	}
	for i, b := range rest {
		if b != want[i] {
			return used + i, pos + used + i
		}
	}
	panic("two slices differ, but in no byte")
}

// Kind says what a server did wrong.
type Kind string

const (
	Altered    Kind = "altered"    // a byte differs, and the reply is no other message
	Lost       Kind = "lost"       // a later message came in place of this one
	Doubled    Kind = "doubled"    // an earlier message came again
	Foreign    Kind = "foreign"    // a message of another connection
	Unasked    Kind = "unasked"    // bytes that answer nothing
	Unanswered Kind = "unanswered" // no reply in time
	Broken     Kind = "broken"     // the connection ended or failed
)

// Fault is the first wrong thing a server did. It ends the run.
type Fault struct {
	Kind    Kind
	Conn    uint64
	Message uint64
	Detail  string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("connection %d, message %d: %s: %s", f.Conn, f.Message, f.Kind, f.Detail)
}

// named is how far from the expected one a message is looked for by name.
const named = 64

// explain finds out what came in place of message n of connection id. The
// reply begins with in, of which the byte at place wrong is not what it should
// be; others are the connections whose messages might have strayed.
func (c *contents) explain(in []byte, id, n uint64, wrong int, others []*conn) *Fault {
	f := &Fault{Conn: id, Message: n, Kind: Altered, Detail: fmt.Sprintf("byte %d of %d is not what was sent", wrong, c.size)}
	// Fewer bytes than a mark fit too many messages to prove anything.
	head := in[:min(len(in), c.size)]
	if len(head) < min(markLen, c.size) {
		return f
	}
	is := func(id, n uint64) bool {
		_, wrong := c.check(head, id, n, 0)
		return wrong < 0
	}
	for d := uint64(1); d <= named; d++ {
		if is(id, n+d) {
			f.Kind, f.Detail = Lost, fmt.Sprintf("message %d came in its place", n+d)
			return f
		}
		if d <= n && is(id, n-d) {
			f.Kind, f.Detail = Doubled, fmt.Sprintf("message %d came again in its place", n-d)
			return f
		}
	}
	for _, o := range others {
		if o == nil || o.id == id {
			continue
		}
		for m := o.got - min(o.got, named); m < o.sent; m++ {
			if is(o.id, m) {
				f.Kind, f.Detail = Foreign, fmt.Sprintf("message %d of connection %d came in its place", m, o.id)
				return f
			}
		}
	}
	return f
}

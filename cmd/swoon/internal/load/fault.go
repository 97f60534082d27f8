package load

import "fmt"

// Kind says what a server did wrong.
type Kind string

const (
	Altered    Kind = "altered"    // a byte differs, and the answer is no other message
	Lost       Kind = "lost"       // a later message came in place of this one
	Doubled    Kind = "doubled"    // an earlier message came again
	Foreign    Kind = "foreign"    // a message of another connection
	Unasked    Kind = "unasked"    // bytes that answer nothing
	Unanswered Kind = "unanswered" // no answer in time
	Broken     Kind = "broken"     // the connection failed, or ended too early
)

// Fault is the first wrong thing a server did. It ends the run.
type Fault struct {
	Kind    Kind
	Conn    uint64 // the number of the connection, from 0
	Message uint64 // which of its messages, from 0
	Detail  string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("connection %d, message %d: %s: %s", f.Conn, f.Message, f.Kind, f.Detail)
}

// named is how far from the expected one a message is looked for by name.
const named = 64

// explain finds out what came in place of the answer to message n of connection
// id. The answer begins with in, of which the byte at place wrong is not what it
// should be; others are the connections whose messages might have strayed.
func (c *contents) explain(in []byte, id, n uint64, wrong int, others []*conn) *Fault {
	f := &Fault{Conn: id, Message: n, Kind: Altered, Detail: fmt.Sprintf("byte %d of %d is not what it should be", wrong, c.length)}
	// Fewer bytes than a mark fit too many messages to prove anything, and of
	// those that are all the same none can be told from another.
	head := in[:min(len(in), c.length)]
	if c.text != nil || len(head) < len(c.before)+min(markLen, c.size) {
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

package load

import "golang.org/x/sys/unix"

// conn is one connection of the load. Its generator owns it.
type conn struct {
	fd   int
	id   uint64
	sent uint64 // messages handed to the socket or to rest
	got  uint64 // answers received whole and right
	pos  int    // bytes received of the answer that is under way
	rest []byte // what the socket has yet to take

	stamps stamps // when each message under way was sent, or due

	number  uint64 // open loop: of the next message that it sends, in the schedule
	waiting uint64 // and how many that are due it has yet to send

	ended bool // finish: the server has closed its side, too
}

// free says whether another message may be under way.
func (c *conn) free(depth int) bool { return c.sent-c.got < uint64(depth) }

// stamps is a queue of times.
type stamps struct {
	times []int64
	head  int
}

func (s *stamps) push(t int64) {
	if s.head > 0 && len(s.times) == cap(s.times) {
		s.times = s.times[:copy(s.times, s.times[s.head:])]
		s.head = 0
	}
	s.times = append(s.times, t)
}

func (s *stamps) pop() int64 {
	t := s.times[s.head]
	s.head++
	return t
}

// put hands the bytes of messages to the socket.
func (g *generator) put(c *conn, b []byte) error {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		return nil
	}
	n, errno := send(c.fd, b)
	if errno != 0 && !tryLater(errno) {
		return g.failed(c.id, c.got, errno)
	}
	if n < len(b) {
		c.rest = append(c.rest, b[n:]...)
		return g.poll.change(c.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return nil
}

// writable goes on with what the socket did not take.
func (g *generator) writable(c *conn) error {
	n, errno := send(c.fd, c.rest)
	if errno != 0 && !tryLater(errno) {
		return g.failed(c.id, c.got, errno)
	}
	c.rest = append(c.rest[:0], c.rest[n:]...)
	if len(c.rest) > 0 {
		return nil
	}
	return g.poll.change(c.fd, unix.EPOLLIN)
}

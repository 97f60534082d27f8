package load

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// readable takes what has come for c.
func (g *generator) readable(c *conn) error {
	n, errno := recv(c.fd, g.buf)
	if tryLater(errno) {
		return nil
	}
	if errno != 0 {
		if !g.filling && c.got == c.sent {
			return g.end(c) // after the last answer it may go as it likes
		}
		return g.failed(c.id, c.got, errno)
	}
	if n == 0 {
		return g.end(c)
	}
	answers, err := g.take(c, g.buf[:n])
	if err != nil || answers == 0 || !g.filling {
		return err
	}
	switch {
	case g.Churn:
		g.drop(c)
		if g.Rate > 0 {
			return nil // sendDue begins the next
		}
		return g.visit(now())
	case g.Rate > 0:
		return g.release(c)
	}
	return g.send(c, answers, now())
}

// failed says that a connection failed at its message n.
func (g *generator) failed(id, n uint64, err error) error {
	detail := err.Error()
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		detail += ": nobody listens on " + g.Target.Name
	}
	return &Fault{Broken, id, n, detail}
}

// end takes the end of the stream: right when every answer has come.
func (g *generator) end(c *conn) error {
	if g.filling || c.got < c.sent || g.Churn {
		return g.failed(c.id, c.got, fmt.Errorf("the server closed the connection, %d answers are missing", c.sent-c.got))
	}
	c.ended = true
	g.drop(c)
	return nil
}

// take checks in, which continues the answers for c, and returns how many
// became whole. The recorder is locked.
func (g *generator) take(c *conn, in []byte) (answers int, err error) {
	t := now()
	until := g.until.Load()
	for len(in) > 0 {
		if c.got == c.sent {
			return answers, g.unasked(c, in)
		}
		used, wrong := g.data.check(in, c.id, c.got, c.pos)
		if wrong >= 0 {
			if c.pos > 0 {
				in = nil // the answer began in an earlier read
			}
			return answers, g.data.explain(in, c.id, c.got, wrong, g.byFD)
		}
		in = in[used:]
		c.pos += used
		if c.pos < g.data.length {
			break
		}
		c.pos = 0
		c.got++
		g.under--
		answers++
		// Times are those of the messages that were sent, or due, while it is
		// counted, however late their answers come.
		if sent := c.stamps.pop(); g.begun && sent >= g.from && sent < until {
			g.rec.record(t - sent)
		}
		if g.counting && t < until {
			g.rec.count++
		}
	}
	if g.Churn && c.got == c.sent && !g.filling {
		g.drop(c)
	}
	return answers, nil
}

// unasked names bytes that come while c has nothing under way.
func (g *generator) unasked(c *conn, in []byte) error {
	if c.got > 0 {
		if f := g.data.explain(in, c.id, c.got, 0, nil); f.Kind == Doubled {
			return f
		}
	}
	return &Fault{Unasked, c.id, c.got, fmt.Sprintf("%d bytes came with nothing under way", len(in))}
}

package client

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"swoon-bench/sock"
)

// conn is one connection of the load.
type conn struct {
	fd     int
	id     uint64
	sent   uint64 // messages handed to the socket or to rest
	got    uint64 // replies received whole and right
	pos    int    // bytes received of the reply that is under way
	rest   []byte // what the socket has yet to take
	stamps stamps
	ended  bool // finish: the server has closed its side, too
}

// stamps is a queue of times: when each message under way was sent, or due.
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

// generator runs one Load: open, load, finish.
type generator struct {
	*Load
	ctx    context.Context
	poll   *sock.Poller
	unit   *unit
	data   *contents
	buf    []byte
	out    []byte
	byFD   []*conn
	conns  []*conn // in the order of their ids; not for Churn
	live   int
	serial uint64 // the next id

	filling  bool // replies are answered by new messages
	counting bool
	report   Report
	begun    time.Time
}

func newGenerator(ctx context.Context, l *Load) (*generator, error) {
	poll, err := sock.NewPoller(512)
	if err != nil {
		return nil, err
	}
	u, err := newUnit()
	if err != nil {
		poll.Close()
		return nil, err
	}
	return &generator{
		Load: l, ctx: ctx, poll: poll, unit: u,
		data:   newContents(l.Size),
		buf:    make([]byte, 256<<10),
		report: Report{delays: make([]uint32, 0, 1<<20)},
		begun:  time.Now(),
	}, nil
}

func (g *generator) close() {
	for _, c := range g.byFD {
		if c != nil {
			unix.Close(c.fd)
		}
	}
	g.unit.close()
	g.poll.Close()
}

func (g *generator) now() int64 { return int64(time.Since(g.begun)) }

// sources is how many loopback addresses churn connects from: each has ports
// of its own, and a port that was used rests for a minute.
const sources = 32

// dial begins a connection. On loopback it is mostly there at once; the poller
// tells when it is not.
func (g *generator) dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = func() error {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		if g.Churn {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
				return err
			}
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + g.serial%sources)}}); err != nil {
				return err
			}
		}
		to := &unix.SockaddrInet4{Port: int(g.Addr.Port()), Addr: g.Addr.Addr().As4()}
		if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
			return err
		}
		return g.poll.Add(fd, unix.EPOLLIN)
	}()
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connection %d: %w", g.serial, err)
	}
	c := &conn{fd: fd, id: g.serial}
	g.serial++
	for len(g.byFD) <= fd {
		g.byFD = append(g.byFD, nil)
	}
	g.byFD[fd] = c
	g.live++
	return c, nil
}

func (g *generator) drop(c *conn) {
	unix.Close(c.fd)
	g.byFD[c.fd] = nil
	g.live--
}

// openAtOnce is how many connections are begun before the server has answered
// on them: fewer than any server's accept queue holds.
const openAtOnce = 64

// open connects, and sends one message each: then the server has accepted
// every connection before the clock runs.
func (g *generator) open() error {
	if g.Churn {
		return nil
	}
	for len(g.conns) < g.Conns {
		batch := g.conns[len(g.conns):]
		for range min(openAtOnce, g.Conns-len(g.conns)) {
			c, err := g.dial()
			if err != nil {
				return err
			}
			batch = append(batch, c)
			if err := g.send(c, 1, g.now()); err != nil {
				return err
			}
		}
		g.conns = append(g.conns, batch...)
		if err := g.await(batch, func(c *conn) bool { return c.got == c.sent }); err != nil {
			return err
		}
	}
	return nil
}

// await serves the poller until all of conns are done.
func (g *generator) await(conns []*conn, done func(*conn) bool) error {
	limit := g.now() + int64(Patience)
	for _, c := range conns {
		for !done(c) {
			if t := g.now(); t >= limit {
				return &Fault{Unanswered, c.id, c.got, fmt.Sprintf("%d of %d bytes of the reply came, then nothing for %s", c.pos, g.Size, Patience)}
			}
			if err := g.turn(limit - g.now()); err != nil {
				return err
			}
		}
	}
	return g.ctx.Err()
}

// load runs for Warm and then, counting, for Time.
func (g *generator) load() error {
	g.filling = true
	start := g.now()
	from, until := start+int64(g.Warm), start+int64(g.Warm+g.Time)
	if err := g.prime(start); err != nil {
		return err
	}
	due, gap, next := float64(start), 1e9/g.Rate, 0
	var cpu time.Duration
	for {
		t := g.now()
		if !g.counting && t >= from {
			g.counting = true
			from = t
			var err error
			if cpu, err = g.serverCPU(); err != nil {
				return err
			}
		}
		if t >= until {
			after, err := g.serverCPU()
			if err != nil {
				return err
			}
			g.report.Time, g.report.CPU = time.Duration(t-from), after-cpu
			g.counting, g.filling = false, false
			return nil
		}
		g.unit.slice(t, g.counting)
		wait := until - t
		if !g.counting {
			wait = from - t
		}
		if g.Rate > 0 {
			for ; due <= float64(t); due += gap {
				if err := g.send(g.conns[next], 1, int64(due)); err != nil {
					return err
				}
				next = (next + 1) % len(g.conns)
			}
			wait = min(wait, int64(math.Ceil(due))-t)
		}
		// No longer than to the next slice, so that an idle load is measured too.
		if err := g.turn(min(wait, sliceEvery)); err != nil {
			return err
		}
	}
}

// prime sends the first messages of a load that is driven by replies.
func (g *generator) prime(t int64) error {
	if g.Churn {
		for range g.Conns {
			if err := g.visit(); err != nil {
				return err
			}
		}
		return nil
	}
	if g.Rate > 0 {
		return nil
	}
	for _, c := range g.conns {
		if err := g.send(c, g.Depth, t); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) serverCPU() (time.Duration, error) {
	if g.PID == 0 {
		return 0, nil
	}
	return ProcessCPU(g.PID)
}

// finish takes the replies that are still under way, says goodbye, and sees
// that the server has nothing more to say than that.
func (g *generator) finish() error {
	if g.Churn {
		var left []*conn
		for _, c := range g.byFD {
			if c != nil {
				left = append(left, c)
			}
		}
		return g.await(left, func(c *conn) bool { return g.byFD[c.fd] != c })
	}
	if err := g.await(g.conns, func(c *conn) bool { return c.got == c.sent }); err != nil {
		return err
	}
	for _, c := range g.conns {
		if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
			return g.broken(c, err)
		}
	}
	if err := g.await(g.conns, func(c *conn) bool { return c.ended }); err != nil {
		if f, ok := err.(*Fault); ok && f.Kind == Unanswered {
			f.Detail = "every reply came, but the server did not close its side after ours"
		}
		return err
	}
	return nil
}

// turn handles what the poller has, waiting up to ns for it.
func (g *generator) turn(ns int64) error {
	events, err := g.poll.Wait(max(ns, 0))
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, ev := range events {
		c := g.byFD[ev.Fd]
		if c == nil {
			continue
		}
		if ev.Events&unix.EPOLLOUT != 0 {
			if err := g.writable(c); err != nil {
				return err
			}
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			if err := g.readable(c); err != nil {
				return err
			}
		}
	}
	return g.ctx.Err()
}

func (g *generator) broken(c *conn, err error) error {
	return &Fault{Broken, c.id, c.got, err.Error()}
}

// send sends the next count messages of c, stamped t, in one piece.
func (g *generator) send(c *conn, count int, t int64) error {
	g.out = g.out[:0]
	for range count {
		g.out = g.data.add(g.out, c.id, c.sent)
		c.sent++
		c.stamps.push(t)
	}
	if len(c.rest) > 0 {
		c.rest = append(c.rest, g.out...)
		return nil
	}
	n, errno := sock.Send(c.fd, g.out)
	if errno != 0 && !sock.TryLater(errno) {
		return g.broken(c, errno)
	}
	if n < len(g.out) {
		c.rest = append(c.rest, g.out[n:]...)
		return g.poll.Change(c.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return nil
}

func (g *generator) writable(c *conn) error {
	n, errno := sock.Send(c.fd, c.rest)
	if errno != 0 && !sock.TryLater(errno) {
		return g.broken(c, errno)
	}
	c.rest = append(c.rest[:0], c.rest[n:]...)
	if len(c.rest) > 0 {
		return nil
	}
	return g.poll.Change(c.fd, unix.EPOLLIN)
}

func (g *generator) readable(c *conn) error {
	n, errno := sock.Recv(c.fd, g.buf)
	if sock.TryLater(errno) {
		return nil
	}
	if errno != 0 {
		return g.broken(c, errno)
	}
	if n == 0 {
		return g.end(c)
	}
	replies, err := g.take(c, g.buf[:n])
	if err != nil || replies == 0 || !g.filling {
		return err
	}
	if g.Churn {
		g.drop(c)
		return g.visit()
	}
	if g.Rate > 0 {
		return nil
	}
	return g.send(c, replies, g.now())
}

// end takes the end of the stream: right after our own, wrong before.
func (g *generator) end(c *conn) error {
	if g.filling || c.got < c.sent || len(g.conns) == 0 {
		return g.broken(c, fmt.Errorf("the server closed the connection, %d replies are missing", c.sent-c.got))
	}
	c.ended = true
	g.drop(c)
	return nil
}

// take checks in, which continues the replies of c, and returns how many
// replies became whole.
func (g *generator) take(c *conn, in []byte) (replies int, err error) {
	t := g.now()
	for len(in) > 0 {
		if c.got == c.sent {
			return replies, g.unasked(c, in)
		}
		used, wrong := g.data.check(in, c.id, c.got, c.pos)
		if wrong >= 0 {
			if c.pos > 0 {
				in = nil // the reply began in an earlier read
			}
			return replies, g.data.explain(in, c.id, c.got, wrong, g.byFD)
		}
		in = in[used:]
		c.pos += used
		if c.pos < g.Size {
			break
		}
		c.pos = 0
		c.got++
		replies++
		if sent := c.stamps.pop(); g.counting {
			g.report.Messages++
			g.report.delays = append(g.report.delays, uint32(min(t-sent, math.MaxUint32)))
		}
	}
	if g.Churn && c.got == c.sent && !g.filling {
		g.drop(c)
	}
	return replies, nil
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

// visit begins a connection that lasts for one message.
func (g *generator) visit() error {
	t := g.now()
	c, err := g.dial()
	if err != nil {
		return err
	}
	return g.send(c, 1, t)
}

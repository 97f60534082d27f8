package load

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// generator is one thread of a load. Its goroutine owns all of it but the
// recorder, which others look at.
type generator struct {
	*run
	number int             // of the thread
	broken context.Context // ends when another thread has failed

	poll   *poller
	unit   *unit // nil: the server's CPU time is not asked for
	rec    *Recorder
	buf    []byte
	out    []byte
	byFD   []*conn
	conns  []*conn // in the order of their ids; not for Churn
	alive  int
	under  int    // messages under way
	serial uint64 // how many connections there have been
	sched  schedule
	unsent uint64 // messages that were due and could not be sent

	begun    bool // everybody's connections are there
	filling  bool // answers are followed by new messages
	counting bool
	took     time.Duration
}

// batch is how many descriptors are served in one turn.
const batch = 512

// live goes from the first connection to the last answer. It calls ready when
// its connections are there, which returns when everybody's are.
func (g *generator) live(ready func()) error {
	if g.Core >= 0 {
		var only unix.CPUSet
		only.Set(g.Core)
		if err := unix.SchedSetaffinity(0, &only); err != nil {
			return fmt.Errorf("core: bind to core %d: %w", g.Core, err)
		}
	}
	if g.Rate > 0 { // this thread wakes up on time
		unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	}
	var err error
	if g.poll, err = newPoller(batch); err != nil {
		return err
	}
	defer g.close()
	if g.PID > 0 {
		if g.unit, err = newUnit(); err != nil {
			return err
		}
	}
	g.buf = make([]byte, 256<<10)
	if err := g.open(); err != nil {
		return err
	}
	ready()
	if g.broken.Err() != nil {
		return nil // its reason is another's
	}
	if err := g.load(); err != nil {
		return err
	}
	return g.finish()
}

func (g *generator) close() {
	for _, c := range g.byFD {
		if c != nil {
			unix.Close(c.fd)
		}
	}
	if g.unit != nil {
		g.unit.close()
	}
	g.poll.close()
}

// share is how many connections are this thread's.
func (g *generator) share() int {
	n := g.Conns / g.Threads
	if g.number < g.Conns%g.Threads {
		n++
	}
	return n
}

func (g *generator) dial() (*conn, error) {
	id := g.serial*uint64(g.Threads) + uint64(g.number)
	fd, err := g.Target.dial(id, g.Churn || g.Conns > manyConns)
	if err == nil {
		if err = g.poll.add(fd, unix.EPOLLIN); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, g.failed(id, 0, err)
	}
	g.serial++
	c := &conn{fd: fd, id: id}
	for len(g.byFD) <= fd {
		g.byFD = append(g.byFD, nil)
	}
	g.byFD[fd] = c
	g.alive++
	return c, nil
}

func (g *generator) drop(c *conn) {
	unix.Close(c.fd)
	g.byFD[c.fd] = nil
	g.alive--
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
	want, first := g.share(), 0
	for len(g.conns) < want {
		for range min(max(openAtOnce/g.Threads, 1), want-len(g.conns)) {
			c, err := g.dial()
			if err != nil {
				return err
			}
			g.conns = append(g.conns, c)
			if err := g.send(c, 1, now()); err != nil {
				return err
			}
		}
		if err := g.answered(g.conns[first:]); err != nil {
			return err
		}
		first = len(g.conns)
	}
	return nil
}

func (g *generator) answered(conns []*conn) error {
	done := func(c *conn) bool { return c.got == c.sent }
	c, err := g.await(conns, g.Timeout, done)
	if c != nil {
		err = &Fault{Unanswered, c.id, c.got, fmt.Sprintf("%d of %d bytes of the answer came, then nothing for %s", c.pos, g.data.length, g.Timeout)}
	}
	return err
}

// await serves the poller until all of conns are done, or limit has passed: then
// it returns the first that is not.
func (g *generator) await(conns []*conn, limit time.Duration, done func(*conn) bool) (*conn, error) {
	end := now() + int64(limit)
	for _, c := range conns {
		for !done(c) {
			t := now()
			if t >= end {
				return c, nil
			}
			if err := g.turn(min(end-t, lookEvery)); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// lookEvery is how long a thread waits at most before it looks whether another
// has failed.
const lookEvery = int64(100 * time.Millisecond)

// load runs until until, which an interrupt brings nearer.
func (g *generator) load() error {
	g.begun, g.filling = true, true
	start, from := now(), g.from
	g.sched = newSchedule(from-int64(g.Warm), g.Rate, g.number, g.Threads)
	for i, c := range g.conns {
		c.number = uint64(i)
	}
	if err := g.prime(start); err != nil {
		return err
	}
	for {
		t, until := now(), g.until.Load()
		if !g.counting && t >= from {
			g.counting, from = true, t
			g.forget(g.from)
			if err := g.usage.begin(g); err != nil {
				return err
			}
		}
		if t >= until {
			if g.took = time.Duration(t - from); !g.counting {
				g.took = 0
			}
			g.filling, g.counting = false, false
			g.giveUpUnsent(until)
			return g.usage.end(g)
		}
		g.unit.slice(t, g.counting)
		next := until
		if !g.counting {
			next = min(next, from)
		}
		if g.Rate > 0 {
			more, err := g.sendDue(t)
			if err != nil {
				return err
			}
			if more {
				next = t
			} else if g.room() {
				next = min(next, g.sched.due())
			} // else the next answer lets it go
		}
		wait := min(next-t, lookEvery)
		if g.unit != nil { // so that an idle load is measured, too
			wait = min(wait, sliceEvery)
		}
		if err := g.turn(wait); err != nil {
			return err
		}
	}
}

// prime sends the first messages of a load that is driven by answers.
func (g *generator) prime(t int64) error {
	if g.Rate > 0 {
		return nil
	}
	if g.Churn {
		for range g.share() {
			if err := g.visit(t); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range g.conns {
		if err := g.send(c, g.Depth, t); err != nil {
			return err
		}
	}
	return nil
}

// goodbye is how long servers have to close their side after ours; what they
// say until then answers nothing.
const goodbye = 200 * time.Millisecond

// finish takes the answers that are still under way, and sees that the server
// has nothing more to say than these.
func (g *generator) finish() error {
	if g.Churn {
		var left []*conn
		for _, c := range g.byFD {
			if c != nil {
				left = append(left, c)
			}
		}
		c, err := g.await(left, g.Timeout, func(c *conn) bool { return g.byFD[c.fd] != c })
		if c != nil {
			err = &Fault{Unanswered, c.id, c.got, fmt.Sprintf("%d of %d bytes of the answer came, then nothing for %s", c.pos, g.data.length, g.Timeout)}
		}
		return err
	}
	if err := g.answered(g.conns); err != nil {
		return err
	}
	for _, c := range g.conns {
		if !c.ended {
			unix.Shutdown(c.fd, unix.SHUT_WR) // one that the server has reset meanwhile is as good
		}
	}
	_, err := g.await(g.conns, goodbye, func(c *conn) bool { return c.ended })
	return err
}

// turn handles what the poller has, waiting up to ns for it.
func (g *generator) turn(ns int64) error {
	events, err := g.poll.wait(ns)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if len(events) > 0 {
		g.rec.mu.Lock()
		defer g.rec.mu.Unlock()
	}
	for _, ev := range events {
		c := g.byFD[ev.Fd]
		if c != nil && ev.Events&unix.EPOLLOUT != 0 {
			if err := g.writable(c); err != nil {
				return err
			}
		}
		if c != nil && ev.Events&^unix.EPOLLOUT != 0 {
			if err := g.readable(c); err != nil {
				return err
			}
		}
	}
	return g.broken.Err()
}

// send sends the next count messages of c, stamped t, in one piece.
func (g *generator) send(c *conn, count int, t int64) error {
	g.out = g.out[:0]
	for range count {
		g.out = g.data.add(g.out, c.id, c.sent)
		c.sent++
		g.under++
		c.stamps.push(t)
	}
	return g.put(c, g.out)
}

// visit begins a connection that lasts for one message.
func (g *generator) visit(t int64) error {
	c, err := g.dial()
	if err != nil {
		return err
	}
	return g.send(c, 1, t)
}

package load

// What a generator does at a rate.

// room says whether a connection is free for what is due.
func (g *generator) room() bool {
	if g.Churn {
		return g.alive < g.share()
	}
	return g.under < len(g.conns)*g.Depth
}

// dueAtOnce is how many messages are begun before answers are looked at.
const dueAtOnce = 1024

// sendDue sends what is due at t, as far as connections are free. It reports
// whether there is more that could be sent at once.
func (g *generator) sendDue(t int64) (more bool, err error) {
	for range dueAtOnce {
		if !g.room() {
			return false, nil
		}
		number, due, ok := g.sched.take(t)
		if !ok {
			return false, nil
		}
		if g.Churn {
			if err := g.visit(due); err != nil {
				return false, err
			}
			continue
		}
		c := g.conns[number%uint64(len(g.conns))]
		c.waiting++
		if err := g.release(c); err != nil {
			return false, err
		}
	}
	return true, nil
}

// forget drops what was due before t and still waits: a server that was slow to
// begin is not measured by that.
func (g *generator) forget(t int64) {
	if g.Rate == 0 {
		return
	}
	g.sched.next = g.sched.before(t)
	n := uint64(len(g.conns))
	for i, c := range g.conns {
		c.waiting = 0
		c.number = g.sched.next + (uint64(i)+n-g.sched.next%n)%n
	}
}

// release sends what c has waiting, as far as it may.
func (g *generator) release(c *conn) error {
	for c.waiting > 0 && c.free(g.Depth) {
		due := g.sched.at(c.number)
		c.number += uint64(len(g.conns))
		c.waiting--
		if err := g.send(c, 1, due); err != nil {
			return err
		}
	}
	return nil
}

// giveUpUnsent counts what was due before until and was never sent: with the
// time that it had waited by then, which is less than it would have taken.
func (g *generator) giveUpUnsent(until int64) {
	if g.Rate == 0 {
		return
	}
	g.rec.mu.Lock()
	defer g.rec.mu.Unlock()
	for _, c := range g.conns {
		g.giveUp(c.number, uint64(len(g.conns)), c.waiting, until)
		c.number += c.waiting * uint64(len(g.conns))
		c.waiting = 0
	}
	g.giveUp(g.sched.next, 1, g.sched.before(until)-g.sched.next, until)
}

// giveUp counts n messages of the schedule, one in stride from number on. Of
// very many, which stand in line, one stands for its neighbours.
func (g *generator) giveUp(number, stride, n uint64, until int64) {
	each := max(n/100000, 1)
	for n > 0 {
		times := min(each, n)
		if due := g.sched.at(number); due >= g.from && due < until {
			g.unsent += times
			g.rec.recordTimes(until-due, int64(times))
		}
		number += stride * times
		n -= times
	}
}

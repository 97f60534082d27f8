package pool

import "time"

// A pool belongs to its VM. When that is replaced, idle clients are laid aside
// for the pool of the next generation that has the same key: the address and the
// options of its clients, or, where a function of the script makes them, what
// the script says in its place, as nobody can tell what a function depends on.
// Other objects end with their VM.

// handoverKey is what the pool has in common with its successor; "" if nothing
// is handed over.
func (p *Pool) handoverKey() string {
	switch c := &p.cfg; {
	case c.maker != nil && c.maker.Key() != "":
		return "pool:client:" + c.maker.Key()
	case c.key != "":
		return "pool:key:" + c.key
	}
	return ""
}

// takeOver takes a client that the generation before has laid aside. It reports
// false when there is none.
func (p *Pool) takeOver() bool {
	if p.lay == nil {
		return false
	}
	for {
		object, made := p.lay.Take(p.in, p.key)
		if object == nil {
			return false
		}
		e := &entry{object: object, made: made}
		if p.old(e) {
			clientOf(e).Discard()
			continue
		}
		p.count.takenOver++
		p.take(object, made)
		return true
	}
}

// handOver lays an idle client aside, and closes anything else: also a client
// that was made after the end, as the successor has made its own.
func (p *Pool) handOver(e *entry) {
	if c := clientOf(e); c != nil && p.lay != nil && p.state != closed && e.made.Before(p.retiredAt) {
		delete(p.all, e.object)
		if p.lay.Put(p.key, c, e.made) {
			p.count.handedOver++
		} else {
			p.count.destroyed++
		}
		return
	}
	p.destroy(e)
}

// Retire hands the idle clients over when the VM is replaced; what is lent
// follows when it is given back.
func (p *Pool) Retire(string) {
	p.retired, p.retiredAt = true, time.Now()
	p.stopAlarms()
	if p.in.Stopping() {
		p.clear()
	}
	for len(p.idle) > 0 {
		p.handOver(p.takeIdle())
	}
	p.look()
}

// Close ends the pool with its VM: no Lua runs any more.
func (p *Pool) Close() {
	p.stopAlarms()
	p.state = closed
	for _, e := range p.idle {
		if c := clientOf(e); c != nil {
			c.Discard()
		}
	}
	p.idle = nil
}

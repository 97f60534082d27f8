package pool

import "time"

// watchIdle looks at the idle objects again and again.
func (p *Pool) watchIdle() {
	if p.cfg.evictInterval == 0 {
		return
	}
	p.evictor.Set(p.in, p.cfg.evictInterval, func() {
		p.sweep()
		p.watchIdle()
		p.settle()
	})
}

// sweep looks at the next few idle objects, and closes those that have been idle
// for too long, that are too old, or that are dead.
func (p *Pool) sweep() {
	for n := min(p.cfg.evictBatch, len(p.idle)); n > 0; n-- {
		if p.next >= len(p.idle) {
			p.next = 0
		}
		e := p.idle[p.next]
		idle := time.Since(e.since)
		switch {
		case p.cfg.idleTime > 0 && idle >= p.cfg.idleTime,
			p.cfg.softIdleTime > 0 && idle >= p.cfg.softIdleTime && len(p.all) > p.cfg.min,
			p.old(e):
			p.removeIdle(p.next)
			p.evict(e)
		case !p.looksGood(e):
			p.removeIdle(p.next)
			p.invalid(e)
		default:
			p.next++
		}
	}
}

// old says whether an object has lived for its time.
func (p *Pool) old(e *entry) bool {
	return p.cfg.lifetime > 0 && time.Since(e.made) >= p.cfg.lifetime
}

func (p *Pool) evict(e *entry) {
	p.count.evicted++
	p.destroy(e)
}

// keepMin makes objects until there are as many as there must be, unless that
// has just failed.
func (p *Pool) keepMin() {
	if p.state != open || !p.begun || p.retired || p.refiller.Pending() {
		return
	}
	n := p.cfg.min
	for _, f := range p.filling {
		if f.w.Open() {
			n = max(n, f.n)
		}
	}
	for p.size() < n {
		p.make()
	}
}

package engine

// idleQueue are the sessions of a reactor, by when they are to be looked at: a
// heap such as that of timers, whose entries hold the times themselves. There is
// one for each session, so they are small; one timer of the loop is set for the
// first. Owned by the baton holder.
type idleQueue []idleEntry

type idleEntry struct {
	due int64
	s   *Session
}

// set puts s where due belongs, wherever it stood before. due is not 0.
func (q *idleQueue) set(s *Session, due int64) {
	i := int(s.idlePos) - 1
	if i < 0 {
		i = len(*q)
		*q = append(*q, idleEntry{})
	}
	q.place(i, idleEntry{due, s})
}

// remove takes s out, if it is in.
func (q *idleQueue) remove(s *Session) {
	i := int(s.idlePos) - 1
	if i < 0 {
		return
	}
	s.idlePos = 0
	h := *q
	last := len(h) - 1
	moved := h[last]
	h[last] = idleEntry{}
	*q = h[:last]
	if i < last {
		q.place(i, moved)
	}
	if cap(*q) > 1024 && last < cap(*q)/4 {
		*q = append(make(idleQueue, 0, cap(*q)/2), *q...)
	}
}

// place writes e at i, which is free, or further up or down.
func (q *idleQueue) place(i int, e idleEntry) {
	h := *q
	for i > 0 {
		p := (i - 1) / 4
		if h[p].due <= e.due {
			break
		}
		h.write(i, h[p])
		i = p
	}
	for {
		c := 4*i + 1
		if c >= len(h) {
			break
		}
		best := c
		for k := c + 1; k < min(c+4, len(h)); k++ {
			if h[k].due < h[best].due {
				best = k
			}
		}
		if h[best].due >= e.due {
			break
		}
		h.write(i, h[best])
		i = best
	}
	h.write(i, e)
}

func (q idleQueue) write(i int, e idleEntry) {
	q[i] = e
	e.s.idlePos = int32(i + 1)
}

// setIdleTimer sets the loop's timer for the session that is due first.
func (l *Loop) setIdleTimer() {
	if len(l.idle) == 0 {
		l.StopTimer(&l.idleTimer) // so that an idle loop sleeps
	} else if due := l.idle[0].due; !l.idleTimer.armed() || l.idleTimer.when != due {
		l.SetTimer(&l.idleTimer, due, l, idleDue)
	}
}

// idleDue looks at one session, so that a turn is no longer with many.
func idleDue(t *Timer) {
	l := t.owner.(*Loop)
	if len(l.idle) == 0 {
		return
	}
	s := l.idle[0].s
	l.idle.remove(s)
	l.lookIdle(s)
	l.setIdleTimer()
}

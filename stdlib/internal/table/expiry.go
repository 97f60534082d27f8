package table

import (
	"sync"
	"sync/atomic"
	"time"
)

// What has a time to live goes when somebody comes across it, or when the alarm
// rings: one timer for the whole table, set for the first that is due.

// dueHeap is a binary heap by time.
type dueHeap []*entry

func (h dueHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = i+1, j+1
}

func (h *dueHeap) add(e *entry) {
	*h = append(*h, e)
	e.heapAt = len(*h)
	h.up(len(*h) - 1)
}

func (h *dueHeap) remove(e *entry) {
	if e.heapAt == 0 {
		return
	}
	i, last := e.heapAt-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	e.heapAt = 0
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h *dueHeap) up(i int) {
	for q := *h; i > 0 && q[i].expires < q[(i-1)/2].expires; i = (i - 1) / 2 {
		q.swap(i, (i-1)/2)
	}
}

func (h *dueHeap) down(i int) {
	for q := *h; ; {
		c := 2*i + 1
		if c+1 < len(q) && q[c+1].expires < q[c].expires {
			c++
		}
		if c >= len(q) || q[i].expires <= q[c].expires {
			return
		}
		q.swap(i, c)
		i = c
	}
}

// deadline is when a time to live that begins now is over; 0: never.
func deadline(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return now() + int64(ttl)
}

// expireAt sets when e goes.
func (s *shard) expireAt(e *entry, at int64) {
	s.due.remove(e)
	e.expires = at
	if at != 0 {
		s.due.add(e)
		s.t.alarm.set(s.t, at)
	}
}

// expire removes an entry whose time is over.
func (s *shard) expire(e *entry) {
	s.remove(e)
	s.expired++
	s.tell(e, Expired)
}

// purge removes all entries whose time is over.
func (s *shard) purge() {
	if len(s.due) == 0 {
		return
	}
	for t := now(); len(s.due) > 0 && s.due[0].expires <= t; {
		s.expire(s.due[0])
	}
}

// alarm rings when the first entry of a table is due.
type alarm struct {
	at    atomic.Int64 // when it rings; 0: it is not set
	mu    sync.Mutex
	timer *time.Timer
}

// pause is the least time between two rings: what is due together goes
// together.
const pause = 10 * time.Millisecond

// set makes sure that the alarm rings at the given time or before.
func (a *alarm) set(t *Table, at int64) {
	if was := a.at.Load(); was != 0 && was <= at {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if was := a.at.Load(); was != 0 && was <= at {
		return
	}
	a.at.Store(at)
	d := max(time.Duration(at-now()), pause)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, t.ring)
	} else {
		a.timer.Reset(d)
	}
}

// ring removes what is due everywhere and sets the next alarm.
func (t *Table) ring() {
	t.alarm.at.Store(0) // whoever comes from here on sets it anew
	next := int64(0)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.purge()
		if len(s.due) > 0 && (next == 0 || s.due[0].expires < next) {
			next = s.due[0].expires
		}
		s.mu.Unlock()
	}
	if next != 0 {
		t.alarm.set(t, next)
	}
}

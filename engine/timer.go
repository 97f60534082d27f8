package engine

import (
	"math"
	"time"
)

// epoch anchors the monotonic clock: nanotime counts from process start.
var epoch = time.Now()

// nanotime is the monotonic time in nanoseconds.
func nanotime() int64 { return int64(time.Since(epoch)) }

// Timer is one entry of a loop's heap. It is embedded in what it wakes, so a
// sleep allocates nothing. Owned by the baton holder of its loop.
type Timer struct {
	when  int64
	seq   uint64 // ties fire in the order they were set
	pos   int    // place in the heap + 1; 0 when not armed
	fire  func(*Timer)
	owner any
}

func (t *Timer) armed() bool { return t.pos > 0 }

// timerHeap is a four-ary heap: shallower than a binary one, and its children
// share cache lines.
type timerHeap struct {
	heap []*Timer
	seq  uint64
}

func (h *timerHeap) len() int { return len(h.heap) }

// next is when the earliest timer is due, or 0.
func (h *timerHeap) next() int64 {
	if len(h.heap) == 0 {
		return 0
	}
	return h.heap[0].when
}

func (h *timerHeap) add(t *Timer, when int64) {
	if t.armed() {
		h.remove(t)
	}
	if when <= 0 { // a time-out so long that the sum overflowed
		when = math.MaxInt64
	}
	h.seq++
	t.when, t.seq = when, h.seq
	h.heap = append(h.heap, t)
	h.up(len(h.heap)-1, t)
}

func (h *timerHeap) remove(t *Timer) {
	i := t.pos - 1
	last := len(h.heap) - 1
	moved := h.heap[last]
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.pos = 0
	if i == last {
		return
	}
	h.up(i, moved)
	h.down(moved.pos-1, moved)
	if cap(h.heap) > 1024 && len(h.heap) < cap(h.heap)/4 {
		h.heap = append(make([]*Timer, 0, cap(h.heap)/2), h.heap...)
	}
}

// clear disarms all.
func (h *timerHeap) clear() {
	for _, t := range h.heap {
		t.pos = 0
	}
	h.heap = nil
}

func earlier(a, b *Timer) bool {
	return a.when < b.when || a.when == b.when && a.seq < b.seq
}

func (h *timerHeap) up(i int, t *Timer) {
	for i > 0 {
		p := (i - 1) / 4
		if !earlier(t, h.heap[p]) {
			break
		}
		h.heap[i] = h.heap[p]
		h.heap[i].pos = i + 1
		i = p
	}
	h.heap[i] = t
	t.pos = i + 1
}

func (h *timerHeap) down(i int, t *Timer) {
	for {
		c := 4*i + 1
		if c >= len(h.heap) {
			break
		}
		best := c
		for k := c + 1; k < c+4 && k < len(h.heap); k++ {
			if earlier(h.heap[k], h.heap[best]) {
				best = k
			}
		}
		if !earlier(h.heap[best], t) {
			break
		}
		h.heap[i] = h.heap[best]
		h.heap[i].pos = i + 1
		i = best
	}
	h.heap[i] = t
	t.pos = i + 1
}

// SetTimer arms t to call fire on the loop at when (nanoseconds of Now).
// fire may run a callback through Run. Baton holder.
func (l *Loop) SetTimer(t *Timer, when int64, owner any, fire func(*Timer)) {
	t.owner, t.fire = owner, fire
	l.timers.add(t, when)
}

// StopTimer disarms t if it is armed. Baton holder.
func (l *Loop) StopTimer(t *Timer) {
	if t.armed() {
		l.timers.remove(t)
	}
}

// Defer runs fn as a fiber of its own at the end of this turn, before anything
// that comes from outside. Baton holder.
func (l *Loop) Defer(root Root, fn func(*Fiber)) { l.jobs.push(job{root, fn}) }

// Owner is what SetTimer was given.
func (t *Timer) Owner() any { return t.owner }

// When is the time t was last armed for.
func (t *Timer) When() int64 { return t.when }

// Now is the monotonic time in nanoseconds since the process began.
func Now() int64 { return nanotime() }

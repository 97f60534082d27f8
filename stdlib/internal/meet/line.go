// Package meet is where fibers meet: channels, locks and atomics, between the
// fibers of one VM and of many. The primitives are plain Go under a short lock
// each; a fiber that has to wait leaves its Waiter in a line, and what it waited
// for travels with the one compare-and-swap that ends the wait. So a wait that
// was cancelled or timed out never takes anything with it.
//
// Reading order: line.go, channel.go, await.go, lock.go, atomic.go, then the same as a
// script sees them: luachannel.go, lualock.go, luaatomic.go, select.go.
package meet

import "swoon/scripting"

// line is a queue of waits, first come first served, each with what it waits
// with. Waits that are over stay until they are met, or until the line has
// doubled. Under the lock of its owner.
type line[T any] struct {
	q     []waiting[T]
	head  int
	sweep int // look for waits that are over when q is so long
}

type waiting[T any] struct {
	w    scripting.Waiter
	with T
}

const minSweep = 16

func (l *line[T]) add(w scripting.Waiter, with T) {
	if len(l.q) >= max(l.sweep, minSweep) {
		l.compact()
	}
	l.q = append(l.q, waiting[T]{w, with})
}

// compact drops the waits that are over.
func (l *line[T]) compact() {
	kept := l.q[:0]
	for _, e := range l.q[l.head:] {
		if e.w.Open() {
			kept = append(kept, e)
		}
	}
	clear(l.q[len(kept):])
	l.q, l.head = kept, 0
	l.sweep = 2 * len(kept)
}

// first is the oldest entry, which may be over by now.
func (l *line[T]) first() (e waiting[T], ok bool) {
	if l.head == len(l.q) {
		return e, false
	}
	return l.q[l.head], true
}

// drop takes the oldest entry away.
func (l *line[T]) drop() {
	l.q[l.head] = waiting[T]{}
	l.head++
	if l.head == len(l.q) {
		l.q, l.head = l.q[:0], 0
		if cap(l.q) > 1024 {
			l.q = nil
		}
	}
}

// count is how many waits go on.
func (l *line[T]) count() int {
	n := 0
	for _, e := range l.q[l.head:] {
		if e.w.Open() {
			n++
		}
	}
	return n
}

package meet

import (
	"sync"

	"swoon/scripting"
)

// Lock is held by one fiber, or if it is a reader-writer lock by several that
// only read. Who waits gets it in the order of asking; readers that stand next
// to one another get it together. Any goroutine.
type Lock struct {
	what string // for lists of waiting fibers
	rw   bool
	own  bool // it belongs to one VM

	mu      sync.Mutex
	writer  *Owner
	readers []*Owner
	waits   line[want]
	died    *Owner // the last writer, if it ended without unlock
}

// Owner is one hold of a lock by one fiber.
type Owner struct {
	VM    *scripting.Instance
	Fiber uint64
	Where string // where the script took the lock
}

// is reports whether both are the same fiber.
func (o *Owner) is(p *Owner) bool { return o.VM == p.VM && o.Fiber == p.Fiber }

type want struct {
	by   *Owner
	read bool
}

// Grant is how a wait for a lock ends. Died is the writer before, if its fiber
// ended without unlock: what the lock protects may be half done.
type Grant struct{ Died *Owner }

// NewLock makes a lock; what is its name in lists of waiting fibers.
func NewLock(what string, rw bool) *Lock { return &Lock{what: what, rw: rw} }

// NewOwnLock is NewLock for a lock that belongs to one VM.
func NewOwnLock(what string, rw bool) *Lock { return &Lock{what: what, rw: rw, own: true} }

// waitFor is what a fiber waits for that wants a lock of its VM.
type waitFor struct {
	*Lock
	read bool
}

// Givers are the fibers that must all give the lock up first. Nobody is certain
// for one who wants to read beside readers: it waits for a writer that stands
// before it, which may go.
func (w waitFor) Givers() (ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer != nil {
		return []uint64{w.writer.Fiber}
	}
	if w.read {
		return nil
	}
	for _, r := range w.readers {
		ids = append(ids, r.Fiber)
	}
	return ids
}

// Holds returns how o's fiber holds the lock, nil if it does not.
func (l *Lock) Holds(o *Owner) *Owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holds(o)
}

func (l *Lock) holds(o *Owner) *Owner {
	if l.writer != nil && l.writer.is(o) {
		return l.writer
	}
	for _, r := range l.readers {
		if r.is(o) {
			return r
		}
	}
	return nil
}

// Try takes the lock for o if that needs no wait. Who waits already comes
// first.
func (l *Lock) Try(o *Owner, read bool) (g Grant, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skip()
	if _, queued := l.waits.first(); queued || !l.free(read) {
		return g, false
	}
	return l.take(o, read), true
}

// skip drops those waits at the head of the line that are over.
func (l *Lock) skip() {
	for e, ok := l.waits.first(); ok && !e.w.Open(); e, ok = l.waits.first() {
		l.waits.drop()
	}
}

func (l *Lock) free(read bool) bool {
	return l.writer == nil && (read || len(l.readers) == 0)
}

func (l *Lock) take(o *Owner, read bool) Grant {
	if read {
		l.readers = append(l.readers, o)
	} else {
		l.writer = o
	}
	g := Grant{l.died}
	l.died = nil
	return g
}

// Await takes the lock for o, now or later: w is woken with a Grant when o's
// fiber has it.
func (l *Lock) Await(w scripting.Waiter, o *Owner, read bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits.add(w, want{o, read})
	l.serve()
}

// serve gives the lock to those who are next.
func (l *Lock) serve() {
	for {
		e, ok := l.waits.first()
		if !ok || e.w.Open() && !l.free(e.with.read) {
			return
		}
		l.waits.drop()
		if e.w.Wake(Grant{l.died}) {
			l.take(e.with.by, e.with.read)
		}
	}
}

// Left is called when a wait has ended without the lock: who stood behind it
// may be next.
func (l *Lock) Left() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serve()
}

// Unlock gives up what o's fiber holds; false if it holds nothing.
func (l *Lock) Unlock(o *Owner) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.release(o) != nil
}

// Die is Unlock for a fiber that has ended. It returns what it held, nil if
// nothing; who has the lock next is told if that was for writing.
func (l *Lock) Die(o *Owner) (held *Owner, writer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	writer = l.writer != nil && l.writer.is(o)
	if writer {
		l.died = l.writer
	}
	return l.release(o), writer
}

func (l *Lock) release(o *Owner) (held *Owner) {
	if l.writer != nil && l.writer.is(o) {
		held, l.writer = l.writer, nil
	} else {
		for i, r := range l.readers {
			if r.is(o) {
				held = r
				l.readers = append(l.readers[:i], l.readers[i+1:]...)
				break
			}
		}
	}
	if held != nil {
		l.serve()
	}
	return held
}

// Holder is one of those who hold the lock, nil if nobody does.
func (l *Lock) Holder() *Owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writer != nil || len(l.readers) == 0 {
		return l.writer
	}
	return l.readers[0]
}

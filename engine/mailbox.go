package engine

import (
	"sync"
	"sync/atomic"
)

// mailbox is how other goroutines reach a loop. Posting never blocks. What is
// posted is bounded by construction: a fiber waits once, a session stands in
// each list at most once (a flag on it says so), calls and jobs come one per
// request.
type mailbox struct {
	full atomic.Bool // something is inside; read without the lock before a wait
	mu   sync.Mutex
	letters
}

// letters is the content of a mailbox.
type letters struct {
	fibers  []*Fiber   // ready to go on
	queue   []*Session // have events for this worker
	adopts  []*Session // new, to be owned by this reactor
	moves   []*Session // the same, from another loop
	ctl     []*Session // have a flag for their reactor to look at
	ends    []*Session // closed by a script elsewhere: for their worker
	water   []*Session // crossed a watermark: for their worker
	wet     []*Session // have output that others have queued: for their worker
	packets []*Packet  // for this worker
	calls   []func()   // engine work for the baton holder, no callbacks
	jobs    []job      // callbacks
}

// job is a callback to be run as a fiber of its own.
type job struct {
	root Root
	fn   func(*Fiber)
}

// post runs put under the lock and wakes the loop if it is idle.
func (l *Loop) post(put func(*letters)) {
	l.mail.mu.Lock()
	put(&l.mail.letters)
	l.mail.full.Store(true)
	l.mail.mu.Unlock()
	l.notify()
}

// postReady hands a woken fiber to its loop: straight the baton if the loop is
// idle, else a place among the ready.
func (l *Loop) postReady(f *Fiber) {
	if l.takeBaton() {
		l.pass(f)
		return
	}
	l.mail.mu.Lock()
	l.mail.fibers = append(l.mail.fibers, f)
	l.mail.full.Store(true)
	l.mail.mu.Unlock()
	l.notify()
}

// Call runs fn on the loop, between callbacks. fn must not wait. Any goroutine.
func (l *Loop) Call(fn func()) { l.post(func(m *letters) { m.calls = append(m.calls, fn) }) }

// Spawn runs fn on the loop as a fiber of its own. Any goroutine.
func (l *Loop) Spawn(root Root, fn func(*Fiber)) {
	l.post(func(m *letters) { m.jobs = append(m.jobs, job{root, fn}) })
}

// takeMail empties the mailbox into the loop's own queues. Baton holder.
//
//go:noinline
func (l *Loop) takeMail() {
	if !l.mail.full.Load() {
		return
	}
	l.mail.mu.Lock()
	got := l.mail.letters
	l.mail.letters = l.spareMail
	l.mail.full.Store(false)
	l.mail.mu.Unlock()

	for _, f := range got.fibers {
		l.ready.push(f)
	}
	for _, s := range got.adopts {
		l.adopt(s)
	}
	for _, s := range got.moves {
		l.settle(s)
	}
	for _, s := range got.ends {
		l.endByScript(s)
	}
	for _, s := range got.water {
		l.tellWater(s)
	}
	l.flushWet(got.wet)
	for _, s := range got.ctl {
		l.control(s)
	}
	for _, s := range got.queue {
		l.runq.push(s)
	}
	for _, p := range got.packets {
		l.parcels.next.push(p)
	}
	for _, fn := range got.calls {
		fn()
	}
	for _, j := range got.jobs {
		l.jobs.push(j)
	}
	l.spareMail = letters{
		fibers: reset(got.fibers), queue: reset(got.queue), adopts: reset(got.adopts), moves: reset(got.moves), ctl: reset(got.ctl),
		packets: reset(got.packets), ends: reset(got.ends), water: reset(got.water), wet: reset(got.wet), calls: reset(got.calls), jobs: reset(got.jobs),
	}
}

// reset empties a slice for reuse, unless a burst made it large.
func reset[T any](s []T) []T {
	clear(s)
	if cap(s) > 4096 {
		return nil
	}
	return s[:0]
}

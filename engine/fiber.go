package engine

import (
	"sync/atomic"
	"time"
)

// Root says what started a fiber. It decides what a drain waits for.
type Root uint8

// The roots. A drain waits for what comes from sessions, packets, tasks and
// messages; the rest is cancelled.
const (
	RootNone    Root = iota
	RootSession      // onConnect, onReceive, onClose
	RootTask         // onTask
	RootFinish       // onFinish
	RootMessage      // onPipeMessage
	RootTimer        // a timer of the script
	RootWorker       // top level, onWorkerStart, onStart…
	RootPacket       // onPacket
	RootGo           // co.go
)

var rootNames = [...]string{"idle", "session event", "task", "task result", "message", "timer", "worker event", "packet", "co.go"}

func (r Root) String() string { return rootNames[r] }

// Fiber is a goroutine that can hold a loop's baton, and the one callback it
// is running. Fibers are reused: between callbacks a fiber runs its loop or
// lies among the loop's spares.
//
// Owned by the holder of its loop's baton, except token (atomic) and result,
// which belongs to whoever won the token until the fiber runs again.
type Fiber struct {
	loop *Loop
	wake chan struct{} // cap 1: a token here is the baton

	// The callback being run.
	id      uint64
	root    Root
	session *Session // RootSession: whose event this is
	asked   asked    // RootPacket: how the packet came in
	cancel  error    // sticky: every wait fails with it at once
	killAt  int64    // a cancelled fiber that goes on past this is killed
	until   int64    // RootTask: the task's deadline; 0: none
	Data    any      // the handler's: what it needs to find its way back

	// The wait.
	token   atomic.Uint64 // sequence<<1 | open
	result  any
	err     error
	what    string // for lists of waiting fibers: "co.sleep", "server:recv"
	since   int64
	timer   Timer
	waitIdx int // place in loop.waiting; -1 when not waiting

	limit  Timer // of the callback as a whole; armed at its first wait
	branch bool  // a co.go: no callback, whatever its root

	job     func(*Fiber) // what to run at the next wake, before the loop
	jobRoot Root
	tryFunc func(uintptr) bool // f.try, made once
	tried   bool

	clocked bool  // the callback is timed, or would be
	kind    uint8 // of the callback, for the handler
	weight  uint8 // for how many its time counts; 0: for itself, as it is slow
	began   int64 // nanotime; 0: nobody has looked at the clock

	starter *Fiber // of a co.go: gets the baton back at the first wait
	quit    bool
}

// A Waiter is the right to wake one wait of one fiber. It is a value: it may
// be copied, kept and used after the wait is over, then Wake reports false.
type Waiter struct {
	f   *Fiber
	seq uint64
}

// Loop is the fiber's loop.
func (f *Fiber) Loop() *Loop { return f.loop }

// ID numbers callbacks of one loop, never reused.
func (f *Fiber) ID() uint64 { return f.id }

// Root says what started the fiber.
func (f *Fiber) Root() Root { return f.root }

// Session is the session whose event the fiber handles, or nil.
func (f *Fiber) Session() *Session { return f.session }

// Cancelled is the sticky error of a cancelled fiber, or nil.
func (f *Fiber) Cancelled() error { return f.cancel }

// begin makes f the fiber of a new callback. Baton holder only.
func (f *Fiber) begin(root Root, s *Session) {
	l := f.loop
	l.nextFiber++
	f.id, f.root, f.session = l.nextFiber, root, s
	f.cancel, f.killAt = l.closing, 0
	if f.cancel != nil {
		f.killAt = nanotime() + int64(cancelGrace)
	}
	l.roots[root]++
	if f.branch = f.starter != nil; !f.branch {
		l.newStretch()
	}
}

// Afresh gives what runs next on f a stretch of its own: what reports a
// callback that ran too long must not be stopped for the callback's time. What
// a co.go runs before its first wait stays part of its starter's stretch. Baton
// holder.
func (f *Fiber) Afresh() {
	if f.starter == nil {
		f.loop.newStretch()
	}
}

// end closes what begin opened.
func (f *Fiber) end() {
	if f.clocked {
		f.stopClock()
	}
	if f.limit.armed() {
		f.loop.timers.remove(&f.limit)
	}
	f.loop.roots[f.root]--
	f.root, f.session, f.asked, f.Data, f.until = RootNone, nil, asked{}, nil, 0
}

// Begin opens a wait and returns the right to end it. what names it in lists.
// A cancelled fiber, one fiber too many on its loop, and a script that is asked
// inline get an error at once.
// Every successful Begin must be followed by Wait. Baton holder only.
func (f *Fiber) Begin(what string) (Waiter, error) {
	if f.cancel != nil {
		return Waiter{}, f.cancel
	}
	if f.loop.inline {
		return Waiter{}, ErrCannotWait
	}
	if f.loop.full() {
		return Waiter{}, ErrTooManyFibers
	}
	seq := f.token.Load()>>1 + 1
	f.what, f.result, f.err = what, nil, nil
	f.token.Store(seq<<1 | 1)
	return Waiter{f, seq}, nil
}

// Wait parks the fiber until its Waiter is used, the time-out passes (0: none)
// or it is cancelled, and returns what the winner left. Meanwhile the loop
// goes on, and other callbacks run. Baton holder before and after.
func (f *Fiber) Wait(timeout time.Duration) (any, error) {
	l := f.loop
	if timeout > 0 {
		f.timer.fire = wakeSleeper
		f.timer.owner = f
		l.timers.add(&f.timer, nanotime()+int64(timeout))
	}
	f.since = nanotime() // not l.now: a fiber woken on an idle loop had no poll before it
	f.slow(f.since)
	if limit := l.eng.Limits().CallbackTime; limit > 0 {
		f.bound(limit)
	}
	f.waitIdx = len(l.waiting)
	l.waiting = append(l.waiting, f)
	l.mostWaiting = max(l.mostWaiting, len(l.waiting))
	l.beforePark()
	l.passOn(f)
	<-f.wake
	l.dropWaiting(f)
	if f.timer.armed() {
		l.timers.remove(&f.timer)
	}
	l.newStretch()
	v, err := f.result, f.err
	f.result, f.err = nil, nil
	return v, err
}

// bound limits the callback as a whole, from its first wait on: until then it is
// one stretch, and that has its own limit. What nobody outside waits for may wait
// as long as it likes.
func (f *Fiber) bound(limit time.Duration) {
	switch f.root {
	case RootSession, RootPacket, RootMessage, RootFinish, RootTimer:
		if !f.branch && !f.limit.armed() && f.cancel == nil {
			f.loop.SetTimer(&f.limit, f.since+int64(limit), f, func(t *Timer) { t.owner.(*Fiber).Cancel(ErrCallbackTime) })
		}
	}
}

// Yield lets everything else that is ready run first. Baton holder.
func (f *Fiber) Yield(what string) error {
	w, err := f.Begin(what)
	if err != nil {
		return err
	}
	w.wakeLocal(nil, nil)
	_, err = f.Wait(0)
	return err
}

// win takes the one right to end the wait. Any goroutine.
func (w Waiter) win() bool {
	return w.f != nil && w.f.token.CompareAndSwap(w.seq<<1|1, w.seq<<1)
}

// Wake ends the wait with v and reports whether it was this call that did:
// a value offered to a wait that is over is not lost, the caller keeps it.
// Any goroutine.
func (w Waiter) Wake(v any) bool { return w.finish(v, nil) }

// Fail ends the wait with an error. Any goroutine.
func (w Waiter) Fail(err error) bool { return w.finish(nil, err) }

func (w Waiter) finish(v any, err error) bool {
	if !w.win() {
		return false
	}
	w.f.result, w.f.err = v, err
	w.f.loop.postReady(w.f)
	return true
}

// wakeLocal is finish for the baton holder of the fiber's own loop.
func (w Waiter) wakeLocal(v any, err error) bool {
	if !w.win() {
		return false
	}
	w.f.result, w.f.err = v, err
	w.f.loop.ready.push(w.f)
	return true
}

// wakeSleeper is the timer of a wait. Baton holder.
func wakeSleeper(t *Timer) {
	f := t.owner.(*Fiber)
	f.waiter().wakeLocal(nil, ErrTimeout)
}

// waiter is the right to end the wait f is in now.
func (f *Fiber) waiter() Waiter { return Waiter{f, f.token.Load() >> 1} }

// Cancel makes the wait the fiber is in, and every later one, fail with err.
// Whatever it waited for goes on without it. Baton holder of the fiber's loop.
func (f *Fiber) Cancel(err error) {
	if f.cancel == nil {
		f.cancel = err
		f.killAt = nanotime() + int64(cancelGrace)
	}
	if f.waitIdx >= 0 {
		f.waiter().wakeLocal(nil, err)
	}
}

// cancelGrace is how long a cancelled fiber may run on, catching its errors,
// before it is stopped for good.
const cancelGrace = time.Second

// Go runs fn as a new fiber at once, until its first wait or its end, then f
// goes on. The loop makes no turn meanwhile, so all of it is one stretch: a
// fiber that only ever starts others is stopped like one that computes. Baton
// holder.
func (f *Fiber) Go(root Root, fn func(*Fiber)) error {
	l := f.loop
	if l.inline {
		return ErrCannotWait
	}
	if l.full() {
		return ErrTooManyFibers
	}
	child := l.spare()
	child.job, child.jobRoot, child.starter, child.asked = fn, root, f, f.asked
	l.starters++
	l.pass(child)
	<-f.wake
	l.starters--
	return nil
}

// full says whether another fiber on this loop would be one too many.
func (l *Loop) full() bool { return len(l.waiting)+l.starters >= l.eng.Limits().MaxFibers }

// WaitInfo describes one waiting fiber, for lists and for drains cut short.
type WaitInfo struct {
	ID      uint64
	Root    Root
	Session SessionID
	What    string
	For     time.Duration
	Ready   bool // the wait is over, the fiber is about to go on
	Data    any
	Fiber   *Fiber // for the baton holder
}

// Info describes f as a waiting fiber. Baton holder of its loop.
func (f *Fiber) Info() WaitInfo {
	w := WaitInfo{ID: f.id, Root: f.root, What: f.what, For: time.Duration(nanotime() - f.since), Ready: f.token.Load()&1 == 0, Data: f.Data, Fiber: f}
	if f.session != nil {
		w.Session = f.session.id
	}
	return w
}

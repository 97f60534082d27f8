package engine

import "time"

// The baton is the right to run a loop and to touch the VMs that live on it.
// Exactly one goroutine holds it, or nobody (the loop is idle) and then whoever
// has work takes it with one compare-and-swap. Handing it over is one channel
// send to a fiber that waits for it; all loop state lies in Loop, none on a
// goroutine's stack, so whoever gets the baton goes on where the loop stands.

const (
	running int32 = iota // somebody holds the baton
	idle                 // nobody does: take it who can
)

// takeBaton takes the baton of an idle loop. Any goroutine.
func (l *Loop) takeBaton() bool {
	if l.state.Load() == idle && l.state.CompareAndSwap(idle, running) {
		l.awake()
		return true
	}
	return false
}

// notify makes sure that what was posted is seen: a loop that runs looks again
// before it idles, an idle one is started on a spare. Any goroutine.
func (l *Loop) notify() bool {
	if !l.takeBaton() {
		return false
	}
	l.pass(l.spare())
	return true
}

// pass gives the baton away. The holder must not touch the loop afterwards
// until it has the baton again.
func (l *Loop) pass(f *Fiber) {
	l.cur = f
	f.wake <- struct{}{}
}

// spare takes an idle fiber, or makes one. Baton holder.
func (l *Loop) spare() *Fiber {
	if n := len(l.spares); n > 0 {
		f := l.spares[n-1]
		l.spares[n-1] = nil
		l.spares = l.spares[:n-1]
		return f
	}
	f := &Fiber{loop: l, wake: make(chan struct{}, 1), waitIdx: -1}
	l.goroutines.Add(1)
	go f.main()
	return f
}

// main is a fiber's goroutine: wait for the baton, run the loop.
func (f *Fiber) main() {
	l := f.loop
	defer l.goroutines.Done()
	<-f.wake
	if !f.quit {
		l.run(f)
	}
}

// passOn gives the baton to whoever is next when the holder starts to wait:
// the starter of a co.go, a fiber that is ready, a spare that runs the loop.
func (l *Loop) passOn(f *Fiber) {
	switch {
	case f.starter != nil:
		s := f.starter
		f.starter = nil
		l.pass(s)
	case l.phase == phaseReady && l.readyLeft > 0 && l.ready.len() > 0:
		l.readyLeft--
		l.pass(l.ready.pop())
	default:
		l.pass(l.spare())
	}
}

// stepAside makes the holder a spare and passes the baton to next. It reports
// false when there are spares enough: then the goroutine must end.
func (l *Loop) stepAside(f, next *Fiber) bool {
	if len(l.spares) >= l.eng.opts.MaxSpares {
		l.pass(next)
		return false
	}
	l.spares = append(l.spares, f)
	l.pass(next)
	<-f.wake
	return !f.quit
}

// rest is called with nothing left to do: it gives up the baton until there is
// something. It reports false when the goroutine must end.
//
// The order matters: state becomes idle first, then the mailbox is looked at
// once more; a poster fills the mailbox first and looks at the state then. One
// of the two always sees the other.
//
//go:noinline
func (l *Loop) rest(f *Fiber) bool {
	l.setAlarm()
	l.cur = nil
	if l.poller != nil && !l.watched {
		return l.watch(f)
	}
	keep := len(l.spares) < l.eng.opts.MaxSpares && !l.retired
	if keep {
		l.spares = append(l.spares, f)
	}
	l.state.Store(idle)
	if (l.mail.full.Load() || l.kicked.Load() || l.taskWaits()) && l.state.CompareAndSwap(idle, running) {
		if keep {
			l.dropSpare(f)
		}
		l.cur = f
		return true
	}
	if !keep {
		return false
	}
	<-f.wake
	return !f.quit
}

// watch waits for the poller; the baton may be taken meanwhile.
func (l *Loop) watch(f *Fiber) bool {
	l.watched = true
	if f.tryFunc == nil {
		f.tryFunc = f.try // once: an idle turn allocates nothing
	}
	f.tried = false
	if !l.poller.wait(f.tryFunc) {
		return false // the poller was closed: the loop has stopped
	}
	l.watched = false
	l.cur = f
	return true
}

// try is called when the wait for the poller begins, and each time events may
// have come; true ends the wait, with the baton. When events come while
// somebody else runs the loop, kicked tells them to go round again.
func (f *Fiber) try(uintptr) bool {
	l := f.loop
	if !f.tried {
		// What came between the last poll and the start of this wait would
		// not be announced again.
		f.tried = true
		if l.fetch() {
			return true
		}
		l.state.Store(idle)
		return (l.mail.full.Load() || l.kicked.Load()) && l.state.CompareAndSwap(idle, running)
	}
	l.kicked.Store(true)
	if !l.state.CompareAndSwap(idle, running) {
		return false
	}
	l.awake()
	l.kicked.Store(false)
	if l.poller != nil { // else the loop has ended meanwhile
		l.fetch()
	}
	return true
}

// setAlarm makes sure an idle loop runs when its next timer is due. An alarm
// that rings before the loop is idle finds nobody to wake: kicked keeps it.
func (l *Loop) setAlarm() {
	due := l.timers.next()
	if due == 0 {
		return
	}
	now := nanotime()
	if l.alarmAt > now && l.alarmAt <= due {
		return // wakes early enough; a wake too early is only a turn
	}
	l.alarmAt = due
	d := time.Duration(max(due-now, 0))
	if l.alarm == nil {
		l.alarm = time.AfterFunc(d, func() {
			l.kicked.Store(true)
			l.notify()
		})
	} else {
		l.alarm.Reset(d)
	}
}

func (l *Loop) dropSpare(f *Fiber) {
	for i := len(l.spares) - 1; i >= 0; i-- {
		if l.spares[i] == f {
			last := len(l.spares) - 1
			l.spares[i], l.spares[last] = l.spares[last], nil
			l.spares = l.spares[:last]
			return
		}
	}
}

func (l *Loop) dropWaiting(f *Fiber) {
	last := len(l.waiting) - 1
	moved := l.waiting[last]
	l.waiting[f.waitIdx] = moved
	moved.waitIdx = f.waitIdx
	l.waiting[last] = nil
	l.waiting = l.waiting[:last]
	f.waitIdx = -1
}

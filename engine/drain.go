package engine

import (
	"fmt"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// A drain: stop accepting, stop reading, handle what was read, finish the
// tasks, close the sessions, flush. It runs on a goroutine of its own and asks
// the loops; a loop that does not answer is one that a script holds.

const (
	drainLook  = 2 * time.Millisecond
	drainGrace = 500 * time.Millisecond // for cancelled fibers to come to an end
)

// Drain stops the server's traffic and waits at most DrainTime for what is
// under way. It returns a line for everything that it had to cut short.
// on is called with a line of progress when there is something to wait for.
func (e *Engine) Drain(on func(string)) (cut []string) {
	e.draining.Store(true)
	deadline := time.Now().Add(e.opts.DrainTime)
	for _, ln := range e.listeners {
		ln.close()
	}
	for _, l := range e.reactors {
		e.ask(l, deadline, l.stopReading)
	}
	for _, l := range e.workers {
		e.ask(l, deadline, l.failReceivers)
	}
	told := false
	for quiet := 0; quiet < 2; {
		if e.underWay(deadline) == 0 {
			quiet++
			continue
		}
		quiet = 0
		if time.Now().After(deadline) {
			cut = e.cutShort()
			break
		}
		if !told {
			told = true
			on(fmt.Sprintf("waiting up to %v for %d callbacks and tasks", e.opts.DrainTime, e.underWay(deadline)))
		}
		time.Sleep(drainLook)
	}
	for _, s := range e.Sessions(0, 0) {
		s.Close(ShutdownReason, false)
	}
	closing := time.Now().Add(max(time.Until(deadline), drainGrace))
	for e.open.Load() > 0 && time.Now().Before(closing) {
		time.Sleep(drainLook)
	}
	if n := e.open.Load(); n > 0 {
		for _, s := range e.Sessions(0, 0) {
			i := s.Info()
			cut = append(cut, fmt.Sprintf("session %d: not closed in time, %d bytes unsent", s.id, i.SendQueued))
		}
	}
	return cut
}

// ask runs fn on the loop and waits for it; false if the loop did not answer.
func (e *Engine) ask(l *Loop, deadline time.Time, fn func()) bool {
	done := make(chan struct{})
	l.Call(func() { fn(); close(done) })
	timer := time.NewTimer(max(time.Until(deadline), 10*time.Millisecond))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func (l *Loop) stopReading() {
	for _, s := range l.slots {
		if s == nil {
			continue
		}
		s.lockIn()
		s.pause |= pauseDrain
		s.unlockIn()
		s.mu.Lock()
		l.setInterest(s)
		s.mu.Unlock()
	}
	l.handOff()
}

// failReceivers ends the waits for messages that will not come any more.
func (l *Loop) failReceivers() {
	var hit []*Fiber
	for _, f := range l.waiting {
		if f.what == "server:recv" {
			hit = append(hit, f)
		}
	}
	for _, f := range hit {
		f.waiter().wakeLocal(nil, ErrShutdown)
	}
}

// underWay counts what a drain waits for.
func (e *Engine) underWay(deadline time.Time) int {
	n := int(e.pool.flying.Load())
	for _, l := range e.loops {
		var here int
		if !e.ask(l, deadline, func() { here = l.pendingWork() }) {
			here = 1 // a script holds it
		}
		n += here
	}
	return n
}

// pendingWork counts events, results and their callbacks on this loop.
func (l *Loop) pendingWork() int {
	n := l.runq.len() + l.ready.len() + l.roots[RootSession] + l.roots[RootTask] + l.roots[RootFinish]
	for _, list := range l.batch {
		n += len(list)
	}
	return n
}

// cutShort cancels what a drain can no longer wait for, and names it.
func (e *Engine) cutShort() (cut []string) {
	soon := time.Now().Add(50 * time.Millisecond)
	for _, l := range e.loops {
		answered := e.ask(l, soon, func() {
			for _, w := range l.Waiting() {
				if w.Root == RootSession || w.Root == RootTask || w.Root == RootFinish {
					cut = append(cut, fmt.Sprintf("%s, waiting in %s for %v%s", e.handlerName(w), w.What, w.For.Round(time.Millisecond), ofSession(w.Session)))
				}
			}
			if n := l.runq.len(); n > 0 {
				cut = append(cut, fmt.Sprintf("worker %d: messages of %d sessions not handled", l.id, n))
			}
			l.CancelIf(ErrShutdown, func(f *Fiber) bool { return true })
		})
		if !answered {
			cut = append(cut, fmt.Sprintf("worker %d: a callback that computes without a wait", l.id))
			l.killed.Store(l.stretch.Load())
			l.Interrupt.Or(interruptStop)
		}
	}
	if n := e.pool.queued.Load(); n > 0 {
		cut = append(cut, fmt.Sprintf("%d queued tasks not run", n))
	}
	end := time.Now().Add(drainGrace)
	for time.Now().Before(end) && e.inFlight(end) > 0 {
		time.Sleep(drainLook)
	}
	sort.Strings(cut)
	return cut
}

func (e *Engine) inFlight(deadline time.Time) (n int) {
	for _, l := range e.loops {
		e.ask(l, deadline, func() { n += l.roots[RootSession] + l.roots[RootTask] + l.roots[RootFinish] })
	}
	return n
}

func (e *Engine) handlerName(w WaitInfo) string {
	if n, ok := w.Data.(interface{ Where() string }); ok {
		return n.Where()
	}
	return w.Root.String()
}

func ofSession(id SessionID) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(" (session %d)", id)
}

// Stop cancels every fiber that still waits and ends the loops. It reports how
// many fibers did not come to an end.
func (e *Engine) Stop() (left int) {
	e.draining.Store(true)
	for _, ln := range e.listeners {
		ln.close()
	}
	end := time.Now().Add(drainGrace)
	for _, l := range e.loops {
		for {
			n := -1
			e.ask(l, end, func() {
				l.CancelIf(ErrShutdown, func(*Fiber) bool { return true })
				n = len(l.waiting) + l.ready.len() + l.starters
			})
			if n == 0 {
				break
			}
			if time.Now().After(end) {
				left += max(n, 1)
				break
			}
			time.Sleep(drainLook)
		}
	}
	for _, l := range e.reactors {
		e.ask(l, end.Add(drainGrace), l.closeAll)
	}
	for _, l := range e.loops {
		l.stop()
	}
	close(e.stopped)
	e.background.Wait()
	if left == 0 {
		for _, l := range e.loops {
			l.goroutines.Wait()
		}
	}
	return left
}

// closeAll closes every socket that is left.
func (l *Loop) closeAll() {
	for _, s := range l.slots {
		if s != nil {
			s.mu.Lock()
			l.closeFD(s)
			s.mu.Unlock()
		}
	}
}

// outqueue is how many bytes the peer's kernel has not acknowledged.
func outqueue(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

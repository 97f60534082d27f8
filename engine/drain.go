package engine

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A drain: stop accepting, stop reading, handle what was read, finish the
// tasks, close the sessions, flush. It runs on a goroutine of its own and asks
// the loops; a loop that does not answer is one that a script holds.

const (
	drainLook  = 2 * time.Millisecond
	drainGrace = 3 * time.Second       // for cancelled fibers to come to an end
	closeGrace = time.Second           // for sessions to close
	minAsk     = 10 * time.Millisecond // a loop gets at least this long to answer
	cutAsk     = time.Second           // and so long to say what is cut short there
)

// Drain stops the server's traffic and waits at most DrainTime for what is
// under way. It returns a line for everything that it had to cut short.
// on is called with a line of progress when there is something to wait for.
func (e *Engine) Drain(on func(string)) (cut []string) {
	e.draining.Store(true)
	deadline := time.Now().Add(e.Limits().DrainTime)
	e.closePorts()
	if n := e.pool.close(); n > 0 {
		e.log.Warn("tasks that were to run later are dropped", "tasks", n)
	}
	ask(e.roster.Load().all, deadline, (*Loop).stopReading)
	ask(e.roster.Load().all, deadline, (*Loop).failReceivers)
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
			on(fmt.Sprintf("waiting up to %v for %d callbacks and tasks", e.Limits().DrainTime, e.underWay(deadline)))
		}
		time.Sleep(drainLook)
	}
	for _, s := range e.Sessions(0, 0) {
		s.Close(ShutdownReason, false)
	}
	closing := time.Now().Add(max(time.Until(deadline), closeGrace))
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

// ask runs fn on each of the loops, all at once and so at the same time, and
// waits for them. It returns the loops that did not answer: those a script
// holds. On these fn will not run any more, so what it writes is the caller's.
func ask(loops []*Loop, deadline time.Time, fn func(*Loop)) (silent []*Loop) {
	type call struct {
		begun atomic.Bool // by the loop, or by us so that the loop leaves it
		done  chan struct{}
	}
	calls := make([]call, len(loops))
	for i, l := range loops {
		c := &calls[i]
		c.done = make(chan struct{})
		l.Call(func() {
			if c.begun.CompareAndSwap(false, true) {
				fn(l)
				close(c.done)
			}
		})
	}
	timer := time.NewTimer(max(time.Until(deadline), minAsk))
	defer timer.Stop()
	var late bool
	for i, l := range loops {
		c := &calls[i]
		if !late {
			select {
			case <-c.done:
				continue
			case <-timer.C:
				late = true
			}
		}
		if c.begun.CompareAndSwap(false, true) {
			silent = append(silent, l)
		} else {
			<-c.done
		}
	}
	return silent
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
		if s.rare().linger != nil {
			l.lingerFrom(s, nanotime()) // what is closing already has less time now
		}
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
	var pending atomic.Int64
	silent := ask(e.roster.Load().all, deadline, func(l *Loop) { pending.Add(int64(l.pendingWork())) })
	return n + int(pending.Load()) + len(silent)
}

// pendingWork counts events, results and their callbacks on this loop.
func (l *Loop) pendingWork() int {
	n := l.runq.len() + l.ready.len() + l.jobs.len() + l.roots[RootSession] + l.roots[RootTask] + l.roots[RootFinish] +
		l.roots[RootPacket] + int(l.messages.Load()) + int(l.parcels.queued.Load())
	for _, list := range l.batch {
		n += len(list)
	}
	return n
}

// cutShort cancels what a drain can no longer wait for, and names it.
func (e *Engine) cutShort() (cut []string) {
	e.pool.halted.Store(true)
	var mu sync.Mutex
	silent := ask(e.roster.Load().all, time.Now().Add(cutAsk), func(l *Loop) {
		mu.Lock()
		defer mu.Unlock()
		for _, w := range l.Waiting() {
			if w.Root == RootSession || w.Root == RootPacket || w.Root == RootTask || w.Root == RootFinish || w.Root == RootMessage {
				cut = append(cut, fmt.Sprintf("%s, waiting in %s for %v%s", e.handlerName(w), w.What, w.For.Round(time.Millisecond), ofSession(w.Session)))
			}
		}
		if n := l.runq.len(); n > 0 {
			cut = append(cut, fmt.Sprintf("worker %d: messages of %d sessions not handled", l.ID(), n))
		}
		if n := l.parcels.queued.Load(); n > 0 {
			cut = append(cut, fmt.Sprintf("worker %d: %d packets not handled", l.ID(), n))
		}
		l.CancelIf(ErrShutdown, func(f *Fiber) bool { return true })
	})
	for _, l := range silent {
		cut = append(cut, fmt.Sprintf("worker %d: a callback that computes without a wait", l.ID()))
		l.killedFor.Store(ErrShutdown)
		l.killed.Store(l.stretch.Load())
		l.Interrupt.Or(interruptStop)
	}
	if n := e.pool.queued.Load(); n > 0 {
		what := "tasks"
		if n == 1 {
			what = "task"
		}
		cut = append(cut, fmt.Sprintf("%d queued %s not run", n, what))
	}
	end := time.Now().Add(drainGrace)
	for time.Now().Before(end) && e.inFlight(end) > 0 {
		time.Sleep(drainLook)
	}
	sort.Strings(cut)
	return cut
}

func (e *Engine) inFlight(deadline time.Time) int {
	var n atomic.Int64
	silent := ask(e.roster.Load().all, deadline, func(l *Loop) {
		n.Add(int64(l.roots[RootSession] + l.roots[RootPacket] + l.roots[RootTask] + l.roots[RootFinish] + l.roots[RootMessage]))
	})
	return int(n.Load()) + len(silent)
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
	e.closePorts()
	end := time.Now().Add(drainGrace)
	for {
		var n atomic.Int64
		silent := ask(e.roster.Load().all, end, func(l *Loop) {
			l.closing = ErrShutdown // who begins now cannot wait
			l.CancelIf(ErrShutdown, func(*Fiber) bool { return true })
			n.Add(int64(len(l.waiting) + l.starters))
		})
		left = int(n.Load()) + len(silent)
		if left == 0 || time.Now().After(end) {
			break
		}
		time.Sleep(drainLook)
	}
	ask(e.roster.Load().all, end.Add(drainGrace), (*Loop).closeAll)
	for _, l := range e.roster.Load().all {
		l.stop()
	}
	for _, p := range e.Ports() {
		p.release()
	}
	e.pool.stop()
	close(e.stopped)
	e.background.Wait()
	if left == 0 {
		for _, l := range e.roster.Load().all {
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

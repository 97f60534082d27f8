package engine

import (
	"runtime"
	"time"
)

// What the watchdog can ask of a running script, as bits of Loop.Interrupt.
const (
	interruptFlush uint32 = 1 << iota // write the output of this turn now
	interruptStop                     // the stretch in Loop.killed has run too long
)

// flushStretch is how long a stretch may hold back the output of its turn.
const flushStretch = 2 * time.Millisecond

// flushAgain is how often a stretch that goes on is interrupted after that.
const flushAgain = 20 * time.Millisecond

// watchGap is how long after a look the next one may come and all the time
// between count as run.
const watchGap = 50 * time.Millisecond

// sight is what the watchdog has seen of a loop. The watchdog's.
type sight struct {
	stretch uint64
	since   int64
	again   time.Duration // when to interrupt next
}

// watchdog looks at every loop about each flushStretch and interrupts scripts
// that run on without a wait. It sleeps while all loops rest.
func (e *Engine) watchdog(tick *ticker) {
	defer e.background.Done()
	defer tick.close()
	memory := newMemoryWatch()
	tick.every(flushStretch)
	last := nanotime()
	for calm := 0; ; {
		tick.wait()
		if calm++; calm > dozeAfter {
			tick.every(0)
			if !e.doze() {
				return
			}
			tick.every(flushStretch)
			calm, last = 0, nanotime()
		}
		select {
		case <-e.stopped:
			return
		default:
		}
		now := nanotime()
		// Where the watchdog did not run, the others hardly did: a process or a
		// machine that was stopped has not computed.
		absent := max(0, now-last-int64(watchGap))
		last = now
		e.processors.Store(int32(runtime.GOMAXPROCS(0))) // it follows the limits of a container
		loops, limits := e.roster.Load().all, e.Limits()
		for _, l := range loops {
			s := &l.seen
			stretch := l.stretch.Load()
			if l.state.Load() != idle {
				calm = 0
			}
			if l.state.Load() == idle || s.stretch != stretch {
				*s = sight{stretch: stretch, since: now, again: flushStretch}
				continue
			}
			s.since += absent
			ran := time.Duration(now - s.since)
			if ran >= s.again {
				s.again = ran + flushAgain
				l.Interrupt.Or(interruptFlush)
			}
			limit := limits.MaxStretch
			if l.IsTask() {
				limit = limits.TaskStretch
			}
			if limit > 0 && ran >= limit {
				l.stopStretch(stretch, ErrTimeLimit)
			}
		}
		e.tellNoIdle()
		if memory.over(limits.MemoryLimit, now) {
			var longest *Loop
			for _, l := range loops {
				if l.state.Load() != idle && (longest == nil || l.seen.since < longest.seen.since) {
					longest = l
				}
			}
			if longest != nil {
				longest.stopStretch(longest.seen.stretch, ErrMemoryLimit)
			}
			if e.memoryLog.allow() {
				e.log.Error("memory_limit is reached", "limit", limits.MemoryLimit, "sessions", e.open.Load())
			}
		}
	}
}

// stopStretch stops the given stretch of a script for the given reason, if it
// still runs when it next looks.
func (l *Loop) stopStretch(stretch uint64, reason *Errno) {
	l.killedFor.Store(reason)
	l.killed.Store(stretch)
	l.Interrupt.Or(interruptStop)
}

// dozeAfter is how many looks in a row must find every loop at rest before the
// watchdog goes to sleep itself.
const dozeAfter = 50

// doze sleeps until a loop runs again. It reports false when the engine stops.
func (e *Engine) doze() bool {
	e.dozing.Store(true)
	for _, l := range e.roster.Load().all {
		if l.state.Load() != idle {
			e.dozing.Store(false)
			return true
		}
	}
	select {
	case <-e.roused:
		return true
	case <-e.stopped:
		return false
	}
}

// awake is called by whoever has just taken the baton of an idle loop. Either
// it sees the watchdog dozing, or the watchdog sees the loop running.
func (l *Loop) awake() {
	if e := l.eng; e.dozing.Load() && e.dozing.CompareAndSwap(true, false) {
		select {
		case e.roused <- struct{}{}:
		default: // one is on its way
		}
	}
}

// Interrupted is what a script calls when it sees Interrupt set. It returns
// ErrTimeLimit or ErrMemoryLimit when the running stretch must end, or the sticky error of a
// cancelled fiber that goes on past its grace. Baton holder.
func (l *Loop) Interrupted() error {
	bits := l.Interrupt.Swap(0)
	if bits&interruptFlush != 0 {
		l.flushDirty()
		l.takeWet()
		if l.cur != nil {
			l.cur.slow(nanotime() - int64(flushStretch))
		}
		l.handOff()
		if f := l.cur; f != nil {
			f.overdue()
			if f.cancel != nil && nanotime() > f.killAt {
				return f.cancel
			}
		}
	}
	if bits&interruptStop != 0 && l.killed.Load() == l.stretch.Load() {
		return l.killedFor.Load()
	}
	return nil
}

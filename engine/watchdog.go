package engine

import "time"

// What the watchdog can ask of a running script, as bits of Loop.Interrupt.
const (
	interruptFlush uint32 = 1 << iota // write the output of this turn now
	interruptStop                     // the stretch in Loop.killed has run too long
)

// flushStretch is how long a stretch may hold back the output of its turn.
const flushStretch = 2 * time.Millisecond

// flushAgain is how often a stretch that goes on is interrupted after that.
const flushAgain = 20 * time.Millisecond

// watchdog looks at every loop about each flushStretch and interrupts scripts
// that run on without a wait. It sleeps while all loops rest.
func (e *Engine) watchdog() {
	defer e.background.Done()
	type sight struct {
		stretch uint64
		since   int64
		again   time.Duration // when to interrupt next
	}
	seen := make([]sight, len(e.loops))
	tick := time.NewTicker(flushStretch)
	defer tick.Stop()
	for {
		select {
		case <-e.stopped:
			return
		case <-tick.C:
		}
		now := nanotime()
		for i, l := range e.loops {
			s := &seen[i]
			stretch := l.stretch.Load()
			if l.state.Load() == idle || s.stretch != stretch {
				*s = sight{stretch: stretch, since: now, again: flushStretch}
				continue
			}
			ran := time.Duration(now - s.since)
			if ran >= s.again {
				s.again = ran + flushAgain
				l.Interrupt.Or(interruptFlush)
			}
			if l.limit > 0 && ran >= l.limit {
				l.killed.Store(stretch)
				l.Interrupt.Or(interruptStop)
			}
		}
	}
}

// Interrupted is what a script calls when it sees Interrupt set. It returns
// ErrTimeLimit when the running stretch must end, or the sticky error of a
// cancelled fiber that goes on past its grace. Baton holder.
func (l *Loop) Interrupted() error {
	bits := l.Interrupt.Swap(0)
	if bits&interruptFlush != 0 {
		l.flushDirty()
		l.handOff()
		if f := l.cur; f != nil && f.cancel != nil && nanotime() > f.killAt {
			return f.cancel
		}
	}
	if bits&interruptStop != 0 && l.killed.Load() == l.stretch.Load() {
		return ErrTimeLimit
	}
	return nil
}

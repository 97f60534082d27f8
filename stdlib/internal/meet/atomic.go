package meet

import (
	"sync"
	"sync/atomic"

	"swoon/scripting"
)

// Atomic is a number that several VMs change at once: unsigned with 32 bits,
// where sums wrap around, or signed with 64, kept within what a Lua number
// holds exactly. Any goroutine.
type Atomic struct {
	what  string
	wide  bool
	v     atomic.Int64 // never outside the range
	mu    sync.Mutex   // for waits, and for the change that ends one
	waits line[struct{}]
}

// MaxExact is the largest integer up to which a Lua number holds all.
const MaxExact = 1 << 53

// NewAtomic makes one; what is its name in lists of waiting fibers.
func NewAtomic(what string, wide bool, v int64) *Atomic {
	a := &Atomic{what: what, wide: wide}
	a.v.Store(v)
	return a
}

// Wide reports whether it has 64 bits.
func (a *Atomic) Wide() bool { return a.wide }

// Fits reports whether v is in the range.
func (a *Atomic) Fits(v float64) bool {
	if v != float64(int64(v)) {
		return false
	}
	if a.wide {
		return v >= -MaxExact && v <= MaxExact
	}
	return v >= 0 && v < 1<<32
}

// Get is the value.
func (a *Atomic) Get() int64 { return a.v.Load() }

// Set stores v, which Fits.
func (a *Atomic) Set(v int64) { a.v.Store(v) }

// Add adds n, at most MaxExact either way, and returns the sum; ok is false when
// it would be out of range, and nothing was changed.
func (a *Atomic) Add(n int64) (sum int64, ok bool) {
	for {
		old := a.v.Load()
		sum = old + n
		if !a.wide {
			sum = int64(uint32(sum))
		} else if sum > MaxExact || sum < -MaxExact {
			return old, false
		}
		if a.v.CompareAndSwap(old, sum) {
			return sum, true
		}
	}
}

// CompareAndSet stores v if the value is old.
func (a *Atomic) CompareAndSet(old, v int64) bool { return a.v.CompareAndSwap(old, v) }

// Await is for a fiber that waits for Wakeup: w is woken with true when the
// value was 1, which becomes 0, or when Wakeup is called; with false when the
// value is another than 0 or 1.
func (a *Atomic) Await(w scripting.Waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.v.CompareAndSwap(1, 0):
		w.Wake(true) // nobody else has it yet
	case a.v.Load() == 0:
		a.waits.add(w, struct{}{})
	default:
		w.Wake(false)
	}
}

// TryWait takes a 1 without a wait; open says that a wait would make sense.
func (a *Atomic) TryWait() (ok, open bool) {
	if a.v.CompareAndSwap(1, 0) {
		return true, true
	}
	return false, a.v.Load() == 0
}

// Wakeup wakes up to n fibers; where none waits, the next one that would wait
// does not: a value of 0 becomes 1. It returns how many woke.
func (a *Atomic) Wakeup(n int) (woken int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for woken < n {
		e, ok := a.waits.first()
		if !ok {
			break
		}
		a.waits.drop()
		if e.w.Wake(true) {
			woken++
		}
	}
	if woken == 0 {
		a.v.CompareAndSwap(0, 1)
	}
	return woken
}

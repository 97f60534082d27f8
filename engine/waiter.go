package engine

// Open reports whether the wait goes on: nobody has used the right to end it
// yet. It may change at any moment; only Wake decides. Any goroutine.
func (w Waiter) Open() bool { return w.f != nil && w.f.token.Load() == w.seq<<1|1 }

// NewFiberID takes the next number of a fiber, for one that starts later. Baton
// holder.
func (l *Loop) NewFiberID() uint64 {
	l.nextFiber++
	return l.nextFiber
}

// SetID gives the callback that f runs a number from NewFiberID. Baton holder.
func (f *Fiber) SetID(id uint64) { f.id = id }

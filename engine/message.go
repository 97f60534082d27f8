package engine

// Message runs fn on the loop as a fiber of its own, as the handling of a
// message from another loop. Messages that one goroutine sends to one loop begin
// in that order. A message counts until fn has returned: when MessageQueue of
// them have come and not been handled, ErrMailboxFull is returned and nothing is
// sent. Any goroutine.
func (l *Loop) Message(fn func(*Fiber)) error {
	if l.messages.Add(1) > int64(l.eng.Limits().MessageQueue) {
		l.messages.Add(-1)
		return ErrMailboxFull
	}
	l.Spawn(RootMessage, func(f *Fiber) {
		defer l.messages.Add(-1)
		fn(f)
	})
	return nil
}

// Messages is how many messages the loop has not handled yet. Any goroutine.
func (l *Loop) Messages() int { return int(l.messages.Load()) }

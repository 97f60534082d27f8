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
	l.deliverMessage(l, fn)
	return nil
}

// deliverMessage runs fn on to, or on its heir if it has left when the message's
// turn comes: then nobody else has what was said to it.
func (l *Loop) deliverMessage(to *Loop, fn func(*Fiber)) {
	to.Spawn(RootMessage, func(f *Fiber) {
		if to.leaving {
			l.deliverMessage(l.eng.heir(l.idx), fn)
			return
		}
		defer l.messages.Add(-1)
		fn(f)
	})
}

// Messages is how many messages the loop has not handled yet. Any goroutine.
func (l *Loop) Messages() int { return int(l.messages.Load()) }

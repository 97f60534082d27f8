package engine

// Inline is a stay in a script that the engine asks something in the middle of
// its own work, such as how long a message is. What is asked cannot wait: the
// rest of a read lies in the loop meanwhile. A value, of one use:
//
//	in := l.Inline(s)
//	defer in.End()
type Inline struct {
	f       *Fiber
	id      uint64
	root    Root
	session *Session
	asked   asked
	cancel  error
	data    any
}

// Inline begins such a stay, for s, as the fiber that Current tells. What it
// was doing is kept until End. Baton holder.
func (l *Loop) Inline(s *Session) Inline {
	f := l.cur
	in := Inline{f, f.id, f.root, f.session, f.asked, f.cancel, f.Data}
	l.nextFiber++
	f.id, f.root, f.session, f.asked, f.cancel, f.Data = l.nextFiber, RootSession, s, asked{}, nil, nil
	l.inline = true
	f.Afresh()
	return in
}

// End is deferred: a panic is recovered, and reported as one of a callback.
func (in *Inline) End() {
	f := in.f
	l := f.loop
	if p := recover(); p != nil {
		l.panicked(f, p)
	}
	l.inline = false
	f.id, f.root, f.session, f.asked, f.cancel, f.Data = in.id, in.root, in.session, in.asked, in.cancel, in.data
}

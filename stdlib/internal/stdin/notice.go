package stdin

// A Notice is the wish to be told when there is input that has not been seen.
// Any goroutine.
type Notice struct {
	x    *Reader
	seen uint64
	tell func()
}

// State counts the lines that came and the lines that were taken. Input that
// somebody has been told of, and that is as it was, is not told of again.
func (x *Reader) State() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changes
}

// Notify has tell called once, on a goroutine of its own or this one, when there
// is a line that nobody has taken, or the end of the input, and the state is not
// seen (0: none was). Such a wish has a line read ahead.
func (x *Reader) Notify(seen uint64, tell func()) *Notice {
	n := &Notice{x, seen, tell}
	x.mu.Lock()
	if !x.tells(n) {
		x.notices = append(x.notices, n)
		x.wake()
		x.mu.Unlock()
		return n
	}
	x.mu.Unlock()
	tell()
	return n
}

// Cancel takes the wish back.
func (n *Notice) Cancel() {
	x := n.x
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, m := range x.notices {
		if m == n {
			x.notices = append(x.notices[:i], x.notices[i+1:]...)
			return
		}
	}
}

// tells says whether there is something to be told. Under mu.
func (x *Reader) tells(n *Notice) bool {
	return (len(x.lines) > 0 || x.ended) && x.changes != n.seen
}

// changed counts a change, and takes those out who are to be told: the caller
// calls what it returns when it has given up mu. Under mu.
func (x *Reader) changed() (tell []func()) {
	x.changes++
	kept := x.notices[:0]
	for _, n := range x.notices {
		if x.tells(n) {
			tell = append(tell, n.tell)
		} else {
			kept = append(kept, n)
		}
	}
	clear(x.notices[len(kept):])
	x.notices = kept
	return tell
}

// wake starts the goroutine that reads, or has it look again. Under mu.
func (x *Reader) wake() {
	if !x.started && !x.ended {
		x.started = true
		go x.read()
	}
	x.more.Signal()
}

// wanted says whether a line should be read. Under mu.
func (x *Reader) wanted() bool {
	return len(x.waiters) > 0 || len(x.notices) > 0 && len(x.lines) == 0
}

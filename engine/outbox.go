package engine

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkSize = 16 << 10
	flushAt   = 64 << 10 // a session with more is flushed within the turn
	maxIovecs = 64
)

type chunk struct {
	n    int // bytes filled
	data [chunkSize]byte
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// outbox holds what the kernel has not taken yet. One message of a turn is
// kept by reference, so that the common reply is never copied; a second one,
// and whatever a slow peer leaves, is copied into chunks, so that a short
// piece of a long string never holds the long string for long.
//
// Under the session's mu.
type outbox struct {
	bytes   int
	one     string
	chunks  []*chunk
	head    int // sent bytes of chunks[0]
	senders []sender
}

// sender is a callback that waits for room in its own session's outbox.
type sender struct {
	w    Waiter
	need int
}

func (o *outbox) queue(data string) {
	if o.bytes == 0 {
		o.one, o.bytes = data, len(data)
		return
	}
	if o.one != "" {
		one := o.one
		o.one = ""
		o.copyIn(one)
	}
	o.copyIn(data)
	o.bytes += len(data)
}

func (o *outbox) copyIn(data string) {
	for len(data) > 0 {
		last := len(o.chunks) - 1
		if last < 0 || o.chunks[last].n == chunkSize {
			c := chunks.Get().(*chunk)
			c.n = 0
			o.chunks = append(o.chunks, c)
			last++
		}
		c := o.chunks[last]
		n := copy(c.data[c.n:], data)
		c.n += n
		data = data[n:]
	}
}

// sent forgets the first n bytes of the chunks.
func (o *outbox) sent(n int) {
	o.bytes -= n
	drop := 0
	for n > 0 {
		c := o.chunks[drop]
		if rest := c.n - o.head; n < rest {
			o.head += n
			break
		} else {
			n -= rest
		}
		chunks.Put(c)
		o.chunks[drop] = nil
		o.head = 0
		drop++
	}
	if drop == len(o.chunks) {
		o.chunks = nil
	} else if drop > 0 {
		o.chunks = append(o.chunks[:0], o.chunks[drop:]...)
	}
}

func (o *outbox) discard() {
	for _, c := range o.chunks {
		chunks.Put(c)
	}
	o.chunks, o.head, o.one, o.bytes = nil, 0, "", 0
}

// send queues data and sees to it that it leaves: at the end of the turn when
// the session's own worker sends, at once when anybody else does.
func (s *Session) send(from *Loop, data string) error {
	if len(data) == 0 {
		return ErrEmpty
	}
	opts := s.port.opts.Load()
	limit := opts.OutboxBytes
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open {
		if s.state == closed {
			return ErrClosed
		}
		return ErrClosing
	}
	if len(data) > limit {
		return ErrTooLarge
	}
	if s.out.bytes+len(data) > limit {
		return ErrOutboxFull
	}
	s.out.queue(data)
	if from != nil {
		from.count.sends++
		from.count.sentBytes += uint64(len(data))
	}
	if s.out.bytes >= opts.HighWater {
		s.setFull(true)
	}
	if from == s.worker.Load() {
		if !s.dirty {
			s.dirty = true
			from.dirty = append(from.dirty, s)
		}
		if s.out.bytes < flushAt {
			return nil
		}
	}
	s.flush()
	return nil
}

// Send queues data for the session, from the fiber that holds the baton. A
// callback that sends to its own session waits while the outbox is full; to
// any other session it fails at once.
func (f *Fiber) Send(s *Session, data string) error {
	for {
		err := s.send(f.loop, data)
		if err != ErrOutboxFull || f.session != s {
			return err
		}
		w, err := f.Begin("server:send")
		if err != nil {
			return err
		}
		if !s.awaitRoom(w, len(data)) {
			w.wakeLocal(nil, nil)
		}
		if _, err := f.Wait(0); err != nil {
			return err
		}
	}
}

// awaitRoom registers w to be woken when need bytes fit. It reports false when
// there is no need to wait.
func (s *Session) awaitRoom(w Waiter, need int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.out.bytes+need <= s.port.opts.Load().OutboxBytes {
		return false
	}
	s.out.senders = append(s.out.senders, sender{w, need})
	return true
}

// flush writes what the kernel takes. Under mu; any goroutine.
func (s *Session) flush() {
	o := &s.out
	if s.blocked || s.fd < 0 {
		return
	}
	for o.bytes > 0 {
		var n int
		var err error
		if o.one != "" {
			var errno unix.Errno
			n, errno = transmit(s.fd, unsafe.StringData(o.one), len(o.one))
			switch {
			case errno == 0 && n == len(o.one):
				o.one, o.bytes = "", 0
				continue
			case errno == 0:
				rest := o.one[n:]
				o.one, o.bytes = "", len(rest)
				o.copyIn(rest)
				continue
			case errno == unix.EAGAIN:
				rest := o.one
				o.one = ""
				o.copyIn(rest)
			}
			if errno != 0 {
				err = errno
			}
		} else if n, err = s.writeChunks(); err == nil {
			o.sent(n)
			continue
		}
		if err == unix.EAGAIN {
			s.blocked = true
			s.tellReactor()
			break
		}
		reason := lostReason(s.fd, err, WriteError)
		if err == unix.EPIPE { // the peer was done before it refused our bytes
			reason = ClientClosed
		}
		s.breakOff(reason)
		return
	}
	if s.full && o.bytes <= s.port.opts.Load().LowWater {
		s.setFull(false)
	}
	s.wakeSenders()
}

// setFull notes that a watermark was crossed and tells the worker. Under mu.
func (s *Session) setFull(full bool) {
	if s.full == full || s.eng.water == nil {
		return
	}
	s.full = full
	if !s.wetPosted {
		s.wetPosted = true
		s.worker.Load().post(func(m *letters) { m.water = append(m.water, s) })
	}
}

// writeChunks writes the chunks with one system call.
func (s *Session) writeChunks() (int, error) {
	o := &s.out
	if len(o.chunks) == 1 {
		c := o.chunks[0]
		n, errno := transmit(s.fd, &c.data[o.head], c.n-o.head)
		if errno != 0 {
			return 0, errno
		}
		return n, nil
	}
	var vec [maxIovecs][]byte
	n := min(len(o.chunks), maxIovecs)
	for i := range n {
		from := 0
		if i == 0 {
			from = o.head
		}
		vec[i] = o.chunks[i].data[from:o.chunks[i].n]
	}
	for {
		w, err := unix.Writev(s.fd, vec[:n])
		if err != unix.EINTR {
			return w, err
		}
	}
}

// wakeSenders lets those go on for whom there is room now. Under mu.
func (s *Session) wakeSenders() {
	for len(s.out.senders) > 0 {
		first := s.out.senders[0]
		if s.state == open && s.out.bytes+first.need > s.port.opts.Load().OutboxBytes {
			return
		}
		s.out.senders = s.out.senders[1:]
		if s.state == open {
			first.w.Wake(nil)
		} else {
			first.w.Fail(ErrClosed)
		}
	}
	s.out.senders = nil
}

// flushDirty writes the output of this turn. Baton holder.
func (l *Loop) flushDirty() {
	for i, s := range l.dirty {
		s.mu.Lock()
		s.dirty = false
		s.flush()
		s.mu.Unlock()
		l.dirty[i] = nil
	}
	l.dirty = l.dirty[:0]
	if cap(l.dirty) > 4096 {
		l.dirty = nil
	}
}

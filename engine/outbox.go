package engine

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkSize = 16 << 10
	flushAt   = 64 << 10 // a session with more is flushed within the turn
	maxIovecs = 64
)

type chunk struct {
	from, n int32 // data[from:n] is not sent yet
	next    *chunk
	data    [chunkSize]byte
}

// unsent is what lies in the chunk.
func (c *chunk) unsent() []byte { return c.data[c.from:c.n] }

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// outbox holds what the kernel has not taken yet, in order: bytes, then each
// file with the bytes that were sent behind it.
//
// Under the session's mu.
type outbox struct {
	bytes int // unsent, those of files too
	pile
	rare *unusual // nil for most sessions
}

// unusual is what most outboxes have nothing of.
type unusual struct {
	files     []*filePart // each follows what is before it
	fileBytes int         // of outbox.bytes, what lies in files and not in memory
	senders   []sender
	takers    []taker
}

// sender is a callback that waits for room.
type sender struct {
	w    Waiter
	need int // bytes; needFile for a place among the files
}

// taker is a callback that waits until the kernel has taken all that was
// queued when it came.
type taker struct {
	w    Waiter
	left int
}

func (o *outbox) unusual() *unusual {
	if o.rare == nil {
		o.rare = new(unusual)
	}
	return o.rare
}

// inMemory is how many of the unsent bytes cost memory.
func (o *outbox) inMemory() int {
	if o.rare == nil {
		return o.bytes
	}
	return o.bytes - o.rare.fileBytes
}

func (o *outbox) queue(data string) {
	if o.bytes == 0 {
		o.one, o.bytes = data, len(data)
		return
	}
	p := &o.pile
	if o.rare != nil && len(o.rare.files) > 0 {
		p = &o.rare.files[len(o.rare.files)-1].behind
	}
	p.add(data)
	o.bytes += len(data)
}

// fits says whether need more bytes, or a file, may be queued.
func (o *outbox) fits(need, limit int) bool {
	if need == needFile {
		return o.bytes < limit && (o.rare == nil || len(o.rare.files) < maxFiles)
	}
	return o.bytes == 0 || o.inMemory()+need <= limit
}

func (o *outbox) discard() {
	o.pile.drop()
	o.bytes = 0
	if o.rare != nil {
		for _, f := range o.rare.files {
			f.behind.drop()
			f.close()
		}
		o.rare.files, o.rare.fileBytes = nil, 0
	}
}

// pile holds bytes. The first string is kept by reference, so that the common
// reply is never copied; a second one, and whatever a slow peer leaves, is
// copied into chunks, so that a short piece of a long string never holds the
// long string for long.
type pile struct {
	one  string
	last *chunk // of a ring: the first one follows it; nil: there is none
}

func (p *pile) empty() bool { return p.one == "" && p.last == nil }

func (p *pile) add(data string) {
	if p.empty() {
		p.one = data
		return
	}
	if p.one != "" {
		one := p.one
		p.one = ""
		p.copyIn(one)
	}
	p.copyIn(data)
}

func (p *pile) copyIn(data string) {
	for len(data) > 0 {
		c := p.last
		if c == nil || c.n == chunkSize {
			c = chunks.Get().(*chunk)
			c.from, c.n = 0, 0
			if p.last == nil {
				c.next = c
			} else {
				c.next, p.last.next = p.last.next, c
			}
			p.last = c
		}
		n := copy(c.data[c.n:], data)
		c.n += int32(n)
		data = data[n:]
	}
}

// sent forgets the first n bytes of the chunks.
func (p *pile) sent(n int) {
	for n > 0 {
		c := p.last.next
		if rest := len(c.unsent()); n < rest {
			c.from += int32(n)
			return
		} else {
			n -= rest
		}
		p.dropFirst()
	}
}

func (p *pile) dropFirst() {
	c := p.last.next
	if c == p.last {
		p.last = nil
	} else {
		p.last.next = c.next
	}
	c.next = nil
	chunks.Put(c)
}

func (p *pile) drop() {
	for p.last != nil {
		p.dropFirst()
	}
	p.one = ""
}

// write gives the kernel what it takes of the pile at once. What it refuses of
// a string is copied. flags are of sendto.
func (p *pile) write(fd, flags int) (n int, errno syscall.Errno) {
	if p.one == "" {
		n, errno = p.writeChunks(fd, flags)
		if errno != 0 {
			return 0, errno
		}
		p.sent(n)
		return n, 0
	}
	n, errno = transmit(fd, unsafe.StringData(p.one), len(p.one), flags)
	if errno != 0 {
		n = 0
	}
	rest := p.one[n:]
	p.one = ""
	p.copyIn(rest)
	return n, errno
}

// writeChunks writes the chunks with one system call.
func (p *pile) writeChunks(fd, flags int) (int, syscall.Errno) {
	c := p.last.next
	if c == p.last {
		b := c.unsent()
		return transmit(fd, &b[0], len(b), flags)
	}
	var vec [maxIovecs][]byte
	n := 0
	for n < maxIovecs {
		vec[n] = c.unsent()
		n++
		if c == p.last {
			break
		}
		c = c.next
	}
	for {
		w, err := unix.Writev(fd, vec[:n])
		if err == nil {
			return w, 0
		}
		if err != unix.EINTR {
			return 0, err.(syscall.Errno)
		}
	}
}

// flush writes what the kernel takes; now is nanotime. Under mu; any goroutine.
func (s *Session) flush(now int64) {
	o := &s.out
	if s.blocked || s.fd < 0 || o.bytes == 0 {
		return
	}
	before, budget := o.bytes, fileBudget
loop:
	for o.bytes > 0 {
		var n int
		var errno syscall.Errno
		if !o.pile.empty() {
			flags := 0
			if o.rare != nil && len(o.rare.files) > 0 {
				flags = unix.MSG_MORE // a file follows: the same packet may hold both
			}
			n, errno = o.pile.write(int(s.fd), flags)
		} else {
			var step fileStep
			if n, errno, step = s.writeFile(&budget); step == fileLost {
				return
			} else if step == fileWaits {
				break loop
			}
		}
		o.bytes -= n
		switch errno {
		case 0:
		case unix.EAGAIN:
			s.blocked = true
			s.tellReactor()
			break loop
		default:
			s.breakOff(s.writeFault(errno), errno)
			return
		}
	}
	if moved := before - o.bytes; moved > 0 || s.blocked {
		s.lastSent = now // what the kernel refuses begins to wait now
		if o.rare != nil {
			o.rare.taken(moved)
		}
	}
	if s.full && o.bytes <= s.port.opts.Load().LowWater {
		s.setFull(false)
	}
	s.wakeSenders()
}

// writeFault is why a session ends whose socket refuses what is written.
func (s *Session) writeFault(errno syscall.Errno) Reason {
	if errno == unix.EPIPE { // the peer was done before it refused our bytes
		return ClientClosed
	}
	return lostReason(int(s.fd), errno, WriteError)
}

// setFull notes that a watermark was crossed and tells the worker. Under mu.
func (s *Session) setFull(full bool) {
	if s.full == full || s.port.eng.water == nil {
		return
	}
	s.full = full
	if !s.wetPosted {
		s.wetPosted = true
		s.worker.Load().post(func(m *letters) { m.water = append(m.water, s) })
	}
}

// flushDirty writes the output of this turn. Baton holder.
//
//go:noinline
func (l *Loop) flushDirty() {
	if len(l.dirty) == 0 {
		return
	}
	now := nanotime()
	for i, s := range l.dirty {
		s.mu.Lock()
		s.dirty = false
		s.flush(now)
		s.mu.Unlock()
		l.dirty[i] = nil
	}
	l.dirty = l.dirty[:0]
	if cap(l.dirty) > 4096 {
		l.dirty = nil
	}
}

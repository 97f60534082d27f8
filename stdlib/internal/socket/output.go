package socket

import (
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// output is what the kernel has not taken yet. Under mu.
type output struct {
	items []*item
	busy  bool          // a goroutine writes the items
	done  chan struct{} // closed when that goroutine has left
	bytes int           // of all items but files
	half  bool          // shut down for writing, as soon as all is out

	high, low int             // see Watch
	full      bool            // bytes have reached high, and not been back at low
	water     func(full bool) // nil: nobody wants to know
	failed    func(why error)
}

// item is one piece of output: data, or size bytes of file.
type item struct {
	data  []byte
	file  *os.File
	size  int64
	begun bool // some of it has gone out
	gone  bool // not wanted any more: skip it
	over  bool // it is out, or failed
	err   error
	w     scripting.Waiter
}

// Send sends data and waits until the kernel has all of it. It ends with
// ErrTimeout when nothing of it has gone out in time; when a part has, the
// socket is closed, also by a cancel. Baton holder.
func (s *Socket) Send(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, data string) error {
	b := bytesOf(data)
	s.mu.Lock()
	n, err := s.write(b)
	s.mu.Unlock()
	if err != nil {
		return s.refused(err)
	}
	if n == len(b) {
		return nil
	}
	return s.finish(in, L, what, timeout, &item{data: b[n:], begun: n > 0})
}

// SendFile sends size bytes of file from where it stands, and closes it. Waits
// as Send does. Baton holder.
func (s *Socket) SendFile(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, file *os.File, size int64) error {
	return s.finish(in, L, what, timeout, &item{file: file, size: size})
}

// finish queues it and waits until it is out.
func (s *Socket) finish(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, it *item) error {
	queued, done := false, false
	var refused error
	defer func() {
		if !done {
			s.abandon(it) // a cancel raises
		}
	}()
	_, err := in.Wait(L, what, timeout, func(w scripting.Waiter) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if refused = s.unwritable(); refused != nil {
			return false
		}
		it.w, queued = w, true
		s.push(it)
		return true
	})
	done = true
	switch {
	case !queued:
		it.close()
		return refused
	case err == nil:
		return nil
	case err == scripting.ErrTimeout:
		if s.abandon(it) {
			return ErrTorn
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if it.over { // just in time
			return it.err
		}
	}
	return err
}

// abandon takes an item back that nobody waits for any more. If a part of it is
// out, what follows would be taken for its rest: the socket is closed, and it
// reports true.
func (s *Socket) abandon(it *item) bool {
	s.mu.Lock()
	torn := it.begun && !it.over
	if !it.over && !it.gone {
		it.gone = true
		s.out.bytes -= len(it.data)
	}
	s.mu.Unlock()
	if torn {
		s.fail(ErrTorn)
	}
	return torn
}

// Queue sends what it can of data at once and the rest in the background. It
// fails, and sends nothing, when more than most bytes would be unsent. Any
// goroutine.
func (s *Socket) Queue(data string, most int) error {
	if len(data) > most {
		return ErrTooLarge
	}
	b := bytesOf(data)
	s.mu.Lock()
	if s.out.bytes+len(b) > most {
		s.mu.Unlock()
		return ErrFull
	}
	n, err := s.write(b)
	if err == nil && n < len(b) {
		s.push(&item{data: b[n:], begun: n > 0})
	}
	s.mu.Unlock()
	if err != nil {
		return s.refused(err)
	}
	return nil
}

// unwritable is why nothing can be sent, if so. Under mu.
func (s *Socket) unwritable() error {
	switch {
	case s.closed:
		return s.reason()
	case s.out.half:
		return ErrShutDown
	}
	return nil
}

// refused closes a stream that the kernel writes to no more. One that was shut
// down for writing can be read still.
func (s *Socket) refused(err error) error {
	if !s.Kind.Packets() && err != ErrShutDown {
		s.fail(err)
	}
	return err
}

// QueueFile sends size bytes of file, and closes it, in the background. Any
// goroutine.
func (s *Socket) QueueFile(file *os.File, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.unwritable(); err != nil {
		file.Close()
		return err
	}
	s.push(&item{file: file, size: size})
	return nil
}

// Watch has water called when the unsent bytes reach high and when, after that,
// they are back at low; and failed when writing in the background fails. On any
// goroutine; water must not call the socket.
func (s *Socket) Watch(high, low int, water func(full bool), failed func(why error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.high, s.out.low, s.out.water, s.out.failed = high, low, water, failed
}

// Unsent is how many bytes have been queued and not gone out.
func (s *Socket) Unsent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.bytes
}

// write writes what the kernel takes now, if nothing is before it. Under mu.
func (s *Socket) write(b []byte) (n int, err error) {
	if err := s.unwritable(); err != nil {
		return 0, err
	}
	if len(s.out.items) > 0 || s.out.busy {
		return 0, nil
	}
	if cerr := s.raw.Control(func(fd uintptr) { n, err = writeAll(int(fd), b) }); cerr != nil {
		return 0, cerr
	}
	if err == syscall.EAGAIN {
		err = nil
	}
	return n, err
}

// writeAll writes until all is written or the kernel takes no more. A packet
// goes out whole or not at all.
func writeAll(fd int, b []byte) (n int, err error) {
	for n < len(b) || len(b) == 0 {
		m, err := syscall.Write(fd, b[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
		if len(b) == 0 {
			break
		}
	}
	return n, nil
}

// push adds an item. Under mu.
func (s *Socket) push(it *item) {
	s.out.items = append(s.out.items, it)
	s.out.bytes += len(it.data)
	if high := s.out.high; high > 0 && !s.out.full && s.out.bytes >= high {
		s.out.full = true
		if s.out.water != nil {
			s.out.water(true)
		}
	}
	if !s.out.busy {
		s.out.busy, s.out.done = true, make(chan struct{})
		go s.writer(s.out.done)
	}
}

// writer writes the items until there are none.
func (s *Socket) writer(done chan struct{}) {
	defer close(done)
	for {
		s.mu.Lock()
		for len(s.out.items) > 0 && s.out.items[0].gone {
			s.out.shift()
		}
		if len(s.out.items) == 0 {
			s.out.busy = false
			half := s.out.half
			s.mu.Unlock()
			if c, ok := s.conn.(interface{ CloseWrite() error }); ok && half {
				c.CloseWrite()
			}
			return
		}
		it := s.out.items[0]
		s.mu.Unlock()
		err := s.writeItem(it)
		if err == nil {
			continue
		}
		s.mu.Lock()
		gone := it.gone
		s.mu.Unlock()
		if !gone {
			s.broken(err)
			return
		}
	}
}

// writeItem writes one item, waiting in Go's poller.
func (s *Socket) writeItem(it *item) (err error) {
	if it.file != nil {
		err = s.writeFile(it)
	} else {
		rerr := s.raw.Write(func(fd uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if it.gone {
				return true
			}
			var n int
			n, err = writeAll(int(fd), it.data)
			it.data = it.data[n:]
			it.begun = it.begun || n > 0
			s.out.bytes -= n
			if s.out.full && s.out.bytes <= s.out.low {
				s.out.full = false
				if s.out.water != nil {
					s.out.water(false)
				}
			}
			return err != syscall.EAGAIN
		})
		if rerr != nil {
			err = rerr
		}
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	w := it.w
	it.over = !it.gone
	if len(s.out.items) > 0 && s.out.items[0] == it {
		s.out.shift()
	}
	s.mu.Unlock()
	w.Wake(nil)
	return nil
}

// writeFile is writeItem for a piece of a file; the kernel copies it.
func (s *Socket) writeFile(it *item) error {
	s.mu.Lock()
	it.begun = true
	s.mu.Unlock()
	n, err := io.Copy(s.conn, io.LimitReader(it.file, it.size))
	if err == nil && n < it.size {
		err = io.ErrUnexpectedEOF // it was cut while it was sent
	}
	it.close()
	return err
}

func (it *item) close() {
	if it.file != nil {
		it.file.Close()
	}
}

// broken ends the socket whose output fails: the items with it.
func (s *Socket) broken(err error) {
	s.mu.Lock()
	s.out.busy = false
	failed := s.out.failed
	if s.closed {
		s.out.drop(err) // it was about to bring the rest out
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.fail(err)
	if failed != nil {
		failed(err)
	}
}

// shift takes the first item away. Under mu.
func (o *output) shift() {
	o.items[0] = nil
	o.items = o.items[1:]
	if len(o.items) == 0 {
		o.items = nil
	}
}

// drop fails all items. Under mu.
func (o *output) drop(err error) {
	for _, it := range o.items {
		if !it.over {
			it.err, it.gone = err, true
			it.w.Fail(err)
		}
		if !it.begun {
			it.close()
		}
	}
	o.items, o.bytes = nil, 0
}

// bytesOf are a string's bytes, which nobody may write to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

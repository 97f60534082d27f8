package socket

import (
	"bytes"
	"io"
	"sync"
	"syscall"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// readSize is how much one read takes at most, and the largest piece of a
// stream without framing.
const readSize = 64 << 10

// buffers are read into, so that a socket that waits owns none.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// input is what a goroutine has read for the socket, or reads. Under mu.
type input struct {
	w     scripting.Waiter // who waits for it
	tell  func()           // or what to call, once
	busy  bool             // a goroutine waits for input
	gone  chan struct{}    // closed when that goroutine has left
	data  []byte           // what it has read
	from  syscall.Sockaddr // of a packet
	whole bool             // data is a packet, also when it is empty
	err   error            // io.EOF, or how reading failed
}

func (in *input) empty() bool { return len(in.data) == 0 && !in.whole && in.err == nil }

// recv reads once without waiting. EAGAIN: there is nothing; io.EOF: nor will
// there be.
func (s *Socket) recv(fd int, buf []byte) (n int, from syscall.Sockaddr, err error) {
	for {
		if s.Kind.Packets() {
			n, from, err = syscall.Recvfrom(fd, buf, syscall.MSG_DONTWAIT)
		} else if n, err = syscall.Read(fd, buf); n == 0 && err == nil {
			err = io.EOF
		}
		if err != syscall.EINTR {
			return max(n, 0), from, err
		}
	}
}

// peekKernel looks at what the kernel has without taking it.
func (s *Socket) peekKernel(buf []byte) (n int, err error) {
	cerr := s.raw.Control(func(fd uintptr) {
		for {
			n, _, err = syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT|syscall.MSG_PEEK)
			if err != syscall.EINTR {
				return
			}
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return max(n, 0), err
}

// take hands over what a goroutine has read.
func (s *Socket) take() (data []byte, from syscall.Sockaddr, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.in.whole || len(s.in.data) > 0:
		data, from, ok = s.in.data, s.in.from, true
		s.in.data, s.in.from, s.in.whole = nil, nil, false
	case s.closed:
		err = s.reason()
	default:
		err = s.in.err
		if s.Kind.Packets() {
			s.in.err = nil // the next packet may come through
		}
	}
	return data, from, ok, err
}

// more brings at least one byte of input, or one packet: to use is called with
// it, and may keep nothing of b unless own is true. It waits until deadline
// (the zero time: for ever); one that has passed tries once. Baton holder.
func (s *Socket) more(in *scripting.Instance, L *lua.LState, what string, deadline time.Time, use func(b []byte, from syscall.Sockaddr, own bool)) error {
	for {
		data, from, ok, err := s.take()
		if ok {
			use(data, from, true)
			return nil
		}
		if err != nil {
			return err
		}
		if done, err := s.try(use); done || err != nil {
			return err
		}
		limit := left(deadline)
		if limit == 1 {
			return scripting.ErrTimeout
		}
		busy := false
		_, err = in.Wait(L, what, limit, func(w scripting.Waiter) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			busy = s.in.w.Open()
			if busy || s.closed || !s.in.empty() {
				return false
			}
			s.in.w = w
			s.pull()
			return true
		})
		if busy {
			return ErrBusy
		}
		if err != nil {
			return err
		}
	}
}

// Want has tell called once when there is input to take, or no more will come;
// on a goroutine of its own. It reports false, and does not, when that is so
// already. Baton holder.
func (s *Socket) Want(tell func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.in.empty() {
		return false
	}
	s.in.tell = tell
	s.pull()
	return true
}

// Read takes input into what Cut looks at, without waiting. It reports whether
// there was some; at the end of the stream it fails with io.EOF. Baton holder.
func (s *Socket) Read() (bool, error) {
	data, _, ok, err := s.take()
	if ok {
		s.Feed(data, true)
	}
	if ok || err != nil {
		return ok, err
	}
	return s.try(func(b []byte, _ syscall.Sockaddr, own bool) { s.Feed(b, own) })
}

// try reads what is there now, unless a goroutine is about to.
func (s *Socket) try(use func(b []byte, from syscall.Sockaddr, own bool)) (done bool, err error) {
	s.mu.Lock()
	busy := s.in.busy
	s.mu.Unlock()
	if busy {
		return false, nil
	}
	buf := buffers.Get().(*[readSize]byte)
	var n int
	var from syscall.Sockaddr
	cerr := s.raw.Control(func(fd uintptr) { n, from, err = s.recv(int(fd), buf[:]) })
	if cerr != nil {
		err = cerr
	}
	switch err {
	case nil:
		use(buf[:n], from, false)
		done = true
	case syscall.EAGAIN:
		err = nil
	default:
		s.sticks(err)
	}
	buffers.Put(buf)
	return done, err
}

// sticks keeps how the input of a stream has ended.
func (s *Socket) sticks(err error) {
	if s.Kind.Packets() {
		return
	}
	s.mu.Lock()
	s.in.err = err
	s.mu.Unlock()
}

// pull has a goroutine wait for input and read it. Under mu.
func (s *Socket) pull() {
	if s.in.busy {
		return
	}
	s.in.busy, s.in.gone = true, make(chan struct{})
	go func() {
		data, from, err := s.await()
		s.mu.Lock()
		s.in.busy = false
		s.in.data, s.in.from, s.in.whole = data, from, err == nil && s.Kind.Packets()
		if err != nil && s.in.err == nil {
			s.in.err = err
		}
		w, tell := s.in.w, s.in.tell
		s.in.w, s.in.tell = scripting.Waiter{}, nil
		close(s.in.gone)
		s.mu.Unlock()
		w.Wake(nil)
		if tell != nil {
			tell()
		}
	}()
}

// await waits for input in Go's poller and reads it.
func (s *Socket) await() (data []byte, from syscall.Sockaddr, err error) {
	rerr := s.raw.Read(func(fd uintptr) bool {
		buf := buffers.Get().(*[readSize]byte)
		defer buffers.Put(buf)
		var n int
		if n, from, err = s.recv(int(fd), buf[:]); err == syscall.EAGAIN {
			return false
		}
		data = bytes.Clone(buf[:n])
		return true
	})
	if rerr != nil {
		err = rerr
	}
	return data, from, err
}

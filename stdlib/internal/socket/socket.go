// Package socket is a connected socket as clients use it: it is tried without
// waiting first; only where that is not enough does a goroutine wait in Go's
// poller, at most one for input and one for output, while a fiber waits for it.
// What the goroutine has read stays with the socket: a wait that was cancelled
// takes nothing with it.
//
// socket.go, dial.go and close.go are its life; input.go and frames.go, packet.go
// its input, output.go its output, depot.go where it lies while nobody has it.
package socket

import (
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"swoon/engine/frame"
	"swoon/scripting"
)

// Socket is one connection, or one socket for packets.
//
// What is under mu may be used by any goroutine. The rest belongs to whoever
// has the socket: the baton holder of the VM whose client it is.
type Socket struct {
	Kind   Kind
	conn   net.Conn
	raw    syscall.RawConn
	Uses   int    // connects that it has served
	path   string // a file that it is bound to, and that goes with it
	rest   []byte // input that is no frame yet, looked at by nobody
	part   []byte // the beginning of a frame; memory of its own
	cursor frame.Cursor

	Legacy any // what goes with the socket while it lies in a depot
	counts *scripting.ClientCounts

	mu     sync.Mutex
	closed bool  // nobody may use conn any more
	why    error // what ended it, if that was not Close
	in     input
	out    output
	gone   func()        // called once when it has been closed
	done   chan struct{} // closed when it is; nil: nobody has asked
}

func newSocket(k Kind, c net.Conn) (*Socket, error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		c.Close()
		return nil, err
	}
	s := &Socket{Kind: k, conn: c, raw: raw}
	if at, _ := split(c.LocalAddr()); k.Unix() && at != "" && at[0] != '@' {
		s.path = at
	}
	return s, nil
}

// Count has the socket counted as open until it is closed. Any goroutine.
func (s *Socket) Count(c *scripting.ClientCounts) {
	s.counts = c
	c.Open.Add(1)
}

// OnClose has fn called once, when the socket is closed to its owner, on the
// goroutine that closes it and under no lock; at once if it is. Any goroutine.
func (s *Socket) OnClose(fn func()) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.gone = fn
	}
	s.mu.Unlock()
	if closed && fn != nil {
		fn()
	}
}

// Closed is closed when the socket is. Any goroutine.
func (s *Socket) Closed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.closed {
			close(s.done)
		}
	}
	return s.done
}

// Open reports whether the socket has not been closed. Any goroutine.
func (s *Socket) Open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed
}

// Why is what a call on a closed socket answers: what ended it, or ErrClosed.
func (s *Socket) Why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason()
}

func (s *Socket) reason() error {
	if s.why != nil {
		return s.why
	}
	return ErrClosed
}

// Descriptor is the number of the socket's descriptor; -1 when it is closed.
func (s *Socket) Descriptor() (fd int) {
	fd = -1
	s.raw.Control(func(n uintptr) { fd = int(n) })
	return fd
}

// Local and Remote are the two addresses; port is 0 for a unix socket, and host
// is "" where there is no address.
func (s *Socket) Local() (host string, port int)  { return split(s.conn.LocalAddr()) }
func (s *Socket) Remote() (host string, port int) { return split(s.conn.RemoteAddr()) }

func split(a net.Addr) (string, int) {
	switch x := a.(type) {
	case nil:
		return "", 0
	case *net.UnixAddr:
		if x == nil {
			return "", 0
		}
		return x.Name, 0
	case *net.UDPAddr:
		if x == nil {
			return "", 0
		}
	}
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), 0
	}
	n, _ := strconv.Atoi(port)
	return host, n
}

// Fresh reports whether nothing has come in that nobody has taken, and neither
// side has ended it: what a connection must be that is used again. Baton holder.
func (s *Socket) Fresh() bool {
	s.mu.Lock()
	ok := s.unwritable() == nil && s.in.empty() && len(s.out.items) == 0
	s.mu.Unlock()
	if !ok || len(s.rest) > 0 || len(s.part) > 0 {
		return false
	}
	if s.Kind.Packets() {
		return true
	}
	var b [1]byte
	_, err := s.peekKernel(b[:])
	return err == syscall.EAGAIN
}

// Alive reports whether the kernel knows of no end of the connection. Input that
// waits is a sign of life. Baton holder.
func (s *Socket) Alive() bool {
	s.mu.Lock()
	ok, had := !s.closed && s.in.err == nil, len(s.in.data) > 0
	s.mu.Unlock()
	if !ok || had || s.Kind.Packets() {
		return ok
	}
	var b [1]byte
	n, err := s.peekKernel(b[:])
	return n > 0 || err == syscall.EAGAIN
}

// SetNoDelay and SetKeepAlive change a connected socket.
func (s *Socket) SetNoDelay(on bool) {
	if c, ok := s.conn.(*net.TCPConn); ok {
		c.SetNoDelay(on)
	}
}

// SetKeepAlive changes the probes of a connected socket.
func (s *Socket) SetKeepAlive(k net.KeepAliveConfig) {
	if c, ok := s.conn.(*net.TCPConn); ok {
		c.SetKeepAliveConfig(k)
	}
}

// left is how much of a time-out is left at a deadline's distance: 0 is none at
// all, a time that has passed is a nanosecond.
func left(deadline time.Time) time.Duration {
	if deadline.IsZero() {
		return 0
	}
	return max(time.Until(deadline), 1)
}

// deadlineOf is when a time-out ends; the zero time for none.
func deadlineOf(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

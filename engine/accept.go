package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Port is one address that the engine listens on. It accepts on a goroutine
// that never runs a callback: a callback that computes for long must not shut
// the door.
type Port struct {
	eng      *Engine
	index    int
	declared Listen
	opts     atomic.Pointer[PortOptions]
	addr     netip.AddrPort
	file     *os.File
	raw      syscall.RawConn
	stop     chan struct{}
	once     sync.Once
	running  atomic.Bool
	done     chan struct{}
}

// retryAccept is how long a listener rests when there is no descriptor left.
const retryAccept = 50 * time.Millisecond

// ListenError says which address could not be listened on.
type ListenError struct {
	Addr string
	Err  error
}

func (e *ListenError) Error() string {
	hint := ""
	switch {
	case errors.Is(e.Err, unix.EADDRINUSE):
		hint = " (is another server running? try another port)"
	case errors.Is(e.Err, unix.EACCES):
		hint = " (try a port above 1023)"
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		hint = " (no interface of this machine has that address)"
	}
	return fmt.Sprintf("listen tcp %s: %v%s", e.Addr, e.Err, hint)
}

func (e *ListenError) Unwrap() error { return e.Err }

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func listen(e *Engine, want PortOptions) (*Port, error) {
	fail := func(err error) (*Port, error) {
		return nil, &ListenError{want.Listen.String(), err}
	}
	host := want.Host
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fail(errors.New("the host must be an IP address such as 127.0.0.1, 0.0.0.0 or ::1"))
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: want.Port, Addr: ip.As16()})
	if ip.Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: want.Port, Addr: ip.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && family == unix.AF_INET6 {
		// "::" and "0.0.0.0" are two addresses, and both can be listened on.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err == nil {
		err = unix.Listen(fd, want.Backlog)
	}
	var got unix.Sockaddr
	if err == nil {
		got, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return fail(err)
	}
	p := &Port{eng: e, declared: want.Listen, addr: addrPort(got),
		file: os.NewFile(uintptr(fd), "listener"), stop: make(chan struct{}), done: make(chan struct{})}
	p.opts.Store(&want)
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return fail(err)
	}
	return p, nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// Addr is where the port listens.
func (p *Port) Addr() Listen { return Listen{Host: p.addr.Addr().String(), Port: int(p.addr.Port())} }

// Index is the port's place among those declared.
func (p *Port) Index() int { return p.index }

// Options are the options in force.
func (p *Port) Options() *PortOptions { return p.opts.Load() }

// Set puts other options in force; the address stays. Framing is for sessions
// that begin from now on, the rest for all. Any goroutine.
func (p *Port) Set(o PortOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.setDefaults()
	o.Listen = p.declared
	p.opts.Store(&o)
	return nil
}

// run accepts until the listener is closed.
func (p *Port) run() {
	defer close(p.done)
	for {
		var pause time.Duration
		err := p.raw.Read(func(fd uintptr) bool {
			pause = p.acceptAll(int(fd))
			return pause > 0
		})
		if err != nil {
			return // closed
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.stop:
			timer.Stop()
			return
		}
	}
}

// acceptAll takes every client that waits. It returns how long to leave the
// listener alone: 0, to wait for the next client, unless descriptors ran out.
// Nothing that happens to one client may stop the listener.
func (p *Port) acceptAll(fd int) time.Duration {
	e := p.eng
	for {
		conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			e.admit(p, conn, addrPort(sa))
		case unix.EAGAIN:
			// Only now is the drought over: while others wait, each client that
			// leaves lets one in, and that is not worth another line.
			e.dryAccepts.Store(0)
			return 0
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			e.refused[OutOfDescriptors].Add(1)
			if e.dryAccepts.Add(1) == 1 {
				e.log.Error("cannot accept: clients wait until descriptors are free",
					"reason", OutOfDescriptors, "error", err, "sessions", e.open.Load())
			}
			return retryAccept
		default:
			// The client has gone already (ECONNABORTED), or its network has:
			// the next one is a matter of its own.
			if err != unix.EINTR && err != unix.ECONNABORTED {
				e.log.Debug("accept", "error", err)
				return time.Millisecond
			}
		}
	}
}

// admit makes a session of an accepted descriptor, or refuses it.
func (e *Engine) admit(p *Port, fd int, remote netip.AddrPort) {
	refuse := func(r Reason) {
		unix.Close(fd)
		if e.refused[r].Add(1) == 1 || e.refusedLog.allow() {
			e.log.Warn("client refused", "reason", r, "remote", remote, "total", e.refused[r].Load())
		}
	}
	if e.draining.Load() {
		refuse(ShuttingDown)
		return
	}
	if n := e.open.Add(1); n > int64(e.Limits().MaxSessions) {
		e.open.Add(-1)
		refuse(MaxConnection)
		return
	}
	opts := p.opts.Load()
	if !opts.NoDelayOff {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	now := time.Now()
	s := &Session{eng: e, fd: fd, port: p, framer: opts.Framer, remote: remote, connected: now.UnixNano(), ctlPosted: true}
	s.lastRecv.Store(nanotime())
	e.enlist(s)
	e.accepted.Add(1)
	s.reactor.Load().post(func(m *letters) { m.adopts = append(m.adopts, s) })
}

// close stops accepting and frees the address.
func (p *Port) close() {
	p.once.Do(func() {
		close(p.stop)
		p.file.Close()
	})
	if p.running.Load() {
		<-p.done
	}
}

package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Port is one address that the engine listens on. It accepts clients, or reads
// packets (udp.go), on a goroutine that never runs a callback: a callback that
// computes for long must not shut the door.
type Port struct {
	eng      *Engine
	index    int
	declared Listen
	bound    Listen
	kind     Kind // never 0
	opts     atomic.Pointer[PortOptions]
	addr     netip.AddrPort // of an IP port
	fd       int            // of file; for people, and to choose a port to send from
	file     *os.File
	raw      syscall.RawConn
	path     *socketFile   // of a unix socket, if we made it
	passed   *passedSocket // of a socket from systemd
	stop     chan struct{}
	once     sync.Once
	running  atomic.Bool
	done     chan struct{}
	name     unix.RawSockaddrAny // of the client that was accepted last; run's

	dispatch sync.Mutex // held while clients or packets go to workers
	as       *Port      // whose they are as long as this port is only bound; under dispatch
	packets             // of a port that takes packets
}

// retryAccept is how long a listener rests when there is no descriptor left.
const retryAccept = 50 * time.Millisecond

// Addr is where the port listens.
func (p *Port) Addr() Listen { return p.bound }

// Declared is the address as it was asked for: it tells the port from others.
func (p *Port) Declared() Listen { return p.declared }

// FD is the number of the listening descriptor, for people.
func (p *Port) FD() int { return p.fd }

// Index is the port's number: 0, 1, 2... in the order in which ports came. It
// never changes, and is not given again when the port has gone.
func (p *Port) Index() int { return p.index }

// Options are the options in force.
func (p *Port) Options() *PortOptions { return p.opts.Load() }

// Set puts other options in force; the address stays. Framing and what the
// kernel is told of sockets is for sessions that begin from now on, the rest
// for all. It fails when the kernel refuses an option. One goroutine at a time.
func (p *Port) Set(o PortOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.setDefaults()
	o.Listen = p.declared
	old := p.opts.Load()
	if o.ReusePort != old.ReusePort {
		return errors.New("enable_reuse_port: the address is bound already")
	}
	if o.SocketMode != old.SocketMode && p.path != nil {
		if err := p.path.setMode(o.SocketMode); err != nil {
			return fmt.Errorf("unix_socket_mode: %w", err)
		}
	}
	var failed error
	err := p.raw.Control(func(fd uintptr) {
		if failed = o.tune(int(fd), p.kind, old); failed == nil && o.Backlog != old.Backlog && !p.kind.Packets() {
			failed = unix.Listen(int(fd), o.Backlog)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		p.raw.Control(func(fd uintptr) { old.tune(int(fd), p.kind, &o) })
		return err
	}
	p.opts.Store(&o)
	if o.IdleOptions != old.IdleOptions {
		p.eng.recheckIdle()
	}
	return nil
}

// run works until the port is closed.
func (p *Port) run() {
	defer close(p.done)
	if p.kind.Packets() {
		p.receive()
	} else {
		p.accept()
	}
}

// accept takes clients until the listener is closed.
func (p *Port) accept() {
	for {
		var pause time.Duration
		err := p.raw.Read(func(fd uintptr) bool {
			pause = p.acceptAll(int(fd))
			return pause > 0
		})
		if err != nil {
			return // closed
		}
		if !p.pause(pause) {
			return
		}
	}
}

// pause sleeps. It reports false when the port is closed meanwhile.
func (p *Port) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

// acceptAll takes every client that waits. It returns how long to leave the
// listener alone: 0, to wait for the next client, unless descriptors ran out.
// Nothing that happens to one client may stop the listener.
func (p *Port) acceptAll(fd int) time.Duration {
	e := p.eng
	for {
		conn, remote, errno := p.acceptOne(fd)
		switch errno {
		case 0:
			p.dispatch.Lock()
			e.admit(p.acting(), conn, remote)
			p.dispatch.Unlock()
		case unix.EAGAIN:
			// Only now is the drought over: while others wait, each client that
			// leaves lets one in, and that is not worth another line.
			e.dryAccepts.Store(0)
			return 0
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			e.refused[OutOfDescriptors].Add(1)
			if e.dryAccepts.Add(1) == 1 {
				e.log.Error("cannot accept: clients wait until descriptors are free",
					"reason", OutOfDescriptors, "error", errno, "sessions", e.open.Load())
			}
			return retryAccept
		default:
			// The client has gone already (ECONNABORTED), or its network has:
			// the next one is a matter of its own.
			if errno != unix.EINTR && errno != unix.ECONNABORTED {
				e.log.Debug("accept", "error", errno)
				return time.Millisecond
			}
		}
	}
}

// acceptOne takes one client, without memory of its own: it never waits, as the
// listener does not block.
func (p *Port) acceptOne(fd int) (conn int, remote Peer, errno syscall.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&p.name)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, Peer{}, errno
	}
	return int(n), peerAt(&p.name, size), 0
}

// admit makes a session of an accepted descriptor, or refuses it.
func (e *Engine) admit(p *Port, fd int, remote Peer) {
	refuse := func(r Reason) {
		total := e.refused[r].Add(1) // before the client can know
		unix.Close(fd)
		if total == 1 || e.refusedLog.allow() {
			e.log.Warn("client refused", "reason", r, "remote", remote, "port", p.bound, "total", total)
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
	born := nanotime()
	s := &Session{fd: int32(fd), port: p, framer: &opts.Framer, connected: epoch.UnixNano() + born, ctlPosted: true, held: e.Limits().DelayReceive}
	s.setRemote(remote)
	s.lastRecv.Store(born)
	if most := e.Limits().MaxPerAddress; most > 0 && !e.addresses.count(s, most) {
		e.open.Add(-1)
		refuse(MaxPerAddress)
		return
	}
	if opts.FramerOf != nil {
		own := opts.FramerOf(s)
		s.framer = &own
	}
	e.enlist(s)
	e.accepted.Add(1)
	s.reactor.Load().post(func(m *letters) { m.adopts = append(m.adopts, s) })
}

// close stops taking clients or packets. The address is free then, but for that
// of a port of packets: callbacks answer through its socket still, so it is free
// when the last packet has been handled; when the whole server stops, at the
// end. Any goroutine.
func (p *Port) close() {
	p.once.Do(func() {
		close(p.stop)
		if p.kind.Packets() {
			p.stopReading()
			return
		}
		if p.path != nil {
			p.path.remove() // before the descriptor: a new server must not find it abandoned
		}
		p.file.Close()
		p.giveBack()
	})
	if p.running.Load() {
		<-p.done
	}
	if p.kind.Packets() && !p.eng.draining.Load() {
		p.leave()
	}
}

package engine

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Which ports there are, and how they change while the server runs.

// Listen binds every declared port, or none. Clients wait in the kernel until
// Accept.
func (e *Engine) Listen() error {
	var faults []error
	var ports []*Port
	for _, want := range e.opts.Ports {
		p, err := e.BindPort(want, nil)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		ports = append(ports, p)
	}
	if len(faults) > 0 {
		for _, p := range ports {
			e.UnbindPort(p)
		}
		return errors.Join(faults...)
	}
	e.portsMu.Lock()
	e.ports = ports
	e.portsMu.Unlock()
	e.checkDescriptors()
	for _, socket := range Unclaimed() {
		e.log.Warn("a socket that systemd has passed is no port of this server: its clients wait in vain", "socket", socket)
	}
	return nil
}

// Accept lets clients in.
func (e *Engine) Accept() {
	for _, p := range e.Ports() {
		p.start()
	}
}

// Ports are the ports that listen, in the order in which they were added.
func (e *Engine) Ports() []*Port {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	return slices.Clone(e.ports)
}

// start has the port work.
func (p *Port) start() {
	p.running.Store(true)
	go p.run()
}

// BindPort binds one more port. Its clients wait in the kernel until AddPort.
// leaving are ports that are to be removed: an address that overlaps with one
// of theirs, such as 0.0.0.0:80 with 127.0.0.1:80, is bound beside it, so that
// there is no moment without a listener and nothing to take back. Who comes to
// such a one before AddPort comes in as a client of the port that is there. The
// error is a *ListenError.
func (e *Engine) BindPort(want PortOptions, leaving []*Port) (*Port, error) {
	want.setDefaults()
	p, err := listen(e, want)
	if errors.Is(err, unix.EADDRINUSE) && !want.ReusePort {
		if beside := overlapping(want.Listen, leaving); len(beside) > 0 {
			for _, old := range beside {
				old.share(true)
			}
			shared := want
			shared.ReusePort = true
			if p, err = listen(e, shared); err == nil {
				p.opts.Store(&want)
				p.share(false)
				p.as = beside[0]
			}
			for _, old := range beside {
				old.share(old.opts.Load().ReusePort)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	e.portsMu.Lock()
	p.index = e.nextPort
	e.nextPort++
	e.portsMu.Unlock()
	if p.as != nil {
		p.start()
	}
	return p, nil
}

// overlapping are the ports of list beside which want cannot be bound: of the
// same number and protocol, one of them at all addresses of the machine.
func overlapping(want Listen, list []*Port) (hit []*Port) {
	w := want.normal()
	a, err := netip.ParseAddr(w.Host)
	if err != nil || w.Kind.Unix() || w.Port == 0 {
		return nil
	}
	for _, p := range list {
		b := p.addr.Addr()
		if p.passed == nil && w.Kind.Packets() == p.kind.Packets() && p.addr.Port() == uint16(w.Port) &&
			b.IsValid() && a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified()) {
			hit = append(hit, p)
		}
	}
	return hit
}

// share says whether other sockets of ours may bind the same port number.
func (p *Port) share(on bool) {
	p.raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, oneIf(on))
	})
}

// acting is the port as whose clients come in. Under p.dispatch.
func (p *Port) acting() *Port {
	if p.as != nil {
		return p.as
	}
	return p
}

// UnbindPort takes BindPort back.
func (e *Engine) UnbindPort(p *Port) {
	p.shut()
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	e.packets.leave(p)
}

// AddPort lets the clients of a bound port in.
func (e *Engine) AddPort(p *Port) {
	e.portsMu.Lock()
	e.ports = append(e.ports, p)
	e.portsMu.Unlock()
	p.dispatch.Lock()
	began := p.as != nil
	p.as = nil
	p.dispatch.Unlock()
	if !began {
		p.start()
	}
}

// RemovePort frees the port's address. Clients that wait in the kernel are let
// in first. The sessions of the port stay until they close; with a drain above
// 0, those that are left after it are closed in order, with the reason
// port_removed. It waits until nobody accepts any more, not for the sessions.
// The address of a port of packets is free when the last callback has returned
// that could answer through its socket.
func (e *Engine) RemovePort(p *Port, drain time.Duration) {
	p.shut()
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	e.ports = slices.DeleteFunc(slices.Clone(e.ports), func(other *Port) bool { return other == p })
	e.packets.leave(p)
	if drain > 0 {
		e.closers = append(e.closers, time.AfterFunc(drain, func() { e.closeSessionsOf(p) }))
	}
}

// shut closes the port when who has connected is in, and what has come read.
func (p *Port) shut() {
	if p.running.Load() {
		if p.kind.Packets() {
			p.sweep.Store(true)
		} else {
			p.lastClients()
		}
	}
	p.close()
	if p.kind.Packets() {
		p.deafen()
	}
}

// How long a port that goes waits for clients whose connecting is under way.
const (
	lastLook = time.Millisecond
	lastWait = 5 * time.Millisecond
	dryWait  = time.Second // when there is no descriptor for them
)

// lastClients takes in every client that has connected. Who connects from now
// on is not answered, and so not cut off by the close that comes: he asks again
// a second later, and is refused, or let in by the port that has followed.
func (p *Port) lastClients() {
	if p.path != nil {
		p.path.remove()
	}
	begun := time.Now()
	for first := true; ; first = false {
		var pause time.Duration
		spent := time.Since(begun) // before the look: the last one comes when it is all over
		p.raw.Control(func(fd uintptr) {
			if first && !p.kind.Unix() && p.passed == nil {
				ignoreNew(int(fd))
			}
			pause = p.acceptAll(int(fd))
		})
		if spent > dryWait || spent > lastWait && pause == 0 {
			return
		}
		time.Sleep(lastLook)
	}
}

// ignoreNew has the kernel drop the first segment of new connections to a
// listener; those that are half made are completed.
func ignoreNew(fd int) error {
	const flags, syn = 13, 2 // of the TCP header
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// deafen has a socket of packets that is only answered through get no more: a
// port that has come in its place, and covers more, gets them.
func (p *Port) deafen() {
	const discard = 9
	p.sending.RLock()
	defer p.sending.RUnlock()
	if ip := p.addr.Addr(); p.open && ip.IsValid() && !ip.IsUnspecified() {
		sa, _ := sockaddr(netip.AddrPortFrom(ip, discard))
		unix.Connect(p.fd, sa)
	}
}

// closeSessionsOf closes what is left of the sessions of a removed port, behind
// what they have sent.
func (e *Engine) closeSessionsOf(p *Port) {
	n := 0
	for _, s := range e.Sessions(0, 0) {
		if s.port == p && s.Alive() {
			s.endInOrder(PortRemoved)
			n++
		}
	}
	e.log.Info("the sessions of a removed port are closed", "reason", PortRemoved, "port", p.bound, "sessions", n)
}

// endInOrder ends the session behind its backlog. Any goroutine.
func (s *Session) endInOrder(reason Reason) {
	l := s.reactor.Load()
	l.Call(func() {
		if s.reactor.Load() != l { // it has moved since
			s.endInOrder(reason)
			return
		}
		l.endInput(s, reason)
	})
}

// closePorts stops accepting, for good.
func (e *Engine) closePorts() {
	e.portsMu.Lock()
	ports, closers := e.ports, e.closers
	e.closers = nil
	e.portsMu.Unlock()
	for _, p := range ports {
		p.close()
	}
	for _, t := range closers {
		t.Stop()
	}
}

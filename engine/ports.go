package engine

import (
	"errors"
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
		p.running.Store(true)
		go p.run()
	}
}

// Ports are the ports that listen, in the order in which they were added.
func (e *Engine) Ports() []*Port {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	return slices.Clone(e.ports)
}

// BindPort binds one more port. Its clients wait in the kernel until AddPort.
// leaving are ports that are to be removed: an address that overlaps with one
// of theirs, such as 0.0.0.0:80 with 127.0.0.1:80, is bound beside it, so that
// there is no moment without a listener and nothing to take back. The error is
// a *ListenError.
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
	return p, nil
}

// overlapping are the ports of list on the same number and protocol.
func overlapping(want Listen, list []*Port) (hit []*Port) {
	w := want.normal()
	for _, p := range list {
		if !w.Kind.Unix() && !p.kind.Unix() && w.Kind.Packets() == p.kind.Packets() && w.Port != 0 && p.bound.Port == w.Port {
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

// UnbindPort takes BindPort back.
func (e *Engine) UnbindPort(p *Port) { p.close() }

// AddPort lets the clients of a bound port in.
func (e *Engine) AddPort(p *Port) {
	e.portsMu.Lock()
	e.ports = append(e.ports, p)
	e.portsMu.Unlock()
	p.running.Store(true)
	go p.run()
}

// RemovePort frees the port's address. Clients that wait in the kernel are let
// in first. The sessions of the port stay until they close; with a drain above
// 0, those that are left after it are closed with the reason port_removed. It
// waits until nobody accepts any more, not for the sessions.
func (e *Engine) RemovePort(p *Port, drain time.Duration) {
	if !p.kind.Packets() {
		p.raw.Control(func(fd uintptr) { p.acceptAll(int(fd)) })
	}
	p.close()
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	e.ports = slices.DeleteFunc(slices.Clone(e.ports), func(other *Port) bool { return other == p })
	e.packets.gone.Add(p.readCount.Load())
	if drain > 0 {
		e.closers = append(e.closers, time.AfterFunc(drain, func() { e.closeSessionsOf(p) }))
	}
}

// closeSessionsOf closes what is left of the sessions of a removed port.
func (e *Engine) closeSessionsOf(p *Port) {
	n := 0
	for _, s := range e.Sessions(0, 0) {
		if s.port == p && s.Close(PortRemoved, false) == nil {
			n++
		}
	}
	e.log.Info("the sessions of a removed port are closed", "reason", PortRemoved, "port", p.bound, "sessions", n)
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

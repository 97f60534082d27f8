package engine

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Packets that leave.

// reaches says whether packets to a peer can leave through p.
func (p *Port) reaches(to Peer) bool {
	switch p.kind {
	case UDP:
		return to.Addr.Addr().Is4()
	case UDP6:
		return to.Addr.Addr().Is6() || p.dual && to.Addr.Addr().Is4()
	}
	return p.kind == UnixDgram && to.Path != ""
}

// SendTo sends one packet from the given port; nil is the port on which the
// packet came that f handles, or else the first that reaches the peer. It never
// waits: the packet has been given to the kernel, or there is an error. Baton
// holder.
func (f *Fiber) SendTo(to Peer, data string, from *Port) error {
	e := f.loop.eng
	if to.Path == "" && !to.Addr.IsValid() {
		return ErrNoAddress
	}
	if from == nil {
		if from = f.asked.port; from == nil || !from.reaches(to) {
			from = e.portTo(to)
		}
	}
	if from == nil || !from.reaches(to) {
		return ErrNoPacketPort
	}
	var local netip.Addr
	if from == f.asked.port && to == f.asked.peer {
		local = f.asked.local
	}
	if err := from.sendTo(to, data, local); err != nil {
		return err
	}
	f.loop.count.sends++
	f.loop.count.sentBytes += uint64(len(data))
	return nil
}

func (e *Engine) portTo(to Peer) *Port {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	for _, p := range e.ports {
		if p.reaches(to) {
			return p
		}
	}
	return nil
}

// PacketPort is the port of packets whose descriptor has this number, or nil;
// also one that is being removed, to the callback of a packet that came in
// there. Baton holder.
func (f *Fiber) PacketPort(fd int) *Port {
	if p := f.asked.port; p != nil && p.fd == fd {
		return p
	}
	e := f.loop.eng
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	for _, p := range e.ports {
		if p.fd == fd && p.kind.Packets() {
			return p
		}
	}
	return nil
}

// sendTo gives one packet to the kernel, to leave from the given address of
// this machine if that is valid. Any goroutine.
func (p *Port) sendTo(to Peer, data string, local netip.Addr) error {
	var name unix.RawSockaddrAny
	size := p.rawName(&name, to)
	if size == 0 {
		return ErrNoPacketPort
	}
	p.sending.RLock()
	defer p.sending.RUnlock()
	if !p.open {
		return ErrNoPacketPort
	}
	for {
		var errno unix.Errno
		if local.IsValid() {
			errno = p.sendFrom(local, &name, size, data)
		} else {
			_, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.StringData(data))), uintptr(len(data)),
				unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&name)), uintptr(size))
		}
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return sendError(errno)
		}
	}
}

// rawName writes a peer as the kernel wants it for this port and returns its
// size, 0 if it cannot be.
func (p *Port) rawName(name *unix.RawSockaddrAny, to Peer) int {
	ip, port := to.Addr.Addr(), wire(to.Addr.Port())
	switch {
	case p.kind == UDP && ip.Is4():
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(name)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: ip.As4()}
		return unix.SizeofSockaddrInet4
	case p.kind == UDP6 && ip.IsValid():
		*(*unix.RawSockaddrInet6)(unsafe.Pointer(name)) = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: ip.As16(), Scope_id: zoneID(ip.Zone())}
		return unix.SizeofSockaddrInet6
	case p.kind == UnixDgram && to.Path != "" && len(to.Path) <= maxPath:
		sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(name))
		sa.Family = unix.AF_UNIX
		b := unsafe.Slice((*byte)(unsafe.Pointer(&sa.Path[0])), len(sa.Path))
		n := copy(b, to.Path)
		if b[0] == '@' {
			b[0] = 0
			return 2 + n // an abstract name has no end but its size
		}
		return 2 + n + 1
	}
	return 0
}

// sendError names what the kernel had against a packet.
func sendError(errno unix.Errno) error {
	switch errno {
	case unix.EMSGSIZE:
		return ErrPacketTooLarge
	case unix.EAGAIN, unix.ENOBUFS:
		return ErrSendBufferFull
	case unix.ECONNREFUSED, unix.ENOENT, unix.EPROTOTYPE:
		return ErrNobodyListens
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL:
		return &Errno{ErrUnreachable.Name, int(errno), ErrUnreachable.Text + ": " + errno.Error()}
	}
	return &Errno{"send_failed", int(errno), "the kernel refused the packet: " + errno.Error()}
}

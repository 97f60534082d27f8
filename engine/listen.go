package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ListenError says which address could not be listened on.
type ListenError struct {
	Listen Listen
	Err    error
}

func (e *ListenError) Error() string {
	hint := ""
	switch inet := !e.Listen.Kind.Unix(); {
	case errors.Is(e.Err, unix.EADDRINUSE) && inet:
		hint = " (is another server running? try another port)"
	case errors.Is(e.Err, unix.EACCES) && inet:
		hint = " (try a port above 1023)"
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		hint = " (no interface of this machine has that address)"
	}
	network, at := e.Listen.normal().network(), e.Listen.String()
	if prefix := network + ":"; len(at) > len(prefix) && at[:len(prefix)] == prefix {
		at = at[len(prefix):]
	}
	return fmt.Sprintf("listen %s %s: %v%s", network, at, e.Err, hint)
}

func (e *ListenError) Unwrap() error { return e.Err }

// listen makes a port: a socket with its options, bound, and listening if it is
// a stream's. Clients wait in the kernel until it runs.
func listen(e *Engine, want PortOptions) (*Port, error) {
	p := &Port{eng: e, declared: want.Listen, kind: want.Listen.normal().Kind, stop: make(chan struct{}), done: make(chan struct{})}
	p.room = make(chan struct{}, 1)
	p.users.Store(1)
	fail := func(err error) (*Port, error) {
		p.giveBack()
		return nil, &ListenError{want.Listen, err}
	}
	if p.kind.Packets() && e.packet == nil {
		return fail(errors.New("there is nobody to take packets"))
	}
	var err error
	switch {
	case want.Listen.Systemd():
		p.fd, err = p.openPassed(&want)
	case p.kind.Unix():
		p.fd, err = p.openUnix(&want)
	default:
		p.fd, err = openInet(&want)
	}
	if err != nil {
		return fail(err)
	}
	sa, err := unix.Getsockname(p.fd)
	if err != nil {
		unix.Close(p.fd)
		return fail(err)
	}
	p.addr = addrPort(sa)
	p.bound = bound(want.Listen.normal(), sa)
	if p.kind == UDP6 {
		only, err := unix.GetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		p.dual = err == nil && only == 0
	}
	if p.kind.Packets() {
		if p.wild = !p.kind.Unix() && p.addr.Addr().IsUnspecified(); p.wild {
			err = askWhere(p.fd, p.kind)
		}
		if err == nil {
			p.reader, err = newReader(p)
		}
		if err != nil {
			unix.Close(p.fd)
			return fail(err)
		}
	}
	p.opts.Store(&want)
	p.file = os.NewFile(uintptr(p.fd), "listener")
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		if p.reader != nil {
			p.reader.close()
		}
		return fail(err)
	}
	p.open = p.kind.Packets()
	return p, nil
}

// openInet makes the socket of an IP address.
func openInet(want *PortOptions) (int, error) {
	l := want.Listen.normal()
	ip, err := netip.ParseAddr(l.Host)
	switch {
	case err != nil && LooksLikePath(l.Host):
		return -1, fmt.Errorf("a path is listened on with %v or %v, not %v", UnixStream, UnixDgram, l.Kind)
	case err != nil:
		return -1, errors.New("the host must be an IP address such as 127.0.0.1, 0.0.0.0 or ::1")
	case ip.Is4() && (l.Kind == TCP6 || l.Kind == UDP6):
		return -1, fmt.Errorf("%v needs an IPv6 address such as ::1", l.Kind)
	}
	sa, family := sockaddr(netip.AddrPortFrom(ip, uint16(l.Port)))
	how := unix.SOCK_STREAM
	if l.Kind.Packets() {
		how = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, how|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if how == unix.SOCK_STREAM {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	} else if family == unix.AF_INET {
		// On a packet socket SO_REUSEADDR would let a second server in quietly.
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if err == nil && family == unix.AF_INET6 {
		// "::" and "0.0.0.0" are two addresses, and both can be listened on.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil && want.ReusePort {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err == nil {
		err = want.open(fd, l.Kind)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// open sets the options of a bound socket, and has it listen if it is a
// stream's.
func (o *PortOptions) open(fd int, k Kind) error {
	err := o.tune(fd, k, nil)
	if err == nil && !k.Packets() {
		err = unix.Listen(fd, o.Backlog)
	}
	return err
}

// sockaddr is an address as the kernel wants it.
func sockaddr(a netip.AddrPort) (sa unix.Sockaddr, family int) {
	if ip := a.Addr(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zoneID(a.Addr().Zone())}, unix.AF_INET6
}

// zoneID is the number of the interface in fe80::1%eth0 or fe80::1%2.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// addrPort is the IP address in sa; the zero value if it is none.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}

// bound is where a socket declared as l really is.
func bound(l Listen, sa unix.Sockaddr) Listen {
	switch a := sa.(type) {
	case *unix.SockaddrInet4, *unix.SockaddrInet6:
		at := addrPort(a)
		l = Listen{at.Addr().String(), int(at.Port()), l.Kind}
		if at.Addr().Is4() {
			switch l.Kind {
			case TCP6:
				l.Kind = TCP
			case UDP6:
				l.Kind = UDP
			}
		}
		return l.normal()
	case *unix.SockaddrUnix:
		if l.Systemd() {
			l.Host = a.Name
		}
	}
	return l
}

package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Target is whom the load goes to.
type Target struct {
	Name string               // as it was given
	Host string               // address, or the path of a unix socket
	Port int                  // 0 for a unix socket
	to   func() unix.Sockaddr // anew each time: a call writes into it
	kind int                  // family of addresses
	near bool                 // 127.0.0.0/8
}

// longestPath is what fits into an address of the kernel.
const longestPath = 107

// ParseTarget understands host:port, [address]:port, :port (this machine), and
// for unix sockets a path with a slash in it, unix:path, or @name. Names are
// looked up.
func ParseTarget(ctx context.Context, s string) (Target, error) {
	t := Target{Name: s}
	path, isUnix := strings.CutPrefix(s, "unix:")
	if isUnix || strings.Contains(s, "/") && !strings.Contains(s, "://") || strings.HasPrefix(s, "@") {
		t.Host, t.kind = strings.TrimPrefix(path, "//"), unix.AF_UNIX
		t.to = func() unix.Sockaddr { return &unix.SockaddrUnix{Name: t.Host} }
		if isUnix && t.Host != "" && t.Host[0] != '@' && !strings.Contains(t.Host, "/") {
			t.Host = "./" + t.Host // a path wherever it goes, to a script too
		}
		if t.Host == "" {
			return t, fmt.Errorf("%q names no unix socket", s)
		}
		if len(t.Host) > longestPath {
			return t, fmt.Errorf("%s: a unix socket's path has at most %d bytes, this has %d", s, longestPath, len(t.Host))
		}
		return t, nil
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok && scheme != "tcp" {
		return t, fmt.Errorf("%s: %q cannot be loaded, only tcp:// and unix: can", s, scheme)
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s, "tcp://"))
	if err != nil {
		return t, fmt.Errorf("%q is no address: write host:port, or the path of a unix socket", s)
	}
	if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
		return t, fmt.Errorf("%s: the port %q is not in 1..65535", s, port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return t, fmt.Errorf("%s: %w", s, err)
		}
		ip = list[0]
		for _, a := range list { // servers on localhost mostly listen there
			if a.Unmap().Is4() {
				ip = a
				break
			}
		}
	}
	ip = ip.Unmap()
	t.Host = ip.String()
	if ip.Is4() {
		four := unix.SockaddrInet4{Port: t.Port, Addr: ip.As4()}
		t.kind, t.near = unix.AF_INET, ip.IsLoopback()
		t.to = func() unix.Sockaddr { to := four; return &to }
		return t, nil
	}
	six := unix.SockaddrInet6{Port: t.Port, Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return t, fmt.Errorf("%s: %w", s, err)
		}
		six.ZoneId = uint32(link.Index)
	}
	t.kind, t.to = unix.AF_INET6, func() unix.Sockaddr { to := six; return &to }
	return t, nil
}

// sources is how many loopback addresses many short or very many long
// connections come from: each has ports of its own, and one that was used
// rests for a minute.
const (
	sources   = 32
	manyConns = 20000
)

// dial begins a connection, the serial'th. On this machine it is mostly there
// at once; a poller tells when it is not.
func (t *Target) dial(serial uint64, spread bool) (fd int, err error) {
	fd, err = unix.Socket(t.kind, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if t.kind != unix.AF_UNIX {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil && t.near && spread {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + serial%sources)}})
		}
	}
	if err == nil {
		err = unix.Connect(fd, t.to())
	}
	switch err {
	case nil, unix.EINPROGRESS:
		return fd, nil
	case unix.EADDRNOTAVAIL:
		err = fmt.Errorf("%w: this machine has no port left for it", err)
	case unix.EAGAIN:
		err = fmt.Errorf("%w: the server's queue of connections is full", err)
	}
	unix.Close(fd)
	return -1, err
}

package socket

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// Target is where to connect, and how.
type Target struct {
	Kind Kind // not Auto
	Host string
	Port int

	BindHost  string // "" is any
	BindPort  int    // 0 is any
	DelayOn   bool   // let the kernel wait for more to send: Nagle's algorithm
	KeepAlive net.KeepAliveConfig
}

// String is the address as people write it.
func (t Target) String() string {
	if t.Kind.Unix() {
		return "unix:" + t.Host
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
}

// Check reports what is wrong with the address itself.
func (t Target) Check() error {
	switch {
	case t.Host == "":
		return fmt.Errorf("the host is empty")
	case t.Kind.Unix() && t.Port != 0:
		return fmt.Errorf("a unix socket has no port: write 0 instead of %d", t.Port)
	case !t.Kind.Unix() && (t.Port < 1 || t.Port > 65535):
		return fmt.Errorf("port %d is not in 1..65535", t.Port)
	}
	return nil
}

// Dial connects. It blocks, name lookup included, until ctx ends.
func (t Target) Dial(ctx context.Context) (*Socket, error) {
	local, err := t.local(ctx)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: local, KeepAlive: -1, KeepAliveConfig: t.KeepAlive}
	address := t.Host
	if !t.Kind.Unix() {
		address = net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	}
	c, err := d.DialContext(ctx, t.Kind.network(), address)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = context.DeadlineExceeded
		}
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok && t.DelayOn {
		tcp.SetNoDelay(false)
	}
	return newSocket(t.Kind, c)
}

// local is where the socket is bound, nil: anywhere.
func (t Target) local(ctx context.Context) (net.Addr, error) {
	if t.Kind == UnixDgram {
		name := t.BindHost
		if name == "" {
			name = ownName() // without one nobody could answer
		}
		return &net.UnixAddr{Name: name, Net: "unixgram"}, nil
	}
	if t.BindHost == "" && t.BindPort == 0 {
		return nil, nil
	}
	if t.Kind == UnixStream {
		return &net.UnixAddr{Name: t.BindHost, Net: "unix"}, nil
	}
	var ip net.IP
	if t.BindHost != "" {
		a, err := netip.ParseAddr(t.BindHost)
		if err != nil {
			return nil, fmt.Errorf("bind_address %q is no IP address", t.BindHost)
		}
		ip = a.AsSlice()
	}
	if t.Kind.Packets() {
		return &net.UDPAddr{IP: ip, Port: t.BindPort}, nil
	}
	return &net.TCPAddr{IP: ip, Port: t.BindPort}, nil
}

var lastName atomic.Uint64

// ownName is a name in the abstract namespace that no other socket has.
func ownName() string {
	return fmt.Sprintf("@swoon-client-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), lastName.Add(1))
}

// Open makes a socket for packets that has no peer: for sendto. like is where
// the first packet goes.
func (t Target) Open(like netip.Addr) (*Socket, error) {
	if t.Kind == UnixDgram {
		local, err := t.local(context.Background())
		if err != nil {
			return nil, err
		}
		c, err := net.ListenUnixgram("unixgram", local.(*net.UnixAddr))
		if err != nil {
			return nil, err
		}
		return newSocket(t.Kind, c)
	}
	network, ip := "udp4", net.IP(nil)
	if like.Is6() && !like.Is4In6() {
		network = "udp6"
	}
	if like.IsLoopback() {
		ip = like.AsSlice() // no stranger can reach it
	}
	local, err := t.local(context.Background())
	if err != nil {
		return nil, err
	}
	at, _ := local.(*net.UDPAddr)
	if at == nil {
		at = &net.UDPAddr{IP: ip}
	}
	c, err := net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return newSocket(t.Kind, c)
}

// Resolve is the address of a name, for sendto. It blocks until ctx ends.
func Resolve(ctx context.Context, k Kind, host string) (netip.Addr, error) {
	network := "ip"
	if k == UDP6 {
		network = "ip6"
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = context.DeadlineExceeded
		}
		return netip.Addr{}, err
	}
	for _, a := range list {
		if a.Unmap().Is4() {
			return a.Unmap(), nil // as a UDP client of old expects
		}
	}
	return list[0], nil
}

// sockaddr is a peer as the system takes it.
func sockaddr(k Kind, ip netip.Addr, port int, path string) syscall.Sockaddr {
	switch {
	case k == UnixDgram:
		return &syscall.SockaddrUnix{Name: path}
	case ip.Unmap().Is4():
		return &syscall.SockaddrInet4{Port: port, Addr: ip.Unmap().As4()}
	}
	return &syscall.SockaddrInet6{Port: port, Addr: ip.As16()}
}

// peer is a peer as scripts read it.
func peer(from syscall.Sockaddr) (host string, port int) {
	switch a := from.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrFrom4(a.Addr).String(), a.Port
	case *syscall.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).Unmap().String(), a.Port
	case *syscall.SockaddrUnix:
		return a.Name, 0
	}
	return "", 0
}

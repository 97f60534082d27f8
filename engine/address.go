package engine

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Kind is what a port speaks: a stream, whose clients have sessions, or
// packets. The numbers are Swoole's; 0 is TCP.
type Kind uint8

// The kinds. TCP and UDP mean their IPv6 forms where the address is one.
const (
	TCP        Kind = 1
	UDP        Kind = 2
	TCP6       Kind = 3
	UDP6       Kind = 4
	UnixStream Kind = 5
	UnixDgram  Kind = 6
)

var kindNames = [...]string{"tcp", "tcp", "udp", "tcp6", "udp6", "unix_stream", "unix_dgram"}

// String is the name that sock_type takes.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Packets says whether the port takes packets, and has no sessions.
func (k Kind) Packets() bool { return k == UDP || k == UDP6 || k == UnixDgram }

// Unix says whether the address is a path.
func (k Kind) Unix() bool { return k == UnixStream || k == UnixDgram }

// Listen is one declared address. Port 0 lets the kernel choose. Of a unix
// socket Host is the path, or "@name" in the abstract namespace, and Port is 0.
// Host "SYSTEMD" or "SYSTEMD:name" is a socket that systemd has passed.
type Listen struct {
	Host string
	Port int
	Kind Kind
}

// normal is the address with its kind made plain: tcp6 where it is one, and
// localhost as a number.
func (l Listen) normal() Listen {
	if l.Kind == 0 {
		l.Kind = TCP
	}
	if l.Kind.Unix() {
		l.Port = 0
		return l
	}
	if l.Host == "localhost" {
		l.Host = "127.0.0.1"
		if l.Kind == TCP6 || l.Kind == UDP6 {
			l.Host = "::1"
		}
	}
	if ip, err := netip.ParseAddr(l.Host); err == nil && ip.Is6() {
		switch l.Kind {
		case TCP:
			l.Kind = TCP6
		case UDP:
			l.Kind = UDP6
		}
	}
	return l
}

// String is the address as people write it, with what is spoken there if that
// is not TCP: 127.0.0.1:9501, udp:[::1]:53, unix:/run/app.sock, unixgram:@log.
func (l Listen) String() string {
	l = l.normal()
	at := l.Host
	if name, ok := systemdName(l.Host); ok {
		at = systemdWord
		if name != "" {
			at += ":" + name
		}
	} else if !l.Kind.Unix() {
		at = net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
	}
	if network := l.network(); network != "tcp" {
		return network + ":" + at
	}
	return at
}

// network is the word for errors: "listen udp 127.0.0.1:53".
func (l Listen) network() string {
	switch l.Kind {
	case UnixStream:
		return "unix"
	case UnixDgram:
		return "unixgram"
	case UDP, UDP6:
		return "udp"
	}
	return "tcp"
}

// LooksLikePath says whether a host is the path or the name of a unix socket.
func LooksLikePath(host string) bool {
	return strings.HasPrefix(host, "@") || strings.ContainsRune(host, filepath.Separator)
}

const systemdWord = "SYSTEMD"

// systemdName reads the host "SYSTEMD", or "SYSTEMD:name", in any case.
func systemdName(host string) (name string, ok bool) {
	if len(host) < len(systemdWord) || !strings.EqualFold(host[:len(systemdWord)], systemdWord) {
		return "", false
	}
	rest := host[len(systemdWord):]
	if rest == "" {
		return "", true
	}
	name, ok = strings.CutPrefix(rest, ":")
	return name, ok && name != ""
}

// Systemd says whether the address stands for a socket that systemd has passed.
func (l Listen) Systemd() bool {
	_, ok := systemdName(l.Host)
	return ok
}

// Peer is where a packet came from or is to go: an IP address, or the path of
// a unix socket, empty when it has none.
type Peer struct {
	Addr netip.AddrPort
	Path string
}

func (p Peer) String() string {
	switch {
	case p.Path != "":
		return p.Path
	case p.Addr.IsValid():
		return p.Addr.String()
	}
	return "(unnamed)"
}

// ParsePeer reads an address: IPv4, IPv6 with or without a zone, or the path
// ("/run/x.sock") or name ("@x") of a unix socket, for which port means nothing.
func ParsePeer(host string, port int) (Peer, error) {
	if LooksLikePath(host) {
		if err := checkPath(host); err != nil {
			return Peer{}, err
		}
		return Peer{Path: host}, nil
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return Peer{}, fmt.Errorf("'%s' is no IP address and no path (names are not looked up here)", host)
	}
	if port < 1 || port > 65535 {
		return Peer{}, fmt.Errorf("port %d is not in 1..65535", port)
	}
	return Peer{Addr: netip.AddrPortFrom(ip.Unmap(), uint16(port))}, nil
}

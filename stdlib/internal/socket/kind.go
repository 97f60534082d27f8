package socket

import "strings"

// Kind is what a socket speaks. The numbers are Swoole's.
type Kind uint8

// The kinds. Auto is left to the address: a path is a unix stream, all else TCP.
const (
	Auto       Kind = 0
	TCP        Kind = 1
	UDP        Kind = 2
	TCP6       Kind = 3
	UDP6       Kind = 4
	UnixStream Kind = 5
	UnixDgram  Kind = 6
)

// KindNames are the kinds' names, from TCP on.
var KindNames = []string{"tcp", "udp", "tcp6", "udp6", "unix_stream", "unix_dgram"}

func (k Kind) String() string {
	if k >= 1 && int(k) <= len(KindNames) {
		return KindNames[k-1]
	}
	return "auto"
}

// Packets says whether the kind sends packets, and is no stream.
func (k Kind) Packets() bool { return k == UDP || k == UDP6 || k == UnixDgram }

// Unix says whether addresses are paths.
func (k Kind) Unix() bool { return k == UnixStream || k == UnixDgram }

// Of is the kind for an address: k unless it is Auto.
func (k Kind) Of(host string) Kind {
	if k != Auto {
		return k
	}
	if strings.HasPrefix(host, "@") || strings.Contains(host, "/") {
		return UnixStream
	}
	return TCP
}

// network is Go's name of the kind.
func (k Kind) network() string {
	switch k {
	case UDP:
		return "udp"
	case TCP6:
		return "tcp6"
	case UDP6:
		return "udp6"
	case UnixStream:
		return "unix"
	case UnixDgram:
		return "unixgram"
	}
	return "tcp"
}

package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// SocketOptions are what the kernel is told about the sockets of a port. They
// are set on the listening socket, and the sockets of its sessions inherit
// them: a change is for sessions that begin from then on. Zero leaves an option
// as the kernel has it.
type SocketOptions struct {
	NoDelayOff   bool // open_tcp_nodelay = false
	ReusePort    bool // enable_reuse_port: other processes may listen on the address too
	KeepAlive    bool // open_tcp_keepalive
	KeepIdle     int  // tcp_keepidle, in seconds
	KeepInterval int  // tcp_keepinterval, in seconds
	KeepCount    int  // tcp_keepcount, in probes
	UserTimeout  int  // tcp_user_timeout, in milliseconds
	DeferAccept  int  // tcp_defer_accept, in seconds
	FastOpen     int  // tcp_fastopen, in clients that wait
	RecvBuffer   int  // kernel_socket_recv_buffer_size, in bytes
	SendBuffer   int  // kernel_socket_send_buffer_size, in bytes
	SocketMode   uint32
}

// Swoole's defaults of a keepalive, and ours of a socket's file: its owner's.
const (
	DefaultKeepIdle     = 3600
	DefaultKeepInterval = 60
	DefaultKeepCount    = 5
	DefaultSocketMode   = 0o600
)

func (o *SocketOptions) setDefaults() {
	def(&o.KeepIdle, DefaultKeepIdle)
	def(&o.KeepInterval, DefaultKeepInterval)
	def(&o.KeepCount, DefaultKeepCount)
	if o.SocketMode == 0 {
		o.SocketMode = DefaultSocketMode
	}
}

// sockopt is one thing that the kernel is told.
type sockopt struct {
	setting string
	kinds   func(Kind) bool
	value   func(*PortOptions) int
	set     func(fd, value int) error
}

func ofTCP(k Kind) bool  { return k == TCP || k == TCP6 }
func ofInet(k Kind) bool { return !k.Unix() }
func ofAny(Kind) bool    { return true }

func plain(level, name int) func(fd, value int) error {
	return func(fd, value int) error { return unix.SetsockoptInt(fd, level, name, value) }
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// probing is a value of the keepalive, which the kernel takes only above 0.
func probing(name int) func(fd, value int) error {
	return func(fd, value int) error {
		if value == 0 {
			return nil
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, name, value)
	}
}

var sockopts = []sockopt{
	{"open_tcp_nodelay", ofTCP, func(o *PortOptions) int { return oneIf(!o.NoDelayOff) }, plain(unix.IPPROTO_TCP, unix.TCP_NODELAY)},
	{"tcp_keepidle", ofTCP, func(o *PortOptions) int { return o.KeepIdle * oneIf(o.KeepAlive) }, probing(unix.TCP_KEEPIDLE)},
	{"tcp_keepinterval", ofTCP, func(o *PortOptions) int { return o.KeepInterval * oneIf(o.KeepAlive) }, probing(unix.TCP_KEEPINTVL)},
	{"tcp_keepcount", ofTCP, func(o *PortOptions) int { return o.KeepCount * oneIf(o.KeepAlive) }, probing(unix.TCP_KEEPCNT)},
	{"open_tcp_keepalive", ofTCP, func(o *PortOptions) int { return oneIf(o.KeepAlive) }, plain(unix.SOL_SOCKET, unix.SO_KEEPALIVE)},
	{"tcp_user_timeout", ofTCP, func(o *PortOptions) int { return o.UserTimeout }, plain(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)},
	{"tcp_defer_accept", ofTCP, func(o *PortOptions) int { return o.DeferAccept }, plain(unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT)},
	{"tcp_fastopen", ofTCP, func(o *PortOptions) int { return o.FastOpen }, setFastOpen},
	{"kernel_socket_recv_buffer_size", ofAny, func(o *PortOptions) int { return o.RecvBuffer }, recvBuffer.set},
	{"kernel_socket_send_buffer_size", ofAny, func(o *PortOptions) int { return o.SendBuffer }, sendBuffer.set},
}

// tune tells the kernel what is different in o from what the socket has: from
// old, or from nothing.
func (o *PortOptions) tune(fd int, k Kind, old *PortOptions) error {
	for i := range sockopts {
		row := &sockopts[i]
		was, is := 0, row.value(o)
		if old != nil {
			was = row.value(old)
		}
		if was == is || !row.kinds(k) {
			continue
		}
		if err := row.set(fd, is); err != nil {
			return fmt.Errorf("%s: %w", row.setting, err)
		}
	}
	return nil
}

// setFastOpen refuses what the kernel would take and then not do.
func setFastOpen(fd, queue int) error {
	if queue > 0 {
		const path = "/proc/sys/net/ipv4/tcp_fastopen"
		if text, err := os.ReadFile(path); err == nil {
			var bits int
			if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &bits); err == nil && bits&2 == 0 {
				return fmt.Errorf("this machine does it for clients only (sysctl net.ipv4.tcp_fastopen is %d, and needs 2 added)", bits)
			}
		}
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, queue)
}

// buffer is one of the two buffers of a socket.
type buffer struct {
	opt, force int
	lock       int // its bit in SO_BUF_LOCK: the kernel does not fit the size to the traffic
	limit      string
}

var (
	recvBuffer = buffer{unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, 2, "net.core.rmem_max"}
	sendBuffer = buffer{unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, 1, "net.core.wmem_max"}
)

const soBufLock = 72 // SO_BUF_LOCK, Linux 5.14

// set makes the buffer hold size bytes; 0 gives it back to the kernel. The
// kernel quietly takes less than asked: that is an error here.
func (b buffer) set(fd, size int) error {
	if size == 0 {
		return b.reset(fd)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.opt, size); err != nil {
		return err
	}
	got, err := b.get(fd)
	if err != nil || got >= size {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.force, size); err != nil {
		return fmt.Errorf("%d bytes are more than the kernel allows, which is %d (sysctl %s)", size, got, b.limit)
	}
	return nil
}

// get is the size as it is asked for: the kernel doubles it for its own needs.
func (b buffer) get(fd int) (int, error) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, b.opt)
	return n / 2, err
}

func (b buffer) reset(fd int) error {
	domain, err1 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	locks, err3 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, soBufLock)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	fresh, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fresh)
	size, err := b.get(fresh)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.opt, size)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, soBufLock, locks&^b.lock)
	}
	return err
}

// lostReason is why a connection ended by an error of the kernel.
func lostReason(fd int, err error, other Reason) Reason {
	switch err {
	case unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH:
		if deadPeer(fd) {
			return KeepaliveLost
		}
		return Reset
	case unix.ECONNRESET:
		return Reset
	}
	return other
}

// deadPeer says whether a connection that timed out did so because the peer no
// longer answered keepalive probes, and not because it did not acknowledge what
// was sent: the kernel probes only when nothing else is under way.
func deadPeer(fd int) bool {
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	if err != nil || on == 0 {
		return false
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.Retransmits == 0 && info.Probes > 0
}

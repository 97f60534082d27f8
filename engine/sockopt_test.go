package engine

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// option reads one option of a socket.
func option(t *testing.T, fd, level, name int) int {
	t.Helper()
	n, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What is set for a port is what the kernel says of the sockets of its
// sessions; after a change, of those that come from then on.
func TestSocketOptions(t *testing.T) {
	fds := make(chan int, 1)
	h := &funcs{receive: func(f *Fiber, s *Session, data string) { fds <- int(s.fd) }}
	first := SocketOptions{
		KeepAlive: true, KeepIdle: 11, KeepInterval: 12, KeepCount: 13, UserTimeout: 14_000,
		DeferAccept: 3, RecvBuffer: 100_000, SendBuffer: 120_000,
	}
	e, addr := serve(t, Options{Workers: 1, Ports: []PortOptions{{SocketOptions: first, Backlog: 5}}}, h)
	session := func() int {
		c := dial(t, addr)
		say(t, c, "x")
		return from(t, fds)
	}
	tcp := func(fd, name int) int { return option(t, fd, unix.IPPROTO_TCP, name) }
	socket := func(fd, name int) int { return option(t, fd, unix.SOL_SOCKET, name) }
	port := e.Ports()[0]
	has := func(fd int, o SocketOptions) {
		t.Helper()
		for _, c := range []struct {
			name      string
			got, want int
		}{
			{"open_tcp_nodelay", tcp(fd, unix.TCP_NODELAY), oneIf(!o.NoDelayOff)},
			{"open_tcp_keepalive", socket(fd, unix.SO_KEEPALIVE), oneIf(o.KeepAlive)},
			{"tcp_user_timeout", tcp(fd, unix.TCP_USER_TIMEOUT), o.UserTimeout},
		} {
			if c.got != c.want {
				t.Errorf("%s is %d, want %d", c.name, c.got, c.want)
			}
		}
		if o.KeepAlive {
			if a, b, c := tcp(fd, unix.TCP_KEEPIDLE), tcp(fd, unix.TCP_KEEPINTVL), tcp(fd, unix.TCP_KEEPCNT); a != o.KeepIdle || b != o.KeepInterval || c != o.KeepCount {
				t.Errorf("keepalive %d %d %d, want %d %d %d", a, b, c, o.KeepIdle, o.KeepInterval, o.KeepCount)
			}
		}
		for _, b := range []struct {
			buffer
			want int
		}{{recvBuffer, o.RecvBuffer}, {sendBuffer, o.SendBuffer}} {
			if got, err := b.get(fd); err != nil || b.want > 0 && got != b.want {
				t.Errorf("a buffer has %d bytes, want %d, %v", got, b.want, err)
			}
			if locked := socket(fd, soBufLock)&b.lock != 0; locked != (b.want > 0) {
				t.Errorf("the size of a buffer is fixed: %v, want %v", locked, b.want > 0)
			}
		}
	}
	has(session(), first)
	if n := tcp(port.fd, unix.TCP_DEFER_ACCEPT); n < 3 {
		t.Errorf("tcp_defer_accept is %d", n)
	}

	second := SocketOptions{NoDelayOff: true, KeepAlive: true, KeepIdle: 21, KeepInterval: 22, KeepCount: 23, RecvBuffer: 90_000}
	for _, o := range []SocketOptions{second, {}, first} {
		opts := *port.Options()
		opts.SocketOptions, opts.Backlog = o, opts.Backlog+1
		if err := port.Set(opts); err != nil {
			t.Fatal(err)
		}
		has(session(), o)
		if n := tcp(port.fd, unix.TCP_DEFER_ACCEPT); (n > 0) != (o.DeferAccept > 0) {
			t.Errorf("tcp_defer_accept is %d, set to %d", n, o.DeferAccept)
		}
	}
	opts := *port.Options()
	opts.ReusePort = true
	says(t, port.Set(opts), "enable_reuse_port")
}

func TestBacklog(t *testing.T) {
	o := PortOptions{Listen: Listen{Host: "127.0.0.1"}, Backlog: 7}
	e, err := New(Options{Workers: 1, Ports: []PortOptions{o}}, &funcs{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	backlog := func() int { // of a socket that listens, TCP_INFO says it here
		info, err := unix.GetsockoptTCPInfo(e.Ports()[0].fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sacked)
	}
	if n := backlog(); n != 7 {
		t.Errorf("the backlog is %d", n)
	}
	opts := *e.Ports()[0].Options()
	opts.Backlog = 70
	if err := e.Ports()[0].Set(opts); err != nil || backlog() != 70 {
		t.Errorf("the backlog is %d, %v", backlog(), err)
	}
}

// With enable_reuse_port two servers share an address, also one of packets.
func TestReusePort(t *testing.T) {
	for _, k := range []Kind{TCP, UDP} {
		o := PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: k}, SocketOptions: SocketOptions{ReusePort: true}}
		e, err := listenOn(t, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Port = e.Ports()[0].Addr().Port
		if _, err := listenOn(t, o); err != nil {
			t.Errorf("%v: %v", k, err)
		}
		o.ReusePort = false
		_, err = listenOn(t, o)
		says(t, err, "address already in use")
	}
}

// The kernel would quietly take less than it is asked for.
func TestBufferOverTheKernelsLimit(t *testing.T) {
	limit := func(path string) int {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Skip(err)
		}
		n := 0
		fmt.Sscan(string(text), &n)
		return n
	}
	recv, send := limit("/proc/sys/net/core/rmem_max"), limit("/proc/sys/net/core/wmem_max")
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The right to go over the limit is the thread's; this one ends with the
		// goroutine.
		runtime.LockOSThread()
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			t.Error(err)
			return
		}
		for _, o := range []SocketOptions{{RecvBuffer: recv + 1}, {SendBuffer: send + 1}} {
			want := PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: UDP}, SocketOptions: o}
			_, err := openInet(&want)
			says(t, err, "_buffer_size: ", " bytes are more than the kernel allows, which is ", "(sysctl net.core.")
		}
		want := PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: UDP}, SocketOptions: SocketOptions{RecvBuffer: recv, SendBuffer: send}}
		fd, err := openInet(&want)
		if err != nil {
			t.Error(err)
			return
		}
		unix.Close(fd)
	}()
	<-done
}

func TestFastOpen(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_fastopen")
	if err != nil {
		t.Skip(err)
	}
	bits := 0
	fmt.Sscan(string(text), &bits)
	e, err := listenOn(t, PortOptions{Listen: Listen{Host: "127.0.0.1"}, SocketOptions: SocketOptions{FastOpen: 9}})
	if bits&2 == 0 {
		says(t, err, "tcp_fastopen: ", "for clients only", "net.ipv4.tcp_fastopen is")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := option(t, e.Ports()[0].fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN); n != 9 {
		t.Errorf("tcp_fastopen is %d", n)
	}
}

// Where the machine does it for servers too, the kernel is told. In a network
// of its own the test may say what the machine does.
func TestFastOpenForServers(t *testing.T) {
	skipped := ""
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the network is this thread's, which ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			skipped = err.Error()
			return
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0o644); err != nil {
			skipped = err.Error()
			return
		}
		want := PortOptions{Listen: Listen{Host: "0.0.0.0"}, SocketOptions: SocketOptions{FastOpen: 9}, Backlog: 5}
		fd, err := openInet(&want)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		if n := option(t, fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN); n != 9 {
			t.Errorf("tcp_fastopen is %d", n)
		}
	}()
	<-done
	if skipped != "" {
		t.Skip("it takes root to make a network: ", skipped)
	}
}

// deaf makes a client drop whatever arrives, as if its machine were gone. The
// kernel drops it below TCP, so that nothing is acknowledged.
func deaf(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		drop := []unix.SockFilter{{Code: unix.BPF_RET}}
		prog := unix.SockFprog{Len: 1, Filter: &drop[0]}
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			t.Skip("this kernel has no filters on sockets: ", err)
		}
	})
}

// Why a connection ended is told apart: a peer that no longer answers probes,
// and one that no longer acknowledges what is sent.
func TestLostPeers(t *testing.T) {
	for _, c := range []struct {
		name string
		o    SocketOptions
		send bool
		want Reason
	}{
		{"no answer to probes", SocketOptions{KeepAlive: true, KeepIdle: 1, KeepInterval: 1, KeepCount: 2}, false, KeepaliveLost},
		{"no acknowledgement", SocketOptions{KeepAlive: true, UserTimeout: 800}, true, Reset},
		{"no acknowledgement, without keepalive", SocketOptions{UserTimeout: 800}, true, Reset},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ends := make(chan Reason, 1)
			ready := make(chan struct{}, 1)
			var g gate
			h := &funcs{
				receive: func(f *Fiber, s *Session, data string) {
					ready <- struct{}{}
					if c.send {
						g.pass(f) // until the peer is deaf
						f.Send(s, "hello")
					}
				},
				close: func(f *Fiber, s *Session, r Reason) { ends <- r },
			}
			_, addr := serve(t, Options{Workers: 1, Ports: []PortOptions{{SocketOptions: c.o}}}, h)
			conn := dial(t, addr)
			say(t, conn, "x")
			from(t, ready)
			deaf(t, conn)
			g.open()
			if got := from(t, ends); got != c.want {
				t.Errorf("it ended as %v, want %v", got, c.want)
			}
		})
	}
}

// A server that cannot have as many sessions as it is asked for says so, once,
// and serves.
func TestTooFewDescriptors(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	n, limit := sessionsThatFit()
	if n <= 0 || uint64(n) >= limit || limit != old.Max {
		t.Fatalf("%d sessions with %d descriptors", n, limit)
	}
	for _, c := range []struct{ want, warnings int }{{n - 100, 0}, {n + 1, 1}} {
		var log lockedBuffer
		e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1"}}}, Limits: Limits{MaxSessions: c.want},
			Logger: slog.New(slog.NewTextHandler(&log, nil))}, &funcs{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Listen(); err != nil {
			t.Fatal(err)
		}
		e.Stop()
		if got := strings.Count(log.String(), "max_connection cannot be reached"); got != c.warnings {
			t.Errorf("max_connection %d of %d: %d warnings\n%s", c.want, n, got, log.String())
		}
	}
}

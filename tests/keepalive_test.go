package tests

import (
	bytesof "encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What keepalive does on the wire, and what it finds out. The wire is a pair of
// virtual interfaces, one end in each of two network namespaces: nothing of the
// machine's own network is touched.

// namespace is a network namespace that lives as long as its descriptor.
type namespace int

// namespaces gives the calling test two new ones, and leaves it in the first.
// The test keeps its thread for itself until it ends, and what it starts begins
// where it is. Then the thread goes back to where it came from: if it ended, the
// servers that other tests had started on it before would be killed with it.
func namespaces(t *testing.T) (here, there namespace) {
	t.Helper()
	runtime.LockOSThread()
	home := openNamespace(t)
	t.Cleanup(func() {
		home.enter(t)
		runtime.UnlockOSThread()
	})
	var both [2]namespace
	for i := range both {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Skip("this machine allows no network namespaces: unshare: ", err)
		}
		both[i] = openNamespace(t)
	}
	both[0].enter(t)
	return both[0], both[1]
}

// openNamespace is the one of this thread.
func openNamespace(t *testing.T) namespace {
	t.Helper()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return namespace(fd)
}

func (n namespace) enter(t *testing.T) {
	t.Helper()
	if err := unix.Setns(int(n), unix.CLONE_NEWNET); err != nil {
		t.Fatal("setns: ", err)
	}
}

// path is a name of the namespace for others.
func (n namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n) }

// ip runs ip where the test is.
func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}

// segment is one TCP segment as it has come out of the wire.
type segment struct {
	to       string
	seq      uint32
	ack, rst bool
	length   int
}

// capture is what the server has sent, read at the client's end of the wire.
type capture struct {
	mu   sync.Mutex
	seen []segment
}

// listen reads until the test ends. It must be called where the wire ends.
func (c *capture) listen(t *testing.T, port uint16) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(unix.ETH_P_IP>>8|unix.ETH_P_IP<<8&0xff00))
	if err != nil {
		t.Fatal("a socket of packets: ", err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100000})
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped; unix.Close(fd) })
	go func() {
		defer close(stopped)
		b := make([]byte, 64<<10)
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			select {
			case <-stop:
				return
			default:
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); err != nil || !ok || ll.Pkttype != unix.PACKET_HOST {
				continue
			}
			if s, ok := readSegment(b[:n], port); ok {
				c.mu.Lock()
				c.seen = append(c.seen, s)
				c.mu.Unlock()
			}
		}
	}()
}

// readSegment reads an IPv4 packet; ok says that it is one of TCP from port.
func readSegment(b []byte, port uint16) (s segment, ok bool) {
	if len(b) < 20 || b[9] != unix.IPPROTO_TCP {
		return s, false
	}
	header := int(b[0]&15) * 4
	total := int(bytesof.BigEndian.Uint16(b[2:]))
	if total > len(b) || total < header+20 {
		return s, false
	}
	tcp := b[header:total]
	if bytesof.BigEndian.Uint16(tcp) != port {
		return s, false
	}
	const ack, rst = 16, 4
	return segment{
		to: net.IP(b[16:20]).String(), seq: bytesof.BigEndian.Uint32(tcp[4:]),
		ack: tcp[13]&ack != 0, rst: tcp[13]&rst != 0, length: len(tcp) - int(tcp[12]>>4)*4,
	}, true
}

// probes counts the keepalive probes to an address: they carry nothing and have
// the number of a byte that was acknowledged before. reset says that the server
// has given up.
func (c *capture) probes(to string) (n int, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var next uint32 // the number of the server's next byte
	for _, s := range c.seen {
		switch {
		case s.to != to:
		case s.rst:
			reset = true
		case s.length > 0:
			next = s.seq + uint32(s.length)
		case s.ack && next != 0 && s.seq == next-1:
			n++
		}
	}
	return n, reset
}

// answers counts what the server has sent to an address.
func (c *capture) answers(to string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seen {
		if s.to == to && s.length > 0 {
			n++
		}
	}
	return n
}

// Probes go over the wire while a client says nothing, and are answered by its
// kernel. A client whose machine has lost its address, and one whose link is
// taken down, are found after tcp_keepcount probes without an answer; nobody else
// is closed.
func TestKeepaliveOnTheWire(t *testing.T) {
	t.Parallel() // it mostly waits
	here, there := namespaces(t)
	const steady, movesAway, unplugged = "192.0.2.2", "192.0.2.3", "198.51.100.2"
	ip(t, "link set lo up")
	for i, network := range []string{"192.0.2.1/24", "198.51.100.1/24"} {
		ip(t, fmt.Sprintf("link add wire%d type veth peer name far%d netns %s", i, i, there.path()))
		ip(t, fmt.Sprintf("addr add %s dev wire%d", network, i))
		ip(t, fmt.Sprintf("link set wire%d up", i))
	}
	there.enter(t)
	ip(t, "addr add "+steady+"/24 dev far0")
	ip(t, "addr add "+movesAway+"/32 dev far0")
	ip(t, "addr add "+unplugged+"/24 dev far1")
	ip(t, "link set far0 up")
	ip(t, "link set far1 up")
	here.enter(t)
	const probes = 2
	sv := serve(t, setup{workers: 1, flags: []string{"--host", "0.0.0.0"}}, fmt.Sprintf(`
		server:set{ open_tcp_keepalive = true, tcp_keepidle = 1, tcp_keepinterval = 1, tcp_keepcount = %d }
		function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
		function onClose(server, fd, reactor_id, reason)
		  print("gone", server:getClientInfo(fd).remote_ip, reason)
		end`, probes))

	there.enter(t)
	var wire capture
	port, err := strconv.Atoi(sv.Port)
	if err != nil {
		t.Fatal(err)
	}
	wire.listen(t, uint16(port))
	speak := func(from, to string) *client {
		c, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(from)}, &net.TCPAddr{IP: net.ParseIP(to), Port: port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(4 * patience))
		c.SetKeepAlive(false) // Go's own would be in the way
		cl := &client{c, t, nil}
		cl.say("hello\n")
		cl.expect("hello")
		return cl
	}
	c := speak(steady, "192.0.2.1")
	speak(movesAway, "192.0.2.1")
	speak(unplugged, "198.51.100.1")
	eventually(t, "all are probed more often than one that does not answer would be", func() bool {
		for _, to := range []string{steady, movesAway, unplugged} {
			if n, _ := wire.probes(to); n <= probes {
				return false
			}
		}
		return true
	})
	if sv.Out.count("gone") != 0 {
		t.Fatal("a client that answers was closed")
	}

	ip(t, "link set far1 down")
	ip(t, "addr del "+movesAway+"/32 dev far0")
	// What the wire brought before this answer has been counted when it has been.
	answers := wire.answers(steady)
	c.say("here\n")
	c.expect("here")
	eventually(t, "the capture keeps up", func() bool { return wire.answers(steady) > answers })
	before, _ := wire.probes(movesAway)
	sv.Out.wait(t, "gone\t"+movesAway+"\tkeepalive_lost\n")
	eventually(t, "the last word is a reset", func() bool { _, reset := wire.probes(movesAway); return reset })
	// One that came while the address went may have been counted before.
	if n, _ := wire.probes(movesAway); n-before != probes && n-before != probes-1 {
		t.Errorf("%d probes had no answer, want %d", n-before, probes)
	}
	sv.Out.wait(t, "gone\t"+unplugged+"\tkeepalive_lost\n")
	c.say("still here\n")
	c.expect("still here")
	if sv.Out.count("gone") != 2 {
		t.Error("somebody else was closed, too")
	}
}

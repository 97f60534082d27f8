package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func tcpPort(host string, port int) PortOptions {
	return PortOptions{Listen: Listen{Host: host, Port: port}}
}

// bind binds all ports, or none.
func bind(e *Engine, add []PortOptions, remove []*Port) (list []*Port, err error) {
	for _, want := range add {
		p, err := e.BindPort(want, remove)
		if err != nil {
			for _, p := range list {
				e.UnbindPort(p)
			}
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// commit does what bind has begun.
func commit(e *Engine, added, remove []*Port, drain time.Duration) {
	for _, p := range added {
		e.AddPort(p)
	}
	for _, p := range remove {
		e.RemovePort(p, drain)
	}
}

// change does a whole change of ports.
func change(t testing.TB, e *Engine, add []PortOptions, remove []*Port, drain time.Duration) []*Port {
	t.Helper()
	list, err := bind(e, add, remove)
	if err != nil {
		t.Fatal(err)
	}
	commit(e, list, remove, drain)
	return list
}

// Ports come and go; each has a number of its own; the address of one that has
// gone is free, its sessions stay.
func TestPortsComeAndGo(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		e, first := serve(t, o, &funcs{receive: echo})
		echoes := func(c net.Conn) {
			t.Helper()
			write(t, c, "hello")
			expect(t, c, "hello")
		}
		old := dial(t, first)
		echoes(old)
		var last *Port
		for i := range 5 {
			added := must(bind(e, []PortOptions{tcpPort("127.0.0.1", 0), tcpPort("::1", 0)}, nil))
			early := dial(t, added[0].Addr().String())
			write(t, early, "hello")
			if n := e.Stats(nil).Accepted; n != uint64(1+2*i) {
				t.Errorf("%d clients were let in before AddPort", n)
			}
			commit(e, added, nil, 0)
			expect(t, early, "hello")
			echoes(dial(t, added[1].Addr().String()))
			for k, p := range added {
				if p.Index() != 1+2*i+k {
					t.Errorf("port %v has the number %d", p.Addr(), p.Index())
				}
			}
			if n := len(e.Ports()); n != 3 {
				t.Errorf("%d ports", n)
			}
			last = added[0]
			change(t, e, nil, added, 0)
			if n := len(e.Ports()); n != 1 {
				t.Errorf("%d ports", n)
			}
			echoes(early) // its session stays
			if _, err := net.Dial("tcp", last.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a port that is no more: %v", err)
			}
		}
		again := change(t, e, []PortOptions{tcpPort("127.0.0.1", last.Addr().Port)}, nil, 0)[0]
		echoes(dial(t, again.Addr().String()))
		echoes(old)
	})
}

// When one of the ports cannot be bound, none is.
func TestPortsRollBack(t *testing.T) {
	e, addr := serve(t, Options{Workers: 1}, &funcs{receive: echo})
	taken := e.Ports()[0].Addr().Port
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().(*net.TCPAddr).Port
	l.Close()
	files := descriptors(t)
	var refused *ListenError
	for _, bad := range []PortOptions{tcpPort("127.0.0.1", taken), tcpPort("nowhere", 1)} {
		if _, err = bind(e, []PortOptions{tcpPort("127.0.0.1", free), bad}, nil); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
	}
	if n := descriptors(t); n != files || len(e.Ports()) != 1 {
		t.Errorf("%d descriptors, there were %d; %d ports", n, files, len(e.Ports()))
	}
	e.UnbindPort(must(e.BindPort(tcpPort("127.0.0.1", free), nil)))
	e.UnbindPort(must(e.BindPort(tcpPort("127.0.0.1", free), nil)))
	conn := dial(t, addr)
	write(t, conn, "x")
	expect(t, conn, "x")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// visitors connect and are echoed without end. Nobody may be cut off: refused
// they may be if that is said.
func visitors(t *testing.T, addr string, n int, stop chan struct{}, mayRefuse func() bool) (wait func() int64) {
	var wg sync.WaitGroup
	var served atomic.Int64
	for range n {
		wg.Go(func() {
			for !finishedOr(stop) {
				c, err := net.Dial("tcp", addr)
				if errors.Is(err, syscall.ECONNREFUSED) && mayRefuse() {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(30 * time.Second))
				got := make([]byte, 5)
				if _, err := io.WriteString(c, "hello"); err == nil {
					_, err = io.ReadFull(c, got)
				}
				c.Close()
				if err != nil || string(got) != "hello" {
					t.Errorf("a client that had connected got %q, %v", got, err)
					return
				}
				served.Add(1)
			}
		})
	}
	return func() int64 { wg.Wait(); return served.Load() }
}

// An address that overlaps the old one follows it, wider or narrower, while
// clients come all the time: nobody notices.
func TestOverlappingPortsFollowEachOther(t *testing.T) {
	e, _ := serve(t, Options{Workers: 2}, &funcs{receive: echo})
	p := change(t, e, []PortOptions{tcpPort("0.0.0.0", 0)}, nil, 0)[0]
	port := p.Addr().Port
	stop := make(chan struct{})
	wait := visitors(t, fmt.Sprint("127.0.0.1:", port), 8, stop, func() bool { return false })
	for range 2 {
		for _, host := range []string{"127.0.0.1", "0.0.0.0"} {
			if _, err := e.BindPort(tcpPort(host, port), nil); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("beside the old one: %v", err)
			}
			for range 2 { // given up: who came in the meantime is served too
				given := must(e.BindPort(tcpPort(host, port), []*Port{p}))
				n := e.Stats(nil).Accepted
				eventually(t, "clients come", func() bool { return e.Stats(nil).Accepted > n+10 })
				e.UnbindPort(given)
			}
			next := must(e.BindPort(tcpPort(host, port), []*Port{p}))
			if n := len(e.Ports()); n != 2 {
				t.Errorf("%d ports before AddPort", n)
			}
			commit(e, []*Port{next}, []*Port{p}, 0)
			p = next
			if want := (Listen{host, port, TCP}); p.Addr() != want {
				t.Errorf("listens at %v, want %v", p.Addr(), want)
			}
			v, err := unix.GetsockoptInt(p.FD(), unix.SOL_SOCKET, unix.SO_REUSEPORT)
			if v != 0 || err != nil {
				t.Errorf("SO_REUSEPORT is %d, %v", v, err)
			}
		}
	}
	close(stop)
	if n := wait(); n == 0 {
		t.Error("nobody came")
	}
}

// Who has connected is let in before a port closes, and then no one is cut off.
func TestLastClientsOfAPort(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		e, _ := serve(t, o, &funcs{receive: echo})
		waiting := must(e.BindPort(tcpPort("127.0.0.1", 0), nil))
		var conns []net.Conn
		for range 20 {
			c := dial(t, waiting.Addr().String())
			write(t, c, "x")
			conns = append(conns, c)
		}
		waiting.running.Store(true) // but it does not run
		close(waiting.done)
		e.RemovePort(waiting, 0)
		for _, c := range conns {
			expect(t, c, "x")
		}
		port := 0
		stop := make(chan struct{})
		p := change(t, e, []PortOptions{tcpPort("127.0.0.1", port)}, nil, 0)[0]
		port = p.Addr().Port
		wait := visitors(t, p.Addr().String(), 8, stop, func() bool { return true })
		for range 8 { // each may take a second: until who was turned away comes again
			change(t, e, nil, []*Port{p}, 0)
			p = change(t, e, []PortOptions{tcpPort("127.0.0.1", port)}, nil, 0)[0]
			begun := e.Stats(nil).Accepted
			eventually(t, "clients come", func() bool { return e.Stats(nil).Accepted > begun })
		}
		close(stop)
		wait()
	})
}

// After the drain the sessions of a port that has gone are closed in order.
func TestSessionsOfARemovedPort(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		closed := make(chan ended, 10)
		var door gate
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				if data[0] == 'w' {
					door.pass(f)
				}
				f.Send(s, data)
			},
			close: func(f *Fiber, s *Session, r Reason) { closed <- ended{s.ID(), r} },
		}
		e, addr := serve(t, o, h)
		ports := change(t, e, []PortOptions{{Listen: Listen{Host: "127.0.0.1"}, Framer: fixed(1)}, tcpPort("127.0.0.1", 0)}, nil, 0)
		stays, goes, waits := dial(t, addr), dial(t, ports[1].Addr().String()), dial(t, ports[0].Addr().String())
		for _, c := range []net.Conn{stays, goes} {
			write(t, c, "x")
			expect(t, c, "x")
		}
		write(t, waits, "w12")
		eventually(t, "all has come", func() bool {
			for _, s := range e.Sessions(0, 0) {
				if s.Info().RecvQueued == 2 {
					return true
				}
			}
			return false
		})
		change(t, e, nil, ports, time.Millisecond)
		if got := from(t, closed); got.r != PortRemoved {
			t.Errorf("closed for %v", got.r)
		}
		if _, err := goes.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v", err)
		}
		door.open()
		expect(t, waits, "w12")
		if got := from(t, closed); got.r != PortRemoved {
			t.Errorf("closed for %v", got.r)
		}
		if _, err := waits.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v", err)
		}
		write(t, stays, "x")
		expect(t, stays, "x")
	})
}

// A port of packets that goes reads what lies in the kernel, answers what it
// has read, and is followed by one that covers more; nothing is counted twice.
func TestPacketPortsComeAndGo(t *testing.T) {
	var door gate
	var got atomic.Int64
	h := &moving{funcs: &funcs{}}
	h.packets = func(f *Fiber, p *Packet) {
		got.Add(1)
		if p.Data == "wait" {
			door.pass(f)
		}
		if err := f.SendTo(p.From, p.Data, nil); err != nil {
			t.Error(err)
		}
	}
	e, _ := serveMoving(t, Options{Workers: 2}, h)
	udp := func(host string, port int) PortOptions {
		return PortOptions{Listen: Listen{Host: host, Port: port, Kind: UDP}}
	}
	p := change(t, e, []PortOptions{udp("127.0.0.1", 0)}, nil, 0)[0]
	port := p.Addr().Port
	call := func() net.Conn {
		c := must(net.Dial("udp", fmt.Sprint("127.0.0.1:", port)))
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second))
		return c
	}
	waits, many := call(), call()
	io.WriteString(waits, "wait")
	eventually(t, "it waits", func() bool { return got.Load() == 1 })
	p.dispatch.Lock() // its reader is held up
	const n = 100
	for i := range n {
		fmt.Fprintf(many, "%04d", i)
	}
	done := make(chan *Port)
	go func() {
		next := must(e.BindPort(udp("0.0.0.0", port), []*Port{p}))
		commit(e, []*Port{next}, []*Port{p}, 0)
		done <- next
	}()
	eventually(t, "the old port is told to go", func() bool { return p.sweep.Load() })
	p.dispatch.Unlock()
	wide := from(t, done)
	buf := make([]byte, 10)
	for i := range n {
		k, err := many.Read(buf)
		if err != nil || string(buf[:k]) != fmt.Sprintf("%04d", i) {
			t.Fatalf("packet %d: got %q, %v", i, buf[:k], err)
		}
	}
	// The old socket is open still, for the callback that waits; what comes now
	// is the new one's.
	io.WriteString(many, "more")
	if k, err := many.Read(buf); err != nil || string(buf[:k]) != "more" {
		t.Errorf("got %q, %v", buf[:k], err)
	}
	door.open()
	if k, err := waits.Read(buf); err != nil || string(buf[:k]) != "wait" {
		t.Errorf("got %q, %v", buf[:k], err)
	}
	eventually(t, "the old socket closes", func() bool { return p.users.Load() == 0 })
	if st := e.Stats(nil); st.Packets != n+2 || st.KernelDrops != 0 {
		t.Errorf("%d packets, %d dropped", st.Packets, st.KernelDrops)
	}
	before := must(e.BindPort(udp("127.0.0.1", port), []*Port{wide}))
	io.WriteString(many, "early")
	if k, err := many.Read(buf); err != nil || string(buf[:k]) != "early" {
		t.Errorf("got %q, %v", buf[:k], err)
	}
	e.UnbindPort(before)
	change(t, e, []PortOptions{udp("127.0.0.1", port)}, []*Port{wide}, 0)
	io.WriteString(many, "again")
	if k, err := many.Read(buf); err != nil || string(buf[:k]) != "again" {
		t.Errorf("got %q, %v", buf[:k], err)
	}
	if st := e.Stats(nil); st.Packets != n+4 || st.KernelDrops != 0 {
		t.Errorf("%d packets, %d dropped", st.Packets, st.KernelDrops)
	}
}

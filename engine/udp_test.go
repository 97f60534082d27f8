package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// packetFuncs is a Handler that takes packets too.
type packetFuncs struct {
	funcs
	packet func(*Fiber, *Packet)
}

func (h *packetFuncs) Packet(f *Fiber, p *Packet) { h.packet(f, p) }

// servePackets starts an engine with a port of packets.
func servePackets(t testing.TB, o Options, packet func(*Fiber, *Packet)) *Engine {
	t.Helper()
	if len(o.Ports) == 0 || o.Ports[0].Host == "" {
		o.Ports = []PortOptions{{Listen: Listen{Host: "127.0.0.1", Kind: UDP}}}
	}
	h := &packetFuncs{packet: packet}
	e, err := New(o, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		e.Stop()
		t.Fatal(err)
	}
	e.Accept()
	t.Cleanup(func() {
		if left := e.Stop(); left != 0 {
			t.Errorf("%d fibers did not end", left)
		}
		if p := h.panicked.Load(); p != nil {
			t.Errorf("a callback panicked: %s", *p)
		}
	})
	return e
}

// sendBack answers a packet with itself.
func sendBack(f *Fiber, p *Packet) { f.SendTo(p.From, p.Data, nil) }

// peer is a client of packets.
func peer(t testing.TB, p *Port) net.Conn {
	t.Helper()
	at := p.Addr()
	c, err := net.Dial("udp", fmt.Sprint(net.JoinHostPort(at.Host, fmt.Sprint(at.Port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// unixPeer is a client of unix datagrams with a path of its own.
func unixPeer(t testing.TB, path string) net.Conn {
	t.Helper()
	own := filepath.Join(t.TempDir(), "peer")
	c, err := net.DialUnix("unixgram", &net.UnixAddr{Name: own, Net: "unixgram"}, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, 2*MaxPacket)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(b[:n]) != want {
		t.Fatalf("heard %.80q (%d bytes), want %.80q", b[:n], n, want)
	}
}

// pause waits in a callback.
func pause(f *Fiber, d time.Duration) {
	if _, err := f.Begin("sleep"); err == nil {
		f.Wait(d)
	}
}

func TestPackets(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		o.Ports = append(o.Ports, PortOptions{Listen: Listen{Host: filepath.Join(t.TempDir(), "s"), Kind: UnixDgram}})
		e := servePackets(t, o, sendBack)
		c, u := peer(t, e.Ports()[0]), unixPeer(t, e.Ports()[1].Addr().Host)
		whole := strings.Repeat("0123456789abcdef", MaxPacket/16)
		for _, text := range []string{"hello", "", "\x00\xff", whole[:65507]} {
			say(t, c, text)
			hear(t, c, text)
		}
		for _, text := range []string{"hello", "\x00\xff", whole} {
			say(t, u, text)
			hear(t, u, text)
		}
		eventually(t, "seven packets are counted", func() bool {
			st := e.Stats(nil)
			return st.Packets == 7 && st.PacketsQueued == 0 && st.Requests == 7 && st.Responses == 7
		})
	})
}

func TestPacketsOverIPv6(t *testing.T) {
	hasIPv6(t)
	froms := make(chan Peer, 1)
	e := servePackets(t, Options{Ports: []PortOptions{{Listen: Listen{Host: "::1", Kind: UDP}}}}, func(f *Fiber, p *Packet) {
		froms <- p.From
		sendBack(f, p)
	})
	if k := e.Ports()[0].Addr().Kind; k != UDP6 {
		t.Errorf("the port is %v", k)
	}
	c := peer(t, e.Ports()[0])
	say(t, c, "six")
	hear(t, c, "six")
	if got := from(t, froms).String(); got != c.LocalAddr().String() {
		t.Errorf("it came from %s, not %s", got, c.LocalAddr())
	}
}

// Answers leave through the port that was asked, also those of a fiber that
// the callback has begun.
func TestAnswersLeaveThroughThePortAsked(t *testing.T) {
	at := Listen{Host: "127.0.0.1", Kind: UDP}
	o := Options{Ports: []PortOptions{{Listen: at}, {Listen: at}}}
	e := servePackets(t, o, func(f *Fiber, p *Packet) {
		data, to := p.Data, p.From
		f.Go(RootPacket, func(f *Fiber) {
			pause(f, time.Millisecond)
			f.SendTo(to, data, nil)
		})
		f.SendTo(to, data, nil)
	})
	for _, p := range e.Ports() {
		c := peer(t, p) // connected: it hears that port only
		say(t, c, "x")
		hear(t, c, "x")
		hear(t, c, "x")
	}
}

// What the kernel has taken arrives, all of it, however fast it comes; what it
// has not is counted.
func TestBurstOfPackets(t *testing.T) {
	const clients, each = 4, 5000
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		o.Ports[0].RecvBuffer = 200_000
		var got atomic.Int64
		seen := make([][]bool, clients)
		for i := range seen {
			seen[i] = make([]bool, each)
		}
		var mu sync.Mutex
		e := servePackets(t, o, func(f *Fiber, p *Packet) {
			var c, i int
			fmt.Sscanf(p.Data, "%d %d", &c, &i)
			mu.Lock()
			if seen[c][i] {
				t.Errorf("packet %q came twice", p.Data)
			}
			seen[c][i] = true
			mu.Unlock()
			got.Add(1)
		})
		var wg sync.WaitGroup
		for c := range clients {
			conn := peer(t, e.Ports()[0])
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range each {
					if _, err := fmt.Fprintf(conn, "%d %d", c, i); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		eventually(t, "every packet has arrived or is counted as dropped", func() bool {
			st := e.Stats(nil)
			return got.Load()+int64(st.KernelDrops) == clients*each && st.Packets == uint64(got.Load())
		})
		if got.Load() < 256 {
			t.Errorf("only %d packets arrived", got.Load())
		}
	})
}

// The packets of a peer are handled one after the other, in order, while other
// peers go on.
func TestPacketsOfAPeerAreSerial(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		var g gate
		var mu sync.Mutex
		running := map[Peer]int{}
		e := servePackets(t, o, func(f *Fiber, p *Packet) {
			mu.Lock()
			if running[p.From]++; running[p.From] > 1 {
				t.Errorf("two packets of %v at a time", p.From)
			}
			mu.Unlock()
			if p.Data == "slow" {
				g.pass(f)
			} else if p.Data[0] == 'p' {
				pause(f, time.Microsecond)
			}
			sendBack(f, p)
			mu.Lock()
			running[p.From]--
			mu.Unlock()
		})
		slow := peer(t, e.Ports()[0])
		say(t, slow, "slow")
		eventually(t, "the slow one waits", func() bool { return g.waiting() == 1 })
		for i := range 20 {
			say(t, slow, fmt.Sprintf("%c%d", "pq"[i%2], i))
		}
		for i := range 20 { // of them some belong to the same worker
			other := peer(t, e.Ports()[0])
			say(t, other, fmt.Sprint("q", i))
			hear(t, other, fmt.Sprint("q", i))
		}
		g.open()
		hear(t, slow, "slow")
		for i := range 20 {
			hear(t, slow, fmt.Sprintf("%c%d", "pq"[i%2], i))
		}
		idleWorkers(t, e)
	})
}

// idleWorkers checks that nothing is kept for packets that have been handled.
func idleWorkers(t *testing.T, e *Engine) {
	t.Helper()
	eventually(t, "the workers have forgotten the packets", func() bool {
		ok := make(chan bool, 1)
		for _, l := range e.Workers() {
			l.Call(func() {
				q := &l.parcels
				ok <- q.waiting == 0 && len(q.peers) == 0 && q.next.len() == 0 && q.again.len() == 0 && q.serving == nil &&
					q.queued.Load() == 0 && q.bytes.Load() == 0 && l.roots[RootPacket] == 0
			})
			if !<-ok {
				return false
			}
		}
		return true
	})
}

func TestUnorderedPacketsOverlap(t *testing.T) {
	var g gate
	e := servePackets(t, Options{Workers: 1, Limits: Limits{DispatchOptions: DispatchOptions{Unordered: true}}}, func(f *Fiber, p *Packet) { g.pass(f) })
	c := peer(t, e.Ports()[0])
	for range 3 {
		say(t, c, "x")
	}
	eventually(t, "three packets of one peer wait at a time", func() bool { return g.waiting() == 3 })
	g.open()
	idleWorkers(t, e)
}

// Callbacks that wait are capped; what does not fit the queue then stays in the
// kernel, and what does not fit the kernel is counted. None of the rest is lost.
func TestWaitingPacketsAreCapped(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		const burst = 5000
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		o.Workers = 1
		o.MaxPacketFibers, o.PacketQueue, o.Unordered = 3, 50, true
		var g gate
		var done, deepest atomic.Int64
		e := servePackets(t, o, func(f *Fiber, p *Packet) {
			if n := int64(f.loop.roots[RootPacket]); n > deepest.Load() {
				deepest.Store(n)
			}
			if err := g.pass(f); err != nil {
				t.Error(err)
			}
			done.Add(1)
		})
		c := peer(t, e.Ports()[0])
		for range burst {
			say(t, c, strings.Repeat("x", 100))
		}
		eventually(t, "three callbacks wait and the kernel drops", func() bool {
			return g.waiting() == 3 && e.Stats(nil).KernelDrops > 0
		})
		if n := e.Stats(nil).PacketsQueued; n > 50+packetBatch {
			t.Errorf("%d packets are queued", n)
		}
		g.open()
		eventually(t, "what was not dropped is handled", func() bool {
			return done.Load()+int64(e.Stats(nil).KernelDrops) == burst
		})
		if deepest.Load() > 3 {
			t.Errorf("%d callbacks waited at a time", deepest.Load())
		}
		say(t, c, "again")
		eventually(t, "it reads on", func() bool { return done.Load()+int64(e.Stats(nil).KernelDrops) == burst+1 })
		idleWorkers(t, e)
	})
}

// A peer that floods while its callback waits loses packets, by name, and
// nobody else does.
func TestFloodOfOnePeer(t *testing.T) {
	var g gate
	var log lockedBuffer
	o := Options{Workers: 1, Limits: Limits{InboxEvents: 10}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	e := servePackets(t, o, func(f *Fiber, p *Packet) {
		if p.Data == "slow" {
			g.pass(f)
		}
		sendBack(f, p)
	})
	flood, other := peer(t, e.Ports()[0]), peer(t, e.Ports()[0])
	say(t, flood, "slow")
	eventually(t, "it waits", func() bool { return g.waiting() == 1 })
	for i := range 30 {
		say(t, flood, fmt.Sprint(i))
	}
	say(t, other, "me")
	hear(t, other, "me")
	eventually(t, "twenty are dropped", func() bool { return e.Stats(nil).PacketsPeerFull == 20 })
	g.open()
	hear(t, flood, "slow")
	for i := range 10 {
		hear(t, flood, fmt.Sprint(i))
	}
	if text := log.String(); !strings.Contains(text, "reason=peer_queue_full") {
		t.Errorf("the log says %q", text)
	}
	idleWorkers(t, e)
}

func TestTooLargePacket(t *testing.T) {
	var log lockedBuffer
	path := filepath.Join(t.TempDir(), "s")
	o := Options{Ports: []PortOptions{{Listen: Listen{Host: path, Kind: UnixDgram}}}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	e := servePackets(t, o, sendBack)
	c := unixPeer(t, path)
	say(t, c, strings.Repeat("x", MaxPacket+1))
	say(t, c, "next")
	hear(t, c, "next")
	if n := e.Stats(nil).PacketsTooLarge; n != 1 {
		t.Errorf("%d packets were too large", n)
	}
	if text := log.String(); !strings.Contains(text, "reason=packet_too_large") {
		t.Errorf("the log says %q", text)
	}
}

func TestSendToErrors(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	old, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: stale, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	old.Close() // the file stays
	parse := func(host string, port int) Peer {
		p, err := ParsePeer(host, port)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	type question struct {
		to   Peer
		data string
	}
	questions, results := make(chan question, 1), make(chan error)
	o := Options{Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1", Kind: UDP}}, {Listen: Listen{Host: filepath.Join(dir, "s"), Kind: UnixDgram}}}}
	e := servePackets(t, o, func(f *Fiber, p *Packet) {
		q := <-questions
		results <- f.SendTo(q.to, q.data, nil)
	})
	c := peer(t, e.Ports()[0])
	for _, test := range []struct {
		to   Peer
		data string
		want *Errno
	}{
		{Peer{}, "x", ErrNoAddress},
		{parse("::1", 9), "x", ErrNoPacketPort},
		{parse("127.0.0.1", 9), strings.Repeat("x", 65508), ErrPacketTooLarge},
		{parse(stale, 0), "x", ErrNobodyListens},
		{parse(filepath.Join(dir, "none"), 0), "x", ErrNobodyListens},
		{parse("240.0.0.1", 9), "x", ErrUnreachable},
	} {
		questions <- question{test.to, test.data}
		say(t, c, "go")
		err := from(t, results)
		var got *Errno
		if errors.As(err, &got); got == nil || got.Name != test.want.Name {
			if test.want == ErrUnreachable { // machines with a default route have a way there
				continue
			}
			t.Errorf("to %v: %v, want %v", test.to, err, test.want)
		}
	}
	if _, err := ParsePeer("example.com", 9); err == nil {
		t.Error("a name is taken for an address")
	}
}

// A port on every address of the machine answers from the address that was
// asked: the clients here are connected, and hear no other.
func TestAnswersLeaveFromTheAddressAsked(t *testing.T) {
	for _, c := range []struct{ listen, ask string }{
		{"0.0.0.0", "127.0.0.1"}, {"0.0.0.0", "127.0.0.2"}, {"0.0.0.0", "127.9.9.9"}, {"::", "::1"},
	} {
		if c.listen == "::" {
			hasIPv6(t)
		}
		e := servePackets(t, Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: c.listen, Kind: UDP}}}}, func(f *Fiber, p *Packet) {
			data, to := p.Data, p.From
			f.SendTo(to, data, nil)
			pause(f, time.Millisecond)
			f.SendTo(to, data, f.PacketPort(p.Port.FD()))
			f.Go(RootPacket, func(f *Fiber) {
				pause(f, time.Millisecond)
				f.SendTo(to, data, nil)
			})
		})
		conn, err := net.Dial("udp", net.JoinHostPort(c.ask, fmt.Sprint(e.Ports()[0].Addr().Port)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		for _, text := range []string{"hello", ""} {
			say(t, conn, text)
			for range 3 {
				hear(t, conn, text)
			}
		}
	}
}

// A stop waits for the packets that were read, and their answers arrive.
func TestDrainWaitsForPackets(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		o.DrainTime = 20 * time.Second
		var g gate
		e := servePackets(t, o, func(f *Fiber, p *Packet) {
			g.pass(f)
			sendBack(f, p)
		})
		c := peer(t, e.Ports()[0])
		for i := range 3 {
			say(t, c, fmt.Sprint(i))
		}
		eventually(t, "they have been read", func() bool { return e.Stats(nil).Packets == 3 && g.waiting() == 1 })
		drained := make(chan []string)
		go func() { drained <- e.Drain(func(string) { g.open() }) }()
		if cut := from(t, drained); len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
		for i := range 3 {
			hear(t, c, fmt.Sprint(i))
		}
	})
}

func TestDrainCutsPackets(t *testing.T) {
	var g gate
	e := servePackets(t, Options{Workers: 1, Limits: Limits{DrainTime: 50 * time.Millisecond}}, func(f *Fiber, p *Packet) { g.pass(f) })
	c := peer(t, e.Ports()[0])
	for range 3 {
		say(t, c, "x")
	}
	eventually(t, "they have been read", func() bool { return e.Stats(nil).Packets == 3 && g.waiting() == 1 })
	cut := strings.Join(e.Drain(func(string) {}), "\n")
	for _, want := range []string{"packet, waiting in gate", "2 packets not handled"} {
		if !strings.Contains(cut, want) {
			t.Errorf("%q does not say %q", cut, want)
		}
	}
}

// A port that is closed while a callback waits can answer still; then its
// address is free, and packets that were dropped before stay counted.
func TestClosedPortAnswers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	o := Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: path, Kind: UnixDgram}}}}
	var g gate
	e := servePackets(t, o, func(f *Fiber, p *Packet) {
		g.pass(f)
		sendBack(f, p)
	})
	c := unixPeer(t, path)
	say(t, c, "x")
	eventually(t, "it waits", func() bool { return g.waiting() == 1 })
	p := e.Ports()[0]
	p.close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the path is there still: %v", err)
	}
	g.open()
	hear(t, c, "x")
	eventually(t, "the socket is closed", func() bool {
		p.sending.RLock()
		defer p.sending.RUnlock()
		return !p.open
	})
}

func TestPanicInAPacketCallback(t *testing.T) {
	h := &packetFuncs{packet: func(f *Fiber, p *Packet) {
		if p.Data == "panic" {
			panic("boom")
		}
		sendBack(f, p)
	}}
	e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1", Kind: UDP}}}}, h)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	e.Accept()
	c := peer(t, e.Ports()[0])
	say(t, c, "panic")
	say(t, c, "next")
	hear(t, c, "next")
	if p := h.panicked.Load(); p == nil || !strings.Contains(*p, "boom") {
		t.Error("nobody was told of the panic")
	}
	idleWorkers(t, e)
}

// A second server on the address of a port of packets is refused, and not let
// in quietly.
func TestPacketAddressInUse(t *testing.T) {
	e := servePackets(t, Options{}, sendBack)
	at := e.Ports()[0].Addr()
	second, err := New(Options{Ports: []PortOptions{{Listen: at}}}, &packetFuncs{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	if err := second.Listen(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("listen udp 127.0.0.1:%d: address already in use", at.Port)) {
		t.Errorf("got %v", err)
	}
}

func TestPeerStaysOnItsWorker(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Listen = Listen{Host: "127.0.0.1", Kind: UDP}
		var mu sync.Mutex
		workers := map[int]bool{}
		of := map[Peer]int{}
		e := servePackets(t, o, func(f *Fiber, p *Packet) {
			mu.Lock()
			if w, ok := of[p.From]; ok && w != f.loop.ID() {
				t.Errorf("%v was on worker %d and is on %d", p.From, w, f.loop.ID())
			}
			of[p.From], workers[f.loop.ID()] = f.loop.ID(), true
			mu.Unlock()
			sendBack(f, p)
		})
		for range 64 {
			c := peer(t, e.Ports()[0])
			for i := range 3 {
				say(t, c, fmt.Sprint(i))
				hear(t, c, fmt.Sprint(i))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if len(workers) != o.Workers {
			t.Errorf("64 peers on %d workers of %d", len(workers), o.Workers)
		}
	})
}

func TestEngineWithoutPackets(t *testing.T) {
	e, err := New(Options{Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1", Kind: UDP}}}}, &funcs{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if err := e.Listen(); err == nil || !strings.Contains(err.Error(), "nobody to take packets") {
		t.Errorf("got %v", err)
	}
}

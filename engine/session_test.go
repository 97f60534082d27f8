package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"swoon/engine/frame"
)

// fixed frames have n bytes each.
type fixed int

func (n fixed) Next(b []byte, _ *frame.Cursor) (int, error) {
	if len(b) < int(n) {
		return 0, nil
	}
	return int(n), nil
}

// stream is a client's own endless text, so that a byte in the wrong place or
// of another client is seen.
func stream(seed, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], uint64(seed)<<32|uint64(i/8))
	}
	return b[:n]
}

func TestManyClientsKeepTheirOrder(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 128 << 10 // echoes to slow readers wait for room
		_, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			if err := f.Send(s, data); err != nil {
				t.Error(err)
			}
		}})
		var wg sync.WaitGroup
		for i := range 220 {
			c := dial(t, addr)
			size, message, slow := 24<<10, 1+rand.IntN(900), false
			switch {
			case i%20 == 0:
				size, message = 768<<10, 256<<10
			case i%20 == 1:
				size, slow = 96<<10, true
			}
			text := stream(i, size)
			wg.Go(func() {
				for rest := text; len(rest) > 0; {
					n := min(message, len(rest))
					if _, err := c.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			})
			wg.Go(func() {
				piece := 64 << 10
				if slow {
					c.(*net.TCPConn).SetReadBuffer(16 << 10)
					piece = 3000
				}
				buf := make([]byte, piece)
				for at := 0; at < size; {
					n, err := c.Read(buf)
					if err != nil {
						t.Errorf("client %d after %d bytes: %v", i, at, err)
						return
					}
					if !bytes.Equal(buf[:n], text[at:at+n]) {
						t.Errorf("client %d: the echo differs near byte %d", i, at)
						return
					}
					at += n
				}
			})
		}
		wg.Wait()
	})
}

// Frames cut at odd places arrive whole and in order, though callbacks wait in
// the middle of a read while other sessions flood the same loop.
func TestSplitFramesKeepTheirOrder(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		const size, clients = 7, 24
		frames := few(1200)
		o.Ports[0].Framer = fixed(size)
		var done atomic.Int64
		var first gate
		h := &funcs{
			connect: func(f *Fiber, s *Session) {
				sleep(f, time.Microsecond)
				s.Local = new(int)
			},
			receive: func(f *Fiber, s *Session, data string) {
				next := s.Local.(*int)
				if want := fmt.Sprintf("%07d", *next); data != want {
					t.Errorf("session %d got %q, want %q", s.ID(), data, want)
				}
				*next++
				switch {
				case *next == 1:
					first.pass(f)
				case rand.IntN(40) == 0:
					sleep(f, time.Duration(1+rand.IntN(50_000)))
				case rand.IntN(40) == 0:
					f.Go(RootGo, func(child *Fiber) { sleep(child, 1) })
				}
				if *next == frames {
					done.Add(1)
				}
			},
		}
		_, addr := serve(t, o, h)
		var wg, half sync.WaitGroup
		half.Add(clients)
		for i := range clients {
			c := dial(t, addr)
			var text []byte
			for n := range frames {
				text = fmt.Appendf(text, "%07d", n)
			}
			send := func(upTo int) {
				for len(text) > upTo {
					n := 1 + rand.IntN(13)
					if i%2 == 0 {
						n = 1 + rand.IntN(3000)
					}
					n = min(n, len(text))
					c.Write(text[:n])
					text = text[n:]
				}
			}
			wg.Go(func() {
				send(len(text) / 2)
				half.Done()
				half.Wait()
				first.open() // with more in the inboxes than one turn handles
				send(0)
			})
		}
		wg.Wait()
		eventually(t, "all frames arrive", func() bool { return done.Load() == clients })
	})
}

// diary notes what happens to each session.
type diary struct {
	mu   sync.Mutex
	days map[SessionID][]string
}

func (d *diary) note(s *Session, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.days == nil {
		d.days = map[SessionID][]string{}
	}
	d.days[s.ID()] = append(d.days[s.ID()], what)
}

func (d *diary) of(id SessionID) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.days[id])
}

func (d *diary) ended(id SessionID) bool {
	list := d.of(id)
	return len(list) > 0 && strings.HasPrefix(list[len(list)-1], "close")
}

// check wants onClose once, last, with a reason, and onConnect first.
func (d *diary) check(t *testing.T, id SessionID, greets bool, reason Reason) {
	t.Helper()
	eventually(t, "onClose", func() bool { return d.ended(id) })
	list := d.of(id)
	if got, want := list[len(list)-1], "close "+reason.String(); got != want {
		t.Errorf("ended with %q, want %q: %q", got, want, list)
	}
	if n := countPrefix(list, "close"); n != 1 {
		t.Errorf("closed %d times: %q", n, list)
	}
	if n := countPrefix(list, "connect"); greets != (n == 1) || greets && list[0] != "connect" {
		t.Errorf("connected %d times: %q", n, list)
	}
}

func countPrefix(list []string, p string) (n int) {
	for _, s := range list {
		if strings.HasPrefix(s, p) {
			n++
		}
	}
	return n
}

// everyClosing runs a test in both modes, with and without onConnect.
func everyClosing(t *testing.T, test func(t *testing.T, o Options, h *funcs, d *diary)) {
	modes(t, func(t *testing.T, o Options) {
		for _, greets := range []bool{true, false} {
			t.Run(fmt.Sprintf("connect=%v", greets), func(t *testing.T) {
				d := &diary{}
				h := &funcs{close: func(f *Fiber, s *Session, r Reason) {
					if s.Alive() {
						t.Error("alive in onClose")
					}
					if err := f.Send(s, "late"); err == nil {
						t.Error("sent in onClose")
					}
					sleep(f, 1)
					d.note(s, "close "+r.String())
				}}
				if greets {
					h.connect = func(f *Fiber, s *Session) {
						sleep(f, 1)
						d.note(s, "connect")
					}
				}
				test(t, o, h, d)
			})
		}
	})
}

// balanced wants every counter of sessions at zero.
func balanced(t *testing.T, e *Engine) {
	t.Helper()
	eventually(t, "all sessions are gone", func() bool { return e.open.Load() == 0 && e.sessions.len() == 0 })
	for _, l := range e.roster.Load().all {
		if n := l.sessions.Load(); n != 0 {
			t.Errorf("loop %d/%d counts %d sessions", l.ID(), l.idx, n)
		}
		if n := l.backlog.Load(); n != 0 {
			t.Errorf("loop %d/%d counts a backlog of %d bytes", l.ID(), l.idx, n)
		}
		onLoop(l, func() {
			if len(l.free) != len(l.slots) {
				t.Errorf("%d of %d slots are free", len(l.free), len(l.slots))
			}
			if n := l.roots[RootSession]; n != 0 {
				t.Errorf("%d session events in flight", n)
			}
		})
	}
	if s := e.Sessions(0, 0); len(s) != 0 {
		t.Errorf("%d sessions are listed", len(s))
	}
}

func TestPeerCloses(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		h.receive = func(f *Fiber, s *Session, data string) { d.note(s, data) }
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		c.Close()
		d.check(t, 1, h.connect != nil, ClientClosed)
		if list := d.of(1); countPrefix(list, "hello") != 1 {
			t.Errorf("the message before the close is lost: %q", list)
		}
		balanced(t, e)
	})
}

// A client that says it is done still gets its answers.
func TestHalfClose(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		o.Ports[0].Framer = fixed(5)
		h.receive = func(f *Fiber, s *Session, data string) {
			sleep(f, 2*time.Millisecond)
			if err := f.Send(s, data); err != nil {
				t.Error(err)
			}
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("11111222223333344444"))
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "11111222223333344444" {
			t.Errorf("got %q, %v", got, err)
		}
		d.check(t, 1, h.connect != nil, ClientClosed)
		balanced(t, e)
	})
}

// A peer that has closed, and so refuses what we still send, has closed.
func TestPeerClosesWhileWeSend(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		var g gate
		h.receive = func(f *Fiber, s *Session, data string) {
			g.pass(f)
			for f.Send(s, data) == nil {
				sleep(f, 10*time.Microsecond)
			}
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		eventually(t, "the callback waits", func() bool { return g.waiting() == 1 })
		c.Close()
		g.open()
		d.check(t, 1, h.connect != nil, ClientClosed)
		balanced(t, e)
	})
}

func TestPeerResets(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		h.receive = func(f *Fiber, s *Session, data string) { d.note(s, data) }
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		eventually(t, "the message arrives", func() bool { return slices.Contains(d.of(1), "hello") })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		d.check(t, 1, h.connect != nil, Reset)
		balanced(t, e)
	})
}

// A client that resets while it is not being read is closed with the backlog
// handled first, and is not announced for ever meanwhile.
func TestPeerResetsWhilePaused(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		o.Ports[0].Framer, o.InboxBytes = fixed(1000), 10_000
		var g gate
		h.receive = func(f *Fiber, s *Session, data string) {
			g.pass(f)
			d.note(s, "frame")
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write(make([]byte, 200_000))
		eventually(t, "reading stops", func() bool { return e.Stats(nil).Paused == 1 })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		eventually(t, "the socket is closed", func() bool {
			s, err := e.Session(1)
			return err == nil && s.Info().FD == -1
		})
		if d.ended(1) {
			t.Error("onClose ran before the callback that waits")
		}
		g.open()
		d.check(t, 1, h.connect != nil, Reset)
		if n := countPrefix(d.of(1), "frame"); n < 10 {
			t.Errorf("%d frames were handled: the backlog is lost", n)
		}
		balanced(t, e)
	})
}

// After a close by the script no message is delivered, though more were read
// with the one that closed.
func TestServerCloses(t *testing.T) {
	for _, waits := range []bool{false, true} {
		everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
			o.Ports[0].Framer = fixed(5)
			h.receive = func(f *Fiber, s *Session, data string) {
				d.note(s, data)
				f.Send(s, "bye")
				if err := s.Close(ServerClosed, false); err != nil {
					t.Error(err)
				}
				if err := s.Close(ServerClosed, false); err != ErrClosing && err != ErrClosed {
					t.Errorf("a second close: %v", err)
				}
				if err := f.Send(s, "late"); err != ErrClosing && err != ErrClosed {
					t.Errorf("a send after close: %v", err)
				}
				if _, err := f.Recv(s, 0); err != ErrClosed {
					t.Errorf("a recv after close: %v", err)
				}
				if waits {
					sleep(f, time.Millisecond)
				}
			}
			e, addr := serve(t, o, h)
			c := dial(t, addr)
			c.Write([]byte(strings.Repeat("hello", 2000)))
			if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
				t.Errorf("got %q, %v", got, err)
			}
			c.Close()
			d.check(t, 1, h.connect != nil, ServerClosed)
			if n := countPrefix(d.of(1), "hello"); n != 1 {
				t.Errorf("%d messages were delivered, want 1", n)
			}
			balanced(t, e)
		})
	}
}

func TestServerResets(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		h.receive = func(f *Fiber, s *Session, data string) {
			f.Send(s, "dropped")
			s.Close(ServerClosed, true)
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		if got, err := io.ReadAll(c); err == nil {
			t.Errorf("got %q and no reset", got)
		}
		d.check(t, 1, h.connect != nil, ServerClosed)
		balanced(t, e)
	})
}

// A close from elsewhere, while a callback waits, comes after it.
func TestCloseWhileACallbackWaits(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		var g gate
		h.receive = func(f *Fiber, s *Session, data string) {
			g.pass(f)
			d.note(s, data)
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		eventually(t, "the callback waits", func() bool { return g.waiting() == 1 })
		s, err := e.Session(1)
		if err != nil {
			t.Fatal(err)
		}
		s.Close(ServerClosed, false)
		if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
		eventually(t, "the socket is closed", func() bool { return s.Info().FD == -1 })
		if d.ended(1) {
			t.Error("onClose ran before the callback that waits")
		}
		g.open()
		d.check(t, 1, h.connect != nil, ServerClosed)
		if !s.ByScript() {
			t.Error("not closed by the script")
		}
		balanced(t, e)
	})
}

// A callback that waits for a message learns that none will come.
func TestCloseWhileACallbackReceives(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		h.receive = func(f *Fiber, s *Session, data string) {
			if _, err := f.Recv(s, 0); err != ErrClosed {
				t.Errorf("recv: %v", err)
			}
			d.note(s, data)
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("hello"))
		eventually(t, "the callback waits", func() bool { return e.Stats(nil).Fibers == 1 })
		c.Close()
		d.check(t, 1, h.connect != nil, ClientClosed)
		balanced(t, e)
	})
}

func TestShutdownCloses(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		e, addr := serve(t, o, h)
		var clients []net.Conn
		for range 10 {
			clients = append(clients, dial(t, addr))
		}
		eventually(t, "all are in", func() bool { return e.accepted.Load() == 10 })
		if cut := e.Drain(func(string) {}); len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
		for i, c := range clients {
			d.check(t, SessionID(i+1), h.connect != nil, ShutdownReason)
			if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
				t.Errorf("got %q, %v", got, err)
			}
		}
		balanced(t, e)
	})
}

func TestRefusedClientsAreNoSessions(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		o.MaxSessions = 3
		h.receive = echo
		e, addr := serve(t, o, h)
		var in []net.Conn
		for range 3 {
			c := dial(t, addr)
			c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			in = append(in, c)
		}
		for range 5 {
			c := dial(t, addr)
			if got, err := io.ReadAll(c); err == nil && len(got) > 0 {
				t.Errorf("a refused client got %q", got)
			}
		}
		eventually(t, "the refusals are counted", func() bool { return e.Stats(nil).Refused[MaxConnection] == 5 })
		for i, c := range in {
			c.Close()
			d.check(t, SessionID(i+1), h.connect != nil, ClientClosed)
		}
		balanced(t, e)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.days) != 3 {
			t.Errorf("%d sessions had callbacks, want 3", len(d.days))
		}
	})
}

// Thousands come and go in every way; nothing is left of them.
func TestChurn(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		clients := few(4000)
		var connects, closes atomic.Int64
		o.CloseTime = 50 * time.Millisecond
		h := &funcs{
			connect: func(f *Fiber, s *Session) { connects.Add(1) },
			close:   func(f *Fiber, s *Session, r Reason) { closes.Add(1) },
			receive: func(f *Fiber, s *Session, data string) {
				f.Send(s, data)
				switch data {
				case "wait":
					sleep(f, time.Microsecond)
				case "close":
					s.Close(ServerClosed, false)
				case "reset":
					s.Close(ServerClosed, true)
				}
			},
		}
		e, addr := serve(t, o, h)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range clients / 8 {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					switch (worker + i) % 6 {
					case 0:
						c.(*net.TCPConn).SetLinger(0)
					case 1:
						io.WriteString(c, "echo")
						c.Read(make([]byte, 8))
					case 2:
						io.WriteString(c, "close")
					case 3:
						io.WriteString(c, "reset")
					case 4:
						io.WriteString(c, "wait")
						c.(*net.TCPConn).CloseWrite()
					}
					c.Close()
				}
			})
		}
		wg.Wait()
		eventually(t, "all clients came in", func() bool { return e.accepted.Load() == uint64(clients/8*8) })
		balanced(t, e)
		if connects.Load() != closes.Load() || connects.Load() != int64(e.accepted.Load()) {
			t.Errorf("%d connects, %d closes, %d accepted", connects.Load(), closes.Load(), e.accepted.Load())
		}
		if n := e.Stats(nil).LastID; uint64(n) != e.accepted.Load() {
			t.Errorf("the last id is %d after %d sessions", n, e.accepted.Load())
		}
	})
}

// A descriptor's number is used again at once. Whoever sends to an old session
// must not reach the client that has its number now.
func TestReusedDescriptorsGetNoForeignByte(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		tag := func(id SessionID) string {
			return string(binary.LittleEndian.AppendUint64(nil, uint64(id)))
		}
		var recent [64]atomic.Pointer[Session]
		o.CloseTime = 5 * time.Millisecond
		h := &funcs{
			connect: func(f *Fiber, s *Session) {
				f.Send(s, tag(s.ID()))
				recent[s.ID()%64].Store(s)
			},
			receive: func(f *Fiber, s *Session, data string) {
				if data == "close" {
					s.Close(ServerClosed, s.ID()%2 == 0)
				}
			},
		}
		e, addr := serve(t, o, h)
		var over atomic.Bool
		var senders, clients sync.WaitGroup
		for range 2 {
			senders.Go(func() {
				for !over.Load() {
					if s := recent[rand.IntN(64)].Load(); s != nil {
						s.send(nil, tag(s.ID()))
					}
				}
			})
		}
		for _, l := range e.Workers() {
			l.Spawn(RootTimer, func(f *Fiber) {
				for !over.Load() {
					for range 20 {
						if s := recent[rand.IntN(64)].Load(); s != nil {
							f.Send(s, tag(s.ID()))
						}
					}
					for _, s := range e.Sessions(0, 0) { // whoever lives gets some
						f.Send(s, tag(s.ID()))
					}
					sleep(f, 1)
				}
			})
		}
		for range 8 {
			clients.Go(func() {
				for i := range few(160) {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					c.SetDeadline(time.Now().Add(10 * time.Second))
					var mine [8]byte
					if _, err := io.ReadFull(c, mine[:]); err != nil {
						t.Errorf("no greeting: %v", err)
					}
					got := make([]byte, 8*(1+rand.IntN(20)))
					if _, err := io.ReadFull(c, got); err != nil {
						t.Errorf("no tags: %v", err)
					}
					if i%2 == 0 {
						io.WriteString(c, "close")
						rest, _ := io.ReadAll(c)
						got = append(got, rest[:len(rest)/8*8]...)
					}
					c.Close()
					for ; len(got) > 0; got = got[8:] {
						if !bytes.Equal(got[:8], mine[:]) {
							t.Errorf("session %x got a byte of %x", mine, got[:8])
							return
						}
					}
				}
			})
		}
		clients.Wait()
		over.Store(true)
		senders.Wait()
		balanced(t, e)
	})
}

// Others may find a session before its reactor has taken it in.
func TestCloseBeforeAdoption(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.CloseTime = 50 * time.Millisecond
		d := &diary{}
		h := &funcs{
			receive: echo,
			close:   func(f *Fiber, s *Session, r Reason) { d.note(s, "close "+r.String()) },
		}
		e, addr := serve(t, o, h)
		first := dial(t, addr) // has slot 0 where there is one loop
		first.Write([]byte("x"))
		io.ReadFull(first, make([]byte, 1))
		var held sync.WaitGroup
		release := make(chan bool)
		for _, l := range e.roster.Load().reactors {
			held.Add(1)
			l.Call(func() { held.Done(); <-release })
		}
		held.Wait()
		var late []net.Conn
		for range 8 {
			late = append(late, dial(t, addr))
		}
		eventually(t, "the clients are sessions", func() bool { return e.sessions.len() == 9 })
		eventually(t, "the reactors are to adopt them", func() bool {
			n := 0
			for _, l := range e.roster.Load().reactors {
				l.mail.mu.Lock()
				n += len(l.mail.adopts)
				l.mail.mu.Unlock()
			}
			return n == 8
		})
		for i, s := range e.Sessions(1, 0) {
			s.mu.Lock()
			s.reactor.Load().mail.mu.Lock()
			s.reactor.Load().mail.adopts = slices.DeleteFunc(s.reactor.Load().mail.adopts, func(a *Session) bool { return a == s })
			s.reactor.Load().mail.mu.Unlock()
			s.mu.Unlock()
			s.send(nil, "hello")
			s.Close(ServerClosed, i%2 == 0)
		}
		close(release)
		for _, l := range e.roster.Load().reactors {
			onLoop(l, func() {})
		}
		for _, s := range e.Sessions(1, 0) {
			s.reactor.Load().post(func(m *letters) { m.adopts = append(m.adopts, s) })
		}
		for _, c := range late {
			io.ReadAll(c)
			c.Close()
		}
		eventually(t, "one is left", func() bool { return e.open.Load() == 1 })
		first.Write([]byte("y"))
		if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
			t.Errorf("the first client was cut off: %v", err)
		}
		first.Close()
		balanced(t, e)
	})
}

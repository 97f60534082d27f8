package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func dispatched(m DispatchMode, more ...func(*Options)) Options {
	o := Options{Mode: Process, Workers: 4, Reactors: 1, Ports: make([]PortOptions, 1)}
	o.Ports[0].Framer = fixed(1)
	o.Dispatch = m
	for _, f := range more {
		f(&o)
	}
	return o
}

func unordered(o *Options) { o.Unordered = true }

// Every mode that chooses for each event spreads the messages of one session,
// in order; the others keep the session where it is.
func TestDispatchModes(t *testing.T) {
	for _, m := range []DispatchMode{0, 1, 2, 3, 4, 5, 8, 9, 10} {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			var mu sync.Mutex
			used := map[int]int{}
			got := ""
			h := &funcs{receive: func(f *Fiber, s *Session, data string) {
				mu.Lock()
				used[f.Loop().ID()]++
				got += data
				mu.Unlock()
				if s.Worker() != f.Loop() {
					t.Error("a message begins on another worker than the session's")
				}
				f.Send(s, data)
			}}
			_, addr := serve(t, dispatched(m), h)
			c := dial(t, addr)
			text := strings.Repeat("0123456789", 40)
			write(t, c, text)
			expect(t, c, text)
			mu.Lock()
			defer mu.Unlock()
			if got != text {
				t.Errorf("the order is %q", got)
			}
			want := 1
			if m == RoundRobin {
				want = 4
				for id, n := range used {
					if n != 100 {
						t.Errorf("worker %d got %d of 400 messages", id, n)
					}
				}
			}
			if m.PerEvent() && len(used) < want || !m.PerEvent() && len(used) != 1 {
				t.Errorf("messages by worker: %v", used)
			}
		})
	}
}

// Sessions of one address, and of one uid, share a worker.
func TestDispatchByKey(t *testing.T) {
	var on sync.Map
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		if data[0] >= 'A' {
			if err := s.Bind(int64(data[0])); err != nil {
				t.Error(err)
			}
			if err := s.Bind(1); err != ErrBound {
				t.Errorf("bound twice: %v", err)
			}
			if s.Info().UID != int64(data[0]) {
				t.Error("getClientInfo does not know the uid")
			}
		} else {
			on.Store(s.ID(), f.Loop().ID())
		}
		f.Send(s, data)
	}}
	workers := func() map[int]int {
		m := map[int]int{}
		on.Range(func(_, w any) bool { m[w.(int)]++; return true })
		on.Clear()
		return m
	}
	e, addr := serve(t, dispatched(ByAddress), h)
	var conns []net.Conn
	for range 40 { // numbered as they come
		conns = append(conns, dial(t, addr))
		eventually(t, "the client is known", func() bool { return e.sessions.len() == len(conns) })
	}
	say := func(text func(i int) string) {
		for i, c := range conns {
			write(t, c, text(i))
			expect(t, c, text(i))
		}
	}
	say(func(int) string { return "1" })
	if m := workers(); len(m) != 1 {
		t.Errorf("sessions of one address on workers %v", m)
	}
	m := *e.Limits()
	m.Dispatch = ByUser
	e.SetLimits(m)
	say(func(i int) string { return string(rune('A' + i%20)) })
	say(func(int) string { return "2" })
	byUID := map[int]int{}
	on.Range(func(id, w any) bool {
		uid := int(id.(SessionID)-1) % 20
		if other, is := byUID[uid]; is && other != w.(int) {
			t.Errorf("uid %d on workers %d and %d", uid, other, w)
		}
		byUID[uid] = w.(int)
		return true
	})
	if m := workers(); len(m) < 3 {
		t.Errorf("20 uids on workers %v", m)
	}
	resize(t, e, 5, 0, func(*Loop) {}) // few uids move
	say(func(int) string { return "3" })
	moved := 0
	on.Range(func(id, w any) bool {
		if was := byUID[int(id.(SessionID)-1)%20]; was != w.(int) {
			if moved++; w.(int) != 4 {
				t.Errorf("a uid has gone from worker %d to %d, not to the new one", was, w)
			}
		}
		return true
	})
	if moved > 30 {
		t.Errorf("%d of 40 sessions have another worker", moved)
	}
}

// bucket moves few keys.
func TestBucket(t *testing.T) {
	for _, key := range []uint64{0, 1, 2, 1 << 63, ^uint64(0)} {
		last := 0
		for n := 1; n < 200; n++ {
			b := bucket(key, n)
			if b < 0 || b >= n || b != last && b != n-1 {
				t.Fatalf("key %d: bucket %d of %d, it was %d", key, b, n, last)
			}
			last = b
		}
	}
	var count [10]int
	for i := range uint64(10_000) {
		count[bucket(scatter(i), 10)]++
	}
	for b, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("bucket %d has %d of 10000 keys", b, n)
		}
	}
	a := netip.MustParseAddrPort("127.0.0.1:1")
	b := netip.MustParseAddrPort("[::ffff:127.0.0.1]:2")
	if addressKey(Peer{Addr: a}) != addressKey(Peer{Addr: b}) {
		t.Error("one address has two keys")
	}
}

// A busy worker gets nothing while another one is idle; when none is, the next
// gets it and that is said.
func TestDispatchToTheIdle(t *testing.T) {
	for _, m := range []DispatchMode{IdleWorker, FewestPerCall, FewestEvents} {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			var log lockedText
			var door gate
			var began atomic.Int64
			held := make(chan int, 100)
			h := &funcs{receive: func(f *Fiber, s *Session, data string) {
				began.Add(1)
				if data == "w" {
					held <- f.Loop().ID()
					door.pass(f)
				}
				f.Send(s, data)
			}}
			o := dispatched(m)
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			e, addr := serve(t, o, h)
			used := map[int]bool{}
			for range 4 { // each takes another worker for itself
				write(t, dial(t, addr), "w")
				used[from(t, held)] = true
			}
			if len(used) != 4 {
				t.Errorf("four waiting callbacks on workers %v", used)
			}
			busy := e.Stats(nil).NoIdleWorker
			c := dial(t, addr)
			write(t, c, "x")
			expect(t, c, "x")
			if m == IdleWorker {
				if e.Stats(nil).NoIdleWorker != busy+1 {
					t.Error("no idle worker: not counted")
				}
				eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "no idle worker") })
			}
			door.open()
			eventually(t, "nothing is on the books", func() bool {
				for _, l := range e.Workers() {
					if l.load(nil, FewestEvents) != 0 {
						return false
					}
				}
				return true
			})
		})
	}
}

// What a reactor has for a worker and has not handed over counts as the
// worker's.
func TestLoadCountsWhatIsOnItsWay(t *testing.T) {
	e, addr := serve(t, dispatched(IdleWorker), &funcs{receive: echo})
	c := dial(t, addr)
	write(t, c, "x")
	expect(t, c, "x")
	s, l := e.Sessions(0, 0)[0], e.Reactors()[0]
	onLoop(l, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		busy := map[*Loop]bool{}
		for range 4 {
			w := l.pick(e.Workers(), IdleWorker)
			if busy[w] {
				t.Errorf("worker %d is chosen twice", w.ID())
			}
			busy[w] = true
			s.worker.Store(w)
			l.enqueue(s) // entries that find nothing to do
		}
		if n := e.noIdle.Load(); n != 0 {
			t.Errorf("%d times there was no idle worker", n)
		}
	})
	eventually(t, "nothing is on the books", func() bool {
		for _, w := range e.Workers() {
			if w.load(nil, FewestEvents) != 0 {
				return false
			}
		}
		return true
	})
}

// lockedText is a text that many may write.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Unordered, the next message begins while the one before waits; the end comes
// last all the same, once.
func TestUnordered(t *testing.T) {
	for _, o := range []Options{
		{Mode: Base, Workers: 1, Ports: []PortOptions{{Framer: fixed(1)}}},
		dispatched(ByConnection), dispatched(RoundRobin), dispatched(FewestEvents),
	} {
		o.Unordered, o.UnsafeEvents = true, true
		t.Run(fmt.Sprint(o.Mode, o.Dispatch), func(t *testing.T) {
			var began, inside atomic.Int64
			var door gate
			closed := make(chan Reason, 1)
			h := &funcs{
				connect: func(f *Fiber, s *Session) { inside.Add(1); door.pass(f); inside.Add(-1) },
				receive: func(f *Fiber, s *Session, data string) {
					inside.Add(1)
					began.Add(1)
					door.pass(f)
					f.Send(s, data)
					inside.Add(-1)
				},
				close: func(f *Fiber, s *Session, r Reason) {
					if inside.Load() != 0 {
						t.Error("onClose begins before the others have returned")
					}
					closed <- r
				},
			}
			_, addr := serve(t, o, h)
			c := dial(t, addr)
			for i := range 300 {
				write(t, c, "x")
				eventually(t, "it begins", func() bool { return began.Load() == int64(i+1) })
			}
			c.(*net.TCPConn).CloseWrite()
			eventually(t, "all wait", func() bool { return inside.Load() == 301 })
			select {
			case r := <-closed:
				t.Errorf("closed for %v while callbacks wait", r)
			default:
			}
			door.open()
			if r := from(t, closed); r != ClientClosed {
				t.Errorf("closed for %v", r)
			}
			if got, err := io.ReadAll(c); err != nil || len(got) != 300 {
				t.Errorf("%d answers, %v", len(got), err)
			}
		})
	}
}

// A callback that waits for the session's next message gets it, also where that
// could begin.
func TestUnorderedRecv(t *testing.T) {
	for _, o := range []Options{
		{Mode: Base, Workers: 1, Ports: []PortOptions{{Framer: fixed(1)}}},
		dispatched(ByConnection), dispatched(RoundRobin),
	} {
		o.Unordered = true
		var began sync.Map
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			began.Store(data, true)
			if data != "r" {
				return
			}
			got, err := f.Recv(s, 0)
			if err != nil {
				t.Error(err)
			}
			f.Send(s, got)
		}}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		for i := range 9 {
			write(t, c, "r")
			eventually(t, "it waits", func() (is bool) {
				for _, s := range e.Sessions(0, 0) {
					onLoop(s.Worker(), func() {
						s.lockIn()
						is = s.receiving
						s.unlockIn()
					})
				}
				return is
			})
			text := fmt.Sprint(i)
			write(t, c, text)
			expect(t, c, text)
			if _, did := began.Load(text); did {
				t.Errorf("message %s has begun a callback of its own", text)
			}
		}
	}
}

// Where events of a session may begin on several workers at a time, sessions
// have none but messages, unless that is asked for.
func TestSilentSessions(t *testing.T) {
	for _, unsafe := range []bool{false, true} {
		for _, m := range []DispatchMode{RoundRobin, ByConnection} {
			var connects, closes, messages atomic.Int64
			h := &funcs{
				connect: func(*Fiber, *Session) { connects.Add(1) },
				receive: func(f *Fiber, s *Session, data string) { messages.Add(1); f.Send(s, data) },
				close:   func(*Fiber, *Session, Reason) { closes.Add(1) },
			}
			o := dispatched(m, unordered)
			o.UnsafeEvents = unsafe
			e, addr := serve(t, o, h)
			for range 3 {
				c := dial(t, addr)
				write(t, c, "x")
				expect(t, c, "x")
				c.Close()
			}
			eventually(t, "sessions end", func() bool { return e.Stats(nil).Sessions == 0 })
			want := int64(3)
			if m == RoundRobin && !unsafe {
				want = 0
			}
			if connects.Load() != want || closes.Load() != want || messages.Load() != 3 {
				t.Errorf("mode %d, unsafe %v: %d onConnect, %d onReceive, %d onClose", m, unsafe, connects.Load(), messages.Load(), closes.Load())
			}
		}
	}
}

// A function chooses the worker of each message, drops it, or closes the
// session behind what came before.
func TestDispatchFunc(t *testing.T) {
	for _, un := range []bool{false, true} {
		t.Run(fmt.Sprint(un), func(t *testing.T) {
			var connected, asked atomic.Int64
			closed := make(chan ended, 1)
			h := &funcs{
				connect: func(f *Fiber, s *Session) { connected.Store(int64(f.Loop().ID())) },
				receive: func(f *Fiber, s *Session, data string) {
					if data != "?" && data != "9" && fmt.Sprint(f.Loop().ID()) != data {
						t.Errorf("message %s on worker %d", data, f.Loop().ID())
					}
					if rand.IntN(3) == 0 {
						sleep(f, 1)
					}
					f.Send(s, data)
				},
				close: func(f *Fiber, s *Session, r Reason) {
					if !s.ByScript() {
						t.Error("it was the script that closed it")
					}
					closed <- ended{s.ID(), r}
				},
			}
			o := dispatched(FewestEvents)
			o.Unordered, o.UnsafeEvents = un, true
			o.DispatchFunc = func(l *Loop, s *Session, kind DispatchKind, data string) int {
				if l != s.reactor.Load() || l.cur == nil {
					t.Error("asked on the wrong loop")
				}
				asked.Add(1)
				switch {
				case kind == DispatchConnect:
					return 3
				case data == "-":
					return DispatchDiscard
				case data == "!":
					return DispatchClose
				case data == "?":
					return DispatchByMode
				}
				return int(data[0] - '0') // 9: there is none
			}
			e, addr := serve(t, o, h)
			c := dial(t, addr)
			text := strings.Repeat("01-230-123?9", 20)
			write(t, c, text)
			want := strings.ReplaceAll(text, "-", "")
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
			if un {
				slices.Sort(got)
				all := []byte(want)
				slices.Sort(all)
				want = string(all)
			}
			if string(got) != want {
				t.Errorf("got %q", got)
			}
			if connected.Load() != 3 || asked.Load() != int64(len(text))+1 {
				t.Errorf("onConnect on %d, asked %d times", connected.Load(), asked.Load())
			}
			eventually(t, "the drops are counted", func() bool { return e.Stats(nil).Undispatched == 40 })
			write(t, c, "0!1")
			if got := from(t, closed); got.r != ServerClosed {
				t.Errorf("closed for %v", got.r)
			}
			if rest, err := io.ReadAll(c); err != nil || string(rest) != "0" {
				t.Errorf("got %q, %v", rest, err)
			}
			c.Close()
			// One that is closed before it has begun is not heard of.
			m := *e.Limits()
			m.DispatchFunc = func(*Loop, *Session, DispatchKind, string) int { return DispatchClose }
			e.SetLimits(m)
			connected.Store(-1)
			c = dial(t, addr)
			if rest, err := io.ReadAll(c); err != nil || len(rest) != 0 {
				t.Errorf("got %q, %v", rest, err)
			}
			c.Close()
			eventually(t, "the session ends", func() bool { return e.Stats(nil).Sessions == 0 })
			if len(closed) != 0 || connected.Load() != -1 {
				t.Error("it was heard of")
			}
		})
	}
}

// Messages whose connection has broken since are handled, or dropped.
func TestDiscardGone(t *testing.T) {
	for _, discard := range []bool{false, true} {
		var got atomic.Int64
		var door gate
		closed := make(chan Reason, 1)
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) { got.Add(1); door.pass(f) },
			close:   func(f *Fiber, s *Session, r Reason) { closed <- r },
		}
		o := dispatched(ByConnection)
		o.DiscardGone = discard
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		write(t, c, "12345")
		eventually(t, "they have come", func() bool {
			list := e.Sessions(0, 0)
			return len(list) == 1 && list[0].Info().RecvQueued == 4
		})
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		eventually(t, "the connection breaks", func() bool { return e.Sessions(0, 0)[0].isBroken() })
		door.open()
		if r := from(t, closed); r != Reset {
			t.Errorf("closed for %v", r)
		}
		want, dropped := int64(5), uint64(0)
		if discard {
			want, dropped = 1, 4
		}
		if got.Load() != want {
			t.Errorf("%d messages handled, want %d", got.Load(), want)
		}
		eventually(t, "it is counted", func() bool { return e.Stats(nil).Dropped == dropped })
	}
}

// What base mode cannot do is refused, and what no mode can.
func TestDispatchRefused(t *testing.T) {
	fn := func(*Loop, *Session, DispatchKind, string) int { return 0 }
	for _, o := range []Options{
		{Mode: Base, Limits: Limits{DispatchOptions: DispatchOptions{Dispatch: RoundRobin}}},
		{Mode: Base, Limits: Limits{DispatchOptions: DispatchOptions{DispatchFunc: fn}}},
		{Mode: Process, Limits: Limits{DispatchOptions: DispatchOptions{Dispatch: 6}}},
		{Mode: Process, Limits: Limits{DispatchOptions: DispatchOptions{Dispatch: 11}}},
	} {
		if _, err := New(o, &funcs{}); err == nil {
			t.Errorf("mode %d is not refused in %v mode", o.Dispatch, o.Mode)
		}
	}
}

// Unordered sessions in a storm of changes: each message is handled once.
func TestUnorderedUnderLoad(t *testing.T) {
	for _, mode := range []Mode{Base, Process} {
		t.Run(mode.String(), func(t *testing.T) {
			var mu sync.Mutex
			running := map[SessionID]int{}
			h := &moving{funcs: &funcs{}}
			h.receive = func(f *Fiber, s *Session, data string) {
				mu.Lock()
				running[s.ID()]++
				mu.Unlock()
				if rand.IntN(5) == 0 {
					sleep(f, time.Duration(1+rand.IntN(2_000_000)))
				}
				f.Send(s, data)
				mu.Lock()
				running[s.ID()]--
				mu.Unlock()
			}
			h.close = func(f *Fiber, s *Session, r Reason) {
				mu.Lock()
				defer mu.Unlock()
				if running[s.ID()] != 0 {
					t.Errorf("session %d ends with %d callbacks", s.ID(), running[s.ID()])
				}
				running[s.ID()] = -1000
			}
			o := Options{Mode: mode, Workers: 2, Reactors: 2, Ports: []PortOptions{{Framer: fixed(8)}}}
			o.Unordered, o.UnsafeEvents, o.InboxEvents = true, true, 8
			e, addr := serveMoving(t, o, h)
			stop := make(chan struct{})
			var talk sync.WaitGroup
			for i := range 60 {
				talk.Go(func() {
					for !finishedOr(stop) {
						if err := babble(addr, i); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for range few(80) {
				m := *e.Limits()
				if mode == Process {
					m = anyDispatch(m)
				}
				m.Unordered = rand.IntN(4) > 0
				e.SetLimits(m)
				resize(t, e, 1+rand.IntN(6), 0, func(*Loop) {})
				time.Sleep(time.Duration(1 + rand.IntN(10_000_000)))
			}
			close(stop)
			talk.Wait()
			eventually(t, "sessions end", func() bool { return e.Stats(nil).Sessions == 0 })
			for _, l := range e.roster.Load().all {
				if n := l.backlog.Load(); n != 0 {
					t.Errorf("worker %d: a backlog of %d bytes is left", l.ID(), n)
				}
			}
		})
	}
}

// babble says many things and wants each of them back, in any order.
func babble(addr string, i int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	for round := range 4 {
		want := map[string]bool{}
		var text []byte
		for n := range 16 {
			m := fmt.Sprintf("%05d%03d", i, round*16+n)
			want[m] = true
			text = append(text, m...)
		}
		if _, err := c.Write(text); err != nil {
			return err
		}
		for range 16 {
			got := make([]byte, 8)
			if _, err := io.ReadFull(c, got); err != nil {
				return fmt.Errorf("client %d round %d: %w, missing %v", i, round, err, want)
			}
			if !want[string(got)] {
				return errors.New("got twice, or never sent: " + string(got))
			}
			delete(want, string(got))
		}
	}
	return nil
}

package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

const hour = int64(time.Hour)

// The process is old enough for sessions that have been idle for long.
func init() { epoch = epoch.Add(-1000 * time.Hour) }

// aged makes a session look as if nothing had come or gone for the given time.
func aged(s *Session, by time.Duration) {
	at := nanotime() - int64(by)
	onLoop(s.reactor.Load(), func() {
		s.mu.Lock()
		s.lastRecv.Store(at)
		if s.lastSent != 0 {
			s.lastSent = at
		}
		s.beside().idleFrom = 0
		s.mu.Unlock()
	})
}

// members connects n clients and returns their sessions.
func members(t *testing.T, e *Engine, addr string, n int) (conns []net.Conn, sessions []*Session) {
	t.Helper()
	for range n {
		conns = append(conns, dial(t, addr))
		eventually(t, "the client is known", func() bool { return e.sessions.len() == len(conns) })
	}
	sessions = e.Sessions(0, 0)
	for _, s := range sessions {
		eventually(t, "it is adopted", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return !s.ctlPosted
		})
	}
	return conns, sessions
}

type ended struct {
	id SessionID
	r  Reason
}

// Who is idle is closed, in order and with a reason; who is protected, not
// read, or has sent something that we have not looked at, is not.
func TestIdleSessionsAreClosed(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Heartbeat = time.Hour
		closed := make(chan ended, 10)
		e, addr := serve(t, o, &funcs{close: func(f *Fiber, s *Session, r Reason) { closed <- ended{s.ID(), r} }})
		conns, list := members(t, e, addr, 5)
		idle, fresh, safe, paused, unread := list[0], list[1], list[2], list[3], list[4]
		safe.Protect(true)
		l := paused.reactor.Load()
		l.Spawn(RootTimer, func(f *Fiber) { f.Pause(paused, true) })
		eventually(t, "it is paused", func() bool { return paused.Paused() })
		onLoop(l, func() {
			paused.mu.Lock()
			paused.beside().stood -= hour / 2
			paused.mu.Unlock()
		})
		for _, s := range []*Session{idle, safe, unread} {
			aged(s, time.Hour+time.Minute)
		}
		aged(paused, 100*time.Hour)
		if got, err := e.Idle(false); err != nil || !slices.Equal(got, []SessionID{idle.id, unread.id}) {
			t.Errorf("idle are %v, %v", got, err)
		}
		onLoop(unread.reactor.Load(), func() {
			conns[4].Write([]byte("x"))
			eventually(t, "it has arrived", func() bool {
				unread.mu.Lock()
				defer unread.mu.Unlock()
				return unread.hasInput()
			})
			l := unread.reactor.Load()
			l.forgetIdle(unread)
			l.lookIdle(unread)
		})
		e.recheckIdle()
		if got := from(t, closed); got != (ended{idle.id, TimeoutHeartbeat}) {
			t.Errorf("closed %v", got)
		}
		if _, err := conns[0].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the idle client sees %v", err)
		}
		for _, s := range []*Session{fresh, safe, paused, unread} {
			if !s.Alive() {
				t.Errorf("session %d is closed", s.id)
			}
		}
		// What has exempted them ends.
		safe.Protect(false)
		if got := from(t, closed); got != (ended{safe.id, TimeoutHeartbeat}) {
			t.Errorf("closed %v", got)
		}
		// The clock has stood at 98 hours and some: it goes on from there.
		l.Spawn(RootTimer, func(f *Fiber) { f.Pause(paused, false) })
		if got := from(t, closed); got != (ended{paused.id, TimeoutHeartbeat}) {
			t.Errorf("closed %v", got)
		}
		select {
		case got := <-closed:
			t.Errorf("closed %v", got)
		default:
		}
		for _, c := range conns {
			c.Close()
		}
		balanced(t, e)
	})
}

// The clock stands while we do not read, by whatever reason.
func TestIdleClockStands(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Heartbeat = time.Hour
		e, addr := serve(t, o, &funcs{})
		_, list := members(t, e, addr, 1)
		s := list[0]
		l := s.reactor.Load()
		pause := func(on bool) {
			s.Worker().Spawn(RootTimer, func(f *Fiber) { f.Pause(s, on) })
			eventually(t, "the reactor has seen it", func() (ok bool) {
				onLoop(l, func() { ok = (s.beside().stood != 0) == on })
				return ok
			})
		}
		quiet := func() (d time.Duration) {
			onLoop(l, func() {
				now := nanotime()
				if s.beside().stood != 0 {
					now = s.beside().stood
				}
				d = time.Duration(now - s.quietSince()).Round(time.Minute)
			})
			return d
		}
		aged(s, 10*time.Minute)
		for i := range 3 {
			pause(true)
			onLoop(l, func() { // fifty minutes pass
				s.lastRecv.Add(-50 * int64(time.Minute))
				s.beside().idleFrom -= 50 * int64(time.Minute)
				s.beside().stood -= 50 * int64(time.Minute)
			})
			pause(false)
			if got := quiet(); got != 10*time.Minute {
				t.Fatalf("round %d: quiet for %v", i, got)
			}
		}
		if !s.Alive() {
			t.Error("closed")
		}
	})
}

// max_idle_time: neither way; and a peer that takes nothing is a slow reader
// though it sends.
func TestMaxIdle(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].MaxIdle = time.Hour
		closed := make(chan ended, 10)
		var g gate
		e, addr := serve(t, o, &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				if data == "work" {
					g.pass(f)
				}
			},
			close: func(f *Fiber, s *Session, r Reason) { closed <- ended{s.ID(), r} },
		})
		conns, list := members(t, e, addr, 4)
		idle, told, works, slow := list[0], list[1], list[2], list[3]
		conns[2].Write([]byte("work"))
		eventually(t, "it works", func() bool { return g.waiting() == 1 })
		fill(slow)
		for _, s := range list {
			aged(s, time.Hour+time.Minute)
		}
		slow.lastRecv.Store(nanotime()) // it sends, and takes nothing
		told.send(nil, "news")
		e.recheckIdle()
		got := []ended{from(t, closed), from(t, closed)}
		slices.SortFunc(got, func(a, b ended) int { return int(a.id) - int(b.id) })
		if want := []ended{{idle.id, TimeoutIdle}, {slow.id, SlowReader}}; !slices.Equal(got, want) {
			t.Errorf("closed %v, want %v", got, want)
		}
		if !told.Alive() || !works.Alive() {
			t.Error("a session that is not idle is closed")
		}
		g.open()
		for _, c := range conns {
			c.Close()
		}
		balanced(t, e)
	})
}

// Limits that change hold at once, for those who are there too.
func TestHeartbeatChanges(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var closed atomic.Int64
		e, addr := serve(t, o, &funcs{close: func(f *Fiber, s *Session, r Reason) {
			if r == TimeoutHeartbeat {
				closed.Add(1)
			}
		}})
		const clients = 40
		conns, list := members(t, e, addr, clients)
		for _, s := range list {
			aged(s, time.Minute)
		}
		p := e.Ports()[0]
		for _, d := range []time.Duration{time.Hour, 2 * time.Hour, 0} {
			opts := *p.Options()
			opts.Heartbeat = d
			if err := p.Set(opts); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Idle(true); err != ErrHeartbeatOff {
			t.Errorf("%v", err)
		}
		if n := closed.Load(); n != 0 {
			t.Errorf("%d are closed", n)
		}
		opts := *p.Options()
		opts.Heartbeat = 30 * time.Second
		p.Set(opts)
		eventually(t, "all are closed", func() bool { return closed.Load() == clients })
		for _, c := range conns {
			c.Close()
		}
		balanced(t, e)
	})
}

func TestHeartbeatGrid(t *testing.T) {
	for _, c := range []struct{ at, step, want int64 }{{7, 0, 7}, {7, 5, 10}, {10, 5, 10}, {11, 5, 15}, {1, 100, 100}} {
		if got := onGrid(c.at, time.Duration(c.step)); got != c.want {
			t.Errorf("%d on a grid of %d is %d, want %d", c.at, c.step, got, c.want)
		}
	}
	o := Options{Workers: 1, Ports: []PortOptions{{IdleOptions: IdleOptions{Heartbeat: time.Second}}}}
	o.HeartbeatStep = time.Hour
	e, addr := serve(t, o, &funcs{})
	_, list := members(t, e, addr, 1)
	onLoop(e.Workers()[0], func() {
		list[0].mu.Lock()
		defer list[0].mu.Unlock()
		if due, why := e.Workers()[0].idleAt(list[0]); due%hour != 0 || due <= nanotime() || why != TimeoutHeartbeat {
			t.Errorf("due at %v, %v", time.Duration(due), why)
		}
	})
}

// However many sessions there are, those whose clients send are looked at about
// once in their idle time.
func TestHeartbeatCost(t *testing.T) {
	e, err := New(Options{Workers: 1}, &funcs{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	l := &Loop{eng: e}
	const sessions, limit, steps = 1000, 100, 1000
	p := &Port{eng: e}
	p.opts.Store(&PortOptions{IdleOptions: IdleOptions{Heartbeat: limit}})
	var all []*Session
	for range sessions {
		s := &Session{port: p}
		all = append(all, s)
		s.lastRecv.Store(1)
		l.watchIdle(s)
	}
	looks := 0
	for now := int64(1); now <= steps; now++ {
		for _, s := range all {
			if rand.IntN(10) == 0 {
				s.lastRecv.Store(now)
			}
		}
		for len(l.idle) > 0 && l.idle[0].due <= now {
			if l.timers.next() != l.idle[0].due {
				t.Fatalf("the timer is set for %d, the first session is due at %d", l.timers.next(), l.idle[0].due)
			}
			s := l.idle[0].s
			l.idle.remove(s)
			l.setIdleTimer()
			looks++
			if due, _ := l.idleAt(s); due <= now {
				s.lastRecv.Store(now) // a client would have been closed: it begins anew
			}
			l.watchIdle(s)
		}
	}
	most := sessions * steps / limit * 2
	if looks == 0 || looks > most {
		t.Errorf("%d looks at %d sessions in %d idle times, at most %d are allowed", looks, sessions, steps/limit, most)
	}
}

// A paused session is not read, from the moment at which pause returns.
func TestPause(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		var got atomic.Int64
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			got.Add(int64(len(data)))
			if data == "pause" {
				if err := f.Pause(s, true); err != nil {
					t.Error(err)
				}
				f.Send(s, "ok")
			}
		}}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		for round := range 20 {
			got.Store(0)
			c.Write([]byte("pause"))
			if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("later"))
			s := e.Sessions(0, 1)[0]
			eventually(t, "it is in the kernel", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.hasInput()
			})
			for range 3 {
				onLoop(s.reactor.Load(), func() {})
			}
			if n := got.Load(); n != 5 {
				t.Fatalf("round %d: %d bytes were read", round, n)
			}
			s.Worker().Spawn(RootTimer, func(f *Fiber) { f.Pause(s, false) })
			eventually(t, "reading goes on", func() bool { return got.Load() == 10 })
		}
		// A paused session whose client goes away with a reset ends.
		c.Write([]byte("pause"))
		io.ReadFull(c, make([]byte, 2))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		balanced(t, e)
	})
}

// A delayed session begins with onConnect, and is read when it is confirmed.
func TestDelayReceive(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.DelayReceive = true
		var g gate
		received := make(chan string, 1)
		e, addr := serve(t, o, &funcs{
			connect: func(f *Fiber, s *Session) { f.Send(s, "hello") },
			receive: func(f *Fiber, s *Session, data string) { received <- data },
		})
		c := dial(t, addr)
		c.Write([]byte("impatient"))
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		s := e.Sessions(0, 1)[0]
		onLoop(s.reactor.Load(), func() {
			if s.interest != 0 || s.beside().stood == 0 {
				t.Error("it is read")
			}
		})
		select {
		case data := <-received:
			t.Errorf("received %q", data)
		default:
		}
		s.Worker().Spawn(RootTimer, func(f *Fiber) { f.Pause(s, false) })
		if data := from(t, received); data != "impatient" {
			t.Errorf("received %q", data)
		}
		g.open()
		c.Close()
		balanced(t, e)
	})
}

// A session that is closing can be reset still.
func TestCloseThenReset(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.CloseTime = time.Hour
		closed := make(chan ended, 1)
		e, addr := serve(t, o, &funcs{
			connect: func(f *Fiber, s *Session) {
				fill(s)
				s.Close(ServerClosed, false)
			},
			close: func(f *Fiber, s *Session, r Reason) { closed <- ended{s.id, r} },
		})
		c := dial(t, addr)
		if got := from(t, closed); got.r != ServerClosed {
			t.Errorf("closed with %v", got.r)
		}
		s := e.Sessions(0, 1)[0]
		if err := s.Close(ServerClosed, false); err != ErrClosing {
			t.Errorf("a second close: %v", err)
		}
		if err := s.Close(FrameTooLarge, true); err != nil {
			t.Errorf("a reset: %v", err)
		}
		if err := s.Close(ServerClosed, true); err != ErrClosing && err != ErrClosed {
			t.Errorf("a second reset: %v", err)
		}
		if s.Info().Reason != ServerClosed {
			t.Errorf("the reason has become %v", s.Info().Reason)
		}
		if _, err := io.Copy(io.Discard, c); err == nil {
			t.Error("the client saw no reset")
		}
		balanced(t, e)
	})
}

// One string goes to everybody, in order with what else is sent; who cannot
// take it is counted.
func TestBroadcast(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		e, addr := serve(t, o, &funcs{})
		const clients = 30
		conns, list := members(t, e, addr, clients)
		full, gone := list[3], list[7]
		fill(full)
		gone.Close(ServerClosed, false)
		type outcome struct {
			sent    int
			refused map[string]int
		}
		done := make(chan outcome, 1)
		e.Workers()[0].Spawn(RootTimer, func(f *Fiber) {
			for _, s := range list {
				f.Send(s, "1 ")
			}
			sent, refused := e.Broadcast(f.loop, list, "two ")
			for _, s := range list {
				f.Send(s, "3\n")
			}
			done <- outcome{sent, refused}
		})
		got := from(t, done)
		if got.sent != clients-2 || got.refused["outbox_full"] != 1 || got.refused["session_closing"]+got.refused["session_closed"] != 1 {
			t.Errorf("%+v", got)
		}
		for i, c := range conns {
			if i == 3 || i == 7 {
				continue
			}
			b := make([]byte, 8)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "1 two 3\n" {
				t.Errorf("client %d got %q, %v", i, b, err)
			}
		}
		// From nobody's loop, and while a worker computes.
		var hog atomic.Bool
		l := e.Workers()[len(e.Workers())-1]
		hog.Store(true)
		busy := make(chan struct{})
		l.Spawn(RootTimer, func(f *Fiber) {
			close(busy)
			for hog.Load() {
				if l.Interrupt.Load() != 0 {
					l.Interrupted()
				}
			}
		})
		from(t, busy)
		if sent, _ := e.Broadcast(nil, list, "now!"); sent != clients-2 {
			t.Errorf("sent to %d", sent)
		}
		for i, c := range conns {
			if i == 3 || i == 7 {
				continue
			}
			b := make([]byte, 4)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "now!" {
				t.Errorf("client %d got %q, %v", i, b, err)
			}
		}
		hog.Store(false)
		for _, c := range conns {
			c.Close()
		}
		balanced(t, e)
	})
}

func BenchmarkBroadcast(b *testing.B) {
	e, addr := serve(b, Options{Workers: 2}, &funcs{})
	const clients = 200
	for range clients {
		c := dial(b, addr)
		c.SetDeadline(time.Time{})
		go io.Copy(io.Discard, c)
	}
	eventually(b, "all are there", func() bool { return e.sessions.len() == clients })
	list := e.Sessions(0, 0)
	data := fmt.Sprintf("%01000d", 1)
	for b.Loop() {
		onLoop(e.Workers()[0], func() { e.Broadcast(e.Workers()[0], list, data) })
	}
}

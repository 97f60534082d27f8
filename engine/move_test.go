package engine

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// resize changes the numbers of workers as a host does, and reports the loops
// that left. left is told of each at the turn of its Leave.
func resize(t testing.TB, e *Engine, workers, tasks int, left func(*Loop)) []*Loop {
	t.Helper()
	r, err := e.Prepare(workers, tasks, 0)
	if err != nil {
		t.Error(err)
		return nil
	}
	r.Commit()
	for _, l := range r.Leaving() {
		onLoop(l, func() {
			l.Leave()
			left(l)
		})
		e.Retire(l)
	}
	e.Spread()
	return r.Leaving()
}

// gone says whether nothing is left of a loop but its memory.
func gone(e *Engine, l *Loop) bool {
	for _, o := range e.roster.Load().all {
		if o == l {
			return false
		}
	}
	return l.state.Load() == idle
}

// moving is a Handler that is told of moves, watermarks and packets too.
type moving struct {
	*funcs
	moves   atomic.Int64
	wet     func(f *Fiber, s *Session, full bool)
	packets func(f *Fiber, p *Packet)
}

func (m *moving) Moved(s *Session) {
	if s.Worker() != s.worker.Load() || s.in.running != 0 {
		panic("moved at the wrong time")
	}
	m.moves.Add(1)
}

func (m *moving) Water(f *Fiber, s *Session, full bool) {
	if m.wet != nil {
		m.wet(f, s, full)
	}
}

func (m *moving) Packet(f *Fiber, p *Packet) {
	if m.packets != nil {
		m.packets(f, p)
	}
}

func serveMoving(t testing.TB, o Options, h *moving) (*Engine, string) {
	t.Helper()
	if o.Ports == nil {
		o.Ports = []PortOptions{{}}
	}
	o.Ports[0].Host = "127.0.0.1"
	e, err := New(o, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
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
	return e, e.Ports()[0].Addr().String()
}

// story is what a test knows of one session.
type story struct {
	next    int
	busy    bool
	greeted bool
	closed  bool
}

// Numbers of workers change all the time while clients come, talk and go: every
// message is handled once, in the order of its session, never on a loop that
// has been left; those are gone in the end, and no counter ever goes back.
func TestWorkersChangeUnderLoad(t *testing.T) {
	for _, mode := range []Mode{Base, Process} {
		t.Run(mode.String(), func(t *testing.T) { workersChange(t, mode, false) })
	}
}

// The same while the way in which events are dispatched changes as well.
func TestDispatchChangesUnderLoad(t *testing.T) { workersChange(t, Process, true) }

// anyDispatch is some way to dispatch that keeps the order.
func anyDispatch(m Limits) Limits {
	m.Dispatch = []DispatchMode{0, 1, 2, 3, 4, 5, 8, 9, 10}[rand.IntN(9)]
	m.DispatchFunc = nil
	if rand.IntN(3) == 0 {
		m.DispatchFunc = func(*Loop, *Session, DispatchKind, string) int {
			return []int{0, 1, 2, 3, 1000, DispatchByMode}[rand.IntN(6)]
		}
	}
	return m
}

func workersChange(t *testing.T, mode Mode, dispatch bool) {
	const size, window, rounds = 8, 16, 6
	clients, changes := 200, 100
	if testing.Short() {
		clients, changes = 60, 30
	}
	var left sync.Map
	var handled, answered atomic.Int64
	var mu sync.Mutex
	stories := map[SessionID]*story{}
	of := func(f *Fiber, s *Session, what string) *story {
		if _, is := left.Load(f.Loop()); is {
			t.Errorf("session %d: %s begins on a worker that was left", s.ID(), what)
		}
		if s.Worker() != f.Loop() {
			t.Errorf("session %d: %s begins on another worker than its own", s.ID(), what)
		}
		mu.Lock()
		defer mu.Unlock()
		st := stories[s.ID()]
		if st == nil {
			st = &story{}
			stories[s.ID()] = st
		}
		return st
	}
	h := &moving{funcs: &funcs{}}
	h.connect = func(f *Fiber, s *Session) {
		st := of(f, s, "onConnect")
		if rand.IntN(2) == 0 {
			if err := s.Bind(int64(s.ID())); err != nil && s.Alive() {
				t.Error(err)
			}
		}
		if st.greeted || st.next > 0 {
			t.Errorf("session %d: onConnect twice or late", s.ID())
		}
		if rand.IntN(10) == 0 {
			sleep(f, time.Duration(1+rand.IntN(2_000_000)))
		}
		st.greeted = true
	}
	h.receive = func(f *Fiber, s *Session, data string) {
		st := of(f, s, "onReceive")
		if st.busy || st.closed || !st.greeted {
			t.Errorf("session %d: events overlap or are out of order: %+v", s.ID(), *st)
		}
		st.busy = true
		for {
			if want := fmt.Sprintf("%07d", st.next); data[:7] != want {
				t.Errorf("session %d got %q, want %q", s.ID(), data, want)
			}
			st.next++
			handled.Add(1)
			if rand.IntN(10) == 0 {
				sleep(f, time.Duration(1+rand.IntN(3_000_000)))
			}
			if err := f.Send(s, data); err != nil && s.Alive() {
				t.Errorf("session %d: %v", s.ID(), err)
			}
			if data[7] == 'q' {
				s.Close(ServerClosed, false)
				break
			}
			if rand.IntN(12) != 0 {
				break
			}
			var err error // the next message of the session, taken by hand
			if data, err = f.Recv(s, time.Duration(1+rand.IntN(2_000_000))); err != nil {
				break
			}
		}
		st.busy = false
	}
	h.close = func(f *Fiber, s *Session, r Reason) {
		st := of(f, s, "onClose")
		if st.busy || st.closed || !st.greeted {
			t.Errorf("session %d: onClose twice or early: %+v", s.ID(), *st)
		}
		if rand.IntN(10) == 0 {
			sleep(f, time.Duration(1+rand.IntN(2_000_000)))
		}
		st.closed = true
	}
	h.task = func(f *Fiber, task *Task) (any, bool) {
		if _, is := left.Load(f.Loop()); is {
			t.Error("a task begins on a task worker that was left")
		}
		if rand.IntN(5) == 0 {
			sleep(f, time.Duration(1+rand.IntN(2_000_000)))
		}
		return task.ID, true
	}
	var finished atomic.Int64
	h.finish = func(f *Fiber, task *Task, result any) {
		if _, is := left.Load(f.Loop()); is {
			t.Error("a task's result comes to a worker that was left")
		}
		finished.Add(1)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	o := Options{Mode: mode, Workers: 2, Reactors: 2, TaskWorkers: 2, Ports: make([]PortOptions, 1), MaxSpares: 2}
	o.Ports[0].Framer = fixed(size)
	o.InboxEvents = 8 // reading stops and goes on all the time
	e, addr := serveMoving(t, o, h)

	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { // no counter goes back
		var last Stats
		for {
			select {
			case <-stop:
				return
			default:
			}
			now := e.Stats(nil)
			if now.Requests < last.Requests || now.RecvBytes < last.RecvBytes || now.SentBytes < last.SentBytes ||
				now.Closed < last.Closed || now.Responses < last.Responses {
				t.Errorf("a counter went back: %+v, then %+v", last, now)
			}
			last = now
			time.Sleep(100 * time.Microsecond)
		}
	})
	var submitted atomic.Int64
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			src := e.Workers()[0]
			onLoop(src, func() {
				if src.Leaving() {
					return
				}
				if err := e.Submit(&Task{Src: src, Dst: rand.IntN(4) - 1}); err == nil {
					submitted.Add(1)
				} else if err != ErrBadWorker && err != ErrNoTaskWorkers {
					t.Error(err)
				}
			})
			time.Sleep(50 * time.Microsecond)
		}
	})

	var talk sync.WaitGroup
	for i := range clients {
		talk.Go(func() {
			for !finishedOr(stop) {
				if err := chat(addr, i, rounds, window, &answered); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var goners []*Loop
	for range changes {
		if rand.IntN(10) == 0 {
			r, err := e.Prepare(1+rand.IntN(8), rand.IntN(4), rand.IntN(3))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Prepare(1, 1, 0); err == nil {
				t.Error("two resizes at a time")
			}
			goners = append(goners, r.Added()...)
			r.Abort()
		}
		if dispatch {
			e.SetLimits(anyDispatch(*e.Limits()))
		}
		n, m := 1+rand.IntN(8), rand.IntN(4)
		goners = append(goners, resize(t, e, n, m, func(l *Loop) { left.Store(l, true) })...)
		if st := e.Stats(nil); st.Workers != n || st.TaskWorkers != m {
			t.Errorf("%d workers and %d task workers, want %d and %d", st.Workers, st.TaskWorkers, n, m)
		}
		for i, l := range append(append([]*Loop(nil), e.Workers()...), e.TaskWorkers()...) {
			if l.ID() != i {
				t.Errorf("loop %d has the id %d", i, l.ID())
			}
		}
		time.Sleep(time.Duration(1 + rand.IntN(15_000_000)))
	}
	close(stop)
	talk.Wait()
	others.Wait()
	resize(t, e, 3, 1, func(l *Loop) {})
	eventually(t, "sessions end", func() bool { return e.Stats(nil).Sessions == 0 })
	eventually(t, "results come", func() bool { return finished.Load()+int64(e.TaskStats().Failed) == submitted.Load() }) // with no task worker left, tasks fail
	for _, l := range goners {
		eventually(t, "the loop is gone", func() bool { return gone(e, l) })
	}
	eventually(t, "the roster shrinks", func() bool {
		return len(e.roster.Load().all) == 3+1+1+map[Mode]int{Base: 0, Process: 2}[mode]
	})
	eventually(t, "all is counted", func() bool { return e.Stats(nil).Requests >= uint64(submitted.Load()) })
	for _, l := range e.roster.Load().all {
		if n, b := l.sessions.Load(), l.backlog.Load(); n != 0 || b != 0 {
			t.Errorf("loop %d: %d sessions, %d bytes of backlog are left", l.ID(), n, b)
		}
	}
	for id, st := range stories {
		if !st.closed {
			t.Errorf("session %d never closed: %+v", id, *st)
		}
	}
	eventually(t, "descriptors are closed", func() bool { return descriptors(t) <= files+12 })
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+10+7*(o.MaxSpares+2) })
	if h.moves.Load() == 0 || answered.Load() == 0 {
		t.Errorf("%d moves, %d answers: nothing was tested", h.moves.Load(), answered.Load())
	}
	t.Logf("%d sessions, %d messages, %d answers, %d moves, %d tasks", len(stories), handled.Load(), answered.Load(), h.moves.Load(), submitted.Load())
}

func finishedOr(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// chat is one client's stay: windows of numbered messages and their echoes,
// and one of several ends.
func chat(addr string, i, rounds, window int, answered *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	next := 0
	message := func(n int, last byte) []byte { return fmt.Appendf(nil, "%07d%c", n, last) }
	end := rand.IntN(6)
	for round := range 1 + rand.IntN(rounds) {
		var text []byte
		for range window {
			text = append(text, message(next, '.')...)
			next++
		}
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(3*len(rest)))
			if _, err := c.Write(rest[:n]); err != nil {
				return fmt.Errorf("client %d round %d: %w", i, round, err)
			}
			rest = rest[n:]
		}
		if end == 0 && round == rounds/3 {
			c.(*net.TCPConn).SetLinger(0) // a reset, with answers on their way
			return nil
		}
		got := make([]byte, len(text))
		if n, err := io.ReadFull(c, got); err != nil {
			return fmt.Errorf("client %d round %d, after %d bytes of %d: %w", i, round, n, len(got), err)
		}
		if string(got) != string(text) {
			return fmt.Errorf("client %d round %d: got %q, want %q", i, round, got, text)
		}
		answered.Add(int64(window))
	}
	switch end {
	case 1, 2: // asks to be closed, and is answered first
		c.Write(message(next, 'q'))
		got := make([]byte, 8)
		if _, err := io.ReadFull(c, got); err != nil || got[7] != 'q' {
			return fmt.Errorf("client %d: the last answer is %q, %v", i, got, err)
		}
		if _, err := c.Read(got); !errors.Is(err, io.EOF) {
			return fmt.Errorf("client %d: not closed: %v", i, err)
		}
	case 3: // is done sending, and is answered still
		c.Write(append(message(next, '.'), message(next+1, '.')...))
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		if err != nil || len(got) != 16 {
			return fmt.Errorf("client %d: %q after the end, %v", i, got, err)
		}
	case 4: // leaves part of a message
		c.Write(message(next, '.')[:3])
	}
	return nil
}

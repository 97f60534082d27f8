package engine

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bothModes runs a test with two workers in each mode.
func bothModes(t *testing.T, test func(t *testing.T, o Options)) {
	for _, mode := range []Mode{Base, Process} {
		t.Run(mode.String(), func(t *testing.T) {
			test(t, Options{Mode: mode, Workers: 2, Reactors: 2, Ports: make([]PortOptions, 1)})
		})
	}
}

// shrink goes to one worker and wants the other one gone.
func shrink(t *testing.T, e *Engine) {
	t.Helper()
	for _, l := range resize(t, e, 1, 0, func(*Loop) {}) {
		eventually(t, "the loop is gone", func() bool { return gone(e, l) })
	}
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// A session that moves takes the part of a frame that it has read along, and
// what it has said of itself is asked again.
func TestPartOfAFrameMoves(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(6)
		h := &moving{funcs: &funcs{receive: echo}}
		e, addr := serveMoving(t, o, h)
		var conns []net.Conn
		for range 10 {
			c := dial(t, addr)
			write(t, c, "123456789")
			expect(t, c, "123456")
			conns = append(conns, c)
		}
		shrink(t, e)
		if n := h.moves.Load(); n != 5 {
			t.Errorf("%d sessions have moved, want 5", n)
		}
		for _, c := range conns {
			write(t, c, "abcde")
			expect(t, c, "789abc")
			write(t, c, "fghi")
			expect(t, c, "defghi")
		}
		for _, s := range e.Sessions(0, 0) {
			if s.Worker() != e.Workers()[0] {
				t.Errorf("session %d belongs to worker %d", s.ID(), s.Worker().ID())
			}
		}
	})
}

// A session whose callback waits stays with it, and moves with all that has
// come meanwhile when it returns. Its next event begins elsewhere.
func TestWaitingCallbackKeepsItsWorker(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(1)
		var door gate
		var on sync.Map // session and message -> worker
		h := &moving{funcs: &funcs{}}
		h.receive = func(f *Fiber, s *Session, data string) {
			on.Store(fmt.Sprint(s.ID(), data), f.Loop())
			if data == "1" {
				door.pass(f)
			}
			f.Send(s, data)
		}
		e, addr := serveMoving(t, o, h)
		var conns []net.Conn
		for range 4 {
			c := dial(t, addr)
			write(t, c, "1")
			conns = append(conns, c)
		}
		eventually(t, "callbacks wait", func() bool { return countOf(&on) == 4 })
		goner := e.Workers()[1]
		resize(t, e, 1, 0, func(*Loop) {})
		for _, c := range conns {
			write(t, c, "234")
		}
		eventually(t, "messages wait behind them", func() bool {
			n := 0
			for _, s := range e.Sessions(0, 0) {
				n += s.Info().RecvQueued
			}
			return n == 12
		})
		if gone(e, goner) || countOf(&on) != 4 {
			t.Error("the callbacks were not waited for")
		}
		door.open()
		for _, c := range conns {
			expect(t, c, "1234")
		}
		n := 0
		on.Range(func(what, l any) bool {
			if l == goner {
				n++
				if !strings.HasSuffix(what.(string), "1") {
					t.Errorf("message %s on the worker that left", what)
				}
			}
			return true
		})
		if n != 2 {
			t.Errorf("%d messages on the worker that left, want 2", n)
		}
		eventually(t, "the loop is gone", func() bool { return gone(e, goner) })
	})
}

func countOf(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// Sessions that are not read because of their worker's budget are read again
// when they have moved; one that is closing moves and is closed in time.
func TestPausedAndClosingSessionsMove(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(1000)
		o.WorkerBytes, o.CloseTime = 100_000, 300*time.Millisecond
		var door gate
		var got atomic.Int64
		h := &moving{funcs: &funcs{}}
		h.receive = func(f *Fiber, s *Session, data string) {
			door.pass(f)
			got.Add(1)
			if data[0] == 'q' {
				s.Close(ServerClosed, false)
			}
		}
		e, addr := serveMoving(t, o, h)
		const clients, each = 8, 400
		for i := range clients {
			c := dial(t, addr)
			go io.WriteString(c, strings.Repeat("x", 1000*each))
			if i < 2 {
				q := dial(t, addr) // does not close when it is told to
				write(t, q, strings.Repeat("q", 1000))
			}
		}
		eventually(t, "sessions are not read", func() bool { return e.Stats(nil).Paused >= clients })
		goner := e.Workers()[1]
		resize(t, e, 1, 0, func(*Loop) {})
		door.open()
		eventually(t, "all is read", func() bool { return got.Load() == clients*each+2 })
		eventually(t, "the closing sessions end", func() bool { return e.Stats(nil).Sessions == clients })
		eventually(t, "the loop is gone", func() bool { return gone(e, goner) })
		onLoop(e.Workers()[0], func() {
			if n := e.Workers()[0].backlog.Load(); n != 0 {
				t.Errorf("a backlog of %d bytes is left", n)
			}
		})
	})
}

// After a growth the sessions there are spread over all workers, also those
// that are never at rest.
func TestSessionsSpread(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(1)
		e, addr := serve(t, o, &funcs{receive: echo})
		var talk sync.WaitGroup
		stop := make(chan struct{})
		const clients = 80
		for i := range clients {
			c := dial(t, addr)
			if i%2 == 0 {
				continue
			}
			talk.Go(func() {
				buf := make([]byte, 1)
				for n := byte(0); !finishedOr(stop); n++ {
					if _, err := c.Write([]byte{n}); err != nil {
						t.Error(err)
						return
					}
					if _, err := io.ReadFull(c, buf); err != nil || buf[0] != n {
						t.Errorf("got %d, %v; want %d", buf, err, n)
						return
					}
				}
			})
		}
		eventually(t, "all are there", func() bool { return e.Stats(nil).Sessions == clients })
		resize(t, e, 8, 0, func(*Loop) {})
		eventually(t, "all workers have alike", func() bool {
			for _, l := range e.Workers() {
				if n := l.sessions.Load(); n < clients/8-1 || n > clients/8+1 {
					return false
				}
			}
			return true
		})
		close(stop)
		talk.Wait()
	})
}

// What is posted to a loop that has ended is not lost: it goes to the worker
// that has the session now.
func TestLettersFindASessionThatMoved(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		var reasons sync.Map
		h := &moving{funcs: &funcs{receive: echo, close: func(f *Fiber, s *Session, r Reason) { reasons.Store(s.ID(), r) }}}
		e, addr := serveMoving(t, o, h)
		for range 4 {
			c := dial(t, addr)
			write(t, c, "x")
			expect(t, c, "x")
		}
		goner := e.Workers()[1]
		var moved []*Session
		for _, s := range e.Sessions(0, 0) {
			if s.Worker() == goner {
				moved = append(moved, s)
			}
		}
		shrink(t, e)
		for i, s := range moved {
			if i == 0 { // as Close does, with the loop it saw a moment ago
				s.mu.Lock()
				s.state, s.reason = ending, ServerClosed
				s.cut.Store(true)
				goner.post(func(m *letters) { m.ends = append(m.ends, s) })
				if !s.split {
					s.ctlPosted = true
					goner.post(func(m *letters) { m.ctl = append(m.ctl, s) })
				} else {
					s.tellReactor()
				}
				s.mu.Unlock()
			}
		}
		eventually(t, "onClose", func() bool { r, _ := reasons.Load(moved[0].ID()); return r == ServerClosed })
		// Nor does it forgive a session that another worker has stopped reading.
		s, worker := moved[1], e.Workers()[0]
		onLoop(worker, func() {
			s.lockIn()
			s.pause, s.starved = pauseWorker, true
			s.unlockIn()
		})
		onLoop(goner, func() {
			goner.starved.list = append(goner.starved.list, s)
			goner.feedStarved()
		})
		onLoop(worker, func() {
			s.lockIn()
			if s.pause != pauseWorker || !s.starved {
				t.Error("the worker that left has a session read")
			}
			s.pause, s.starved = 0, false
			s.unlockIn()
		})
		ran := make(chan bool, 1)
		goner.Call(func() { ran <- true })
		from(t, ran)
		eventually(t, "it rests", func() bool { return goner.state.Load() == idle })
		goner.goroutines.Wait()
		eventually(t, "all is counted", func() bool { return e.Stats(nil).Closed == 1 })
		if st := e.Stats(nil); st.Requests != 4 {
			t.Errorf("%d requests, want 4: a loop was counted twice", st.Requests)
		}
		if n := countOf(&reasons); n != 1 {
			t.Errorf("%d sessions were closed", n)
		}
	})
}

// All sessions leave a worker that goes, more than it looks at in one turn, and
// though none of them says a word; all spread over those that come.
func TestManyQuietSessionsMove(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		e, addr := serve(t, o, &funcs{})
		const clients = 5 * turnMoves
		for range clients {
			dial(t, addr)
		}
		eventually(t, "all are there", func() bool { return e.sessions.len() == clients })
		shrink(t, e)
		if n := e.Workers()[0].sessions.Load(); n != clients {
			t.Errorf("the worker that stays has %d sessions of %d", n, clients)
		}
		resize(t, e, 2, 0, func(*Loop) {})
		eventually(t, "both have alike", func() bool { return e.Workers()[1].sessions.Load() >= clients/2-1 })
	})
}

// A worker that leaves ends with the last session that it counts, also where
// that ends on another.
func TestLastSessionEndsElsewhere(t *testing.T) {
	o := Options{Mode: Process, Workers: 2, Ports: make([]PortOptions, 1)}
	e, addr := serve(t, o, &funcs{})
	c := dial(t, addr)
	eventually(t, "it is there", func() bool { return e.sessions.len() == 1 })
	s := e.Sessions(0, 0)[0]
	left := resize(t, e, 1, 0, func(l *Loop) {
		// As if dispatch had it handled by the worker that stays, and it had been
		// counted here too late to be listed.
		l.movers = nil
		s.mu.Lock()
		defer s.mu.Unlock()
		s.home.Load().sessions.Add(-1)
		l.sessions.Add(1)
		s.home.Store(l)
		s.worker.Store(e.Workers()[0])
	})[0]
	eventually(t, "it rests", func() bool { return left.state.Load() == idle })
	if gone(e, left) {
		t.Fatal("it has gone before its session")
	}
	c.Close()
	eventually(t, "it is gone", func() bool { return gone(e, left) })
}

// The clocks of a session go with it.
func TestIdleSessionsMove(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].Heartbeat = 3 * time.Second
		closed := make(chan ended, 10)
		h := &moving{funcs: &funcs{receive: echo, close: func(f *Fiber, s *Session, r Reason) { closed <- ended{s.ID(), r} }}}
		e, addr := serveMoving(t, o, h)
		for range 4 {
			c := dial(t, addr)
			write(t, c, "x")
			expect(t, c, "x")
		}
		shrink(t, e)
		resize(t, e, 4, 0, func(*Loop) {})
		eventually(t, "sessions move back", func() bool { return h.moves.Load() >= 5 })
		for range 4 {
			if got := from(t, closed); got.r != TimeoutHeartbeat {
				t.Errorf("session %d was closed for %v", got.id, got.r)
			}
		}
	})
}

// A session that was told of a full outbox on one worker is told of the empty
// one on the next, also when the note goes to the worker it had.
func TestWatermarksMove(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes, o.Ports[0].HighWater, o.Ports[0].LowWater = 32<<20, 16<<20, 1<<20
		type told struct {
			s    *Session
			l    *Loop
			full bool
		}
		notes := make(chan told, 10)
		h := &moving{funcs: &funcs{}}
		h.wet = func(f *Fiber, s *Session, full bool) { notes <- told{s, f.Loop(), full} }
		h.receive = func(f *Fiber, s *Session, data string) { f.Send(s, strings.Repeat("x", 24<<20)) }
		e, addr := serveMoving(t, o, h)
		var conns []net.Conn
		for range 2 {
			c := dial(t, addr)
			write(t, c, "x")
			conns = append(conns, c)
		}
		var moved *Session
		goner := e.Workers()[1]
		for range 2 {
			n := from(t, notes)
			if !n.full {
				t.Error("an outbox was empty before it was full")
			}
			if n.l == goner {
				moved = n.s
			}
		}
		shrink(t, e)
		moved.mu.Lock()
		moved.full, moved.wetPosted = false, true
		goner.post(func(m *letters) { m.water = append(m.water, moved) })
		moved.mu.Unlock()
		if n := from(t, notes); n.full || n.s != moved || n.l != e.Workers()[0] {
			t.Errorf("session %d was told %v on worker %d", n.s.ID(), n.full, n.l.ID())
		}
		for _, c := range conns {
			go io.Copy(io.Discard, c)
		}
		if n := from(t, notes); n.full || n.s == moved || n.l != e.Workers()[0] {
			t.Errorf("session %d was told %v on worker %d", n.s.ID(), n.full, n.l.ID())
		}
	})
}

// Messages and packets for a worker that leaves are for others when their turn
// comes; no packet is lost.
func TestMessagesAndPacketsOfAWorkerThatLeaves(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Workers = 4
		o.Ports = append(o.Ports, PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: UDP}})
		var left sync.Map
		var got atomic.Int64
		h := &moving{funcs: &funcs{}}
		h.packets = func(f *Fiber, p *Packet) {
			if _, is := left.Load(f.Loop()); is {
				t.Error("a packet begins on a worker that was left")
			}
			if got.Add(1)%10 == 0 {
				sleep(f, time.Millisecond)
			}
			if err := f.SendTo(p.From, p.Data, nil); err != nil {
				t.Error(err)
			}
		}
		e, _ := serveMoving(t, o, h)
		var talk sync.WaitGroup
		stop := make(chan struct{})
		for range 20 {
			c, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", e.Ports()[1].Addr().Port))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(60 * time.Second))
			talk.Go(func() {
				buf := make([]byte, 10)
				for n := 0; !finishedOr(stop); n++ {
					for i := range 4 {
						fmt.Fprintf(c, "%06d%d", n, i)
					}
					for range 4 {
						if k, err := c.Read(buf); err != nil || string(buf[:6]) != fmt.Sprintf("%06d", n) {
							t.Errorf("got %q, %v for %d", buf[:k], err, n)
							return
						}
					}
				}
			})
		}
		for i := range 40 {
			n := 1 + i%4
			leaving := e.Workers()[min(n, len(e.Workers())):]
			r, err := e.Prepare(n, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			said := make(chan *Loop, len(leaving))
			r.Commit()
			for _, l := range leaving {
				onLoop(l, func() {
					l.Leave()
					left.Store(l, true)
				})
				if err := l.Message(func(f *Fiber) { said <- f.Loop() }); err != nil {
					t.Error(err)
				}
				e.Retire(l)
			}
			for range leaving {
				if l := from(t, said); l.Leaving() {
					t.Error("a message is told to a worker that has left")
				}
			}
			for _, l := range leaving {
				eventually(t, "the loop is gone", func() bool { return gone(e, l) })
			}
		}
		close(stop)
		talk.Wait()
		eventually(t, "nothing is queued", func() bool { return e.Stats(nil).PacketsQueued == 0 })
		for _, l := range e.Workers() {
			if l.Messages() != 0 {
				t.Error("messages are left")
			}
		}
	})
}

// A session that was on its way to a worker when that left is passed on.
func TestSessionOnItsWayIsPassedOn(t *testing.T) {
	for _, moved := range []bool{false, true} {
		e, addr := serve(t, Options{Workers: 2}, &funcs{receive: echo})
		c := dial(t, addr)
		write(t, c, "1")
		expect(t, c, "1")
		s := e.Sessions(0, 0)[0]
		goner, other := s.Worker(), e.Workers()[1]
		if goner == other {
			other = e.Workers()[0]
		}
		onLoop(goner, func() { // as if it had not come yet
			s.mu.Lock()
			goner.unseat(s)
			s.coming = true
			s.mu.Unlock()
		})
		e.changeRoster(func(next *roster) { next.workers, next.reactors = []*Loop{other}, []*Loop{other} })
		goner.off.Store(true)
		onLoop(goner, goner.Leave)
		e.Retire(goner)
		if gone(e, goner) || s.Worker() != goner {
			t.Error("it moved before it had come")
		}
		goner.post(func(m *letters) {
			if moved {
				m.moves = append(m.moves, s)
			} else {
				m.adopts = append(m.adopts, s)
			}
		})
		eventually(t, "it moves", func() bool { return s.Worker() == other })
		write(t, c, "2")
		expect(t, c, "2")
		eventually(t, "the loop is gone", func() bool { return gone(e, goner) })
	}
}

// Tasks that wait for one worker are for any when it leaves, in their order;
// a result whose asker has left goes to another worker, unless something waits
// for it there.
func TestTasksOfAWorkerThatLeaves(t *testing.T) {
	var door gate
	var mu sync.Mutex
	var order []int
	type outcome struct {
		l    *Loop
		task *Task
	}
	told := make(chan outcome, 10)
	h := &funcs{
		task: func(f *Fiber, task *Task) (any, bool) {
			if task.Data == 0 {
				door.pass(f)
			}
			if task.Data != 0 {
				mu.Lock()
				order = append(order, task.Data.(int))
				mu.Unlock()
			}
			return 1, true
		},
		finish: func(f *Fiber, task *Task, result any) { told <- outcome{f.Loop(), task} },
	}
	e, _ := serve(t, Options{Workers: 2, TaskWorkers: 2}, h)
	src := e.Workers()[1]
	submit := func(n, dst int, bound bool) {
		if err := e.Submit(&Task{Src: src, Dst: dst, Data: n, Always: bound}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		submit(0, i, i == 0)
		eventually(t, "the task runs", func() bool { return e.TaskWorkers()[i].tasks.Load() > 0 })
	}
	submit(1, -1, false)
	submit(2, 1, false)
	submit(3, 0, false)
	submit(4, -1, false)
	submit(5, 1, false)
	gonetask := e.TaskWorkers()[1]
	r, err := e.Prepare(1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if id := r.ID(r.TaskWorkers()[0]); id != 1 {
		t.Errorf("the task worker is to have the id %d", id)
	}
	r.Commit()
	if err := e.Submit(&Task{Dst: 1}); err != ErrBadWorker {
		t.Errorf("a task for the worker that leaves: %v", err)
	}
	for _, l := range r.Leaving() {
		onLoop(l, l.Leave)
	}
	// What was sent to it before it left comes to its turn only now.
	e.pool.tell(src, &Task{Src: src, ID: 77}, TaskResult{Value: 1})
	if o := from(t, told); o.l == src || o.task.ID != 77 {
		t.Errorf("the result of task %d came to worker %d", o.task.ID, o.l.ID())
	}
	door.open()
	for range 7 {
		o := from(t, told)
		if o.task.Always != (o.l == src) {
			t.Errorf("the result of %v came to worker %d", o.task.Data, o.l.ID())
		}
	}
	mu.Lock()
	if got := fmt.Sprint(order); got != "[1 2 3 4 5]" {
		t.Errorf("the order is %s", got)
	}
	mu.Unlock()
	for _, l := range r.Leaving() {
		e.Retire(l)
		eventually(t, "the loop is gone", func() bool { return gone(e, l) })
	}
	if gonetask.tasks.Load() > 0 {
		t.Error("a task is left")
	}
}

// A server stops in the middle of a change.
func TestStopWhileLoopsLeave(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		o.Workers = 6
		var waits atomic.Int64
		h := &moving{funcs: &funcs{}}
		h.receive = func(f *Fiber, s *Session, data string) {
			waits.Add(1)
			sleep(f, time.Hour)
		}
		e, addr := serveMoving(t, o, h)
		for range 24 {
			c := dial(t, addr)
			write(t, c, "x")
		}
		eventually(t, "callbacks wait", func() bool { return waits.Load() == 24 })
		resize(t, e, 2, 0, func(*Loop) {})
		if _, err := e.Prepare(4, 0, 0); err != nil {
			t.Fatal(err)
		}
	}) // serveMoving stops it and wants all fibers to end
}

// Numbers that cannot be are refused.
func TestPrepareRefuses(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1}, &funcs{})
	for _, n := range [][3]int{{0, 0, 0}, {-1, 0, 0}, {1, -1, 0}, {1, 0, -1}} {
		if _, err := e.Prepare(n[0], n[1], n[2]); err == nil {
			t.Errorf("%v workers, task workers and processes were prepared", n)
		}
	}
	loops := len(e.roster.Load().all)
	r, err := e.Prepare(3, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Workers()) + len(r.TaskWorkers()) + len(r.Added()); n != 3+2+4 {
		t.Errorf("%d loops in all lists", n)
	}
	r.Abort()
	for _, l := range r.Added() {
		eventually(t, "the loop is gone", func() bool { return gone(e, l) })
	}
	if n := len(e.roster.Load().all); n != loops {
		t.Errorf("%d loops, there were %d", n, loops)
	}
}

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

// Everything that was read when the drain began is answered, also what has
// come no further than an inbox, and tasks with their results.
func TestDrainAnswersWhatWasRead(t *testing.T) {
	t.Run("tasks", func(t *testing.T) { drainUnderLoad(t, true) })
	t.Run("no tasks", func(t *testing.T) { drainUnderLoad(t, false) })
}

func drainUnderLoad(t *testing.T, tasks bool) {
	modes(t, func(t *testing.T, o Options) {
		const size, clients = 8, 30
		o.Ports[0].Framer, o.TaskWorkers, o.DrainTime = fixed(size), 2, 20*time.Second
		var received atomic.Int64
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				received.Add(1)
				if data[size-1]%4 == 0 {
					sleep(f, 50*time.Microsecond)
				}
				if tasks && data[size-1]%4 == 1 {
					if err := f.loop.eng.Submit(&Task{Src: f.Loop(), Dst: -1, Data: data, Meta: s}); err != nil {
						t.Error(err)
					}
					return
				}
				if err := f.Send(s, data); err != nil {
					t.Error(err)
				}
			},
			task: func(f *Fiber, task *Task) (any, bool) {
				sleep(f, time.Microsecond)
				return task.Data, true
			},
			finish: func(f *Fiber, task *Task, result any) {
				sleep(f, time.Microsecond)
				if err := f.Send(task.Meta.(*Session), result.(string)); err != nil {
					t.Error(err)
				}
			},
		}
		e, addr := serve(t, o, h)
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			c := dial(t, addr)
			ahead := make(chan bool, 200)
			wg.Go(func() {
				for i := 0; ; i++ {
					ahead <- true
					if _, err := fmt.Fprintf(c, "%08d", i); err != nil {
						return
					}
				}
			})
			wg.Go(func() {
				got := make([]byte, size)
				for {
					if _, err := io.ReadFull(c, got); err != nil {
						if err != io.EOF {
							t.Error(err)
						}
						break
					}
					answered.Add(1)
					<-ahead
				}
				c.Close()
				for len(ahead) > 0 {
					<-ahead
				}
			})
		}
		eventually(t, "traffic", func() bool { return received.Load() > 1000 && e.accepted.Load() == clients })
		if cut := e.Drain(func(string) {}); len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
		wg.Wait()
		st := e.Stats(nil)
		if int64(st.Requests) < received.Load() || st.Dropped > 0 {
			t.Errorf("%d requests, %d received, %d dropped", st.Requests, received.Load(), st.Dropped)
		}
		if whole := int64(st.RecvBytes) / size; received.Load() < whole-clients || received.Load() > whole {
			t.Errorf("%d messages were handled of %d read", received.Load(), whole)
		}
		if answered.Load() != received.Load() {
			t.Errorf("%d answers to %d messages", answered.Load(), received.Load())
		}
		balanced(t, e)
	})
}

type place string

func (p place) Where() string { return string(p) }

// A callback that waits longer than the drain is named and cancelled.
func TestDrainNamesWhatItCuts(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.DrainTime = time.Second
		d := &diary{}
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				f.Data = place("onReceive at app.lua:7")
				if err := sleep(f, time.Hour); err != ErrShutdown {
					t.Errorf("the wait ended with %v", err)
				}
				d.note(s, "cancelled")
			},
			close: func(f *Fiber, s *Session, r Reason) { d.note(s, "close "+r.String()) },
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("x"))
		eventually(t, "the callback waits", func() bool { return e.Stats(nil).Fibers == 1 })
		var told atomic.Int32
		cut := e.Drain(func(string) { told.Add(1) })
		if len(cut) != 1 || !strings.Contains(cut[0], "onReceive at app.lua:7, waiting in sleep for") || !strings.Contains(cut[0], "(session 1)") {
			t.Errorf("cut short: %q", cut)
		}
		if told.Load() != 1 {
			t.Errorf("told %d times what it waits for", told.Load())
		}
		d.check(t, 1, false, ShutdownReason)
		balanced(t, e)
	})
}

// When a drain cuts the tasks that run, those that are queued do not begin.
func TestDrainBeginsNoTaskThatItCuts(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.DrainTime, o.TaskWorkers = 100*time.Millisecond, 1
		var begun atomic.Int32
		e, _ := serve(t, o, &funcs{task: func(f *Fiber, task *Task) (any, bool) {
			begun.Add(1)
			sleep(f, time.Hour)
			return 1, true
		}})
		for range 2 {
			if err := e.Submit(&Task{Src: e.Workers()[0], Dst: -1}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "one runs", func() bool { return begun.Load() == 1 })
		start := time.Now()
		cut := e.Drain(func(string) {})
		if len(cut) != 2 || cut[0] != "1 queued task not run" || !strings.Contains(cut[1], "waiting in sleep") || begun.Load() != 1 {
			t.Errorf("cut short: %q, %d have begun", cut, begun.Load())
		}
		if took := time.Since(start); took > o.DrainTime+drainGrace {
			t.Errorf("it took %v: it has waited for what never ends", took)
		}
	})
}

// A callback that computes for ever is stopped; other loops' clients do not
// notice it.
func TestDrainStopsWhatComputes(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.DrainTime, o.MaxStretch = 100*time.Millisecond, -1
		stopped := make(chan error, 1)
		computes := make(chan bool)
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			close(computes)
			stopped <- compute(f.Loop(), func() bool { return false })
		}}
		e, addr := serve(t, o, h)
		var clients []net.Conn
		for range 8 {
			clients = append(clients, dial(t, addr))
		}
		eventually(t, "all are in", func() bool { return e.accepted.Load() == 8 })
		clients[0].Write([]byte("x"))
		from(t, computes)
		cut := e.Drain(func(string) {})
		if err := from(t, stopped); err != ErrShutdown {
			t.Errorf("stopped with %v", err)
		}
		if len(cut) != 1 || !strings.Contains(cut[0], "computes without a wait") {
			t.Errorf("cut short: %q", cut)
		}
		balanced(t, e)
	})
}

// A callback that waits for a message is told that none will come.
func TestDrainEndsReceivers(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			for range 2 {
				if _, err := f.Recv(s, 0); err != ErrShutdown {
					t.Errorf("recv: %v", err)
				}
			}
			f.Send(s, "bye")
		}}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("x"))
		eventually(t, "the callback waits", func() bool { return e.Stats(nil).Fibers == 1 })
		if cut := e.Drain(func(string) {}); len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
		if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
			t.Errorf("got %q, %v", got, err)
		}
		balanced(t, e)
	})
}

// A client whose close lingers when the drain begins does not hold it up.
func TestDrainHurriesThoseThatLinger(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.CloseTime, o.DrainTime = time.Hour, 10*time.Second
		h := &funcs{receive: func(f *Fiber, s *Session, data string) { s.Close(ServerClosed, false) }}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("x"))
		if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
			t.Errorf("got %q, %v", got, err)
		}
		if cut := e.Drain(func(string) {}); len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
		balanced(t, e)
	})
}

// A loop held by a callback does not keep the others from ending their reads.
func TestDrainReachesAllLoopsAtOnce(t *testing.T) {
	o := Options{Workers: 2, Limits: Limits{DrainTime: 10 * time.Second, MaxStretch: -1}, Ports: []PortOptions{{Framer: fixed(1)}}}
	var over atomic.Bool
	computes := make(chan *Loop, 1)
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		if data == "c" {
			computes <- f.Loop()
			compute(f.Loop(), over.Load)
			return
		}
		f.Send(s, data)
	}}
	e, addr := serve(t, o, h)
	a, b := dial(t, addr), dial(t, addr)
	eventually(t, "both are in", func() bool { return e.accepted.Load() == 2 })
	a.Write([]byte("c"))
	held := from(t, computes)
	free := e.Workers()[1-held.idx]
	ended := make(chan []string)
	go func() { ended <- e.Drain(func(string) {}) }()
	eventually(t, "the other loop reads no more", func() bool {
		stops := false
		onLoop(free, func() {
			for _, s := range free.slots {
				stops = s != nil && s.pause&pauseDrain != 0
			}
		})
		return stops
	})
	select {
	case cut := <-ended:
		t.Errorf("the drain gave up before: %q", cut)
		over.Store(true)
	default:
		over.Store(true)
		if cut := <-ended; len(cut) > 0 {
			t.Errorf("cut short: %q", cut)
		}
	}
	b.Close()
	balanced(t, e)
}

// An engine that never accepted stops too.
func TestStopWithoutAccept(t *testing.T) {
	e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1", Port: 0}}}}, &funcs{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	if left := e.Stop(); left != 0 {
		t.Errorf("%d fibers are left", left)
	}
}

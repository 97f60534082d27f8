package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// From every loop to every loop: each message comes once, and those of one
// sender in their order.
func TestMessages(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		each := few(2000)
		o.TaskWorkers = 2
		o.MessageQueue = 1 << 20
		e, _ := serve(t, o, &funcs{})
		loops := append(append([]*Loop{}, e.Workers()...), e.TaskWorkers()...)
		var came atomic.Int64
		got := make([][]int, len(loops)*len(loops))
		var wg sync.WaitGroup
		for from, l := range loops {
			wg.Add(1)
			l.Spawn(RootSession, func(f *Fiber) {
				defer wg.Done()
				for i := range each {
					to := i % len(loops)
					at := &got[to*len(loops)+from]
					err := loops[to].Message(func(f *Fiber) {
						if f.Loop() != loops[to] || f.Root() != RootMessage {
							t.Errorf("a message to loop %d came to %d as %v", to, f.Loop().ID(), f.Root())
						}
						*at = append(*at, i)
						if i%97 == 0 {
							sleep(f, time.Microsecond)
						}
						came.Add(1)
					})
					if err != nil {
						t.Error(err)
					}
					if i%50 == 0 {
						f.Yield("test")
					}
				}
			})
		}
		wg.Wait()
		eventually(t, "all have come", func() bool { return came.Load() == int64(len(loops)*each) })
		for to, l := range loops {
			onLoop(l, func() {
				for from := range loops {
					want := to
					for _, i := range got[to*len(loops)+from] {
						if i != want {
							t.Fatalf("%d from %d to %d, want %d", i, from, to, want)
						}
						want += len(loops)
					}
				}
			})
			eventually(t, "none is left", func() bool { return l.Messages() == 0 })
		}
	})
}

func TestMailboxIsBounded(t *testing.T) {
	e, _ := serve(t, Options{Workers: 2, Limits: Limits{MessageQueue: 3}}, &funcs{})
	l := e.Workers()[1]
	var g gate
	for range 3 {
		if err := l.Message(func(f *Fiber) { g.pass(f) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Message(func(*Fiber) { t.Error("it came") }); err != ErrMailboxFull {
		t.Errorf("one too many: %v", err)
	}
	eventually(t, "they wait", func() bool { return g.waiting() == 3 })
	if err := l.Message(func(*Fiber) { t.Error("it came") }); err != ErrMailboxFull {
		t.Errorf("while three are handled: %v", err)
	}
	g.open()
	eventually(t, "they are handled", func() bool { return l.Messages() == 0 })
	came := make(chan bool, 1)
	if err := l.Message(func(*Fiber) { came <- true }); err != nil {
		t.Error(err)
	}
	from(t, came)
	// A panic in a handler gives its place back.
	h := e.handler.(*funcs)
	for range 5 {
		if err := l.Message(func(*Fiber) { panic("on purpose") }); err != nil {
			t.Error(err)
		}
		eventually(t, "it is over", func() bool { return l.Messages() == 0 })
		onLoop(l, func() {}) // and its panic told
	}
	if h.panicked.Swap(nil) == nil {
		t.Error("the panic was not reported")
	}
}

// A drain waits for messages that have come.
func TestDrainWaitsForMessages(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1, Limits: Limits{DrainTime: time.Hour}}, &funcs{})
	var g gate
	var handled atomic.Int32
	for range 3 {
		e.Workers()[0].Message(func(f *Fiber) { g.pass(f); handled.Add(1) })
	}
	eventually(t, "they wait", func() bool { return g.waiting() == 3 })
	done := make(chan []string)
	go func() {
		done <- e.Drain(func(string) { g.open() })
	}()
	if cut := from(t, done); len(cut) > 0 || handled.Load() != 3 {
		t.Errorf("%d handled, cut %v", handled.Load(), cut)
	}
}

// What is deferred runs in the order in which it was, before anything else has
// a turn.
func TestDefer(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1}, &funcs{})
	l := e.Workers()[0]
	done := make(chan []int)
	l.Spawn(RootGo, func(f *Fiber) {
		var order []int
		for i := range 5 {
			l.Defer(RootTimer, func(f *Fiber) {
				if f.Root() != RootTimer {
					t.Errorf("it runs as %v", f.Root())
				}
				order = append(order, i)
				if i == 4 {
					done <- order
				}
			})
		}
		order = append(order, -1)
	})
	got := from(t, done)
	for i, n := range got {
		if n != i-1 {
			t.Fatalf("order %v", got)
		}
	}
}

package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// few scales a count to what the race detector can bear.
func few(n int) int {
	if raceEnabled {
		return n / 4
	}
	return n
}

// goroutineID tells goroutines apart.
func goroutineID() int {
	var b [64]byte
	fields := bytes.Fields(b[:runtime.Stack(b[:], false)])
	id, _ := strconv.Atoi(string(fields[1]))
	return id
}

// onLoop runs fn on the loop and waits for it.
func onLoop(l *Loop, fn func()) {
	done := make(chan struct{})
	l.Call(func() { fn(); close(done) })
	<-done
}

// sleep waits like a script's co.sleep.
func sleep(f *Fiber, d time.Duration) error {
	if _, err := f.Begin("sleep"); err != nil {
		return err
	}
	if _, err := f.Wait(d); err != ErrTimeout {
		return err
	}
	return nil
}

// gate lets fibers wait until the test opens it.
type gate struct {
	mu      sync.Mutex
	waiters []Waiter
	isOpen  bool
}

func (g *gate) pass(f *Fiber) error {
	w, err := f.Begin("gate")
	if err != nil {
		return err
	}
	g.mu.Lock()
	if g.isOpen {
		w.Wake(nil)
	} else {
		g.waiters = append(g.waiters, w)
	}
	g.mu.Unlock()
	_, err = f.Wait(0)
	return err
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiters)
}

// open wakes all who wait, from several goroutines.
func (g *gate) open() {
	g.mu.Lock()
	list := g.waiters
	g.waiters, g.isOpen = nil, true
	g.mu.Unlock()
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := part; i < len(list); i += 4 {
				list[i].Wake(nil)
			}
		})
	}
	wg.Wait()
}

// holders notices when two goroutines hold one loop's baton: by a plain
// counter per loop, which the race detector watches, and by looking.
type holders struct {
	t     *testing.T
	count map[*Loop]*int
	in    map[*Loop]*bool
	home  sync.Map // *Fiber's id on its loop → goroutine
}

func watchHolders(t *testing.T, e *Engine) *holders {
	h := &holders{t: t, count: map[*Loop]*int{}, in: map[*Loop]*bool{}}
	for _, l := range e.roster.Load().all {
		h.count[l], h.in[l] = new(int), new(bool)
	}
	return h
}

func (h *holders) touch(f *Fiber) {
	l := f.Loop()
	if *h.in[l] {
		h.t.Error("two fibers hold the baton")
	}
	*h.in[l] = true
	*h.count[l]++
	if l.Current() != f {
		h.t.Error("the loop takes another fiber for the running one")
	}
	runtime.Gosched()
	*h.in[l] = false
}

// stay runs a wait and checks that the fiber comes back to its goroutine.
func (h *holders) stay(f *Fiber, wait func()) {
	h.touch(f)
	before, id := goroutineID(), f.ID()
	wait()
	if after := goroutineID(); after != before || f.ID() != id {
		h.t.Errorf("fiber %d on goroutine %d went on as fiber %d on %d", id, before, f.ID(), after)
	}
	h.touch(f)
}

// Thousands of fibers wait in every way there is. One at a time runs on a
// loop, each on its own goroutine, and none but a few goroutines are left.
func TestStorm(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		const fibers = 5000
		o.TaskWorkers, o.MaxSpares, o.Ports[0].Framer = 2, 8, fixed(1)
		var hold *holders
		var done atomic.Int64
		short := func() time.Duration { return time.Duration(1 + rand.IntN(2e6)) }
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				hold.stay(f, func() {
					if more, err := f.Recv(s, 0); err == nil {
						data += more
					} else {
						t.Error(err)
					}
				})
				f.Send(s, data)
			},
			task: func(f *Fiber, task *Task) (any, bool) {
				hold.stay(f, func() { sleep(f, short()) })
				return task.Data, true
			},
			finish: func(f *Fiber, task *Task, result any) {
				if f.Loop() != task.Src || result != task.Data {
					t.Errorf("result %v of task %v on loop %d", result, task.Data, f.Loop().ID())
				}
				hold.stay(f, func() { sleep(f, short()) })
				done.Add(1)
			},
		}
		e, addr := serve(t, o, h)
		hold = watchHolders(t, e)
		start := runtime.NumGoroutine()
		var all gate
		for i := range fibers {
			l := e.Workers()[i%len(e.Workers())]
			l.Spawn(RootGo, func(f *Fiber) {
				hold.stay(f, func() { all.pass(f) })
				switch i % 6 {
				case 0:
					hold.stay(f, func() { sleep(f, short()) })
				case 1:
					w, _ := f.Begin("foreign")
					go w.Wake(i)
					hold.stay(f, func() {
						if v, err := f.Wait(0); v != i || err != nil {
							t.Errorf("got %v, %v, want %d", v, err, i)
						}
					})
				case 2:
					ran := false
					hold.stay(f, func() { f.Block("work", func(context.Context) { runtime.Gosched(); ran = true }) })
					if !ran {
						t.Error("Block returned before its work")
					}
				case 3:
					started := false
					hold.stay(f, func() {
						f.Go(RootGo, func(child *Fiber) {
							hold.touch(child)
							started = true
							hold.stay(child, func() { sleep(child, short()) })
							child.Go(RootGo, func(*Fiber) {})
							done.Add(1)
						})
					})
					if !started {
						t.Error("Go came back before the new fiber ran")
					}
					return
				case 4:
					if err := e.Submit(&Task{Src: l, Dst: i%3 - 1, Data: i}); err != nil {
						t.Error(err)
					}
					hold.touch(f)
					return
				case 5:
					l.SetTimer(new(Timer), Now()+int64(short()), nil, func(*Timer) {
						l.Run(RootTimer, func(f *Fiber) {
							hold.stay(f, func() { sleep(f, short()) })
							done.Add(1)
						})
					})
					return
				}
				done.Add(1)
			})
		}
		var clients sync.WaitGroup
		for range 16 {
			c := dial(t, addr)
			clients.Go(func() {
				for range few(200) {
					c.Write([]byte("ab"))
					got := make([]byte, 2)
					if _, err := io.ReadFull(c, got); err != nil || string(got) != "ab" {
						t.Errorf("got %q, %v", got, err)
						return
					}
				}
			})
		}
		eventually(t, "all fibers wait", func() bool { return all.waiting() == fibers })
		all.open()
		eventually(t, "all fibers end", func() bool { return done.Load() == fibers })
		clients.Wait()
		eventually(t, "the spares shrink", func() bool {
			return runtime.NumGoroutine() <= start+16+len(e.roster.Load().all)*(o.MaxSpares+1)
		})
		for _, l := range e.roster.Load().all {
			onLoop(l, func() {
				if n := len(l.spares); n > o.MaxSpares {
					t.Errorf("loop %d keeps %d spares", l.ID(), n)
				}
			})
		}
	})
}

// A wait that ends a few microseconds after its loop has nothing left to do.
func TestShortSleepsAlwaysEnd(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1, TaskWorkers: 1}, &funcs{})
	var left atomic.Int64
	for _, l := range e.roster.Load().all {
		left.Add(1)
		l.Spawn(RootGo, func(f *Fiber) {
			for range few(40_000) {
				sleep(f, time.Duration(1+rand.IntN(3000)))
			}
			left.Add(-1)
		})
	}
	eventually(t, "the sleepers end", func() bool { return left.Load() == 0 })
}

// Fibers woken straight from an idle loop become its spares one by one.
func TestSparesAreBoundedWhenWokenOneByOne(t *testing.T) {
	for _, mode := range []Mode{Base, Process} {
		e, _ := serve(t, Options{Mode: mode, Workers: 1, MaxSpares: 4}, &funcs{})
		l := e.Workers()[0]
		waiters := make(chan Waiter, 200)
		for range cap(waiters) {
			l.Spawn(RootGo, func(f *Fiber) {
				w, _ := f.Begin("one by one")
				waiters <- w
				f.Wait(0)
			})
		}
		for range cap(waiters) {
			w := <-waiters
			eventually(t, "the loop rests", func() bool { return l.state.Load() == idle })
			w.Wake(nil)
		}
		eventually(t, "the fibers end", func() bool { return e.Stats(nil).Fibers == 0 })
		onLoop(l, func() {
			if n := len(l.spares); n > 4 {
				t.Errorf("%v: %d spares", mode, n)
			}
		})
	}
}

var errStop = errors.New("stop")

// A cancel ends a wait at once, whatever the work is doing, and every wait
// after it.
func TestCancelIsAtOnceAndSticky(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		e, _ := serve(t, o, &funcs{})
		l := e.Workers()[0]
		working, release, ended := make(chan bool), make(chan bool), make(chan bool)
		var ctxErr atomic.Value
		l.Spawn(RootGo, func(f *Fiber) {
			err := f.Block("work", func(ctx context.Context) {
				close(working)
				<-release
				ctxErr.Store(ctx.Err())
			})
			if err != errStop {
				t.Errorf("the wait ended with %v", err)
			}
			for range 3 {
				if _, err := f.Begin("again"); err != errStop {
					t.Errorf("a later wait began with %v", err)
				}
				if err := f.Block("again", func(context.Context) { t.Error("a cancelled fiber worked") }); err != errStop {
					t.Errorf("a later wait ended with %v", err)
				}
			}
			if f.Cancelled() != errStop {
				t.Errorf("the sticky error is %v", f.Cancelled())
			}
			close(ended)
		})
		from(t, working)
		onLoop(l, func() {
			if n := l.CancelIf(errStop, func(f *Fiber) bool { return f.Root() == RootGo }); n != 1 {
				t.Errorf("%d fibers cancelled", n)
			}
			// A second cancel of a fiber that is on its way changes nothing.
			l.CancelIf(io.EOF, func(*Fiber) bool { return true })
		})
		from(t, ended)
		if n := e.Stats(nil).Blocking; n != 1 {
			t.Errorf("%d stragglers, want 1", n)
		}
		close(release)
		eventually(t, "the straggler ends", func() bool { return e.Stats(nil).Blocking == 0 })
		if ctxErr.Load() != context.Canceled {
			t.Errorf("the work's context says %v", ctxErr.Load())
		}
	})
}

// A cancel reaches a fiber that waits for a co.go of its own at its next wait.
func TestCancelOfAStarter(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1}, &funcs{})
	ended := make(chan error)
	e.Workers()[0].Spawn(RootGo, func(f *Fiber) {
		f.Go(RootGo, func(child *Fiber) { f.Cancel(errStop) })
		ended <- sleep(f, time.Hour)
	})
	if err := from(t, ended); err != errStop {
		t.Fatalf("the wait ended with %v", err)
	}
}

// What Wake says was delivered, was, and nothing else: against time-outs and
// cancels that come at the same moment.
func TestValueTravelsWithTheWin(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		e, _ := serve(t, o, &funcs{})
		rounds := few(20_000)
		var offered, taken, ended atomic.Int64
		type offer struct {
			w Waiter
			v int64
		}
		offers := make(chan offer, rounds)
		var wakers sync.WaitGroup
		for range 3 {
			wakers.Go(func() {
				for o := range offers {
					if o.w.Wake(o.v) {
						offered.Add(o.v)
					}
					if o.w.Wake(o.v) || o.w.Fail(errStop) {
						t.Error("a wait ended twice")
					}
				}
			})
		}
		for i := range rounds {
			l := e.Workers()[i%len(e.Workers())]
			l.Spawn(RootGo, func(f *Fiber) {
				defer ended.Add(1)
				w, err := f.Begin("race")
				if err != nil {
					t.Error(err)
					return
				}
				offers <- offer{w, int64(i + 1)}
				v, err := f.Wait(time.Duration(1 + rand.IntN(20_000)))
				switch {
				case v != nil && err == nil:
					taken.Add(v.(int64))
				case v != nil || err != ErrTimeout && err != errStop:
					t.Errorf("the wait ended with %v, %v", v, err)
				}
			})
			if i%8 == 0 {
				l.Call(func() { l.CancelIf(errStop, func(f *Fiber) bool { return f.ID()%3 == 0 }) })
			}
		}
		eventually(t, "the fibers end", func() bool { return ended.Load() == int64(rounds) })
		close(offers)
		wakers.Wait()
		if offered.Load() != taken.Load() {
			t.Errorf("offered %d, taken %d", offered.Load(), taken.Load())
		}
		if taken.Load() == 0 {
			t.Error("every wait timed out: the test tests nothing")
		}
	})
}

// A message that comes as a Recv times out goes to the next Recv or onReceive.
func TestRecvLosesNothingToItsTimeout(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(4)
		messages := few(4000)
		var next, byRecv, timeouts atomic.Int64
		take := func(data string) {
			if n, _ := strconv.Atoi(data); int64(n) != next.Load() {
				t.Errorf("message %d, want %d", n, next.Load())
			}
			next.Add(1)
		}
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			take(data)
			for range 20 {
				data, err := f.Recv(s, time.Duration(1+rand.IntN(30_000)))
				switch err {
				case nil:
					byRecv.Add(1)
					take(data)
				case ErrTimeout:
					timeouts.Add(1)
				default: // the test is over, and so the session
					if next.Load() < int64(messages) {
						t.Errorf("recv: %v", err)
					}
				}
			}
		}}
		_, addr := serve(t, o, h)
		c := dial(t, addr)
		for i := range messages {
			c.Write([]byte(strconv.Itoa(10_000 + i)[1:]))
			if i%10 == 0 {
				eventually(t, "the messages so far arrive", func() bool { return next.Load() > int64(i) })
			}
		}
		eventually(t, "all messages arrive", func() bool { return next.Load() == int64(messages) })
		if byRecv.Load() == 0 || timeouts.Load() == 0 {
			t.Errorf("%d by recv, %d timeouts: the test tests nothing", byRecv.Load(), timeouts.Load())
		}
	})
}

// Fibers that are ready again and again leave a client its turn.
func TestReadyFibersStarveNobody(t *testing.T) {
	var turns, asked atomic.Int64
	var over atomic.Bool
	waited := make(chan int64)
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		f.Send(s, data)
		waited <- turns.Load() - asked.Load()
	}}
	e, addr := serve(t, Options{Workers: 1}, h)
	l := e.Workers()[0]
	for i := range few(1000) {
		l.Spawn(RootGo, func(f *Fiber) {
			for !over.Load() {
				if i%2 == 0 {
					sleep(f, 1)
					continue
				}
				w, _ := f.Begin("yield")
				w.Wake(nil)
				f.Wait(0)
			}
		})
	}
	c := dial(t, addr)
	ask := make(chan bool)
	l.Spawn(RootGo, func(f *Fiber) {
		for !over.Load() {
			w, _ := f.Begin("yield")
			w.Wake(nil)
			f.Wait(0)
			turns.Add(1)
			select {
			case <-ask:
				asked.Store(turns.Load())
				c.Write([]byte("x"))
			default:
			}
		}
	})
	for range 20 {
		ask <- true
		select {
		case n := <-waited:
			if n > 20 {
				t.Errorf("answered after %d turns", n)
			}
		case <-time.After(10 * time.Second):
			t.Error("never answered")
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	over.Store(true)
}

// Fibers that only start others are one stretch, and fibers enough are enough.
func TestGoIsPartOfTheStretch(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1, Limits: Limits{MaxStretch: 200 * time.Millisecond, MaxFibers: 10}}, &funcs{})
	l := e.Workers()[0]
	stopped := make(chan error, 1)
	var over atomic.Bool
	l.Spawn(RootGo, func(f *Fiber) {
		for !over.Load() {
			f.Go(RootGo, func(*Fiber) {})
			if l.Interrupt.Load() != 0 {
				if err := l.Interrupted(); err != nil {
					stopped <- err
					return
				}
			}
		}
	})
	select {
	case err := <-stopped:
		if err != ErrTimeLimit {
			t.Errorf("stopped with %v", err)
		}
	case <-time.After(5 * time.Second):
		over.Store(true)
		t.Fatal("never stopped")
	}
	depth := make(chan int)
	var dig func(n int) func(*Fiber)
	dig = func(n int) func(*Fiber) {
		return func(f *Fiber) {
			if err := f.Go(RootGo, dig(n+1)); err != nil {
				depth <- n
			}
		}
	}
	l.Spawn(RootGo, dig(0))
	if n := from(t, depth); n != 10 {
		t.Errorf("%d fibers started each other, want 10", n)
	}
}

// A panic ends its callback and nothing else, after a wait too.
func TestPanicEndsOnlyItsCallback(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			f.Send(s, data)
			if data == "w" {
				sleep(f, time.Millisecond)
			}
			if data != "." {
				panic("on purpose")
			}
		}}
		o.Ports[0].Framer = fixed(1)
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("pw.pw."))
		got := make([]byte, 6)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "pw.pw." {
			t.Errorf("got %q, %v", got, err)
		}
		eventually(t, "no callback is left", func() bool {
			n := 0
			for _, l := range e.roster.Load().all {
				onLoop(l, func() { n += l.roots[RootSession] })
			}
			return n == 0
		})
		if p := h.panicked.Swap(nil); p == nil {
			t.Error("the panic was not reported")
		}
	})
}

// Stop ends fibers that wait, and those that begin while it runs.
func TestStopEndsFibersThatKeepWaiting(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.MaxFibers = 1000
		e, _ := serve(t, o, &funcs{})
		var tick Timer
		l := e.Workers()[0]
		var begin func(*Timer)
		begin = func(*Timer) {
			l.SetTimer(&tick, Now()+int64(10*time.Microsecond), nil, begin)
			l.Run(RootTimer, func(f *Fiber) { sleep(f, time.Hour) })
		}
		l.Call(func() { l.SetTimer(&tick, Now(), nil, begin) })
		eventually(t, "fibers wait", func() bool { return e.Stats(nil).Fibers > 10 })
	})
}

// Nor does a message that comes between a cancel and the fiber's end.
func TestRecvLosesNothingToACancel(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		got := make(chan string, 2)
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			if data == "first" {
				if data, err := f.Recv(s, 0); err != errStop {
					t.Errorf("recv: %q, %v", data, err)
				}
			}
			got <- data
		}}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("first"))
		eventually(t, "the callback waits", func() bool { return e.Stats(nil).Fibers == 1 })
		s, err := e.Session(1)
		if err != nil {
			t.Fatal(err)
		}
		l := s.Worker()
		l.Spawn(RootGo, func(*Fiber) {
			l.CancelIf(errStop, func(*Fiber) bool { return true })
			l.push(s, event{kind: evData, data: "second"})
		})
		for _, want := range []string{"first", "second"} {
			select {
			case data := <-got:
				if data != want {
					t.Errorf("got %q, want %q", data, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%q never came", want)
			}
		}
	})
}

// Whatever is posted in the moment in which a loop goes to rest is seen: calls,
// wakes and tasks, on loops with a poller and without.
func TestNothingPostedIsLost(t *testing.T) {
	var acked atomic.Int64
	h := &funcs{task: func(f *Fiber, task *Task) (any, bool) {
		acked.Store(task.Data.(int64))
		return nil, false
	}}
	e, _ := serve(t, Options{Mode: Process, Workers: 1, TaskWorkers: 1}, h)
	hammer := func(what string, post func(i int64)) {
		acked.Store(0)
		for i := range int64(few(60_000)) {
			post(i + 1)
			for end := time.Now().Add(10 * time.Second); acked.Load() != i+1; runtime.Gosched() {
				if time.Now().After(end) {
					t.Fatalf("lost: %s %d", what, i)
				}
			}
			for range rand.IntN(2000) { // the loop is on its way to rest
				acked.Load()
			}
		}
	}
	for _, l := range []*Loop{e.Workers()[0], e.roster.Load().reactors[0]} {
		hammer("call", func(i int64) { l.Call(func() { acked.Store(i) }) })
		waiters := make(chan Waiter, 1)
		l.Spawn(RootGo, func(f *Fiber) {
			for {
				w, err := f.Begin("hammer")
				if err != nil {
					return
				}
				waiters <- w
				v, err := f.Wait(0)
				if err != nil {
					return
				}
				acked.Store(v.(int64))
			}
		})
		hammer("wake", func(i int64) {
			if w := <-waiters; !w.Wake(i) {
				t.Error("a wait ended by itself")
			}
		})
	}
	hammer("task", func(i int64) { e.Submit(&Task{Dst: int(i%2) - 1, Data: i}) })
}

package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// funcs is a Handler made of functions; a nil one does nothing.
type funcs struct {
	connect  func(*Fiber, *Session)
	receive  func(*Fiber, *Session, string)
	close    func(*Fiber, *Session, Reason)
	task     func(*Fiber, *Task) (any, bool)
	run      func(*Fiber, *Task) (any, *Errno) // task, with faults
	finish   func(*Fiber, *Task, any)
	told     func(*Fiber, *Task, TaskResult) // finish, with everything
	panicked atomic.Pointer[string]
}

func (h *funcs) WantsConnect(*Session) bool { return h.connect != nil }
func (h *funcs) Connect(f *Fiber, s *Session) {
	h.connect(f, s)
}
func (h *funcs) Receive(f *Fiber, s *Session, data string) {
	if h.receive != nil {
		h.receive(f, s, data)
	}
}
func (h *funcs) Close(f *Fiber, s *Session, r Reason) {
	if h.close != nil {
		h.close(f, s, r)
	}
}
func (h *funcs) Task(f *Fiber, t *Task) (any, *Errno) {
	if h.run != nil {
		return h.run(f, t)
	}
	if h.task == nil {
		return nil, nil
	}
	result, ok := h.task(f, t)
	if !ok {
		return nil, nil
	}
	return result, nil
}
func (h *funcs) Finish(f *Fiber, t *Task, r TaskResult) {
	if h.told != nil {
		h.told(f, t, r)
	}
	if h.finish != nil && r.Value != nil {
		h.finish(f, t, r.Value)
	}
}
func (h *funcs) Panicked(f *Fiber, v any, stack []byte) {
	s := fmt.Sprintf("%v\n%s", v, stack)
	h.panicked.Store(&s)
}

// echo sends back what comes.
func echo(f *Fiber, s *Session, data string) { f.Send(s, data) }

// serve starts an engine on a free port and stops it with the test.
func serve(t testing.TB, o Options, h *funcs) (*Engine, string) {
	t.Helper()
	if o.Ports == nil {
		o.Ports = []PortOptions{{}}
	}
	if o.Ports[0].Host == "" {
		o.Ports[0].Host = "127.0.0.1"
	}
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

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// from receives what must come.
func from[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(20 * time.Second):
		t.Fatal("it never came")
	}
	return v
}

// modes runs a test in both modes, with one loop and with four.
func modes(t *testing.T, test func(t *testing.T, o Options)) {
	for _, mode := range []Mode{Base, Process} {
		for _, n := range []int{1, 4} {
			t.Run(fmt.Sprintf("%v%d", mode, n), func(t *testing.T) { test(t, Options{Mode: mode, Workers: n, Ports: make([]PortOptions, 1)}) })
		}
	}
}

func TestEcho(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		_, addr := serve(t, o, &funcs{receive: echo})
		c := dial(t, addr)
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go c.Write(want)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("the echo differs")
		}
	})
}

func TestWaitingCallbackKeepsOrder(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			if _, err := f.Begin("sleep"); err != nil {
				t.Error(err)
			}
			f.Wait(time.Millisecond)
			f.Send(s, data)
		}}
		_, addr := serve(t, o, h)
		var conns []net.Conn
		for range 20 {
			conns = append(conns, dial(t, addr))
		}
		for round := range 20 {
			for i, c := range conns {
				fmt.Fprintf(c, "%03d %03d|", i, round)
			}
		}
		for i, c := range conns {
			var want string
			for round := range 20 {
				want += fmt.Sprintf("%03d %03d|", i, round)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

// On one processor a worker begins with what a reactor has read before the
// reactor looks for more.
func TestWorkersBeginAtOnceOnOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var looks, before atomic.Int64
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		looks.Add(1)
		if f.Loop().Engine().Reactors()[0].state.Load() == running {
			before.Add(1)
		}
		f.Send(s, data)
	}}
	_, addr := serve(t, Options{Mode: Process, Workers: 1, Reactors: 1, Ports: make([]PortOptions, 1)}, h)
	c := dial(t, addr)
	for range 500 {
		write(t, c, "x")
		expect(t, c, "x")
	}
	if looks.Load() != 500 || before.Load() < 400 {
		t.Errorf("of %d messages %d began while the reactor ran", looks.Load(), before.Load())
	}
}

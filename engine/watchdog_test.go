package engine

import (
	"io"
	"testing"
	"time"
)

// compute runs on without a wait, as a script would, until it is stopped or
// enough says so.
func compute(l *Loop, enough func() bool) error {
	for !enough() {
		if l.Interrupt.Load() != 0 {
			if err := l.Interrupted(); err != nil {
				return err
			}
		}
	}
	return nil
}

// What was sent before a long computation leaves while it computes.
func TestOutputLeavesWhileACallbackComputes(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		read := make(chan bool)
		closed := func() bool {
			select {
			case <-read:
				return true
			default:
				return false
			}
		}
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			f.Send(s, "working")
			if err := compute(f.Loop(), closed); err != nil {
				t.Error(err)
			}
			f.Send(s, "done")
		}}
		_, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("x"))
		got := make([]byte, 7)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "working" {
			t.Errorf("got %q, %v", got, err)
		}
		close(read)
		if _, err := io.ReadFull(c, got[:4]); err != nil {
			t.Error(err)
		}
	})
}

// A stretch that is too long is stopped; waits start the count anew; what runs
// next on the loop is not stopped for it.
func TestMaxStretch(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		const limit = 400 * time.Millisecond
		o.MaxStretch = limit
		never := func() bool { return false }
		result := make(chan error, 1)
		h := &funcs{receive: func(f *Fiber, s *Session, data string) {
			if data == "long" {
				start := time.Now()
				f.Afresh() // it began before it came here
				err := compute(f.Loop(), never)
				if ran := time.Since(start); ran < limit {
					t.Errorf("stopped after %v of %v", ran, limit)
				}
				result <- err
				return
			}
			for range 7 { // together more than the limit
				begun := time.Now()
				sleep(f, time.Microsecond)
				end := time.Now().Add(limit / 4)
				err := compute(f.Loop(), func() bool { return time.Now().After(end) })
				if err != nil && time.Since(begun) < limit { // a machine that stood still is no fault
					result <- err
					return
				}
			}
			result <- nil
		}}
		_, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("long"))
		if err := from(t, result); err != ErrTimeLimit {
			t.Errorf("a long stretch ended with %v", err)
		}
		c.Write([]byte("waits"))
		if err := from(t, result); err != nil {
			t.Errorf("stretches with waits between them ended with %v", err)
		}
	})
}

// A cancelled fiber that catches its error and computes on is stopped.
func TestCancelledFiberThatGoesOnIsKilled(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1, Limits: Limits{MaxStretch: -1}}, &funcs{})
	l := e.Workers()[0]
	result := make(chan error)
	l.Spawn(RootGo, func(f *Fiber) {
		if err := sleep(f, time.Hour); err != errStop {
			t.Errorf("the wait ended with %v", err)
		}
		result <- compute(l, func() bool { sleep(f, time.Hour); return false })
	})
	eventually(t, "it waits", func() bool { return e.Stats(nil).Fibers == 1 })
	l.Call(func() { l.CancelIf(errStop, func(*Fiber) bool { return true }) })
	if err := from(t, result); err != errStop {
		t.Errorf("stopped with %v", err)
	}
}

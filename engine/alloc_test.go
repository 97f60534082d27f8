package engine

import (
	"io"
	"net"
	"runtime"
	"testing"
)

// A message of the base mode costs one allocation, the string that the script
// sees, and its callback runs where the read was: no goroutine is switched to.
func TestEchoAllocatesOnce(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const messages = 20_000
	h := &funcs{receive: echo}
	_, addr := serve(t, Options{Workers: 1}, h)
	c := dial(t, addr)
	ping := func(n int) {
		b := make([]byte, 64)
		for range n {
			c.Write(b)
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	ping(1000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ping(messages)
	runtime.ReadMemStats(&after)
	per := float64(after.Mallocs-before.Mallocs) / messages
	// The client shares the process; its reads and writes allocate nothing.
	if per > 1.1 {
		t.Errorf("a message costs %.2f allocations", per)
	}
	if per < 0.9 {
		t.Errorf("a message costs %.2f allocations: the test counts nothing", per)
	}
}

// Many messages of one read are handled by the goroutine that read them.
func TestCallbacksThatDoNotWaitSwitchNothing(t *testing.T) {
	const messages = 2000
	goroutines := map[int]int{}
	done := make(chan bool)
	n := 0
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		goroutines[goroutineID()]++
		if n++; n == messages {
			close(done)
		}
	}}
	e, addr := serve(t, Options{Workers: 1, Ports: []PortOptions{{Framer: fixed(10)}}}, h)
	c := dial(t, addr)
	eventually(t, "the loop rests", func() bool { return e.Workers()[0].state.Load() == idle })
	c.(*net.TCPConn).Write(make([]byte, 10*messages))
	<-done
	onLoop(e.Workers()[0], func() {
		// One read, or two if the bytes came in two pieces.
		if len(goroutines) > 2 {
			t.Errorf("%d messages ran on %d goroutines", messages, len(goroutines))
		}
		if k := e.Workers()[0].nextFiber; k < messages {
			t.Errorf("%d callbacks", k)
		}
	})
}

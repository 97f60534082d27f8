package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serve runs handle on each connection of a listener of its own.
func serve(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func echo(c net.Conn) { io.Copy(c, c) }

// each echoes message by message, the number'th changed by edit.
func each(size, number int, edit func([]byte) []byte) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, size)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			out := b
			if n == number {
				out = edit(b)
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

// short is a load that is over soon.
func short(l Load) Load {
	l.Warm, l.Time, l.Core = 20*time.Millisecond, 100*time.Millisecond, -1
	l.Depth = max(l.Depth, 1)
	return l
}

func TestRightServers(t *testing.T) {
	for name, l := range map[string]Load{
		"ping-pong":             {Conns: 8, Size: 64},
		"one byte":              {Conns: 4, Size: 1, Depth: 7},
		"shorter than its mark": {Conns: 4, Size: 5, Depth: 3},
		"pipelined":             {Conns: 8, Size: 1024, Depth: 16},
		"more connections":      {Conns: 200, Size: 64},
		"beyond the buffers":    {Conns: 3, Size: 1 << 20, Depth: 4},
		"open loop":             {Conns: 8, Size: 64, Rate: 2000},
		"churn":                 {Conns: 8, Size: 64, Churn: true},
	} {
		t.Run(name, func(t *testing.T) {
			l = short(l)
			l.Addr, l.PID = serve(t, echo), os.Getpid()
			r, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Messages == 0 || r.CPU <= 0 || r.Cost() <= 0 || r.Unit <= 0 {
				t.Errorf("%d messages, CPU %s, unit %s, cost %g", r.Messages, r.CPU, r.Unit, r.Cost())
			}
			if r.Delay(0.5) <= 0 || r.Delay(0.99) < r.Delay(0.5) || r.Delay(1) < r.Delay(0.99) {
				t.Errorf("delays %s %s %s", r.Delay(0.5), r.Delay(0.99), r.Delay(1))
			}
			if l.Rate > 0 && (r.PerSecond() < l.Rate*0.8 || r.PerSecond() > l.Rate*1.2) {
				t.Errorf("%g messages a second where %g were due", r.PerSecond(), l.Rate)
			}
		})
	}
}

func TestSlowServerShowsInOpenLoop(t *testing.T) {
	// Nothing for 60 ms: what was due in that time waits for it, on average half.
	l := short(Load{Conns: 1, Size: 64, Rate: 1000})
	l.Addr = serve(t, each(64, 40, func(b []byte) []byte { time.Sleep(60 * time.Millisecond); return b }))
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Delay(1) < 50*time.Millisecond || r.Delay(0.75) < 10*time.Millisecond {
		t.Errorf("a stall of 60 ms shows as %s at most, %s at 75 %%", r.Delay(1), r.Delay(0.75))
	}
}

func TestWrongServers(t *testing.T) {
	const size = 64
	strayed := make(chan []byte)
	for name, c := range map[string]struct {
		load   Load
		handle func(net.Conn)
		want   []Kind
	}{
		"a flipped bit": {
			Load{Conns: 4, Size: size, Depth: 4},
			each(size, 9, func(b []byte) []byte { b[size-1] ^= 1; return b }),
			[]Kind{Altered},
		},
		"two swapped bytes": {
			Load{Conns: 4, Size: size},
			each(size, 9, func(b []byte) []byte { b[20], b[21] = b[21]+1, b[20]; return b }),
			[]Kind{Altered},
		},
		"a flipped bit in the mark": {
			Load{Conns: 4, Size: size, Rate: 4000},
			each(size, 9, func(b []byte) []byte { b[0] ^= 1; return b }),
			[]Kind{Altered},
		},
		"two swapped messages": {
			Load{Conns: 2, Size: size, Depth: 4},
			func(c net.Conn) {
				b := make([]byte, 2*size)
				echo := each(size, -1, nil)
				if _, err := io.ReadFull(c, b[:size]); err != nil { // the one that opens
					return
				}
				c.Write(b[:size])
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				c.Write(append(bytes.Clone(b[size:]), b[:size]...))
				echo(c)
			},
			[]Kind{Lost},
		},
		"a lost message": {
			Load{Conns: 4, Size: size, Depth: 4},
			each(size, 9, func(b []byte) []byte { return nil }),
			[]Kind{Lost},
		},
		"a lost byte": {
			Load{Conns: 4, Size: size, Depth: 4},
			each(size, 9, func(b []byte) []byte { return b[:size-1] }),
			[]Kind{Altered},
		},
		"a doubled message": {
			Load{Conns: 4, Size: size, Depth: 4},
			each(size, 9, func(b []byte) []byte { return append(b[:size:size], b...) }),
			[]Kind{Doubled},
		},
		"a doubled message in ping-pong": {
			Load{Conns: 4, Size: size},
			each(size, 9, func(b []byte) []byte { return append(b[:size:size], b...) }),
			[]Kind{Doubled},
		},
		"a message of another connection": {
			Load{Conns: 2, Size: size},
			each(size, 30, func(b []byte) []byte {
				// The two swap hand to hand: neither runs ahead, so what
				// strays is near what was due.
				select {
				case strayed <- bytes.Clone(b):
					return b
				case other := <-strayed:
					return other
				case <-t.Context().Done():
					return nil
				}
			}),
			[]Kind{Foreign},
		},
		"a word of goodbye": {
			Load{Conns: 2, Size: size},
			func(c net.Conn) { echo(c); c.Write([]byte("bye")) },
			[]Kind{Unasked},
		},
		"a closed connection": {
			Load{Conns: 4, Size: size},
			func(c net.Conn) { io.CopyN(c, c, 20*size) },
			[]Kind{Broken},
		},
		"a closed connection in churn": {
			Load{Conns: 4, Size: size, Churn: true},
			func(c net.Conn) { io.CopyN(c, c, size-1) },
			[]Kind{Broken},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := short(c.load)
			l.Addr = serve(t, c.handle)
			wantFault(t, l, c.want...)
		})
	}
}

func wantFault(t *testing.T, l Load, want ...Kind) {
	t.Helper()
	r, err := l.Run(t.Context())
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatalf("not noticed: %v, %+v", err, r)
	}
	for _, k := range want {
		if f.Kind == k {
			return
		}
	}
	t.Errorf("noticed as %q, want %q: %v", f.Kind, want, f)
}

// A server that stays silent is waited for, so these take Patience each.
func TestSilentServers(t *testing.T) {
	for name, handle := range map[string]func(net.Conn){
		"loses the last message": each(64, 30, func([]byte) []byte { return nil }),
		"never answers":          func(c net.Conn) { io.Copy(io.Discard, c) },
		"does not close": func(c net.Conn) {
			echo(c)
			time.Sleep(2 * Patience)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := short(Load{Conns: 2, Size: 64})
			l.Addr = serve(t, handle)
			wantFault(t, l, Unanswered)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	l := short(Load{Conns: 2, Size: 64})
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Addr = gone.Addr().(*net.TCPAddr).AddrPort()
	gone.Close()
	for _, l.Churn = range []bool{false, true} {
		if r, err := l.Run(t.Context()); err == nil {
			t.Errorf("churn %t: no error, %+v", l.Churn, r)
		}
	}
}

func TestCancel(t *testing.T) {
	l := short(Load{Conns: 8, Size: 64})
	l.Addr, l.Time = serve(t, echo), time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cancelled run ends with %v", err)
	}
}

func TestLoadIsValidated(t *testing.T) {
	_, err := Load{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Depth: 2, Churn: true, Rate: -1}.Run(t.Context())
	if err == nil {
		t.Fatal("an impossible load runs")
	}
	for _, part := range []string{"loopback", "0 connections", "0 bytes", "lasts for one message", "rate -1", "time 0s"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not said in: %v", part, err)
		}
	}
}

func TestProcessCPU(t *testing.T) {
	const burn = 100 * time.Millisecond
	before := mustCPU(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends here; its time must not
		for start := threadCPU(); threadCPU()-start < burn; {
		}
	}()
	<-done
	if spent := mustCPU(t) - before; spent < burn {
		t.Errorf("%s of CPU time count as %s", burn, spent)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	if d, err := ProcessCPU(child.Process.Pid); err != nil || d > time.Second {
		t.Errorf("a process that sleeps: %s, %v", d, err)
	}
	if _, err := ProcessCPU(1 << 28); err == nil {
		t.Error("a process that is not there has a CPU time")
	}
}

func mustCPU(t *testing.T) time.Duration {
	t.Helper()
	d, err := ProcessCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestStamps(t *testing.T) {
	var s stamps
	want := int64(0)
	for n := range int64(1000) {
		s.push(2 * n)
		s.push(2*n + 1)
		if got := s.pop(); got != want {
			t.Fatalf("popped %d, want %d", got, want)
		}
		want++
	}
	for ; want < 2000; want++ {
		if got := s.pop(); got != want {
			t.Fatalf("popped %d, want %d", got, want)
		}
	}
	// A queue that never runs empty must not grow without end.
	for range 100_000 {
		s.push(0)
		s.push(0)
		s.pop()
		s.push(0)
		s.pop()
		s.pop()
	}
	if cap(s.times) > 8192 {
		t.Errorf("room for %d times, and hardly any in use", cap(s.times))
	}
}

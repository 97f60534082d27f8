package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs handle on each connection of a listener of its own.
func serve(t *testing.T, handle func(net.Conn)) Target {
	t.Helper()
	return serveOn(t, "tcp4", "127.0.0.1:0", handle)
}

func serveOn(t *testing.T, network, address string, handle func(net.Conn)) Target {
	t.Helper()
	l, err := net.Listen(network, address)
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
	return target(t, l.Addr().String())
}

func target(t *testing.T, address string) Target {
	t.Helper()
	to, err := ParseTarget(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func echo(c net.Conn) { io.Copy(c, c) }

// each echoes message by message, the number'th changed by edit.
func each(size, number int, edit func([]byte) []byte, all ...func([]byte) []byte) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, size)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			out := b
			for _, f := range all {
				out = f(out)
			}
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
	l.Warm, l.Time, l.Timeout, l.Core = 20*time.Millisecond, 200*time.Millisecond, 20*time.Second, -1
	l.Depth, l.Threads = max(l.Depth, 1), max(l.Threads, 1)
	return l
}

// until runs l for longer and longer until something is counted: other processes
// may have the processors for a while.
func until(t *testing.T, l *Load) (r *Report, err error) {
	for ; l.Time < 30*time.Second; l.Time *= 4 {
		if r, err = l.Run(t.Context()); !errors.Is(err, ErrNothing) {
			break
		}
	}
	return r, err
}

func TestRightServers(t *testing.T) {
	tcp := serve(t, echo)
	path := filepath.Join(t.TempDir(), "s")
	for name, l := range map[string]Load{
		"ping-pong":             {Conns: 8, Size: 64},
		"one byte":              {Conns: 4, Size: 1, Depth: 7},
		"shorter than its mark": {Conns: 4, Size: 5, Depth: 3},
		"pipelined":             {Conns: 8, Size: 1024, Depth: 16},
		"more connections":      {Conns: 200, Size: 64},
		"beyond the buffers":    {Conns: 3, Size: 1 << 20, Depth: 4},
		"two threads":           {Conns: 9, Size: 64, Depth: 3, Threads: 2},
		"open loop":             {Conns: 8, Size: 64, Rate: 2000},
		"open loop, threads":    {Conns: 7, Size: 64, Rate: 3000, Threads: 3, Depth: 4},
		"churn":                 {Conns: 8, Size: 64, Churn: true},
		"churn at a rate":       {Conns: 8, Size: 64, Churn: true, Rate: 500, Threads: 2},
		"text":                  {Conns: 4, Text: []byte("hello"), Depth: 5},
		"eof":                   {Conns: 4, Size: 100, Depth: 5, Framing: Framing{Kind: "eof", EOF: "\r\n"}},
		"length":                {Conns: 4, Size: 100, Depth: 5, Framing: Framing{Kind: "length", LengthType: "N", BodyOffset: 4}},
		"text header":           {Conns: 4, Size: 100, Depth: 5, Framing: Framing{Kind: "text", Prefix: "*", Digits: 4}},
		"unix":                  {Conns: 4, Size: 100, Depth: 5, Target: serveOn(t, "unix", path, echo)},
		"unix churn":            {Conns: 4, Size: 100, Churn: true, Target: target(t, "unix:"+path)},
		"IPv6":                  {Conns: 4, Size: 100, Target: serveOn(t, "tcp6", "[::1]:0", echo)},
	} {
		t.Run(name, func(t *testing.T) {
			l = short(l)
			if l.Target.Name == "" {
				l.Target = tcp
			}
			l.PID = os.Getpid()
			r, err := until(t, &l)
			if err != nil {
				t.Fatal(err)
			}
			if r.Messages == 0 || r.ServerCPU <= 0 || r.Cost <= 0 || r.Unit <= 0 || r.Seconds <= 0 || r.PerSecond <= 0 {
				t.Errorf("%+v", r)
			}
			if d := r.Latency; d.Min <= 0 || d.P50 < d.Min || d.P99 < d.P50 || d.Max < d.P99 {
				t.Errorf("latency %+v", d)
			}
			// Every message that was due is there, however busy this machine is.
			if due := l.Rate * l.Time.Seconds(); l.Rate > 0 && math.Abs(float64(r.Latency.Count)-due) > float64(l.Threads) {
				t.Errorf("the times of %d messages were kept, %g were due", r.Latency.Count, due)
			}
		})
	}
}

// The answer need not be the message.
func TestExpectedAnswer(t *testing.T) {
	l := short(Load{Conns: 4, Text: []byte("PING"), Answer: []byte("+PONG"), Depth: 3, Framing: Framing{Kind: "eof", EOF: "\r\n"}})
	var wrong atomic.Bool
	l.Target = serve(t, each(6, -1, nil, func([]byte) []byte {
		if wrong.Load() {
			return []byte("+PUNG\r\n")
		}
		return []byte("+PONG\r\n")
	}))
	if r, err := until(t, &l); err != nil || r.Size != 6 || r.Answer != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	wrong.Store(true)
	wantFault(t, l, Altered)
}

// What users would see of a server that stalls: with a rate, every message that
// is due meanwhile waits; as fast as answers come, only one does.
func TestStallsAreSeen(t *testing.T) {
	const stall = 300 * time.Millisecond
	run := func(rate float64) Latency {
		l := short(Load{Conns: 1, Size: 64, Rate: rate})
		l.Time = 500 * time.Millisecond
		l.Target = serve(t, each(64, 40, func(b []byte) []byte { time.Sleep(stall); return b }))
		r, err := l.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.Latency
	}
	// 300 of 500 are due while it stalls, 150 of them in its first half.
	if d := run(1000); d.Max < 0.95*stall.Seconds() || d.P75 < 0.4*stall.Seconds() {
		t.Errorf("a stall of %s in 500 ms shows as %s at most, %s at 75 %%", stall, Span(d.Max), Span(d.P75))
	}
	if d := run(0); d.P75 > 0.4*stall.Seconds() {
		t.Errorf("without a rate 75 %% take up to %s: is it sent to while it stalls?", Span(d.P75))
	}
}

// What could not be sent before the end counts with the time that it has waited.
func TestServersThatDoNotKeepUp(t *testing.T) {
	for _, l := range []Load{
		{Conns: 2, Size: 8, Rate: 1000},
		{Conns: 2, Size: 8, Rate: 1000, Churn: true},
		{Conns: 2, Size: 8, Rate: MaxRate, Threads: 2},
	} {
		l = short(l)
		l.Target = serve(t, each(8, -1, nil, func(b []byte) []byte { time.Sleep(20 * time.Millisecond); return b }))
		r, err := until(t, &l)
		if err != nil {
			t.Fatal(err)
		}
		due := l.Rate * l.Time.Seconds()
		if float64(r.Unsent) < 0.5*due || r.Latency.P50 < 0.03 || math.Abs(float64(r.Latency.Count)-due) > 2+due/1000 {
			t.Errorf("rate %g: %d unsent, %+v", l.Rate, r.Unsent, r.Latency)
		}
	}
}

func TestWrongServers(t *testing.T) {
	const size = 64
	strayed, back := make(chan []byte), make(chan []byte)
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
				// The two swap hand to hand: whichever answer is read first,
				// its own is waited for still.
				b = bytes.Clone(b)
				select {
				case strayed <- b:
					return <-back
				case other := <-strayed:
					back <- b
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
			l.Target = serve(t, c.handle)
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

func TestSilentServers(t *testing.T) {
	for name, handle := range map[string]func(net.Conn){
		"loses the last message": each(64, 30, func([]byte) []byte { return nil }),
		"never answers":          func(c net.Conn) { io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := short(Load{Conns: 2, Size: 64})
			l.Timeout = 300 * time.Millisecond
			l.Target = serve(t, handle)
			wantFault(t, l, Unanswered)
		})
	}
}

// A server may keep its side open when ours is closed.
func TestServersThatDoNotClose(t *testing.T) {
	l := short(Load{Conns: 2, Size: 64})
	l.Target = serve(t, func(c net.Conn) {
		echo(c)
		<-t.Context().Done()
	})
	if _, err := until(t, &l); err != nil {
		t.Error(err)
	}
}

func TestNobodyThere(t *testing.T) {
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	path := filepath.Join(t.TempDir(), "none")
	for _, to := range []string{gone.Addr().String(), path} {
		for _, churn := range []bool{false, true} {
			l := short(Load{Conns: 2, Size: 64, Churn: churn, Target: target(t, to)})
			if r, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody listens on "+to) {
				t.Errorf("%s, churn %t: %v, %+v", to, churn, err, r)
			}
		}
	}
}

// An interrupt ends the load; what has come until then is told.
func TestInterrupt(t *testing.T) {
	for _, rate := range []float64{0, 1000} {
		l := short(Load{Conns: 8, Size: 64, Rate: rate})
		l.Target, l.Time = serve(t, echo), time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.Live = func(p Progress) {
			if p.Messages > 0 && p.PerSecond > 0 && p.P99 >= p.P50 {
				cancel()
			}
		}
		r, err := l.Run(ctx)
		if err != nil || r.Messages == 0 || r.Seconds <= 0 || r.Seconds > 60 {
			t.Errorf("an interrupted run ends with %+v, %v", r, err)
		}
	}
	l := short(Load{Conns: 8, Size: 64})
	l.Target, l.Warm = serve(t, echo), time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Run(ctx); !errors.Is(err, ErrNothing) {
		t.Errorf("one that was not counted yet: %v", err)
	}
}

func TestLoadIsValidated(t *testing.T) {
	_, err := Load{Depth: 2, Churn: true, Rate: -1, Core: 1}.Run(t.Context())
	if err == nil {
		t.Fatal("an impossible load runs")
	}
	for _, part := range []string{"connections: 0", "size: 0", "lasts for one message", "rate: -1", "duration: 0s", "timeout: 0s", "threads: 0"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not said in: %v", part, err)
		}
	}
	for want, l := range map[string]Load{
		"need more descriptors":         {Conns: MaxConns, Size: 1},
		"do not share one core":         {Conns: 2, Threads: 2, Core: 0, Size: 1},
		"there is no text":              {Conns: 1, Size: 1, Answer: []byte("x")},
		"text: it is empty":             {Conns: 1, Text: []byte{}},
		"expect: it is empty":           {Conns: 1, Text: []byte("x"), Answer: []byte{}},
		"framing: \"lines\" is none of": {Conns: 1, Size: 1, Framing: Framing{Kind: "lines"}},
	} {
		core := l.Core
		l = short(l)
		if l.Threads > 1 {
			l.Core = core
		}
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
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
	if d, err := processCPU(child.Process.Pid); err != nil || d > time.Second {
		t.Errorf("a process that sleeps: %s, %v", d, err)
	}
	if _, err := processCPU(1 << 28); err == nil {
		t.Error("a process that is not there has a CPU time")
	}
}

func mustCPU(t *testing.T) time.Duration {
	t.Helper()
	d, err := processCPU(os.Getpid())
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

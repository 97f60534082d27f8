package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"swoon/engine/frame"
)

// framer makes a framer of settings that are right.
func framer(t testing.TB, c frame.Config) frame.Framer {
	t.Helper()
	f, err := frame.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fnvOf is a short answer that tells one message from another.
func fnvOf(data string) string {
	h := fnv.New64a()
	io.WriteString(h, data)
	return fmt.Sprintf("%016x", h.Sum64())
}

// partialOf looks at what a session keeps between reads.
func partialOf(e *Engine, s *Session) (length, room int, cur frame.Cursor) {
	onLoop(s.reactor.Load(), func() {
		if p := s.partial; p != nil {
			length, room, cur = len(p.bytes), cap(p.bytes), p.cursor
		}
	})
	return length, room, cur
}

// Frames of every size, in pieces of every size, are whole and in order,
// whether callbacks wait or not; and a session between frames keeps nothing.
func TestFramesOverManyReads(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		head := func(body []byte) []byte {
			return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
		}
		for _, kind := range []struct {
			name   string
			config frame.Config
			frame  func(body []byte) []byte
		}{
			{"length", frame.Config{LengthCheck: new(true)}, head},
			{"text", frame.Config{LengthText: &frame.Text{Prefix: "length:", Digits: 13}}, func(body []byte) []byte {
				return append(fmt.Appendf(nil, "length:%013d", len(body)), body...)
			}},
			{"eof", frame.Config{EOFSplit: new(true)}, func(body []byte) []byte { return append(body, frame.DefaultEOF...) }},
			{"func", frame.Config{LengthFunc: func(b []byte) (int, error) {
				if len(b) < 4 {
					return 0, nil
				}
				return 4 + int(binary.BigEndian.Uint32(b)), nil
			}}, head},
		} {
			t.Run(kind.name, func(t *testing.T) {
				o.Ports = []PortOptions{{Framer: framer(t, kind.config)}}
				var sessions sync.Map
				h := &funcs{receive: func(f *Fiber, s *Session, data string) {
					sessions.Store(s, true)
					if len(data)%3 == 0 {
						sleep(f, 100*time.Microsecond)
					}
					if err := f.Send(s, fnvOf(data)); err != nil {
						t.Error(err)
					}
				}}
				e, addr := serve(t, o, h)
				var all sync.WaitGroup
				for i := range 4 {
					c := dial(t, addr)
					all.Go(func() { sendInPieces(t, c, rand.New(rand.NewPCG(uint64(i), 7)), kind.frame) })
				}
				all.Wait()
				for s := range sessions.Range {
					if n, _, cur := partialOf(e, s.(*Session)); n != 0 || cur != (frame.Cursor{}) {
						t.Errorf("a session between frames keeps %d bytes, %+v", n, cur)
					}
				}
			})
		}
	})
}

// sendInPieces sends frames of many sizes and wants the hash of each back.
func sendInPieces(t *testing.T, c net.Conn, r *rand.Rand, frame func(body []byte) []byte) {
	var out []byte
	var want strings.Builder
	for range 25 {
		n := 1 + r.IntN(50)
		switch r.IntN(5) {
		case 0:
			n = r.IntN(5000) + 1
		case 1:
			n = r.IntN(300_000) + 1
		}
		body := make([]byte, n)
		for i := range body {
			body[i] = 'a' + byte(r.IntN(26))
		}
		whole := frame(body)
		want.WriteString(fnvOf(string(whole)))
		out = append(out, whole...)
	}
	go func() {
		for len(out) > 0 {
			n := min(1+r.IntN(200_000), len(out))
			if r.IntN(2) == 0 {
				n = min(1+r.IntN(20), len(out))
			}
			if _, err := c.Write(out[:n]); err != nil {
				return // the reader sees it too
			}
			out = out[n:]
		}
	}()
	got := make([]byte, want.Len())
	if n, err := io.ReadFull(c, got); err != nil {
		t.Errorf("%d of %d bytes: %v", n, len(got), err)
	} else if string(got) != want.String() {
		t.Error("an answer is wrong")
	}
}

// A header alone makes us keep a header.
func TestHeaderReservesNothing(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = framer(t, frame.Config{LengthCheck: new(true), MaxLength: new(1 << 30)})
		got := make(chan *Session, 1)
		done := make(chan string, 1)
		h := &funcs{connect: func(f *Fiber, s *Session) { got <- s }, receive: func(f *Fiber, s *Session, data string) { done <- fnvOf(data) }}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		s := from(t, got)
		const need = 3_000_000
		whole := bytes.Repeat([]byte{'x'}, need)
		binary.BigEndian.PutUint32(whole, need-4)
		sent := 0
		for _, n := range []int{5, 1000, 70_000, 1_000_000, need - 1} {
			c.Write(whole[sent:n])
			sent = n
			eventually(t, "the bytes have come", func() bool { length, _, _ := partialOf(e, s); return length == n })
			if _, room, cur := partialOf(e, s); room > 2*n+64 || cur.Need != need {
				t.Errorf("%d bytes have room for %d, %+v", n, room, cur)
			}
		}
		c.Write(whole[sent:])
		if from(t, done) != fnvOf(string(whole)) {
			t.Error("the frame came out wrong")
		}
		if n, room, _ := partialOf(e, s); n != 0 || room != 0 {
			t.Errorf("after the frame %d bytes are kept, room for %d", n, room)
		}
	})
}

// What is left of a frame when its peer has finished is let go at once, though
// the session lives on until its callbacks return.
func TestHalfAFrameAtTheEnd(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].Framer = fixed(5)
		var g gate
		got := make(chan *Session, 1)
		h := &funcs{receive: func(f *Fiber, s *Session, data string) { got <- s; g.pass(f) }}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		c.Write([]byte("12345123"))
		s := from(t, got)
		eventually(t, "half a frame is kept", func() bool { n, _, _ := partialOf(e, s); return n == 3 })
		c.(*net.TCPConn).CloseWrite()
		eventually(t, "half a frame is dropped", func() bool { n, _, _ := partialOf(e, s); return n == 0 })
		eventually(t, "and counted", func() bool { return e.Stats(nil).Discarded == 3 })
		g.open()
		balanced(t, e)
	})
}

// wrong is a framer with a fault: a frame that begins with '!' ends wherever
// the next byte says, one that begins with '?' never ends.
type wrong struct{}

func (wrong) Next(b []byte, c *frame.Cursor) (int, error) {
	switch {
	case b[0] == '?':
		c.Need = 2
		return 0, nil
	case b[0] != '!':
		return 1, nil
	case len(b) < 2:
		return 0, nil
	case b[1] == '-':
		return -1, nil
	case b[1] == 'e':
		return 0, errors.New("no reason given")
	}
	return len(b) + 1, nil
}

// A stream that holds no frame ends its session, with the reason by name, and
// no other.
func TestNoFrameEndsTheSession(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		var log lockedBuffer
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		short := frame.Config{LengthType: new("s"), LengthCheck: new(true), BodyOffset: new(2), MaxLength: new(20)}
		o.Ports = []PortOptions{
			{Framer: framer(t, short)},
			{Framer: framer(t, frame.Config{EOFSplit: new(true), EOF: new(";"), MaxLength: new(8)}), Listen: Listen{Host: "127.0.0.1"}},
			{Framer: wrong{}, Listen: Listen{Host: "127.0.0.1"}},
		}
		h.receive = func(f *Fiber, s *Session, data string) {
			d.note(s, "got "+data)
			sleep(f, time.Millisecond) // the reactor sees all of the read first
			if err := f.Send(s, data); err != nil {
				t.Errorf("an answer to %q: %v", data, err)
			}
		}
		e, _ := serve(t, o, h)
		s16 := func(v int16) string { return string(binary.NativeEndian.AppendUint16(nil, uint16(v))) }
		id := SessionID(0)
		for _, c := range []struct {
			port   int
			pieces []string
			frames string
			reason Reason
			text   string
		}{
			{0, []string{s16(1) + "a" + s16(19) + "b"}, s16(1) + "a", FrameTooLarge, "length field says 19 bytes, package_max_length is 20"},
			{0, []string{s16(1) + "a" + s16(-1)}, s16(1) + "a", FrameMalformed, "length field says -1 bytes"},
			{1, []string{"a;bb;12345678"}, "a;bb;", FrameTooLarge, "no package_eof"},
			{1, []string{"a;1234567", "8"}, "a;", FrameTooLarge, "no package_eof"},
			{2, []string{"ab!!"}, "ab", InternalError, "engine.wrong found a frame of 3 bytes in 2"},
			{2, []string{"ab!", "!x"}, "ab", InternalError, "engine.wrong found a frame of 4 bytes in 3"},
			{2, []string{"ab!-"}, "ab", InternalError, "engine.wrong found a frame of -1 bytes in 2"},
			{2, []string{"ab!e"}, "ab", InternalError, "no reason given"},
			{2, []string{"ab?c", "d"}, "ab", InternalError, "engine.wrong found a frame of 0 bytes in 2"},
		} {
			addr := e.Ports()[c.port].Addr().String()
			neighbour := dial(t, addr)
			id++
			eventually(t, "the neighbour is the first of the two", func() bool { return e.Stats(nil).Accepted == uint64(id) })
			conn := dial(t, addr)
			id++
			for i, p := range c.pieces {
				conn.Write([]byte(p))
				if i < len(c.pieces)-1 {
					eventually(t, "the first piece is there", func() bool {
						s, err := e.Session(id)
						if err != nil {
							return false
						}
						n, _, _ := partialOf(e, s)
						return n > 0
					})
				}
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != c.frames {
				t.Errorf("%q: answered %q, %v, want %q", c.pieces, got, err, c.frames)
			}
			conn.Close()
			d.check(t, id, h.connect != nil, c.reason)
			var got string
			for _, what := range d.of(id) {
				if data, ok := strings.CutPrefix(what, "got "); ok {
					got += data
				}
			}
			if got != c.frames {
				t.Errorf("%q: handled were %q, want %q", c.pieces, got, c.frames)
			}
			if log := log.String(); !strings.Contains(log, c.text) || !strings.Contains(log, "reason="+c.reason.String()) {
				t.Errorf("%q: the log says not %q: %s", c.pieces, c.text, log)
			}
			log.Reset()
			hello := map[int]string{0: s16(2) + "hi", 1: "hi;", 2: "hi"}[c.port]
			neighbour.Write([]byte(hello))
			if _, err := io.ReadFull(neighbour, make([]byte, len(hello))); err != nil {
				t.Errorf("%q: the neighbour: %v", c.pieces, err)
			}
			neighbour.Close()
		}
		balanced(t, e)
	})
}

// Until the messages before the fault are handled nothing more is read, and a
// peer that breaks off meanwhile does not change why the session ended.
func TestFaultEndsTheInput(t *testing.T) {
	everyClosing(t, func(t *testing.T, o Options, h *funcs, d *diary) {
		o.Ports[0].Framer = framer(t, frame.Config{EOFSplit: new(true), EOF: new(";"), MaxLength: new(8)})
		var g gate
		h.receive = func(f *Fiber, s *Session, data string) { g.pass(f); d.note(s, "got "+data) }
		e, addr := serve(t, o, h)
		conn := dial(t, addr)
		conn.Write([]byte("a;b;12345678"))
		var s *Session
		eventually(t, "the fault is seen", func() bool {
			s, _ = e.Session(1)
			paused := false
			if s != nil {
				onLoop(s.reactor.Load(), func() { s.lockIn(); paused = s.pause&pauseFault != 0; s.unlockIn() })
			}
			return paused
		})
		if !s.Alive() {
			t.Error("the session has ended before its messages were handled")
		}
		conn.Write([]byte("more;"))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		eventually(t, "the reset is seen", func() bool { return s.Info().FD < 0 })
		g.open()
		d.check(t, 1, h.connect != nil, FrameTooLarge)
		if list := d.of(1); countPrefix(list, "got") != 2 {
			t.Errorf("handled were %q", list)
		}
		balanced(t, e)
	})
}

// Clients that all send what is no frame do not fill the log: ten lines, then
// one a second, which says how many there were in between.
func TestFloodOfFaults(t *testing.T) {
	var f flood
	shown, hidden := 0, 0
	for range 1000 {
		if n, ok := f.allow(); ok {
			shown, hidden = shown+1, hidden+n
		}
	}
	if shown < floodShow || shown > floodShow+5 { // on a slow machine seconds pass
		t.Errorf("%d lines are shown", shown)
	}
	f.filled -= 3 * int64(time.Second)
	for i := range 3 {
		n, ok := f.allow()
		if !ok || i > 0 && n > 0 {
			t.Errorf("line %d after three seconds: %v, %d before it", i, ok, n)
		}
		shown, hidden = shown+1, hidden+n
	}
	if shown+hidden != 1003 || f.hidden != 0 {
		t.Errorf("%d lines shown and %d counted, of 1003", shown, hidden)
	}
	f.filled -= 3600 * int64(time.Second)
	for range 2 * floodShow {
		f.allow()
	}
	if f.left > 0 || f.hidden > floodShow {
		t.Errorf("after an hour: %+v", f.hidden)
	}
}

// lockedBuffer is a log that loops write and a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

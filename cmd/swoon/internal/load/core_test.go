package load

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestFraming(t *testing.T) {
	for _, c := range []struct {
		f    Framing
		body string
		want string // "!": what the error says
	}{
		{Framing{}, "abc", "abc"},
		{Framing{Kind: "raw"}, "abc", "abc"},
		{Framing{Kind: "eof", EOF: "\r\n"}, "abc", "abc\r\n"},
		{Framing{Kind: "eof", EOF: "\n"}, "", "\n"},
		{Framing{Kind: "eof", EOF: "\n"}, "a\nb", "!a server would take 2 bytes of 4 for one"},
		{Framing{Kind: "eof"}, "a", "!eof: it is empty"},
		{Framing{Kind: "length", LengthType: "N", BodyOffset: 4}, "abc", "\x00\x00\x00\x03abc"},
		{Framing{Kind: "length", LengthType: "n", BodyOffset: 2}, "abc", "\x00\x03abc"},
		{Framing{Kind: "length", LengthType: "v", LengthOffset: 2, BodyOffset: 0}, "abc", "\x00\x00\x07\x00abc"},
		{Framing{Kind: "length", LengthType: "C", BodyOffset: 1}, strings.Repeat("x", 300), "!a server would take 45 bytes of 301 for one"},
		{Framing{Kind: "length", LengthType: "c", BodyOffset: 1}, strings.Repeat("x", 200), "!length field says -56 bytes"},
		{Framing{Kind: "length", LengthType: "n", BodyOffset: 4}, "", "!body-offset: 4 is more than the 2 bytes"},
		{Framing{Kind: "length", LengthType: "X"}, "abc", "!length-type: \"X\" is none of c C s"},
		{Framing{Kind: "length", LengthType: "NN"}, "abc", "!is none of"},
		{Framing{Kind: "length", LengthType: "N", LengthOffset: -1}, "abc", "!length-offset: -1 is not in 0..65535"},
		{Framing{Kind: "text", Prefix: "*", Digits: 4}, "abc", "*0003abc"},
		{Framing{Kind: "text", Digits: 1}, "0123456789", "!digits: 1 cannot tell of 10 bytes"},
		{Framing{Kind: "text", Digits: 19}, "x", "!digits: 19 is not in 1..18"},
		{Framing{Kind: "lines"}, "x", "!framing: \"lines\" is none of raw, eof, length, text"},
	} {
		got, err := c.f.message([]byte(c.body))
		if text, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%+v %.10q: %v, want %q", c.f, c.body, err, text)
			}
		} else if err != nil || string(got) != c.want {
			t.Errorf("%+v %q: %q, %v, want %q", c.f, c.body, got, err, c.want)
		}
	}
}

// An answer that comes byte by byte is checked as one that comes at once, and
// every byte counts.
func TestContents(t *testing.T) {
	for _, l := range []Load{
		{Size: 1}, {Size: 7}, {Size: 8}, {Size: 9}, {Size: 1000},
		{Size: 20, Framing: Framing{Kind: "eof", EOF: "\n\n"}},
		{Size: 20, Framing: Framing{Kind: "length", LengthType: "N", BodyOffset: 4}},
		{Size: 3, Framing: Framing{Kind: "text", Prefix: "#", Digits: 2}},
		{Text: []byte("hello")}, {Text: []byte("a"), Answer: []byte("bcd")},
	} {
		c, err := newContents(&l)
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(50) {
			m := c.add(nil, 3, n)
			if len(m) != c.asked {
				t.Fatalf("%d bytes, %d were announced", len(m), c.asked)
			}
			if l.Answer != nil {
				m = append([]byte(nil), l.Answer...)
			}
			if len(m) != c.length {
				t.Fatalf("an answer of %d bytes, %d were announced", len(m), c.length)
			}
			more := append(bytes.Clone(m), 'x')
			if used, wrong := c.check(more, 3, n, 0); used != len(m) || wrong >= 0 {
				t.Fatalf("%+v: at once: %d, %d", l, used, wrong)
			}
			for pos := range m {
				if used, wrong := c.check(m[pos:pos+1], 3, n, pos); used != 1 || wrong >= 0 {
					t.Fatalf("%+v: byte %d: %d, %d", l, pos, used, wrong)
				}
				m[pos] ^= 1
				for _, from := range []int{0, pos} {
					if used, wrong := c.check(m[from:], 3, n, from); used != pos-from || wrong != pos {
						t.Fatalf("%+v: byte %d changed, looked at from %d: %d, %d", l, pos, from, used, wrong)
					}
				}
				m[pos] ^= 1
			}
		}
	}
}

// Bodies have nothing in them that ends a message, and differ.
func TestContentsOfEOF(t *testing.T) {
	l := Load{Size: 600, Framing: Framing{Kind: "eof", EOF: "ab"}}
	c, err := newContents(&l)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for id := range uint64(20) {
		for n := range uint64(200) {
			m := c.add(nil, id, n)
			if bytes.IndexByte(m, 'a') != len(m)-2 {
				t.Fatalf("connection %d, message %d has an a in it", id, n)
			}
			seen[string(m[:markLen])] = true
		}
	}
	if len(seen) != 4000 {
		t.Errorf("%d different messages of 4000", len(seen))
	}
}

func TestSchedule(t *testing.T) {
	const threads = 3
	var all []int64
	for i := range threads {
		s := newSchedule(1000, 7e6, i, threads)
		for {
			n, due, ok := s.take(1_000_000)
			if !ok {
				break
			}
			if due != s.at(n) {
				t.Fatal("a message is due at two times")
			}
			all = append(all, due)
		}
		if due := s.due(); due <= 1_000_000 {
			t.Errorf("%d is due, and not taken", due)
		}
		fresh := newSchedule(1000, 7e6, i, threads)
		if n := fresh.before(1_000_001); n != s.next {
			t.Errorf("%d are before, %d were taken", n, s.next)
		}
		if n := s.before(0); n != s.next {
			t.Errorf("before goes back to %d", n)
		}
	}
	if want := 999_000 * 7 / 1000; math.Abs(float64(len(all)-want)) > threads {
		t.Errorf("%d messages, want %d", len(all), want)
	}
	seen := map[int64]bool{}
	for _, due := range all {
		if due < 1000 || seen[due] {
			t.Fatalf("%d is due twice, or too early", due)
		}
		seen[due] = true
	}
}

// The dropped part of a schedule is nobody's: each connection goes on with its
// own messages.
func TestForget(t *testing.T) {
	g := &generator{run: &run{Load: &Load{Rate: 1e9, Depth: 1}}}
	for i := range 7 {
		g.conns = append(g.conns, &conn{number: uint64(i), waiting: 5})
	}
	for _, at := range []int64{0, 1, 6, 7, 8, 1234} {
		g.sched = newSchedule(0, 1e9, 0, 1)
		g.forget(at)
		for i, c := range g.conns {
			if c.waiting != 0 || c.number < uint64(at) || c.number >= uint64(at)+7 || c.number%7 != uint64(i) {
				t.Errorf("at %d connection %d goes on with message %d", at, i, c.number)
			}
		}
	}
}

func TestRecorder(t *testing.T) {
	r := NewRecorder()
	recent := newHistogram()
	for i := range int64(1000) {
		r.Record((i + 1) * 1000)
		if i == 499 {
			if n := r.collect(recent); n != 500 || recent.TotalCount() != 500 {
				t.Errorf("%d, %d", n, recent.TotalCount())
			}
		}
	}
	recent.Reset()
	if n := r.collect(recent); n != 1000 || recent.TotalCount() != 500 || recent.Min() < 500_000 {
		t.Errorf("%d, %d since then", n, recent.TotalCount())
	}
	sum := newHistogram()
	r.addTo(sum)
	l := latencyOf(sum)
	near := func(got, want float64) bool { return math.Abs(got-want) <= want/500 }
	if l.Count != 1000 || !near(l.P50, 500e-6) || !near(l.P99, 990e-6) || !near(l.Max, 1e-3) || !near(l.Min, 1e-6) || !near(l.Mean, 500.5e-6) {
		t.Errorf("%+v", l)
	}
	r.Record(-5)
	r.Record(math.MaxInt64)
	if empty := latencyOf(newHistogram()); empty != (Latency{}) {
		t.Errorf("%+v", empty)
	}
}

func TestTargets(t *testing.T) {
	for in, want := range map[string]struct {
		host string
		port int
	}{
		"127.0.0.1:80": {"127.0.0.1", 80}, ":80": {"127.0.0.1", 80}, "tcp://[::1]:80": {"::1", 80}, "localhost:80": {"127.0.0.1", 80},
		"[::ffff:127.0.0.1]:80": {"127.0.0.1", 80},
		"/tmp/x":                {"/tmp/x", 0}, "./x": {"./x", 0}, "unix:x": {"./x", 0}, "unix:/tmp/x": {"/tmp/x", 0}, "unix:///tmp/x": {"/tmp/x", 0}, "@x": {"@x", 0},
	} {
		got, err := ParseTarget(t.Context(), in)
		if err != nil || got.Host != want.host || got.Port != want.port || got.Name != in {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"": "is no address", "x": "is no address", "127.0.0.1": "is no address", "127.0.0.1:0": "is not in 1..65535", ":x": "is not in 1..65535", ":70000": "is not in 1..65535",
		"http://127.0.0.1:80": `"http" cannot be loaded`, "unix:": "names no unix socket", "/" + strings.Repeat("x", 107): "at most 107 bytes, this has 108",
	} {
		if got, err := ParseTarget(t.Context(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", in, got, err, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0", 5e-9: "5.00 ns", 12.34e-6: "12.3 us", 999.4e-6: "999 us", 999.6e-6: "1.00 ms", 0.25: "250 ms", 1: "1.00 s", 99.96: "100 s", 1234: "1234 s",
	} {
		if got := Span(in); got != want {
			t.Errorf("%g: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.5: "1,234,568"} {
		if got := Thousands(in); got != want {
			t.Errorf("%g: %q, want %q", in, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	r := &Report{
		Target: ":80", Connections: 64, Threads: 1, Framing: "eof", Size: 66, Answer: 70, Depth: 16, Rate: 1000, Messages: 12345, Unsent: 7,
		Latency: Latency{Count: 12352, Min: 1e-6, P50: 2e-6, P99: 3e-3, Max: 1}, Corrected: true, ServerCPU: 5e-6, Unit: 1e-5, Cost: 0.5,
	}
	r.over(10 * time.Second)
	var text, asJSON bytes.Buffer
	r.Text(&text)
	for _, want := range []string{
		":80\n", "66 bytes, answered by 70, framed by eof", "64 connections with 16 messages under way each, 1,000 messages a second are due; 1 thread\n",
		"12,345, 1,235 a second, every byte checked", "7 were due and could not be sent", "99 %   within 3.00 ms", "from when a message was due", "5.00 us a message, 0.500 of",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if err := r.JSON(&asJSON); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(asJSON.Bytes(), &back); err != nil || back != *r || strings.Count(asJSON.String(), "\n") != 1 {
		t.Errorf("%v\n%s", err, &asJSON)
	}
}

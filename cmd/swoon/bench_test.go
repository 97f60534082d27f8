package main

import (
	"bytes"
	"testing"
	"time"

	"swoon/cmd/swoon/internal/load"
)

func TestLiveLine(t *testing.T) {
	var out bytes.Buffer
	width := 80
	l := &liveLine{w: &out, width: func() int { return width }}
	for want, p := range map[string]load.Progress{
		"\r\x1b[K  warming up": {Elapsed: -time.Second, Time: 10 * time.Second},
		"\r\x1b[K    3 of 10 s        12,346 a second   50 % within 1.20 ms  99 % within 3.00 s": {
			Elapsed: 3 * time.Second, Time: 10 * time.Second, PerSecond: 12345.6, P50: 1200 * time.Microsecond, P99: 3 * time.Second,
		},
	} {
		out.Reset()
		l.show(p)
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
	width = 10
	out.Reset()
	l.show(load.Progress{})
	if out.String() != "\r\x1b[K  warming" {
		t.Errorf("a narrow terminal shows %q", out.String())
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{``: "", `abc`: "abc", `\r\n\t\0\\`: "\r\n\t\x00\\", `\x41\xffb`: "A\xffb"} {
		if got, err := unescape(in); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`\`, `a\`, `\q`, `\x`, `\x1`, `\xg1`, `\x-1`} {
		if got, err := unescape(in); err == nil {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestBytesOf(t *testing.T) {
	for in, want := range map[string]int{"0": 0, "64": 64, "1k": 1024, "2K": 2048, "64M": 64 << 20} {
		if got, err := bytesOf(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "k", "1m", "-1", "1.5k", "99999999999", "1 k"} {
		if got, err := bytesOf(in); err == nil {
			t.Errorf("%s: %d", in, got)
		}
	}
}

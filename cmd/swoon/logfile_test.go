package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"swoon/scripting"
)

func TestLogRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	l, err := openLogFile(path, scripting.Monthly)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.close() }()
	var opened []string
	l.onOpen(func(f *os.File) { opened = append(opened, filepath.Base(f.Name())) })
	// A month has gone by since the file was opened.
	old := path + ".199912"
	if err := l.open(old); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("one\n"))
	l.Write([]byte("two\n"))
	now := path + scripting.Monthly.Suffix(time.Now())
	if b, _ := os.ReadFile(now); string(b) != "one\ntwo\n" {
		t.Errorf("the month's file holds %q", b)
	}
	if b, err := os.ReadFile(old); len(b) > 0 || err != nil {
		t.Errorf("the old file holds %q, %v", b, err)
	}
	if got := strings.Join(opened, " "); got != filepath.Base(now)+" log.199912 "+filepath.Base(now) {
		t.Errorf("opened %s", got)
	}

	// The next one cannot be had: said once, in the old one.
	l.open(old)
	l.path = filepath.Join(dir, "nowhere", "log")
	l.Write([]byte("three\n"))
	l.Write([]byte("four\n"))
	b, _ := os.ReadFile(old)
	if text := string(b); strings.Count(text, ": this file goes on\n") != 1 || !strings.HasSuffix(text, "three\nfour\n") {
		t.Errorf("the old file holds %q", text)
	}
}

func TestDateFormat(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789012345, time.UTC)
	for _, c := range []struct {
		format string
		micros bool
		want   string
	}{
		{"", false, "2026-02-03 04:05:06.789"}, {"", true, "2026-02-03 04:05:06.789012"},
		{"%F %T", false, "2026-02-03 04:05:06"}, {"%H:%M", true, "04:05.789012"}, {"[%d/%b/%Y %%]", false, "[03/Feb/2026 %]"},
	} {
		if got := dateFormat(c.format, c.micros)(at); got != c.want {
			t.Errorf("%q, %v: %q, want %q", c.format, c.micros, got, c.want)
		}
	}
}

func TestOutputIsHeld(t *testing.T) {
	o := new(output)
	o.Write([]byte("early\n"))
	var b strings.Builder
	o.to(&b)
	o.Write([]byte("late\n"))
	if b.String() != "early\nlate\n" {
		t.Errorf("%q", b.String())
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"

	"swoon/scripting"

	"golang.org/x/sys/unix"
)

// lineHandler writes one record a line for people: time, level, message, then
// the attributes as key=value. Messages of several lines, tracebacks, stay
// readable. Colours only on a terminal.
type lineHandler struct {
	mu    *sync.Mutex
	w     io.Writer
	level *slog.LevelVar
	color bool
	attrs string
}

// openLog makes the log. level can be changed later.
func openLog(s *scripting.Settings, level *slog.LevelVar) (*slog.Logger, func(), error) {
	level.Set(s.LogLevel)
	h := &lineHandler{mu: new(sync.Mutex), w: os.Stderr, level: level, color: isTerminal(os.Stderr)}
	closer := func() {}
	if s.LogFile != "" {
		f, err := os.OpenFile(s.LogFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, nil, fmt.Errorf("log_file: %w", err)
		}
		h.w, h.color = f, false
		closer = func() { f.Close() }
	}
	return slog.New(h), closer, nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("NO_COLOR") == ""
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	name, color := levelName(r.Level)
	b.WriteString(r.Time.Format("2006-01-02 15:04:05.000 "))
	if h.color {
		fmt.Fprintf(&b, "\x1b[%sm%-7s\x1b[0m ", color, name)
	} else {
		fmt.Fprintf(&b, "%-7s ", name)
	}
	first, rest, _ := strings.Cut(r.Message, "\n")
	b.WriteString(first)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(attr(a))
		return true
	})
	b.WriteByte('\n')
	if rest != "" {
		b.WriteString(strings.TrimRight(rest, "\n"))
		b.WriteByte('\n')
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

func attr(a slog.Attr) string {
	v := a.Value.Resolve().String()
	if v == "" || strings.ContainsAny(v, " \t\n\"=") {
		v = strconv.Quote(v)
	}
	return " " + a.Key + "=" + v
}

func levelName(l slog.Level) (name, color string) {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG", "90"
	case l < scripting.LevelNotice:
		return "INFO", "36"
	case l < slog.LevelWarn:
		return "NOTICE", "32"
	case l < slog.LevelError:
		return "WARNING", "33"
	}
	return "ERROR", "31"
}

func (h *lineHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	for _, a := range as {
		c.attrs += attr(a)
	}
	return &c
}

func (h *lineHandler) WithGroup(string) slog.Handler { return h }

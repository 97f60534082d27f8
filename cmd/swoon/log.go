package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	"golang.org/x/sys/unix"
)

// lineHandler writes one record a line for people: time, level, message, then
// the attributes as key=value. Messages of several lines, tracebacks, stay
// readable. Colours only on a terminal.
type lineHandler struct {
	*logSink
	attrs string
}

// logSink is what all lines have in common. What it is told can change.
type logSink struct {
	file   *logFile
	level  slog.LevelVar
	color  bool
	format atomic.Pointer[func(time.Time) string]
}

// openLog makes the log.
func openLog(s *scripting.Settings) (*slog.Logger, *logSink, error) {
	f, err := openLogFile(s.LogFile, s.LogRotation)
	if err != nil {
		return nil, nil, err
	}
	sink := &logSink{file: f, color: isTerminal(os.Stderr) && os.Getenv("NO_COLOR") == ""}
	sink.set(s)
	return slog.New(&lineHandler{logSink: sink}), sink, nil
}

// apply follows a change of the settings. If the new file cannot be had, the
// old one goes on.
func (k *logSink) apply(s *scripting.Settings) error {
	k.set(s)
	return k.file.set(s.LogFile, s.LogRotation)
}

func (k *logSink) set(s *scripting.Settings) {
	k.level.Set(s.LogLevel)
	format := dateFormat(s.LogDateFormat, s.LogMicros)
	k.format.Store(&format)
}

// dateFormat is how a line begins.
func dateFormat(format string, micros bool) func(time.Time) string {
	if format == "" {
		layout := "2006-01-02 15:04:05.000"
		if micros {
			layout += "000"
		}
		return func(t time.Time) string { return t.Format(layout) }
	}
	return func(t time.Time) string {
		text := vm.Strftime(format, t)
		if micros {
			text += t.Format(".000000")
		}
		return text
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	name, color := levelName(r.Level)
	b.WriteString((*h.format.Load())(r.Time))
	b.WriteByte(' ')
	if h.color && h.file.onTerminal() {
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
	_, err := h.file.Write(b.Bytes())
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

package main

import (
	"fmt"
	"io"
	"os"

	"swoon/cmd/swoon/internal/load"

	"golang.org/x/sys/unix"
)

// liveLine is one line of a terminal that shows how a load goes on.
type liveLine struct {
	w     io.Writer
	width func() int
}

// liveLine returns nil where there is nobody to see it.
func (b *benchFlags) liveLine() *liveLine {
	if b.silent || !isTerminal(os.Stderr) {
		return nil
	}
	return &liveLine{w: os.Stderr, width: func() int {
		size, err := unix.IoctlGetWinsize(int(os.Stderr.Fd()), unix.TIOCGWINSZ)
		if err != nil || size.Col == 0 {
			return 80
		}
		return int(size.Col)
	}}
}

func (l *liveLine) show(p load.Progress) {
	text := "  warming up"
	if p.Elapsed > 0 {
		text = fmt.Sprintf("  %3.0f of %.0f s  %12s a second   50 %% within %-8s 99 %% within %s", min(p.Elapsed, p.Time).Seconds(), p.Time.Seconds(),
			load.Thousands(p.PerSecond), load.Span(p.P50.Seconds()), load.Span(p.P99.Seconds()))
	}
	if width := l.width() - 1; len(text) > width {
		text = text[:max(width, 0)]
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", text)
}

func (l *liveLine) clear() { fmt.Fprint(l.w, "\r\x1b[K") }

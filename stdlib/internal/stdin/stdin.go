// Package stdin reads lines of the standard input for the fibers of all VMs.
//
// One goroutine reads, from the first line that somebody wants on. It reads on
// only while somebody waits, or wants to be told (notice.go); a line that comes when its fiber has been
// cancelled goes to the next one.
package stdin

import (
	"bufio"
	"io"
	"os"
	"sync"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// longest is the longest line; a longer one comes in pieces.
const longest = 1 << 20

// Reader hands the lines of one input to whoever waits for one. Any goroutine.
type Reader struct {
	mu      sync.Mutex
	src     *bufio.Reader
	more    sync.Cond // waiters has grown
	started bool
	lines   []string // read, and wanted by nobody yet
	waiters []scripting.Waiter
	ended   bool
	at      bool // Line has told that the input has ended
	notices []*Notice
	changes uint64 // see State
}

// Process is the standard input of the process.
var Process = New(os.Stdin)

// New makes a Reader of r.
func New(r io.Reader) *Reader {
	x := &Reader{src: bufio.NewReader(r)}
	x.more.L = &x.mu
	return x
}

// end is what a waiter gets when there are no more lines.
type end struct{}

// Line is the next line with its newline, or with what there was instead at the
// end of the input; ok is false when it has ended. The fiber waits; a timeout
// of 0 is none, and timedOut says that it passed.
func (x *Reader) Line(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration) (line string, ok, timedOut bool) {
	x.mu.Lock()
	if len(x.lines) > 0 {
		line, x.lines = x.lines[0], x.lines[1:]
		tell := x.changed()
		x.mu.Unlock()
		for _, fn := range tell {
			fn()
		}
		return line, true, false
	}
	if x.ended {
		x.at = true
		x.mu.Unlock()
		return "", false, false
	}
	x.mu.Unlock()
	v, err := in.Wait(L, what, timeout, func(w scripting.Waiter) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		if len(x.lines) > 0 {
			w.Wake(x.lines[0])
			x.lines = x.lines[1:]
			x.changes++
			return true
		}
		if x.ended {
			w.Wake(end{})
			return true
		}
		x.waiters = append(x.waiters, w)
		x.wake()
		return true
	})
	if err != nil {
		return "", false, true
	}
	if line, ok = v.(string); !ok {
		x.mu.Lock()
		x.at = true
		x.mu.Unlock()
	}
	return line, ok, false
}

// Unread puts a part of a line back, to be the next one.
func (x *Reader) Unread(rest string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.give(rest) {
		return
	}
	x.lines = append([]string{rest}, x.lines...)
	x.changes++
}

// AtEnd reports whether Line has said that there is no more.
func (x *Reader) AtEnd() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at
}

// read reads a line whenever one is wanted.
func (x *Reader) read() {
	for {
		x.mu.Lock()
		for !x.wanted() {
			x.more.Wait()
		}
		x.mu.Unlock()
		line, err := x.line()
		x.mu.Lock()
		var tell []func()
		if line != "" && !x.give(line) {
			x.lines = append(x.lines, line)
			tell = x.changed()
		}
		if err != nil {
			x.ended = true
			for _, w := range x.waiters {
				w.Wake(end{})
			}
			x.waiters = nil
			tell = append(tell, x.changed()...)
		}
		x.mu.Unlock()
		for _, fn := range tell {
			fn()
		}
		if err != nil {
			return
		}
	}
}

// give hands a line to the first who still waits.
func (x *Reader) give(line string) bool {
	for len(x.waiters) > 0 {
		w := x.waiters[0]
		x.waiters = x.waiters[1:]
		if w.Wake(line) {
			return true
		}
	}
	return false
}

func (x *Reader) line() (string, error) {
	var long []byte
	for {
		b, err := x.src.ReadSlice('\n')
		long = append(long, b...)
		if err != bufio.ErrBufferFull || len(long) >= longest {
			if err == bufio.ErrBufferFull {
				err = nil
			}
			return string(long), err
		}
	}
}

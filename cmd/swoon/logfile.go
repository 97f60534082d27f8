package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"swoon/scripting"
)

// logFile is the file that the log goes to, or the standard error. Any
// goroutine.
type logFile struct {
	mu       sync.Mutex
	path     string // "": the standard error
	rotation scripting.Rotation
	f        *os.File
	name     string // of f: path, and a date
	fault    string // why the next one could not be opened, as it was said
	opened   func(*os.File)
	owner    *account // who is to own the file; nil: who we are
}

func openLogFile(path string, r scripting.Rotation) (*logFile, error) {
	l := &logFile{f: os.Stderr}
	return l, l.set(path, r)
}

// set changes where the log goes. If that cannot be had, it goes on as before.
func (l *logFile) set(path string, r scripting.Rotation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if path == l.path && r == l.rotation {
		return nil
	}
	oldPath, oldRotation := l.path, l.rotation
	l.path, l.rotation = path, r
	err := l.open(l.nameAt(time.Now()))
	if err != nil {
		l.path, l.rotation = oldPath, oldRotation
	}
	return err
}

func (l *logFile) nameAt(t time.Time) string {
	if l.path == "" {
		return ""
	}
	return l.path + l.rotation.Suffix(t)
}

// open puts a file in the place of the one that is open. Under mu.
func (l *logFile) open(name string) error {
	f := os.Stderr
	if name != "" {
		var err error
		if f, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
			return fmt.Errorf("log_file: %w", err)
		}
		if l.owner != nil {
			l.owner.give(f)
		}
	}
	l.close()
	l.f, l.name = f, name
	if l.opened != nil && name != "" {
		l.opened(f)
	}
	return nil
}

// reopen opens the file anew: somebody has moved it away.
func (l *logFile) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		return nil
	}
	return l.open(l.nameAt(time.Now()))
}

// Write writes a whole line, to the file of its time.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rotation != scripting.Single {
		if name := l.nameAt(time.Now()); name != l.name {
			fault := ""
			if err := l.open(name); err != nil {
				fault = err.Error()
			}
			if fault != "" && fault != l.fault {
				fmt.Fprintf(l.f, "%s: this file goes on\n", fault)
			}
			l.fault = fault
		}
	}
	return l.f.Write(b)
}

// onTerminal says whether the log goes to the standard error.
func (l *logFile) onTerminal() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name == ""
}

// give has the file belong to who we are about to become, and those to come.
func (l *logFile) give(to *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner = to; l.name != "" {
		to.give(l.f)
	}
}

// onOpen is told of every file, first of the one that is open.
func (l *logFile) onOpen(fn func(*os.File)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = fn
	if l.name != "" {
		fn(l.f)
	}
}

// close closes the file, if there is one. Under mu, or when all is over.
func (l *logFile) close() {
	if l.name != "" {
		l.f.Close()
	}
}

// output is where a script prints to. What comes before that is known is held.
type output struct {
	mu   sync.Mutex
	w    io.Writer // nil: not known yet
	held []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		o.held = append(o.held, b...)
		return len(b), nil
	}
	return o.w.Write(b)
}

// to says where it goes.
func (o *output) to(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = w
	if len(o.held) > 0 {
		w.Write(o.held)
		o.held = nil
	}
}

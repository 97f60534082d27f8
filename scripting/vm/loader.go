package vm

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Loader compiles script files and keeps the result for all VMs of one
// generation. Any goroutine may use it.
type Loader struct {
	dir    string
	mu     sync.Mutex // guards what follows; held while a file compiles, so that it compiles once
	chunks map[string]loaded
	files  []string
	seen   map[string]bool
	missed map[string]bool // of those, the ones that were looked for and not there
}

type loaded struct {
	stamp stamp
	chunk *Chunk
	src   string
	err   *Error
}

// NewLoader makes a loader for scripts below dir; chunk names are relative to it.
func NewLoader(dir string) *Loader {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Loader{dir: dir, chunks: map[string]loaded{}, seen: map[string]bool{}, missed: map[string]bool{}}
}

// Dir is the directory that chunk names are relative to.
func (l *Loader) Dir() string { return l.dir }

// Load returns the compiled file, from the cache when it was loaded before. A
// file that does not exist or does not compile is remembered as such: a
// generation is one state of the tree.
func (l *Loader) Load(path string) (*Chunk, *Error) {
	path = l.abs(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.chunks[path]; ok {
		return c.chunk, c.err
	}
	return l.read(path)
}

// Reload is Load for dofile and loadfile, which promise what is on disk now: a
// file that changed since it was read is read again.
func (l *Loader) Reload(path string) (*Chunk, *Error) {
	path = l.abs(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.chunks[path]; ok && c.stamp == stampOf(path) {
		return c.chunk, c.err
	}
	return l.read(path)
}

func (l *Loader) read(path string) (*Chunk, *Error) {
	l.note(path)
	name := l.nameOf(path)
	at := stampOf(path)
	src, err := readFile(path)
	if err != nil {
		e := &Error{Kind: KindSyntax, File: name, Message: "cannot open " + name + ": " + reason(err)}
		l.chunks[path] = loaded{stamp: at, err: e}
		return nil, e
	}
	c, e := Compile(path, "@"+name, src)
	l.chunks[path] = loaded{at, c, string(src), e}
	return c, e
}

// stamp tells one state of a file from another without reading it.
type stamp struct {
	size, time int64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{-1, 0}
	}
	return stamp{info.Size(), info.ModTime().UnixNano()}
}

// Note records a file that was looked at without being compiled, so that a
// change to it counts as a change of the script.
func (l *Loader) Note(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(l.abs(path))
}

// Missed is Note for a file that is not there.
func (l *Loader) Missed(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path = l.abs(path)
	l.note(path)
	l.missed[path] = true
}

// Seen says what was found at path when it was last looked at: its text, or
// that nothing could be read there. known is false for a path that was not
// looked at.
func (l *Loader) Seen(path string) (text string, there, known bool) {
	path = l.abs(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.chunks[path]; ok {
		return c.src, c.err == nil || c.src != "", true
	}
	return "", false, l.missed[path]
}

func (l *Loader) note(path string) {
	if !l.seen[path] {
		l.seen[path] = true
		l.files = append(l.files, path)
	}
}

// Files lists every file the loader has read or looked for, in that order.
func (l *Loader) Files() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.files...)
}

func (l *Loader) abs(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, path)
	}
	return filepath.Clean(path)
}

// nameOf is the name a file has in messages.
func (l *Loader) nameOf(path string) string {
	if rel, err := filepath.Rel(l.dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return path
}

// sourceLine is a line of a loaded file, as it was when it was loaded.
func (l *Loader) sourceLine(name string, n int) string {
	if n <= 0 || name == "" || name[0] == '[' {
		return ""
	}
	l.mu.Lock()
	c, ok := l.chunks[l.abs(name)]
	l.mu.Unlock()
	if !ok {
		return ""
	}
	return sourceLineOf(c.src, n)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if info.Size() > maxFile {
		return nil, &os.PathError{Op: "open", Path: path, Err: errTooLarge}
	}
	return os.ReadFile(path)
}

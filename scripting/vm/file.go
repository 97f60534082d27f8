package vm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// file is an open file of a script. Its work is done off the loop, on whatever
// goroutine the host uses; a wait that was cancelled may leave that goroutine
// behind; the lock makes the next operation wait for it.
type file struct {
	mu     sync.Mutex // held for the length of one operation
	f      *os.File
	path   string
	rd     *bufio.Reader
	wr     *bufio.Writer
	closed bool
	line   bool // setvbuf("line"): flush at newlines
	raw    bool // setvbuf("no"): no write buffer
	limit  int  // largest string one read may return
}

var (
	errBadMode = errors.New("Bad file descriptor") // as the C library puts it
	errTooMuch = errors.New("too much to read at once")
)

// openFile opens path with a mode of C's fopen.
func openFile(path, mode string, limit int) (*file, error) {
	flags, ok := map[string]int{
		"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREATE | os.O_TRUNC, "a": os.O_WRONLY | os.O_CREATE | os.O_APPEND,
		"r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREATE | os.O_TRUNC, "a+": os.O_RDWR | os.O_CREATE | os.O_APPEND,
	}[strings.Replace(mode, "b", "", 1)]
	if !ok {
		return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EINVAL}
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, err
	}
	x := &file{f: f, path: path, limit: limit}
	if flags&(os.O_WRONLY) == 0 {
		x.rd = bufio.NewReader(f)
	}
	if flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		x.wr = bufio.NewWriter(f)
	}
	// A script that forgets to close loses nothing.
	runtime.SetFinalizer(x, func(x *file) { _ = x.close() })
	return x, nil
}

// toRead prepares for reading: what was written must be on its way.
func (x *file) toRead() error {
	if x.rd == nil {
		return errBadMode
	}
	if x.wr != nil && x.wr.Buffered() > 0 {
		return x.wr.Flush()
	}
	return nil
}

// toWrite prepares for writing: the place is where the script has read to, not
// where the read-ahead stands.
func (x *file) toWrite() error {
	if x.wr == nil {
		return errBadMode
	}
	if x.rd != nil && x.rd.Buffered() > 0 {
		_, err := x.f.Seek(int64(-x.rd.Buffered()), io.SeekCurrent)
		x.rd.Reset(x.f)
		return err
	}
	return nil
}

func (x *file) write(s string) error {
	if err := x.toWrite(); err != nil {
		return err
	}
	if _, err := x.wr.WriteString(s); err != nil {
		return err
	}
	if x.raw || x.line && strings.IndexByte(s, '\n') >= 0 {
		return x.wr.Flush()
	}
	return nil
}

// isClosed reports whether the script closed the file. While an operation is
// under way it is not.
func (x *file) isClosed() bool {
	if !x.mu.TryLock() {
		return false
	}
	defer x.mu.Unlock()
	return x.closed
}

// writeBuffered writes s if it only goes into the buffer, so that nothing can
// block.
func (x *file) writeBuffered(s string) (err error, done bool) {
	if !x.mu.TryLock() {
		return nil, false
	}
	defer x.mu.Unlock()
	if x.wr == nil || x.raw || x.line || len(s) > x.wr.Available() || x.rd != nil && x.rd.Buffered() > 0 {
		return nil, false
	}
	return x.write(s), true
}

// readyLine is the next line if it is in the read buffer already.
func (x *file) readyLine() (s string, ok bool) {
	if !x.mu.TryLock() {
		return "", false
	}
	defer x.mu.Unlock()
	if x.rd == nil || x.wr != nil && x.wr.Buffered() > 0 {
		return "", false
	}
	b, _ := x.rd.Peek(x.rd.Buffered())
	if bytes.IndexByte(b, '\n') < 0 {
		return "", false
	}
	s, ok, _ = x.readLine()
	return s, ok
}

func (x *file) flush() error {
	if x.wr == nil {
		return nil
	}
	return x.wr.Flush()
}

func (x *file) close() error {
	if x.closed {
		return nil
	}
	x.closed = true
	err := x.flush()
	return errors.Join(err, x.f.Close())
}

func (x *file) seek(whence int, offset int64) (int64, error) {
	if err := x.flush(); err != nil {
		return 0, err
	}
	if x.rd != nil {
		if whence == io.SeekCurrent {
			offset -= int64(x.rd.Buffered())
		}
		defer x.rd.Reset(x.f)
	}
	return x.f.Seek(offset, whence)
}

// readLine reads a line without its newline; ok is false at the end.
func (x *file) readLine() (s string, ok bool, err error) {
	var long []byte
	for {
		b, err := x.rd.ReadSlice('\n')
		if err == nil {
			b = b[:len(b)-1]
			if long == nil {
				return string(b), true, nil
			}
			return string(append(long, b...)), true, nil
		}
		long = append(long, b...)
		if len(long) > x.limit {
			return "", false, errTooMuch
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF {
			return string(long), len(long) > 0, nil
		}
		return "", false, err
	}
}

// readSome reads up to n bytes; ok is false at the end.
func (x *file) readSome(n int64) (s string, ok bool, err error) {
	if n == 0 {
		_, err := x.rd.Peek(1)
		if err == io.EOF {
			return "", false, nil
		}
		return "", err == nil, err
	}
	var b bytes.Buffer
	m, err := io.Copy(&b, io.LimitReader(x.rd, min(n, int64(x.limit)+1)))
	if m > int64(x.limit) {
		return "", false, errTooMuch
	}
	return b.String(), m > 0, err
}

// readNumber reads what scanf's %lf would.
func (x *file) readNumber() (f float64, ok bool, err error) {
	var text []byte
	for {
		c, err := x.rd.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, false, err
		}
		if len(text) == 0 && isSpace(c) {
			continue
		}
		if len(text) >= 200 || !isDigit(c) && !isAlpha(c) && strings.IndexByte("+-.", c) < 0 {
			_ = x.rd.UnreadByte()
			break
		}
		text = append(text, c)
	}
	f, ok = parseNumber(string(text))
	return f, ok, nil
}

package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A file goes from the page cache to the socket by sendfile(2), without a copy.
// Only what is in the page cache is sent by whoever flushes: what is not is
// read in by a helper first, so that a slow disk stalls no loop.

const (
	maxFiles   = 64      // files in one outbox: each holds a descriptor
	fileWindow = 1 << 20 // bytes of a file made ready at once
	fileBudget = 1 << 20 // bytes of files that one flush writes, so that one client does not hold its loop
	needFile   = -1      // a sender that waits for a place among the files
)

// What can be wrong with a file that is to be sent.
var (
	// ErrNoFile: there is no such file.
	ErrNoFile = &Errno{"no_such_file", 2, "there is no such file"}
	// ErrFileAccess: the kernel refuses the file.
	ErrFileAccess = &Errno{"permission_denied", 13, "the file may not be read"}
	// ErrNotRegular: a directory, a pipe, a device.
	ErrNotRegular = &Errno{"not_a_regular_file", 22, "only regular files can be sent"}
	// ErrFileRange: offset and length are not within the file.
	ErrFileRange = &Errno{"file_range", 505, "offset and length are not within the file"}
	// ErrDescriptors: the process has no file descriptor left.
	ErrDescriptors = &Errno{"out_of_descriptors", 24, "no file descriptor is left"}
	// ErrFile: what else the kernel may say of a file.
	ErrFile = &Errno{"file_error", 5, "the file cannot be read"}
)

// filePart is a piece of a file in an outbox. Under the session's mu.
type filePart struct {
	path    string
	fd      int
	off     int64 // of the next byte to send
	left    int64 // bytes to send
	ready   int64 // the file is in memory up to here
	reading bool  // a helper reads the next window in
	gone    bool  // the outbox has dropped it: the helper closes it
	behind  pile  // what was sent after it
}

// openPart opens length bytes of a file from offset; length 0 means up to its
// end. It may block.
func openPart(path string, offset, length int64) (*filePart, error) {
	if offset < 0 || length < 0 {
		return nil, ErrFileRange.says("offset %d, length %d: neither may be negative", offset, length)
	}
	var fd int
	var err error
	for {
		// O_NONBLOCK: to open a pipe would wait for its writer.
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
		err = fileError(path, err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = ErrNotRegular.says("%s is not a regular file", path)
	case offset >= st.Size || length > st.Size-offset:
		err = ErrFileRange.says("%s has %d bytes: offset %d, length %d is not in it", path, st.Size, offset, length)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if length == 0 {
		length = st.Size - offset
	}
	return &filePart{path: path, fd: fd, off: offset, left: length, ready: offset}, nil
}

// fileError names what the kernel says of a file.
func fileError(path string, err error) error {
	e := ErrFile
	switch err {
	case unix.ENOENT, unix.ENOTDIR:
		e = ErrNoFile
	case unix.EACCES, unix.EPERM:
		e = ErrFileAccess
	case unix.EMFILE, unix.ENFILE:
		e = ErrDescriptors
	}
	return e.says("%s: %v", path, err)
}

func (f *filePart) close() {
	if f.reading {
		f.gone = true
	} else {
		unix.Close(f.fd)
	}
}

// Sendfile queues length bytes of a file from offset (length 0: up to its end)
// behind what was sent before. The file is opened before it returns, by a
// helper while the fiber waits; who may wait for room is as with Send. Baton
// holder.
func (f *Fiber) Sendfile(s *Session, path string, offset, length int64) error {
	s.mu.Lock()
	err := s.takesOutput()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	var part *filePart
	var failed error
	var handed atomic.Bool // whoever is second knows what the first has done
	err = f.Block("server:sendfile", func(context.Context) {
		part, failed = openPart(path, offset, length)
		if handed.Swap(true) && failed == nil {
			part.close() // the fiber was cancelled meanwhile
		}
	})
	if err != nil {
		if handed.Swap(true) && failed == nil {
			part.close()
		}
		return err
	}
	if failed != nil {
		return failed
	}
	put := func() error { return s.sendPart(f.loop, part) }
	if err = put(); err == ErrOutboxFull {
		err = f.whenRoom("server:sendfile", s, needFile, put)
	}
	if err != nil {
		part.close()
	}
	return err
}

// sendPart is send for a file.
func (s *Session) sendPart(from *Loop, f *filePart) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	opts := s.port.opts.Load()
	if err := s.takesOutput(); err != nil {
		return err
	}
	if !s.out.fits(needFile, opts.OutboxBytes) {
		return ErrOutboxFull
	}
	u := s.out.unusual()
	u.files = append(u.files, f)
	u.fileBytes += int(f.left)
	s.out.bytes += int(f.left)
	s.accepted(from, int(f.left), opts)
	if from != nil && from == s.worker.Load() {
		from.makeDirty(s)
		return nil
	}
	s.flush(nanotime())
	return nil
}

// fileStep is what came of an attempt to write a file.
type fileStep uint8

const (
	fileWritten fileStep = iota
	fileWaits            // a helper or the reactor goes on
	fileLost             // the session is broken
)

// writeFile writes of the file that is first in the outbox. Under mu.
func (s *Session) writeFile(budget *int) (n int, errno syscall.Errno, step fileStep) {
	u := s.out.rare
	f := u.files[0]
	if f.reading || f.off >= f.ready && !s.makeReady(f) {
		return 0, 0, fileWaits
	}
	if *budget <= 0 {
		s.blocked = true
		s.tellReactor()
		return 0, 0, fileWaits
	}
	n, err := unix.Sendfile(int(s.fd), f.fd, &f.off, int(min(f.left, f.ready-f.off, int64(*budget))))
	switch {
	case err == unix.EINTR:
		return 0, 0, fileWritten
	case err == nil && n == 0:
		s.fileFault(f, "it has become shorter while it was sent")
		return 0, 0, fileLost
	case err == unix.EIO || err == unix.EOVERFLOW:
		s.fileFault(f, err.Error())
		return 0, 0, fileLost
	case err != nil:
		return 0, err.(syscall.Errno), fileWritten
	}
	*budget -= n
	f.left -= int64(n)
	u.fileBytes -= n
	if f.left == 0 {
		s.out.pile = f.behind
		u.files[0] = nil
		if u.files = u.files[1:]; len(u.files) == 0 {
			u.files = nil
		}
		f.close()
	}
	return n, 0, fileWritten
}

// fileFault ends a session to which a file cannot be sent to its end: what
// comes behind it would be taken for its rest.
func (s *Session) fileFault(f *filePart, what string) {
	s.port.eng.log.Error("sendfile: "+what, "fd", s.id, "reason", SendfileFailed, "file", f.path, "unsent", f.left)
	s.breakOff(SendfileFailed, 0)
}

// makeReady reports whether the next window of the file is in memory. If it is
// not, a helper reads it and goes on. Under mu.
func (s *Session) makeReady(f *filePart) bool {
	end := f.off + min(f.left, fileWindow)
	if f.inMemory(f.off) && f.inMemory(end-1) {
		f.ready = end
		return true
	}
	f.reading = true
	e := s.port.eng
	e.blocking.Add(1)
	e.helpers.Add(1)
	go func() {
		defer e.helpers.Done()
		defer e.blocking.Add(-1)
		err := f.readIn(end)
		s.mu.Lock()
		defer s.mu.Unlock()
		f.reading, f.ready = false, end
		switch {
		case f.gone:
			f.close()
			return
		case err != nil:
			s.fileFault(f, err.Error())
			return
		}
		s.flush(nanotime())
		if s.state != open {
			s.tellReactor()
		}
	}()
	return false
}

// inMemory asks the page cache for one byte. Where it cannot be asked, no.
func (f *filePart) inMemory(at int64) bool {
	var b [1]byte
	n, err := unix.Preadv2(f.fd, [][]byte{b[:]}, at, unix.RWF_NOWAIT)
	return err == nil && n >= 0 // 0: behind the end, which is for sendfile to find
}

// readIn reads the file up to end into the page cache.
func (f *filePart) readIn(end int64) error {
	buf := make([]byte, 128<<10)
	for at := f.ready; at < end; {
		n, err := unix.Pread(f.fd, buf[:min(end-at, int64(len(buf)))], at)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return nil // sendfile finds it shorter
		}
		at += int64(max(n, 0))
	}
	return nil
}

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxPath is what a unix address can hold of a path, or of a name with its @.
const maxPath = 107

// checkPath refuses what cannot be the address of a unix socket.
func checkPath(path string) error {
	switch {
	case path == "" || path == "@":
		return errors.New("a unix socket needs a path, or a name as in @name")
	case strings.ContainsRune(path, 0):
		return errors.New("the path has a zero byte in it")
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes, and a unix socket's may have %d", len(path), maxPath)
	}
	return nil
}

// openUnix makes the socket of a path or of an abstract name.
func (p *Port) openUnix(want *PortOptions) (int, error) {
	path := want.Host
	if err := checkPath(path); err != nil {
		return -1, err
	}
	how := unix.SOCK_STREAM
	if p.kind.Packets() {
		how = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_UNIX, how|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if path[0] == '@' {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		if err == unix.EADDRINUSE {
			err = fmt.Errorf("%w: another server has that name", err)
		}
	} else {
		p.path, err = bindPath(fd, path, want.SocketMode)
	}
	if err == nil {
		err = want.open(fd, p.kind)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// socketFile is the file of a unix socket that we have made, and remove.
type socketFile struct {
	path string
	dev  uint64
	ino  uint64
	made unix.Timespec
}

// bindPath binds fd to a path that is free, or at which there is a socket that
// nobody listens on any more. The file is mode's from its first moment on.
func bindPath(fd int, path string, mode uint32) (*socketFile, error) {
	if err := unix.Fchmod(fd, mode); err != nil { // bind takes it from here, less the umask
		return nil, err
	}
	err := unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == unix.EADDRINUSE {
		err = rebind(fd, path)
	}
	if err == unix.ENOENT || err == unix.ENOTDIR {
		err = fmt.Errorf("%w: there is no directory %s", err, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	// The directory we are in may be another one when the file is removed.
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	f := &socketFile{path: full}
	if err := f.setMode(mode); err != nil {
		os.Remove(full)
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return nil, err
	}
	f.dev, f.ino, f.made = uint64(st.Dev), st.Ino, st.Mtim
	return f, nil
}

// rebind binds fd to a path at which there is something. Only one process at a
// time may look and then remove: both hold the directory meanwhile.
func rebind(fd int, path string) error {
	unlock := lockDir(filepath.Dir(path))
	defer unlock()
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err == unix.ENOENT: // gone just now
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return fmt.Errorf("%w: there is a file at this path that is no socket (it is left alone)", unix.EADDRINUSE)
	default:
		if err := abandoned(path); err != nil {
			return err
		}
		if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
			return fmt.Errorf("nobody listens at this path any more, but the file cannot be removed: %w", err)
		}
	}
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

// abandoned is nil if nobody listens on the socket at path. It asks with a type
// of socket that no server here has: a living one refuses the type, and is not
// disturbed by a client that leaves at once.
func abandoned(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED, unix.ENOENT:
		return nil
	case nil, unix.EPROTOTYPE, unix.EAGAIN:
		return fmt.Errorf("%w: another server listens at this path", unix.EADDRINUSE)
	case unix.EACCES:
		return fmt.Errorf("%w: there is a socket of another user at this path", unix.EADDRINUSE)
	default:
		return err
	}
}

// lockDir keeps other servers that look for abandoned sockets out of dir. Where
// that cannot be done it does nothing.
func lockDir(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK || time.Now().After(end) {
			return func() { d.Close() }
		}
	}
}

// setMode gives the file mode, whatever the umask was.
func (f *socketFile) setMode(mode uint32) error { return unix.Chmod(f.path, mode) }

// remove removes the file, if it still is the one that was made.
func (f *socketFile) remove() {
	var st unix.Stat_t
	if unix.Lstat(f.path, &st) == nil && uint64(st.Dev) == f.dev && st.Ino == f.ino && st.Mtim == f.made {
		unix.Unlink(f.path)
	}
}

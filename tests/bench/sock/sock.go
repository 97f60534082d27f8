// Package sock has the few system calls that the echo server barego and the
// load client make for every message, in the cheapest form Go has for them.
// Descriptors are always non-blocking, so none of the raw calls here can hold
// a thread: they skip the bookkeeping by which the Go scheduler learns that a
// thread may block.
package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads what is there. n == 0 with errno 0 is the end of the stream.
func Recv(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// Send writes what the socket takes; a peer that is gone is an errno, no signal.
func Send(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// TryLater reports whether errno only says that nothing could be done now.
func TryLater(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }

// Poller is a level-triggered epoll.
type Poller struct {
	fd     int
	events []unix.EpollEvent
}

// NewPoller makes a poller that reports at most batch descriptors at a time.
func NewPoller(batch int) (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Poller{fd: fd, events: make([]unix.EpollEvent, batch)}, nil
}

// Close gives the descriptor back.
func (p *Poller) Close() { unix.Close(p.fd) }

// Add begins to watch fd for mask.
func (p *Poller) Add(fd int, mask uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
}

// Change watches fd, known already, for mask instead.
func (p *Poller) Change(fd int, mask uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
}

// Wait returns the descriptors that are ready, waiting ns for the first of
// them; ns < 0 waits for ever. It looks first, unseen by the scheduler, and
// only when there is nothing blocks in a way that the scheduler knows of: a
// busy loop never pays for the second. The result lasts until the next call.
func (p *Poller) Wait(ns int64) ([]unix.EpollEvent, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), 0, 0, 0)
	if n == 0 && errno == 0 && ns != 0 {
		ts := unix.NsecToTimespec(ns)
		limit := &ts
		if ns < 0 {
			limit = nil
		}
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), uintptr(unsafe.Pointer(limit)), 0, 0)
	}
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, errno
	}
	return p.events[:n], nil
}

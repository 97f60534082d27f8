package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The few system calls that are made for every message, in the cheapest form
// that Go has for them. Descriptors never block, so that none of the raw calls
// here can hold a thread: they skip the bookkeeping by which the Go scheduler
// learns that a thread may block.

// recv reads what is there. n == 0 with errno 0 is the end of the stream.
func recv(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// send writes what the socket takes; a peer that is gone is an errno, no signal.
func send(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// tryLater reports whether errno only says that nothing could be done now.
func tryLater(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }

// poller is a level-triggered epoll.
type poller struct {
	fd     int
	events []unix.EpollEvent
}

func newPoller(batch int) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{fd: fd, events: make([]unix.EpollEvent, batch)}, nil
}

func (p *poller) close() { unix.Close(p.fd) }

// add begins to watch fd for mask.
func (p *poller) add(fd int, mask uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
}

// change watches fd, known already, for mask instead.
func (p *poller) change(fd int, mask uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
}

// wait returns the descriptors that are ready, waiting ns for the first of
// them. It looks first, unseen by the scheduler, and only when there is nothing
// blocks in a way that the scheduler knows of: a busy thread never pays for the
// second. The result lasts until the next call.
func (p *poller) wait(ns int64) ([]unix.EpollEvent, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), 0, 0, 0)
	if n == 0 && errno == 0 && ns > 0 {
		limit := unix.NsecToTimespec(ns)
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), uintptr(unsafe.Pointer(&limit)), 0, 0)
		if errno == unix.ENOSYS { // before Linux 5.11 there are milliseconds
			n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), uintptr((ns+999999)/1000000), 0, 0)
		}
	}
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, errno
	}
	return p.events[:n], nil
}

package engine

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents bounds what one poll brings, and so the length of a turn.
const maxEvents = 256

// poller is one epoll instance. It is polled with time-out 0 by a raw system
// call, which never blocks and so need not tell the scheduler; to wait, its own
// descriptor is watched by Go's netpoller, so that a waiting loop costs no
// thread and its baton can be taken by anyone who has work for it.
//
// Owned by the baton holder; wait is left with the one fiber that calls it.
type poller struct {
	fd     int
	file   *os.File
	raw    syscall.RawConn
	events [maxEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// poll fetches events without waiting.
func (p *poller) poll() int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), maxEvents, 0, 0, 0)
	if errno != 0 {
		return 0 // EINTR: the next turn polls again
	}
	return int(n)
}

// wait calls try, and again each time something may be ready, until it is true.
// It reports false once the poller is closed.
func (p *poller) wait(try func(uintptr) bool) bool { return p.raw.Read(try) == nil }

func (p *poller) close() { p.file.Close() }

// An armed descriptor carries its session's slot and a sequence tag, so that a
// late event for a slot that was used again is seen and dropped.
func epollEvent(interest uint32, slot, tag int32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: interest, Fd: slot, Pad: tag}
}

func (p *poller) add(fd int, interest uint32, slot, tag int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, epollEvent(interest, slot, tag))
}

func (p *poller) mod(fd int, interest uint32, slot, tag int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, epollEvent(interest, slot, tag))
}

func (p *poller) del(fd int) {
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, &unix.EpollEvent{})
}

// recv reads once, without blocking; it retries only when a signal came first.
func recv(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// transmit writes once, without blocking and without SIGPIPE. flags are more
// flags of sendto.
func transmit(fd int, p *byte, n, flags int) (int, syscall.Errno) {
	for {
		w, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(p)), uintptr(n), uintptr(unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|flags), 0, 0)
		if errno != unix.EINTR {
			return int(w), errno
		}
	}
}

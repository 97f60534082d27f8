package engine

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ticker tells that time passes, by a clock of the kernel's. One of Go's would
// be the time-out of each wait of a loop for its poller, and to set the
// machine's own timer anew for every sleep of some microseconds costs more than
// the sleep. One goroutine at a time.
type ticker struct {
	file *os.File
	raw  syscall.RawConn
	fd   int
}

func newTicker() (*ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &ticker{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.file.Close()
		return nil, err
	}
	return t, nil
}

// every makes it tick every d from now on; 0 stops it.
func (t *ticker) every(d time.Duration) {
	each := unix.NsecToTimespec(int64(d))
	if err := unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Interval: each, Value: each}, nil); err != nil {
		panic(fmt.Sprintf("engine: a clock of the kernel's cannot be set to %s: %v", d, err)) // not with what is asked here
	}
}

// wait waits for the next tick; ticks that nobody waited for are one. The
// goroutine waits in Go's poller, and reads unseen by the scheduler, which else
// would wake a thread to watch it.
func (t *ticker) wait() {
	t.raw.Read(func(fd uintptr) bool {
		var ticks uint64
		_, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&ticks)), unsafe.Sizeof(ticks))
		return errno != unix.EAGAIN
	})
}

func (t *ticker) close() { t.file.Close() }

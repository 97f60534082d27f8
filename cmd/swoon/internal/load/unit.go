package load

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processCPU returns the time that process pid has run so far, in nanoseconds
// where times(2) counts ticks. It reads the process's own CPU clock: unlike the
// sum over /proc/PID/task it keeps the time of threads that have ended, and
// counts one that is running up to now.
func processCPU(pid int) (time.Duration, error) {
	const perProcess = 2 // the kind of clock, below the inverted process id
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|perProcess), &ts); err != nil {
		return 0, fmt.Errorf("pid: the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// unit measures the unit of cost: the CPU time of one bare send and one bare
// receive of 64 bytes over loopback TCP. What that takes changes from one
// moment to the next with whatever else the hardware does, so slices of it run
// all through a measurement, on the thread that makes the load.
type unit struct {
	from, to int // the two ends of a connection
	buf      [64]byte
	next     int64         // when the next slice is due
	spent    time.Duration // CPU time of the counted pairs
	pairs    int64
}

const (
	sliceEvery = int64(10 * time.Millisecond)
	sliceWarm  = 2 // pairs before the clock is read: the load has used the caches since
	slicePairs = 12
)

func newUnit() (*unit, error) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(l)
	u := &unit{from: -1, to: -1}
	err = func() error {
		if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if err := unix.Listen(l, 1); err != nil {
			return err
		}
		at, err := unix.Getsockname(l)
		if err != nil {
			return err
		}
		if u.from, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Connect(u.from, at); err != nil {
			return err
		}
		if u.to, _, err = unix.Accept4(l, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC); err != nil {
			return err
		}
		return unix.SetsockoptInt(u.from, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}()
	if err != nil {
		u.close()
		return nil, fmt.Errorf("a loopback connection for the unit of cost: %w", err)
	}
	return u, nil
}

func (u *unit) close() {
	for _, fd := range []int{u.from, u.to} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// threadCPU is what the calling thread has run so far.
func threadCPU() time.Duration {
	var ts unix.Timespec
	unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// slice makes a few pairs when they are due; count says whether to keep what
// they took.
func (u *unit) slice(now int64, count bool) {
	if u == nil || now < u.next {
		return
	}
	u.next = now + sliceEvery
	if !u.run(sliceWarm) {
		return
	}
	t := threadCPU()
	if u.run(slicePairs) && count {
		u.spent += threadCPU() - t
		u.pairs += slicePairs
	}
}

func (u *unit) run(pairs int) bool {
	for range pairs {
		if n, errno := send(u.from, u.buf[:]); errno != 0 || n != len(u.buf) {
			return false
		}
		if n, errno := recv(u.to, u.buf[:]); errno != 0 || n != len(u.buf) {
			return false
		}
	}
	return true
}

// usage is the server's CPU time while it is counted. The first thread reads
// the clock, at the moments between which it counts.
type usage struct{ from, took time.Duration }

func (u *usage) begin(g *generator) (err error) {
	if g.unit != nil && g.number == 0 {
		u.from, err = processCPU(g.PID)
	}
	return err
}

func (u *usage) end(g *generator) error {
	if g.unit == nil || g.number > 0 || u.from == 0 {
		return nil
	}
	t, err := processCPU(g.PID)
	u.took = t - u.from
	return err
}

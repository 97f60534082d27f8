//go:build amd64 || arm64

// Package rtmin takes SIGRTMIN. Go's runtime takes every signal but the first
// ones of real time, which belong to C libraries elsewhere; this program is
// linked to none that is asked. Without a taker the signal ends the process.
package rtmin

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signal is SIGRTMIN as C libraries count it.
const Signal = syscall.Signal(34)

// note is the eventfd that the handler writes to, and one is what it writes.
var (
	note int32
	one  uint64 = 1
)

// handler is called by the kernel on whichever thread the signal meets, in the
// middle of anything: it touches nothing that Go knows of. The kernel returns
// from it by way of restorer.
func handler()
func restorer()

// addresses are where these two lie.
func addresses() (handler, restorer uintptr)

// sigaction is the kernel's structure.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// Notify has the signal sent to c, from a goroutine of its own, as long as the
// process lives. A c without room blocks it. To be called once.
func Notify(c chan<- os.Signal) error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	note = int32(fd)
	const onStack, restart, hasRestorer = 0x08000000, 0x10000000, 0x04000000
	a := sigaction{flags: onStack | restart | hasRestorer, mask: ^uint64(0)}
	a.handler, a.restorer = addresses()
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(Signal), uintptr(unsafe.Pointer(&a)), 0, unsafe.Sizeof(a.mask), 0, 0)
	if errno != 0 {
		unix.Close(fd)
		return fmt.Errorf("rt_sigaction: %w", errno)
	}
	f := os.NewFile(uintptr(fd), "SIGRTMIN")
	go func() {
		for b := make([]byte, 8); ; {
			if _, err := f.Read(b); err != nil {
				return
			}
			c <- Signal
		}
	}()
	return nil
}

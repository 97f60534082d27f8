// Package ready tells when a descriptor can be read or written, without
// touching it: its flags stay, nothing is read. A small epoll instance watches
// it, and that one is watched by Go's poller, so a wait costs no thread.
package ready

import (
	"os"
	"sync"
	"syscall"
)

// Watch watches one descriptor. Any goroutine.
type Watch struct {
	fd   int
	ep   int // the epoll instance; poll owns it
	poll *os.File
	raw  syscall.RawConn
	tell func(read, write bool)

	mu   sync.Mutex
	busy bool // a goroutine waits
	over bool
}

// New watches a descriptor, and tells nothing yet. A file is refused with
// EPERM: it is always ready.
func New(fd int, tell func(read, write bool)) (*Watch, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err = syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: oneShot}); err == nil {
		err = syscall.SetNonblock(poll, true)
	}
	if err != nil {
		syscall.Close(poll)
		return nil, err
	}
	w := &Watch{fd: fd, ep: poll, poll: os.NewFile(uintptr(poll), "epoll"), tell: tell}
	if w.raw, err = w.poll.SyscallConn(); err != nil {
		w.poll.Close()
		return nil, err
	}
	return w, nil
}

// oneShot is EPOLLONESHOT: what has been told is not told again until Arm.
const oneShot = 1 << 30

// Arm has tell called once when the descriptor can be read or written, as asked
// for, on a goroutine of its own. Errors and hang-ups count as both. A later Arm
// replaces an earlier one that has told nothing yet.
func (w *Watch) Arm(read, write bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return os.ErrClosed
	}
	ev := syscall.EpollEvent{Events: oneShot}
	if read {
		ev.Events |= syscall.EPOLLIN | syscall.EPOLLRDHUP
	}
	if write {
		ev.Events |= syscall.EPOLLOUT
	}
	if err := syscall.EpollCtl(w.ep, syscall.EPOLL_CTL_MOD, w.fd, &ev); err != nil {
		return err
	}
	if !w.busy && (read || write) {
		w.busy = true
		go w.wait()
	}
	return nil
}

// wait waits for one event.
func (w *Watch) wait() {
	var list [1]syscall.EpollEvent
	n := 0
	err := w.raw.Read(func(fd uintptr) bool {
		for {
			var err error
			if n, err = syscall.EpollWait(int(fd), list[:], 0); err != syscall.EINTR {
				return n > 0 || err != nil
			}
		}
	})
	w.mu.Lock()
	w.busy = false
	over := w.over
	w.mu.Unlock()
	if over || err != nil || n <= 0 {
		return
	}
	const failed = syscall.EPOLLERR | syscall.EPOLLHUP
	bits := list[0].Events
	w.tell(bits&(syscall.EPOLLIN|syscall.EPOLLRDHUP|failed) != 0, bits&(syscall.EPOLLOUT|failed) != 0)
}

// Stop ends the watch. What is being told still may be.
func (w *Watch) Stop() {
	w.mu.Lock()
	over := w.over
	w.over = true
	w.mu.Unlock()
	if !over {
		w.poll.Close()
	}
}

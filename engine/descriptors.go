package engine

import (
	"os"
	"syscall"
)

// spareDescriptors are what a server needs beside its sessions and what is open
// at its start: a script that is read again, a log that is rotated, clients of
// the script's own.
const spareDescriptors = 32

// sessionsThatFit is how many sessions this process has descriptors for, once
// it has raised its limit as far as it may; 0 if that cannot be found out.
func sessionsThatFit() (sessions int, limit uint64) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, 0
	}
	if l.Cur < l.Max { // Go does this when a program starts; somebody may have undone it
		raised := syscall.Rlimit{Cur: l.Max, Max: l.Max}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	open, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0
	}
	return max(int(min(l.Cur, 1<<31))-len(open)-spareDescriptors, 1), l.Cur
}

// checkDescriptors says so if max_connection cannot be reached. Clients for
// whom there is no descriptor wait in the kernel: that is a matter for whoever
// set the limits, and no reason not to start.
func (e *Engine) checkDescriptors() {
	want := e.Limits().MaxSessions
	if want == DefaultMaxSessions {
		return // nobody has asked for so many
	}
	if n, limit := sessionsThatFit(); n > 0 && n < want {
		e.log.Warn("max_connection cannot be reached: the process may have too few descriptors (raise ulimit -n or LimitNOFILE=, or lower max_connection)",
			"max_connection", want, "descriptors", limit, "sessions_that_fit", n)
	}
}

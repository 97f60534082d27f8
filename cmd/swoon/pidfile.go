package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pidFile is the file that names this process while it runs. It is locked, so
// that two servers never share one; the lock goes with the process, whatever
// becomes of the file.
type pidFile struct {
	path string
	f    *os.File
}

// openPidFile writes the file. It refuses one that is of a process that runs,
// and one that is no pid file at all. stale is the process that has left it
// behind, if one has.
func openPidFile(path string) (p *pidFile, stale int, err error) {
	fail := func(format string, args ...any) (*pidFile, int, error) {
		return nil, 0, fmt.Errorf("pid_file %s: %w", path, fmt.Errorf(format, args...))
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
		if errors.Is(err, unix.ELOOP) {
			return fail("it is a link: name the file itself")
		}
		if err != nil {
			return nil, 0, fmt.Errorf("pid_file: %w", err)
		}
		p = &pidFile{path, f}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		text, _ := io.ReadAll(io.LimitReader(f, 100))
		words := strings.TrimSpace(string(text))
		pid, notNumber := strconv.Atoi(words)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return fail("the server that it belongs to is running, process %s", words)
		case err != nil:
			f.Close()
			return fail("cannot be locked: %w", err)
		case !p.there():
			f.Close() // its owner has just removed it: once more
			continue
		case words != "" && (notNumber != nil || pid <= 0):
			f.Close()
			return fail("it holds %.40q and no process id: name another file", words)
		case words != "" && pid != os.Getpid() && runs(pid):
			f.Close()
			return fail("it names process %d (%s), which runs: remove the file if that is another program", pid, commandOf(pid))
		}
		if words != "" {
			stale = pid
		}
		line := fmt.Sprintln(os.Getpid())
		if err := f.Truncate(0); err != nil {
			f.Close()
			return fail("%w", err)
		}
		if _, err := f.WriteAt([]byte(line), 0); err != nil {
			f.Close()
			return fail("%w", err)
		}
		return p, stale, nil
	}
}

// there says whether the file is still the one of its name.
func (p *pidFile) there() bool {
	a, err := p.f.Stat()
	b, err2 := os.Stat(p.path)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// remove removes the file, if it is still ours. Where we may not remove it any
// more, as another user, it is left empty: nobody's.
func (p *pidFile) remove() error {
	if p == nil {
		return nil
	}
	defer p.f.Close()
	if !p.there() {
		return nil
	}
	err := os.Remove(p.path)
	if err != nil && p.f.Truncate(0) == nil {
		return nil
	}
	return err
}

// runs says whether there is a process with this id.
func runs(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

// commandOf names what a process runs.
func commandOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "of another user"
	}
	return strings.TrimSpace(string(b))
}

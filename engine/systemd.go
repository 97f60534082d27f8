package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Socket activation: the sockets that systemd, or who speaks like it, has
// opened for this process (sd_listen_fds(3)). A port takes one by its type, or
// by its name; the original stays open, so that a port that is removed can be
// added again.

// passedSocket is one of them.
type passedSocket struct {
	fd    int
	name  string
	kind  Kind // 0: of no use
	why   string
	taken bool
}

// passed are all of them. They belong to the process, not to an engine.
var passed struct {
	sync.Mutex
	read bool
	none string // why there are none
	list []*passedSocket
}

// readPassed reads the environment once, and clears it: what this process
// starts is not meant. With passed locked.
func readPassed() {
	if passed.read {
		return
	}
	passed.read = true
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	first, err := strconv.Atoi(os.Getenv("LISTEN_FDS_START"))
	if err != nil {
		first = 3
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_FDS_START"} {
		os.Unsetenv(name)
	}
	n, err := strconv.Atoi(count)
	switch {
	case count == "":
		passed.none = "no sockets were passed to this process (LISTEN_FDS is not set)"
	case pid != strconv.Itoa(os.Getpid()):
		passed.none = fmt.Sprintf("the sockets were passed to another process (LISTEN_PID is %s, this is %d)", pid, os.Getpid())
	case err != nil || n < 1:
		passed.none = fmt.Sprintf("no sockets were passed to this process (LISTEN_FDS is %s)", count)
	}
	if passed.none != "" {
		return
	}
	for i := range n {
		s := &passedSocket{fd: first + i, name: "unknown"}
		if i < len(names) && names[i] != "" {
			s.name = names[i]
		}
		unix.CloseOnExec(s.fd)
		s.kind, s.why = kindOf(s.fd)
		passed.list = append(passed.list, s)
	}
}

// kindOf finds out what kind of port a socket can be, or why none.
func kindOf(fd int) (Kind, string) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, "is no socket"
	}
	how, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	listens, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	kinds := map[[2]int]Kind{
		{unix.AF_INET, unix.SOCK_STREAM}: TCP, {unix.AF_INET6, unix.SOCK_STREAM}: TCP6, {unix.AF_UNIX, unix.SOCK_STREAM}: UnixStream,
		{unix.AF_INET, unix.SOCK_DGRAM}: UDP, {unix.AF_INET6, unix.SOCK_DGRAM}: UDP6, {unix.AF_UNIX, unix.SOCK_DGRAM}: UnixDgram,
	}
	k, ok := kinds[[2]int{domain, how}]
	switch {
	case !ok:
		return 0, "is of a type that is not served"
	case how == unix.SOCK_STREAM && listens == 0:
		return 0, "does not listen (Accept=yes in its unit?)"
	}
	return k, ""
}

// fits says whether a socket of kind has can be a port of kind want.
func fits(want, has Kind) bool {
	return want == has || want == TCP && has == TCP6 || want == UDP && has == UDP6
}

// openPassed takes a passed socket for the port.
func (p *Port) openPassed(want *PortOptions) (int, error) {
	if want.Port != 0 {
		return -1, fmt.Errorf("port %d: a socket from systemd has its own, so declare port 0", want.Port)
	}
	if want.ReusePort {
		return -1, errors.New("enable_reuse_port: the socket is bound already")
	}
	passed.Lock()
	defer passed.Unlock()
	readPassed()
	if passed.none != "" {
		return -1, errors.New(passed.none)
	}
	name, _ := systemdName(want.Host)
	var found *passedSocket
	for _, s := range passed.list {
		if !s.taken && fits(p.kind, s.kind) && (name == "" || name == s.name) {
			found = s
			break
		}
	}
	if found == nil {
		return -1, fmt.Errorf("none of the sockets that were passed fits: %s", passedList())
	}
	fd, err := unix.FcntlInt(uintptr(found.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, err
	}
	if err = unix.SetNonblock(fd, true); err == nil {
		err = want.open(fd, found.kind)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	p.kind, p.passed = found.kind, found
	found.taken = true
	return fd, nil
}

// passedList names the sockets for people. With passed locked.
func passedList() string {
	var list []string
	for _, s := range passed.list {
		text := fmt.Sprintf("'%s' (%v", s.name, s.kind)
		if s.kind == 0 {
			text = fmt.Sprintf("'%s' (%s", s.name, s.why)
		}
		if s.taken {
			text += ", taken"
		}
		list = append(list, text+")")
	}
	return strings.Join(list, ", ")
}

// Unclaimed names the sockets that systemd has passed and no port has taken:
// their clients would wait for ever. Empty if there are none.
func Unclaimed() []string {
	passed.Lock()
	defer passed.Unlock()
	readPassed()
	var list []string
	for _, s := range passed.list {
		switch {
		case s.kind == 0:
			list = append(list, fmt.Sprintf("'%s' %s", s.name, s.why))
		case !s.taken:
			list = append(list, fmt.Sprintf("'%s' (%v)", s.name, s.kind))
		}
	}
	return list
}

// giveBack lets another port have the socket that p took.
func (p *Port) giveBack() {
	if p.passed != nil {
		passed.Lock()
		p.passed.taken = false
		passed.Unlock()
		p.passed = nil
	}
}

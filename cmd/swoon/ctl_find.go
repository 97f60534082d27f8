package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"swoon/scripting"

	"golang.org/x/sys/unix"
)

// answerPatience is how long a server may take to answer a question that it
// can answer at once.
const answerPatience = 10 * time.Second

// link is a connection of a command to a server.
type link struct {
	*net.UnixConn
	in     *bufio.Reader
	path   string
	pid    int    // 0: it cannot be seen from here
	script string // absolute, as the server was given it; empty before who
}

// reach connects to a control socket and checks whose it is.
func reach(path string) (*link, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("%s is not a socket", path)
	}
	c, err := net.DialTimeout("unix", path, dialPatience)
	if err != nil {
		return nil, err
	}
	l := &link{UnixConn: c.(*net.UnixConn), in: bufio.NewReader(c), path: path}
	var cred *unix.Ucred
	raw, err := l.SyscallConn()
	if err == nil {
		var inner error
		err = raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
		err = errors.Join(err, inner)
	}
	if err == nil && cred.Uid != 0 && int(cred.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		err = fmt.Errorf("%s is answered by user %d", path, cred.Uid)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	l.pid = int(cred.Pid)
	return l, nil
}

func (l *link) ask(r scripting.AdminRequest, timeout time.Duration) (scripting.AdminAnswer, error) {
	return scripting.Ask(l, l.in, r, timeout)
}

// who asks the server for its script. It may be one of many, and not the one
// that is meant: it is not waited for long.
func (l *link) who() error {
	a, err := l.ask(scripting.AdminRequest{Cmd: "who"}, time.Second)
	if err == nil {
		l.script = a.Script
	}
	return err
}

// errNoServer: nobody serves the script.
type errNoServer struct {
	script string
	faults []error // directories that could not be looked into
	others []string
}

func (e *errNoServer) Error() string {
	text := "no server is running"
	if e.script != "" {
		text = "no server of " + e.script + " is running"
	}
	if len(e.others) > 0 {
		text += "; these are: " + strings.Join(e.others, ", ")
	}
	for _, err := range e.faults {
		text += "\n  not looked into: " + err.Error()
	}
	return text
}

// find connects to the servers of a script: at path if given; of all scripts
// where script is empty too.
func find(script, path string) ([]*link, error) {
	if path != "" {
		l, err := reach(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("no server has the control socket %s", path)
		}
		if err != nil {
			return nil, err
		}
		return []*link{l}, nil
	}
	all, faults := everyServer()
	if script == "" {
		if len(all) == 0 {
			return nil, &errNoServer{faults: faults}
		}
		return all, nil
	}
	real, err := realPath(script)
	if err != nil {
		return nil, err
	}
	mine, rest := split(all, func(l *link) bool { return named(l.path, real) })
	if len(mine) == 0 {
		// The script's path may have become another one's: a link was switched
		// since the server started. The server knows what it was given.
		abs, _ := filepath.Abs(script)
		mine, rest = split(rest, func(l *link) bool { return l.who() == nil && l.script == abs })
	}
	var others []string
	for _, l := range rest {
		if l.script == "" {
			l.who()
		}
		others = append(others, fmt.Sprintf("%s (pid %d)", l.script, l.pid))
		l.Close()
	}
	if len(mine) == 0 {
		return nil, &errNoServer{real, faults, others}
	}
	return mine, nil
}

// everyServer connects to all servers that are found.
func everyServer() (all []*link, faults []error) {
	for _, dir := range controlDirs() {
		if err := checkPrivate(dir); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, path := range sockets(dir) {
			if l, err := reach(path); err == nil {
				all = append(all, l)
			} else if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
				faults = append(faults, err)
			}
		}
	}
	return all, faults
}

// named says whether a socket's name is one of a script's.
func named(path, real string) bool {
	first := strings.TrimSuffix(socketName(real, 1), ".sock")
	name := strings.TrimSuffix(filepath.Base(path), ".sock")
	return name == first || strings.HasPrefix(name, first+".")
}

func split(all []*link, match func(*link) bool) (mine, rest []*link) {
	for _, l := range all {
		if match(l) {
			mine = append(mine, l)
		} else {
			rest = append(rest, l)
		}
	}
	return mine, rest
}

// findOne is find for a command that must not guess.
func findOne(script, path string) (*link, error) {
	list, err := find(script, path)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	text := fmt.Sprintf("%d servers of %s are running, say which:", len(list), script)
	for _, l := range list {
		text += fmt.Sprintf("\n  --socket %s (pid %d)", l.path, l.pid)
		l.Close()
	}
	return nil, errors.New(text)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is found by its script: its control socket lies in a directory that
// only its user may enter, under a name made from the script's real path. A
// second server of the same script gets the name with a number.

const (
	longestSocket = 107 // what fits into an address of the kernel
	mostServers   = 64  // of one script
	dialPatience  = 2 * time.Second
	lockPatience  = 3 * time.Second
)

// controlDirs are the directories in which control sockets may lie, the best
// first. A server takes the first that can be had; a command, which may have
// been started with another environment, looks into all.
func controlDirs() []string {
	var dirs []string
	add := func(dir string) {
		for _, d := range dirs {
			if d == dir {
				return
			}
		}
		dirs = append(dirs, dir)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		add(filepath.Join(dir, "swoon"))
	}
	uid := strconv.Itoa(os.Geteuid())
	if run := filepath.Join("/run/user", uid); isDir(run) {
		add(filepath.Join(run, "swoon"))
	}
	add(filepath.Join(os.TempDir(), "swoon-"+uid))
	return dirs
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// realPath is a script's path with no links in it, as far as it exists.
func realPath(script string) (string, error) {
	abs, err := filepath.Abs(script)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	return abs, nil
}

// socketName is the name of the n-th control socket of a script, from 1 on.
func socketName(real string, n int) string {
	sum := sha256.Sum256([]byte(real))
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, filepath.Base(real))
	name := base[:min(len(base), 32)] + "-" + hex.EncodeToString(sum[:8])
	if n > 1 {
		name += "." + strconv.Itoa(n)
	}
	return name + ".sock"
}

// openControl makes the control socket of a server: at path, or where the
// commands look for the script.
func openControl(script, path string) (*net.UnixListener, error) {
	if path != "" {
		return openNamed(path)
	}
	real, err := realPath(script)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, dir := range controlDirs() {
		l, err := openIn(dir, real)
		if err == nil {
			return l, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// openIn takes the first free name of a script in dir.
func openIn(dir, real string) (*net.UnixListener, error) {
	if err := checkParent(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(dir)
	for n := 1; n <= mostServers; n++ {
		path := filepath.Join(dir, socketName(real, n))
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) { // sweep has left those that answer
			return listenAt(path)
		}
	}
	return nil, fmt.Errorf("%d servers of this script have a control socket in %s already", mostServers, dir)
}

// openNamed makes a control socket at a path that the user chose.
func openNamed(path string) (*net.UnixListener, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := checkParent(dir); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	switch state, err := probe(path); state {
	case answers:
		return nil, fmt.Errorf("%s: another server has it", path)
	case foreign:
		return nil, err
	case stale:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return listenAt(path)
}

// listenAt binds a socket that only its owner may connect to, from the first
// moment on.
func listenAt(path string) (*net.UnixListener, error) {
	if len(path) > longestSocket {
		return nil, fmt.Errorf("%s: a socket's path has at most %d bytes, this one %d", path, longestSocket, len(path))
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Perm() != 0o600 {
		err = fmt.Errorf("%s has mode %04o instead of 0600", path, info.Mode().Perm())
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// What a path is that a socket may lie at.
type socketState int

const (
	absent  socketState = iota
	answers             // a server listens
	stale               // its server is gone
	foreign             // not a socket, or not ours
)

func probe(path string) (socketState, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return absent, err
	}
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = fmt.Errorf("%s is there and is not a socket", path)
	}
	if err == nil {
		err = checkOwner(path, info)
	}
	if err != nil {
		return foreign, err
	}
	c, err := net.DialTimeout("unix", path, dialPatience)
	if err == nil {
		c.Close()
		return answers, nil
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return stale, err
	}
	return answers, err // it is too busy to take us, or we may not
}

// sweep removes the sockets of servers that were killed. The caller has the
// lock, so none is about to listen.
func sweep(dir string) {
	for _, path := range sockets(dir) {
		if state, _ := probe(path); state == stale {
			os.Remove(path)
		}
	}
}

func sockets(dir string) []string {
	list, _ := filepath.Glob(filepath.Join(escape(dir), "*.sock"))
	return list
}

// escape makes a path that Glob takes as it is.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// lockDir keeps other servers from making sockets in dir meanwhile.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("%s is locked by another process: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// checkPrivate refuses a directory that others may enter, or that is theirs.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s may be entered by others (mode %04o): chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return checkOwner(dir, info)
}

// checkParent refuses a directory in which others may exchange what is ours.
func checkParent(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0:
		return fmt.Errorf("others may write to %s (mode %04o): a control socket is not safe there", dir, info.Mode().Perm())
	}
	if uid := owner(info); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: a control socket is not safe there", dir, uid)
	}
	return nil
}

func checkOwner(path string, info os.FileInfo) error {
	if uid := owner(info); uid != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to us (%d)", path, uid, os.Geteuid())
	}
	return nil
}

func owner(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

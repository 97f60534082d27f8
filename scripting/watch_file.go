package scripting

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// watchedFile is one path that is followed.
type watchedFile struct {
	path   string
	name   string    // in messages
	now    content   // when it was last looked at
	told   content   // what the other side knows of
	stamp  fileStamp // of the last look
	firm   bool      // while the stamp stays, so does the content
	doubt  bool      // an event spoke of it: do not trust the stamp
	looked bool      // in this burst
	fresh  bool      // not looked at before
}

// content is what lies at a path. The zero value is nothing that could be
// loaded: no file, no regular one, or one that may not be read.
type content struct {
	there bool
	size  int64
	sum   [sha256.Size]byte
}

func contentOf(text string) content {
	return content{true, int64(len(text)), sha256.Sum256([]byte(text))}
}

// fileStamp tells one state of a file from another without reading it.
type fileStamp struct {
	inode
	mode         uint32
	size         int64
	mtime, ctime int64
}

// unread is the content of a file of which only the stamp is known.
func unread(st fileStamp) content {
	return content{true, st.size, sha256.Sum256([]byte(time.Unix(0, st.mtime).String()))}
}

type inode struct{ dev, ino uint64 }

func stampFrom(st *syscall.Stat_t) fileStamp {
	return fileStamp{inode{uint64(st.Dev), st.Ino}, st.Mode, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

func (s fileStamp) regular() bool { return s.mode&syscall.S_IFMT == syscall.S_IFREG }

const (
	// largestHashed is how much of a file is read to know its content; a script
	// may not be larger. Beyond, a new time counts as a new content.
	largestHashed = 4 << 20
	// coarseTime is how far apart two changes may be and still get the same
	// time from a file system, with room for clocks that differ.
	coarseTime = 3 * time.Second
)

// inspect looks at the file, and reads it if it may have changed. It reports
// whether the file changed while it was being read.
func (f *watchedFile) inspect() (moving bool) {
	var st syscall.Stat_t
	if err := retry(func() error { return syscall.Stat(f.path, &st) }); err != nil {
		f.stamp, f.now, f.firm, f.doubt = fileStamp{}, content{}, true, false
		return false
	}
	stamp := stampFrom(&st)
	if stamp == f.stamp && f.firm && !f.doubt {
		return false
	}
	now := time.Now().UnixNano()
	f.stamp, f.doubt = stamp, false
	f.firm = max(stamp.mtime, stamp.ctime) < now-int64(coarseTime)
	switch {
	case !stamp.regular():
		f.now = content{}
	case stamp.size > largestHashed:
		f.now = unread(stamp)
	default:
		f.now, moving = f.read()
	}
	return moving
}

// read hashes the file. What it opens may be another file than the one that
// was looked at, even a pipe.
func (f *watchedFile) read() (c content, moving bool) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		// There is something, and nobody can read it now: the reload that
		// follows says so.
		return unread(f.stamp), false
	case err != nil:
		return content{}, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return content{}, true
	}
	text, err := io.ReadAll(io.LimitReader(file, largestHashed+1))
	if err != nil {
		return content{}, true
	}
	c = contentOf(string(text))
	info, err = file.Stat()
	return c, err != nil || stampFrom(info.Sys().(*syscall.Stat_t)) != f.stamp
}

// unfinished says that the file looks like a save in its middle: those that
// write in place empty it first, others move it away first.
func (f *watchedFile) unfinished() bool { return f.now != f.told && f.now.size == 0 }

// staleLock is the age at which git's lock is one that a crash has left.
const staleLock = time.Minute

// gitAtWork says whether git is changing the working tree that dir lies in: it
// holds the lock of its index from before the first file until after the last.
func gitAtWork(dir string) bool {
	for {
		git := filepath.Join(dir, ".git")
		if info, err := os.Lstat(git); err == nil {
			if !info.IsDir() { // of a second working tree: a file that says where
				text, _ := os.ReadFile(git)
				path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
				if !ok {
					return false
				}
				if git = path; !filepath.IsAbs(git) {
					git = filepath.Join(dir, path)
				}
			}
			lock, err := os.Lstat(filepath.Join(git, "index.lock"))
			return err == nil && time.Since(lock.ModTime()) < staleLock
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

package scripting

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
)

// route is where the ways to all files lead at the moment.
type route struct {
	// points are the names on the ways, by path without links: the files, links
	// and directories, and the first name that is missing.
	points map[string][]*watchedFile
	watch  map[string]*target
	names  map[string]step // what was found, so that each name is looked up once
}

// target is what must be watched. spare: it is of use, but nothing that is
// saved would be missed without it.
type target struct {
	id    inode
	spare bool
}

// step is what stands at one name.
type step struct {
	mode   uint32 // 0: nothing
	id     inode
	target string // of a link
}

// mostLinks is how many links the kernel follows on one way.
const mostLinks = 40

func (w *fileWatch) trace() *route {
	r := &route{points: map[string][]*watchedFile{}, watch: map[string]*target{}, names: map[string]step{}}
	for _, f := range w.files {
		r.walk(f)
	}
	return r
}

// walk goes to a file name by name, as the kernel does, and notes every
// directory and every name in it that decided the way. Where the way ends too
// early, the last directory is the one in which it may go on some day.
func (r *route) walk(f *watchedFile) {
	at, rest := "/", split(f.path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." { // of a link's target; at has no links
			at = filepath.Dir(at)
			continue
		}
		path := filepath.Join(at, name)
		s := r.step(path)
		dir := s.mode == syscall.S_IFDIR && len(rest) > 0
		r.note(f, at, path, dir)
		switch {
		case s.mode == syscall.S_IFLNK:
			if links++; links > mostLinks {
				return
			}
			if filepath.IsAbs(s.target) {
				at = "/"
			}
			rest = append(split(s.target), rest...)
		case dir:
			at = path
		default:
			if s.mode == syscall.S_IFREG {
				// What is written to it by another name, a hard link or the far end
				// of a bind mount, happens in another directory.
				r.watch[path] = &target{id: s.id, spare: true}
			}
			return
		}
	}
}

// note: dir must be watched for what happens to path. passing: that is a plain
// directory, which is gone through.
func (r *route) note(f *watchedFile, dir, path string, passing bool) {
	d := r.watch[dir]
	if d == nil {
		d = &target{id: r.step(dir).id, spare: true}
		r.watch[dir] = d
	}
	d.spare = d.spare && passing
	if files := r.points[path]; len(files) == 0 || files[len(files)-1] != f {
		r.points[path] = append(files, f)
	}
}

func (r *route) step(path string) step {
	s, ok := r.names[path]
	if ok {
		return s
	}
	var st syscall.Stat_t
	if err := retry(func() error { return syscall.Lstat(path, &st) }); err == nil {
		s = step{mode: st.Mode & syscall.S_IFMT, id: inode{uint64(st.Dev), st.Ino}}
		if s.mode == syscall.S_IFLNK {
			s.target = readLink(path)
		}
	}
	r.names[path] = s
	return s
}

func readLink(path string) string {
	b := make([]byte, syscall.PathMax)
	n, err := syscall.Readlink(path, b)
	if err != nil {
		return "" // it has just been replaced: its directory will tell
	}
	return string(b[:n])
}

// split cuts a path into its names.
func split(path string) []string {
	var names []string
	for _, name := range strings.Split(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

// plan finds the ways to all files anew and watches what they lead through. A
// way may change before its directories are watched, so it is found again until
// nothing had to be added. It reports whether a directory was added that files
// are saved in.
func (w *fileWatch) plan() (added bool) {
	var reasons []pollReason
	for range 10 {
		r := w.trace()
		w.points = r.points
		var n int
		var again bool
		n, again, reasons = w.watch(r.watch)
		added = added || n > 0
		if !again {
			break
		}
	}
	w.pollFor(reasons)
	return added
}

// watch watches these targets and no others. added counts the new ones that are
// not spare; again: the ways may have changed meanwhile.
func (w *fileWatch) watch(targets map[string]*target) (added int, again bool, reasons []pollReason) {
	if w.o.poll {
		return 0, false, []pollReason{{why: "it was asked for"}}
	}
	if w.fs == nil && len(targets) > 0 {
		if err := w.open(); err != nil {
			return 0, false, []pollReason{inotifyReason(err)}
		}
	}
	for path, id := range w.watched {
		if t := targets[path]; t == nil || t.id != id {
			w.unwatch(path)
		}
	}
	for path, t := range targets {
		if !t.spare {
			if fs := networkFS(path); fs != "" {
				reasons = append(reasons, networkReason(path, fs))
			}
		}
		if _, ok := w.watched[path]; ok {
			continue
		}
		err := retry(func() error { return w.fs.Add(path) })
		switch {
		case err == nil:
			w.watched[path] = t.id
			again = true
			if !t.spare {
				added++
			}
		case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR):
			again = true
		case errors.Is(err, syscall.EACCES) && t.spare:
			// A directory that may be gone through but not listed, as a home of
			// others: only its being replaced goes unseen.
		default:
			reasons = append(reasons, watchReason(path, err))
		}
	}
	return added, again, reasons
}

// unwatch forgets a target. The kernel may have done so already.
func (w *fileWatch) unwatch(path string) {
	if w.fs != nil {
		w.fs.Remove(path)
	}
	delete(w.watched, path)
}

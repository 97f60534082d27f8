package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pollReason is why files are looked at instead of being watched, and what can
// be done about it.
type pollReason struct {
	why, wayOut string
	level       slog.Level
}

func (w *fileWatch) open() error {
	fs, err := fsnotify.NewWatcher()
	if err == nil {
		w.fs, w.watched = fs, map[string]inode{}
	}
	return err
}

// pollFor begins to look at the files, or stops, and says each reason once.
func (w *fileWatch) pollFor(reasons []pollReason) {
	if len(reasons) == 0 {
		if w.look != nil {
			w.look.Stop()
			w.look = nil
		}
		return
	}
	if w.look == nil {
		w.look = time.NewTicker(w.o.look)
	}
	for _, r := range reasons {
		if w.said[r.why] {
			continue
		}
		w.said[r.why] = true
		text := fmt.Sprintf("the script's files are looked at every %v instead of being watched: %s", w.o.look, r.why)
		if r.wayOut != "" {
			text += "; " + r.wayOut
		}
		w.log.Log(context.Background(), r.level, text)
	}
}

// inotifyReason explains why there is no inotify instance.
func inotifyReason(err error) pollReason {
	r := pollReason{why: "inotify cannot be had: " + err.Error(), level: slog.LevelWarn}
	switch {
	case errors.Is(err, syscall.EMFILE):
		r.why = fmt.Sprintf("no inotify instance is left for this user (fs.inotify.max_user_instances%s) or no descriptor for this process", inotifyLimit("max_user_instances"))
		r.wayOut = "raise it, as with sysctl fs.inotify.max_user_instances=1024"
	case errors.Is(err, syscall.ENFILE):
		r.why = "the system has no descriptor left"
	case errors.Is(err, syscall.ENOSYS):
		r.why = "this kernel has no inotify"
	}
	return r
}

// watchReason explains why a directory or a file cannot be watched.
func watchReason(dir string, err error) pollReason {
	r := pollReason{why: fmt.Sprintf("%s cannot be watched: %v", dir, err), level: slog.LevelWarn}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		r.why = fmt.Sprintf("no inotify watch is left for this user (fs.inotify.max_user_watches%s)", inotifyLimit("max_user_watches"))
		r.wayOut = "raise it, as with sysctl fs.inotify.max_user_watches=524288"
	case errors.Is(err, syscall.EACCES):
		r.why = fmt.Sprintf("%s may not be listed by this user", dir)
		r.wayOut = "give it read permission"
	}
	return r
}

// networkReason: the kernel tells of what is done on this machine only. That is
// how such a file system is, not a fault.
func networkReason(dir, fs string) pollReason {
	return pollReason{why: fmt.Sprintf("%s lies on %s, where changes made elsewhere are not told", dir, fs), level: slog.LevelInfo}
}

// inotifyLimit is " is N", or nothing where it cannot be read.
func inotifyLimit(name string) string {
	b, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil {
		return ""
	}
	return " is " + strings.TrimSpace(string(b))
}

// networkTypes are the file systems that others may change without this
// kernel knowing, by the number statfs gives.
var networkTypes = map[uint32]string{
	0x6969:     "NFS",
	0x517B:     "SMB",
	0xFE534D42: "SMB",
	0xFF534D42: "CIFS",
	0x01021997: "9p",
	0x65735546: "FUSE",
	0x00C36400: "Ceph",
	0x5346414F: "AFS",
	0x6B414653: "AFS",
	0x73757245: "Coda",
	0x01161970: "GFS2",
	0x7461636F: "OCFS2",
	0x0BD00BD0: "Lustre",
	0x47504653: "GPFS",
	0x19830326: "BeeGFS",
	0xAAD7AAEA: "PanFS",
	0x564C:     "NCP",
	0x786F4256: "a VirtualBox folder",
	0x7C7C6673: "a Parallels folder",
	0xBACBACBC: "a VMware folder",
}

// networkFS names the network file system that dir lies on, if it does.
func networkFS(dir string) string {
	var st syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return ""
	}
	return networkTypes[uint32(st.Type)]
}

package scripting

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inNamespace runs the test again, by its name, in a user namespace of its own,
// as the given user of it: 0 may lower the kernel's limits there, and others
// have no privileges. It reports whether this is that run.
func inNamespace(t *testing.T, uid int) bool {
	const mark = "SWOON_TEST_NAMESPACE"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("no user namespace can be had: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a namespace: %v\n%s", err, out)
	}
	return false
}

// setLimit sets a limit of this user namespace and those below, as
// "max_inotify_instances=0". The files of the same kind in /proc/sys/fs/inotify
// are the whole machine's.
func setLimit(t *testing.T, limit string) {
	t.Helper()
	name, value, _ := strings.Cut(limit, "=")
	if err := os.WriteFile("/proc/sys/user/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func TestWatchWithoutInotifyInstances(t *testing.T) {
	if inNamespace(t, 0) {
		setLimit(t, "max_inotify_instances=0")
		pollsInstead(t, "max_inotify_instances", "fs.inotify.max_user_instances")
	}
}

func TestWatchWithoutInotifyWatches(t *testing.T) {
	if inNamespace(t, 0) {
		setLimit(t, "max_inotify_watches=2")
		pollsInstead(t, "max_inotify_watches", "fs.inotify.max_user_watches")
	}
}

// pollsInstead checks that a watch that cannot watch says so, once, finds
// changes nevertheless, and watches again when it can.
func pollsInstead(t *testing.T, limit, hint string) {
	w := newWatched(t, watchOptions{look: 5 * time.Millisecond})
	w.write("app.lua", "return 1\n")
	for i := range 5 {
		w.follows("app.lua", "lib/late.lua")
		w.write("app.lua", fmt.Sprintf("return %d\n", i+2))
		w.expect("app.lua")
	}
	w.write("lib/late.lua", "return 1\n")
	w.expect("lib/late.lua")
	if log := w.log.String(); strings.Count(log, "level=") != 1 || strings.Count(log, hint) != 2 || !strings.Contains(log, "every 5ms instead of being watched") {
		t.Errorf("log:\n%s", log)
	}
	setLimit(t, limit+"=1000")
	w.follows("app.lua", "lib/late.lua")
	w.write("app.lua", "return 'watched'\n")
	w.expect("app.lua")
	w.close()
	if w.look != nil || len(w.watched) < 3 {
		t.Errorf("still polls; watched: %v", w.watched)
	}
}

// A directory that may not be listed cannot be watched.
func TestWatchUnreadableDirectory(t *testing.T) {
	if !inNamespace(t, 1000) { // root may list any
		return
	}
	w := newWatched(t, watchOptions{look: 5 * time.Millisecond})
	w.write("shut/app.lua", "return 1\n")
	w.write("shut/lib/other.lua", "return 1\n")
	w.write("passed/open/app.lua", "return 1\n")
	w.sh("chmod 311 shut passed")
	defer w.sh("chmod 755 shut passed")
	w.follows("passed/open/app.lua")
	if log := w.log.String(); log != "" {
		t.Errorf("log:\n%s", log)
	}
	w.follows("shut/app.lua", "shut/lib/late.lua")
	w.write("shut/app.lua", "return 2\n")
	w.expect("shut/app.lua")
	if log := w.log.String(); !strings.Contains(log, "shut may not be listed by this user; give it read permission") {
		t.Errorf("log:\n%s", log)
	}
}

// On a file system of others the files are looked at too.
func TestWatchNetworkFS(t *testing.T) {
	for _, dir := range []string{"/", os.TempDir(), "/proc", "/nowhere"} {
		if fs := networkFS(dir); fs != "" && !strings.Contains(string(mounts(t)), fs) {
			t.Errorf("%s lies on %s", dir, fs)
		}
	}
	far := t.TempDir()
	near, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("bindfs"); err != nil {
		t.Skip("bindfs is not installed")
	}
	if out, err := exec.Command("bindfs", far, near).CombinedOutput(); err != nil {
		t.Skipf("no FUSE file system can be mounted: %v\n%s", err, out)
	}
	defer exec.Command("umount", near).Run()
	w := newWatched(t, watchOptions{look: 5 * time.Millisecond})
	defer w.close() // before the umount
	path := filepath.Join(far, "app.lua")
	if err := os.WriteFile(path, []byte("return 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.dir = near
	w.o.dir = near
	w.follows("app.lua")
	if err := os.WriteFile(path, []byte("return 2\n"), 0o644); err != nil { // from elsewhere
		t.Fatal(err)
	}
	w.expect("app.lua")
	if log := w.log.String(); !strings.Contains(log, near+" lies on FUSE") || strings.Contains(log, "WARN") {
		t.Errorf("log:\n%s", log)
	}
}

func mounts(t *testing.T) []byte {
	b, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ToUpper(string(b)))
}

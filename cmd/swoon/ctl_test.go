package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"swoon/scripting"
)

// runtimeDir is where control sockets lie during a test, and nowhere else.
func runtimeDir(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	return filepath.Join(dir, "swoon")
}

func mustOpen(t *testing.T, script, path string) *net.UnixListener {
	t.Helper()
	l, err := openControl(script, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestSocketIsItsOwnersOnly(t *testing.T) {
	dir := runtimeDir(t)
	old := syscall.Umask(0) // it is not the umask that protects it
	defer syscall.Umask(old)
	l := mustOpen(t, "app.lua", "")
	path := l.Addr().String()
	if filepath.Dir(path) != dir || mode(t, path) != 0o600 || mode(t, dir) != 0o700 {
		t.Errorf("%s: %04o in %04o", path, mode(t, path), mode(t, dir))
	}
	named := filepath.Join(t.TempDir(), "x.sock")
	if err := os.Chmod(filepath.Dir(named), 0o755); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, "app.lua", named)
	if mode(t, named) != 0o600 {
		t.Errorf("%04o", mode(t, named))
	}
	l.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays when it is closed")
	}
}

func TestUnsafeDirectoriesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string) error
		want  string
	}{
		"others may enter":     {func(t *testing.T, dir string) error { return mkdir(dir, 0o750) }, "may be entered by others (mode 0750): chmod 700 "},
		"a link":               {func(t *testing.T, dir string) error { return os.Symlink(t.TempDir(), dir) }, "is not a directory"},
		"a file":               {func(t *testing.T, dir string) error { return os.WriteFile(dir, nil, 0o600) }, "is not a directory"},
		"writable parent":      {func(t *testing.T, dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "(mode 0777): a control socket is not safe there"},
		"another's":            {func(t *testing.T, dir string) error { return foreignDir(t, dir) }, "belongs to user 65534, not to us"},
		"another's parent":     {func(t *testing.T, dir string) error { return chown(t, filepath.Dir(dir)) }, "belongs to user 65534: a control socket is not safe there"},
		"no parent":            {func(t *testing.T, dir string) error { return os.Remove(filepath.Dir(dir)) }, "no such file or directory"},
		"a path too long":      {func(t *testing.T, dir string) error { return longParent(t, dir) }, "a socket's path has at most 107 bytes"},
		"locked, and for long": {func(t *testing.T, dir string) error { return lock(t, dir) }, "is locked by another process"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := runtimeDir(t)
			if err := c.spoil(t, dir); err != nil {
				t.Fatal(err)
			}
			l, err := openControl("app.lua", "")
			if err == nil {
				l.Close()
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			// A command does not trust it either.
			if strings.HasPrefix(name, "others") || strings.HasPrefix(name, "another's") && !strings.Contains(name, "parent") {
				if _, err := find("app.lua", ""); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("find: %v, want %q", err, c.want)
				}
			}
		})
	}
}

func mkdir(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

func chown(t *testing.T, path string) error {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	return os.Chown(path, 65534, 65534)
}

func foreignDir(t *testing.T, dir string) error {
	if err := mkdir(dir, 0o700); err != nil {
		return err
	}
	return chown(t, dir)
}

func longParent(t *testing.T, dir string) error {
	long := filepath.Join(filepath.Dir(dir), strings.Repeat("x", 100))
	t.Setenv("XDG_RUNTIME_DIR", long)
	return os.Mkdir(long, 0o700)
}

func lock(t *testing.T, dir string) error {
	if err := mkdir(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err == nil {
		t.Cleanup(unlock)
	}
	return err
}

// killed leaves a socket as a server does that was killed.
func killed(t *testing.T, l *net.UnixListener) {
	t.Helper()
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestStaleSocketIsReplaced(t *testing.T) {
	runtimeDir(t)
	first := mustOpen(t, "app.lua", "")
	path := first.Addr().String()
	other := mustOpen(t, "other.lua", "")
	killed(t, first)
	killed(t, other)
	if state, _ := probe(path); state != stale {
		t.Fatalf("state %d", state)
	}
	if _, err := find("app.lua", ""); err == nil || !strings.Contains(err.Error(), "no server of ") {
		t.Errorf("find: %v", err)
	}
	if got := mustOpen(t, "app.lua", "").Addr().String(); got != path {
		t.Errorf("%s instead of %s", got, path)
	}
	if _, err := os.Lstat(other.Addr().String()); err == nil {
		t.Error("the other stale one is left")
	}
	named := filepath.Join(t.TempDir(), "x.sock")
	killed(t, mustOpen(t, "app.lua", named))
	mustOpen(t, "app.lua", named)
	if _, err := openControl("app.lua", named); err == nil || !strings.Contains(err.Error(), "another server has it") {
		t.Errorf("in use: %v", err)
	}
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openControl("app.lua", file); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file: %v", err)
	}
}

// Servers that start at once get different sockets, and none is lost.
func TestManyServersOfOneScript(t *testing.T) {
	dir := runtimeDir(t)
	const n = 16
	var wg sync.WaitGroup
	var mu sync.Mutex
	paths := map[string]bool{}
	for range n {
		wg.Go(func() {
			l, err := openControl("app.lua", "")
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
			mu.Lock()
			paths[l.Addr().String()] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(paths) != n || len(sockets(dir)) != n {
		t.Errorf("%d names, %d sockets", len(paths), len(sockets(dir)))
	}
	real, err := realPath("app.lua")
	if err != nil {
		t.Fatal(err)
	}
	for path := range paths {
		if !named(path, real) || named(path, real+"x") {
			t.Errorf("%s", path)
		}
	}
}

func TestSocketNames(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/app.lua":                       "app.lua-",
		"/srv/ä b/*.lua":                     "_.lua-",
		"/srv/" + strings.Repeat("long", 50): strings.Repeat("long", 8) + "-",
	} {
		name := socketName(path, 1)
		if !strings.HasPrefix(name, want) || len(name) != len(want)+16+len(".sock") {
			t.Errorf("%s: %s", path, name)
		}
	}
	if socketName("/a/app.lua", 1) == socketName("/b/app.lua", 1) {
		t.Error("two scripts, one name")
	}
	dir := t.TempDir()
	dir, _ = filepath.EvalSymlinks(dir)
	os.WriteFile(filepath.Join(dir, "app.lua"), nil, 0o644)
	os.Symlink("app.lua", filepath.Join(dir, "link.lua"))
	os.Symlink(".", filepath.Join(dir, "here"))
	for _, name := range []string{"app.lua", "link.lua", "here/link.lua", "here/here/app.lua"} {
		if got, err := realPath(filepath.Join(dir, name)); got != filepath.Join(dir, "app.lua") || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if got, _ := realPath(filepath.Join(dir, "here/gone.lua")); got != filepath.Join(dir, "gone.lua") {
		t.Error(got)
	}
}

func TestControlDirs(t *testing.T) {
	t.Setenv("TMPDIR", "/somewhere/tmp")
	tmp := fmt.Sprintf("/somewhere/tmp/swoon-%d", os.Geteuid())
	t.Setenv("XDG_RUNTIME_DIR", "/somewhere/run")
	dirs := controlDirs()
	if dirs[0] != "/somewhere/run/swoon" || dirs[len(dirs)-1] != tmp {
		t.Errorf("%q", dirs)
	}
	for _, not := range []string{"", "relative"} {
		t.Setenv("XDG_RUNTIME_DIR", not)
		if dirs := controlDirs(); dirs[len(dirs)-1] != tmp || strings.Contains(dirs[0], "relative") {
			t.Errorf("%q", dirs)
		}
	}
}

// A second directory is taken where the first is of no use, and commands look
// into both.
func TestNextDirectory(t *testing.T) {
	dir := runtimeDir(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if err := mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, "app.lua", "")
	if want := fmt.Sprintf("swoon-%d", os.Geteuid()); filepath.Base(filepath.Dir(l.Addr().String())) != want && !strings.HasPrefix(l.Addr().String(), "/run/user/") {
		t.Errorf("%s", l.Addr())
	}
	list, err := find("app.lua", "")
	if err != nil || len(list) != 1 || list[0].pid != os.Getpid() {
		t.Fatalf("%v, %v", list, err)
	}
	list[0].Close()
}

func TestUnknownNames(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("server", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code := 0
	root := commands(&code)
	for name, want := range map[string]string{
		"frobnicate": "there is neither a command nor a file named 'frobnicate'",
		"relaod":     "there is neither a command nor a file named 'relaod' (did you mean 'reload'?)",
		"stat":       "there is neither a command nor a file named 'stat' (did you mean 'status'?)",
		"server":     "", "app.lua": "", "./frobnicate": "", "--port": "",
	} {
		got := ""
		if err := unknownName(root, name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	generation, timers := uint64(3), 7
	s := &scripting.ServerStatus{PID: 42, Version: "1", Script: "/srv/app.lua", State: "running", Mode: "process", Generation: 3, Started: time.Now(), Uptime: 3723.4,
		Listeners: []string{"127.0.0.1:9501", "udp:[::1]:53"}, Sessions: scripting.SessionStatus{Open: 1, Accepted: 5, Closed: 4}, Fibers: 31, Timers: 7,
		Tasks: scripting.TaskQueueStatus{Queued: 1, Running: 2, Total: 30}, Memory: scripting.MemoryStatus{Heap: 5 << 20, Resident: 3 << 30}, Goroutines: 9,
		Workers: []scripting.WorkerStatus{
			{ID: 0, Kind: "worker", State: "waiting", Generation: &generation, Sessions: 1, Fibers: 31, Requests: 100, Timers: &timers},
			{ID: 1, Kind: "task", State: "busy", Requests: 7},
			{ID: -1, Kind: "control", State: "idle", Generation: &generation, Timers: new(int)}},
		Draining: []scripting.DrainStatus{{Generation: 2, Workers: []int{0, 1}, Callbacks: 2, Left: 12.34,
			Waiting: []scripting.WaitStatus{{What: "co.sleep", In: "onReceive", Place: "app.lua:5", Generation: 2, Count: 1, Longest: 0.5}}}},
		LastReload: &scripting.ReloadStatus{Why: "saved app.lua", At: time.Now().Add(-time.Hour), Phase: "top level", Error: "app.lua:3: broke\n  3 | x()"}}
	for i := range 25 {
		s.Waiting = append(s.Waiting, scripting.WaitStatus{What: "server:recv", In: "onReceive", Place: fmt.Sprintf("app.lua:%d", i), Generation: 3, Count: 25 - i, Longest: 61})
	}
	var b bytes.Buffer
	printStatus(&b, s)
	for _, want := range []string{
		"/srv/app.lua  running, pid 42, swoon 1\n",
		"  up          1h2m3s, process mode\n",
		"  listening   127.0.0.1:9501, udp:[::1]:53\n",
		"  memory      5.0 MB heap, 3.0 GB resident\n",
		"  last reload failed 1h0m0s ago, saved app.lua: top level: app.lua:3: broke\n",
		"  worker    state    generation  sessions  fibers  requests  timers\n" +
			"  0         waiting  3           1         31      100       7\n" +
			"  1 (task)  busy     -           0         0       7         -\n" +
			"  control   idle     3           0         0       0         0\n",
		"wait in server:recv  up to 1m1s  onReceive at app.lua:0, generation 3\n",
		"and 5 groups more (--json has them all)\n",
		"  generation 2 drains on workers 0, 1: 2 callbacks, cut in 12.3s\n    1  wait in co.sleep  up to 500ms  onReceive at app.lua:5, generation 2\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for want, ids := range map[string][]int{"worker 3": {3}, "the control VM": {-1}, "workers 1, 2 and the control VM": {1, 2, -1}} {
		if got := workerList(ids); got != want {
			t.Errorf("%q", got)
		}
	}
}

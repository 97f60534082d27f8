package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The server as a process: in the background, its pid file, its log, its user.

const daemonScript = `
function onStart(server) print("printed by onStart") end
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`

// run runs swoon to its end and returns its exit code and what it wrote.
func run(t testing.TB, dir string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command(binary(t, false), append([]string{"run", "--port", "0"}, args...)...)
	cmd.Dir = dir
	text := newTranscript(t)
	cmd.Stdout, cmd.Stderr = text.File, text.File
	done := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), text.String()
		} else if err != nil {
			t.Fatal(err)
		}
		return 0, text.String()
	case <-time.After(patience):
		cmd.Process.Kill()
		<-done
		t.Fatalf("swoon did not come back:\n%s", text.String())
	}
	return -1, ""
}

// pidOf reads a pid file, and sees to it that the process ends with the test.
func pidOf(t testing.TB, path string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, path)))
	if err != nil {
		t.Fatalf("the pid file: %v", err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// daemonize: the command comes back when the server has started, which then
// lives in a session of its own, in the same directory.
func TestDaemonize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, filepath.Join(dir, "app.lua"), daemonScript)
	begin := time.Now()
	code, out := run(t, dir, "--set", "daemonize=true", "--set", "log_file=log", "--set", "pid_file=pid", "app.lua")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	pid := pidOf(t, filepath.Join(dir, "pid"))
	m := listening.FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, fmt.Sprintf("process    %d;", pid)) {
		t.Fatalf("the banner is\n%s", out)
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("its session is %d, %v", sid, err)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != dir {
		t.Errorf("it is in %s, %v", cwd, err)
	}
	for fd := range 3 {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if want := map[bool]string{true: "/dev/null", false: filepath.Join(dir, "log")}[fd == 0]; err != nil || to != want {
			t.Errorf("descriptor %d is %s, %v", fd, to, err)
		}
	}
	if env := read(t, fmt.Sprintf("/proc/%d/environ", pid)); strings.Count(env, "SWOON_DAEMON_FD") != 1 {
		t.Error("the mark of the start is not there: what is tested?")
	}
	c, err := dialTCP(m[1] + ":" + m[2])
	if err != nil {
		t.Fatal(err)
	}
	cl := &client{c, t, nil}
	cl.say("hello\n")
	cl.expect("hello")
	c.Close()
	if log := read(t, filepath.Join(dir, "log")); !strings.Contains(log, "printed by onStart\n") {
		t.Errorf("what onStart has printed is not in\n%s", log)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, "it ends", func() bool {
		log := read(t, filepath.Join(dir, "log"))
		_, err := os.Stat(filepath.Join(dir, "pid"))
		return strings.Contains(log, "stopped exit=0") && os.IsNotExist(err)
	})
	if took := time.Since(begin); took > 2*patience {
		t.Errorf("all of it took %v", took)
	}
}

// What goes wrong until the server has started is told where it was started,
// and by the exit code.
func TestDaemonizeTellsFaults(t *testing.T) {
	t.Parallel()
	taken := serve(t, setup{}, daemonScript)
	for _, c := range []struct {
		name, script, port string
		code               int
		want               string
	}{
		{"taken", daemonScript, taken.Port, 3, "address already in use"},
		{"syntax", "function", "0", 1, "app.lua:1"},
		{"start", daemonScript + ` function onWorkerStart() error("not today") end`, "0", 1, "not today"},
		{"log", daemonScript + ` server:set{ log_file = "nowhere/log" }`, "0", 1, "log_file: open nowhere/log: no such file or directory"},
		{"pid", daemonScript + ` server:set{ pid_file = "nowhere/pid" }`, "0", 1, "pid_file: open nowhere/pid: no such file or directory"},
		{"stop", daemonScript + ` function onStart(server) server:shutdown() end`, "0", 0, ""},
	} {
		for _, file := range []string{"", "log"} {
			t.Run(c.name+file, func(t *testing.T) {
				dir := t.TempDir()
				save(t, filepath.Join(dir, "app.lua"), c.script)
				args := []string{"--port", c.port, "--set", "daemonize=true"}
				if file != "" && c.name != "log" {
					args = append(args, "--set", "log_file="+file)
				}
				code, out := run(t, dir, append(args, "app.lua")...)
				if code != c.code || !strings.Contains(out, c.want) {
					t.Errorf("exit code %d, want %d, and %q in\n%s", code, c.code, c.want, out)
				}
			})
		}
	}
}

// A pid file is of one server; one that was left behind is replaced, one that
// is not ours is left alone.
func TestPidFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "pid")
	app := filepath.Join(dir, "app.lua")
	save(t, app, daemonScript)
	s := setup{flags: []string{"--set", "pid_file=" + path}}
	sv := serveFile(t, s, app)
	if got, want := read(t, path), fmt.Sprintln(sv.cmd.Process.Pid); got != want {
		t.Errorf("it holds %q, want %q", got, want)
	}
	refused := func(want string) {
		t.Helper()
		if code, out := run(t, dir, "--set", "pid_file="+path, "app.lua"); code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and not %q in\n%s", code, want, out)
		}
	}
	refused(fmt.Sprintf("the server that it belongs to is running, process %d", sv.cmd.Process.Pid))
	sv.quiet = true
	sv.stop(t, syscall.SIGKILL)
	next := serveFile(t, s, app)
	next.Log.wait(t, "pid_file: the one of a server that has ended without removing it is replaced")
	next.stop(t, syscall.SIGTERM)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is there after a clean stop: %v", err)
	}

	save(t, path, fmt.Sprintln(os.Getpid()))
	name := strings.TrimSpace(read(t, "/proc/self/comm"))
	refused(fmt.Sprintf("it names process %d (%s), which runs", os.Getpid(), name))
	save(t, path, "server = 1\n")
	refused(`it holds "server = 1" and no process id`)
	if got := read(t, path); got != "server = 1\n" {
		t.Errorf("it was changed to %q", got)
	}
	os.Remove(path)
	os.Symlink("elsewhere", path)
	refused("it is a link")
	os.Remove(path)

	// Somebody else's file in our place is not removed.
	last := serveFile(t, s, app)
	save(t, path, "somebody's\n")
	last.stop(t, syscall.SIGTERM)
	if got := read(t, path); got != "somebody's\n" {
		t.Errorf("it holds %q", got)
	}
}

// The log file: opened anew after it was moved, changed by a reload, kept where
// the new one cannot be had.
func TestLogFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app, path := filepath.Join(dir, "app.lua"), filepath.Join(dir, "log")
	script := func(set string) string {
		return fmt.Sprintf("server:set{ %s }\n%s", set, daemonScript)
	}
	save(t, app, script(fmt.Sprintf("log_file = %q", path)))
	sv := serveFile(t, setup{}, app)
	holds := func(file, text string) {
		t.Helper()
		eventually(t, fmt.Sprintf("%q is in %s", text, filepath.Base(file)), func() bool {
			b, _ := os.ReadFile(file)
			return strings.Contains(string(b), text)
		})
	}
	reload := func() { // leaves a line in the log
		sv.cmd.Process.Signal(syscall.SIGUSR1)
	}
	reload()
	holds(path, "reloaded generation=2")
	generation := 2
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGWINCH, 34 /* SIGRTMIN */} {
		moved := fmt.Sprintf("%s.%d", path, sig)
		if err := os.Rename(path, moved); err != nil {
			t.Fatal(err)
		}
		sv.cmd.Process.Signal(sig)
		eventually(t, "there is a new log", func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
		reload()
		generation++
		holds(path, fmt.Sprintf("reloaded generation=%d", generation))
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	reload() // opens it, too
	generation++
	holds(path, fmt.Sprintf("reloaded generation=%d", generation))

	// Another file, another form of the date.
	other := filepath.Join(dir, "other")
	save(t, app, script(fmt.Sprintf("log_file = %q, log_date_format = '<%%d.%%m.%%Y %%T>', log_date_with_microseconds = true", other)))
	generation++
	holds(other, fmt.Sprintf("reloaded generation=%d", generation))
	if !regexp.MustCompile(`(?m)^<\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d>\.\d{6} INFO    reloaded`).MatchString(read(t, other)) {
		t.Errorf("the log is\n%s", read(t, other))
	}

	// A date behind the name.
	save(t, app, script(fmt.Sprintf("log_file = %q, log_rotation = 'daily'", other)))
	generation++
	day := func() string { return other + time.Now().Format(".20060102") }
	before := day()
	eventually(t, "the file of the day has the line", func() bool {
		for _, file := range []string{before, day()} {
			if b, _ := os.ReadFile(file); strings.Contains(string(b), fmt.Sprintf("reloaded generation=%d", generation)) {
				return true
			}
		}
		return false
	})

	// One that cannot be had.
	save(t, app, script(fmt.Sprintf("log_file = %q", filepath.Join(dir, "nowhere", "log"))))
	eventually(t, "the old file goes on", func() bool {
		for _, file := range []string{before, day()} {
			if b, _ := os.ReadFile(file); strings.Contains(string(b), "the log goes on as it was") {
				return true
			}
		}
		return false
	})
}

// What cannot be changed while the process runs is refused by a reload; chroot
// always.
func TestProcessSettingsAreFixed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := filepath.Join(dir, "app.lua")
	save(t, app, daemonScript)
	sv := serveFile(t, setup{}, app)
	for i, set := range []string{"daemonize = true", "pid_file = 'pid'", "user = 'nobody'", "group = 'nogroup'"} {
		save(t, app, fmt.Sprintf("server:set{ %s }\n%s", set, daemonScript))
		sv.Log.waitCount(t, "these cannot change while the server runs", i+1)
	}
	if code, out := run(t, dir, "--set", "chroot=/tmp", "app.lua"); code != 1 || !strings.Contains(out, "setting 'chroot': a reload reads the script's files") {
		t.Errorf("chroot: exit code %d\n%s", code, out)
	}
	if code, out := run(t, dir, "--set", "user=no such user", "app.lua"); code != 1 || !strings.Contains(out, "user: user: unknown user no such user") {
		t.Errorf("user: exit code %d\n%s", code, out)
	}
}

// A terminal that goes away takes the server that runs in it with it.
func TestTerminalGoesAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, filepath.Join(dir, "app.lua"), daemonScript)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals: ", err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t, false), "run", "--port", "0", "app.lua")
	log := newTranscript(t)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, terminal, log.File, log.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	t.Cleanup(func() { cmd.Process.Kill() })
	log.wait(t, "process    ")
	master.Close()
	log.wait(t, "stopped exit=0")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Who the server is once it listens.

// user: root listens and opens the log, everything after that is done as the
// user, in all threads; reloads and logs work on.
func TestUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the user must get at the script
		t.Fatal(err)
	}
	app, log, pid := filepath.Join(dir, "app.lua"), filepath.Join(dir, "log"), filepath.Join(dir, "pid")
	const script = `
		function onWorkerStart(server, id)
		  for line in io.lines("/proc/self/status") do
		    if line:find("^Uid") or line:find("^Gid") or line:find("^Groups") then print(id .. " " .. line) end
		  end
		  print(id .. " cannot read", (select(2, io.open("/etc/shadow"))))
		end
		function onReceive() end -- %s`
	save(t, app, fmt.Sprintf(script, "one"))
	sv := serveFile(t, setup{workers: 2, flags: []string{"--set", "user=nobody", "--set", "log_file=" + log, "--set", "pid_file=" + pid}}, app)
	for _, id := range []string{"0", "1"} {
		sv.Out.wait(t, id+" Uid:\t65534\t65534\t65534\t65534\n")
		sv.Out.wait(t, id+" Gid:\t65534\t65534\t65534\t65534\n")
		sv.Out.wait(t, id+" Groups:\t65534 \n")
		sv.Out.wait(t, id+" cannot read\t/etc/shadow: Permission denied\n")
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", sv.cmd.Process.Pid))
	if err != nil || len(tasks) < 2 {
		t.Fatal(tasks, err)
	}
	for _, path := range tasks {
		if b, err := os.ReadFile(path); err == nil && !strings.Contains(string(b), "Uid:\t65534\t65534\t65534\t65534\n") {
			t.Errorf("%s:\n%s", path, b)
		}
	}
	os.Rename(log, log+".old")
	save(t, app, fmt.Sprintf(script, "two"))
	eventually(t, "it reloads", func() bool { return strings.Contains(read(t, log+".old"), "reloaded generation=2") })
	sv.cmd.Process.Signal(syscall.SIGHUP) // it may not make files in this directory: the old one goes on
	eventually(t, "it says so", func() bool { return strings.Contains(read(t, log+".old"), "the log goes on in the file that it has") })
	if code := sv.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if b, err := os.ReadFile(pid); err == nil && len(b) > 0 {
		t.Errorf("the pid file holds %q", b)
	}
}

// group alone, by name and by number: the user stays; a user by number, with a
// group of its own choice.
func TestGroup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	const script = `
		function onWorkerStart()
		  for line in io.lines("/proc/self/status") do
		    if line:find("^Uid") or line:find("^Gid") then print(line) end
		  end
		end
		function onReceive() end`
	for _, c := range []struct{ set, uid, gid string }{
		{"group = 'nogroup'", "0", "65534"},
		{"group = 12345", "0", "12345"},
		{"user = 12345, group = 'nogroup'", "12345", "65534"},
	} {
		t.Run(c.set, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the user must get at the script
				t.Fatal(err)
			}
			app := filepath.Join(dir, "app.lua")
			save(t, app, "server:set{ "+c.set+" }"+script)
			sv := serveFile(t, setup{workers: 1}, app)
			for what, id := range map[string]string{"Uid": c.uid, "Gid": c.gid} {
				sv.Out.wait(t, fmt.Sprintf("%s:\t%s\t%s\t%s\t%s\n", what, id, id, id, id))
			}
		})
	}
}

// In the background as another user, with every path relative: the script is
// loaded again from where it lies, the log opened anew under its name, and the
// pid file is gone afterwards, as the directory is the user's.
func TestDaemonAsUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"logs", "lib"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Join(dir, "logs")} {
		if err := os.Chown(d, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	log := func() string {
		b, _ := os.ReadFile(in("logs/app.log"))
		return string(b)
	}
	save(t, in("lib/answer.lua"), `return "one"`)
	save(t, in("app.lua"), `
		server:set{ daemonize = true, user = "nobody", pid_file = "app.pid", log_file = "logs/app.log", host = "./app.sock", stats_file = "stats", stats_timer_interval = 100 }
		local answer = require "lib.answer"
		function onReceive(server, fd, reactor_id, data)
		  local f = assert(io.open("lib/answer.lua")) -- relative in here, too
		  print("asked for", answer, f:read("*a"))
		  f:close()
		end`)
	if code, out := run(t, dir, "app.lua"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	pid := pidOf(t, in("app.pid"))
	if status := read(t, fmt.Sprintf("/proc/%d/status", pid)); !strings.Contains(status, "Uid:\t65534\t") {
		t.Errorf("it is\n%s", status)
	}
	eventually(t, "the stats are there", func() bool { _, err := os.Stat(in("stats")); return err == nil })
	c := dialUnix(t, in("app.sock"))
	c.Write([]byte("?"))
	eventually(t, "the answer is in the log", func() bool { return strings.Contains(log(), `asked for	one	return "one"`) })

	save(t, in("lib/answer.lua"), `return "two"`)
	eventually(t, "it has reloaded", func() bool { return strings.Contains(log(), "reloaded generation=2") })
	if err := os.Rename(in("logs/app.log"), in("logs/old.log")); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, 34) // SIGRTMIN
	eventually(t, "there is a new log", func() bool { _, err := os.Stat(in("logs/app.log")); return err == nil })
	c.Write([]byte("?"))
	eventually(t, "what is printed goes to the new log", func() bool { return strings.Contains(log(), `asked for	two	return "two"`) })
	if info, err := os.Stat(in("logs/app.log")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("the new log: %+v, %v", info, err)
	}

	syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, "it ends", func() bool {
		_, err := os.Stat(in("app.pid"))
		return os.IsNotExist(err) && regexp.MustCompile("stopped exit=0\n$").MatchString(log())
	})
}

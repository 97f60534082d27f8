package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The commands that talk to a running server: reload, stop, status.

// desk is where a user's servers and commands meet: one runtime directory.
type desk struct {
	t   *testing.T
	dir string // XDG_RUNTIME_DIR
}

func newDesk(t *testing.T) *desk { return &desk{t, t.TempDir()} }

func (d *desk) env() []string { return []string{"XDG_RUNTIME_DIR=" + d.dir, "TMPDIR=" + d.dir} }

// serve runs a script that its commands find.
func (d *desk) serve(s setup, text string) *server {
	d.t.Helper()
	s.env = append(s.env, d.env()...)
	return serve(d.t, s, text)
}

// swoon runs a command and returns what it wrote and its exit code.
func (d *desk) swoon(args ...string) (out, errs string, code int) {
	d.t.Helper()
	cmd := exec.Command(binary(d.t, false), args...)
	cmd.Env = append(os.Environ(), d.env()...)
	return output(d.t, cmd)
}

func output(t *testing.T, cmd *exec.Cmd) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// expect runs a command and compares: the exit code, and a pattern that the
// whole of what it wrote must match, the errors behind the output.
func (d *desk) expect(code int, pattern string, args ...string) string {
	d.t.Helper()
	out, errs, got := d.swoon(args...)
	text := out + errs
	if got != code || !regexp.MustCompile(`(?s)^`+pattern+`$`).MatchString(text) {
		d.t.Fatalf("swoon %s: exit code %d, want %d and %s:\n%s", strings.Join(args, " "), got, code, pattern, text)
	}
	return text
}

// status is what `swoon status --json` says of one server.
type status struct {
	PID         int
	Version     string
	Script      string
	State, Mode string
	Generation  uint64
	Started     time.Time
	Uptime      float64
	Listeners   []string
	Workers     []struct {
		ID                         int
		Kind, State                string
		Generation                 *uint64
		Sessions, Fibers, Requests int
		Timers                     *int
	}
	Sessions         struct{ Open, Accepted, Closed int }
	Requests, Fibers int
	Waiting          []waiting
	Draining         []struct {
		Generation uint64
		Workers    []int
		Callbacks  int
		Left       float64
		Waiting    []waiting
	}
	LastReload *struct {
		Generation, Recovered   uint64
		OK                      bool
		TasksOnly               bool `json:"tasks_only"`
		Why, Phase, Error       string
		Files, Changes          []string
		At                      time.Time
		Took, Build, Warm, Swap float64
		Draining                int
	} `json:"last_reload"`
	Timers     int
	Tasks      struct{ Queued, Running, Total int }
	Memory     struct{ Heap, Runtime, Resident int }
	Goroutines int
}

type waiting struct {
	What, In, Place string
	Generation      uint64
	Count           int
	Longest         float64
}

func (d *desk) status(script string) status {
	d.t.Helper()
	out, errs, code := d.swoon("status", "--json", script)
	var s status
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || code != 0 || errs != "" {
		d.t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	return s
}

// statusWith is status, once so many of the workers are busy: one that has
// merely been late to answer is called so too.
func (d *desk) statusWith(busy int, script string) (s status) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%d workers are busy", busy), func() bool {
		s = d.status(script)
		n := 0
		for _, w := range s.Workers {
			if w.State == "busy" {
				n++
			}
		}
		return n == busy
	})
	return s
}

const office = `
local co = require "co"
server:set{ task_worker_num = 1, worker_num = 2, max_execution_time = 0 }
function onTask(server, id, src, data) co.sleep(data) return data end
function onFinish() end
function onWorkerStart(server, id) server:tick(60000, function() end) end
function onReceive(server, fd, reactor_id, data)
  local flag = require("shared").atomic("flag")
  local word, n = data:match("(%w+) ?(%d*)")
  if word == "spin" then
    server:send(fd, "spinning\n")
    while flag:get() == 0 do end
  elseif word == "free" then
    flag:set(1)
  elseif word == "sleep" then
    co.sleep(tonumber(n))
  elseif word == "task" then
    server:task(tonumber(n))
  end
  server:send(fd, word .. "\n")
end
`

func TestStatusOfAServer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			d := newDesk(t)
			sv := d.serve(setup{mode: mode}, office)
			s := d.statusWith(0, sv.Script)
			if s.PID != sv.cmd.Process.Pid || s.Script != sv.Script || s.State != "running" || s.Mode != mode || s.Generation != 1 ||
				len(s.Listeners) != 1 || s.Listeners[0] != sv.Addr || s.LastReload != nil || s.Goroutines < 5 || s.Memory.Resident < 1<<20 || s.Memory.Heap == 0 {
				t.Errorf("%+v", s)
			}
			var kinds []string
			for i, w := range s.Workers {
				kinds = append(kinds, w.Kind)
				if i < 3 && w.ID != i || w.State != "idle" || w.Generation == nil || *w.Generation != 1 || w.Timers == nil {
					t.Errorf("%+v", w)
				}
			}
			if got := strings.Join(kinds, " "); got != "worker worker task control" || s.Timers != 3 {
				t.Errorf("%s, %d timers", got, s.Timers)
			}

			// Fibers that wait, grouped by what and where; then the same in old code.
			for range 3 {
				sv.dial(t).say("sleep 600\n")
			}
			c := sv.dial(t)
			c.say("task 600\n")
			c.expect("task")
			c.say("task 600\n")
			c.expect("task")
			eventually(t, "three sleep, one task runs, one is queued", func() bool {
				s = d.statusWith(0, sv.Script)
				return s.Fibers == 4 && s.Tasks.Running == 1 && s.Tasks.Queued == 1
			})
			if w := s.Waiting; len(w) != 2 || w[0].What != "co.sleep" || w[0].In != "onReceive" || w[0].Place != "app.lua:16" || w[0].Count != 3 || w[0].Generation != 1 ||
				w[1].In != "onTask" || w[1].Place != "app.lua:4" || w[1].Count != 1 || w[0].Longest <= 0 {
				t.Errorf("%+v", w)
			}
			if s.Sessions.Open != 4 || s.Sessions.Accepted != 4 || len(s.Draining) != 0 || s.Requests < 2 {
				t.Errorf("%+v", s)
			}
			open := 0
			for _, w := range s.Workers {
				open += w.Sessions
			}
			if open != 4 || s.Workers[2].State != "waiting" || s.Workers[2].Fibers != 1 {
				t.Errorf("%+v", s.Workers)
			}
			d.expect(0, `reloaded: generation 2, swoon reload.*\n`, "reload", sv.Script)
			s = d.statusWith(0, sv.Script)
			if len(s.Draining) != 1 || s.Draining[0].Generation != 1 || s.Draining[0].Callbacks != 4 || s.Draining[0].Left <= 0 || s.Draining[0].Left > 60 || len(s.Draining[0].Waiting) != 2 {
				t.Errorf("%+v", s.Draining)
			}
			if r := s.LastReload; s.Generation != 2 || r == nil || !r.OK || r.Why != "swoon reload" || r.Generation != 2 || r.Took <= 0 || r.Build <= 0 {
				t.Errorf("%+v", r)
			}
			var text string
			eventually(t, "no worker is late", func() bool {
				text = d.expect(0, `.*`, "status", sv.Script)
				return !strings.Contains(text, "  busy  ")
			})
			for _, want := range []string{
				sv.Script + "  running, pid ", "\n  generation  2\n", "\n  listening   " + sv.Addr + "\n",
				"\n  sessions    4 open, 4 accepted, 0 closed\n", "\n  generation 1 drains on worker", "onReceive at app.lua:16, generation 1\n", "\n  2 (task)  waiting  2 ",
				"ago, swoon reload; build ",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			sv.quiet = true // the sleepers and the tasks are cut
		})
	}
}

// A worker that computes is called busy, and nobody waits for it.
func TestStatusWhileAWorkerSpins(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			d := newDesk(t)
			sv := d.serve(setup{mode: mode}, office)
			spinner, other := sv.dial(t), sv.dial(t)
			other.say("hello\n")
			other.expect("hello")
			spinner.say("spin\n")
			spinner.expect("spinning")
			s := d.statusWith(1, sv.Script)
			busy, open := 0, 0
			for _, w := range s.Workers {
				open += w.Sessions
				if w.State != "busy" {
					continue
				}
				if busy++; w.Generation != nil || w.Timers != nil {
					t.Errorf("%+v", w)
				}
			}
			if busy != 1 || open != 2 || s.Generation != 1 {
				t.Errorf("%+v", s)
			}
			d.expect(0, `.*\n  [01] +busy +- +1 .*`, "status", sv.Script)
			other.say("free\n")
			other.expect("free")
			spinner.expect("spin")
			eventually(t, "nobody is busy", func() bool {
				for _, w := range d.status(sv.Script).Workers {
					if w.State == "busy" {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestReloadCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	text := office + "\nfunction onWorkerStart(server, id) print((server.taskworker and 'task worker' or 'worker') .. ' of one') end\n"
	sv := d.serve(setup{flags: []string{"--no-reload"}}, text)
	d.expect(0, `reloaded: generation 2, swoon reload; build [\d.]+ ms, warm [\d.]+ ms, swap [\d.]+ ms\n`, "reload", sv.Script)
	sv.Log.wait(t, `reloaded generation=2 why="swoon reload"`)

	sv.save(t, strings.ReplaceAll(text, "of one", "of two"))
	d.expect(0, `task workers reloaded: generation 3, swoon reload; .*\n`, "reload", "--tasks", sv.Script)
	sv.Out.wait(t, "task worker of two\n")
	if sv.Out.count("\nworker of two\n") != 0 {
		t.Error("the workers were reloaded too")
	}
	d.expect(0, `reloaded: generation 4, .*\n`, "reload", sv.Script)
	sv.Out.wait(t, "\nworker of two\n")

	sv.save(t, text+"if then\n")
	d.expect(1, `reload failed, generation 4 goes on: load: app.lua:\d+: .*if then\n.*`, "reload", sv.Script)
	sv.save(t, text+"error('at the top')\n")
	d.expect(1, `reload failed, generation 4 goes on: top level: app.lua:\d+: at the top\n.*`, "reload", sv.Script)
	sv.save(t, text+"function onWorkerStart() require('co').sleep(0.05) error('not today') end")
	d.expect(1, `reload failed, generation 4 goes on: onWorkerStart: app.lua:\d+: not today\n.*`, "reload", sv.Script)
	if s := d.status(sv.Script); s.Generation != 4 || s.LastReload.OK || s.LastReload.Phase != "onWorkerStart" || !strings.Contains(s.LastReload.Error, "not today") {
		t.Errorf("%+v", s)
	}
	sv.save(t, text+"function onWorkerStart() require('co').sleep(600) end")
	d.expect(1, `swoon reload: the server \(pid \d+\) has not finished within 100ms; it goes on with the reload\n`, "reload", "--timeout", "100ms", sv.Script)
	// A stop ends who waits for a reload.
	done := make(chan string, 1)
	go func() {
		out, errs, code := d.swoon("reload", sv.Script)
		done <- fmt.Sprint(out, errs, code)
	}()
	sv.stop(t, syscall.SIGTERM)
	if got := <-done; !strings.HasSuffix(got, "1") {
		t.Errorf("the command says %q", got)
	}
}

func TestStopCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sv := d.serve(setup{}, office)
	pid := sv.cmd.Process.Pid
	d.expect(0, fmt.Sprintf(`stopped \(pid %d\)\n`, pid), "stop", sv.Script)
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("the process is still there: %s", stat)
	}
	if code := sv.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	sv.Log.wait(t, `asked to stop by="swoon stop"`)
	d.expect(1, `swoon stop: no server of `+regexp.QuoteMeta(sv.Script)+` is running\n`, "stop", sv.Script)
	d.expect(1, `swoon status: no server is running\n`, "status")

	// What a drain cuts is said; the stop is one nevertheless.
	sv = d.serve(setup{flags: []string{"--set", "max_wait_time=0.2"}}, office)
	c := sv.dial(t)
	c.say("sleep 600\n")
	eventually(t, "it sleeps", func() bool { return d.status(sv.Script).Fibers == 1 })
	d.expect(0, `stopped \(pid \d+\)\n  cut short: onReceive \(worker \d, generation 1\) at app.lua:16, waiting in co.sleep for .*\n`, "stop", sv.Script)
	if code := sv.wait(t); code != 4 {
		t.Errorf("exit code %d", code)
	}

	// A stop that takes long is not waited for without end.
	sv = d.serve(setup{flags: []string{"--set", "max_wait_time=600"}}, office)
	sv.quiet = true
	sleeper := sv.dial(t)
	sleeper.say("sleep 600\n")
	eventually(t, "it sleeps", func() bool { return d.status(sv.Script).Fibers == 1 })
	d.expect(1, `swoon stop: the server \(pid \d+\) has not ended within 300ms; .*\n`, "stop", "--timeout", "300ms", sv.Script)
	if s := d.status(sv.Script); s.State != "stopping" || s.Fibers != 1 {
		t.Errorf("%+v", s)
	}
	second := make(chan int, 1)
	go func() { // one more that waits, until the sleeper leaves and a signal forces the end
		_, _, code := d.swoon("stop", sv.Script)
		second <- code
	}()
	eventually(t, "both were asked", func() bool { return sv.Log.count("asked to stop") == 2 })
	eventually(t, "a signal too many ends it", func() bool {
		sv.cmd.Process.Signal(syscall.SIGTERM) // two at once may be one
		select {
		case <-sv.exited:
			return true
		default:
			return false
		}
	})
	if code := <-second; code != 0 {
		t.Errorf("the stop says %d", code)
	}
}

// A server that starts for long is there for its commands already.
func TestStatusWhileStarting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := script(t, office+"function onWorkerStart(server, id) print('warming') require('co').sleep(600) end")
	sv := launch(t, setup{env: d.env()}, path)
	sv.Out.wait(t, "warming\n")
	if s := d.status(path); s.State != "starting" || s.PID != sv.cmd.Process.Pid {
		t.Errorf("%+v", s)
	}
	d.expect(0, `.*  starting, pid .*`, "status", path)
	d.expect(0, `stopped \(pid \d+\)\n`, "stop", path)
	sv.wait(t)
}

// A script is one script whatever path leads to it, and stays the one that it
// was given when a link is switched.
func TestServersAreFoundByScript(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for _, v := range []string{"1", "2"} {
		if err := os.MkdirAll(at("releases/"+v), 0o755); err != nil {
			t.Fatal(err)
		}
		save(t, at("releases/"+v+"/app.lua"), office)
	}
	if err := os.Symlink("releases/1", at("current")); err != nil {
		t.Fatal(err)
	}
	sv := serveFile(t, setup{env: d.env(), flags: []string{"--no-reload"}}, at("current/app.lua"))
	for _, path := range []string{"current/app.lua", "releases/1/app.lua", "releases/2/../1/app.lua"} {
		if s := d.status(at(path)); s.PID != sv.cmd.Process.Pid {
			t.Errorf("%s: %+v", path, s)
		}
	}
	d.expect(1, `swoon status: no server of .*/releases/2/app.lua is running; these are: .*/current/app.lua \(pid \d+\)\n`, "status", at("releases/2/app.lua"))
	if err := os.Symlink("releases/2", at("next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at("next"), at("current")); err != nil {
		t.Fatal(err)
	}
	if s := d.status(at("current/app.lua")); s.PID != sv.cmd.Process.Pid {
		t.Errorf("after the switch: %+v", s)
	}
	d.expect(0, `reloaded: generation 2, .*`, "reload", at("current/app.lua"))

	cmd := exec.Command(binary(t, false), "stop", "app.lua")
	cmd.Dir, cmd.Env = at("current"), append(os.Environ(), append(d.env(), "PWD="+at("current"))...)
	if out, errs, code := output(t, cmd); code != 0 {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	sv.wait(t)
}

func TestTwoServersOfOneScript(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one := d.serve(setup{}, office)
	two := serveFile(t, setup{env: d.env()}, one.Script)
	two.Log.wait(t, "another server of this script is running: swoon reload and stop need --socket socket=")
	out, _, code := d.swoon("status", "--json", one.Script)
	if code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, fmt.Sprintf(`"pid":%d,`, one.cmd.Process.Pid)) || !strings.Contains(out, fmt.Sprintf(`"pid":%d,`, two.cmd.Process.Pid)) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	text := d.expect(1, `swoon reload: 2 servers of .* are running, say which:\n  --socket \S+\.sock \(pid \d+\)\n  --socket \S+\.sock \(pid \d+\)\n`, "reload", one.Script)
	socket := regexp.MustCompile(fmt.Sprintf(`--socket (\S+) \(pid %d\)`, two.cmd.Process.Pid)).FindStringSubmatch(text)
	if socket == nil {
		t.Fatal(text)
	}
	d.expect(0, `reloaded: generation 2, .*`, "reload", "--socket", socket[1])
	two.Log.wait(t, "reloaded generation=2")
	if one.Log.count("reloaded") != 0 {
		t.Error("the other one was reloaded")
	}
	d.expect(0, `stopped \(pid \d+\)\n`, "stop", "--socket", socket[1])
	two.wait(t)
	d.expect(0, `reloaded: generation 2, .*`, "reload", one.Script) // there is no doubt any more
	d.expect(2, `swoon: a script or --socket, not both; usage: .*\n`, "reload", "--socket", socket[1], one.Script)
	d.expect(2, `swoon: which script\? usage: .*\n`, "stop")
}

// A server that was killed leaves its socket. Nobody is misled by it, and the
// next server takes its place.
func TestKilledServerIsReplaced(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one := d.serve(setup{}, office)
	one.quiet = true
	one.stop(t, syscall.SIGKILL)
	left, err := filepath.Glob(filepath.Join(d.dir, "swoon", "*.sock"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%q, %v", left, err)
	}
	d.expect(1, `swoon reload: no server of .* is running\n`, "reload", one.Script)
	two := serveFile(t, setup{env: d.env()}, one.Script)
	if s := d.status(one.Script); s.PID != two.cmd.Process.Pid {
		t.Errorf("%+v", s)
	}
	if now, _ := filepath.Glob(filepath.Join(d.dir, "swoon", "*.sock")); len(now) != 1 || now[0] != left[0] {
		t.Errorf("%q instead of %q", now, left)
	}
	two.stop(t, syscall.SIGTERM)
	if now, _ := filepath.Glob(filepath.Join(d.dir, "swoon", "*")); len(now) != 0 {
		t.Errorf("a server that ends leaves %q", now)
	}
}

// Where others could reach the control socket there is none. The server serves,
// unless it was told where.
func TestControlSocketNeedsASafePlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := os.Mkdir(filepath.Join(d.dir, "swoon"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(d.dir, "swoon"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, fmt.Sprintf("swoon-%d", os.Geteuid())), nil, 0o600); err != nil { // nor there
		t.Fatal(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d", os.Geteuid())); err == nil {
		t.Skip("this user has a runtime directory of its own, which is taken then")
	}
	sv := d.serve(setup{}, office)
	sv.Log.wait(t, "there is no control socket: swoon reload, stop and status do not find this server error=")
	sv.Log.wait(t, "/swoon may be entered by others (mode 0755): chmod 700 ")
	c := sv.dial(t)
	c.say("hello\n")
	c.expect("hello")
	d.expect(1, `swoon status: no server of .* is running\n  not looked into: .*/swoon may be entered by others \(mode 0755\): chmod 700 .*`, "status", sv.Script)

	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(open, "s"):                      `others may write to .*/open \(mode 0777\): a control socket is not safe there`,
		filepath.Join(open, strings.Repeat("x", 120)): `others may write to .*`,
		sv.Script: `.*/app.lua is there and is not a socket`,
	} {
		bad := launch(t, setup{env: d.env(), flags: []string{"--socket", path}}, sv.Script)
		if code := bad.wait(t); code != 3 || !regexp.MustCompile(`--socket: `+want).MatchString(bad.Log.String()) {
			t.Errorf("exit code %d:\n%s", code, bad.Log)
		}
	}
	named := filepath.Join(t.TempDir(), "control")
	other := serveFile(t, setup{env: d.env(), flags: []string{"--socket", named}}, sv.Script)
	d.expect(0, `reloaded: .*`, "reload", "--socket", named)
	taken := launch(t, setup{env: d.env(), flags: []string{"--socket", named}}, sv.Script)
	if code := taken.wait(t); code != 3 || !strings.Contains(taken.Log.String(), "another server has it") {
		t.Errorf("exit code %d:\n%s", code, taken.Log)
	}
	d.expect(0, `stopped .*`, "stop", "--socket", named)
	other.wait(t)
	d.expect(1, `swoon stop: no server has the control socket .*/control\n`, "stop", "--socket", named)
}

// Another user is refused by the server even where the file system lets him in.
func TestOtherUsersAreRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run a command as another user")
	}
	d := newDesk(t)
	dir, err := os.MkdirTemp("", "swoon-ctl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "swoon")
	if out, err := exec.Command("cp", binary(t, false), bin).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	path := filepath.Join(dir, "s")
	sv := d.serve(setup{flags: []string{"--socket", path}}, office)
	as := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, errs, code := output(t, cmd)
		if code != 1 {
			t.Errorf("exit code %d", code)
		}
		return out + errs
	}
	if got := as("stop", "--socket", path); !strings.Contains(got, "permission denied") {
		t.Errorf("%q", got)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []string{"stop", "reload", "status"} {
		if got := as(cmd, "--socket", path); !strings.Contains(got, "user 65534 may not control a server of user 0") {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	sv.Log.waitCount(t, "a command was refused", 3)
	c := sv.dial(t)
	c.say("still\n")
	c.expect("still")
}

// Whoever connects and says nothing, or nonsense, stalls nobody.
func TestControlSocketBearsAnything(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sv := d.serve(setup{race: true}, office)
	socket, err := filepath.Glob(filepath.Join(d.dir, "swoon", "*.sock"))
	if err != nil || len(socket) != 1 {
		t.Fatalf("%q, %v", socket, err)
	}
	for i := range 20 {
		c, err := net.Dial("unix", socket[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 4 {
		case 0:
			fmt.Fprintf(c, "GET / HTTP/1.0\r\n\r\n")
		case 1:
			fmt.Fprintf(c, `{"v":1,"cmd":"status"}`+"\n"+`{"v":1,"cmd":"status"}`+"\n")
		case 2:
			fmt.Fprintf(c, `{"v":1`)
		}
	}
	if s := d.status(sv.Script); s.State != "running" {
		t.Errorf("%+v", s)
	}
	d.expect(0, `reloaded: .*`, "reload", sv.Script)
	d.expect(0, `stopped .*`, "stop", sv.Script)
	sv.wait(t)
}

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.expect(2, `swoon: there is neither a command nor a file named 'frobnicate'\n`, "frobnicate")
	d.expect(2, `swoon: there is neither a command nor a file named 'relaod' \(did you mean 'reload'\?\)\n`, "relaod", "app.lua")
	d.expect(1, `.*nosuch.lua.*No such file.*`, "nosuch.lua")
	d.expect(1, `.*frobnicate.*No such file.*`, "run", "frobnicate")
}

package tests

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What runs out, what is wrong, what goes on for ever: the server lives.

const knockScript = `
server:set{ backlog = 1024 }
function onReceive(server, fd, reactor_id, data) server:send(fd, "you are in\n") end`

// Two hundred clients knock at a server with 64 descriptors.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const clients = 200
		s.ulimit = 64
		sv := serve(t, s, knockScript)
		var served sync.WaitGroup
		leave := make(chan struct{})
		inside := make(chan struct{}, clients)
		for range clients {
			c := sv.dial(t)
			c.say("let me in\n")
			served.Add(1)
			go func() {
				defer served.Done()
				if line := c.mustLine(); line != "you are in" {
					t.Errorf("got %q", line)
				}
				inside <- struct{}{}
				<-leave
				c.TCPConn.Close()
			}()
		}
		sv.Log.wait(t, "cannot accept: clients wait until descriptors are free reason=out_of_descriptors")
		eventually(t, "those inside are served", func() bool { return len(inside) >= 20 })
		if n := len(inside); n > 60 {
			t.Errorf("%d clients inside with 64 descriptors", n)
		}

		// Without a descriptor the script cannot be read: the old one goes on.
		sv.save(t, knockScript+"\n-- changed")
		sv.Log.wait(t, "reload failed, generation 1 goes on: load: cannot open app.lua: too many open files")

		close(leave)
		served.Wait()
		if n := len(inside); n != clients {
			t.Errorf("%d of %d clients were served", n, clients)
		}
		if n := sv.Log.count("cannot accept"); n != 1 {
			t.Errorf("that it cannot accept was logged %d times", n)
		}
		eventually(t, "the script is loaded when there is room", func() bool {
			sv.save(t, knockScript+"\n-- changed again")
			for range 500 {
				if sv.Log.count("reloaded generation=") > 0 {
					return true
				}
				time.Sleep(2 * time.Millisecond)
			}
			return false
		})
		c := sv.dial(t)
		c.say("hello\n")
		c.expect("you are in")
	})
}

const faultyScript = `
server:set{ max_execution_time = 1 }
local jobs = {}
function jobs.throw() error("thrown on purpose") end
function jobs.spin()
  while true do end
end
function jobs.catch()
  while true do pcall(jobs.spin) end
end
function jobs.recurse()
  local function deeper(n) return 1 + deeper(n + 1) end
  return deeper(1)
end
function jobs.build()
  local s = "0123456789"
  while #s < 2^30 do s = s .. s end
  return #s
end
function onReceive(server, fd, reactor_id, data)
  local job = jobs[data:match("%a+")]
  if job then
    server:send(fd, "begun\n")
    job()
    server:send(fd, "done\n")
  else
    server:send(fd, data)
  end
end
function onClose(server, fd, reactor_id, reason) print("close " .. fd .. " " .. reason) end
function onError(server, event, err)
  for i = 1, 30000 do end -- it has time of its own
  print("onError " .. event .. " " .. tostring(err.line))
end`

// Callbacks that fail or never end cost their session, and nobody else.
func TestFaultyCallbacks(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, faultyScript)
		var silent []*client // peers that connect and say nothing
		for range 50 {
			silent = append(silent, sv.dial(t))
		}
		other := sv.dial(t)
		line := func(text string) int {
			return 1 + strings.Count(faultyScript[:strings.Index(faultyScript, text)], "\n")
		}
		for _, c := range []struct {
			job  string
			log  string
			line int
		}{
			{"throw", "thrown on purpose", line("thrown on purpose")},
			{"spin", "ran longer than 1s without a wait (max_execution_time)", line("  while true do end\n")},
			{"catch", "ran longer than 1s without a wait (max_execution_time)", line("  while true do end\n")},
			{"recurse", "stack overflow", line("1 + deeper")},
			{"build", "", line("s = s .. s")}, // too large, or too long under way
		} {
			t.Run(c.job, func(t *testing.T) {
				before, errors := len(sv.Log.String()), sv.Out.count("onError onReceive")
				victim := sv.dial(t)
				victim.say(c.job + "\n")
				victim.expect("begun")
				other.say("ping\n")
				other.expect("ping")
				rest, err := victim.rest()
				if rest != "" || err != nil {
					t.Errorf("the session ends with %q, %v", rest, err)
				}
				sv.Out.waitCount(t, "onError onReceive", errors+1)
				sv.Out.waitCount(t, " error_in_callback", errors+1)
				log := sv.Log.String()[before:]
				want := fmt.Sprintf("app.lua:%d: ", c.line)
				if !strings.Contains(log, c.log) || !strings.Contains(log, want) || !strings.Contains(log, "stack traceback:") {
					t.Errorf("the log has no traceback with %q and %q:\n%s", c.log, want, log)
				}
				other.say("and again\n")
				other.expect("and again")
			})
		}
		for _, c := range silent {
			c.say("not dead\n")
			c.expect("not dead")
		}
	})
}

// A process that stood still has not computed: a callback is not stopped for the
// time that its machine, a debugger or a signal has taken.
func TestStandstillIsNotExecutionTime(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
server:set{ max_execution_time = 3 }
function onReceive(server, fd)
  server:send(fd, "begun\n")
  local till = os.clock() + 0.3
  while os.clock() < till do end
  server:send(fd, "done\n")
end`)
		c := sv.dial(t)
		c.say("x")
		c.expect("begun")
		stopped := time.Now()
		sv.cmd.Process.Signal(syscall.SIGSTOP)
		eventually(t, "it has stood still for longer than the limit", func() bool { return time.Since(stopped) > 3500*time.Millisecond })
		sv.cmd.Process.Signal(syscall.SIGCONT)
		c.expect("done")
	})
}

const exitScript = `
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "goodbye\n")
  pcall(os.exit, tonumber(data:match("%d+")))
  server:send(fd, "not reached\n")
end
function onClose(server, fd, reactor_id, reason) print("close " .. reason) end
function onShutdown(server) print("shutdown") end`

func TestOsExit(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		for _, code := range []int{0, 7} {
			sv := serve(t, s, exitScript)
			sv.quiet = true
			idle, c := sv.dial(t), sv.dial(t)
			c.say(strconv.Itoa(code))
			c.mustEnd(t, "goodbye\n")
			idle.mustEnd(t, "")
			if got := sv.wait(t); got != code {
				t.Errorf("os.exit(%d) ended with %d", code, got)
			}
			if out := sv.Out.String(); strings.Count(out, "close ") != 2 || !strings.HasSuffix(out, "\nshutdown\n") {
				t.Errorf("the script printed %q", out)
			}
		}
	})
}

// A port below 1024 needs a right that the server does not have.
func TestPrivilegedPort(t *testing.T) {
	t.Parallel()
	if b, _ := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); strings.TrimSpace(string(b)) != "1024" {
		t.Skip("any port may be used here")
	}
	path := filepath.Join(t.TempDir(), "app.lua")
	save(t, path, knockScript)
	cmd := exec.Command(binary(t, false), "run", "--port", "80", path)
	if os.Getuid() == 0 {
		setpriv, err := exec.LookPath("setpriv")
		if err != nil {
			t.Skip("root may use any port, and there is no setpriv")
		}
		cmd = exec.Command(setpriv, append([]string{"--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"}, cmd.Args...)...)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("%v, want exit code 3", err)
	}
	if want := "listen tcp 127.0.0.1:80: permission denied (try a port above 1023)"; !strings.Contains(string(out), want) {
		t.Errorf("got %s, want %s", out, want)
	}
}

// The command line: what a person types and reads.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	bin := binary(t, false)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, ".bin")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			if err := os.Symlink(bin, filepath.Join(dir, "swoon")); err != nil {
				return err
			}
			env.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { ln.Close() })
			env.Setenv("USED_PORT", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		RequireExplicitExec: true,
	})
}

// exits CODE COMMAND... runs a command that must end by itself with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	err := ts.Exec("timeout", append([]string{"60"}, args[1:]...)...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s\n%s%s", strings.Join(args[1:], " "), code, args[0],
			ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

package tests

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Scripts that are no server: swoon run app.lua runs them to their end.

// program is a script that runs alone.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	Out    *transcript
	Log    *transcript
	exited chan struct{}
	code   int
}

// start runs swoon with these arguments, "run" and the script among them.
func start(t testing.TB, s setup, args ...string) *program {
	t.Helper()
	cmd := exec.Command(binary(t, s.race), args...)
	cmd.Env = append(os.Environ(), s.env...)
	if s.race {
		cmd.Env = append(cmd.Env, "GORACE=halt_on_error=1 exitcode=66")
	}
	p := &program{t: t, cmd: cmd, Out: newTranscript(t), Log: newTranscript(t), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.Out.File, p.Log.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			p.code = exit.ExitCode()
		} else if err != nil {
			p.code = -1
		}
		close(p.exited)
	}()
	t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			cmd.Process.Kill()
			<-p.exited
		}
		if log := p.Log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "internal error") || strings.Contains(log, "fatal error") {
			t.Errorf("the program reports:\n%s", p.Log.tail())
		}
		if t.Failed() {
			t.Logf("log:\n%s\noutput:\n%s", p.Log.tail(), p.Out.tail())
		}
	})
	return p
}

// alone runs the text of a script.
func alone(t testing.TB, s setup, text string, args ...string) *program {
	t.Helper()
	return start(t, s, append([]string{"run", script(t, text)}, args...)...)
}

// end waits until the program has ended and returns its exit code.
func (p *program) end() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the program did not end\n%s\n%s", p.Out.tail(), p.Log.tail())
	}
	return p.code
}

// expect waits for the end and compares what was printed.
func (p *program) expect(code int, out string) {
	p.t.Helper()
	if got := p.end(); got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
	if got := p.Out.String(); got != out {
		p.t.Errorf("printed\n%s\nwant\n%s", got, out)
	}
}

func TestScriptRunsAlone(t *testing.T) {
	t.Parallel()
	for _, race := range []bool{false, true} {
		alone(t, setup{race: race}, `
			local co, timer = require "co", require "timer"
			local ticks, over = 0, false
			print("first", arg[1])
			co.sleep(0.001)
			co.go(function()
				repeat co.sleep(0.02) until over
				local id
				id = timer.tick(1, function() ticks = ticks + 1 if ticks == 3 then timer.clear(id) print("ticked") end end)
			end)
			co.run(function()
				for i = 1, 3 do co.go(function() co.go(function() co.sleep(0.001 * i) print("inner", i) end) end) end
			end)
			print("last")
			over = true
		`, "x").expect(0, "first\tx\ninner\t1\ninner\t2\ninner\t3\nlast\nticked\n")
	}
}

func TestAloneExitCodes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		code     int
		out, log string
	}{
		``:                                 {0, "", ""},
		`print "one"`:                      {0, "one\n", ""},
		`print "one" error "boom"`:         {1, "one\n", "app.lua:1: boom"},
		`require("co").sleep(0) error "b"`: {1, "", "app.lua:1: b"},
		`os.exit(7)`:                       {7, "", ""},
		`local co = require "co" co.go(function() co.sleep(600) end) os.exit(3)`: {3, "", ""},
		`require("co").go(function() error("in a fiber") end) print "on"`:        {1, "on\n", "in a fiber"},
		`require("timer").after(1, function() error("in a timer") end)`:          {1, "", "in a timer"},
		`print(pcall(require("co").run, error, "seen"))`:                         {0, "false\tseen\n", ""},
		`local n = 0 for i = 1, 5e6 do n = n + 1 end print(n)`:                   {0, "5000000\n", ""},
		// What begins as a server is one.
		`require("co").sleep(0) function onReceive() end`:           {1, "", "co.sleep cannot be used while the script loads"},
		`server:set{ worker_num = 1 }`:                              {1, "", "there is no onReceive"},
		`require("swoole").Server()`:                                {1, "", "there is no onReceive"},
		`function onRecieve() end`:                                  {1, "", "did you mean 'onReceive'?"},
		`require("co").sleep(0) load("server:set{}")()`:             {1, "", "server:set: this script runs alone, because co.sleep at app.lua:1 came before anything of a server was declared"},
		`require("co").sleep(0) load("onReceive = print")()`:        {0, "", ""},
		`require("co").sleep(0) load("function onReceive() end")()`: {1, "", "is a callback of a server, but this script runs alone: co.sleep at app.lua:1 came first"},
	} {
		p := alone(t, setup{}, text)
		if code := p.end(); code != want.code {
			t.Errorf("%s: exit code %d, want %d\n%s", text, code, want.code, p.Log)
		}
		if out, log := p.Out.String(), p.Log.String(); out != want.out || !strings.Contains(log, want.log) || want.log == "" && log != "" {
			t.Errorf("%s: printed %q, logged %q; want %q, %q", text, out, log, want.out, want.log)
		}
	}
}

// A file that only requires the server is one, too.
func TestServerBehindRequire(t *testing.T) {
	t.Parallel()
	path := script(t, `require "app2"`)
	save(t, strings.Replace(path, "app.lua", "app2.lua", 1), `
		server:set{ worker_num = 1 }
		function onReceive(server, fd, reactor, data) server:send(fd, data) end`)
	sv := serveFile(t, setup{mode: "base"}, path)
	c := sv.dial(t)
	c.say("there\n")
	c.expect("there")
}

func TestAloneSettingsAndSignals(t *testing.T) {
	t.Parallel()
	p := start(t, setup{}, "run", "--port", "1", script(t, `print "no"`))
	p.expect(1, "no\n")
	if log := p.Log.String(); log != "command line: setting 'port': app.lua runs alone, it is no server\n" {
		t.Errorf("logged %q", log)
	}
	p = start(t, setup{}, "run", "--set", "max_execution_time=0.05", script(t, `print "on" while true do end`))
	if code := p.end(); code != 1 || p.Log.count("max_execution_time") == 0 {
		t.Errorf("exit code %d\n%s", code, p.Log)
	}
	p = alone(t, setup{}, `
		local co = require "co"
		co.defer(print, "deferred")
		print "waits"
		co.sleep(600)`)
	p.Out.wait(t, "waits\n")
	p.cmd.Process.Signal(syscall.SIGUSR1)
	p.Log.wait(t, "is not reloaded")
	p.cmd.Process.Signal(syscall.SIGQUIT)
	p.Log.wait(t, "waits in co.sleep")
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.expect(128+15, "waits\ndeferred\n")
}

// A check compiles and looks; it begins nothing.
func TestCheckAlone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`local co = require "co" print "top" co.sleep(600) print "no"`: "top\napp.lua: ok (runs alone: it declares no server)\n",
		`print "all"`: "all\napp.lua: ok (runs alone: it declares no server)\n",
		`os.exit(4)`:  "app.lua: ok (runs alone: it declares no server)\n",
	} {
		p := start(t, setup{}, "check", script(t, text))
		if code := p.end(); code != 0 || !strings.HasSuffix(strings.ReplaceAll(p.Out.String(), "\n"+p.cmd.Args[2], "\napp.lua"), strings.TrimPrefix(want, "app.lua")) || p.Log.String() != "" {
			t.Errorf("%s: exit code %d, %q, %q", text, code, p.Out, p.Log)
		}
	}
	p := start(t, setup{}, "check", script(t, "require('co').sleep(0)\nprnt(1)"))
	if code := p.end(); code != 1 || !strings.Contains(p.Log.String(), "app.lua:2: undefined global 'prnt' (did you mean 'print'?)") {
		t.Errorf("exit code %d, %q", code, p.Log)
	}
}

package tests

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A port of a PHP console program: a prompt that ends no line is shown before
// the answer is typed, and the server serves while the program waits for it.
func TestPHPPromptAndServe(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t, false), "run", "--port", "0", "--workers", "1", script(t, `
		require("php").global()
		function onWorkerStart(server)
			server:after(1, function()
				fwrite(STDOUT, "name? ")
				local name = trim(fgets(STDIN))
				echo("hello ", ucfirst(name), "\n")
				while true do
					local line = fgets(STDIN)
					if line == false then break end
					echo("got ", line)
				end
				exit("bye\n")
			end)
		end
		function onReceive(server, fd, reactor, data) server:send(fd, strtoupper(data)) end
	`))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, log := newTranscript(t), newTranscript(t)
	cmd.Stdout, cmd.Stderr = out.File, log.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	out.wait(t, "name? ")
	log.wait(t, "process    ")
	sv := &server{t: t, Addr: strings.Join(listening.FindStringSubmatch(log.String())[1:3], ":")}
	c := sv.dial(t)
	c.say("served\n")
	c.expect("SERVED")
	fmt.Fprint(in, "ann\nx\n")
	out.wait(t, "got x\n")
	in.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v\n%s", err, log)
		}
	case <-time.After(patience):
		t.Fatalf("the server did not end\n%s", log)
	}
	if got, want := out.String(), "name? hello Ann\ngot x\nbye\n"; got != want {
		t.Errorf("the output is %q, want %q", got, want)
	}
}

// Lines that workers put together bit by bit stay whole.
func TestEchoIsNotTorn(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{mode: "base", workers: 4}, `
		local php = require "php"
		function onWorkerStart(server, id)
			server:after(1, function()
				for i = 1, 200 do
					for part = 1, 5 do php.echo("[", id, "]") end
					php.echo("\n")
					if i % 20 == 0 then php.usleep(100) end
				end
				php.echo("done ", id, "\n")
			end)
		end
		function onReceive() end
	`)
	for id := range 4 {
		s.Out.wait(t, fmt.Sprintf("done %d\n", id))
	}
	counts := map[string]int{}
	for _, line := range strings.Split(strings.TrimSuffix(s.Out.String(), "\n"), "\n") {
		counts[line]++
	}
	for id := range 4 {
		if line := strings.Repeat(fmt.Sprintf("[%d]", id), 5); counts[line] != 200 {
			t.Errorf("%q is there %d times", line, counts[line])
		}
	}
	if len(counts) != 8 {
		t.Errorf("%d different lines: %v", len(counts), counts)
	}
}

// What a session keeps is written and read as JSON, from the worker and from a
// task worker.
func TestJSONOfSessionData(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "task_worker_num=1")
		sv := serve(t, s, `
			local json = require "json"
			function onReceive(server, fd, reactor, data)
				local s = server:session(fd)
				s.requests = s.requests or {}
				s.requests[#s.requests + 1] = json.parse(data)
				server:task({ fd = fd, text = json.encode(s), null = json.null })
			end
			function onTask(server, id, src, task)
				assert(task.null == json.null)
				server:send(task.fd, json.encode(json.parse(task.text), { sort_keys = true }) .. "\n")
			end
			function onFinish() end
		`)
		c := sv.dial(t)
		c.say(`{"n":1,"list":[1.5,null,"ü"]}`)
		c.expect(`{"requests":[{"list":[1.5,null,"ü"],"n":1}]}`)
		c.say(`[]`)
		c.expect(`{"requests":[{"list":[1.5,null,"ü"],"n":1},[]]}`)
	})
}

package tests

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The life of a server and of its workers, as callbacks see it.

// The scripts of the article about the four callbacks.
func TestFourCallbacks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"four_callbacks.lua", "event_object.lua"} {
		t.Run(name, func(t *testing.T) {
			sv := serveFile(t, setup{}, "../scripts/"+name)
			sv.Out.wait(t, "TCP server is started at tcp://127.0.0.1:"+sv.Port+"\n")
			c := sv.dial(t)
			sv.Out.wait(t, "connection open: ")
			c.say("hello\n")
			c.expect("Server: hello")
			c.Close()
			sv.Out.wait(t, "connection close: ")
			if name == "event_object.lua" {
				sv.Out.wait(t, "because: client_closed\n")
				for _, what := range []string{"connection open", "message", "connection close"} {
					if !regexp.MustCompile(what + `: fd 1, reactor \d+, at \d{10}\.\d{3}\n`).MatchString(sv.Out.String()) {
						t.Errorf("no %q in\n%s", what, sv.Out)
					}
				}
			} else if got := sv.Out.String(); !strings.HasSuffix(got, "connection open: 1\nconnection close: 1\n") {
				t.Errorf("it printed\n%s", got)
			}
		})
	}
}

// What the server refuses: at once where something would go wrong at once, the
// faults of the declaration all together.
func TestRefusals(t *testing.T) {
	t.Parallel()
	sv := launch(t, setup{args: []string{"refusals"}}, "../scripts/four_callbacks.lua")
	if code := sv.wait(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		`a second server:\tswoole.Server: a script has one server, and it was made at four_callbacks.lua:\d+\n`,
		`start twice:\tserver:start was called before, at four_callbacks.lua:\d+\n`,
		`on after start:\tserver:on after server:start\(\) \(called at four_callbacks.lua:\d+\)\n`,
	} {
		if !regexp.MustCompile(want).MatchString(sv.Out.String()) {
			t.Errorf("%s is not in\n%s", want, sv.Out)
		}
	}
	for _, want := range []string{
		"server:on: unknown event 'recieve' (did you mean 'Receive'?)",
		"server:on: the callback for 'connect' must be a function, not string",
	} {
		if sv.Log.count(want) != 1 {
			t.Errorf("%q is not in\n%s", want, sv.Log)
		}
	}
}

// What getClientInfo tells of a session's last message and of its end.
func TestClientInfoOfTheLast(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
			server:set{ open_eof_split = true, package_eof = "\n" }
			function onReceive(server, fd, reactor_id, data)
			  local i = server:getClientInfo(1)
			  server:send(fd, data == "first\n" and "first\n" or table.concat({ tostring(i.last_dispatch_time ~= nil),
			    tostring(i.last_dispatch_time and i.last_dispatch_time < i.last_recv_time), i.close_errno }, " ") .. "\n")
			end
			function onClose(server, fd, reactor_id, reason)
			  print(fd, reason, server:getClientInfo(fd).close_errno)
			end`)
		a := sv.dial(t)
		b := sv.dial(t)
		sees := func(want string) {
			t.Helper()
			eventually(t, want, func() bool { b.say("?\n"); return b.line() == want })
		}
		sees("false nil 0")
		a.say("first\n")
		a.expect("first")
		sees("true false 0")
		a.say("half of the second") // nobody has been given it
		sees("true true 0")
		a.reset()
		sv.Out.wait(t, "1\treset\t104\n")
		b.Close()
		sv.Out.wait(t, "2\tclient_closed\t0\n")
	})
}

// shutdown is a stop like any other: the callback goes on, what it sends leaves.
func TestShutdownMethod(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{}, `
		function onReceive(server, fd, reactor_id, data)
		  local ok = server:shutdown()
		  server:send(fd, "stopping " .. tostring(ok) .. "\n")
		end
		function onShutdown() print("onShutdown") end`)
	c := sv.dial(t)
	c.say("stop")
	c.expect("stopping true")
	if code := sv.wait(t); code != 0 || sv.Out.count("onShutdown\n") != 1 {
		t.Errorf("exit code %d\n%s", code, sv.Out)
	}
}

// Every event around the start and the stop, once for each who has it, in the
// order that is promised; onBeforeShutdown still has clients.
func TestLifeOfAServer(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "task_worker_num=1")
		sv := serve(t, s, `
			function onStart(server) print("onStart") end
			function onManagerStart(server) print("onManagerStart") end
			function onWorkerStart(server, id) print("onWorkerStart " .. id) end
			function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
			function onTask() end
			function onBeforeShutdown(server)
			  print("onBeforeShutdown", server:broadcast("goodbye\n"))
			end
			function onClose(server, fd, reactor_id, reason) print("onClose", reason) end
			function onWorkerExit(server, id) print("onWorkerExit " .. id) end
			function onWorkerStop(server, id) print("onWorkerStop " .. id) end
			function onManagerStop(server) print("onManagerStop") end
			function onShutdown(server) print("onShutdown") end`)
		c := sv.dial(t)
		c.say("hello\n")
		c.expect("hello")
		sv.cmd.Process.Signal(syscall.SIGTERM)
		c.expect("goodbye")
		if code := sv.wait(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		lines := strings.Split(strings.TrimSpace(sv.Out.String()), "\n")
		at := func(line string) int {
			t.Helper()
			found := -1
			for i, l := range lines {
				if l == line {
					if found >= 0 {
						t.Errorf("%q was printed twice:\n%s", line, sv.Out)
					}
					found = i
				}
			}
			if found < 0 {
				t.Fatalf("%q was not printed:\n%s", line, sv.Out)
			}
			return found
		}
		order := []string{"onStart", "onManagerStart", "onBeforeShutdown\t1\ttable", "onClose\tshutdown", "onManagerStop", "onShutdown"}
		for i := range lines {
			if strings.HasPrefix(lines[i], "onBeforeShutdown\t1\ttable: ") {
				lines[i] = "onBeforeShutdown\t1\ttable"
			}
		}
		for i := 1; i < len(order); i++ {
			if at(order[i-1]) >= at(order[i]) {
				t.Errorf("%s comes after %s:\n%s", order[i-1], order[i], sv.Out)
			}
		}
		for id := range s.workers + 1 {
			start, exit, stop := at(fmt.Sprintf("onWorkerStart %d", id)), at(fmt.Sprintf("onWorkerExit %d", id)), at(fmt.Sprintf("onWorkerStop %d", id))
			if start > at("onStart") || exit < at("onClose\tshutdown") || exit > stop || stop > at("onManagerStop") {
				t.Errorf("worker %d is out of order:\n%s", id, sv.Out)
			}
		}
	})
}

// max_request: a worker's VM is replaced after so many messages, while clients
// go on talking and no message is lost.
func TestMaxRequest(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.workers = 1
		s.flags = append(s.flags, "--set", "max_request=20", "--set", "max_request_grace=0")
		sv := serve(t, s, `
			local seen = 0
			function onWorkerStart(server, id) print("start " .. id) end
			function onReceive(server, fd, reactor_id, data)
			  seen = seen + 1
			  local s = server:session(fd)
			  s.total = (s.total or 0) + 1
			  server:send(fd, seen .. " " .. s.total .. " " .. server.generation .. "\n")
			end
			function onWorkerStop(server, id) print("stop " .. id .. " after " .. seen) end
			function onClose(server, fd, reactor_id, reason) print("gone " .. reason) end`)
		a, b := sv.dial(t), sv.dial(t)
		vms := 0
		for i := 1; i <= 100; i++ {
			for _, c := range []*client{a, b} {
				c.say("x")
				var seen, total, generation int
				if _, err := fmt.Sscan(c.line(), &seen, &total, &generation); err != nil {
					t.Fatal(err)
				}
				if total != i || generation != 1 {
					t.Fatalf("message %d of the session is its number %d, in generation %d", i, total, generation)
				}
				if seen == 1 {
					vms++
				}
			}
		}
		if vms < 2 || vms > 10 {
			t.Errorf("%d VMs for 200 messages, 20 each at least", vms)
		}
		sv.Out.waitCount(t, "start 0\n", vms)
		sv.Out.waitCount(t, "stop 0 after ", vms-1)
		for _, m := range regexp.MustCompile(`after (\d+)`).FindAllStringSubmatch(sv.Out.String(), -1) {
			var n int
			fmt.Sscan(m[1], &n)
			if n < 20 {
				t.Errorf("a VM was replaced after %d messages", n)
			}
		}
		if n := sv.Out.count("gone"); n != 0 {
			t.Errorf("%d sessions are gone", n)
		}
	})
}

// stop: one worker, by its id, gets a fresh VM; what waits on the old one goes
// on there; others are left alone.
func TestStopOfAWorker(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "task_worker_num=1")
		sv := serve(t, s, gate+`
			local vm = tostring({})
			function onWorkerStart(server, id) print("start", id) end
			function onWorkerExit(server, id) print("exit", id) end
			function onWorkerStop(server, id) print("stop", id) end
			function onTask(server, id, src, data) print("task status", server:getWorkerStatus(), server:getWorkerStatus(0)) end
			local commands = {
			  vm = function(server, fd) return vm end,
			  hold = function(server, fd)
			    hold(server, fd)
			    return "held on " .. vm
			  end,
			  open = function(server) open(server, 1) return "opened" end,
			  stop = function(server, fd, id) return tostring(server:stop(tonumber(id))) end,
			  bad = function(server)
			    return table.concat({ tostring(server:stop(99)), select(2, server:stop(99)), server:getLastError(), tostring(server:getWorkerStatus(99)) }, " ")
			  end,
			  status = function(server, fd, id) return tostring(server:getWorkerStatus(tonumber(id))) end,
			  callback = function(server)
			    return tostring(server:getCallback("receive") == onReceive) .. " " .. tostring(server:getCallback("connect"))
			  end,
			  socket = function(server) return tostring(server:getSocket()) .. " " .. select(2, server:getSocket()) end,
			  task = function(server) server:task("x") return "sent" end,
			}
			function onReceive(server, fd, reactor_id, data)
			  local name, rest = data:match("^(%a+) ?(%d*)$")
			  server:send(fd, commands[name](server, fd, rest) .. "\n")
			end
			function onClose(server, fd, reactor_id, reason) print("gone " .. reason) end`)
		ask := func(c *client, what string) string {
			t.Helper()
			c.say(what)
			return c.line()
		}
		waits, c := sv.dial(t), sv.dial(t)
		waits.say("hold")
		waits.expect("holding")
		before := ask(c, "vm")
		for id := range s.workers {
			if got := ask(c, fmt.Sprintf("stop %d", id)); got != "true" {
				t.Errorf("stop of worker %d: %s", id, got)
			}
		}
		eventually(t, "this worker has a fresh VM", func() bool { return ask(c, "vm") != before })
		for id := range s.workers {
			sv.Out.waitCount(t, fmt.Sprintf("start\t%d\n", id), 2)
			sv.Out.wait(t, fmt.Sprintf("exit\t%d\n", id))
		}
		// The callback that waits keeps its VM until it has returned.
		if s.workers > 1 && sv.Out.count("stop\t") == s.workers {
			t.Error("the VM of a callback that waits was stopped")
		}
		if got := ask(c, "open"); got != "opened" {
			t.Error(got)
		}
		if got := waits.line(); !strings.HasPrefix(got, "held on table: ") {
			t.Errorf("%q", got)
		}
		for id := range s.workers {
			sv.Out.wait(t, fmt.Sprintf("stop\t%d\n", id))
		}
		for what, want := range map[string]string{
			"bad": "false no_such_worker 505 false", "status": "1", "callback": "true nil", "socket": "false unsupported",
			"task": "sent",
		} {
			if got := ask(c, what); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		// Before the stop: a worker that is being replaced says 3.
		sv.Out.wait(t, "task status\t1\t")
		if got := ask(c, fmt.Sprintf("stop %d", s.workers)); got != "true" {
			t.Errorf("stop of the task worker: %s", got)
		}
		sv.Out.waitCount(t, fmt.Sprintf("start\t%d\n", s.workers), 2)
		eventually(t, "the task worker rests", func() bool { return ask(c, fmt.Sprintf("status %d", s.workers)) == "2" })
		if n := sv.Out.count("gone"); n != 0 {
			t.Errorf("%d sessions are gone", n)
		}
		sv.Log.wait(t, "a worker has a fresh VM worker=0")
	})
}

// A fresh VM that does not come up changes nothing.
func TestStopWithAFaultyStart(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1}, `
		function onWorkerStart(server, id)
		  if server:stats().request_count > 0 then error("no") end
		end
		function onReceive(server, fd, reactor_id, data)
		  server:send(fd, tostring(server:stop()) .. "\n")
		end`)
	c := sv.dial(t)
	for i := range 3 {
		c.say("x")
		c.expect("true")
		sv.Log.waitCount(t, "a worker keeps its VM: the fresh one failed", i+1)
	}
}

// event_object: every event that has an object form.
func TestEventObjects(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		path := filepath.Join(t.TempDir(), "packets")
		s.args = []string{path}
		s.workers = max(s.workers, 2)
		sv := serve(t, s, `
			local swoole = require "swoole"
			server:set{ event_object = true, task_worker_num = 1 }
			server:listen(arg[1], 0, swoole.SOCK_UNIX_DGRAM)
			local function show(what, o)
			  local names = {}
			  for name in pairs(o) do names[#names + 1] = name end
			  table.sort(names)
			  local at = o.dispatch_time
			  print(what, table.concat(names, " "), math.abs(at - os.time()) < 60)
			end
			function onConnect(server, e) show("connect", e) end
			function onClose(server, e) show("close", e) print("closed", e.fd, e.reactor_id, e.reason) end
			function onPacket(server, p) show("packet", p) print("packet data", p.data) end
			function onPipeMessage(server, m) show("message", m) print("message from", m.source_worker_id, m.data.text) end
			function onTask(server, task)
			  print("task", task.id, task.worker_id, task.data)
			  if task.data == "fail" then error("on purpose") end
			  task:finish("first")
			  return "last"
			end
			function onFinish(server, r) show("finish", r) print("result", r.task_id, r.task_worker_id, r.data) end
			function onReceive(server, e)
			  show("receive", e)
			  if e.data == "task" then
			    server:task("work")
			    server:task("fail", -1, function(server, r) print("own callback", r.data, r.reason) end)
			  elseif e.data == "message" then
			    server:sendMessage({ text = "hi" }, 1 - server.worker_id % 2)
			  elseif e.data == "close" then
			    server:close(e.fd)
			  end
			  server:send(e.fd, "ok\n")
			end`)
		c := sv.dial(t)
		sv.Out.wait(t, "connect\tdispatch_time fd reactor_id\ttrue\n")
		for _, what := range []string{"task", "message"} {
			c.say(what)
			c.expect("ok")
		}
		sv.Out.wait(t, "receive\tdata dispatch_time fd reactor_id\ttrue\n")
		sv.Out.wait(t, "task\t0\t")
		sv.Out.waitCount(t, "finish\tdata dispatch_time task_id task_worker_id\ttrue\n", 2)
		sv.Out.wait(t, fmt.Sprintf("result\t0\t%d\tfirst\n", s.workers))
		sv.Out.wait(t, fmt.Sprintf("result\t0\t%d\tlast\n", s.workers))
		sv.Out.wait(t, "own callback\tnil\ttask_failed\n")
		sv.Out.wait(t, "message\tdata dispatch_time source_worker_id worker_id\ttrue\n")
		sv.Out.wait(t, "\thi\n")
		u, err := net.Dial("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		u.Write([]byte("by packet"))
		sv.Out.wait(t, "packet\taddress data dispatch_time port server_port server_socket\ttrue\n")
		sv.Out.wait(t, "packet data\tby packet\n")
		c.say("close")
		sv.Out.wait(t, "close\tdispatch_time fd reactor_id reason\ttrue\n")
		sv.Out.wait(t, "closed\t1\t-1\tserver_closed\n")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	})
}

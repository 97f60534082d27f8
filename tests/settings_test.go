package tests

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Settings that no other story would miss: each is shown to do what it says.

// socket is a descriptor of the server's, as one of ours: the kernel can be
// asked about it.
func (sv *server) socket(t testing.TB, fd int) int {
	t.Helper()
	pid, err := unix.PidfdOpen(sv.cmd.Process.Pid, 0)
	if err != nil {
		t.Skip("this kernel does not show the sockets of others: ", err)
	}
	defer unix.Close(pid)
	own, err := unix.PidfdGetfd(pid, fd, 0)
	if err != nil {
		t.Skip("this machine does not show the sockets of others: ", err)
	}
	t.Cleanup(func() { unix.Close(own) })
	return own
}

const socketScript = `
function onReceive(server, fd)
  local i = server:getClientInfo(fd)
  server:send(fd, i.socket_fd .. " " .. i.server_fd .. "\n")
end`

// sockets connects a client, and returns the server's sockets: its own, and the
// one that listens.
func (sv *server) sockets(t testing.TB) (session, listener int) {
	t.Helper()
	c := sv.dial(t)
	c.say("x")
	a, b, _ := strings.Cut(c.line(), " ")
	n, _ := strconv.Atoi(a)
	m, _ := strconv.Atoi(b)
	return sv.socket(t, n), sv.socket(t, m)
}

// What the kernel says of the sockets is what was set, and the default where
// nothing was.
func TestSettingsInTheKernel(t *testing.T) {
	t.Parallel()
	socket := func(option int) func(testing.TB, int) int { return sockopt(unix.SOL_SOCKET, option) }
	tcp := func(option int) func(testing.TB, int) int { return sockopt(unix.IPPROTO_TCP, option) }
	backlog := func(t testing.TB, fd int) int { // of a socket that listens, TCP_INFO says it here
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sacked)
	}
	const unknown = -1 // the kernel's
	rows := []struct {
		name      string
		set       any
		listener  bool
		get       func(testing.TB, int) int
		want, def int
	}{
		{"backlog", 77, true, backlog, 77, 512},
		{"open_tcp_nodelay", false, false, tcp(unix.TCP_NODELAY), 0, 1},
		{"open_tcp_keepalive", true, false, socket(unix.SO_KEEPALIVE), 1, 0},
		{"tcp_keepidle", 101, false, tcp(unix.TCP_KEEPIDLE), 101, unknown},
		{"tcp_keepinterval", 17, false, tcp(unix.TCP_KEEPINTVL), 17, unknown},
		{"tcp_keepcount", 3, false, tcp(unix.TCP_KEEPCNT), 3, unknown},
		{"tcp_user_timeout", 12345, false, tcp(unix.TCP_USER_TIMEOUT), 12345, 0},
		{"tcp_defer_accept", 3, true, tcp(unix.TCP_DEFER_ACCEPT), 3, 0},
		{"kernel_socket_recv_buffer_size", 50000, false, socket(unix.SO_RCVBUF), 2 * 50000, unknown},
		{"kernel_socket_send_buffer_size", 60000, false, socket(unix.SO_SNDBUF), 2 * 60000, unknown},
	}
	var set []string
	for _, row := range rows {
		set = append(set, fmt.Sprintf("%s = %v", row.name, row.set))
	}
	for i, script := range []string{socketScript, "server:set{ " + strings.Join(set, ", ") + " }" + socketScript} {
		session, listener := serve(t, setup{}, script).sockets(t)
		for _, row := range rows {
			fd, want := session, row.def
			if row.listener {
				fd = listener
			}
			if i == 1 {
				want = row.want
			}
			got := row.get(t, fd)
			if want == unknown && got == row.want {
				t.Errorf("%s is %d without being set: the test shows nothing", row.name, got)
			} else if want != unknown && got != want {
				t.Errorf("%s = %v: the kernel says %d, want %d", row.name, row.set, got, want)
			}
		}
	}
}

func sockopt(level, option int) func(testing.TB, int) int {
	return func(t testing.TB, fd int) int {
		n, err := unix.GetsockoptInt(fd, level, option)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// tcp_fastopen needs a word of the machine's; in a network of its own the test
// may say it.
func TestFastOpenInTheKernel(t *testing.T) {
	t.Parallel()
	namespaces(t)
	ip(t, "link set lo up")
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0o644); err != nil {
		t.Skip("this machine does not let the network be changed: ", err)
	}
	_, listener := serve(t, setup{flags: []string{"--set", "tcp_fastopen=9"}}, socketScript).sockets(t)
	if n := sockopt(unix.IPPROTO_TCP, unix.TCP_FASTOPEN)(t, listener); n != 9 {
		t.Errorf("the kernel says %d", n)
	}
}

// reactor_num: so many loops have the sessions.
func TestReactorNum(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		sv := serve(t, setup{mode: "process", workers: 4, procs: 2, flags: []string{"--set", fmt.Sprint("reactor_num=", n)}}, evalScript)
		used := map[string]bool{}
		for range 12 {
			used[sv.dial(t).eval("return reactor_id")] = true
		}
		if len(used) != n {
			t.Errorf("reactor_num = %d: sessions are on %v", n, used)
		}
	}
}

// task_max_execution_time: a task that computes without end is stopped, a
// callback that does so for as long is not.
func TestTaskMaxExecutionTime(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1}, evalScript+`
		server:set{ task_worker_num = 1, task_max_execution_time = 0.2, max_execution_time = 3600 }
		local function compute(seconds)
		  local now = require("time").now
		  local stop = now() + seconds
		  while now() < stop do end
		  return "done"
		end
		function onTask(server, id, src, data) return compute(data) end
		function here() return compute(0.3) end`)
	c := sv.dial(t)
	c.ask(`return here()`, "done")
	c.ask(`return server:taskwait(0, 60)`, "done")
	if got := c.eval(`return server:taskwait(3600, 60)`); !strings.Contains(got, "stopped: ran longer than 200ms") {
		t.Errorf("the task answers %q", got)
	}
	c.ask(`return server:taskwait(0, 60)`, "done")
}

// max_coroutine: so many fibers may be on a worker, the one that asks among them;
// the next wait is refused.
func TestMaxCoroutine(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1, flags: []string{"--set", "max_coroutine=10"}}, evalScript+`
		local co = require "co"
		local gate = co.channel()
		function fill()
		  local refused
		  for i = 1, 100 do
		    co.go(function()
		      local ok, why = pcall(gate.pop, gate)
		      if not ok then refused = refused or i .. " " .. why:match("max_coroutine") end
		    end)
		  end
		  return refused
		end
		function open() gate:close() gate = co.channel() end`)
	c := sv.dial(t)
	for range 3 {
		c.ask(`return fill()`, "10 max_coroutine")
		c.eval(`open()`)
		c.until(`server:stats().coroutine_num <= 1`)
	}
}

// callback_timeout: a callback that waits for too long fails where it waits, and
// wherever it would wait then; what began by co.go may go on.
func TestCallbackTimeout(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "callback_timeout=0.1")
		sv := serve(t, s, `
			local co = require "co"
			function onConnect(server, fd) server:send(fd, "hello\n") end
			function onReceive(server, fd, reactor_id, data)
			  if data == "long" then
			    co.go(function() co.sleep(0.3) print("the fiber goes on") end)
			    for i = 1, 1e6 do co.sleep(0.01) end
			  elseif data == "recv" then
			    server:recv(fd)
			  elseif data == "catch" then
			    local ok, why = pcall(co.sleep, 3600)
			    local again, same = pcall(co.sleep, 0)
			    server:send(fd, tostring(ok) .. " " .. why:match("[%w_]+: took.*") .. ", " .. tostring(again) .. " " .. tostring(why == same) .. "\n")
			  elseif data == "timer" then
			    server:after(1, function() co.sleep(3600) end)
			    server:send(fd, "armed\n")
			  else
			    co.sleep(0.01)
			    server:send(fd, data .. "\n")
			  end
			end
			function onClose(server, fd, reactor_id, reason) print("gone " .. reason) end
			function onError(server, event, err) print("error in " .. event .. " " .. err.message) end`)
		dial := func() *client {
			c := sv.dial(t)
			c.expect("hello")
			return c
		}
		c := dial()
		for i, what := range []string{"long", "recv"} {
			bad := dial()
			bad.say(what)
			if rest, err := bad.rest(); err != nil || rest != "" {
				t.Errorf("%s: %q, %v", what, rest, err)
			}
			sv.Out.waitCount(t, "gone error_in_callback\n", i+1)
		}
		sv.Out.waitCount(t, "callback_timeout: took longer than callback_timeout, with its waits", 2)
		c.say("catch")
		c.expect("false callback_timeout: took longer than callback_timeout, with its waits, false true")
		c.say("timer")
		c.expect("armed")
		sv.Out.waitCount(t, "callback_timeout: took longer than callback_timeout, with its waits", 3)
		sv.Out.wait(t, "the fiber goes on\n")
	})
}

// start_session_id: fds begin behind it, and everything that takes one works.
func TestStartSessionID(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{flags: []string{"--set", "start_session_id=4503599627370000"}}, evalScript)
	a, b := sv.dial(t), sv.dial(t)
	a.ask(`return ("%d"):format(fd), server:exists(fd - 1), server:exists(1)`, "4503599627370001|false|false")
	b.ask(`return ("%d"):format(fd), server:send(fd - 1, "from b\n")`, "4503599627370002|true")
	a.expect("from b")
	a.ask(`local t = {} for _, fd in pairs(server:getClientList()) do t[#t + 1] = ("%d"):format(fd) end return unpack(t)`, "4503599627370001|4503599627370002")
}

// close_timeout: who does not close is not waited for longer. At the default it
// would take longer than anybody here waits.
func TestCloseTimeout(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1, flags: []string{"--set", "close_timeout=0.01"}}, evalScript)
	c := sv.dial(t)
	n := 0
	eventually(t, "many are cut off, one after the other", func() bool {
		if c.eval(`return server:stats().close_timeouts`) == fmt.Sprint(n) {
			n++
			sv.dial(t).say("server:close(fd)\n")
		}
		return n > int(patience.Seconds())/5+3
	})
}

// log_level: what is less is not logged.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{
		"debug": "debug info warning error", "info": "info warning error", "warning": "warning error", "4": "warning error", "error": "error", "none": "",
	} {
		sv := serve(t, setup{workers: 1, flags: []string{"--set", "log_level=" + level}}, `
			local log = require "log"
			function onReceive() end
			function onWorkerStart()
			  for _, level in ipairs{ "debug", "info", "warning", "error" } do log[level]("a line of " .. level) end
			  print "logged"
			end`)
		sv.Out.wait(t, "logged\n")
		sv.stop(t, unix.SIGTERM)
		var got []string
		for _, l := range []string{"debug", "info", "warning", "error"} {
			if strings.Contains(sv.Log.String(), "a line of "+l) {
				got = append(got, l)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("log_level = %s: lines of %v, want %q", level, got, want)
		}
	}
}

// stats_timer_interval: the file is written anew that often. At the default it
// would take longer than anybody here waits.
func TestStatsTimerInterval(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/stats"
	serve(t, setup{flags: []string{"--set", "stats_file=" + path, "--set", "stats_timer_interval=10"}}, evalScript)
	n, last := 0, uint64(0)
	eventually(t, "there are more files than seconds pass", func() bool {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil && st.Ino != last {
			last = st.Ino
			n++
		}
		return n > int(patience.Seconds())+5
	})
}

// max_request_grace and task_max_request_grace: a VM may have so many more, by
// chance; of a thousand million, these few hundred are too few.
func TestRequestGrace(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1}, evalScript+`
		server:set{ max_request = 1, max_request_grace = 1000000000, task_worker_num = 1, task_max_request = 1, task_max_request_grace = 1000000000 }
		local began = 0
		function onWorkerStart(server, id) print("start " .. id) end
		function onTask() return true end`)
	c := sv.dial(t)
	for range 100 {
		c.ask(`return server:taskwait(0, 60)`, "true")
	}
	sv.stop(t, unix.SIGTERM)
	if n := sv.Out.count("start "); n != 2 {
		t.Errorf("%d VMs have begun:\n%s", n, sv.Out)
	}
}

// discard_timeout_request: what waits when its connection breaks is dropped, or
// handled.
func TestDiscardTimeoutRequest(t *testing.T) {
	t.Parallel()
	for _, discard := range []bool{false, true} {
		sv := serve(t, setup{workers: 1, flags: []string{"--set", fmt.Sprint("discard_timeout_request=", discard)}}, `
			server:set{ open_eof_split = true, package_eof = "\n" }
			local co = require "co"
			function onReceive(server, fd, reactor_id, data)
			  print("got " .. data:sub(1, -2))
			  if data == "hold\n" then
			    while server:getClientInfo(fd).recv_queued_bytes < 6 do co.sleep(0.002) end
			    server:send(fd, "holding\n")
			    while not server:getClientInfo(fd).close_reason do co.sleep(0.002) end
			  end
			end
			function onClose(server, fd, reactor_id, reason) print("gone " .. reason .. " " .. server:stats().dropped_messages) end`)
		c := sv.dial(t)
		c.say("hold\nafter\n")
		c.expect("holding")
		c.reset()
		if discard {
			sv.Out.wait(t, "got hold\ngone reset 1\n")
		} else {
			sv.Out.wait(t, "got hold\ngot after\ngone reset 0\n")
		}
	}
}

// buffer_low_watermark: onBufferEmpty comes before there is nothing left.
func TestLowWatermark(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, `
		server:set{ socket_buffer_size = "4M", buffer_high_watermark = "3M", buffer_low_watermark = "2M", kernel_socket_send_buffer_size = "64K" }
		function onReceive(server, fd, reactor_id, data)
		  server:after(1, function()
		    while server:send(fd, ("x"):rep(65536)) do end
		    print("filled")
		  end)
		end
		function onBufferEmpty(server, fd)
		  local left = server:getClientInfo(fd).send_queued_bytes
		  print("some left", left > 0 and left <= 2 * 2 ^ 20, left)
		end`)
	c := sv.dial(t)
	c.SetReadBuffer(64 << 10) // or the kernel might take all that is left
	c.say("go")
	sv.Out.wait(t, "filled")
	c.take(5 << 19) // of 4 MB: the rest, less what the kernel holds, is below the mark
	sv.Out.wait(t, "some left\ttrue")
}

package tests

import (
	"fmt"
	"io"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Clients that have gone silent: the articles' scripts, and who is spared.

// heartbeat.lua: who sends nothing is closed after five seconds with a FIN, who
// pings is not, until it stops.
func TestHeartbeatScript(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{}, "../scripts/heartbeat.lua")
	begin := time.Now()
	silent, lively := sv.dial(t), sv.dial(t)
	sv.Out.wait(t, `string(17) "Client: Connect 1"`)
	sv.Out.wait(t, `string(17) "Client: Connect 2"`)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if _, err := lively.Write([]byte("ping\n")); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	if rest, err := silent.rest(); rest != "" || err != nil {
		t.Errorf("the silent client saw %q, %v", rest, err)
	}
	if took := time.Since(begin); took < 5*time.Second {
		t.Errorf("closed after %v", took)
	}
	sv.Out.wait(t, "string(10) \"close fd 1\"\nstring(17) \"timeout_heartbeat\"\n")
	sv.Out.waitCount(t, "string(5) \"ping\n\"\n", 18) // more than five seconds of it
	if n := sv.Out.count("close fd 2"); n != 0 {
		t.Error("the lively client was closed")
	}
	close(stop)
	<-stopped
	if rest, err := lively.rest(); rest != "" || err != nil {
		t.Errorf("the lively client saw %q, %v", rest, err)
	}
	sv.Out.wait(t, "string(10) \"close fd 2\"\nstring(17) \"timeout_heartbeat\"\n")
}

// ping_pong.lua: a pong says that the server can work.
func TestPingPongScript(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{workers: 1}, "../scripts/ping_pong.lua")
	c := sv.dial(t)
	for _, step := range [][2]string{
		{"ping", "pong"}, {"down redis", "redis is down"}, {"down db", "db is down"}, {"ping", "not well: db, redis"},
		{"up redis", "redis is up"}, {"ping", "not well: db"}, {"up db", "db is up"}, {"ping", "pong"},
		{"pong", "what is pong? say ping"},
	} {
		c.say(step[0] + "\n")
		c.expect(step[1])
	}
}

// keepalive.lua: probes come to a silent client, and are answered by its kernel;
// when nothing is answered any more, the session ends. Faster here than in the
// script, by flags.
func TestKeepaliveScript(t *testing.T) {
	t.Parallel() // it mostly waits
	sv := serveFile(t, setup{flags: []string{"--set", "tcp_keepidle=1", "--set", "tcp_keepcount=1"}}, "../scripts/keepalive.lua")
	silent := sv.dial(t)
	sv.Out.wait(t, `string(17) "Client: Connect 1"`)
	segments := func() (n uint32) {
		raw, err := silent.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Error(err)
				return
			}
			n = info.Segs_in
		})
		return n
	}
	before := segments()
	eventually(t, "two probes have come", func() bool { return segments() >= before+2 })
	if n := sv.Out.count("close fd 1"); n != 0 {
		t.Fatal("a client that answers was closed")
	}
	deafen(t, silent.TCPConn)
	sv.Out.wait(t, "string(10) \"close fd 1\"\nstring(14) \"keepalive_lost\"\n")
}

// Every rule in one crowd: the idle one goes, by heartbeat_idle_time alone or on
// the grid of heartbeat_check_interval; who is protected, paused or delayed
// stays, and goes when that ends.
func TestWhoIsSpared(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = []string{"--set", "heartbeat_idle_time=1"}
		if s.workers > 1 {
			s.flags = append(s.flags, "--set", "heartbeat_check_interval=0.25")
		}
		sv := serve(t, s, `
				function onConnect(server, fd)
				  if fd == 2 or fd == 4 then assert(server:protect(fd)) end
				  if fd == 3 then assert(server:pause(fd)) end
				  print("hello " .. fd)
				end
				function onReceive(server, fd, reactor_id, data)
				  if data == "end" then
				    print("spared until now", server:exists(1), server:exists(2), server:exists(3))
				    assert(server:protect(2, false))
				    assert(server:resume(3))
				  end
				end
				function onClose(server, fd, reactor_id, reason) print("gone", fd, reactor_id >= 0, reason) end`)
		var clients []*client
		for i := range 3 {
			clients = append(clients, sv.dial(t))
			sv.Out.wait(t, fmt.Sprintf("hello %d\n", i+1))
		}
		sv.Out.wait(t, "gone\t1\ttrue\ttimeout_heartbeat\n")
		last := sv.dial(t)
		last.say("end")
		sv.Out.wait(t, "spared until now\tfalse\ttrue\ttrue\n")
		sv.Out.wait(t, "gone\t2\ttrue\ttimeout_heartbeat\n")
		sv.Out.wait(t, "gone\t3\ttrue\ttimeout_heartbeat\n")
		for _, c := range clients {
			if _, err := c.rest(); err != nil {
				t.Error(err)
			}
		}
	})
}

// max_idle_time: a client that is served is not idle, one that takes nothing is
// a slow reader.
func TestMaxIdleTime(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "max_idle_time=1")
		sv := serve(t, s, `
			local co = require "co"
			function onReceive(server, fd, reactor_id, data)
			  if data == "work" then
			    co.sleep(3)
			    server:send(fd, "done\n")
			  elseif data == "flood" then
			    while server:send(fd, ("x"):rep(65536)) do end
			  end
			end
			function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`)
		works, floods := sv.dial(t), sv.dial(t)
		works.say("work")
		floods.say("flood")
		works.expect("done")
		sv.Out.wait(t, "slow_reader\n")
		sv.Out.wait(t, "timeout_idle\n")
		if _, err := io.Copy(io.Discard, floods); err == nil {
			t.Error("the slow reader saw a clean end: it must not take what it got for all")
		}
		if rest, err := works.rest(); rest != "" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// The times change by a reload, also for clients that are there, and are the
// port's own.
func TestHeartbeatByReload(t *testing.T) {
	t.Parallel()
	const script = `
		server:set{ heartbeat_idle_time = %s }
		local port = server:listen("127.0.0.1", 0)
		port:set{ heartbeat_idle_time = %s }
		function onStart() print("second port", port.port) end
		function onReceive(server, fd) print("from", fd) end
		function onAfterReload() print("reloaded") end
		function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`
	sv := serve(t, setup{workers: 2}, fmt.Sprintf(script, "3600", "0"))
	a := sv.dial(t)
	a.say("x")
	sv.Out.wait(t, "from\t1\n")
	m := regexp.MustCompile(`second port\t(\d+)`).FindStringSubmatch(sv.Out.String())
	b, err := dialTCP("127.0.0.1:" + m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	sv.save(t, fmt.Sprintf(script, "0.3", "3600"))
	sv.Out.wait(t, "gone\t1\ttimeout_heartbeat\n")
	if n := sv.Out.count("gone\t2"); n != 0 {
		t.Error("the other port's client is gone")
	}
	sv.save(t, fmt.Sprintf(script, "0", "0.3"))
	sv.Out.wait(t, "gone\t2\ttimeout_heartbeat\n")
	last := sv.dial(t)
	last.say("x")
	last.Close()
	sv.Out.wait(t, "gone\t3\tclient_closed\n")
}

// heartbeat() lists who is over the time, and closes them when told to.
func TestHeartbeatMethod(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
			server:set{ heartbeat_idle_time = 0.2, heartbeat_check_interval = 3600 }
			local co = require "co"
			local function list(close) return table.concat(server:heartbeat(close), " ") end
			function onReceive(server, fd, reactor_id, data)
			  server:protect(fd)
			  while list() ~= "1 2" do co.sleep(0.01) end
			  server:protect(2)
			  server:send(fd, list(true) .. "\n")
			end
			function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`)
		a, b := sv.dial(t), sv.dial(t)
		c := sv.dial(t)
		c.say("who?")
		c.expect("1")
		sv.Out.wait(t, "gone\t1\ttimeout_heartbeat\n")
		a.rest()
		b.Close()
		sv.Out.wait(t, "gone\t2\tclient_closed\n")
	})
	sv := serve(t, setup{workers: 1}, `
		function onReceive(server, fd, reactor_id, data)
		  local list, name, text = server:heartbeat()
		  server:send(fd, tostring(list) .. " " .. name .. " " .. server:getLastError() .. ": " .. text .. "\n")
		end`)
	c := sv.dial(t)
	c.say("who?")
	c.expect("false heartbeat_off 509: no port has a heartbeat_idle_time")
}

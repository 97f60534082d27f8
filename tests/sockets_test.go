package tests

import (
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

	"golang.org/x/sys/unix"
)

// Ports of a server, what the kernel is told of their sockets, and sockets that
// somebody else has opened.

// Ports of several kinds, with callbacks and settings of their own.
func TestServerWithManyPorts(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		sv := serve(t, s, `
local swoole = require "swoole"
local admin = server:listen("127.0.0.1", 0)
admin:on("Receive", function(server, fd, reactor_id, data) server:send(fd, "admin " .. data) end)
admin:on("Connect", function(server, fd) server:send(fd, "hello admin\n") end)
local six = server:addlistener("::1", 0, swoole.SOCK_TCP6)
six:set{ open_tcp_nodelay = false }
local path = server:listen("`+dir+`/s")
local packets = server:listen("127.0.0.1", 0, "udp")
function onReceive(server, fd, reactor_id, data)
  local c = server:getClientInfo(fd)
  server:send(fd, ("port %d, type %d: %s"):format(c.server_port, c.socket_type, data))
end
function onPacket(server, data, client) server:sendto(client.address, client.port, "packet " .. data) end
function onStart(server)
  for i, p in ipairs(server.ports) do print(i, p.host:match("[^/]*$"), p.type, p.port > 0, p.sock > 0) end
end`)
		sv.Out.wait(t, "1\t127.0.0.1\t1\ttrue\ttrue\n2\t127.0.0.1\t1\ttrue\ttrue\n3\t::1\t3\ttrue\ttrue\n4\ts\t5\tfalse\ttrue\n5\t127.0.0.1\t2\ttrue\ttrue\n")
		m := regexp.MustCompile(`listening  (\S+)\n\s+(\S+)\n\s+(\S+)\n\s+unix:(\S+)\n\s+udp:(\S+)\n`).FindStringSubmatch(sv.Log.String())
		if m == nil {
			t.Fatalf("the banner does not name the ports:\n%s", sv.Log)
		}
		talk := func(network, addr, say, want string) {
			t.Helper()
			c, err := net.Dial(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(4 * patience))
			c.Write([]byte(say))
			got := ""
			for len(got) < len(want) {
				b := make([]byte, 1000)
				n, err := c.Read(b)
				if err != nil {
					t.Fatalf("%s %s: %q, %v", network, addr, got, err)
				}
				got += string(b[:n])
			}
			if got != want {
				t.Errorf("%s %s: %q, want %q", network, addr, got, want)
			}
		}
		portOf := func(addr string) string {
			_, port, _ := net.SplitHostPort(addr)
			return port
		}
		talk("tcp", m[1], "x", "port "+portOf(m[1])+", type 1: x")
		talk("tcp", m[2], "x", "hello admin\nadmin x")
		talk("tcp", m[3], "x", "port "+portOf(m[3])+", type 3: x")
		talk("unix", m[4], "x", "port 0, type 5: x")
		talk("udp", m[5], "x", "packet x")
	})
}

// What is wrong with ports is said before anything listens, all of it at once.
func TestFaultyPorts(t *testing.T) {
	t.Parallel()
	path := script(t, `
server:set{ host = "127.0.0.1", sock_type = "upd", unix_socket_mode = 660, tcp_keepidle = 5 }
local u = server:listen("127.0.0.1", 9000, "udp")
u:set{ open_tcp_keepalive = true, kernel_socket_recv_buffer_size = 100 }
local a = server:listen("@name")
a:set{ unix_socket_mode = "0660" }
server:listen("127.0.0.1", 9000, 2)
server:listen("127.0.0.1")
server:listen("/tmp/x", 80)
server:listen("SYSTEMD", 80)
server:listen("127.0.0.1", 99999)
server:listen("127.0.0.1", 1, "tpc")
u:on("Start", function() end)
`)
	out, err := exec.Command(binary(t, false), "check", path).CombinedOutput()
	if err == nil {
		t.Fatalf("it is taken: %s", out)
	}
	for _, want := range []string{
		`app.lua:2: setting 'sock_type': "upd" is no type of socket (did you mean 'udp'?)`,
		`app.lua:2: setting 'unix_socket_mode': write it as a string of octal digits, as in chmod: "0660", not 660`,
		`app.lua:2: setting 'tcp_keepidle': it needs open_tcp_keepalive = true`,
		`app.lua:4: setting 'open_tcp_keepalive': it means nothing to a port of type udp (udp:127.0.0.1:9000)`,
		`app.lua:4: setting 'kernel_socket_recv_buffer_size': 100 is not 0 or in 4096..1073741824 bytes`,
		`app.lua:6: setting 'unix_socket_mode': the name @name has no file`,
		`app.lua:7: server:listen: udp:127.0.0.1:9000 is listened on already`,
		`app.lua:8: server:listen: 127.0.0.1 needs a port (0 lets the kernel choose)`,
		`app.lua:9: server:listen: a unix socket has no port: write 0 instead of 80`,
		`app.lua:10: server:listen: a socket from systemd has a port of its own: write 0 instead of 80`,
		`app.lua:11: server:listen: port 99999 is not in 0..65535`,
		`app.lua:12: server:listen: "tpc" is no type of socket (did you mean 'tcp'?)`,
		`app.lua:13: port:on: event 'onStart' belongs to the server, not to a port: server:on`,
		`app.lua: there is no onReceive: 127.0.0.1:9501, unix:@name`,
		`app.lua: there is no onPacket: udp:127.0.0.1:9000, udp:127.0.0.1:9000 (2) needs function onPacket(server, data, client)`,
	} {
		if strings.Count(string(out), want) != 1 {
			t.Errorf("it is not said once: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// A server of packets needs onPacket and nothing else.
func TestServerOfPacketsOnly(t *testing.T) {
	t.Parallel()
	path := script(t, "server:set{ sock_type = 'udp' }\nfunction onPacket() end")
	if out, err := exec.Command(binary(t, false), "check", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	path = script(t, "server:set{ sock_type = 'udp' }\nfunction onReceive() end")
	out, err := exec.Command(binary(t, false), "check", path).CombinedOutput()
	if want := "app.lua: there is no onPacket: a UDP server needs function onPacket(server, data, client)\n"; err == nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// ss shows what the kernel does for a connection; after a reload, for those
// that come then.
func TestSocketOptionsOnTheWire(t *testing.T) {
	t.Parallel()
	text := `
server:set{ open_tcp_keepalive = true, tcp_keepidle = 1000, tcp_keepinterval = 7, tcp_keepcount = 3 }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	sv := serve(t, setup{}, text)
	timer := func(c *client) string {
		t.Helper()
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		out, err := exec.Command("ss", "-Htno", "state", "established", "dport = :"+port).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	first := sv.dial(t)
	first.say("x\n")
	first.expect("x")
	if out := timer(first); !regexp.MustCompile(`timer:\(keepalive,1[0-9]min,0\)`).MatchString(out) {
		t.Errorf("ss says %q", out)
	}
	sv.save(t, strings.Replace(text, "open_tcp_keepalive = true, tcp_keepidle = 1000, tcp_keepinterval = 7, tcp_keepcount = 3", "", 1))
	sv.Log.wait(t, "reloaded generation=2")
	second := sv.dial(t)
	second.say("x\n")
	second.expect("x")
	if out := timer(second); strings.Contains(out, "keepalive") {
		t.Errorf("of a new connection, ss says %q", out)
	}
	if out := timer(first); !strings.Contains(out, "keepalive") {
		t.Errorf("of the old connection, ss says %q", out)
	}
	sv.save(t, strings.Replace(text, "open_tcp_keepalive = true", "enable_reuse_port = true, open_tcp_keepalive = true", 1))
	sv.Log.wait(t, "enable_reuse_port: (default) -> true (it is said before the address is bound)")
}

// A client whose machine is gone answers no probes: it is closed, and onClose
// is told why.
func TestKeepaliveFindsTheDead(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
server:set{ open_tcp_keepalive = true, tcp_keepidle = 1, tcp_keepinterval = 1, tcp_keepcount = 1 }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
function onClose(server, fd, reactor_id, reason) print(fd .. " left: " .. reason) end`)
		dead, alive := sv.dial(t), sv.dial(t)
		for _, c := range []*client{dead, alive} {
			c.say("x\n")
			c.expect("x")
		}
		deafen(t, dead.TCPConn)
		sv.Out.wait(t, " left: keepalive_lost\n")
		alive.say("and I?\n")
		alive.expect("and I?")
		if n := sv.Out.count("left"); n != 1 {
			t.Errorf("%d clients left", n)
		}
	})
}

// deafen has the kernel drop whatever arrives for a client, below TCP: nothing
// is acknowledged, as if its machine were gone.
func deafen(t testing.TB, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		drop := []unix.SockFilter{{Code: unix.BPF_RET}}
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]}); err != nil {
			t.Skip("this kernel has no filters on sockets: ", err)
		}
	})
}

// Two servers may share an address if both say so.
func TestTwoServersOnOneAddress(t *testing.T) {
	t.Parallel()
	text := `
server:set{ enable_reuse_port = true }
function onReceive(server, fd, reactor_id, data) server:send(fd, arg[1] .. "\n") end`
	first := serve(t, setup{args: []string{"first"}}, text)
	second := launch(t, setup{flags: []string{"--port", first.Port}, args: []string{"second"}}, script(t, text))
	second.Log.wait(t, "process    ")
	heard := map[string]bool{}
	eventually(t, "both servers have had clients", func() bool {
		c := first.dial(t)
		c.say("who?")
		heard[c.line()] = true
		c.Close()
		return heard["first"] && heard["second"]
	})
	third := launch(t, setup{flags: []string{"--port", first.Port, "--set", "enable_reuse_port=false"}}, script(t, text))
	if code := third.wait(t); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

// More sessions than there are descriptors: one line says so at the start.
func TestMaxConnectionOverTheLimit(t *testing.T) {
	t.Parallel()
	text := `function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	sv := serve(t, setup{ulimit: 200, flags: []string{"--set", "max_connection=1000"}}, text)
	sv.Log.wait(t, "max_connection cannot be reached")
	line := regexp.MustCompile(`max_connection=1000 descriptors=200 sessions_that_fit=(\d+)\n`).FindStringSubmatch(sv.Log.String())
	if line == nil {
		t.Fatalf("the log says\n%s", sv.Log)
	}
	c := sv.dial(t)
	c.say("hello\n")
	c.expect("hello")
	if n := sv.Log.count("cannot be reached"); n != 1 {
		t.Errorf("it is said more than once:\n%s", sv.Log)
	}
	sv = serve(t, setup{ulimit: 200, flags: []string{"--set", "max_connection=100"}}, text)
	if n := sv.Log.count("cannot be reached"); n != 0 {
		t.Errorf("a hundred fit:\n%s", sv.Log)
	}
}

// passed is a socket for a server as systemd passes it: opened, and with a
// name.
type passed struct {
	name string
	file *os.File
}

// pass gives a command its sockets: descriptors from 3 on, and the environment
// that says so, which names the process. That is known only once it runs, so a
// shell fills it in and becomes the server.
func (s *setup) pass(cmd *exec.Cmd) {
	if len(s.passed) == 0 {
		return
	}
	var names []string
	for _, p := range s.passed {
		cmd.ExtraFiles = append(cmd.ExtraFiles, p.file)
		names = append(names, p.name)
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(s.passed)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=${LISTEN_PID:-$$} exec "$0" "$@"`}, cmd.Args...)
	cmd.Path, cmd.Err = "/bin/sh", nil
}

// fileOf is the file of a socket that Go has opened.
func fileOf(t testing.TB, socket interface{ File() (*os.File, error) }, err error) *os.File {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	f, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Sockets that systemd has opened: found by their kind, or by their names. A
// server that is started anew finds the clients that came while it was away.
func TestSocketsFromSystemd(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		web, err := net.Listen("tcp", "127.0.0.1:0")
		webFile := fileOf(t, web.(*net.TCPListener), err)
		admin, err := net.Listen("tcp", "127.0.0.1:0")
		adminFile := fileOf(t, admin.(*net.TCPListener), err)
		log, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		logFile := fileOf(t, log, err)
		local, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
		localFile := fileOf(t, local, err)
		s.passed = []passed{{"web", webFile}, {"admin", adminFile}, {"log", logFile}, {"", localFile}}
		text := `
server:set{ host = "SYSTEMD:web", port = 0 }
server:listen("systemd:admin", 0):on("Receive", function(server, fd, reactor_id, data) server:send(fd, "admin " .. data) end)
server:listen("SYSTEMD", 0, "udp")
server:listen("SYSTEMD", 0, "unix_stream")
function onStart(server) print("serving " .. server.port) end
function onReceive(server, fd, reactor_id, data)
  server:send(fd, server:getClientInfo(fd).server_port .. " " .. data)
end
function onPacket(server, data, client) server:sendto(client.address, client.port, client.server_port .. " " .. data) end`

		// A client that is earlier than the server waits for it.
		early, err := net.Dial("tcp", web.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer early.Close()
		early.Write([]byte("early"))
		for range 2 {
			sv := up(t, s, text)
			_, port, _ := net.SplitHostPort(web.Addr().String())
			_, udpPort, _ := net.SplitHostPort(log.LocalAddr().String())
			sv.Out.wait(t, "serving "+port+"\n")
			ask := func(network, addr, want string) {
				t.Helper()
				c, err := net.Dial(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(4 * patience))
				c.Write([]byte("x"))
				b := make([]byte, 100)
				if n, err := c.Read(b); string(b[:n]) != want {
					t.Errorf("%s %s answers %q, %v, want %q", network, addr, b[:n], err, want)
				}
			}
			ask("tcp", web.Addr().String(), port+" x")
			ask("tcp", admin.Addr().String(), "admin x")
			ask("udp", log.LocalAddr().String(), udpPort+" x")
			ask("unix", dir+"/s", "0 x")
			early.SetDeadline(time.Now().Add(4 * patience))
			b := make([]byte, 100)
			if n, err := early.Read(b); string(b[:n]) != port+" early" {
				t.Errorf("the early client hears %q, %v", b[:n], err)
			}
			if code := sv.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			early.Close()
			if early, err = net.Dial("tcp", web.Addr().String()); err != nil {
				t.Fatal(err)
			}
			early.Write([]byte("early"))
		}
		early.Close()
		if _, err := os.Lstat(dir + "/s"); err != nil {
			t.Errorf("a socket that is systemd's was removed: %v", err)
		}
	})
}

func TestSocketsFromSystemdThatDoNotFit(t *testing.T) {
	t.Parallel()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	webFile := fileOf(t, web.(*net.TCPListener), err)
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name string
		s    setup
		text string
		want []string
		code int
	}{
		{"none passed", setup{}, `server:set{ host = "SYSTEMD" }`,
			[]string{"listen tcp SYSTEMD: no sockets were passed to this process (LISTEN_FDS is not set)"}, 3},
		{"for another process", setup{passed: []passed{{"web", webFile}}, env: []string{"LISTEN_PID=1"}}, `server:set{ host = "SYSTEMD" }`,
			[]string{"listen tcp SYSTEMD: the sockets were passed to another process (LISTEN_PID is 1, this is "}, 3},
		{"of another kind", setup{passed: []passed{{"web", webFile}}}, `server:set{ host = "SYSTEMD", sock_type = "udp" }`,
			[]string{"listen udp SYSTEMD: none of the sockets that were passed fits: 'web' (tcp)"}, 3},
		{"by another name", setup{passed: []passed{{"web", webFile}, {"null", file}}}, `server:set{ host = "SYSTEMD:www" }`,
			[]string{"listen tcp SYSTEMD:www: none of the sockets that were passed fits: 'web' (tcp), 'null' (is no socket)"}, 3},
		{"twice", setup{passed: []passed{{"web", webFile}}}, `server:set{ host = "SYSTEMD" } server:listen("SYSTEMD", 0)`,
			[]string{`app.lua:1: server:listen: SYSTEMD is listened on already (its sockets have names: "SYSTEMD:name")`}, 1},
		{"not asked for", setup{passed: []passed{{"web", webFile}}}, ``,
			[]string{"a socket that systemd has passed is no port of this server: its clients wait in vain socket=\"'web' (tcp)\""}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sv := launch(t, c.s, script(t, c.text+"\nfunction onReceive() end function onPacket() end"))
			for _, want := range c.want {
				sv.Log.wait(t, want)
			}
			if c.code != 0 {
				if code := sv.wait(t); code != c.code {
					t.Errorf("exit code %d, want %d", code, c.code)
				}
			} else {
				sv.Log.wait(t, "process    ")
			}
		})
	}
}

// systemd's own tool starts the server when the first client comes.
func TestSystemdSocketActivate(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("systemd-socket-activate is not installed")
	}
	path := filepath.Join(t.TempDir(), "s")
	text := `
server:set{ host = "SYSTEMD:app", sock_type = "unix_stream" }
function onReceive(server, fd, reactor_id, data) server:send(fd, "hello " .. data) end`
	cmd := exec.Command(tool, "-l", path, "--fdname=app", binary(t, false), "run", "--port", "0", script(t, text))
	out := newTranscript(t)
	cmd.Stdout, cmd.Stderr = out.File, out.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); <-done })
	out.wait(t, "Listening on "+path)
	c := dialUnix(t, path)
	c.say("you")
	c.expect("hello you")
}

// systemd is told when the server is ready, reloads, stops, and that it lives.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	heard := newTranscript(t)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := told.Read(b)
			if err != nil {
				return
			}
			heard.Write(append(b[:n:n], "\n\n"...))
		}
	}()
	text := `
function onReceive() end
function onWorkerStart() assert(os.getenv("NOTIFY_SOCKET") == nil and os.getenv("WATCHDOG_USEC") == nil) end`
	sv := serve(t, setup{env: []string{"NOTIFY_SOCKET=" + dir + "/notify", "WATCHDOG_USEC=3000000"}}, text)
	heard.wait(t, "READY=1\nSTATUS=generation 1 serves "+sv.Addr+"\n\n")
	heard.waitCount(t, "WATCHDOG=1\n\n", 2)

	sv.save(t, text+"\n-- better\n")
	heard.wait(t, "STATUS=generation 2 serves "+sv.Addr+"\n\n")
	if !regexp.MustCompile(`RELOADING=1\nMONOTONIC_USEC=\d{4,}\nSTATUS=reloading: saved app.lua\n\n(WATCHDOG=1\n\n)*READY=1\nSTATUS=generation 2 `).MatchString(heard.String()) {
		t.Errorf("of a reload it is told\n%s", heard)
	}
	sv.save(t, text+"\nif then")
	heard.wait(t, "READY=1\nSTATUS=reload failed, generation 2 goes on: load: ")

	if code := sv.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	heard.wait(t, "STOPPING=1\nSTATUS=shutting down\n\n")
	if !regexp.MustCompile(`(?s)STOPPING=1.*READY=1`).MatchString(heard.String()) {
		return
	}
	t.Errorf("it is ready after it has stopped:\n%s", heard)
}

// The watchdog is not told that a server lives none of whose workers answers.
func TestSystemdWatchdog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	heard := newTranscript(t)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := told.Read(b)
			if err != nil {
				return
			}
			heard.Write(append(b[:n:n], "\n\n"...))
		}
	}()
	sv := serve(t, setup{workers: 2, env: []string{"NOTIFY_SOCKET=" + dir + "/notify", "WATCHDOG_USEC=600000"}}, `
server:set{ max_execution_time = 0 }
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "computing\n")
  while true do end
end`)
	sv.quiet = true
	one, two := sv.dial(t), sv.dial(t)
	one.say("go")
	one.expect("computing")
	heard.waitCount(t, "WATCHDOG=1", heard.count("WATCHDOG=1")+3) // one worker is left
	two.say("go")
	two.expect("computing")
	sv.Log.wait(t, "no worker answers: the watchdog is not told that the server is alive")
	sv.stop(t, syscall.SIGTERM)
}

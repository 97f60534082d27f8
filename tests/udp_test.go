package tests

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Packets: UDP and unix datagrams.

// udpAt is where the server takes packets: the nth address with udp in the
// banner.
func (sv *server) udpAt(t testing.TB, n int) string {
	t.Helper()
	list := regexp.MustCompile(`udp:(\S+:\d+)\n`).FindAllStringSubmatch(sv.Log.String(), -1)
	if n >= len(list) {
		t.Fatalf("the banner names %d addresses for UDP:\n%s", len(list), sv.Log)
	}
	return list[n][1]
}

// sender is a client of packets.
type sender struct {
	net.Conn
	t testing.TB
}

// dialUDP makes a client of packets for an address.
func dialUDP(t testing.TB, addr string) *sender {
	t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(4 * patience))
	return &sender{c, t}
}

func (s *sender) say(text string) {
	s.t.Helper()
	if _, err := s.Write([]byte(text)); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

// hear reads one packet.
func (s *sender) hear() string {
	s.t.Helper()
	b := make([]byte, 128<<10)
	n, err := s.Read(b)
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	return string(b[:n])
}

func (s *sender) expect(want string) {
	s.t.Helper()
	if got := s.hear(); got != want {
		s.t.Fatalf("heard %.100q, want %.100q", got, want)
	}
}

func TestTheUDPExample(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serveFile(t, s, "../scripts/udp.lua")
		c := dialUDP(t, sv.udpAt(t, 0))
		c.say("hello\n")
		c.expect(c.LocalAddr().String() + " said: hello\n")

		slow := dialUDP(t, sv.udpAt(t, 0))
		slow.say("wait\n")
		slow.say("and then\n")
		for range 20 { // some of them share the worker with the slow one
			c := dialUDP(t, sv.udpAt(t, 0))
			c.say("quick")
			c.expect(c.LocalAddr().String() + " said: quick\n")
		}
		slow.expect(slow.LocalAddr().String() + " said: wait\n")
		slow.expect(slow.LocalAddr().String() + " said: and then\n")
	})
}

// The clients of the manual pages: netcat and socat.
func TestPacketsFromNetcatAndSocat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sv := serve(t, setup{}, `
server:listen("127.0.0.1", 0, "udp")
server:listen("`+dir+`/log.sock", 0, "unix_dgram")
function onReceive() end
function onPacket(server, data, client)
  local name = client.address:match("[^/]*$")
  assert(server:sendto(client.address, client.port, "hello " .. data:gsub("%s*$", "") .. " of " .. name .. "\n"))
end`)
	host, port, _ := net.SplitHostPort(sv.udpAt(t, 0))
	for _, c := range []struct {
		client []string
		want   string
	}{
		{[]string{"nc", "-u", "-w", "5", host, port}, "hello world of 127.0.0.1\n"},
		{[]string{"socat", "-t", "5", "-", "UDP:" + host + ":" + port}, "hello world of 127.0.0.1\n"},
		{[]string{"socat", "-t", "5", "-", "UNIX-CLIENT:" + dir + "/log.sock,type=2,bind=" + dir + "/me"}, "hello world of me\n"},
	} {
		cmd := exec.Command(c.client[0], c.client[1:]...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out := newTranscript(t)
		cmd.Stdout = out.File
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Write([]byte("world\n"))
		out.wait(t, c.want)
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// Whatever the kernel has taken is handled, however fast it came: what was sent
// is what onPacket saw and what the kernel says it dropped.
func TestTwentyThousandPacketsAtOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 2500
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
local seen = require("swoole").Atomic(0)
server:listen("127.0.0.1", 0, "udp")
function onPacket(server, data, client) seen:add(1) end
function onReceive(server, fd)
  local st = server:stats()
  server:send(fd, ("%d %d %d\n"):format(seen:get(), st.udp_kernel_drops, st.packet_count))
end`)
		var wg sync.WaitGroup
		for i := range clients {
			c := dialUDP(t, sv.udpAt(t, 0))
			wg.Add(1)
			go func() {
				defer wg.Done()
				for n := range each {
					if _, err := fmt.Fprintf(c, "%d %d", i, n); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		c := sv.dial(t)
		var seen, drops, read int
		eventually(t, "seen and dropped are all that was sent", func() bool {
			c.say("count\n")
			fmt.Sscan(c.line(), &seen, &drops, &read)
			return seen+drops == clients*each && seen == read
		})
		if seen == 0 {
			t.Error("the kernel dropped them all: what is tested?")
		}
	})
}

// One port of each kind, with what a packet's callback is told of its client.
func TestPacketsOfEveryKind(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		sv := serve(t, s, `
local swoole = require "swoole"
local server = swoole.Server("127.0.0.1", 0, nil, swoole.SOCK_UDP)
local six = server:listen("::1", 0, swoole.SOCK_UDP6)
local path = server:listen("`+dir+`/s", 0, swoole.SOCK_UNIX_DGRAM)
local function answer(server, data, client, who)
  assert(client.server_port == server.ports[who].port and client.server_socket == server.ports[who].sock)
  assert(math.abs(client.dispatch_time - os.time()) < 60)
  local keys = {}
  for k in pairs(client) do keys[#keys + 1] = k end
  table.sort(keys)
  assert(table.concat(keys, " ") == "address dispatch_time port server_port server_socket")
  assert(server:sendto(client.address, client.port, ("%d %s %s"):format(who, client.address, data), client.server_socket))
end
server:on("packet", function(s, data, client) answer(s, data, client, 1) end)
six:on("Packet", function(s, data, client) answer(s, data, client, 2) end)
path:on("onPacket", function(s, data, client) answer(s, data, client, 3) end)
`)
		v4, v6 := dialUDP(t, sv.udpAt(t, 0)), dialUDP(t, sv.udpAt(t, 1))
		own := filepath.Join(dir, "me")
		c, err := net.DialUnix("unixgram", &net.UnixAddr{Name: own, Net: "unixgram"}, &net.UnixAddr{Name: dir + "/s", Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(4 * patience))
		ux := &sender{c, t}
		for _, text := range []string{"x", "", "\x00\xff binary", strings.Repeat("long ", 13000)} {
			v4.say(text)
			v4.expect("1 127.0.0.1 " + text)
			v6.say(text)
			v6.expect("2 ::1 " + text)
			if text != "" { // Go does not send nothing to a unix socket
				ux.say(text)
				ux.expect("3 " + own + " " + text)
			}
		}
	})
}

// A packet that is being answered during a reload is answered by the code it
// met; the next one meets the new code, on the same socket.
func TestPacketsAcrossAReload(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := `
local co, version = require "co", "one"
server:set{ sock_type = "udp" }
function onPacket(server, data, client)
  if data == "slow" then
    print("slow begins")
    while not io.open(arg[1]) do co.sleep(0.01) end
  end
  server:sendto(client.address, client.port, data .. " " .. version)
end`
		flag := filepath.Join(t.TempDir(), "go on")
		s.args = []string{flag}
		sv := serve(t, s, text)
		slow, quick := dialUDP(t, sv.udpAt(t, 0)), dialUDP(t, sv.udpAt(t, 0))
		slow.say("slow")
		sv.Out.wait(t, "slow begins")
		slow.say("next") // waits for its turn
		sv.save(t, strings.Replace(text, `"one"`, `"two"`, 1))
		sv.Log.wait(t, "reloaded generation=2")
		quick.say("quick")
		quick.expect("quick two")
		save(t, flag, "")
		slow.expect("slow one")
		slow.expect("next two")
	})
}

// A stop waits for packets that were read, and their answers leave.
func TestStopWithPacketsUnderWay(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
server:set{ sock_type = "udp", max_wait_time = 30 }
local co = require "co"
function onPacket(server, data, client)
  print("got " .. data)
  co.sleep(0.3)
  assert(server:sendto(client.address, client.port, "late " .. data))
end
function onShutdown(server) print("shut down", server:sendto("127.0.0.1", 9, "x")) end`)
		c := dialUDP(t, sv.udpAt(t, 0))
		c.say("1")
		c.say("2")
		sv.Out.wait(t, "got 1")
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d\n%s", code, sv.Log.tail())
		}
		c.expect("late 1")
		sv.Out.wait(t, "shut down\ttrue\n") // there was a socket to the end
	})
}

// An error in onPacket is reported like any other, and costs nobody else
// anything.
func TestErrorInOnPacket(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
server:set{ sock_type = "udp" }
local co = require "co"
function onPacket(server, data, client)
  if data == "bad" then local x = nil; x() end
  if data == "late" then co.sleep(0.01) error("too late") end
  server:sendto(client.address, client.port, data)
end
function onError(server, event, err)
  print(event, err.fd, err.message:match("[^:]*$"))
end`)
		c := dialUDP(t, sv.udpAt(t, 0))
		for _, text := range []string{"bad", "late", "good"} {
			c.say(text)
		}
		c.expect("good")
		sv.Out.wait(t, "onPacket\tnil\t attempt to call")
		sv.Out.wait(t, "onPacket\tnil\t too late")
		sv.Log.wait(t, "onPacket failed: ")
	})
}

// sendto says what went wrong by name, and works wherever a script runs.
func TestSendto(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	text := `
server:set{ task_worker_num = 1, sock_type = "udp" }
local d = server:listen("` + dir + `/s", 0, "unix_dgram")
local port = ` + port + `
function onPacket(server, data, client)
  local function try(...) print(...) end
  try("1", server:sendto("127.0.0.1", port, "from onPacket"))
  try("2", server:sendto("::1", port, "x"))
  try("3", server:sendto("example.com", port, "x"))
  try("4", server:sendto("127.0.0.1", 0, "x"))
  try("5", server:sendto("127.0.0.1", 70000, "x"))
  try("6", server:sendto("127.0.0.1", port, ("x"):rep(65508)))
  try("7", server:sendto("` + dir + `/none", 0, "x"))
  try("8", server:sendto("127.0.0.1", port, "x", 99999))
  try("9", server:sendto("127.0.0.1", port, "x", d.sock))
  try("10", server:getLastError())
  try("11", pcall(server.sendto, server, "127.0.0.1", port, {}))
  try("12", pcall(server.send, server, client, "x"))
  try("13", server:sendto("127.0.0.1", port, 5))
  server:task("x")
  server:after(1, function() server:sendto("127.0.0.1", port, "from a timer") end)
end
function onTask(server) server:sendto("127.0.0.1", port, "from a task") end
function onStart(server) server:sendto("127.0.0.1", port, "from onStart") end`
	sv := serve(t, setup{}, text)
	heard := map[string]bool{}
	hear := func() {
		t.Helper()
		b := make([]byte, 100)
		c.SetDeadline(time.Now().Add(patience))
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatalf("%v; heard %v", err, heard)
		}
		heard[string(b[:n])] = true
	}
	hear()
	dialUDP(t, sv.udpAt(t, 0)).say("go")
	for range 4 {
		hear()
	}
	for _, want := range []string{"from onStart", "from onPacket", "from a timer", "from a task", "5"} {
		if !heard[want] {
			t.Errorf("%q was not heard: %v", want, heard)
		}
	}
	sv.Out.wait(t, "13\ttrue\n")
	for _, want := range []string{
		"1\ttrue\n",
		"2\tfalse\tno_packet_port\t",
		"3\tfalse\tbad_address\t'example.com' is no IP address and no path",
		"4\tfalse\tbad_address\tport 0 is not in 1..65535",
		"5\tfalse\tbad_address\tport 70000 is not in 1..65535",
		"6\tfalse\tpacket_too_large\t",
		"7\tfalse\tnobody_listens\t",
		"8\tfalse\tno_such_socket\t",
		"9\tfalse\tno_packet_port\t",
		"10\t509\n",
		"bad argument #3 'data' to 'server:sendto' (string expected, got table)",
		"the sender of a packet has no session: server:sendto(client.address, client.port, data)",
	} {
		if !strings.Contains(sv.Out.String(), want) {
			t.Errorf("the script did not print %q:\n%s", want, sv.Out)
		}
	}
}

// A datagram of a unix socket can be larger than a packet may be: it is
// dropped, by name, and counted.
func TestPacketTooLarge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sv := serve(t, setup{}, `
server:listen("`+dir+`/s", 0, "unix_dgram")
function onPacket(server, data) print(#data) end
function onReceive(server, fd) server:send(fd, server:stats().dropped_packet_too_large .. "\n") end`)
	c, err := net.Dial("unixgram", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := &sender{c, t}
	s.say(strings.Repeat("x", 65536))
	s.say(strings.Repeat("x", 65537))
	s.say("12345")
	sv.Out.wait(t, "65536\n5\n")
	sv.Log.wait(t, "packet dropped reason=packet_too_large")
	tcp := sv.dial(t)
	tcp.say("how many")
	tcp.expect("1")
}

// Callbacks of packets that wait are capped; with too many packets behind them
// the socket is not read, and the kernel says what it had to drop.
func TestTooManyWaitingPackets(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		flag := filepath.Join(t.TempDir(), "go on")
		s.args = []string{flag}
		sv := serve(t, s, `
server:set{ max_packet_coroutine = 2, packet_queue_size = 20 }
local u = server:listen("127.0.0.1", 0, "udp")
local swoole, co = require "swoole", require "co"
local waiting, done = swoole.Atomic(0), swoole.Atomic(0)
function onPacket(server, data, client)
  if waiting:add(1) > 2 * server.setting.worker_num then print("too many wait") end
  while not io.open(arg[1]) do co.sleep(0.01) end
  waiting:sub(1)
  done:add(1)
end
function onReceive(server, fd)
  server:send(fd, ("%d %d\n"):format(done:get(), server:stats().udp_kernel_drops))
end`)
		const n = 8000
		var clients []*sender
		for range 8 {
			clients = append(clients, dialUDP(t, sv.udpAt(t, 0)))
		}
		for i := range n { // in turn: a client's packets wait for one another
			clients[i%8].say(strings.Repeat("x", 500))
		}
		tcp := sv.dial(t)
		var done, drops int
		eventually(t, "the kernel drops packets", func() bool {
			tcp.say("count")
			fmt.Sscan(tcp.line(), &done, &drops)
			return drops > 0
		})
		if done != 0 {
			t.Errorf("%d are done", done)
		}
		if n := sv.Out.count("too many wait"); n > 0 {
			t.Errorf("%d times more than max_packet_coroutine waited", n)
		}
		save(t, flag, "")
		eventually(t, "the others are handled", func() bool {
			tcp.say("count")
			fmt.Sscan(tcp.line(), &done, &drops)
			return done+drops == n
		})
	})
}

package client

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

// A peer that is done and is sent to has closed, whether its end or its refusal
// of our bytes is seen first.
func TestSendAfterThePeerClosed(t *testing.T) {
	closed := make(chan bool)
	run(t, `
local control, done = assert(client.connect("127.0.0.1", port)), co.channel(1)
control:send("control")
local c = client.new()
c:on("connect", function(c) -- nothing is read as long as this waits
  c:send("leave")
  eq(control:recv(30), "it has left")
  local ok, name
  repeat ok, name = c:send("x") co.sleep(0.001) until not ok
  eq(name, "broken_pipe") done:push(name)
end)
c:on("receive", print) c:on("error", print)
c:on("close", function(c, why) done:push(why) end)
c:connect("127.0.0.1", port)
eq(done:pop(30), "broken_pipe") eq(done:pop(30), "server_closed")
control:close()
`, peer(t, func(c *net.TCPConn) {
		b := make([]byte, 10)
		if n, _ := c.Read(b); string(b[:n]) == "leave" {
			c.Close()
			close(closed)
			return
		}
		<-closed
		c.Write([]byte("it has left"))
	}))
}

func TestCallbacks(t *testing.T) {
	port := nobody(t)
	out := run(t, `
local done = co.channel(10)
local c = client.new()
raises("there is no event 'recieve' (did you mean 'receive'?)", c.on, c, "recieve", print)
c:on("close", print)
raises("there is no callback for 'receive'", c.connect, c, "127.0.0.1", port)
c:on("Connect", function(c)
  print("connect", c:isConnected(), c:getsockname().host, c.sock > 2)
  for i = 1, 3 do eq(c:send(i .. "\n"), 2) end
end)
c:on("onReceive", function(c, data)
  co.sleep(0.001) -- the next waits for this one
  print("receive", data)
  if data == "2\n" then c:close() print("closing", c.connected) end
end)
c:on("error", function() print("error?") end)
c:on("close", function(c, why) print("close", why, c.connected) done:push(true) end)
c:set{ open_eof_split = true, package_eof = "\n" }
eq(c:connect("127.0.0.1", port), true)
eq(c.connected, false)
fails("connecting", c:connect("127.0.0.1", port)) fails("connecting", c:send("x"))
raises("the client has callbacks: its data come to 'receive'", c.recv, c)
assert(done:pop(30))
fails("not_connected", c:close()) fails("not_connected", c:send("x"))
-- again, until the peer leaves; then it connects in its close
c:on("connect", function(c) print("again") c:send("quit\n") end)
c:on("receive", function(c, data) c:shutdown("write") end)
local times = 0
c:on("close", function(c, why)
  print("close", why) times = times + 1
  if times == 1 then c:connect("127.0.0.1", port) else done:push(true) end
end)
c:connect("127.0.0.1", port)
assert(done:pop(30)) eq(times, 2)
-- exactly one of connect and error
c:on("connect", function() print("connect?") end)
c:on("error", function(c) print("error", c.errCode, c.errMsg:match("refused")) done:push(true) end)
c:connect("127.0.0.1", port2)
assert(done:pop(30))
c:on("error", function(c) print("error", c.errCode) done:push(true) end)
c:connect("127.0.0.1", port) c:close()
assert(done:pop(30)) eq(c.connected, false)
eq(server:stats().client_num, 0)
`, peer(t, echo), port)
	want := `connect	true	127.0.0.1	true
receive	1

receive	2

closing	false
close	client_closed	false
again
close	server_closed
again
close	server_closed
error	111	refused
error	125
`
	if out != want {
		t.Errorf("printed\n%swant\n%s", out, want)
	}
}

func TestSleepAndWakeup(t *testing.T) {
	run(t, `
local got, done = {}, co.channel(10)
local c = client.new("tcp", { open_eof_split = true, package_eof = "." })
c:on("receive", function(c, data)
  got[#got + 1] = data
  if data == "2." then eq(c:sleep(), true) end
  done:push(data)
end)
c:connect("127.0.0.1", port)
while not c.connected do co.sleep(0.001) end
c:send("1.2.3.4.")
eq(done:pop(30), "1.") eq(done:pop(30), "2.")
c:send("5.")
fails("timeout", done:pop(0.05))
eq(c:wakeup(), true)
eq(done:pop(30), "3.") eq(done:pop(30), "4.") eq(done:pop(30), "5.")
c:pause() c:close()
fails("not_connected", c:resume())
raises("the client has no callbacks", (client.new()).sleep, client.new())
`, peer(t, echo))
}

// A client with callbacks never waits to send: what is over its cap is refused,
// and the watermarks tell when to go on.
func TestWatermarks(t *testing.T) {
	release := make(chan struct{})
	sum := make(chan int, 1)
	port := peer(t, func(c *net.TCPConn) {
		<-release
		n := 0
		b := make([]byte, 64<<10)
		for {
			k, err := c.Read(b)
			n += k
			if err != nil {
				sum <- n
				return
			}
		}
	})
	s := scriptingtest.Serve(t, modules, fmt.Sprintf(`
local client, co = require "client", require "co"
function onReceive() end
function onWorkerStart(server, id)
  local c = client.new("tcp", { socket_buffer_size = "1M", buffer_high_watermark = "512K", buffer_low_watermark = "64K" })
  local piece, sent = ("x"):rep(100000), 0
  local function fill()
    while true do
      local ok, why = c:send(piece)
      if not ok then print("refused", why, c.errCode) return end
      sent = sent + ok
    end
  end
  c:on("connect", function(c)
    print("too large", select(2, c:send(("x"):rep(2e6))))
    fill()
    c:on("bufferEmpty", function(c)
      print("empty")
      c:on("bufferEmpty", function() end)
      c:send(("y"):rep(1000)) sent = sent + 1000
      print("sent", sent)
      c:close()
    end)
  end)
  c:on("bufferFull", function(c) print("full") end)
  c:on("receive", print)
  c:on("close", function(c, why) print("closed", why) end)
  print("begun", c:connect("127.0.0.1", %d), c.connected)
end`, port), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "full\n")
	s.Out.Wait(t, "refused\toutbox_full\t1009\n")
	close(release)
	s.Out.Wait(t, "closed\tclient_closed\n")
	var want int
	fmt.Sscanf(s.Out.String()[strings.Index(s.Out.String(), "sent\t"):], "sent\t%d", &want)
	if got := <-sum; got != want || s.Out.Count("full\n") != 1 || s.Out.Count("empty\n") != 1 || s.Out.Count("too large\tdata_length_too_large") != 1 {
		t.Errorf("%d bytes arrived, %d were sent; printed\n%s", got, want, s.Out)
	}
}

// A reload ends the clients with callbacks of the old version, after the
// callback under way; those that wait end with their fibers.
func TestReload(t *testing.T) {
	port := peer(t, echo)
	script := fmt.Sprintf(`
local client, co = require "client", require "co"
local shared
function onWorkerStart(server, id)
  local c = client.new()
  c:on("connect", function(c) print("VERSION connect", server.generation) c:send("x") end)
  c:on("receive", function(c, data)
    print("VERSION receives") co.sleep(0.05) print("VERSION received", data, c:send("more"))
  end)
  c:on("close", function(c, why) print("VERSION close", why) end)
  c:connect("127.0.0.1", %[1]d)
  shared = client.new() assert(shared:connect("127.0.0.1", %[1]d, 30))
  print("VERSION warm", c.connected)
end
function onReceive(server, fd, _, data)
  shared:send(data)
  print("VERSION waits") co.sleep(0.1)
  server:send(fd, "VERSION " .. shared:recv(30))
end`, port)
	version := func(v string) string { return strings.ReplaceAll(script, "VERSION", v) }
	s := scriptingtest.Serve(t, modules, version("one"), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "one receives")
	c, err := net.Dial("tcp", s.Host.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("hello"))
	s.Out.Wait(t, "one waits")
	if !s.Reload(version("two")) {
		t.Fatal("not loaded")
	}
	b := make([]byte, 100)
	n, _ := c.Read(b)
	if string(b[:n]) != "one hello" {
		t.Errorf("got %q", b[:n])
	}
	s.Out.Wait(t, "two connect\t2")
	s.Out.Wait(t, "one close\treload")
	out := s.Out.String()
	if strings.Index(out, "one received\tx") > strings.Index(out, "one close") || strings.Contains(out, "one error") {
		t.Errorf("printed\n%s", out)
	}
	if !strings.HasPrefix(out, "one warm\tfalse\none connect") || strings.Index(out, "two connect") < strings.Index(out, "two warm") {
		t.Errorf("printed\n%s", out)
	}
}

func TestShutdownTellsClients(t *testing.T) {
	var s *scriptingtest.Server
	t.Cleanup(func() { // after the stop
		if s.Out.Count("close\tshutdown") != 2 {
			t.Errorf("printed\n%s", s.Out)
		}
	})
	s = scriptingtest.Serve(t, modules, fmt.Sprintf(`
local client = require "client"
function onReceive() end
function onWorkerStart(server, id)
  local c = client.new()
  c:on("connect", function(c) print("connected") end)
  c:on("receive", print)
  c:on("close", function(c, why) print("close", why) end)
  c:connect("127.0.0.1", %d)
end`, peer(t, echo)), [2]string{"worker_num", "2"})
	s.Out.WaitCount(t, "connected", 2)
}

// An error of a callback is reported; the client goes on.
func TestErrorInCallback(t *testing.T) {
	s := scriptingtest.Serve(t, modules, fmt.Sprintf(`
local client = require "client"
function onReceive() end
function onError(server, event, err) print(event, err.message) end
function onWorkerStart(server, id)
  local c = client.new("tcp", { open_eof_split = true, package_eof = "." })
  c:on("connect", function(c) c:send("a.b.") error("first") end)
  c:on("receive", function(c, data) if data == "a." then error("second") end print(data) end)
  c:connect("127.0.0.1", %d)
end`, peer(t, echo)), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "b.\n")
	if out, want := s.Out.String(), "client connect\tapp.lua:7: first\nclient receive\tapp.lua:8: second\nb.\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}

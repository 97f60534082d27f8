package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"swoon/scripting/scriptingtest"
)

// blackHole is a port that answers nothing: what comes is dropped by the kernel.
func blackHole(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody accepts: it is so when the queue is full.
	raw, _ := l.(*net.TCPListener).SyscallConn()
	shrink(t, raw)
	held := []interface{ Close() error }{l}
	t.Cleanup(func() {
		for _, c := range held {
			c.Close()
		}
	})
	for failed := 0; len(held) < 20; {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 300*time.Millisecond)
		if err != nil {
			if failed++; failed == 2 { // one may be this machine's
				return l.Addr().(*net.TCPAddr).Port
			}
			continue
		}
		failed = 0
		held = append(held, c)
	}
	t.Fatal("the queue is never full")
	return 0
}

// drip sends a byte every 50 ms.
func drip(c *net.TCPConn) {
	for range time.Tick(50 * time.Millisecond) {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
	}
}

// silent reads, and says nothing.
func silent(c *net.TCPConn) {
	b := make([]byte, 1000)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

// Whatever a peer does not do, each wait ends at its own time, and nobody else
// is kept: not by a connect that is not answered, not by a peer that says
// nothing, not by one that drips and never says a whole frame.
func TestTimeouts(t *testing.T) {
	run(t, `
local now = require("time").monotonic
local ended, turns, busy = {}, 0, true
local function at(name, after, fn)
  local from = now()
  co.go(function()
    fails("timeout", fn())
    ended[#ended + 1] = { name, after, now() - from }
  end)
end
local function neighbour()
  local c = assert(client.connect("127.0.0.1", port, { timeout = 30 }))
  while busy do eq(c:send("still here"), 10) eq(c:recv(), "still here") turns = turns + 1 co.sleep(0.001) end
  c:close() busy = nil
end
local frames = { open_eof_split = true, package_eof = "\n" }
local function frame() local c = client.new("tcp", frames) assert(c:connect("127.0.0.1", port4, 30)) return c end
co.go(neighbour)
local c1, c2, c3, c4, c5 = client.new(), assert(client.connect("127.0.0.1", port3)), frame(), frame(), client.new()
at("black hole", 0.3, function() return c1:connect("127.0.0.1", port2, 0.3) end)
at("silent", 0.4, function() return c2:recv(0.4) end)
at("drip", 0.5, function() return c3:recv(0.5) end)
c4:set{ read_timeout = 0.6 } at("drip, its own time", 0.6, function() return c4:recv() end)
c5:set{ connect_timeout = 0.7 } at("black hole, its own time", 0.7, function() return c5:connect("127.0.0.1", port2) end)
local c6 = client.new()
local began = now()
c6:on("receive", print) c6:on("connect", print)
c6:on("error", function(c) eq(c.errCode, 110) ended[#ended + 1] = { "callbacks", 0.2, now() - began } end)
c6:connect("127.0.0.1", port2, 0.2)
for i = 1, 6000 do if #ended == 6 then break end co.sleep(0.005) end
eq(#ended, 6)
for _, e in ipairs(ended) do
  if e[3] < e[2] - 0.005 or e[3] > e[2] + 10 then error(e[1] .. " ended after " .. e[3]) end
end
assert(turns > 20, turns)
-- the connection is as good as before, what has come of the frame is there still
local seen
repeat seen = c3:peek(4, 30) co.sleep(0.001) until #seen == 4
eq(seen, "xxxx") eq(c2:send("x"), 1)
c3:close(true) c4:close(true)
busy = false while busy ~= nil do co.sleep(0.001) end
`, peer(t, echo), blackHole(t), peer(t, silent), peer(t, drip))
}

// A connect with callbacks ends in exactly one of them, however it ends.
func TestConnectOrError(t *testing.T) {
	refused := nobody(t)
	hole := blackHole(t)
	script := fmt.Sprintf(`
local client, co = require "client", require "co"
function onReceive() end
local function try(name, host, port, timeout, also)
  local c = client.new()
  c:on("connect", function(c) print(name .. ": connect") end)
  c:on("error", function(c) print(name .. ": error " .. c.errCode) end)
  c:on("close", function(c, why) print(name .. ": close " .. why) end)
  c:on("receive", function() end)
  c:connect(host, port, timeout)
  if also then also(c) end
end
function onWorkerStart(server)
  server:after(1, function()
    if server.generation == 1 then
      try("good", "127.0.0.1", %[1]d, 30)
      try("refused", "127.0.0.1", %[2]d, 30)
      try("timeout", "127.0.0.1", %[3]d, 0.05)
      try("name", "nowhere.invalid", 1, 30)
      try("closed", "127.0.0.1", %[3]d, 600, function(c) c:close() end)
      try("closed good", "127.0.0.1", %[1]d, 600, function(c) c:close() end)
      try("reload", "127.0.0.1", %[3]d, 600)
      try("reload good", "127.0.0.1", %[1]d, 600, function(c) print("all") end)
    else
      try("shutdown", "127.0.0.1", %[3]d, 600, function(c) print("second") end)
    end
  end)
end`, peer(t, echo), refused, hole)
	var s *scriptingtest.Server
	t.Cleanup(func() { // after the stop
		if s == nil || t.Failed() {
			return
		}
		got := map[string]int{}
		for line := range strings.Lines(s.Out.String()) {
			got[strings.TrimSuffix(line, "\n")]++
		}
		for _, want := range []string{
			"good: connect", "good: close reload", "refused: error 111", "timeout: error 110", "name: error 704", "closed: error 125",
			"closed good: error 125", "reload: error 125", "shutdown: error 125",
		} {
			if got[want] != 1 {
				t.Errorf("%q was printed %d times", want, got[want])
			}
			delete(got, want)
		}
		delete(got, "all")
		delete(got, "second")
		if got["reload good: connect"] == 1 { // whoever is faster
			delete(got, "reload good: connect")
			delete(got, "reload good: close reload")
		}
		delete(got, "reload good: error 125")
		if len(got) > 0 {
			t.Errorf("also printed: %v", got)
		}
	})
	s = scriptingtest.Serve(t, modules, script, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "all\n")
	for _, line := range []string{"good: connect\n", "refused: error", "timeout: error", "name: error", "closed: error", "closed good: error"} {
		s.Out.Wait(t, line)
	}
	if !s.Reload(script + "\n") {
		t.Fatal("not loaded")
	}
	s.Out.Wait(t, "second\n")
}

// A client that sleeps is not read either: TCP holds its peer up, and all is
// there when it wakes.
func TestSleepHoldsThePeerUp(t *testing.T) {
	const total = 32 << 20
	sent := make(chan int, 1000)
	port := peer(t, func(c *net.TCPConn) {
		b := make([]byte, 64<<10)
		for n := 0; n < total; n += len(b) {
			if _, err := c.Write(b); err != nil {
				return
			}
			select {
			case sent <- n:
			default:
			}
		}
	})
	s := scriptingtest.Serve(t, modules, fmt.Sprintf(`
local client, timer = require "client", require "timer"
local c, n = client.new(), 0
function onReceive() print("wakes", n) c:wakeup() end
function onWorkerStart(server, id)
  c:on("connect", function(c) c:sleep() timer.after(300, function() print("sleeps") end) end)
  c:on("receive", function(c, data) n = n + #data end)
  c:on("close", function(c, why) print("all", n, why) end)
  c:connect("127.0.0.1", %d)
end`, port), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "sleeps\n")
	most := 0
	for len(sent) > 0 {
		most = <-sent
	}
	if most > total*3/4 { // what the kernel's buffers take is far less
		t.Errorf("%d bytes were sent to a client that sleeps", most)
	}
	waker, err := net.Dial("tcp", s.Host.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waker.Close()
	waker.Write([]byte("x"))
	s.Out.Wait(t, "wakes\t0\n")
	s.Out.Wait(t, fmt.Sprintf("all\t%d\tserver_closed\n", total))
}

// names is what the resolver of the tests asks: nobody, or for a while one that
// never answers.
var names struct {
	sync.Mutex
	silent string
	asked  []net.Conn
}

func dialNameServer(ctx context.Context, _, _ string) (net.Conn, error) {
	names.Lock()
	defer names.Unlock()
	if names.silent == "" {
		return nil, errors.New("there is no server of names")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", names.silent)
	if err == nil {
		names.asked = append(names.asked, c)
	}
	return c, err
}

// The time-out of connect covers the look-up of the name, also when nobody
// answers; so does a cancel, and a packet's look-up keeps nobody else.
func TestSilentResolver(t *testing.T) {
	silence, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silence.Close()
	names.Lock()
	names.silent = silence.LocalAddr().String()
	names.Unlock()
	defer func() { // look-ups that were given up go on for seconds else
		names.Lock()
		defer names.Unlock()
		names.silent = ""
		for _, c := range names.asked {
			c.Close()
		}
		names.asked = nil
	}()
	run(t, `
local now = require("time").monotonic
local began = now()
local c = client.new()
fails("timeout", c:connect("nobody.example.", 80, 0.2))
local took = now() - began
assert(took > 0.19 and took < 8, took) -- the resolver itself would try for 10 s
local ended
local id = co.go(function() ended = { pcall(c.connect, c, "nobody.example.", 80, 600) } end)
co.sleep(0.01) co.cancel(id) co.join(id)
eq(ended[1], false) assert(ended[2]:find("cancelled"))
local u = client.new("udp", { connect_timeout = 0.2 })
began = now()
fails("timeout", u:sendto("nobody.example.", 9, "x"))
assert(now() - began < 8)
c:on("connect", print) c:on("receive", print)
local why
c:on("error", function(c) why = c.errCode end)
c:connect("nobody.example.", 80, 0.1)
for i = 1, 6000 do if why then break end co.sleep(0.005) end
eq(why, 110)
`)
}

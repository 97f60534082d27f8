package pool

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"swoon/scripting/scriptingtest"
)

// counted is an echo peer that counts its clients.
func counted(t *testing.T) (port int, accepted *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			go func() {
				defer c.Close()
				b := make([]byte, 1000)
				for {
					n, err := c.Read(b)
					if err != nil || string(b[:n]) == "bye" {
						return
					}
					c.Write(b[:n])
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port, accepted
}

// A pool of clients: a peer that leaves is noticed, and so is input that nobody
// has taken.
func TestPoolOfClients(t *testing.T) {
	port, accepted := counted(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: what comes stays open
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	run(t, fmt.Sprintf(`
local p = pool.new{ host = "127.0.0.1", port = %d, max = 3, client = { timeout = 30 } }
eq(p.name, "127.0.0.1:%[1]d")
local function ask(c, text) c:send(text) return c:recv() end
eq(p:use(ask, "one"), "one") eq(p:use(ask, "two"), "two")
local s = p:stats() eq({ s.created, s.idle }, { 1, 1 })
local c = p:acquire() c:send("bye") eq(c:recv(), "") p:release(c) -- its peer has left
eq(p:use(ask, "three"), "three") eq(p:stats().invalid, 1) eq(c.connected, false)
c = p:acquire() c:send("unread") c:peek(1) p:release(c)
eq(p:use(ask, "four"), "four") eq(p:stats().invalid, 2)
-- one that is broken is not lent to who waits for it
p:clear()
local two, three, four = p:acquire(), p:acquire(), p:acquire()
local fifth
co.go(function() fifth = p:use(ask, "five") end)
two:send("bye") eq(two:recv(), "") p:release(two)
until_(function() return fifth end) eq(fifth, "five") p:release(three) p:release(four)
-- at once
local done = {}
for i = 1, 6 do co.go(function() local r = p:use(ask, "n") done[#done + 1] = r end) end
until_(function() return #done == 6 end) assert(p.size <= 3) 
eq(p:drain(30), true) eq(server:stats().client_num, 0)
p = pool.new{ host = "127.0.0.1", port = 1 }
fails("connection_refused", p:acquire())
-- one that nothing can be sent to any more, though its peer is there
p = pool.new{ host = "127.0.0.1", port = %[2]d }
c = p:acquire() eq(c:shutdown("write"), true) p:release(c)
p:release(assert(p:acquire())) eq(p:stats().invalid, 1)
`, port, silent.Addr().(*net.TCPAddr).Port))
	if n := accepted.Load(); n != 7 {
		t.Errorf("%d connections were made", n)
	}
}

// The idle clients of a pool go to the pool of the next generation that is for
// the same; what is borrowed follows when it is given back.
func TestReloadHandsOver(t *testing.T) {
	port, accepted := counted(t)
	script := fmt.Sprintf(`
local pool, client, co = require "pool", require "client", require "co"
local p = pool.new{ key = "KEY", max = MAX, create = function() return client.connect("127.0.0.1", %[1]d, { timeout = 30, open_eof_split = true, package_eof = "\n" }) end }
local q = pool.new{ host = "127.0.0.1", port = %[1]d, min = 1 }
function onWorkerStart(server, id)
  server:after(1, function()
    local a, b = p:acquire(), p:acquire()
    a:send("a\nb\n") print("VERSION", a:recv(), b.setting.timeout, p:stats().taken_over, p:stats().created)
    print("VERSION again", (a:recv():gsub("\n", "")))
    p:release(a) p:release(b)
    while q.idle == 0 do co.sleep(0.001) end
    print("VERSION q", q:stats().taken_over)
  end)
end
function onReceive(server, fd, _, data)
  p:use(function(c) print("VERSION holds") co.sleep(0.1) c:send("x\n") c:recv() end)
  server:send(fd, "ok")
end`, port)
	version := func(v, max, key string) string {
		return strings.NewReplacer("VERSION", v, "MAX", max, "KEY", key).Replace(script)
	}
	s := scriptingtest.Serve(t, modules, version("one", "2", "up"), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "one q\t0")
	if s.Out.Count("one\ta\n\t30\t0\t2\n") != 1 {
		t.Fatalf("printed\n%s", s.Out)
	}
	c, err := net.Dial("tcp", s.Host.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	s.Out.Wait(t, "one holds")
	if !s.Reload(version("two", "5", "up")) {
		t.Fatal("not loaded")
	}
	c.Read(make([]byte, 10))
	s.Out.Wait(t, "two q\t1")
	// One was lent at the swap: it may have come back in time, also while another
	// was made.
	out := s.Out.String()
	if !strings.Contains(out, "two\ta\n\t30\t1\t1\n") && !strings.Contains(out, "two\ta\n\t30\t2\t0\n") && !strings.Contains(out, "two\ta\n\t30\t2\t1\n") {
		t.Errorf("printed\n%s", out)
	}
	if n := accepted.Load(); n > 4 {
		t.Errorf("%d connections were made", n)
	}
	if !s.Reload(version("three", "5", "other")) {
		t.Fatal("not loaded")
	}
	s.Out.Wait(t, "three q\t1")
	if s.Out.Count("three\ta\n\t30\t0\t2\n") != 1 {
		t.Errorf("printed\n%s", s.Out)
	}
}

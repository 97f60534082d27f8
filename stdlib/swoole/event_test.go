package swoole

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/client"
	"swoon/stdlib/co"
)

var eventModules = []scripting.Module{Module, client.Module, co.Module}

// echoPeer sends back what it gets; it ends with the test.
func echoPeer(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

func TestEventDescriptors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	scriptingtest.Run(t, eventModules, fmt.Sprintf(`
local event, co = require("swoole").event, require "co"
local swoole = require "swoole"
local r, w, out, file = %d, %d, %d, %d
local got, calls, done = {}, 0, co.channel(10)
raises("EVENT_READ needs a function that reads", event.add, r)
raises("EVENT_WRITE needs a function that writes", event.add, r, print, nil, swoole.EVENT_WRITE)
raises("expected, got 7", event.add, r, print, nil, 7)
raises("a client, STDIN or the number of a descriptor expected, got true", event.add, true, print)
raises("module 'swoole.event' has no 'ad' (did you mean 'add'?)", function() event.ad() end)
fails("not_pollable", event.add(file, print))
fails("bad_descriptor", event.add(9999, print))
fails("not_added", event.del(r)) fails("not_added", event.set(r, print))
eq(event.isset(r), false)
eq(event.add(r, function(fd)
  calls = calls + 1
  co.sleep(0.001) -- the next call waits for this one
  if calls == 3 then eq(event.del(fd), true) done:push(fd) end
end), true)
fails("exists", event.add(r, print))
eq(event.isset(r), true) eq(event.isset(r, swoole.EVENT_READ), true) eq(event.isset(r, swoole.EVENT_WRITE), false)
eq(event.write(w, "x"), true)
eq(done:pop(30), r) -- nobody reads it, so it is told again and again
eq(event.isset(r), false)
-- writable, then both
eq(event.add(w, nil, function(fd) event.del(fd) done:push("writable") end), true)
eq(done:pop(30), "writable")
eq(event.add(r, function() event.set(r, function() event.del(r) done:push("set") end) end), true)
eq(done:pop(30), "set")
for i = 1, 3 do eq(event.write(out, "part " .. i .. "\n"), true) end
fails("outbox_full", event.write(out, ("x"):rep(9e6)))
event.write(1, "written\n")
-- defer and cycle
local order = {}
event.defer(function(a) order[#order + 1] = "deferred " .. a done:push(true) end, "x")
order[#order + 1] = "first"
done:pop(30) eq(order, { "first", "deferred x" })
local turns, before = 0, 0
eq(event.cycle(function() turns = turns + 1 if turns == 1 then co.sleep(0.005) end end), true)
event.cycle(function() before = before + 1 end, true)
for i = 1, 20 do co.sleep(0.001) end
event.cycle(nil) event.cycle(nil, true)
assert(turns >= 3 and turns <= 40, turns) assert(before >= turns - 1, before)
local was = turns
co.sleep(0.005) eq(turns, was)
`, r.Fd(), w.Fd(), in.Fd(), file.Fd()))
	w.Close()
	in.Close()
	if b, _ := io.ReadAll(out); string(b) != "part 1\npart 2\npart 3\n" {
		t.Errorf("%q was written", b)
	}
}

func TestEventClients(t *testing.T) {
	scriptingtest.Run(t, eventModules, fmt.Sprintf(`
local swoole, client, co = require "swoole", require "client", require "co"
local event, done, port = swoole.event, co.channel(10), %d
local c = client.new()
fails("not_connected", event.add(c, print))
assert(c:connect("127.0.0.1", port, 30))
c:set{ open_eof_split = true, package_eof = "." }
eq(event.add(c, function(cli)
  assert(cli == c)
  while true do
    local data = c:recv(0)
    if not data then break end
    done:push(data)
  end
end), true)
eq(event.write(c, "one.two."), true)
eq(done:pop(30), "one.") eq(done:pop(30), "two.")
c:send("three.") eq(done:pop(30), "three.")
eq(event.isset(c), true)
c:close() -- that ends it
for i = 1, 1000 do if not event.isset(c) then break end co.sleep(0.005) end
eq(event.isset(c), false)
fails("not_connected", event.write(c, "x"))
-- what has been read already counts
assert(c:connect("127.0.0.1", port, 30))
c:send("a.b.") eq(c:recv(30), "a.")
event.add(c, function() done:push(c:recv(0)) event.del(c) end)
eq(done:pop(30), "b.")
c:close()
local e = client.new()
e:on("receive", print)
raises("the client has callbacks", event.add, e, print)
`, echoPeer(t)))
}

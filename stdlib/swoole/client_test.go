package swoole

import (
	"fmt"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

func TestClientAsInSwoole(t *testing.T) {
	out := scriptingtest.Run(t, eventModules, fmt.Sprintf(`
local swoole, co = require "swoole", require "co"
local port = %d
local c = swoole.Client(swoole.SOCK_TCP, swoole.SOCK_SYNC)
eq(c:connect("127.0.0.1", port, 30), true)
eq(c:send("0123456789"), 10)
eq(c:recv(4), "0123") eq(c:recv(3, swoole.MSG_PEEK), "456") eq(c:recv(6, swoole.MSG_WAITALL), "456789")
fails("timeout", c:recv(10, swoole.MSG_DONTWAIT)) eq(c.errCode, 110)
c:send("more") eq(c:recv(), "more")
raises("a sum of MSG_PEEK", c.recv, c, 10, 1)
raises("1 to 268435456 bytes expected", c.recv, c, 0)
raises("0 expected, got 1", c.send, c, "x", 1)
c:set{ open_eof_split = true, package_eof = "\n" }
c:send("line 1\nline 2\n") eq(c:recv(), "line 1\n") eq(c:recv(3), "line 2\n") -- one package, as in Swoole
eq(c:close(), true)
for i = 1, 1000 do if c:connect("127.0.0.1", port, 0.02) then break end end -- the time-out is that of recv, too
eq(c.connected, true)
fails("timeout", c:recv()) c:close()
raises("SOCK_TCP and the like", swoole.Client, 99) raises("SOCK_TCP and the like", swoole.Client, 1.5)
raises("SOCK_SYNC or SOCK_ASYNC expected", swoole.Client, 1, 2)
raises("KEEP is for streams", swoole.Client, swoole.SOCK_UDP + swoole.KEEP)
raises("SSL is not in this version", swoole.Client, swoole.SOCK_TCP + 512)
-- with callbacks
local done = co.channel(1)
local a = swoole.Client(swoole.SOCK_TCP, swoole.SOCK_ASYNC)
raises("there is no callback for 'connect', 'receive', 'error', 'close'", a.connect, a, "127.0.0.1", port)
a:on("connect", function(cli) print("connected", cli == a, cli:isConnected()) cli:send("hello") end)
a:on("receive", function(cli, data) print("received", data) cli:close() end)
a:on("error", function(cli) print("error", cli.errCode) end)
a:on("close", function(cli) print("closed") done:push(true) end)
eq(a:connect("127.0.0.1", port, 30), true)
done:pop(30)
`, echoPeer(t)))
	if want := "connected\ttrue\ttrue\nreceived\thello\nclosed\n"; out != want {
		t.Errorf("printed %q", out)
	}
}

// A connection that is kept serves the next client, in any worker and after a
// reload, unless it is not fresh.
func TestKeep(t *testing.T) {
	port := echoPeer(t)
	scriptingtest.Run(t, eventModules, fmt.Sprintf(`
local swoole = require "swoole"
local function new(id) return swoole.Client(swoole.SOCK_TCP + swoole.KEEP, swoole.SOCK_SYNC, id) end
local port = %d
local c = new()
eq(c:connect("127.0.0.1", port, 30), true) eq(c.reuse, false) eq(c.reuseCount, 0)
local mine = c:getsockname().port
c:send("x") eq(c:recv(), "x") eq(c:close(), true) eq(c.connected, false)
eq(server:stats().client_idle_num, 1) eq(server:stats().client_num, 1)
local d = new()
eq(d:connect("127.0.0.1", port, 30), true) eq(d.reuse, true) eq(d.reuseCount, 1) eq(d:getsockname().port, mine)
eq(server:stats().client_idle_num, 0)
d:send("y") eq(d:recv(), "y")
eq(c:connect("127.0.0.1", port, 30), true) eq(c.reuse, false) -- the other has it
c:close(true) eq(server:stats().client_idle_num, 0)
d:close() eq(c:connect("127.0.0.1", port, 30), true) eq(c.reuseCount, 2) eq(c:getsockname().port, mine)
c:send("unread") c:peek(1, 30) c:close() -- not fresh: closed
eq(server:stats().client_idle_num, 0)
local e = new("name") e:connect("127.0.0.1", port, 30) mine = e:getsockname().port e:close()
c = new() c:connect("127.0.0.1", port, 30) eq(c.reuse, false) c:close(true)
c = new("name") c:connect("127.0.0.1", port, 30) eq(c.reuse, true) eq(c:getsockname().port, mine) c:close(true)
`, port))
	script := fmt.Sprintf(`
local swoole = require "swoole"
function onReceive() end
function onWorkerStart(server, id)
  local c = swoole.Client(swoole.SOCK_TCP + swoole.KEEP)
  c:connect("127.0.0.1", %d, 30)
  print("VERSION", c.reuse)
  c:close()
end`, port)
	s := scriptingtest.Serve(t, eventModules, strings.ReplaceAll(script, "VERSION", "one"), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "one\tfalse")
	if !s.Reload(strings.ReplaceAll(script, "VERSION", "two")) {
		t.Fatal("not loaded")
	}
	s.Out.Wait(t, "two\ttrue")
}

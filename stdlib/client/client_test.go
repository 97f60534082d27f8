package client

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	"swoon/stdlib/pack"
	clock "swoon/stdlib/time"
	"swoon/stdlib/timer"
)

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dialNameServer}
	goleak.VerifyTestMain(m)
}

var modules = []scripting.Module{Module, co.Module, pack.Module, clock.Module, timer.Module}

// run runs code in a worker, as scriptingtest.Run does, with the modules at
// hand and ports of peers in `port` and `ports`.
func run(t *testing.T, code string, ports ...int) string {
	t.Helper()
	head := `local client, co = require "client", require "co" `
	for i, p := range ports {
		if i == 0 {
			head += fmt.Sprintf("local port = %d ", p)
		}
		head += fmt.Sprintf("local port%d = %d ", i+1, p)
	}
	return scriptingtest.Run(t, modules, head+code)
}

// peer is a TCP peer: serve is run for each connection, on a goroutine.
func peer(t testing.TB, serve func(c *net.TCPConn)) int {
	t.Helper()
	return listen(t, "127.0.0.1:0", serve)
}

// nobody is a port on which nobody listens, nor will: it is taken.
func nobody(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at.(*unix.SockaddrInet4).Port
}

func listen(t testing.TB, at string, serve func(c *net.TCPConn)) int {
	t.Helper()
	l, err := net.Listen("tcp", at)
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
			c.SetDeadline(time.Now().Add(2 * scriptingtest.Patience))
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

// echo sends back what it gets until the other side has closed.
func echo(c *net.TCPConn) {
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		c.Write(b[:n])
	}
}

func TestConnectSendReceive(t *testing.T) {
	v6 := listen(t, "[::1]:0", echo)
	run(t, `
local c = client.new("tcp")
eq(c.connected, false) eq(c.sock, -1) eq(c:isConnected(), false)
fails("not_connected", c:recv()) fails("not_connected", c:send("x")) fails("not_connected", c:close())
eq(c.errCode, 5001)
eq(c:connect("127.0.0.1", port, 10), true)
eq(c.errCode, 0) eq(c.errMsg, "") eq(c.connected, true) eq(c.type, 1)
assert(c.sock > 2 and c.sock == c.fd)
fails("already_connected", c:connect("127.0.0.1", port))
eq(c:getpeername(), { host = "127.0.0.1", address = "127.0.0.1", port = port })
assert(c:getsockname().port > 0)
eq(c:send("hello\0\255"), 7)
eq(c:recv(10), "hello\0\255")
fails("timeout", c:recv(0)) fails("timeout", c:recv(0.02)) eq(c.errCode, 110)
fails("empty_data", c:send(""))
c:send("abcdef")
eq(c:peek(3, 10), "abc") eq(c:peek(100), "abcdef") eq(c:recv(), "abcdef")
eq(c:checkLiveness(), true)
eq(c:close(), true) fails("not_connected", c:recv())
eq(c:connect("localhost", port, 10), true) c:send(12.5) eq(c:recv(10), "12.5") c:close()
for _, host in ipairs{ "::1", "localhost" } do
  c = client.new("tcp6") eq(c:connect("::1", port2, 10), true) c:send("six") eq(c:recv(10), "six") eq(c:getpeername().host, "::1") c:close()
end
c = assert(client.connect("::1", port2)) c:send("auto") eq(c:recv(10), "auto") c:close()
fails("invalid_argument", c:connect("::1", 0)) fails("invalid_argument", c:connect("", 1)) fails("invalid_argument", c:connect("::1", 70000))
raises("a whole number", c.connect, c, "::1", 1.5)
raises("the fields of a client cannot be set", function() c.x = 1 end)
raises("a client has no 'sned' (did you mean 'send'?)", function() c:sned() end)
raises("\"tpc\" is no type of client (did you mean 'tcp'?)", client.new, "tpc")
`, peer(t, echo), v6)
}

func TestConnectFails(t *testing.T) {
	closed := nobody(t)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	run(t, fmt.Sprintf(`
local c = client.new()
fails("connection_refused", c:connect("127.0.0.1", port, 10)) eq(c.errCode, 111) assert(c.errMsg:find("refused"))
fails("connection_refused", client.connect("127.0.0.1", port))
fails("dns_failed", c:connect("nowhere.invalid", 1, 30)) eq(c.errCode, 704)
fails("not_found", c:connect("%[1]s/none.sock")) fails("connection_refused", c:connect("%[1]s/file"))
fails("invalid_argument", c:connect("%[1]s/none.sock", 5))
fails("timeout", c:connect("127.0.0.1", port, 0))
eq(c.connected, false)
eq(server:stats().client_num, 0) assert(server:stats().client_error_count >= 5)
`, dir), closed)
}

// A peer that has too many clients to greet does not answer: connect ends in
// time, and a cancelled one at once.
func TestConnectTimeout(t *testing.T) {
	run(t, `
local c = client.new()
fails("timeout", c:connect("127.0.0.1", port, 0.05)) eq(c.errCode, 110)
local other = client.new()
local id = co.go(function() other:connect("127.0.0.1", port, 600) end)
fails("connecting", other:connect("127.0.0.1", port)) fails("connecting", other:send("x")) fails("connecting", other:recv())
co.cancel(id) co.join(id)
fails("not_connected", other:send("x"))
`, blackHole(t))
}

// What came before a time-out, a cancel or a close of the peer is not lost.
func TestNothingIsEaten(t *testing.T) {
	say := make(chan string)
	port := peer(t, func(c *net.TCPConn) {
		for text := range say {
			c.Write([]byte(text))
			if text == "last" {
				return
			}
		}
	})
	step := make(chan struct{})
	defer close(step)
	control := peer(t, func(c *net.TCPConn) { // each line that comes is what the peer is to say
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			say <- string(b[:n])
			c.Write([]byte("said"))
		}
	})
	run(t, `
local c, control = assert(client.connect("127.0.0.1", port)), assert(client.connect("127.0.0.1", port2))
local function say(text) control:send(text) eq(control:recv(10), "said") end
local got
fails("timeout", c:recv(0.01))
say("one") eq(c:recv(10), "one")
local id = co.go(function() got = c:recv(600) end)
co.cancel(id) co.join(id)
say("two") say("three")
local all = ""
while #all < 8 do all = all .. c:recv(10) end
eq(all, "twothree") eq(got, nil)
-- one that receives is enough; when it is done another may
id = co.go(function() got = c:recv(600) end)
fails("busy", c:recv())
say("four") co.join(id) eq(got, "four")
-- close wakes it
id = co.go(function() got = { c:recv(600) } end)
say("five") co.join(id) eq(got[1], "five")
say("last")
while true do
  local data, name = c:recv(10)
  all = all .. data
  if data == "" then eq(name, "server_closed") break end
end
eq(all, "twothreelast") eq(c:checkLiveness(), false) eq(c.errCode, 0)
eq({ c:recv() }, { "", "server_closed", "the peer has closed the connection" })
c:close()
id = co.go(function() got = { control:recv(600) } end)
control:close() co.join(id)
eq(got[2], "client_closed")
`, port, control)
}

func TestHalfClose(t *testing.T) {
	port := peer(t, func(c *net.TCPConn) {
		var all []byte
		b := make([]byte, 1000)
		for {
			n, err := c.Read(b)
			all = append(all, b[:n]...)
			if err != nil {
				break
			}
		}
		fmt.Fprintf(c, "%d bytes", len(all))
	})
	run(t, `
local c = assert(client.connect("127.0.0.1", port))
c:send(("x"):rep(300000))
eq(c:shutdown("write"), true)
fails("broken_pipe", c:send("more")) fails("broken_pipe", c:sendfile("/etc/passwd"))
eq(c.connected, true) eq(c:recv(10), "300000 bytes") -- it can be read still
`, port)
	run(t, `
local c = assert(client.connect("127.0.0.1", port))
c:send(("x"):rep(300000)) eq(c:shutdown(1), true)
eq(c:recv(10), "300000 bytes") eq(c:recv(10), "") c:close()
raises("(0 or \"read\", 1 or \"write\", 2 or \"both\" expected, got 7)", c.shutdown, c, 7)
fails("not_connected", c:shutdown(1))
`, port)
}

// What was sent before close arrives, even with input that nobody has read.
func TestCloseBringsAllOut(t *testing.T) {
	total := make(chan int, 1)
	port := peer(t, func(c *net.TCPConn) {
		c.Write([]byte("unread"))
		n := 0
		b := make([]byte, 10000)
		for {
			k, err := c.Read(b)
			n += k
			if err != nil {
				if err.Error() != "EOF" {
					t.Errorf("the stream ended with %v", err)
				}
				break
			}
		}
		total <- n
	})
	run(t, `
local c = assert(client.connect("127.0.0.1", port))
c:peek(1, 10)
c:send(("x"):rep(3e6))
c:close()
eq(c.connected, false)
`, port)
	if n := <-total; n != 3e6 {
		t.Errorf("%d bytes arrived", n)
	}
}

func TestReset(t *testing.T) {
	port := peer(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})
	run(t, `
local c = assert(client.connect("127.0.0.1", port))
c:send("x")
local data, name = c:recv(10)
eq(data, false) eq(name, "reset") eq(c.errCode, 104) eq(c.connected, false)
eq(server:stats().client_num, 0)
eq(c:connect("127.0.0.1", port, 10), true)
`, port)
}

// A peer that does not read holds up who sends to it, and nobody else; what a
// time-out cuts in the middle ends the client.
func TestSlowReader(t *testing.T) {
	release := make(chan struct{})
	got := make(chan int, 10)
	port := peer(t, func(c *net.TCPConn) {
		<-release
		n := 0
		b := make([]byte, 64<<10)
		for {
			k, err := c.Read(b)
			n += k
			if err != nil {
				got <- n
				return
			}
		}
	})
	s := scriptingtest.Serve(t, modules, fmt.Sprintf(`
local client, co = require "client", require "co"
local port = %d
function onReceive() end
local big = ("x"):rep(20e6)
function onWorkerStart(server, id)
  server:after(1, function()
    local c = assert(client.connect("127.0.0.1", port))
    local ok, name, text = c:send(big, 0.05)
    print(ok, name, c.connected, c.errCode)
    c = assert(client.connect("127.0.0.1", port))
    local id = co.go(function() c:send(big) end)
    local order = {}
    co.go(function() print("later", c:send(("y"):rep(1e6))) end)
    co.cancel(id)
    print("cancelled", co.join(id), c.connected)
    c = assert(client.connect("127.0.0.1", port))
    local n = 0
    for i = 1, 3 do
      co.go(function() print("sent", i, c:send(big)) n = n + 1 if n == 3 then c:close() print("done") end end)
    end
    local before = c:send("z", 0.01)
    print("a short one waits too", before)
  end)
end`, port), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "waits too\tfalse")
	if s.Out.Count("sent") > 0 {
		t.Error("20 MB went out to nobody")
	}
	close(release)
	s.Out.Wait(t, "done\n")
	want := "false\ttimeout\tfalse\t110\nlater\tfalse\ttimeout\ttimed out in the middle"
	if out := s.Out.String(); !strings.HasPrefix(out, want) || !strings.Contains(out, "cancelled\ttrue\tfalse") ||
		!strings.Contains(out, "sent\t1\t20000000\nsent\t2\t20000000\nsent\t3\t20000000\n") {
		t.Errorf("printed\n%s", out)
	}
	var whole bool
	for range 3 {
		whole = <-got == 60e6 || whole
	}
	if !whole {
		t.Error("not all 60 MB arrived")
	}
}

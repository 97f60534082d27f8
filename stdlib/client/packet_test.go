package client

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// packets is a UDP peer that sends back what it gets.
func packets(t *testing.T, network, at string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket(network, at)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if from != nil && from.String() != "" {
				c.WriteTo(b[:n], from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return c
}

func TestPackets(t *testing.T) {
	v4 := packets(t, "udp", "127.0.0.1:0").LocalAddr().(*net.UDPAddr).Port
	v6 := packets(t, "udp", "[::1]:0").LocalAddr().(*net.UDPAddr).Port
	// Connected elsewhere: to everybody else nobody is there.
	gone, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	nobody := gone.LocalAddr().(*net.UDPAddr).Port
	out := run(t, `
local c = client.new("udp")
fails("not_connected", c:recvfrom(0))
eq(c:sendto("127.0.0.1", port, "one"), true)
eq({ c:recvfrom(10) }, { "one", "127.0.0.1", port })
eq(c:sendto("localhost", port, "named"), true) eq(c:recv(10), "named") eq(c:getpeername().port, port)
eq(c:sendto("127.0.0.1", port, ""), true) eq({ c:recvfrom(10) }, { "", "127.0.0.1", port })
fails("timeout", c:recvfrom(0.01)) fails("timeout", c:recv(0))
fails("dns_failed", c:sendto("nowhere.invalid", port, "x"))
fails("packet_too_large", c:sendto("127.0.0.1", port, ("x"):rep(70000)))
raises("1 to 65535 expected", c.sendto, c, "127.0.0.1", 0, "x")
fails("wrong_type", c:peek(1, 0)) fails("wrong_type", c:sendfile("/etc/hostname"))
c:close()
c = client.new("udp")
eq(c:connect("127.0.0.1", port), true) eq(c:send("sent"), 4) eq(c:recv(10), "sent") eq(c:send(("x"):rep(60000)), 60000) eq(#c:recv(10), 60000) c:close()
eq(c:connect("127.0.0.1", port3), true) c:send("x") fails("connection_refused", c:recv(10)) eq(c.connected, true) c:close()
c = client.new("udp6", { bind_address = "::1" })
eq(c:sendto("::1", port2, "six"), true) eq({ c:recvfrom(10) }, { "six", "::1", port2 }) eq(c:getsockname().host, "::1") c:close()
eq(c:connect("::1", port2), true) c:send("conn") eq(c:recv(10), "conn") c:close()
fails("wrong_type", client.new("tcp"):sendto("127.0.0.1", port, "x"))
-- with callbacks
local done = co.channel(10)
c = client.new("udp")
c:on("connect", function(c) c:send("to") end)
c:on("receive", function(c, data, host, p) print(data, host, p == port) done:push(data) end)
c:on("close", function(c, why) print("close", why) done:push(why) end)
c:connect("127.0.0.1", port)
eq(done:pop(10), "to") c:send("again") eq(done:pop(10), "again") c:close() eq(done:pop(10), "client_closed")
`, v4, v6, nobody)
	if want := "to\t127.0.0.1\ttrue\nagain\t127.0.0.1\ttrue\nclose\tclient_closed\n"; out != want {
		t.Errorf("printed %q", out)
	}
}

func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
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
				b := make([]byte, 1000)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(b[:n])
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	packets(t, "unixgram", filepath.Join(dir, "d"))
	run(t, fmt.Sprintf(`
local dir = %q
local c = assert(client.connect(dir .. "/s"))
eq(c.type, 5) c:send("auto") eq(c:recv(10), "auto") eq(c:getpeername(), { host = dir .. "/s", address = dir .. "/s", port = 0 }) c:close()
c = assert(client.connect(dir .. "/s", { type = "unix_stream", timeout = 10 })) c:send("typed") eq(c:recv(), "typed") c:close()
c = client.new("unix_dgram")
eq(c:connect(dir .. "/d"), true) c:send("dgram") eq(c:recv(10), "dgram") c:close()
eq(c:sendto(dir .. "/d", "direct"), true) eq({ c:recvfrom(10) }, { "direct", dir .. "/d", 0 }) c:close()
c = client.new("unix_dgram", { bind_address = dir .. "/mine" })
eq(c:sendto(dir .. "/d", 0, "bound"), true) eq(c:recv(10), "bound") eq(c:getsockname().host, dir .. "/mine") c:close()
fails("not_found", c:sendto(dir .. "/none", "x"))
c:close()
`, dir))
	if _, err := os.Stat(filepath.Join(dir, "mine")); err == nil {
		t.Error("the file of a socket is left behind")
	}
}

func TestSendfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	b := make([]byte, 2e6)
	for i := range b {
		b[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	sums := make(chan string, 10)
	port := peer(t, func(c *net.TCPConn) {
		n, sum := 0, 0
		b := make([]byte, 64<<10)
		for {
			k, err := c.Read(b)
			for _, x := range b[:k] {
				n++
				sum = (sum*31 + int(x)) % 1000003
			}
			if err != nil {
				break
			}
		}
		sums <- fmt.Sprint(n, " ", sum)
	})
	want := func(parts ...[]byte) string {
		n, sum := 0, 0
		for _, p := range parts {
			for _, x := range p {
				n++
				sum = (sum*31 + int(x)) % 1000003
			}
		}
		return fmt.Sprint(n, " ", sum)
	}
	run(t, fmt.Sprintf(`
local path = %q
local c = assert(client.connect("127.0.0.1", port))
c:send("head") eq(c:sendfile(path), true) eq(c:sendfile(path, 10, 20), true) eq(c:sendfile(path, 2e6), true) c:send("tail")
fails("out_of_range", c:sendfile(path, 1e6, 1e6 + 1)) fails("not_found", c:sendfile(path .. "x")) fails("not_a_file", c:sendfile("/dev/null"))
raises("a whole number", c.sendfile, c, path, -1)
c:close() fails("not_connected", c:sendfile(path))
`, path), port)
	if got, want := <-sums, want([]byte("head"), b, b[10:30], []byte("tail")); got != want {
		t.Errorf("%s arrived, want %s", got, want)
	}
	run(t, fmt.Sprintf(`
local c, done = client.new(), co.channel(1)
c:on("receive", print)
c:on("close", function() done:push(true) end)
c:on("connect", function(c)
  c:send("head") eq(c:sendfile(%q), true) eq(c:sendfile(%q, 5, 5), true) c:send("tail") c:close()
end)
c:connect("127.0.0.1", port)
assert(done:pop(10))
`, path, path), port)
	if got, want := <-sums, want([]byte("head"), b, b[5:10], []byte("tail")); got != want {
		t.Errorf("%s arrived, want %s", got, want)
	}
}

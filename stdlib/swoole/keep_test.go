package swoole

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"swoon/scripting/scriptingtest"
)

// A connection that its peer has closed while it was kept serves nobody.
func TestKeptAndClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer l.Close()
	all.Go(func() {
		var first net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if first == nil {
				first = c
			}
			all.Go(func() {
				defer c.Close()
				b := make([]byte, 100)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if string(b[:n]) == "close the first" {
						first.Close()
					}
					c.Write(b[:n])
				}
			})
		}
	})
	scriptingtest.Run(t, eventModules, fmt.Sprintf(`
local swoole = require "swoole"
local port = %d
local function new(flag) local c = swoole.Client(swoole.SOCK_TCP + flag) eq(c:connect("127.0.0.1", port, 30), true) return c end
local c = new(swoole.KEEP) c:send("x") eq(c:recv(), "x") c:close()
eq(server:stats().client_idle_num, 1)
local other = new(0) other:send("close the first") eq(other:recv(), "close the first") other:close()
c = new(swoole.KEEP) eq(c.reuse, false) eq(server:stats().client_idle_num, 0)
c:send("y") eq(c:recv(), "y") c:close(true)
`, l.Addr().(*net.TCPAddr).Port))
}

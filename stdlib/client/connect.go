package client

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

func connect(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:connect"
	in.MustRun(L, what)
	port := 0
	if f, ok := scripting.Number(L.Get(3)); ok {
		if port = int(f); float64(port) != f {
			vm.Raise(L, "bad argument #2 'port' to '%s' (a whole number expected, got %v)", what, lua.LNumber(f))
		}
	}
	if f, ok := scripting.Number(L.Get(5)); ok && f != 0 && !c.kind.Packets() {
		vm.Raise(L, "%s: flag %v is for select, which there is none of here: give the client callbacks", what, lua.LNumber(f))
	}
	limit := c.o.connect
	if L.Get(4) != lua.LNil {
		limit = scripting.Timeout(L, 4, what)
		if c.swoole {
			c.o.read, c.o.write = limit, limit
		}
	}
	return c.done(L, c.connect(L, what, L.CheckString(2), port, limit))
}

// connect connects to an address and waits, or has the callbacks told.
func (c *Client) connect(L *lua.LState, what, host string, port int, limit time.Duration) error {
	t := socket.Target{Kind: c.kind.Of(host), Host: host, Port: port, BindHost: c.o.bindHost, BindPort: c.o.bindPort,
		DelayOn: c.o.delay, KeepAlive: c.keepAliveConfig()}
	if err := t.Check(); err != nil {
		return &scripting.Errno{Name: "invalid_argument", Code: 22, Text: err.Error()}
	}
	switch {
	case c.connecting || c.link != nil && c.link.state == linkConnecting:
		return socket.ErrConnecting
	case c.link != nil && c.link.state == linkOpen:
		return socket.ErrConnected
	case c.open() != nil && c.sock.Alive():
		return socket.ErrConnected
	case c.open() != nil:
		c.drop(true) // the peer has left
	}
	c.target = t
	if c.events() {
		c.need(L, what)
		return c.begin(limit)
	}
	depot := socket.DepotOf(c.in, L)
	if c.keep {
		if s := depot.Take(c.keepKey()); s != nil {
			s.Uses++
			c.adopt(s)
			c.reused = s.Uses
			return nil
		}
	}
	c.connecting = true
	epoch := c.epoch
	defer func() { c.connecting = false }()
	counts := c.in.ClientCounts()
	s, err := socket.Run(c.in, L, what, limit, t.Dial, func(s *socket.Socket) { s.Close(true) })
	if err == nil && c.epoch != epoch {
		s.Close(true)
		err = socket.ErrClosed
	}
	if err != nil {
		counts.Errors.Add(1)
		if err == scripting.ErrTimeout || socket.Describe(err).Name == "timeout" {
			return &scripting.Errno{Name: "timeout", Code: 110, Text: fmt.Sprintf("%s did not answer within %v", t, limit)}
		}
		return err
	}
	counts.Connects.Add(1)
	s.Count(counts)
	c.reused = 0
	c.adopt(s)
	return nil
}

// adopt makes a connected socket the client's.
func (c *Client) adopt(s *socket.Socket) {
	c.sock = s
	c.lastHost, c.lastPort = "", 0
	b := bookOf(c.in)
	b.add(s)
	if c.link == nil {
		counts := c.in.ClientCounts()
		c.cleanup = runtime.AddCleanup(c, func(s *socket.Socket) {
			if s.Close(false) {
				counts.Lost.Add(1)
			}
		}, s)
	}
}

// drop closes the socket, if there is one.
func (c *Client) drop(now bool) {
	if c.sock != nil {
		c.release().Close(now)
	}
}

// release takes the socket out of the client's hands, open as it may be.
func (c *Client) release() *socket.Socket {
	s := c.sock
	c.sock = nil
	c.cleanup.Stop()
	bookOf(c.in).forget(s)
	s.OnClose(nil)
	return s
}

// keepKey is where a client with swoole.KEEP is kept.
func (c *Client) keepKey() string {
	if c.id != "" {
		return "keep:" + c.target.Kind.String() + ":" + c.id
	}
	return "keep:" + c.target.Kind.String() + ":" + c.target.String()
}

func closeClient(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	in.MustRun(L, "client:close")
	return c.done(L, c.close(L, lua.LVAsBool(L.Get(2))))
}

// close is the script's. now drops what is not sent yet.
func (c *Client) close(L *lua.LState, now bool) error {
	c.epoch++
	if c.link != nil {
		if c.link.state == linkOver {
			return socket.ErrNotConnected
		}
		c.link.end("client_closed", nil, now)
		return nil
	}
	switch {
	case c.connecting:
		return nil // it sees that it was closed
	case c.open() == nil:
		c.sock = nil
		return socket.ErrNotConnected
	case c.keep && !now:
		d := socket.DepotOf(c.in, L)
		d.Put(c.keepKey(), c.release())
		return nil
	}
	c.drop(now)
	return nil
}

func shutdown(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	how := map[lua.LValue]int{lua.LNumber(0): 0, lua.LNumber(1): 1, lua.LNumber(2): 2, lua.LNil: 2,
		lua.LString("read"): 0, lua.LString("write"): 1, lua.LString("both"): 2}
	n, ok := how[L.Get(2)]
	if !ok {
		vm.Raise(L, "bad argument #1 'how' to 'client:shutdown' (0 or \"read\", 1 or \"write\", 2 or \"both\" expected, got %s)", show(L.Get(2)))
	}
	s, err := c.usable()
	if err == nil {
		err = s.Shutdown(n)
	}
	return c.done(L, err)
}

// dialing is a dial under way that can be given up. Any goroutine may cancel it.
type dialing struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newDialing(limit time.Duration) dialing {
	var d dialing
	if limit > 0 {
		d.ctx, d.cancel = context.WithTimeout(context.Background(), limit)
	} else {
		d.ctx, d.cancel = context.WithCancel(context.Background())
	}
	return d
}

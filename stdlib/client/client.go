// Package client is the Lua module "client": clients of TCP, UDP and unix
// sockets, whose functions wait, or whose callbacks are called.
//
// client.go declares it and makes clients, connect.go and close.go are a
// client's life, receive.go and send.go what it waits for, link.go one with
// callbacks, book.go what a VM has open, options.go what can be set.
// stdlib/internal/socket is the socket below.
package client

import (
	"net"
	"runtime"
	"time"

	"swoon/engine/frame"
	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

const answer = "boolean, string?, string?"

// Module declares client.
var Module = scripting.Module{
	Name: "client",
	Doc: "Clients of TCP, UDP and unix sockets, IPv6 too. One without callbacks waits in its methods, as the code reads; one with callbacks, given by on before connect, is told what happens. " +
		"Time-outs are seconds: none is the client's own, a negative one is without limit, 0 does not wait. " +
		"What fails answers false, a name and a text; errCode and errMsg keep the last failure. Names: timeout, connection_refused, reset, broken_pipe, dns_failed, host_unreachable, not_connected, " +
		"server_closed (the peer has closed), client_closed (this side has), frame_too_large, frame_malformed, busy, outbox_full and so on. " +
		"A client that nobody can use any more is closed, and counted as client_lost_num in server:stats().",
	Funcs: []scripting.Func{
		{
			Name: "new", Params: []scripting.Param{{Name: "type", Type: "any"}, {Name: "options", Type: "table?"}}, Returns: "client",
			Doc: "A client: \"tcp\", \"tcp6\", \"udp\", \"udp6\", \"unix_stream\", \"unix_dgram\", or one of swoole's numbers for them; nil leaves it to the address, a path is a unix stream and all else TCP. Options are those of set.",
			Fn:  newClient,
		},
		{
			Name: "connect", Params: []scripting.Param{{Name: "host", Type: "string"}, {Name: "port", Type: "any"}, {Name: "options", Type: "table?"}}, Returns: "client|false, string?, string?",
			Doc: "A connected client: new and connect in one. Options are those of set, and type. A unix socket needs no port: connect(path, options).",
			Fn:  connected,
		},
	},
	Types: []*scripting.Type{Type},
}

// Type is a client.
var Type = &scripting.Type{
	Name:    "client",
	Doc:     "A client of a TCP, UDP or unix socket.",
	Methods: methods(recvRow, sendRow),
	Fields:  fields,
	Field:   field,
}

// SwooleType is a client whose recv and send are those of Swoole\Client.
var SwooleType = &scripting.Type{
	Name:    "swoole.Client",
	Doc:     "A client as Swoole\\Client is one: recv takes a size and send flags. All else is as in the module client.",
	Methods: methods(swooleRecvRow, swooleSendRow),
	Fields:  fields,
	Field:   field,
}

// methods are the methods of a client with these two of its own.
func methods(recv, send scripting.Func) []scripting.Func {
	return []scripting.Func{
		{
			Name: "set", Params: []scripting.Param{{Name: "options", Type: "table"}}, Returns: "boolean",
			Doc: "Options: " + optionDoc() + ". What is not known, and what contradicts itself, is an error. What concerns the socket holds from the next connect on.",
			Fn:  set,
		},
		{
			Name: "on", Params: []scripting.Param{{Name: "event", Type: "string"}, {Name: "callback", Type: "function"}}, Returns: "boolean",
			Doc: "A callback, before connect: connect(client) or error(client), exactly one of them; receive(client, data), also with address and port for packets; close(client, reason), once; bufferFull(client), bufferEmpty(client). " +
				"They come in order, one at a time: one that waits makes the next wait. Reasons are those of a session: server_closed is the peer's, client_closed the script's, and reset, frame_too_large, frame_malformed, read_error, write_error, reload, shutdown.",
			Fn: on,
		},
		{
			Name: "connect", Params: []scripting.Param{{Name: "host", Type: "string"}, {Name: "port", Type: "number?"}, {Name: "timeout", Type: "number?"}, {Name: "flag", Type: "number?"}}, Returns: answer,
			Doc: "Connect to an address, a name or the path of a unix socket. The time-out covers the look-up of the name. A client with callbacks answers true at once; in onWorkerStart it begins when that has returned on all workers. A client for packets takes none from others then.",
			Fn:  connect,
		},
		send,
		recv,
		{
			Name: "peek", Params: []scripting.Param{{Name: "size", Type: "number?"}, {Name: "timeout", Type: "number?"}}, Returns: "string|false, string?, string?",
			Doc: "Look at what recv would take next, up to size (65535) bytes, without framing: it stays where it is. Waits until there is something.", Fn: peek,
		},
		{
			Name: "sendto", Params: []scripting.Param{{Name: "host", Type: "string"}, {Name: "port", Type: "any"}, {Name: "data", Type: "any"}}, Returns: answer,
			Doc: "Send a packet to an address or a name, also without connect. For a unix socket: sendto(path, data).", Fn: sendto,
		},
		{
			Name: "recvfrom", Params: []scripting.Param{{Name: "timeout", Type: "number?"}}, Returns: "string|false, string?, number|string?",
			Doc: "The next packet, and the address and port it came from.", Fn: recvfrom,
		},
		{
			Name: "sendfile", Params: []scripting.Param{{Name: "path", Type: "string"}, {Name: "offset", Type: "number?"}, {Name: "length", Type: "number?"}}, Returns: answer,
			Doc: "Send a file, or length bytes of it from offset on. A relative path begins where the server was started.", Fn: sendfile,
		},
		{Name: "isConnected", Returns: "boolean", Doc: "Whether it is connected, as far as this side has noticed.", Fn: isConnected},
		{Name: "checkLiveness", Returns: "boolean", Doc: "Whether it is connected, and the kernel knows of no end either: the peer has neither closed nor reset it.", Fn: checkLiveness},
		{Name: "getsockname", Returns: "table|false, string?, string?", Doc: "This side's host (also as address) and port.", Fn: sockname},
		{Name: "getpeername", Returns: "table|false, string?, string?", Doc: "The peer's host (also as address) and port; for packets, of whoever sent the last.", Fn: peername},
		{
			Name: "shutdown", Params: []scripting.Param{{Name: "how", Type: "any"}}, Returns: answer,
			Doc: "Say that no more is received (0 or \"read\"), sent (1 or \"write\", when what is queued is out) or both (2 or \"both\"). After \"write\" the peer sees the end of the stream, and its answer can be received.", Fn: shutdown,
		},
		{
			Name: "close", Params: []scripting.Param{{Name: "force", Type: "boolean?"}}, Returns: answer,
			Doc: "Close it; it may connect again. What was sent goes out still, for up to 5 seconds; force drops it. A fiber that waits for the client gets client_closed. One with swoole.KEEP stays open for the next connect to its address, unless it is forced.", Fn: closeClient,
		},
		{Name: "sleep", Returns: answer, Doc: "Stop calling receive, and soon reading, until wakeup.", Fn: pause},
		{Name: "pause", Returns: answer, Doc: "sleep by its other name.", Fn: pause},
		{Name: "wakeup", Returns: answer, Doc: "Call receive again.", Fn: resume},
		{Name: "resume", Returns: answer, Doc: "wakeup by its other name.", Fn: resume},
	}
}

var fields = []scripting.Param{
	{Name: "errCode", Type: "number"}, {Name: "errMsg", Type: "string"}, {Name: "connected", Type: "boolean"}, {Name: "type", Type: "number"},
	{Name: "sock", Type: "number"}, {Name: "fd", Type: "number"}, {Name: "setting", Type: "table"}, {Name: "id", Type: "string"},
	{Name: "reuse", Type: "boolean"}, {Name: "reuseCount", Type: "number"},
}

// Client is one client of one VM. Everything belongs to the baton holder.
type Client struct {
	in     *scripting.Instance
	object *lua.LUserData
	kind   socket.Kind // Auto: the address says it
	swoole bool        // the time-out of connect is that of recv and send, too
	async  bool        // it was made for callbacks
	keep   bool        // swoole.KEEP
	id     string      // under which it is kept; "": its address
	o      options
	framer frame.Framer
	given  *lua.LTable
	on     [numEvents]*lua.LFunction

	sock       *socket.Socket // of the last connect, or nil
	cleanup    runtime.Cleanup
	target     socket.Target
	connecting bool
	epoch      int         // of connect and close, to see what came meanwhile
	link       *link       // with callbacks: what is open, or nil
	cutting    bool        // package_length_func runs
	cutter     *lua.LState // on whose behalf
	reused     int         // how often the socket had been used before; swoole.KEEP
	code       int
	message    string
	lastHost   string // who sent the last packet
	lastPort   int
}

// New makes a client of this kind. Baton holder.
func New(in *scripting.Instance, t *scripting.Type, kind socket.Kind) *Client {
	c := &Client{in: in, kind: kind, o: defaults(), framer: frame.Raw{}, given: in.NewTable()}
	c.object = in.NewObject(t, c)
	return c
}

// Swoole is swoole.Client's constructor: the client's object. keep and id are
// those of swoole.KEEP, async makes it one with callbacks.
func Swoole(in *scripting.Instance, kind socket.Kind, async, keep bool, id string) *lua.LUserData {
	c := New(in, SwooleType, kind)
	c.swoole, c.async, c.keep, c.id = true, async, keep, id
	c.o.connect, c.o.read, c.o.write = swooleTimeout, swooleTimeout, swooleTimeout
	return c.object
}

// swooleTimeout is what Swoole\Client's connect begins with.
const swooleTimeout = 500 * time.Millisecond

func newClient(in *scripting.Instance, L *lua.LState) int {
	kind, err := parseKind(L.Get(1))
	if err != nil {
		vm.Raise(L, "bad argument #1 'type' to 'client.new' (%v)", err)
	}
	c := New(in, Type, kind)
	if t, ok := L.Get(2).(*lua.LTable); ok {
		c.apply(L, "client.new", t)
	}
	L.Push(c.object)
	return 1
}

func connected(in *scripting.Instance, L *lua.LState) int {
	const what = "client.connect"
	in.MustRun(L, what)
	port, opts := L.Get(2), L.Get(3)
	if t, ok := port.(*lua.LTable); ok && opts == lua.LNil {
		port, opts = lua.LNil, t
	}
	kind := socket.Auto
	t, _ := opts.(*lua.LTable)
	if t != nil {
		var err error
		if kind, err = parseKind(t.RawGetString("type")); err != nil {
			vm.Raise(L, "%s: option 'type': %v", what, err)
		}
	}
	c := New(in, Type, kind)
	if t != nil {
		c.apply(L, what, t, "type")
	}
	n := 0
	if port != lua.LNil {
		f, ok := scripting.Number(port)
		if !ok {
			vm.Raise(L, "bad argument #2 'port' to '%s' (number expected, got %s)", what, port.Type())
		}
		n = int(f)
	}
	if err := c.connect(L, what, L.CheckString(1), n, c.o.connect); err != nil {
		return c.fail(L, err)
	}
	L.Push(c.object)
	return 1
}

func set(_ *scripting.Instance, L *lua.LState) int {
	scripting.Self[*Client](L).apply(L, "client:set", L.CheckTable(2))
	L.Push(lua.LTrue)
	return 1
}

// fail answers with an error, and keeps it.
func (c *Client) fail(L *lua.LState, err error) int {
	e := c.failed(err)
	return c.in.Fail(L, e)
}

func (c *Client) failed(err error) *scripting.Errno {
	e := socket.Describe(err)
	c.code, c.message = e.Code, e.Text
	return e
}

// done answers true, or the error.
func (c *Client) done(L *lua.LState, err error) int {
	if err != nil {
		return c.fail(L, err)
	}
	c.code, c.message = 0, ""
	L.Push(lua.LTrue)
	return 1
}

func field(_ *scripting.Instance, v any, name string) lua.LValue {
	c := v.(*Client)
	switch name {
	case "errCode":
		return lua.LNumber(c.code)
	case "errMsg":
		return lua.LString(c.message)
	case "connected":
		return lua.LBool(c.open() != nil)
	case "type":
		return lua.LNumber(max(c.kind, c.target.Kind))
	case "sock", "fd":
		if s := c.open(); s != nil {
			return lua.LNumber(s.Descriptor())
		}
		return lua.LNumber(-1)
	case "setting":
		return c.given
	case "id":
		return lua.LString(c.id)
	case "reuse":
		return lua.LBool(c.reused > 0)
	case "reuseCount":
		return lua.LNumber(c.reused)
	}
	return nil
}

// open is the socket if it is connected, else nil.
func (c *Client) open() *socket.Socket {
	if c.sock == nil || !c.sock.Open() || c.link != nil && c.link.state != linkOpen {
		return nil
	}
	return c.sock
}

// usable is the socket that a method needs, or why there is none.
func (c *Client) usable() (*socket.Socket, error) {
	switch {
	case c.connecting || c.link != nil && c.link.state == linkConnecting:
		return nil, socket.ErrConnecting
	case c.sock == nil:
		return nil, socket.ErrNotConnected
	case c.open() == nil:
		return nil, c.sock.Why()
	}
	return c.sock, nil
}

func (c *Client) keepAliveConfig() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: c.o.keepAlive, Idle: time.Duration(c.o.keepIdle) * time.Second,
		Interval: time.Duration(c.o.keepInterval) * time.Second, Count: c.o.keepCount}
}

func isConnected(_ *scripting.Instance, L *lua.LState) int {
	L.Push(lua.LBool(scripting.Self[*Client](L).open() != nil))
	return 1
}

func checkLiveness(_ *scripting.Instance, L *lua.LState) int {
	s := scripting.Self[*Client](L).open()
	L.Push(lua.LBool(s != nil && s.Alive()))
	return 1
}

func sockname(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	s, err := c.usable()
	if err != nil {
		return c.fail(L, err)
	}
	host, port := s.Local()
	return pushAddress(L, host, port)
}

func peername(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	s, err := c.usable()
	if err != nil {
		return c.fail(L, err)
	}
	host, port := s.Remote()
	if s.Kind.Packets() && c.lastHost != "" {
		host, port = c.lastHost, c.lastPort
	}
	if host == "" {
		return c.fail(L, socket.ErrNotConnected)
	}
	return pushAddress(L, host, port)
}

func pushAddress(L *lua.LState, host string, port int) int {
	t := L.CreateTable(0, 3)
	t.RawSetString("host", lua.LString(host))
	t.RawSetString("address", lua.LString(host))
	t.RawSetString("port", lua.LNumber(port))
	L.Push(t)
	return 1
}

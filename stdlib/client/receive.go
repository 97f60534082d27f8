package client

import (
	"io"
	"math"
	"time"

	"swoon/engine/frame"
	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

var recvRow = scripting.Func{
	Name: "recv", Params: []scripting.Param{{Name: "timeout", Type: "number?"}}, Returns: "string|false, string?, string?",
	Doc: "Wait for data: a whole package with framing, a packet, or what is there of a stream, up to 64 KiB. \"\" and server_closed when the peer has closed; false and the reason when it failed. After a timeout the client is as it was.",
	Fn:  recv,
}

var swooleRecvRow = scripting.Func{
	Name: "recv", Params: []scripting.Param{{Name: "size", Type: "number?"}, {Name: "flags", Type: "number?"}}, Returns: "string|false, string?, string?",
	Doc: "Wait for data, up to size (65535) bytes, or for a whole package with framing. Flags: swoole.MSG_PEEK leaves it where it is, MSG_WAITALL waits for all of size, MSG_DONTWAIT does not wait. \"\" when the peer has closed.",
	Fn:  swooleRecv,
}

// timeout is argument n of what, or the client's own.
func timeout(L *lua.LState, n int, what string, own time.Duration) time.Duration {
	if L.Get(n) == lua.LNil {
		return own
	}
	return scripting.Timeout(L, n, what)
}

// reader is the socket that a fiber may receive from.
func (c *Client) reader(L *lua.LState, what string) (*socket.Socket, error) {
	c.in.MustRun(L, what)
	if c.events() {
		vm.Raise(L, "%s: the client has callbacks: its data come to 'receive'", what)
	}
	if c.cutting {
		return nil, socket.ErrBusy // package_length_func waits
	}
	return c.usable()
}

func recv(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:recv"
	s, err := c.reader(L, what)
	limit := timeout(L, 2, what, c.o.read)
	var data string
	switch {
	case err != nil:
	case s.Kind.Packets():
		data, c.lastHost, c.lastPort, err = s.Packet(c.in, L, what, limit)
	default:
		c.cutter = L
		data, err = s.Frame(c.in, L, what, limit, c.framer)
		c.cutter = nil
	}
	return c.received(L, data, err)
}

// received answers with data, or with how receiving ended.
func (c *Client) received(L *lua.LState, data string, err error) int {
	if err == io.EOF {
		e := c.failed(socket.ErrPeerClosed)
		L.Push(lua.LString(""))
		L.Push(lua.LString(e.Name))
		L.Push(lua.LString(e.Text))
		return 3
	}
	if err != nil {
		if e := socket.Describe(err); c.sock != nil && c.sock.Open() && !c.sock.Kind.Packets() && e.Name != "timeout" && e.Name != "busy" {
			c.sock.Close(true) // a stream that cannot be read is of no use
		}
		return c.fail(L, err)
	}
	c.code, c.message = 0, ""
	L.Push(lua.LString(data))
	return 1
}

func swooleRecv(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:recv"
	size, flags := sizeArg(L, 2, what), 0
	if f, ok := scripting.Number(L.Get(3)); ok {
		flags = int(f)
		if f != math.Trunc(f) || flags&^(MsgPeek|MsgDontWait|MsgWaitAll) != 0 {
			vm.Raise(L, "bad argument #2 'flags' to '%s' (a sum of MSG_PEEK, MSG_DONTWAIT and MSG_WAITALL expected, got %v)", what, lua.LNumber(f))
		}
	}
	s, err := c.reader(L, what)
	limit := c.o.read
	if flags&MsgDontWait != 0 {
		limit = 1
	}
	var data string
	_, raw := c.framer.(frame.Raw)
	switch {
	case err != nil:
	case s.Kind.Packets():
		if data, c.lastHost, c.lastPort, err = s.Packet(c.in, L, what, limit); len(data) > size {
			data = data[:size] // as the system does
		}
	case raw || flags&MsgPeek != 0:
		least := 1
		if flags&MsgWaitAll != 0 {
			least = size
		}
		data, err = s.Bytes(c.in, L, what, limit, least, size, flags&MsgPeek != 0)
	default:
		c.cutter = L
		data, err = s.Frame(c.in, L, what, limit, c.framer)
		c.cutter = nil
	}
	return c.received(L, data, err)
}

// Flags of swoole.Client's recv, with the system's numbers.
const (
	MsgOOB      = 1
	MsgPeek     = 2
	MsgDontWait = 64
	MsgWaitAll  = 256
)

func sizeArg(L *lua.LState, n int, what string) int {
	f, ok := scripting.Number(L.Get(n))
	if !ok {
		return 65535
	}
	if f != math.Trunc(f) || f < 1 || f > 1<<28 {
		vm.Raise(L, "bad argument #%d 'size' to '%s' (1 to %d bytes expected, got %v)", n-1, what, 1<<28, lua.LNumber(f))
	}
	return int(f)
}

func peek(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:peek"
	size := sizeArg(L, 2, what)
	s, err := c.reader(L, what)
	var data string
	if err == nil && s.Kind.Packets() {
		err = socket.ErrNotStream
	} else if err == nil {
		data, err = s.Bytes(c.in, L, what, timeout(L, 3, what, c.o.read), 1, size, true)
	}
	return c.received(L, data, err)
}

func recvfrom(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:recvfrom"
	s, err := c.reader(L, what)
	if err == nil && !s.Kind.Packets() {
		err = socket.ErrNotPackets
	}
	var data string
	if err == nil {
		data, c.lastHost, c.lastPort, err = s.Packet(c.in, L, what, timeout(L, 2, what, c.o.read))
	}
	if err != nil {
		return c.fail(L, err)
	}
	c.code, c.message = 0, ""
	L.Push(lua.LString(data))
	L.Push(lua.LString(c.lastHost))
	L.Push(lua.LNumber(c.lastPort))
	return 3
}

// lengthFunc is package_length_func as the framer calls it.
func (c *Client) lengthFunc(fn *lua.LFunction) frame.LengthFunc {
	return func(b []byte) (n int, err error) {
		c.cutting = true
		defer func() { c.cutting = false }()
		data := lua.LString(b)
		if c.cutter == nil { // for a callback: there is no Lua below
			c.in.CallbackResults("package_length_func", fn, []lua.LValue{data}, func(th *vm.Thread, e *vm.Error) {
				if e != nil {
					err = e
				} else {
					n, err = total(th.State())
				}
			})
			return n, err
		}
		errv, ok := vm.Of(c.cutter).Protect(c.cutter, fn, func(th *lua.LState) { n, err = total(th) }, data)
		if !ok {
			err = &scripting.Errno{Name: "error", Code: 1, Text: "package_length_func: " + errv.String()}
		}
		return n, err
	}
}

// total is what package_length_func has returned.
func total(th *lua.LState) (int, error) {
	f, ok := scripting.Number(th.Get(1))
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, &scripting.Errno{Name: "error", Code: 1, Text: "package_length_func must return the length of the package, 0 or a negative number, not " + show(th.Get(1))}
	}
	return int(f), nil
}

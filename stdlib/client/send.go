package client

import (
	"context"
	"io"
	"math"
	"net/netip"
	"os"
	"syscall"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

const sendReturns = "number|false, string?, string?"

var sendRow = scripting.Func{
	Name: "send", Params: []scripting.Param{{Name: "data", Type: "string"}, {Name: "timeout", Type: "number?"}}, Returns: sendReturns,
	Doc: "Send data and wait until the kernel has all of it; with callbacks, queue it without waiting. Returns how many bytes. A time-out in the middle of the data closes the client: its peer would take what comes next for the rest.",
	Fn: func(_ *scripting.Instance, L *lua.LState) int {
		c := scripting.Self[*Client](L)
		return send(L, c, timeout(L, 3, "client:send", c.o.write))
	},
}

var swooleSendRow = scripting.Func{
	Name: "send", Params: []scripting.Param{{Name: "data", Type: "string"}, {Name: "flags", Type: "number?"}}, Returns: sendReturns,
	Doc: "Send data and wait until the kernel has all of it; with callbacks, queue it without waiting. Returns how many bytes. No flag is known.",
	Fn: func(_ *scripting.Instance, L *lua.LState) int {
		c := scripting.Self[*Client](L)
		if f, ok := scripting.Number(L.Get(3)); ok && f != 0 {
			vm.Raise(L, "bad argument #2 'flags' to 'client:send' (0 expected, got %v)", lua.LNumber(f))
		}
		return send(L, c, c.o.write)
	},
}

func send(L *lua.LState, c *Client, limit time.Duration) int {
	const what = "client:send"
	c.in.MustRun(L, what)
	data := L.CheckString(2)
	s, err := c.usable()
	switch {
	case err != nil:
	case data == "" && !s.Kind.Packets():
		err = socket.ErrEmpty
	case c.events():
		err = s.Queue(data, c.o.room)
	default:
		err = s.Send(c.in, L, what, limit, data)
	}
	if err != nil {
		return c.fail(L, err)
	}
	c.code, c.message = 0, ""
	L.Push(vm.Int(len(data)))
	return 1
}

func sendto(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:sendto"
	in.MustRun(L, what)
	host, port, data := L.CheckString(2), 0, L.Get(4)
	kind := c.kind
	if kind == socket.Auto {
		kind = socket.UDP
	}
	if !kind.Packets() {
		return c.fail(L, socket.ErrNotPackets)
	}
	if kind.Unix() && data == lua.LNil {
		data = L.Get(3)
	} else {
		f, ok := scripting.Number(L.Get(3))
		if !ok || f != math.Trunc(f) || !kind.Unix() && (f < 1 || f > 65535) {
			vm.Raise(L, "bad argument #2 'port' to '%s' (1 to 65535 expected, got %s)", what, show(L.Get(3)))
		}
		port = int(f)
	}
	text, ok := data.(lua.LString)
	if n, isNumber := data.(lua.LNumber); isNumber {
		text, ok = lua.LString(n.String()), true
	}
	if !ok {
		vm.Raise(L, "bad argument #3 'data' to '%s' (string expected, got %s)", what, data.Type())
	}
	var ip netip.Addr
	var err error
	if !kind.Unix() {
		if ip, err = socket.Lookup(in, L, what, c.o.connect, kind, host); err != nil {
			return c.fail(L, err)
		}
	}
	if c.open() == nil {
		c.target = socket.Target{Kind: kind, BindHost: c.o.bindHost, BindPort: c.o.bindPort}
		s, err := c.target.Open(ip)
		if err != nil {
			return c.fail(L, err)
		}
		s.Count(in.ClientCounts())
		c.adopt(s)
	}
	return c.done(L, c.sock.SendTo(ip, port, host, string(text)))
}

// startDir is where the server was started; the process may move later.
var startDir, _ = os.Getwd()

func sendfile(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	const what = "client:sendfile"
	in.MustRun(L, what)
	offset, length := fileNumber(L, 3, "offset"), fileNumber(L, 4, "length")
	s, err := c.usable()
	if err == nil && s.Kind.Packets() {
		err = socket.ErrNotStream
	}
	if err != nil {
		return c.fail(L, err)
	}
	path := L.CheckString(2)
	p, err := socket.Run(in, L, what, 0, func(context.Context) (piece, error) { return openPiece(path, offset, length) },
		func(p piece) { p.file.Close() })
	switch {
	case err != nil:
		return c.fail(L, err)
	case p.size == 0:
		p.file.Close()
	case c.events():
		err = s.QueueFile(p.file, p.size)
	default:
		err = s.SendFile(in, L, what, c.o.write, p.file, p.size)
	}
	return c.done(L, err)
}

// piece is a file to be sent from where it stands.
type piece struct {
	file *os.File
	size int64
}

// openPiece opens length bytes of a file from offset on; 0 is all that is there.
func openPiece(path string, offset, length int64) (p piece, err error) {
	if len(path) > 0 && path[0] != '/' {
		path = startDir + "/" + path
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	if !info.Mode().IsRegular() {
		return p, &scripting.Errno{Name: "not_a_file", Code: 22, Text: path + " is no regular file"}
	}
	if length == 0 {
		length = info.Size() - offset
	}
	if offset < 0 || length < 0 || offset+length > info.Size() {
		return p, &scripting.Errno{Name: "out_of_range", Code: 22, Text: "the file has no such piece: it is too short"}
	}
	if _, err = f.Seek(offset, io.SeekStart); err != nil {
		return p, err
	}
	return piece{f, length}, nil
}

// fileNumber is an optional place in a file, or size of a piece of it.
func fileNumber(L *lua.LState, n int, name string) int64 {
	f, ok := scripting.Number(L.Get(n))
	if !ok {
		return 0
	}
	if f != math.Trunc(f) || f < 0 || f > 1<<53 {
		vm.Raise(L, "bad argument #%d '%s' to 'client:sendfile' (a whole number, 0 or more, expected, got %v)", n-1, name, lua.LNumber(f))
	}
	return int64(f)
}

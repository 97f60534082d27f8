package client

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

// event is what a client may have a callback for.
type event uint8

const (
	evConnect event = iota
	evReceive
	evError
	evClose
	evFull
	evEmpty
	numEvents
)

var eventNames = [numEvents]string{"connect", "receive", "error", "close", "bufferFull", "bufferEmpty"}

func on(_ *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Client](L)
	name := L.CheckString(2)
	short := name
	if len(name) > 2 && strings.EqualFold(name[:2], "on") {
		short = name[2:]
	}
	for e, n := range eventNames {
		if !strings.EqualFold(n, short) {
			continue
		}
		if c.connecting || c.open() != nil && !c.events() {
			vm.Raise(L, "client:on: the client is connected without callbacks: give it its callbacks before connect")
		}
		c.on[e] = L.CheckFunction(3)
		L.Push(lua.LTrue)
		return 1
	}
	vm.Raise(L, "client:on: there is no event '%s'%s", name, scripting.Suggest(short, eventNames[:]))
	return 0
}

// events says whether the client is one with callbacks.
func (c *Client) events() bool { return c.async || c.on != [numEvents]*lua.LFunction{} }

// need raises what callbacks are missing. Swoole's own form wants all four.
func (c *Client) need(L *lua.LState, what string) {
	var missing []string
	for _, e := range []event{evConnect, evReceive, evError, evClose} {
		if c.on[e] == nil && (e == evReceive || c.async && !c.kind.Packets()) {
			missing = append(missing, "'"+eventNames[e]+"'")
		}
	}
	if len(missing) > 0 {
		vm.Raise(L, "%s: there is no callback for %s", what, strings.Join(missing, ", "))
	}
}

// linkState is where a connection with callbacks stands.
type linkState uint8

const (
	linkConnecting linkState = iota
	linkOpen
	linkOver
)

// link is one connection of a client with callbacks, from connect to close. It
// belongs to the baton holder: what happens elsewhere is posted to the loop.
type link struct {
	c      *Client
	in     *scripting.Instance
	state  linkState
	dial   dialing
	told   bool // how connecting has ended is queued
	sock   *socket.Socket
	queue  []happening
	busy   bool // a fiber tells the script
	paused bool
}

// happening is what the script is to be told of, but for data.
type happening struct {
	ev     event
	sock   *socket.Socket // evConnect
	err    error          // evError
	reason string         // evClose
}

// errRetired is a connect in a VM that has been replaced.
var errRetired = &scripting.Errno{Name: "cancelled", Code: 10017, Text: "the script was replaced or the server stops: a client with callbacks cannot begin any more"}

// begin connects in the background.
func (c *Client) begin(limit time.Duration) error {
	b := bookOf(c.in)
	if b.retired {
		return errRetired
	}
	l := &link{c: c, in: c.in, dial: newDialing(limit)}
	c.link = l
	b.links[l] = true
	c.in.Hold(1)
	target := c.target
	c.in.WhenLive(func() {
		if l.state == linkOver {
			return
		}
		go func() {
			s, err := target.Dial(l.dial.ctx)
			end := happening{ev: evConnect, sock: s}
			if err != nil {
				end = happening{ev: evError, err: err}
			}
			l.in.PostOr(func() { l.dialed(end) }, end.drop)
		}()
	})
	return nil
}

// dialed queues how connecting has ended, once: whoever gives it up need not
// wait for the dial.
func (l *link) dialed(end happening) {
	if l.told {
		end.drop()
		return
	}
	l.told = true
	l.add(end)
}

// drop closes a socket that nobody wants any more.
func (h happening) drop() {
	if h.sock != nil {
		h.sock.Close(true)
	}
}

// add queues a happening and has the script told.
func (l *link) add(h happening) {
	l.queue = append(l.queue, h)
	l.kick()
}

// kick has a fiber look at what there is, unless one does.
func (l *link) kick() {
	if !l.busy {
		l.busy = true
		l.in.SpawnKept(l.tell)
	}
}

// atOnce is how much one fiber tells the script before others get their turn.
const (
	atOnce     = 64
	atOnceTime = 5 * time.Millisecond
)

// tell runs callbacks, one after the other, as long as there is something.
func (l *link) tell() {
	end := time.Now().Add(atOnceTime)
	for n := 0; n < atOnce && (n%8 != 7 || time.Now().Before(end)); n++ {
		if !l.step() {
			l.busy = false
			return
		}
	}
	l.in.SpawnKept(l.tell)
}

// step does one thing; false when there is nothing to do now.
func (l *link) step() bool {
	switch {
	case len(l.queue) > 0:
		h := l.queue[0]
		l.queue[0] = happening{}
		l.queue = l.queue[1:]
		l.happened(h)
		return true
	case l.state == linkOpen && !l.paused:
		return l.input()
	}
	return false
}

// happened tells the script.
func (l *link) happened(h happening) {
	c := l.c
	switch h.ev {
	case evConnect, evError:
		l.connected(h)
	case evClose:
		l.call(evClose, lua.LString(h.reason))
	default:
		if l.state == linkOpen {
			l.call(h.ev)
		}
	}
	if l.state == linkOver && len(l.queue) == 0 && c.link == l {
		c.link = nil
	}
}

// connected is the end of connect, one way or the other.
func (l *link) connected(h happening) {
	c, counts := l.c, l.in.ClientCounts()
	if h.err == nil && l.state == linkOver { // closed meanwhile
		h.sock.Close(true)
		h.err = socket.ErrClosed
	}
	if h.err != nil {
		counts.Errors.Add(1)
		c.failed(h.err)
		l.over()
		if c.link == l {
			c.link = nil
		}
		if c.on[evError] == nil {
			e := socket.Describe(h.err)
			l.in.Log(slog.LevelWarn, "a client could not connect, and has no callback for 'error'", "address", c.target.String(), "reason", e.Name, "text", e.Text)
		}
		l.call(evError)
		return
	}
	counts.Connects.Add(1)
	h.sock.Count(counts)
	l.state, l.sock = linkOpen, h.sock
	c.code, c.message = 0, ""
	c.adopt(h.sock)
	c.watch()
	l.call(evConnect)
}

// watch has the client told of its watermarks.
func (c *Client) watch() {
	l := c.link
	if l == nil || l.sock == nil {
		return
	}
	high := c.o.high
	if high == 0 {
		high = c.o.room / 5 * 4
	}
	l.sock.Watch(high, c.o.low, func(full bool) {
		ev := evEmpty
		if full {
			ev = evFull
		}
		l.in.Post(func() { l.add(happening{ev: ev}) })
	}, func(why error) {
		l.in.Post(func() { l.lost(why, "write_error") })
	})
}

// input tells the script of data that is there, or has it told when some comes.
func (l *link) input() bool {
	if l.sock.Kind.Packets() {
		data, host, port, ok, err := l.sock.TryPacket()
		switch {
		case ok:
			l.c.lastHost, l.c.lastPort = host, port
			l.call(evReceive, lua.LString(data), lua.LString(host), lua.LNumber(port))
		case err != nil && l.sock.Open(): // of a packet that was sent: the next may go through
			l.c.failed(err)
		case err != nil:
			l.lost(err, "read_error")
		default:
			return !l.want()
		}
		return true
	}
	data, ok, err := l.sock.Cut(l.c.framer)
	if l.state != linkOpen {
		return true // package_length_func has closed it
	}
	if ok {
		l.call(evReceive, lua.LString(data))
		return true
	}
	if err == nil {
		ok, err = l.sock.Read()
	}
	switch {
	case err != nil:
		l.lost(err, "read_error")
	case !ok:
		return !l.want()
	}
	return true
}

// want has the script told when there is input. It reports false when there is.
func (l *link) want() bool {
	return l.sock.Want(func() { l.in.Post(l.kick) })
}

// lost ends the link because of err.
func (l *link) lost(err error, otherwise string) {
	if errors.Is(err, io.EOF) {
		l.end("server_closed", nil, false)
		return
	}
	reason := otherwise
	switch name := socket.Describe(err).Name; name {
	case "reset", "frame_too_large", "frame_malformed":
		reason = name
	case "broken_pipe": // the peer was done before it refused our bytes
		reason = "server_closed"
	}
	l.end(reason, err, true)
}

// end closes the link: the script is told after what it is told now. now drops
// what has not been sent.
func (l *link) end(reason string, err error, now bool) {
	switch l.state {
	case linkConnecting:
		l.over()
		l.in.WhenLive(func() { l.dialed(happening{ev: evError, err: socket.ErrClosed}) })
	case linkOpen:
		if err != nil {
			l.c.failed(err)
		}
		l.over()
		if l.c.sock == l.sock {
			l.c.drop(now)
		}
		kept := l.queue[:0]
		for _, h := range l.queue {
			if h.ev == evClose {
				kept = append(kept, h)
			}
		}
		clear(l.queue[len(kept):])
		l.queue = kept
		l.add(happening{ev: evClose, reason: reason})
	}
}

// over notes that the link holds nothing open any more.
func (l *link) over() {
	l.state = linkOver
	l.dial.cancel()
	if links := bookOf(l.in).links; links[l] {
		delete(links, l)
		l.in.Hold(-1)
	}
}

// kill ends the link when no Lua runs any more.
func (l *link) kill() {
	open := l.state == linkOpen
	l.over()
	l.queue = nil
	if open && l.sock.Close(true) {
		l.in.ClientCounts().Lost.Add(1)
	}
}

// call calls a callback of the script, if there is one.
func (l *link) call(ev event, args ...lua.LValue) {
	if fn := l.c.on[ev]; fn != nil {
		l.in.Callback("client "+eventNames[ev], fn, append([]lua.LValue{l.c.object}, args...)...)
	}
}

func pause(_ *scripting.Instance, L *lua.LState) int  { return hold(L, "client:sleep", true) }
func resume(_ *scripting.Instance, L *lua.LState) int { return hold(L, "client:wakeup", false) }

func hold(L *lua.LState, what string, on bool) int {
	c := scripting.Self[*Client](L)
	if !c.events() {
		vm.Raise(L, "%s: the client has no callbacks: it receives when recv is called", what)
	}
	if _, err := c.usable(); err != nil {
		return c.fail(L, err)
	}
	c.link.paused = on
	if !on {
		c.link.kick()
	}
	return c.done(L, nil)
}

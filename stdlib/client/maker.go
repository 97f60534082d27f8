package client

import (
	"fmt"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

// What pools need of clients. Baton holder.

// Maker makes connected clients of one kind, for a pool.
type Maker struct {
	in     *scripting.Instance
	target socket.Target
	opts   options
	given  map[string]lua.LValue
	fn     *lua.LFunction
}

// NewMaker reads an address and options, as client.connect takes them; what is
// wrong with the options raises, named as those of what.
func NewMaker(in *scripting.Instance, L *lua.LState, what, host string, port int, opts *lua.LTable) (*Maker, error) {
	kind := socket.Auto
	m := &Maker{in: in, given: map[string]lua.LValue{}}
	c := New(in, Type, kind)
	if opts != nil {
		var err error
		if kind, err = parseKind(opts.RawGetString("type")); err != nil {
			return nil, fmt.Errorf("option 'type': %w", err)
		}
		c.apply(L, what+": client", opts, "type")
		opts.ForEach(func(k, v lua.LValue) { m.given[k.String()] = v })
	}
	m.opts = c.o
	m.target = socket.Target{Kind: kind.Of(host), Host: host, Port: port}
	if err := m.target.Check(); err != nil {
		return nil, err
	}
	m.fn = L.NewFunction(m.make)
	return m, nil
}

// make is the function that connects; Lua calls it.
func (m *Maker) make(L *lua.LState) int {
	c := New(m.in, Type, m.target.Kind)
	c.become(m.opts, m.given)
	if err := c.connect(L, "client:connect", m.target.Host, m.target.Port, c.o.connect); err != nil {
		return c.fail(L, err)
	}
	L.Push(c.object)
	return 1
}

// Function connects and returns a client, or false, a name and a text.
func (m *Maker) Function() *lua.LFunction { return m.fn }

// String is the address.
func (m *Maker) String() string { return m.target.String() }

// Key is all that the maker was told; "" if a function is among it.
func (m *Maker) Key() string {
	if m.opts.fn != nil {
		return ""
	}
	options := make(map[string]string, len(m.given))
	for name, v := range m.given {
		options[name] = written(v)
	}
	return fmt.Sprint(m.target.Kind, m.target.Host, ":", m.target.Port, options) // in the order of the keys
}

// written is what an option's value says, tables by what they hold.
func written(v lua.LValue) string {
	t, ok := v.(*lua.LTable)
	if !ok {
		return fmt.Sprintf("%s %q", v.Type(), v.String())
	}
	inner := map[string]string{}
	vm.Each(t, func(k, v lua.LValue) bool {
		inner[written(k)] = written(v)
		return true
	})
	return fmt.Sprint(inner)
}

// become gives a client these options, which have been checked.
func (c *Client) become(o options, given map[string]lua.LValue) {
	c.o = o
	c.framer, _ = c.framerOf(&o)
	for name, v := range given {
		c.given.RawSetString(name, v)
	}
}

// Fresh reports whether it is connected, and nothing has come that nobody has
// received: what a client must be that is lent.
func (c *Client) Fresh() bool {
	if c.events() {
		return c.open() != nil
	}
	s := c.open()
	return s != nil && s.Fresh()
}

// Discard closes it, as close(true) does.
func (c *Client) Discard() {
	c.epoch++
	if c.link != nil {
		c.link.end("client_closed", nil, true)
		return
	}
	c.drop(true)
}

// Depot is where clients are laid aside for the next generation of a script.
type Depot struct{ d *socket.Depot }

// DepotOf is the host's depot.
func DepotOf(in *scripting.Instance, L *lua.LState) *Depot { return &Depot{socket.DepotOf(in, L)} }

// legacy is what goes with a socket that is laid aside: nothing of its VM.
type legacy struct {
	kind   socket.Kind
	target socket.Target
	o      options
	given  map[string]lua.LValue
	made   time.Time
}

// Put lays a client's connection aside, which was made at that time. It reports
// false, and closes it, when that cannot be.
func (d *Depot) Put(key string, c *Client, made time.Time) bool {
	s := c.open()
	if s == nil || c.events() || c.o.fn != nil {
		c.Discard()
		return false
	}
	l := legacy{c.kind, c.target, c.o, map[string]lua.LValue{}, made}
	c.given.ForEach(func(k, v lua.LValue) {
		switch v.(type) {
		case lua.LString, lua.LNumber, lua.LBool:
			l.given[k.String()] = v
		}
	})
	s = c.release()
	s.Legacy = l
	return d.d.Put(key, s)
}

// Take makes a client of a connection that was laid aside, and says when that
// was made; nil if there is none.
func (d *Depot) Take(in *scripting.Instance, key string) (*lua.LUserData, time.Time) {
	s := d.d.Take(key)
	if s == nil {
		return nil, time.Time{}
	}
	l := s.Legacy.(legacy)
	s.Legacy = nil
	c := New(in, Type, l.kind)
	c.become(l.o, l.given)
	c.target = l.target
	c.adopt(s)
	return c.object, l.made
}

package scripting

import (
	"fmt"
	"strings"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// portDecl is a port that the script has added by listen, or the primary one:
// then it has no more than primary, and what is done to it is done to the
// server.
type portDecl struct {
	primary bool
	host    string
	port    int
	hasPort bool
	kind    engine.Kind // 0: the address says it
	values  []given
	hasSet  bool // set was called: it has only its own settings
	on      [numEvents]*lua.LFunction
	onWhere [numEvents]string
	where   string
}

// portEvents are the callbacks that a port may have of its own.
var portEvents = [numEvents]bool{evConnect: true, evReceive: true, evClose: true, evBufferFull: true, evBufferEmpty: true, evPacket: true}

// portType is what server:listen returns.
var portType = &Type{
	Name: "port",
	Doc:  "One more address that the server listens on.",
	Methods: []Func{
		{Name: "set", Params: []Param{{"settings", "table"}}, Returns: "boolean", Doc: "Settings of this port alone. A port that sets nothing has the server's.", Fn: (*Instance).doPortSet},
		{Name: "on", Params: []Param{{"event", "string"}, {"callback", "any"}}, Returns: "boolean", Doc: "A callback of this port alone. Without it, the server's is called.", Fn: (*Instance).doPortOn},
		{Name: "getCallback", Params: []Param{{"event", "string"}}, Returns: "function?", Doc: "The callback that the port was given for an event.", Fn: (*Instance).doPortCallback},
		{Name: "getSocket", Returns: "boolean, string, string", Doc: "Not for scripts: false, and why.", Fn: (*Instance).doGetSocket},
	},
	Fields: []Param{{"host", "string"}, {"port", "number"}, {"type", "number"}, {"sock", "number|false"}, {"setting", "table"}, {"connections", "table"}},
	Field:  portField,
}

func (in *Instance) doListen(L *lua.LState) int {
	in.mustDeclare(L, "server:listen")
	d := &portDecl{host: L.CheckString(2), port: L.OptInt(3, 0), hasPort: L.Get(3) != lua.LNil, where: place(L)}
	kind, err := parseKind(L.Get(4))
	if d.kind = kind; err != nil {
		in.decl.fault(d.where, "server:listen: %v", err)
	}
	if at := d.settings(); !d.hasPort && !at.Kind.Unix() && !at.listen().Systemd() {
		in.decl.fault(d.where, "server:listen: %s needs a port (0 lets the kernel choose)", d.host)
	}
	if d.port < 0 || d.port > 65535 {
		in.decl.fault(d.where, "server:listen: port %d is not in 0..65535", d.port)
	}
	in.decl.ports = append(in.decl.ports, d)
	L.Push(in.NewObject(portType, d))
	return 1
}

func (in *Instance) doPortSet(L *lua.LState) int {
	in.mustDeclare(L, "port:set")
	d := Self[*portDecl](L)
	if d.primary {
		in.decl.values = append(in.decl.values, in.decl.rows(L.CheckTable(2), "port:set", place(L))...)
		L.Push(lua.LTrue)
		return 1
	}
	d.hasSet = true
	d.values = append(d.values, in.decl.rows(L.CheckTable(2), "port:set", place(L))...)
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doPortOn(L *lua.LState) int {
	in.mustDeclare(L, "port:on")
	d, where := Self[*portDecl](L), place(L)
	e, fn, fault := lookupEvent(L.CheckString(2), L.Get(3))
	if fault == "" && !portEvents[e] {
		fault = fmt.Sprintf("event '%s' belongs to the server, not to a port: server:on", e)
	}
	switch {
	case fault != "":
		in.decl.fault(where, "port:on: %s", fault)
	case d.primary:
		in.decl.on[e], in.decl.onWhere[e] = fn, where
	default:
		d.on[e], d.onWhere[e] = fn, where
	}
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doPortCallback(L *lua.LState) int {
	d := Self[*portDecl](L)
	on := &d.on
	if d.primary {
		on = &in.on
		if in.stage == declaring {
			on = &in.decl.on
		}
	}
	if e, _, ok := findEvent(L.CheckString(2)); ok && on[e] != nil {
		L.Push(on[e])
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

func portField(in *Instance, v any, name string) lua.LValue {
	d := v.(*portDecl)
	p := in.enginePort(d)
	at := d.settings()
	if d.primary {
		at = &in.settings().PortSettings
	}
	switch name {
	case "host":
		return lua.LString(at.Host)
	case "port":
		if p != nil {
			return lua.LNumber(p.Addr().Port)
		}
		return lua.LNumber(at.Port)
	case "type":
		return lua.LNumber(at.Kind)
	case "sock":
		if p != nil {
			return lua.LNumber(p.FD())
		}
		return lua.LFalse
	case "setting":
		t := in.vm.State().NewTable()
		if d.primary {
			for name, v := range in.settings().Given {
				t.RawSetString(name, in.shown(name, v))
			}
		}
		for _, g := range d.values {
			t.RawSetString(g.name, Thaw(in.vm.State(), g.value))
		}
		return t
	case "connections":
		return in.sessionList(func(s *engine.Session) bool { return p != nil && s.Port() == p })
	}
	return nil
}

// settings are no more than the address, made plain.
func (d *portDecl) settings() *PortSettings {
	p := &PortSettings{Host: d.host, Port: d.port, Kind: d.kind}
	p.place(false)
	return p
}

// address names the port in messages.
func (d *portDecl) address() string { return d.settings().address() }

// enginePort is where a declared port listens, or nil while it does not.
func (in *Instance) enginePort(d *portDecl) *engine.Port {
	for i, p := range in.gen.ports {
		if i == 0 && d.primary || i > 0 && in.decl.ports[i-1] == d {
			return p
		}
	}
	return nil
}

// sessionList is a list of the ids of the open sessions that match.
func (in *Instance) sessionList(match func(*engine.Session) bool) *lua.LTable {
	t := in.vm.State().NewTable()
	if e := in.host.engine; e != nil {
		n := 0
		for _, s := range e.Sessions(0, 0) {
			if s.Alive() && match(s) {
				n++
				t.RawSetInt(n, lua.LNumber(s.ID()))
			}
		}
	}
	return t
}

// inherit gives every port the server's callbacks where it has none.
func (in *Instance) inherit() {
	for _, d := range in.decl.ports {
		for e := range numEvents {
			if portEvents[e] && d.on[e] == nil {
				d.on[e] = in.on[e]
			}
		}
	}
}

// callback is the function for an event of a session: its port's, or the
// server's. A session whose port this generation does not have gets the
// server's.
func (in *Instance) callback(s *engine.Session, e event) *lua.LFunction {
	return in.portCallback(s.Port(), e)
}

func (in *Instance) portCallback(p *engine.Port, e event) *lua.LFunction {
	if slots := in.gen.slots; len(slots) > 0 {
		if i := p.Index(); i < len(slots) && slots[i] > 0 {
			return in.decl.ports[slots[i]-1].on[e]
		}
	}
	return in.on[e]
}

// bindPorts notes which of the engine's ports is which of g's. Before g is live.
func (g *Generation) bindPorts(ports []*engine.Port) {
	g.ports, g.slots = ports, nil
	for i, p := range ports {
		if i == 0 {
			continue // the primary one: the server's callbacks
		}
		for p.Index() >= len(g.slots) {
			g.slots = append(g.slots, 0)
		}
		g.slots[p.Index()] = i
	}
}

// portList names ports in messages.
func portList(ports []*PortSettings) string {
	var names []string
	for _, p := range ports {
		names = append(names, p.address())
	}
	return strings.Join(names, ", ")
}

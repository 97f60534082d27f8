package scripting

import (
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// A reactor of process mode gets a VM when the script has a function that is
// asked about every message before a worker has it. That VM runs the top level
// and that function, and nothing else: no callbacks, no onWorkerStart. Like any
// other it is made in the warm, changes over in the swap, and drains.

// reactorsFor are the reactors that g needs a VM on.
func (h *Host) reactorsFor(g *Generation) (loops []*engine.Loop) {
	for _, l := range h.engine.Reactors() {
		if l.OnlyReads() && g.settings.asksInReactor() {
			loops = append(loops, l)
		}
	}
	return loops
}

// asksInReactor says whether the script has such a function.
func (s *Settings) asksInReactor() bool {
	for _, p := range s.Ports {
		if p.LengthFunc {
			return true
		}
	}
	return s.DispatchFunc
}

// leaveReactors lets the VMs of reactors drain that g has none for.
func (h *Host) leaveReactors(g *Generation) {
	if g.settings.asksInReactor() {
		return
	}
	for _, l := range h.engine.Reactors() {
		if !l.OnlyReads() {
			continue
		}
		h.onLoop(l, func() {
			s := seatOf(l)
			if before := s.live; before != nil {
				s.live = nil
				h.replaced(before.gen)
				before.drain(errReplaced)
			}
		})
	}
}

// A session keeps the framing that it began with. If that asks a script, it
// asks the newest code, as callbacks are of the newest code. Where that has no
// package_length_func for the port any more, it asks the last code that had
// one: the former code of the port. A VM with it is made on a loop that needs
// it, and kept while there are such sessions.

// formers are the former codes that sessions may need when g is live, by port.
// The reloader's.
func (h *Host) formers(old, g *Generation) map[*engine.Port]*Generation {
	formers := map[*engine.Port]*Generation{}
	code := &Generation{id: old.id, loader: old.loader, ports: old.ports, slots: old.slots}
	for i, p := range old.ports {
		if old.settings.Ports[i].LengthFunc && !g.hasLengthFunc(p) {
			formers[p] = code
		}
	}
	for p, former := range old.formers { // also where g has one again: until each reactor has g
		if formers[p] == nil && h.asksScript(p) {
			formers[p] = former
		}
	}
	return formers
}

func (g *Generation) hasLengthFunc(p *engine.Port) bool {
	for i, q := range g.ports {
		if q == p {
			return g.settings.Ports[i].LengthFunc
		}
	}
	return false
}

// asksScript says whether there is a session of the port whose framing asks the
// script.
func (h *Host) asksScript(p *engine.Port) bool {
	for _, s := range h.engine.Sessions(0, 0) {
		if _, asks := s.Framer().(lengthFramer); asks && s.Port() == p {
			return true
		}
	}
	return false
}

// lengthFuncOf is the function to ask about a session, and the VM it lives in,
// which is one of the session's reactor. Baton holder.
func (h *Host) lengthFuncOf(s *engine.Session) (*Instance, *lua.LFunction, error) {
	l, g := s.Reactor(), h.gen.Load()
	seat := seatOf(l)
	if in := seat.live; in != nil {
		if fn := in.lengthFunc(s.Port()); fn != nil {
			return in, fn, nil
		}
		g = in.gen
	}
	former := g.formers[s.Port()]
	if former == nil {
		return nil, nil, errNoLengthFunc
	}
	in := seat.former[former]
	if in == nil {
		in = h.newInstance(former, l)
		if err := in.runTop(); err != nil {
			in.close()
			return nil, nil, err
		}
		in.stage = live
		if seat.former == nil {
			seat.former = map[*Generation]*Instance{}
		}
		seat.former[former] = in
		l.SetTimer(&in.drainTimer, engine.Now()+int64(formerLook), in, lookFormer)
	}
	if fn := in.lengthFunc(s.Port()); fn != nil {
		return in, fn, nil
	}
	return nil, nil, errNoLengthFunc
}

var errNoLengthFunc = &vm.Error{Message: "the script has no package_length_func for this port"}

// formerLook is how often it is looked whether former code is needed still.
// Tests are less patient.
var formerLook = 10 * time.Second

func lookFormer(t *engine.Timer) {
	in := t.Owner().(*Instance)
	for _, p := range in.gen.ports {
		if in.host.asksScript(p) {
			in.loop.SetTimer(t, engine.Now()+int64(formerLook), in, lookFormer)
			return
		}
	}
	delete(seatOf(in.loop).former, in.gen)
	in.close()
}

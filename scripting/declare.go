package scripting

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// declaration is what a script's top level says: settings and callbacks.
type declaration struct {
	values  []given
	on      [numEvents]*lua.LFunction
	onWhere [numEvents]string // where `on` was called
	created string            // where swoole.Server was called
	started string            // where start was called
	primary *portDecl         // the server's own port
	ports   []*portDecl       // added by listen

	processes []*lua.LFunction   // added by addProcess
	commands  map[string]command // added by addCommand
	faults    []string
}

func (d *declaration) fault(where, format string, args ...any) {
	d.faults = append(d.faults, where+": "+fmt.Sprintf(format, args...))
}

// rows reads a table of settings.
func (d *declaration) rows(t *lua.LTable, what, where string) (rows []given) {
	t.ForEach(func(k, v lua.LValue) {
		name, ok := k.(lua.LString)
		if !ok {
			d.fault(where, "%s: the name of a setting must be a string, not %s (%s)", what, k.Type(), show(k))
			return
		}
		if t, isTable := v.(*lua.LTable); isTable {
			if frozen, bad := Freeze(t, true); bad == nil {
				v = frozen // other VMs look at it too
			}
		}
		rows = append(rows, given{string(name), v, where})
	})
	sort.Slice(rows, func(i, j int) bool { return rows[i].name < rows[j].name })
	return rows
}

// onEvent takes a callback given by `on`.
func (d *declaration) onEvent(name string, fn lua.LValue, where string) {
	e, f, fault := lookupEvent(name, fn)
	if fault != "" {
		d.fault(where, "server:on: %s", fault)
		return
	}
	d.on[e], d.onWhere[e] = f, where
}

// lookupEvent checks what was given to `on`, and says what is wrong with it.
func lookupEvent(name string, v lua.LValue) (e event, fn *lua.LFunction, fault string) {
	e, later, ok := findEvent(name)
	fn, isFn := v.(*lua.LFunction)
	switch {
	case later:
		fault = fmt.Sprintf("event '%s' is not in this version", name)
	case !ok:
		fault = fmt.Sprintf("unknown event '%s'%s", name, didYouMean(name, allEventNames()))
	case !isFn:
		fault = fmt.Sprintf("the callback for '%s' must be a function, not %s", name, v.Type())
	}
	return e, fn, fault
}

// collect reads the callbacks that were given as globals and joins them with
// those given by `on`.
func (in *Instance) collect() {
	d := in.decl
	in.on = d.on
	globals := in.vm.State().G.Global
	globals.ForEach(func(k, v lua.LValue) {
		name, isName := k.(lua.LString)
		fn, isFn := v.(*lua.LFunction)
		if !isName || !isFn || fn.IsG || !looksLikeEvent(string(name)) {
			return
		}
		where := fmt.Sprintf("%s:%d", fn.Proto.SourceName, fn.Proto.LineDefined)
		e, later, ok := findEvent(string(name))
		switch {
		case ok && string(name) != e.String():
			d.fault(where, "callback '%s': write it '%s'", name, e)
		case ok && d.on[e] != nil:
			d.fault(where, "callback '%s' is given twice: here as a global function, and at %s by server:on", e, d.onWhere[e])
		case ok:
			in.on[e] = fn
		case later:
			d.fault(where, "callback '%s' is not in this version", name)
		default:
			if hint := nearEvent(string(name)); hint != "" {
				d.fault(where, "unknown callback '%s' (did you mean '%s'?)", name, hint)
			}
		}
	})
	sort.Strings(d.faults)
	in.inherit()
}

func looksLikeEvent(name string) bool {
	return len(name) > 2 && strings.HasPrefix(name, "on") && name[2] >= 'A' && name[2] <= 'Z'
}

// nearEvent is the callback of which name is a slip of the pen, or "".
func nearEvent(name string) string {
	for _, n := range allEventNames() {
		if d := distance(name, "on"+n); d > 0 && d <= 2 && len(n) > 4 {
			return "on" + n
		}
	}
	return ""
}

// check reports everything that is wrong with the declaration, and resolves
// the settings. flags are settings from the command line: they win.
func (in *Instance) check(flags []given) (*Settings, []string) {
	d := in.decl
	s, faults := resolve(append(append([]given(nil), d.values...), flags...), d.ports)
	faults = append(append([]string(nil), d.faults...), faults...)
	script := in.host.scriptName
	faults = append(faults, in.missing(s)...)
	if never := s.unheard(in); never != "" {
		s.Notices = append(s.Notices, fmt.Sprintf("%s never run: with this dispatch_mode and ordered = false sessions have no events but messages (enable_unsafe_event = true has them run)", never))
	}
	if s.TaskWorkers > 0 && in.on[evTask] == nil {
		faults = append(faults, script+": task_worker_num is set, but there is no onTask")
	}
	s.Processes = len(d.processes)
	return s, faults
}

// missing reports the callbacks without which a port is of no use.
func (in *Instance) missing(s *Settings) (faults []string) {
	shapes := map[event]string{
		evReceive: "function onReceive(server, fd, reactor_id, data)",
		evPacket:  "function onPacket(server, data, client)",
	}
	for _, ev := range []event{evReceive, evPacket} {
		var ports []string
		for i, p := range s.Ports {
			on := &in.on
			if i > 0 {
				on = &in.decl.ports[i-1].on
			}
			if p.Kind.Packets() == (ev == evPacket) && on[ev] == nil {
				ports = append(ports, p.address())
			}
		}
		who := strings.Join(ports, ", ")
		if len(s.Ports) == 1 {
			who = "a " + serverKinds[s.Kind] + " server"
		}
		if len(ports) > 0 {
			faults = append(faults, fmt.Sprintf("%s: there is no %v: %s needs %s", in.host.scriptName, ev, who, shapes[ev]))
		}
	}
	return faults
}

// serverKinds are what servers with one port are called.
var serverKinds = map[engine.Kind]string{
	engine.TCP: "TCP", engine.TCP6: "TCP", engine.UDP: "UDP", engine.UDP6: "UDP",
	engine.UnixStream: "unix stream", engine.UnixDgram: "unix datagram",
}

// sameAs compares what a worker declared with what the control VM declared.
func (in *Instance) sameAs(control *Instance) *vm.Error {
	var diff []string
	for e := range numEvents {
		if (in.on[e] == nil) != (control.on[e] == nil) {
			diff = append(diff, e.String())
		}
	}
	a, _ := resolve(in.decl.values, in.decl.ports)
	b, _ := resolve(control.decl.values, control.decl.ports)
	diff = append(diff, changeTexts(b.changesTo(a))...)
	for i := range min(len(in.decl.ports), len(control.decl.ports)) {
		for e := range numEvents {
			if (in.decl.ports[i].on[e] == nil) != (control.decl.ports[i].on[e] == nil) {
				diff = append(diff, fmt.Sprintf("%s of port %s", e, in.decl.ports[i].address()))
			}
		}
	}
	if a, b := len(in.decl.processes), len(control.decl.processes); a != b {
		diff = append(diff, fmt.Sprintf("processes: %d -> %d", b, a))
	}
	if a, b := in.commandNames(), control.commandNames(); !slices.Equal(a, b) {
		diff = append(diff, fmt.Sprintf("commands: %s -> %s", strings.Join(b, " "), strings.Join(a, " ")))
	}
	if len(diff) == 0 {
		return nil
	}
	return &vm.Error{File: in.host.scriptName, Message: fmt.Sprintf(
		"%s: the top level declares something else in worker %d than in the control VM: %s (it must declare the same each time it runs)",
		in.host.scriptName, in.loop.ID(), strings.Join(diff, ", "))}
}

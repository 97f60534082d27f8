package scripting

import (
	"fmt"
	"sort"
	"strings"

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
	faults  []string
}

func (d *declaration) fault(where, format string, args ...any) {
	d.faults = append(d.faults, where+": "+fmt.Sprintf(format, args...))
}

// set takes a table of settings.
func (d *declaration) set(t *lua.LTable, where string) {
	var rows []given
	t.ForEach(func(k, v lua.LValue) {
		name, ok := k.(lua.LString)
		if !ok {
			d.fault(where, "server:set: the name of a setting must be a string, not %s (%s)", k.Type(), show(k))
			return
		}
		rows = append(rows, given{string(name), v, where})
	})
	sort.Slice(rows, func(i, j int) bool { return rows[i].name < rows[j].name })
	d.values = append(d.values, rows...)
}

// onEvent takes a callback given by `on`.
func (d *declaration) onEvent(name string, fn lua.LValue, where string) {
	e, later, ok := findEvent(name)
	switch {
	case later:
		d.fault(where, "server:on: event '%s' is not in this version", name)
	case !ok:
		d.fault(where, "server:on: unknown event '%s'%s", name, didYouMean(name, allEventNames()))
	default:
		f, isFn := fn.(*lua.LFunction)
		if !isFn {
			d.fault(where, "server:on: the callback for '%s' must be a function, not %s", name, fn.Type())
			return
		}
		d.on[e], d.onWhere[e] = f, where
	}
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
	s, faults := resolve(append(append([]given(nil), d.values...), flags...))
	faults = append(append([]string(nil), d.faults...), faults...)
	script := in.host.scriptName
	if in.on[evReceive] == nil {
		faults = append(faults, script+": there is no onReceive: a TCP server needs function onReceive(server, fd, reactor_id, data)")
	}
	if s.TaskWorkers > 0 && in.on[evTask] == nil {
		faults = append(faults, script+": task_worker_num is set, but there is no onTask")
	}
	return s, faults
}

// sameAs compares what a worker declared with what the control VM declared.
func (in *Instance) sameAs(control *Instance) *vm.Error {
	var diff []string
	for e := range numEvents {
		if (in.on[e] == nil) != (control.on[e] == nil) {
			diff = append(diff, e.String())
		}
	}
	a, _ := resolve(in.decl.values)
	b, _ := resolve(control.decl.values)
	diff = append(diff, differences(b, a)...)
	if len(diff) == 0 {
		return nil
	}
	return &vm.Error{File: in.host.scriptName, Message: fmt.Sprintf(
		"%s: the top level declares something else in worker %d than in the control VM: %s (it must declare the same each time it runs)",
		in.host.scriptName, in.loop.ID(), strings.Join(diff, ", "))}
}

package scripting

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// DispatchSettings say which worker gets an event, and in what order events of
// a session begin. docs/dispatch.md says what each mode promises.
type DispatchSettings struct {
	Dispatch     engine.DispatchMode
	Unordered    bool // ordered = false
	UnsafeEvents bool
	DiscardGone  bool
	DispatchFunc bool // dispatch_func is set; it lies in the VMs
}

var dispatchSettings = []setting{
	{name: "dispatch_mode", def: "2", server: setDispatchMode,
		doc: `which worker gets an event: 1 "round", 2 "fdmod" (a session stays on its worker), 3 "idle_worker", 4 "ipmod", 5 "uidmod", 8 "co_conn_lb", 9 "co_req_lb", 10 "concurrent_lb"; all but 2 with mode = "process"`},
	{name: "dispatch_func", def: "not set", server: setDispatchFunc,
		doc: "`function(server, fd, kind, data)` that returns the id of the worker for a message (kind 0) or for onConnect (kind 5), or -1 to drop it, -2 to close the session, -3 to let dispatch_mode choose; mode = \"process\" only"},
	{name: "ordered", def: "true", server: func(s *Settings, v lua.LValue) error {
		on := true
		err := boolean(itself[bool])(&on, v)
		s.Unordered = !on
		return err
	}, doc: "a session's next event begins when the callback of the one before has returned; false: when that has begun"},
	{name: "enable_unsafe_event", def: "false", server: boolean(func(s *Settings) *bool { return &s.UnsafeEvents }),
		doc: "with ordered = false, run onConnect, onClose, onBufferFull and onBufferEmpty in the modes that choose a worker for each event, too"},
	{name: "discard_timeout_request", def: "false", server: boolean(func(s *Settings) *bool { return &s.DiscardGone }),
		doc: "drop messages whose connection has broken while they waited, instead of handling them"},
}

// dispatchModes are the modes by name.
var dispatchModes = []struct {
	name string
	mode engine.DispatchMode
}{
	{"round", engine.RoundRobin}, {"fdmod", engine.ByConnection}, {"idle_worker", engine.IdleWorker}, {"ipmod", engine.ByAddress},
	{"uidmod", engine.ByUser}, {"co_conn_lb", engine.FewestFibers}, {"co_req_lb", engine.FewestPerCall}, {"concurrent_lb", engine.FewestEvents},
}

func setDispatchMode(s *Settings, v lua.LValue) error {
	var names []string
	n, isNumber := number(v)
	for _, m := range dispatchModes {
		names = append(names, m.name)
		if isNumber && n == float64(m.mode) || !isNumber && strings.EqualFold(v.String(), m.name) {
			s.Dispatch = m.mode
			return nil
		}
	}
	switch {
	case n == 6 && isNumber:
		return fmt.Errorf("6 is no mode: set dispatch_func")
	case n == 7 && isNumber:
		return fmt.Errorf("7 is gone, in Swoole too: 3 is what it does there")
	case isNumber && n == math.Trunc(n):
		return fmt.Errorf("%v is not one of 1, 2, 3, 4, 5, 8, 9, 10", n)
	}
	return fmt.Errorf("%s is not one of 1, 2, 3, 4, 5, 8, 9, 10, %s%s", show(v), strings.Join(names, ", "), didYouMean(v.String(), names))
}

func setDispatchFunc(s *Settings, v lua.LValue) error {
	if _, ok := v.(code); !ok {
		return typeFault("function", v)
	}
	s.DispatchFunc = true
	return nil
}

// checkDispatch reports what base mode cannot do.
func (r *resolver) checkDispatch(last map[string]given) {
	if r.s.Mode != engine.Base {
		return
	}
	for _, name := range []string{"dispatch_mode", "dispatch_func"} {
		if g, ok := last[name]; ok && (name == "dispatch_func" || r.s.Dispatch != engine.ByConnection) {
			r.fault(g, `setting '%s': in base mode a session stays on the loop that reads it (hint: mode = "process")`, name)
		}
	}
}

// limit puts them into the engine's limits.
func (s *DispatchSettings) limit(m *engine.Limits) {
	m.DispatchOptions = engine.DispatchOptions{Dispatch: s.Dispatch, Unordered: s.Unordered, UnsafeEvents: s.UnsafeEvents, DiscardGone: s.DiscardGone}
}

// unheard are the callbacks that never run, as sessions are silent; empty: all
// do.
func (s *DispatchSettings) unheard(in *Instance) string {
	o := engine.DispatchOptions{Dispatch: s.Dispatch, Unordered: s.Unordered, UnsafeEvents: s.UnsafeEvents}
	if s.DispatchFunc {
		o.DispatchFunc = func(*engine.Loop, *engine.Session, engine.DispatchKind, string) int { return 0 }
	}
	if !o.Silent() {
		return ""
	}
	var list []string
	for _, ev := range []event{evConnect, evClose, evBufferFull, evBufferEmpty} {
		has := in.on[ev] != nil
		for _, d := range in.decl.ports {
			has = has || d.on[ev] != nil
		}
		if has {
			list = append(list, ev.String())
		}
	}
	return strings.Join(slices.Clip(list), ", ")
}

package scripting

import (
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// A timer with a name outlives its generation: the new code registers the name
// in onWorkerStart, and at the swap its timer goes on where the old one stood.
//
//	the same period     its next due time is the old one's
//	another period      the last due time of the old one plus the new period
//	an after            its start plus the delay, the new one if that has changed
//	a tick for an after it starts anew, and likewise the other way round
//
// A due time that has passed comes at once. What it counts (runs, missed) goes
// on. A name that onWorkerStart does not register ends.

// label is the name of a timer and where it was given.
type label struct {
	name, where string
}

// String is the name; "" of none.
func (l *label) String() string {
	if l == nil {
		return ""
	}
	return l.name
}

// carried is what a timer leaves to the next one of its name.
type carried struct {
	tick         bool
	delay, due   int64
	runs, missed int
}

// timerFields are the fields of the table that describes a timer.
var timerFields = []string{"name", "ms", "fn", "overlap", "args"}

// readTimer makes a timer of timer.tick{name =, ms =, fn =, overlap =, args =}.
func (in *Instance) readTimer(L *lua.LState, what string, opts *lua.LTable, tick bool) *timer {
	t := &timer{in: in}
	bad := func(name, want string, v lua.LValue) {
		vm.Raise(L, "%s: field '%s' must be %s, not %s", what, name, want, show(v))
	}
	vm.Each(opts, func(k, v lua.LValue) bool {
		name, _ := k.(lua.LString)
		switch name {
		case "name":
			s, ok := v.(lua.LString)
			if !ok || s == "" {
				bad("name", "a string", v)
			}
			t.label = &label{name: string(s), where: place(L)}
		case "ms":
			t.delay = checkDelay(L, what, v)
		case "fn":
			fn, ok := v.(*lua.LFunction)
			if !ok {
				bad("fn", "a function", v)
			}
			t.fn = fn
		case "overlap":
			b, ok := v.(lua.LBool)
			if !ok {
				bad("overlap", "a boolean", v)
			}
			if bool(b) && !tick {
				vm.Raise(L, "%s: field 'overlap' is for a tick: this one comes once", what)
			}
			t.overlap = bool(b)
		case "args":
			list, ok := v.(*lua.LTable)
			if !ok {
				bad("args", "a list", v)
			}
			for i := 1; i <= list.Len(); i++ {
				t.args = append(t.args, vm.RawGet(list, lua.LNumber(i)))
			}
		default:
			vm.Raise(L, "%s: unknown field %s%s", what, show(k), didYouMean(string(name), timerFields))
		}
		return true
	})
	if t.delay == 0 {
		vm.Raise(L, "%s: there is no field 'ms'", what)
	}
	if t.fn == nil {
		vm.Raise(L, "%s: there is no field 'fn'", what)
	}
	if tick {
		t.period = int64(t.delay)
	}
	if t.label != nil {
		if other := in.timers.named[t.label.name]; other != nil && !other.gone {
			vm.Raise(L, "%s: a timer named '%s' was set at %s", what, t.label.name, other.label.where)
		}
	}
	return t
}

// register makes the name t's, and takes over what an older VM has left it.
func (l *label) register(t *timer) {
	ts := t.in.timers
	if ts.named == nil {
		ts.named = map[string]*timer{}
	}
	ts.named[l.name] = t
	if was, ok := ts.carried[l.name]; ok {
		delete(ts.carried, l.name)
		t.follow(was)
	}
}

func (l *label) forget(t *timer) {
	if ts := t.in.timers; ts.named[l.name] == t {
		delete(ts.named, l.name)
	}
}

// follow goes on where an older timer of the same name stood.
func (t *timer) follow(was carried) {
	if was.tick != (t.period > 0) {
		return
	}
	t.runs, t.missed = was.runs, was.missed
	t.due = was.due - was.delay + int64(t.delay) // a tick's last due time, an after's start
}

// takeTimersOver carries the named timers of an older VM of the same worker over
// to those that this one has registered. It comes before the old timers stop and
// the new ones start; or, where the old VM was lost, before onWorkerStart.
func (in *Instance) takeTimersOver(old *Instance) {
	for name, was := range old.timers.named {
		if was.due == 0 {
			continue // it never started
		}
		c := carried{was.period > 0, int64(was.delay), was.due, was.runs, was.missed}
		switch t := in.timers.named[name]; {
		case t != nil:
			t.follow(c)
		case in.started:
			in.host.log.Debug("a named timer ends: the new code does not register it", "timer", name, "worker", in.number)
		default:
			if in.timers.carried == nil {
				in.timers.carried = map[string]carried{}
			}
			in.timers.carried[name] = c
		}
	}
}

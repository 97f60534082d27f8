package scripting

import (
	"fmt"
	"math"
	"slices"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// How a script says when and how often a task runs: the options of server:task,
// and the setting task_retry.

// taskOptionNames are the options of a task; askOptionNames are those that only
// what goes on at once has.
var (
	taskOptionNames = []string{"dst", "priority", "delay", "deadline", "retry"}
	askOptionNames  = []string{"callback", "wait"}
)

// What options may be.
const (
	maxPriority  = 100
	maxRetries   = 1000
	maxTaskDelay = 366 * 24 * 3600 // seconds
)

// taskRequest is what a script asks for.
type taskRequest struct {
	what     string // the function, for errors
	dst      int
	callback *lua.LFunction
	wait     time.Duration // for room in the queue
	engine.TaskOptions
}

// request reads dst, callback and options from the given arguments of the
// running function; a table in the place of dst is the options. callback 0: the
// function takes none.
func (in *Instance) request(L *lua.LState, what string, dst, callback, options int) *taskRequest {
	r := &taskRequest{what: what, dst: -1}
	if s := in.settings(); s != nil {
		r.Retry = s.TaskRetry
	}
	var table *lua.LTable
	switch v := L.Get(dst).(type) {
	case *lua.LNilType:
	case *lua.LTable:
		table = v
	default:
		r.setDst(L, v, func(want string) {
			vm.Raise(L, "bad argument #%d 'dst' to '%s' (%s expected, got %s)", dst-1, what, want, v.Type())
		})
	}
	if callback > 0 {
		r.setCallback(L, L.Get(callback), func() {
			vm.Raise(L, "bad argument #%d 'callback' to '%s' (function expected, got %s)", callback-1, what, L.Get(callback).Type())
		})
	}
	switch v := L.Get(options).(type) {
	case *lua.LNilType:
	case *lua.LTable:
		if table != nil {
			vm.Raise(L, "%s: the options are given twice", what)
		}
		table = v
	default:
		vm.Raise(L, "bad argument #%d 'options' to '%s' (table expected, got %s)", options-1, what, v.Type())
	}
	if table != nil {
		r.read(L, table, callback > 0)
	}
	if r.Deadline > 0 && r.Deadline <= r.Delay {
		vm.Raise(L, "%s: the task's deadline (%v) is not after its delay (%v)", what, r.Deadline, r.Delay)
	}
	return r
}

func (r *taskRequest) setDst(L *lua.LState, v lua.LValue, bad func(want string)) {
	f, ok := number(v)
	if !ok {
		bad("number")
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<30 {
		bad("whole number")
	}
	r.dst = max(int(f), -1)
	if f < -1 {
		r.dst = -2 // no worker has this id
	}
}

func (r *taskRequest) setCallback(L *lua.LState, v lua.LValue, bad func()) {
	switch v := v.(type) {
	case *lua.LNilType:
	case *lua.LFunction:
		if r.callback != nil {
			vm.Raise(L, "%s: the callback is given twice", r.what)
		}
		r.callback = v
	default:
		bad()
	}
}

// read takes the table of options.
func (r *taskRequest) read(L *lua.LState, t *lua.LTable, takesCallback bool) {
	vm.Each(t, func(k, v lua.LValue) bool {
		name, _ := k.(lua.LString)
		bad := func(want string) {
			vm.Raise(L, "%s: option '%s' must be %s, not %s", r.what, name, want, show(v))
		}
		duration := func(to *time.Duration) {
			f, ok := number(v)
			if !ok || !(f >= 0 && f <= maxTaskDelay) {
				bad(fmt.Sprintf("a number of seconds, 0 to %d", int(maxTaskDelay)))
			}
			*to = time.Duration(f * float64(time.Second))
		}
		switch {
		case name == "dst":
			r.setDst(L, v, func(want string) { bad("a " + want) })
		case name == "callback" && takesCallback:
			r.setCallback(L, v, func() { bad("a function") })
		case name == "wait" && takesCallback:
			duration(&r.wait)
		case name == "priority":
			f, ok := number(v)
			if !ok || f != math.Trunc(f) || math.Abs(f) > maxPriority {
				bad(fmt.Sprintf("a whole number, -%d to %d", maxPriority, maxPriority))
			}
			r.Priority = int(f)
		case name == "delay":
			duration(&r.Delay)
		case name == "deadline":
			duration(&r.Deadline)
			if r.Deadline == 0 {
				bad("more than 0 seconds")
			}
		case name == "retry":
			retry, err := readRetry(v)
			if err != nil {
				vm.Raise(L, "%s: option 'retry': %v", r.what, err)
			}
			r.Retry = retry
		default:
			names := taskOptionNames
			if takesCallback {
				names = slices.Concat(names, askOptionNames)
			}
			vm.Raise(L, "%s: unknown option %s%s", r.what, show(k), didYouMean(string(name), names))
		}
		return true
	})
}

// readRetry reads how often and when a task that failed runs again: how many
// times, or a table.
func readRetry(v lua.LValue) (engine.Retry, error) {
	r := engine.Retry{First: time.Second, Factor: 2, Max: time.Minute}
	times := func(v lua.LValue) error {
		f, ok := number(v)
		if !ok || f != math.Trunc(f) || f < 0 || f > maxRetries {
			return fmt.Errorf("%s is not a number of tries, 0 to %d", show(v), maxRetries)
		}
		r.Times = int(f)
		return nil
	}
	if table, ok := v.(*lua.LTable); ok {
		frozen, bad := Freeze(table, false)
		if bad != nil {
			return r, fmt.Errorf("%s", bad.Refuse("the table", "have", "in it"))
		}
		v = frozen
	}
	t, isTable := v.(*Table)
	if !isTable {
		if v == lua.LFalse {
			return engine.Retry{}, nil
		}
		if err := times(v); err == nil && r.Times == 0 {
			return engine.Retry{}, nil
		} else if err != nil {
			return r, fmt.Errorf("%v (or a table such as { times = 3, delay = 1, factor = 2, max = 60 })", err)
		}
		return r, nil
	}
	var err error
	for i, key := range t.keys {
		name, _ := key.(string)
		f, ok := t.vals[i].(float64)
		v := lua.LNumber(f)
		switch {
		case name == "times" && ok:
			err = times(v)
		case (name == "delay" || name == "max") && ok && f >= 0 && f <= maxTaskDelay:
			d := time.Duration(f * float64(time.Second))
			if name == "delay" {
				r.First = d
			} else {
				r.Max = d
			}
		case name == "delay" || name == "max" || name == "times":
			err = fmt.Errorf("%s must be a number of seconds, 0 to %d", name, int(maxTaskDelay))
			if name == "times" {
				err = fmt.Errorf("times must be a number of tries, 0 to %d", maxRetries)
			}
		case name == "factor":
			if !ok || !(f >= 1 && f <= 1000) {
				err = fmt.Errorf("factor must be a number, 1 to 1000")
			}
			r.Factor = f
		default:
			err = fmt.Errorf("unknown field '%v'%s", key, didYouMean(name, []string{"times", "delay", "factor", "max"}))
		}
		if err != nil {
			return r, err
		}
	}
	if !slices.Contains(t.keys, any("times")) {
		err = fmt.Errorf("the table has no field 'times'")
	}
	if r.Max > 0 && r.First > r.Max {
		err = fmt.Errorf("delay (%v) is more than max (%v)", r.First, r.Max)
	}
	return r, err
}

package scripting

import (
	"math"
	"sort"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// timers are the timers of one VM. They end with its generation; those that have
// a name are carried over, see timernames.go.
type timers struct {
	byID      map[int]*timer
	named     map[string]*timer
	intervals map[time.Duration]*timer // of server:addtimer
	carried   map[string]carried       // for names that onWorkerStart is still to register
	lastID    int
	fired     uint64
}

// timer is one tick or after. Its due times lie on a grid from its start, so
// that a slow callback does not make it drift.
type timer struct {
	in      *Instance
	id      int
	fn      *lua.LFunction // nil: of server:addtimer, onTimer is called
	args    []lua.LValue
	period  int64 // nanoseconds; 0: once
	delay   time.Duration
	due     int64 // 0: delay after it starts
	round   uint64
	runs    int
	missed  int // due times that passed while the callback still ran, or the loop was busy
	running int
	overlap bool // a tick may run while an earlier one of it still waits
	gone    bool
	label   *label // of a named timer
	entry   engine.Timer
}

func newTimers() *timers { return &timers{byID: map[int]*timer{}} }

func (ts *timers) count() int { return len(ts.byID) }

// maxTimer is the longest delay of a timer: Swoole's, 24 days, is too short
// for some, and a year is long enough to be a mistake.
const maxTimer = 366 * 24 * time.Hour

// AddTimer is tick and after: ms and the callback are arguments first and
// first+1 of L, the rest is passed on; or argument first is a table that says
// all of it, see readTimer. what is the function's name.
func (in *Instance) AddTimer(L *lua.LState, what string, first int, tick bool) int {
	in.mustTime(L, what)
	if opts, ok := L.Get(first).(*lua.LTable); ok {
		if L.GetTop() > first {
			vm.Raise(L, "%s: the table says everything; there is no further argument", what)
		}
		L.Push(lua.LNumber(in.addTimer(in.readTimer(L, what, opts, tick))))
		return 1
	}
	t := &timer{in: in, delay: checkDelay(L, what, L.Get(first))}
	fn, ok := L.Get(first + 1).(*lua.LFunction)
	if !ok {
		vm.Raise(L, "bad argument #2 'callback' to '%s' (function expected, got %s)", what, kindOf(L, first+1))
	}
	t.fn = fn
	for i := first + 2; i <= L.GetTop(); i++ {
		t.args = append(t.args, L.Get(i))
	}
	if tick {
		t.period = int64(t.delay)
	}
	L.Push(lua.LNumber(in.addTimer(t)))
	return 1
}

// mustTime refuses a timer where there are none.
func (in *Instance) mustTime(L *lua.LState, what string) {
	in.mustRun(L, what)
	if in.loop == in.host.engine.Control() && in.lone == nil {
		vm.Raise(L, "%s: the control VM has no timers (start them in onWorkerStart, where worker_id == 0 does it once)", what)
	}
}

func checkDelay(L *lua.LState, what string, v lua.LValue) time.Duration {
	ms, ok := number(v)
	if !ok || !(ms >= 1) || ms > float64(maxTimer/time.Millisecond) {
		vm.Raise(L, "%s: the time must be 1 to %d milliseconds, not %s", what, maxTimer/time.Millisecond, show(v))
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// kindOf is the type of argument n, for errors.
func kindOf(L *lua.LState, n int) string {
	if n > L.GetTop() {
		return "no value"
	}
	return L.Get(n).Type().String()
}

// addTimer starts a timer, in onWorkerStart when its worker is live.
func (in *Instance) addTimer(t *timer) int {
	ts := in.timers
	ts.lastID++
	t.id, t.round = ts.lastID, ts.fired
	ts.byID[t.id] = t
	if t.label != nil {
		t.label.register(t)
	}
	if in.stage == warming {
		in.held = append(in.held, t.start)
	} else {
		t.start()
	}
	return t.id
}

func (t *timer) start() {
	if t.gone {
		return
	}
	if t.due == 0 {
		t.due = engine.Now() + int64(t.delay)
	}
	t.in.loop.SetTimer(&t.entry, t.due, t, fireTimer)
}

// fireTimer runs on the loop when a timer is due.
func fireTimer(e *engine.Timer) {
	t := e.Owner().(*timer)
	if t.gone {
		return
	}
	if t.period == 0 {
		t.remove()
	} else {
		t.schedule()
		if t.running > 0 && !t.overlap {
			t.missed++
			return
		}
	}
	t.running++
	t.in.timers.fired++
	t.in.loop.Run(engine.RootTimer, t.call)
	t.running--
}

// schedule sets the next due time on the grid; what has passed is skipped.
func (t *timer) schedule() {
	now := engine.Now()
	t.due += t.period
	if behind := now - t.due; behind > 0 {
		skip := behind/t.period + 1
		t.missed += int(skip)
		t.due += skip * t.period
	}
	t.in.loop.SetTimer(&t.entry, t.due, t, fireTimer)
}

func (t *timer) call(f *engine.Fiber) {
	in := t.in
	t.runs++
	fn, ev, name := t.fn, evError, "timer"
	if fn == nil {
		fn, ev, name = in.on[evTimer], evTimer, ""
	}
	c := in.begin(f, ev, name, fn)
	switch {
	case t.fn == nil:
		c.th.Push(in.server.value)
	case t.period != 0:
		c.th.Push(lua.LNumber(t.id))
	}
	for _, a := range t.args {
		c.th.Push(a)
	}
	err := c.th.Run(0)
	c.end()
	if err == nil {
		return
	}
	if t.fn == nil {
		name = evTimer.String()
	}
	in.failed(f, name, 0, err)
}

// remove ends a timer before its time, or because it has had it.
func (t *timer) remove() {
	t.stop()
	if t.label != nil {
		t.label.forget(t)
	}
	if t.fn == nil {
		delete(t.in.timers.intervals, t.delay)
	}
}

// stop ends a timer; its name stays, for takeTimersOver.
func (t *timer) stop() {
	t.gone = true
	delete(t.in.timers.byID, t.id)
	t.in.loop.StopTimer(&t.entry)
}

// stopTimers ends all timers and subscriptions, and begins the end of what
// modules keep open, at the swap and at the end.
func (in *Instance) stopTimers() {
	for _, t := range in.timers.byID {
		t.stop()
	}
	in.unsubscribe()
	in.retireKept()
}

// ClearTimer stops a timer by id and reports whether there was one.
func (in *Instance) ClearTimer(id float64) bool {
	t := in.timers.byID[int(id)]
	if t == nil || id != math.Trunc(id) {
		return false
	}
	t.remove()
	return true
}

// ClearTimers stops every timer of the VM and reports how many there were.
func (in *Instance) ClearTimers() int {
	n := in.timers.count()
	for _, t := range in.timers.byID {
		t.remove()
	}
	return n
}

// TimerInfo is what is known of one timer. Times are milliseconds.
type TimerInfo struct {
	Period, Delay float64
	Left          float64
	Runs, Missed  int
	Running       bool
	Round         uint64 // timer callbacks that had run when it was set
	Name          string // "": it has none
}

// Timer describes a timer.
func (in *Instance) Timer(id int) (TimerInfo, bool) {
	t := in.timers.byID[id]
	if t == nil {
		return TimerInfo{}, false
	}
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	left := int64(t.delay)
	if t.due > 0 {
		left = max(t.due-engine.Now(), 0)
	}
	return TimerInfo{ms(t.period), ms(int64(t.delay)), ms(left), t.runs, t.missed, t.running > 0, t.round, t.label.String()}, true
}

// TimerIDs lists the timers of the VM, oldest first.
func (in *Instance) TimerIDs() []int {
	ids := make([]int, 0, len(in.timers.byID))
	for id := range in.timers.byID {
		ids = append(ids, id)
	}
	sort.Ints(ids)
	return ids
}

// TimersFired counts the timer callbacks of the VM so far.
func (in *Instance) TimersFired() uint64 { return in.timers.fired }

func (in *Instance) doTick(L *lua.LState) int  { return in.AddTimer(L, "server:tick", 2, true) }
func (in *Instance) doAfter(L *lua.LState) int { return in.AddTimer(L, "server:after", 2, false) }

func (in *Instance) doClearTimer(L *lua.LState) int {
	L.Push(lua.LBool(in.ClearTimer(float64(L.CheckNumber(2)))))
	return 1
}

// Failures of server:addtimer.
var (
	errTimerThere = &engine.Errno{Name: "timer_exists", Code: 509, Text: "there is a timer of this interval on this worker"}
	errNoOnTimer  = &engine.Errno{Name: "no_on_timer", Code: 509, Text: "there is no onTimer"}
)

// doAddTimer is server:addtimer(ms), the old form: onTimer(server, ms) each time.
func (in *Instance) doAddTimer(L *lua.LState) int {
	const what = "server:addtimer"
	in.mustTime(L, what)
	t := &timer{in: in, delay: checkDelay(L, what, L.Get(2)), args: []lua.LValue{L.Get(2)}}
	t.period = int64(t.delay)
	switch {
	case in.on[evTimer] == nil:
		return in.server.fail(L, errNoOnTimer)
	case in.timers.intervals[t.delay] != nil:
		return in.server.fail(L, errTimerThere)
	}
	in.addTimer(t)
	if in.timers.intervals == nil {
		in.timers.intervals = map[time.Duration]*timer{}
	}
	in.timers.intervals[t.delay] = t
	L.Push(lua.LTrue)
	return 1
}

// doDelTimer is server:deltimer(ms).
func (in *Instance) doDelTimer(L *lua.LState) int {
	in.mustTime(L, "server:deltimer")
	t := in.timers.intervals[checkDelay(L, "server:deltimer", L.Get(2))]
	if t != nil {
		t.remove()
	}
	L.Push(lua.LBool(t != nil))
	return 1
}

// doDefer is server:defer(fn, ...): call fn(...) at the end of this turn.
func (in *Instance) doDefer(L *lua.LState) int {
	in.mustRun(L, "server:defer")
	fn := L.CheckFunction(2)
	var args []lua.LValue
	for i := 3; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	in.deferTurn("server:defer", fn, args)
	return 0
}

// deferTurn calls fn(args...) at the end of this turn; what names it.
func (in *Instance) deferTurn(what string, fn *lua.LFunction, args []lua.LValue) {
	run := func(f *engine.Fiber) {
		if in.stage != dead {
			if err := in.run(f, evError, what, fn, args...); err != nil {
				in.failed(f, what, 0, err)
			}
		}
		in.release()
	}
	if in.stage == warming {
		in.held = append(in.held, func() {
			in.underWay++
			in.loop.Defer(engine.RootGo, run)
		})
		return
	}
	// What a session event or a task defers belongs to it: a drain waits for it.
	root := engine.RootGo
	switch r := in.loop.Current().Root(); r {
	case engine.RootSession, engine.RootTask, engine.RootFinish, engine.RootMessage:
		root = r
	}
	in.underWay++
	in.loop.Defer(root, run)
}

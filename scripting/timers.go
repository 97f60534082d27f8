package scripting

import (
	"math"
	"sort"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// timers are the timers of one VM. They end with its generation.
type timers struct {
	byID   map[int]*timer
	lastID int
	fired  uint64
}

// timer is one tick or after. Its due times lie on a grid from its start, so
// that a slow callback does not make it drift.
type timer struct {
	in      *Instance
	id      int
	fn      *lua.LFunction
	args    []lua.LValue
	period  int64 // nanoseconds; 0: once
	delay   time.Duration
	due     int64
	runs    int
	missed  int // due times that passed while the callback still ran, or the loop was busy
	running bool
	gone    bool
	entry   engine.Timer
}

func newTimers() *timers { return &timers{byID: map[int]*timer{}} }

func (ts *timers) count() int { return len(ts.byID) }

// maxTimer is the longest delay of a timer: Swoole's, 24 days, is too short
// for some, and a year is long enough to be a mistake.
const maxTimer = 366 * 24 * time.Hour

// AddTimer is tick and after: ms and the callback are arguments first and
// first+1 of L, the rest is passed on.
func (in *Instance) AddTimer(L *lua.LState, first int, tick bool) int {
	what := "after"
	if tick {
		what = "tick"
	}
	in.mustRun(L, what)
	if in.loop == in.host.engine.Control() {
		vm.Raise(L, "%s: the control VM has no timers (start them in onWorkerStart, where worker_id == 0 does it once)", what)
	}
	ms, ok := number(L.Get(first))
	if !ok || !(ms >= 1) || ms > float64(maxTimer/time.Millisecond) {
		vm.Raise(L, "%s: the time must be 1 to %d milliseconds, not %s", what, maxTimer/time.Millisecond, show(L.Get(first)))
	}
	t := &timer{in: in, fn: L.CheckFunction(first + 1), delay: time.Duration(ms * float64(time.Millisecond))}
	for i := first + 2; i <= L.GetTop(); i++ {
		t.args = append(t.args, L.Get(i))
	}
	if tick {
		t.period = int64(t.delay)
	}
	in.timers.lastID++
	t.id = in.timers.lastID
	in.timers.byID[t.id] = t
	if in.stage == warming {
		in.held = append(in.held, t.start)
	} else {
		t.start()
	}
	L.Push(lua.LNumber(t.id))
	return 1
}

func (t *timer) start() {
	if t.gone {
		return
	}
	t.due = engine.Now() + int64(t.delay)
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
		if t.running {
			t.missed++ // a tick does not overlap itself
			return
		}
	}
	t.running = true
	t.in.timers.fired++
	t.in.loop.Run(engine.RootTimer, t.call)
	t.running = false
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
	c := in.begin(f, evError, "timer", t.fn)
	if t.period != 0 {
		c.th.Push(lua.LNumber(t.id))
	}
	for _, a := range t.args {
		c.th.Push(a)
	}
	err := c.th.Run(0)
	c.end()
	if err != nil {
		in.failed(f, "timer", 0, err)
	}
}

func (t *timer) remove() {
	t.gone = true
	delete(t.in.timers.byID, t.id)
	t.in.loop.StopTimer(&t.entry)
}

// stopTimers ends all timers and subscriptions, at the swap and at the end.
func (in *Instance) stopTimers() {
	in.clearTimers()
	in.unsubscribe()
}

func (in *Instance) clearTimers() {
	for _, t := range in.timers.byID {
		t.remove()
	}
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
	in.clearTimers()
	return n
}

// TimerInfo is what is known of one timer. Times are milliseconds.
type TimerInfo struct {
	Period, Delay float64
	Left          float64
	Runs, Missed  int
	Running       bool
}

// Timer describes a timer.
func (in *Instance) Timer(id int) (TimerInfo, bool) {
	t := in.timers.byID[id]
	if t == nil {
		return TimerInfo{}, false
	}
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	return TimerInfo{ms(t.period), ms(int64(t.delay)), ms(max(t.due-engine.Now(), 0)), t.runs, t.missed, t.running}, true
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

func (in *Instance) doTick(L *lua.LState) int  { return in.AddTimer(L, 2, true) }
func (in *Instance) doAfter(L *lua.LState) int { return in.AddTimer(L, 2, false) }

func (in *Instance) doClearTimer(L *lua.LState) int {
	L.Push(lua.LBool(in.ClearTimer(float64(L.CheckNumber(2)))))
	return 1
}

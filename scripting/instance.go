package scripting

import (
	"context"
	"fmt"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// stage is where an instance stands in its life.
type stage uint8

const (
	declaring stage = iota // the top level runs: declarations only
	warming                // onWorkerStart runs; timers and fibers are held
	live                   // events go here
	draining               // a newer generation is live; what is under way goes on
	dead
)

// Instance is one VM of one generation on one loop: the control loop, a worker
// or a task worker. It is what a module's functions are called with.
//
// Everything belongs to the holder of the loop's baton; an instance that has
// no loop yet belongs to the goroutine that makes it.
type Instance struct {
	host  *Host
	gen   *Generation
	loop  *engine.Loop
	vm    *vm.VM
	stage stage
	task  bool

	process     bool // of server:addProcess
	processRuns processRuns

	decl   *declaration
	on     [numEvents]*lua.LFunction
	server *serverObject
	metas  map[*Type]*lua.LTable // of the objects of modules
	own    map[any]any           // what modules keep for this VM
	subs   map[*Subscription]bool
	fibers map[uint64]*fiberState // those whose id the script knows

	lengths  []*lua.LFunction // package_length_func of each port, the primary one first
	dispatch *lua.LFunction   // dispatch_func
	asked    string           // the function that is being asked, and must answer at once

	number  int        // worker id; -1 in the control VM
	place   int        // among the instances of its generation; -1 for the control VM
	id      lua.LValue // the same, boxed once
	reactor []lua.LValue

	calls      []*call // pool
	underWay   int     // callbacks and promised callbacks that need this VM
	timers     *timers
	life       life
	tasks      taskState
	held       []func() // what onWorkerStart started, until the swap
	started    bool     // onWorkerStart has succeeded
	stopping   bool     // onWorkerStop is to run when underWay is 0
	storm      storm
	peers      peerTexts
	drainTimer engine.Timer // reload_drain_time
	outTimer   engine.Timer // see Write
	line       *line        // of an unfinished line that was shown
	exitTimer  engine.Timer // onWorkerExit waits for long
	last       func()       // called when the instance has closed
	kept       kept
	stuck      stuck
	lone       *loneRun // the script runs alone, or it is not clear yet
}

// call is one callback being run.
type call struct {
	in   *Instance
	ev   event
	name string // where ev does not say it: "timer", "co.go"
	fd   engine.SessionID
	th   *vm.Thread
	at   *lua.LState // the innermost thread while the call waits
	more *fiberState // what few callbacks have; nil for the rest
	on   any         // what of this VM it waits for without a time-out, see WaitOn
}

// Where names the callback and the place where it waits. Baton holder.
func (c *call) Where() string {
	name := c.name
	if name == "" {
		name = c.ev.String()
	}
	where := fmt.Sprintf("%s (worker %d, generation %d)", name, c.in.number, c.in.gen.id)
	if c.at != nil {
		if at := c.in.vm.Place(c.at); at != "" {
			where += " at " + at
		}
	}
	return where
}

// newInstance makes a VM with Swoon's globals and modules, nothing run yet.
func (h *Host) newInstance(g *Generation, l *engine.Loop) *Instance {
	in := &Instance{host: h, gen: g, loop: l, number: -1, place: -1, timers: newTimers()}
	g.alive.Add(1)
	o := vm.Options{Host: in, Script: h.script, Args: h.args, Loader: g.loader, Dir: g.loader.Dir(), Interrupt: h.controlWord}
	if l != nil {
		o.Interrupt = l.Interrupt
		in.task, in.process = l.IsTask(), l.IsProcess()
		in.number = l.ID()
	}
	in.vm = vm.New(o)
	in.decl = &declaration{primary: &portDecl{primary: true}}
	in.server = newServerObject(in)
	in.vm.SetGlobal("server", in.server.value)
	for _, f := range h.flags {
		if f.name == "strict" && f.value == lua.LTrue {
			in.makeStrict()
		}
	}
	for _, m := range h.modules {
		m.install(in)
	}
	in.reserveModules()
	in.installData()
	return in
}

// runTop runs the script's top level and collects what it declares.
func (in *Instance) runTop() *vm.Error {
	in.stage = declaring
	chunk, err := in.gen.loader.Load(in.host.script)
	if err != nil {
		return err
	}
	if _, err := in.vm.Call(chunk.Function(in.vm), 0); err != nil {
		return err
	}
	in.FlushOutput()
	in.collect()
	in.collectLengths()
	in.collectDispatch()
	return nil
}

// The vm.Host side: what the base library needs.

// Block runs f elsewhere while the fiber waits. While the script loads there
// is nobody to wait for, and f runs at once.
func (in *Instance) Block(L *lua.LState, what string, f func(ctx context.Context)) error {
	if in.loop == nil || in.stage == declaring {
		f(context.Background())
		return nil
	}
	p := in.park(L)
	err := in.loop.Current().Block(what, f)
	p.back()
	return err
}

// Print writes a line to the script's output.
func (in *Instance) Print(line string) { in.host.write(in, line, "\n") }

// Exit is os.exit: a graceful shutdown.
func (in *Instance) Exit(code int) { in.host.RequestStop(code) }

// Declaring reports whether the top level is running.
func (in *Instance) Declaring() bool { return in.stage == declaring }

// Interrupt is called by running Lua code when somebody wants its attention.
func (in *Instance) Interrupt(L *lua.LState) {
	var err error
	if in.loop != nil {
		err = in.loop.Interrupted()
	} else if in.lone != nil {
		err = in.lone.loop.Interrupted()
	} else if in.host.controlWord.Swap(0) != 0 {
		err = engine.ErrTimeLimit
	}
	if err == nil {
		return
	}
	msg := "stopped: " + err.Error()
	switch err {
	case engine.ErrTimeLimit:
		limit, setting := in.limit()
		msg = fmt.Sprintf("stopped: ran longer than %v without a wait (%s)", limit, setting)
	case engine.ErrMemoryLimit:
		msg = fmt.Sprintf("stopped: the process uses more than %d MB (memory_limit)", in.settings().MemoryLimit>>20)
	}
	vm.RaiseUncatchable(L, &vm.Error{Message: in.vm.Place(L) + ": " + msg, Kind: vm.KindKilled})
}

// limit is how long a stretch may be, and which setting says so.
func (in *Instance) limit() (time.Duration, string) {
	s := in.gen.settings
	switch {
	case s == nil:
		return engine.DefaultMaxStretch, "max_execution_time"
	case in.task:
		return s.TaskExecution, "task_max_execution_time"
	}
	return s.MaxExecution, "max_execution_time"
}

// begin opens a callback: Push arguments on the thread, then finish.
func (in *Instance) begin(f *engine.Fiber, ev event, name string, fn *lua.LFunction) *call {
	var c *call
	if n := len(in.calls); n > 0 {
		c = in.calls[n-1]
		in.calls = in.calls[:n-1]
	} else {
		c = &call{in: in}
	}
	c.ev, c.name, c.fd = ev, name, 0
	if s := f.Session(); s != nil {
		c.fd = s.ID()
	}
	in.underWay++
	c.th = in.vm.Begin(fn)
	f.Data = c
	f.Clock(callKind(ev, name), ev == evReceive || ev == evPacket)
	return c
}

// end closes a callback that begin opened.
func (c *call) end() {
	in := c.in
	if c.more != nil {
		c.finish()
	}
	in.vm.End(c.th)
	c.th = nil
	if len(in.calls) < 64 {
		in.calls = append(in.calls, c)
	}
	in.release()
}

// release gives up one reason to keep the VM.
func (in *Instance) release() {
	in.underWay--
	if in.underWay > 0 {
		return
	}
	if in.stage == draining {
		in.retire()
	} else if in.lone != nil {
		in.lone.look()
	}
}

// run runs a callback with the given arguments and reports its error.
func (in *Instance) run(f *engine.Fiber, ev event, name string, fn *lua.LFunction, args ...lua.LValue) *vm.Error {
	c := in.begin(f, ev, name, fn)
	for _, a := range args {
		c.th.Push(a)
	}
	err := c.th.Run(0)
	c.end()
	return err
}

// parked is kept around every wait of a Go function that Lua called: whoever
// runs meanwhile may change which thread is the VM's current one.
type parked struct {
	in *Instance
	m  vm.Mark
	c  *call
}

func (in *Instance) park(L *lua.LState) parked {
	c, _ := in.loop.Current().Data.(*call)
	if c != nil {
		c.at = L
	}
	return parked{in, in.vm.Suspend(L), c}
}

func (p parked) back() {
	if p.c != nil {
		p.c.at = nil
	}
	p.in.vm.Restore(p.m)
}

// mustRun refuses what a script may not do while it only declares.
func (in *Instance) mustRun(L *lua.LState, what string) {
	if in.stage == declaring && !in.runAlone(L, what) {
		vm.Raise(L, "%s cannot be used while the script loads: the top level only declares (do it in onWorkerStart)", what)
	}
	if in.asked != "" {
		vm.Raise(L, "%s cannot be used in %s: it must answer at once, and do nothing else", what, in.asked)
	}
}

// mustWait refuses a wait where there is no fiber to park.
func (in *Instance) mustWait(L *lua.LState, what string) *engine.Fiber {
	in.mustRun(L, what)
	return in.loop.Current()
}

// raiseCancel turns the error of a cancelled wait into a Lua error.
func raiseCancel(L *lua.LState, f *engine.Fiber, err error) {
	if err != nil && (f.Cancelled() != nil || err == engine.ErrCancelled || err == engine.ErrTooManyFibers) {
		vm.Raise(L, "%s", err.Error())
	}
}

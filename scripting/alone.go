package scripting

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// A script that is no server runs alone: its top level is a fiber like any
// other, in one VM, and the program ends when no fiber, timer or client is left.
//
// Which of the two a script is shows in two steps. What the file itself says
// comes first: one that reads the global `server`, defines a callback such as
// onReceive, or calls a Server constructor is a server, and its top level only
// declares. Any other begins undecided, as a file that it requires may do so.
// Then what comes first decides: a declaration makes it a server; a wait, a
// fiber, a timer, a client makes it run alone, and so does the end.

// loneRun is a script that may run alone, or does. Owned by the holder of the
// loop's baton, but for what is said of the channels.
type loneRun struct {
	engine *engine.Engine
	loop   *engine.Loop
	in     *Instance

	decided chan *vm.Error // cap 1: what it is shows in the fields below
	alone   bool
	what    string // what decided it, and where
	where   string
	start   Waiter // the main fiber waits to be let on
	over    bool   // the top level has ended
	failed  bool
	ended   chan struct{} // closed when nothing is left to do
	closed  bool
}

// mayRunAlone says whether nothing in the script's own file makes it a server.
func mayRunAlone(l *vm.Loader, chunk *vm.Chunk) bool {
	if chunk.Reads("Server") {
		return false
	}
	for _, u := range l.Globals() {
		if u.File != chunk.Name {
			continue
		}
		if !u.Write && u.Name == "server" || u.Write && isCallback(u.Name) {
			return false
		}
	}
	return true
}

// isCallback says whether a global function of this name would be taken for a
// callback of a server, or for one that is misspelt.
func isCallback(name string) bool {
	if !looksLikeEvent(name) {
		return false
	}
	_, _, ok := findEvent(name)
	return ok || nearEvent(name) != ""
}

// beginAlone runs the top level as a fiber until it shows what it is: then
// h.lone is set, or the script is a server.
func (h *Host) beginAlone(g *Generation, chunk *vm.Chunk, check bool) error {
	r := &loneRun{decided: make(chan *vm.Error, 1), ended: make(chan struct{})}
	o := engine.Options{Workers: 1, ControlInterrupt: h.controlWord, Logger: slog.New(&lateLog{h: h})}
	s := h.loneSettings()
	o.Limits = engine.Limits{MaxFibers: s.MaxCoroutine, MemoryLimit: uint64(s.MemoryLimit), MaxStretch: s.MaxExecution}
	if s.MaxExecution == 0 || !check && s.Given["max_execution_time"] == nil {
		o.Limits.MaxStretch = -1 // it keeps nobody waiting
	}
	e, err := engine.New(o, h)
	if err != nil {
		return err
	}
	r.engine, r.loop = e, e.Control()
	in := h.newInstance(g, nil)
	in.lone, r.in, g.control = r, in, in
	h.onLoop(r.loop, func() { r.loop.Data = &seat{live: in} })
	r.loop.Spawn(engine.RootWorker, func(f *engine.Fiber) { r.main(f, chunk) })
	verr := <-r.decided
	if r.alone && verr == nil {
		h.lone = r
		var faults []string
		if g.settings, faults = h.checkLone(); len(faults) > 0 {
			h.Discard()
			return &LoadError{Faults: faults}
		}
		h.gen.Store(g)
		return nil
	}
	e.Stop()
	in.lone = nil
	h.controlWord.Store(0)
	if verr != nil {
		return &LoadError{Err: verr}
	}
	return nil
}

// main is the fiber of the top level.
func (r *loneRun) main(f *engine.Fiber, chunk *vm.Chunk) {
	in := r.in
	c := in.begin(f, evError, "main", chunk.Function(in.vm))
	err := c.th.Run(0)
	in.FlushOutput()
	if !r.alone && err == nil {
		in.collect()
	}
	switch exits := err != nil && r.exits(err); {
	case r.alone:
	case err == nil && !in.declares(), exits:
		r.live("the end", "")
		if held := r.hold(c.th.State()); held != nil {
			err = held
		}
	default: // a server, or nothing
		c.end()
		r.decided <- err
		return
	}
	r.over = true
	in.FlushOutput()
	if err == nil {
		err = r.strangers()
	}
	if err != nil {
		in.failed(f, "main", 0, err)
	}
	c.end()
}

// live makes an undecided script one that runs alone.
func (r *loneRun) live(what, where string) {
	in := r.in
	r.alone, r.what, r.where = true, what, where
	in.host.engine = r.engine
	in.number = 0
	in.settle(r.loop)
	in.goLive()
}

// hold lets whoever made the host open the log first. A check ends here.
func (r *loneRun) hold(L *lua.LState) *vm.Error {
	in := r.in
	f := r.loop.Current()
	w, err := f.Begin("start")
	if err == nil {
		r.start = w
		p := in.park(L)
		r.decided <- nil
		_, err = f.Wait(0)
		p.back()
	}
	if err != nil {
		return &vm.Error{Message: err.Error(), Kind: vm.KindKilled, Uncatchable: true}
	}
	return nil
}

// runAlone is asked when the top level does what only a running script may. It
// reports whether the script runs alone.
func (in *Instance) runAlone(L *lua.LState, what string) bool {
	r := in.lone
	if r == nil || in.declaresNow() || strings.HasPrefix(what, "server:") || strings.HasPrefix(what, "port:") {
		return false
	}
	r.live(what, place(L))
	if err := r.hold(L); err != nil {
		vm.RaiseUncatchable(L, err)
	}
	return true
}

// declaresNow says whether the top level has declared something of a server so far.
func (in *Instance) declaresNow() bool {
	d := in.decl
	return len(d.values) > 0 || len(d.ports) > 0 || len(d.processes) > 0 || len(d.commands) > 0 || d.created != "" || d.started != "" || len(d.faults) > 0 ||
		d.on != [numEvents]*lua.LFunction{}
}

// declares says so when the top level has ended.
func (in *Instance) declares() bool {
	return in.declaresNow() || in.on != [numEvents]*lua.LFunction{}
}

// strangers reports callbacks of a server in a script that runs alone: nobody
// would call them.
func (r *loneRun) strangers() *vm.Error {
	in := r.in
	var names []string
	in.vm.State().G.Global.ForEach(func(k, v lua.LValue) {
		name, isName := k.(lua.LString)
		if fn, isFn := v.(*lua.LFunction); isName && isFn && !fn.IsG && isCallback(string(name)) {
			names = append(names, fmt.Sprintf("%s (%s:%d)", name, fn.Proto.SourceName, fn.Proto.LineDefined))
		}
	})
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return &vm.Error{File: in.host.scriptName, Message: fmt.Sprintf("%s: %s is a callback of a server, but this script runs alone: %s at %s came first (a server's top level only declares)",
		in.host.scriptName, strings.Join(names, ", "), r.what, r.where)}
}

// refuse is why a script that runs alone cannot declare what.
func (r *loneRun) refuse(L *lua.LState, what string) {
	vm.Raise(L, "%s: this script runs alone, because %s at %s came before anything of a server was declared", what, r.what, r.where)
}

// exits says whether err is os.exit's.
func (r *loneRun) exits(err *vm.Error) bool {
	return err.Kind == vm.KindKilled && r.in.host.stopping.Load()
}

// look ends the run when nothing is left that could call the script.
func (r *loneRun) look() {
	in := r.in
	if r.over && !r.closed && in.underWay == 0 && in.timers.count() == 0 && len(in.subs) == 0 && in.kept.holds == 0 {
		r.closed = true
		close(r.ended)
	}
}

// Alone reports whether the script runs alone: then Run runs it, instead of
// Start and Wait. Any goroutine.
func (h *Host) Alone() bool { return h.lone != nil }

// Run runs a script that runs alone until it is done, or until a stop is asked
// for, and returns the exit code: 0, 1 when something in it has failed, or what
// os.exit was given.
func (h *Host) Run(log *slog.Logger) int {
	r := h.lone
	h.log = log
	h.flushEarly()
	h.running.Store(true)
	r.start.Wake(nil)
	code := 0
	select {
	case <-r.ended:
		select {
		case code = <-h.stopCode:
		default:
		}
	case code = <-h.stopCode:
	}
	h.stopping.Store(true)
	failed := make(chan bool, 1)
	grace := time.After(r.in.settings().MaxWait)
	h.spawnWait(r.loop, grace, func(f *engine.Fiber) {
		r.in.stopTimers()
		r.in.awaitLast(f, r.in.settings().MaxWait)
		r.in.FlushOutput()
		failed <- r.failed
	})
	if left := h.engine.Stop(); left > 0 {
		log.Warn(count(left, "fiber") + " did not end")
	} else {
		h.closeAllKept()
	}
	h.clients.end()
	select {
	case bad := <-failed:
		if bad && code == 0 {
			code = 1
		}
	default:
		code = max(code, 1)
	}
	return code
}

// Discard ends a script that runs alone without running it.
func (h *Host) Discard() {
	if h.lone != nil {
		h.lone.engine.Stop()
		h.clients.end()
	}
}

// loneNames are the settings that mean something to a script that runs alone.
var loneNames = map[string]bool{
	"log_file": true, "log_level": true, "memory_limit": true, "max_coroutine": true, "max_execution_time": true, "max_wait_time": true, "strict": true,
}

// loneSettings are the settings of the command line, as far as they can be read.
func (h *Host) loneSettings() *Settings {
	s, _ := resolve(h.flags, nil)
	return s
}

// checkLone reports what is wrong with the command line.
func (h *Host) checkLone() (*Settings, []string) {
	s, faults := resolve(h.flags, nil)
	for _, f := range h.flags {
		name := f.name
		if real, ok := settingAliases[name]; ok {
			name = real
		}
		if findSetting(name) != nil && !loneNames[name] {
			faults = append(faults, fmt.Sprintf("%s: setting '%s': %s runs alone, it is no server", f.where, f.name, h.scriptName))
		}
	}
	return s, faults
}

// lateLog is the log of an engine that begins before the log is open.
type lateLog struct {
	h     *Host
	attrs []slog.Attr
}

func (l *lateLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.h.running.Load() && l.h.log.Enabled(ctx, level)
}

func (l *lateLog) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(l.attrs...)
	return l.h.log.Handler().Handle(ctx, r)
}

func (l *lateLog) WithAttrs(as []slog.Attr) slog.Handler {
	return &lateLog{l.h, append(append([]slog.Attr(nil), l.attrs...), as...)}
}

func (l *lateLog) WithGroup(string) slog.Handler { return l }

package scripting

import (
	"fmt"
	"strings"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var minusOne lua.LValue = lua.LNumber(-1)

// fdOf is a session's id as a Lua value. It is made once, and costs an idle
// session no more than the number. Baton holder of the session's worker.
func fdOf(s *engine.Session) lua.LValue {
	if v, ok := s.Local.(lua.LValue); ok {
		return v
	}
	v := lua.LNumber(s.ID())
	s.Local = v
	return s.Local.(lua.LValue)
}

// reactorIDs are the ids that reactors have as a rule, as Lua values.
var reactorIDs = func() (list [256]lua.LValue) {
	for i := range list {
		list[i] = lua.LNumber(i)
	}
	return list
}()

func reactorIDOf(s *engine.Session) lua.LValue {
	if id := s.ReactorID(); id < len(reactorIDs) {
		return reactorIDs[id]
	}
	return lua.LNumber(s.ReactorID())
}

// WantsConnect says whether sessions begin with an event.
func (h *Host) WantsConnect(s *engine.Session) bool {
	return h.gen.Load().control.callback(s, evConnect) != nil
}

// Connect runs onConnect.
func (h *Host) Connect(f *engine.Fiber, s *engine.Session) {
	in := current(f)
	fn := in.callback(s, evConnect)
	if fn == nil {
		return
	}
	c := in.begin(f, evConnect, "", fn)
	fd, reactor := fdOf(s), reactorIDOf(s)
	c.th.Push(in.server.value)
	if in.objects() {
		c.th.Push(in.eventObject(fd, reactor))
	} else {
		c.th.Push(fd)
		c.th.Push(reactor)
	}
	err := c.th.Run(0)
	c.end()
	if err != nil {
		in.sessionFailed(f, s, evConnect, err)
	}
}

// Receive runs onReceive: the path of every message.
func (h *Host) Receive(f *engine.Fiber, s *engine.Session, data string) {
	in := current(f)
	fn := in.callback(s, evReceive)
	if fn == nil {
		return // the top level of a replaced VM failed; that was reported
	}
	c := in.begin(f, evReceive, "", fn)
	fd, reactor := fdOf(s), reactorIDOf(s)
	c.th.Push(in.server.value)
	if in.objects() {
		c.th.Push(in.eventObject(fd, reactor, field{"data", lua.LString(data)}))
	} else {
		c.th.Push(fd)
		c.th.Push(reactor)
		c.th.Push(lua.LString(data))
	}
	err := c.th.Run(0)
	c.end()
	in.ages()
	if err != nil {
		in.sessionFailed(f, s, evReceive, err)
	}
}

// Close runs onClose.
func (h *Host) Close(f *engine.Fiber, s *engine.Session, reason engine.Reason) {
	in := current(f)
	fn := in.callback(s, evClose)
	if fn == nil {
		return
	}
	fd, reactor := fdOf(s), reactorIDOf(s)
	if s.ByScript() {
		reactor = minusOne
	}
	c := in.begin(f, evClose, "", fn)
	c.th.Push(in.server.value)
	if in.objects() {
		c.th.Push(in.eventObject(fd, reactor, field{"reason", lua.LString(reason.String())}))
	} else {
		c.th.Push(fd)
		c.th.Push(reactor)
		c.th.Push(lua.LString(reason.String()))
	}
	err := c.th.Run(0)
	c.end()
	if err != nil {
		in.failed(f, evClose.String(), s.ID(), err)
	}
}

// Water runs onBufferFull and onBufferEmpty.
func (h *Host) Water(f *engine.Fiber, s *engine.Session, full bool) {
	in, ev := current(f), evBufferEmpty
	if full {
		ev = evBufferFull
	}
	if fn := in.callback(s, ev); fn != nil {
		if err := in.run(f, ev, "", fn, in.server.value, fdOf(s)); err != nil {
			in.failed(f, ev.String(), s.ID(), err)
		}
	}
}

// sessionFailed applies error_policy: what was sent is flushed, the backlog
// dropped, the session closed. A session whose callback was cut by a reload
// stays: its script did nothing wrong.
func (in *Instance) sessionFailed(f *engine.Fiber, s *engine.Session, ev event, err *vm.Error) {
	if !in.gen.settings.KeepOnError && f.Cancelled() != errReplaced {
		reason := engine.ErrorInCallback
		if f.Cancelled() != nil && in.host.stopping.Load() {
			reason = engine.ShutdownReason // it was we who ended the callback
		}
		s.Close(reason, false)
	}
	in.failed(f, ev.String(), s.ID(), err)
}

// failed reports an error of a callback: to the log and to onError.
func (in *Instance) failed(f *engine.Fiber, what string, fd engine.SessionID, err *vm.Error) {
	if c := f.Cancelled(); c != nil && c != engine.ErrTaskOverdue && c != engine.ErrCallbackTime && strings.Contains(err.Message, c.Error()) {
		// Not the script's fault. Who cancelled it names what was cut.
		in.host.log.Debug("cancelled", "event", what, "at", fmt.Sprintf("%s:%d", err.File, err.Line), "why", c)
		return
	}
	if in.lone != nil {
		if in.lone.exits(err) {
			return
		}
		in.lone.failed = true
	}
	in.logError(what, fd, err)
	fn := in.on[evError]
	if fn == nil || what == evError.String() || in.stage == dead {
		return
	}
	in.underWay++ // the callback that failed has ended; this VM is needed still
	defer in.release()
	L := in.vm.State()
	t := L.NewTable()
	t.RawSetString("message", lua.LString(err.Message))
	t.RawSetString("traceback", lua.LString(err.Traceback))
	t.RawSetString("file", lua.LString(err.File))
	t.RawSetString("line", lua.LNumber(err.Line))
	t.RawSetString("generation", lua.LNumber(in.gen.id))
	t.RawSetString("worker_id", in.id)
	if fd != 0 {
		t.RawSetString("fd", lua.LNumber(fd))
	}
	f.Afresh()
	if err2 := in.run(f, evError, "", fn, in.server.value, lua.LString(what), t); err2 != nil {
		in.logError(evError.String(), fd, err2)
	}
}

// logError logs an error of a script, a storm of them once a second.
func (in *Instance) logError(what string, fd engine.SessionID, err *vm.Error) {
	n, ok := in.storm.allow(what, err.File, err.Line)
	if !ok {
		return
	}
	attrs := []any{"event", what, "worker", in.number, "generation", in.gen.id}
	if fd != 0 {
		attrs = append(attrs, "fd", uint64(fd))
	}
	if n > 0 {
		attrs = append(attrs, "not_shown", n)
	}
	in.host.log.Error(fmt.Sprintf("%s failed: %s", what, err.Full()), attrs...)
}

// storm lets the same error be logged ten times, then once a second.
type storm struct{ seen map[string]*gust }

type gust struct {
	shown, hidden int
	last          int64
}

const (
	stormShow = 10
	second    = int64(1e9)
)

func (s *storm) allow(what, file string, line int) (hidden int, ok bool) {
	if s.seen == nil {
		s.seen = map[string]*gust{}
	}
	key := fmt.Sprintf("%s %s:%d", what, file, line)
	g := s.seen[key]
	if g == nil {
		g = &gust{}
		s.seen[key] = g
	}
	now := engine.Now()
	if now-g.last > 10*second {
		g.shown = 0
	}
	if g.shown >= stormShow && now-g.last < second {
		g.hidden++
		return 0, false
	}
	g.shown++
	g.last = now
	hidden, g.hidden = g.hidden, 0
	return hidden, true
}

// errLost ends the waits of fibers whose VM had to be replaced.
var errLost = &engine.Errno{Name: "vm_lost", Code: 9003, Text: "the worker's VM was replaced after an internal error"}

// Panicked answers a panic of Swoon's own code under a callback: that VM may be
// in any state, so another takes its place. Sessions stay.
func (h *Host) Panicked(f *engine.Fiber, value any, stack []byte) {
	l := f.Loop()
	c, _ := f.Data.(*call)
	lua := ""
	if c != nil && c.th != nil {
		lua = c.in.vm.Traceback(c.th.State(), "", 0)
	}
	h.log.Error(fmt.Sprintf("internal error: %v\n%s\n%s", value, lua, stack), "worker", l.ID())
	c.abandon()
	if s := f.Session(); s != nil {
		s.Close(engine.ErrorInCallback, false)
	}
	if c == nil || c.in.stage == dead || h.stopping.Load() {
		return
	}
	if h.lone != nil {
		h.lone.failed = true
		h.RequestStop(1)
		return
	}
	h.replace(f, c.in, fmt.Sprint(value))
}

// replace puts a new instance of the same generation in the place of old.
func (h *Host) replace(f *engine.Fiber, old *Instance, why string) {
	l := old.loop
	old.stage = dead // never closed: whoever still runs there may touch it once more
	old.gen.alive.Add(-1)
	delete(seatOf(l).draining, old)
	delete(seatOf(l).former, old.gen)
	old.stopTimers()
	old.closeKept()
	old.dropAwaited("the VM was replaced")
	l.CancelIf(errLost, func(f *engine.Fiber) bool {
		c, ok := f.Data.(*call)
		return ok && c.in == old
	})
	if old.last != nil {
		old.last() // its loop was to go
		return
	}
	if seatOf(l).live != old {
		return
	}
	in := h.newInstance(old.gen, l)
	in.follow(old)
	in.takeTimersOver(old)
	seatOf(l).live = in
	if err := in.runTop(); err != nil {
		in.failed(f, "top level", 0, err)
	}
	in.goLive()
	if l == h.engine.Control() {
		old.gen.control = in
		return
	}
	if l.OnlyReads() {
		return
	}
	l.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		if fn := in.on[evWorkerStart]; fn != nil && !in.process {
			if err := in.run(f, evWorkerStart, "", fn, in.server.value, in.id); err != nil {
				in.failed(f, evWorkerStart.String(), 0, err)
			}
		}
		in.started = true
	})
	h.workerError(in.number, why)
}

// workerError runs onWorkerError in the control VM.
func (h *Host) workerError(id int, why string) {
	c := h.engine.Control()
	c.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		in := seatOf(c).live
		if fn := in.on[evWorkerError]; fn != nil {
			args := []lua.LValue{in.server.value, lua.LNumber(id), in.server.methods.RawGetString("worker_pid"),
				lua.LNumber(255), lua.LNumber(0), lua.LString(why)}
			if in.objects() {
				args = []lua.LValue{in.server.value, in.statusObject(id, why)}
			}
			if err := in.run(f, evWorkerError, "", fn, args...); err != nil {
				in.failed(f, evWorkerError.String(), 0, err)
			}
		}
	})
}

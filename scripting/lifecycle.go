package scripting

import (
	"math/rand/v2"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// The life of one worker's VM: when it is worn out, stopped or asked how it is;
// and of the server's callbacks around the start and the stop.

// LifeSettings say how long a VM lives.
type LifeSettings struct {
	MaxRequests      int // max_request; 0: no limit
	MaxRequestsGrace int // -1: half of it
}

var lifeSettings = []setting{
	{name: "max_request", def: "0", server: integer(func(s *Settings) *int { return &s.MaxRequests }, 0, 1<<30),
		doc: "messages and packets after which a worker gets a fresh VM, while its sessions stay; 0: never"},
	{name: "max_request_grace", def: "half of max_request", server: integer(func(s *Settings) *int { return &s.MaxRequestsGrace }, 0, 1<<30),
		doc: "up to so many more, by chance, so that not all workers do it at once"},
}

// wornAt is after how many messages a VM of these settings is worn out; 0: never.
func (s *LifeSettings) wornAt() int {
	grace := s.MaxRequestsGrace
	if grace < 0 {
		grace = 0
		if s.MaxRequests > 10 {
			grace = s.MaxRequests / 2
		}
	}
	if s.MaxRequests == 0 || grace == 0 {
		return s.MaxRequests
	}
	return s.MaxRequests + 1 + rand.IntN(grace)
}

// life is what a VM knows of its age.
type life struct {
	handled int // messages and packets
	worn    int // after so many it is to be renewed; 0: never
}

// ages counts a message, and renews a VM that is worn out. Baton holder.
func (in *Instance) ages() {
	l := &in.life
	if l.handled++; l.handled == l.worn && in.stage == live {
		in.host.renew(in.loop, "max_request", nil)
		l.worn += in.settings().MaxRequests // if the fresh one does not come up, not again at once
	}
}

// Worker states, with Swoole's numbers.
const (
	WorkerBusy    = 1
	WorkerIdle    = 2
	WorkerExiting = 3
)

// worker is the loop named by an optional argument: without it, or with -1, the
// script's own.
func (in *Instance) worker(L *lua.LState, n int) *engine.Loop {
	id := lua.LNumber(-1)
	if v := L.Get(n); v != lua.LNil {
		f, _ := number(v)
		id = lua.LNumber(f)
	}
	if id == -1 {
		if in.number < 0 {
			return nil
		}
		return in.loop
	}
	return in.host.loopOf(float64(id))
}

// doStop is server:stop(worker_id): the worker gets a fresh VM, the old one runs
// its onWorkerExit and, when its callbacks have returned, its onWorkerStop.
func (in *Instance) doStop(L *lua.LState) int {
	in.mustRun(L, "server:stop")
	l := in.worker(L, 2)
	switch {
	case l == nil:
		return in.server.fail(L, engine.ErrBadWorker)
	case in.host.stopping.Load():
		return in.server.fail(L, engine.ErrShutdown)
	case l == in.loop:
		if !in.host.renew(l, "server:stop", nil) {
			return in.server.fail(L, errStopping)
		}
	default:
		l.Call(func() { in.host.renew(l, "server:stop", nil) })
	}
	L.Push(lua.LTrue)
	return 1
}

var errStopping = &engine.Errno{Name: "worker_exiting", Code: 9003, Text: "the worker is being replaced already"}

// doWorkerStatus is server:getWorkerStatus(worker_id).
func (in *Instance) doWorkerStatus(L *lua.LState) int {
	in.mustRun(L, "server:getWorkerStatus")
	l := in.worker(L, 2)
	if l == nil {
		return in.server.fail(L, engine.ErrBadWorker)
	}
	status := WorkerIdle
	switch st := l.Stats(); {
	case l.Leaving() || in.host.stopping.Load() || seatOf(l).renewing.Load():
		status = WorkerExiting
	case l == in.loop || st.Busy || st.Callbacks > 0:
		status = WorkerBusy
	}
	L.Push(lua.LNumber(status))
	return 1
}

// doGetCallback is server:getCallback(event): what the script gave for it.
func (in *Instance) doGetCallback(L *lua.LState) int {
	var fn *lua.LFunction
	if e, _, ok := findEvent(L.CheckString(2)); ok {
		if fn = in.on[e]; fn == nil {
			fn = in.decl.on[e] // the top level runs still
		}
	}
	if fn == nil {
		L.Push(lua.LNil)
	} else {
		L.Push(fn)
	}
	return 1
}

var errNoSockets = &engine.Errno{Name: "unsupported", Code: 507,
	Text: "a script cannot have the listening socket itself: its options are settings of the port, and server:sendto sends from it"}

func (in *Instance) doGetSocket(L *lua.LState) int { return in.server.fail(L, errNoSockets) }

// controlEvent runs a callback of the form fn(server) in the live control VM and
// waits for it, for the grace at most.
func (h *Host) controlEvent(ev event, grace <-chan time.Time) {
	h.spawnWait(h.engine.Control(), grace, func(f *engine.Fiber) {
		in := seatOf(h.engine.Control()).live
		if fn := in.on[ev]; fn != nil {
			if err := in.run(f, ev, "", fn, in.server.value); err != nil {
				in.failed(f, ev.String(), 0, err)
			}
		}
	})
}

// runExit runs onWorkerExit on a VM that has begun with onWorkerStart.
func (in *Instance) runExit(f *engine.Fiber) {
	if fn := in.on[evWorkerExit]; fn != nil && in.started {
		if err := in.run(f, evWorkerExit, "", fn, in.server.value, in.id); err != nil {
			in.failed(f, evWorkerExit.String(), 0, err)
		}
	}
}

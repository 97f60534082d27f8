package scripting

import (
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// A process of server:addProcess is a function that runs beside the workers: on
// a loop and in a VM of its own, with a worker id after those of the task
// workers. It begins when its generation goes live and is cancelled when another
// one does. Whenever it ends it begins anew in a fresh VM, after a pause that
// grows while it fails.

// processRuns is what a process's VM knows of its runs.
type processRuns struct {
	failures int // in a row
	pause    engine.Timer
}

const (
	processPause    = time.Second     // before another run
	processPauseMax = time.Minute     // the same after many failures
	processSteady   = 5 * time.Minute // a run of this length has not failed at once
	maxProcesses    = 256
)

// doAddProcess is server:addProcess(fn).
func (in *Instance) doAddProcess(L *lua.LState) int {
	in.mustDeclare(L, "server:addProcess")
	d := in.decl
	if len(d.processes) == maxProcesses {
		vm.Raise(L, "server:addProcess: there may be %d processes", maxProcesses)
	}
	d.processes = append(d.processes, L.CheckFunction(2))
	L.Push(lua.LNumber(len(d.processes) - 1))
	return 1
}

// beginProcess runs the process of this VM. Its loop has just gone live.
func (in *Instance) beginProcess() {
	fn := in.decl.processes[in.loop.Index()]
	in.loop.Spawn(engine.RootGo, func(f *engine.Fiber) {
		if in.stage != live {
			return
		}
		begun := engine.Now()
		err := in.run(f, evError, "process", fn, in.server.value, in.id)
		if err != nil {
			in.failed(f, "process", 0, err)
		}
		in.endProcess(err != nil, time.Duration(engine.Now()-begun))
	})
}

// endProcess sees to it that a process that has ended begins anew.
func (in *Instance) endProcess(failed bool, ran time.Duration) {
	if in.stage != live || in.host.stopping.Load() {
		return
	}
	runs := &in.processRuns
	switch {
	case !failed, ran > processSteady:
		runs.failures = 0
	}
	pause := processPause
	if failed {
		pause = min(processPause<<min(runs.failures, 10), processPauseMax)
		runs.failures++
	}
	in.host.log.Info("a process has ended: it begins anew", "worker", in.number, "failed", failed, "in", pause)
	in.loop.SetTimer(&runs.pause, engine.Now()+int64(pause), in, func(t *engine.Timer) {
		in := t.Owner().(*Instance)
		if in.stage != live {
			return
		}
		in.host.renew(in.loop, "its process has ended", func(ok bool) {
			if !ok {
				in.endProcess(true, 0)
			}
		})
	})
}

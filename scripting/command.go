package scripting

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// A command is a function that the top level declares by name, to be run in the
// VM of a chosen worker and to be waited for: server:addCommand, server:command.
// Swoole passes JSON; here data and answer are plain data.

// Where a command may run, with Swoole's numbers, to be added up. Master and
// manager are the control VM.
const (
	CommandMaster        = 1 << 1
	CommandReactorThread = 1 << 2
	CommandEventWorker   = 1 << 3
	CommandTaskWorker    = 1 << 4
	CommandManager       = 1 << 5

	commandAll = CommandMaster | CommandEventWorker | CommandTaskWorker | CommandManager
)

// command is a declared one.
type command struct {
	types int
	fn    *lua.LFunction
}

var (
	errNoCommand     = &engine.Errno{Name: "no_such_command", Code: 507, Text: "no command has this name (server:addCommand)"}
	errCommandElse   = &engine.Errno{Name: "command_not_accepted", Code: 507, Text: "the command does not run there: see the types given to server:addCommand"}
	errCommandFailed = &engine.Errno{Name: "command_failed", Code: 502, Text: "the command has raised an error"}
	errCommandCut    = &engine.Errno{Name: "command_cut", Code: 502, Text: "the command was cut short"}
)

// doAddCommand is server:addCommand(name, types, fn).
func (in *Instance) doAddCommand(L *lua.LState) int {
	const what = "server:addCommand"
	in.mustDeclare(L, what)
	name, types, fn := L.CheckString(2), L.CheckNumber(3), L.CheckFunction(4)
	switch where := in.decl.commands[name]; {
	case where.fn != nil:
		vm.Raise(L, "%s: there is a command '%s' already", what, name)
	case int(types)&CommandReactorThread != 0:
		vm.Raise(L, "%s: '%s' cannot run on a reactor: reactors run no script", what, name)
	case types != lua.LNumber(int(types)) || types <= 0 || int(types)&^commandAll != 0:
		vm.Raise(L, "%s: the types of '%s' must be a sum of swoole.SERVER_COMMAND_MASTER, _MANAGER, _EVENT_WORKER and _TASK_WORKER, not %s", what, name, types)
	}
	if in.decl.commands == nil {
		in.decl.commands = map[string]command{}
	}
	in.decl.commands[name] = command{int(types), fn}
	L.Push(lua.LTrue)
	return 1
}

// commandLoop is the loop that a command is meant for. Task workers count from
// 0 here, as in Swoole.
func (h *Host) commandLoop(id float64, kind int) *engine.Loop {
	var loops []*engine.Loop
	switch kind {
	case CommandEventWorker:
		loops = h.engine.Workers()
	case CommandTaskWorker:
		loops = h.engine.TaskWorkers()
	default:
		return h.engine.Control()
	}
	if !(id >= 0 && id < float64(len(loops))) || id != math.Trunc(id) {
		return nil
	}
	return loops[int(id)]
}

// answer is what a command returned.
type answer struct{ value any }

// doCommand is server:command(name, id, type, data, timeout).
func (in *Instance) doCommand(L *lua.LState) int {
	const what = "server:command"
	in.mustRun(L, what)
	name := L.CheckString(2)
	id, kind := float64(L.CheckNumber(3)), float64(L.CheckNumber(4))
	timeout := time.Duration(0)
	switch v := L.Get(6).(type) {
	case lua.LBool:
		vm.Raise(L, "bad argument #5 'timeout' to '%s' (seconds expected, got boolean: nothing is encoded as JSON here, so nothing is to be decoded)", what)
	default:
		if v != lua.LNil {
			timeout = Timeout(L, 6, what)
		}
	}
	c, known := in.decl.commands[name]
	switch {
	case !known:
		return in.server.failNil(L, &engine.Errno{Name: errNoCommand.Name, Code: errNoCommand.Code, Text: fmt.Sprintf("there is no command '%s'%s", name, didYouMean(name, in.commandNames()))})
	case kind != math.Trunc(kind) || c.types&int(kind) == 0 || int(kind)&(int(kind)-1) != 0:
		return in.server.failNil(L, errCommandElse)
	}
	data, bad := toPlain(L.Get(5))
	if bad != nil {
		vm.Raise(L, "%s", bad.message("data", "a command"))
	}
	dst := in.host.commandLoop(id, int(kind))
	if dst == nil {
		return in.server.failNil(L, engine.ErrBadWorker)
	}
	h := in.host
	if in.stage == warming {
		vm.Raise(L, "%s: nothing is answered before onWorkerStart has returned everywhere", what)
	}
	var refused error
	v, err := in.Wait(L, what, timeout, func(w Waiter) bool {
		refused = dst.Message(func(f *engine.Fiber) {
			if v, err := h.command(f, name, data); err != nil {
				w.Fail(err)
			} else {
				w.Wake(answer{v})
			}
		})
		return refused == nil
	})
	switch {
	case refused != nil:
		return in.server.failNil(L, refused)
	case err != nil:
		return in.server.failNil(L, err)
	}
	L.Push(toLua(L, v.(answer).value))
	return 1
}

func (in *Instance) commandNames() []string {
	return slices.Sorted(maps.Keys(in.decl.commands))
}

// command runs a command in the live VM of the loop of f.
func (h *Host) command(f *engine.Fiber, name string, data any) (any, error) {
	in := h.liveOn(f)
	if in == nil {
		return nil, errCommandCut
	}
	c, ok := in.decl.commands[name]
	if !ok { // it was asked by code that had it, and is met by code that has not
		return nil, errNoCommand
	}
	run := in.begin(f, evError, "command "+name, c.fn)
	run.th.Push(in.server.value)
	run.th.Push(toLua(run.th.State(), data))
	err := run.th.Run(1)
	var result any
	if err == nil {
		var bad *plainError
		if result, bad = toPlain(run.th.Get(1)); bad != nil {
			err = &vm.Error{Message: "command " + name + ": " + bad.message("result", "who asked")}
		}
	}
	run.end()
	if err == nil {
		return result, nil
	}
	if why := f.Cancelled(); why != nil {
		return nil, &engine.Errno{Name: errCommandCut.Name, Code: errCommandCut.Code, Text: errCommandCut.Text + ": " + why.Error()}
	}
	in.failed(f, "command", 0, err)
	return nil, &engine.Errno{Name: errCommandFailed.Name, Code: errCommandFailed.Code, Text: err.Message}
}

// Package co is the Lua module "co": fibers, and what fibers of one VM meet in.
package co

import (
	"math"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/meet"

	lua "github.com/yuin/gopher-lua"
)

var (
	fiberID = []scripting.Param{{Name: "id", Type: "number"}}
	timeout = scripting.Param{Name: "timeout", Type: "number?"}
	fn      = scripting.Param{Name: "fn", Type: "function"}
	rest    = scripting.Param{Name: "...", Type: "any"}
)

const answer = "boolean, string?, string?"

// Module declares co.
var Module = scripting.Module{
	Name: "co",
	Doc: "Fibers: Lua code that may wait while its worker goes on. Every callback is a fiber; co.go starts more. " +
		"A fiber belongs to its VM, and so do the channels, locks and waitgroups here; those between workers are in shared. " +
		"Fibers that wait here without a time-out, and that nobody can wake any more, are reported: a WARNING \"deadlock\" in the log names what each waits for and where, once, after some 5 seconds; " +
		"nothing is done to them. It sees channels, select, waitgroups, barriers and locks of co, and the waits for other fibers in co.join, batch, parallel and map. " +
		"What any code that can still run could reach, through globals, upvalues, callbacks, timers or the stack of another fiber, is never reported; neither is what waits for anything outside the VM, or in co.yield. " +
		"co.cancel does not count as a way out. Where a VM has more values than one look may follow (50000), or keeps connections of its own, it says nothing. " +
		"Time-outs are seconds: none or a negative one is without limit, 0 does not wait.",
	Funcs: []scripting.Func{
		{
			Name: "go", Params: []scripting.Param{fn, rest}, Returns: "number|false, string?, string?",
			Doc: "Run fn(...) as a fiber of its own: at once, until its first wait; what onWorkerStart starts begins when it has returned on all workers. Returns the fiber's id.",
			Fn:  start,
		},
		{
			Name: "run", Params: []scripting.Param{fn, rest}, Returns: answer,
			Doc: "Run fn(...) as a fiber and wait until it and all fibers that were started in it have ended. An error of fn is raised.", Fn: run,
		},
		{
			Name: "sleep", Params: []scripting.Param{{Name: "seconds", Type: "number"}}, Returns: "boolean",
			Doc: "Wait; other fibers run meanwhile. 0 lets those that are ready go first.", Fn: sleep,
		},
		{Name: "self", Returns: "number", Doc: "The id of the running fiber; 0 while the script loads.", Fn: self},
		{
			Name: "defer", Params: []scripting.Param{fn, rest},
			Doc: "Call fn(...) when the running callback or fiber ends, however it ends; what was deferred last comes first.", Fn: deferred,
		},
		{
			Name: "yield", Returns: "...any",
			Doc: "Wait until another fiber calls co.resume with this one's id; returns what it passes on.", Fn: yield,
		},
		{
			Name: "resume", Params: []scripting.Param{{Name: "id", Type: "number"}, rest}, Returns: answer,
			Doc: "Let a fiber that waits in co.yield go on, when the running one waits or ends. Fails with no_such_fiber or not_yielded.", Fn: resume,
		},
		{
			Name: "cancel", Params: fiberID, Returns: answer,
			Doc: "Make the wait that a fiber is in raise an error, and every later one; a second later it is stopped for good. Fails with no_such_fiber, or would_deadlock for the running fiber itself.", Fn: cancel,
		},
		{
			Name: "join", Params: []scripting.Param{{Name: "ids", Type: "any"}, timeout}, Returns: answer,
			Doc: "Wait until a fiber, or all of a list, have ended. On timeout they go on.", Fn: join,
		},
		{Name: "exists", Params: fiberID, Returns: "boolean", Doc: "Whether a fiber of this VM has this id and has not ended.", Fn: exists},
		{
			Name: "channel", Params: []scripting.Param{{Name: "capacity", Type: "number?"}}, Returns: "co.channel",
			Doc: "A queue between fibers of this VM, with room for capacity (1) values of any kind. With 0 there is no room: a push waits until its value is taken, and goes on in one step with that pop. " +
				"(Swoole's Channel makes 1 of a capacity of 0; here 0 is what it says, as a capacity that is quietly another one is no use to anybody.)", Fn: newChannel,
		},
		{
			Name: "waitgroup", Params: []scripting.Param{{Name: "count", Type: "number?"}}, Returns: "co.waitgroup",
			Doc: "A count of work to wait for, from count (0).", Fn: newWaitGroup,
		},
		{
			Name: "lock", Params: []scripting.Param{{Name: "kind", Type: "string?"}}, Returns: "co.lock",
			Doc: "A lock between fibers of this VM, for what must not be interrupted although it waits: \"mutex\", or \"rw\" with many readers or one writer.", Fn: newLock,
		},
		{
			Name: "barrier", Params: []scripting.Param{{Name: "n", Type: "number"}}, Returns: "co.barrier",
			Doc: "A place where n fibers of this VM wait until all of them have come.", Fn: newBarrier,
		},
		{
			Name: "list", Returns: "table", Fn: list,
			Doc: "The ids of the fibers of this VM that wait, and of the running one, in the order they began. Fibers are callbacks too.",
		},
		{
			Name: "backtrace", Params: []scripting.Param{{Name: "id", Type: "number?"}}, Returns: "string|false, string?, string?",
			Doc: "What a fiber, or the running one, does: what it waits for and since when, which callback it is, and its stack. Fails with no_such_fiber.", Fn: backtrace,
		},
		{
			Name: "stats", Returns: "table", Fn: stats,
			Doc: "waiting, the fibers of this VM that wait; under_way, its callbacks and fibers that have not ended, with those that others have promised, such as of tasks; " +
				"worker_waiting, all that wait on the worker, of older code too; max_coroutine, how many may.",
		},
		{
			Name: "batch", Params: []scripting.Param{{Name: "fns", Type: "table"}, timeout}, Returns: "table, table?",
			Doc: "Run all functions of a table as fibers and wait for them. Returns what each returned under its key, and under their keys the errors of those that failed, " +
				"nil if none did; those that the time-out finds at work go on, and have \"timeout\" as their error.", Fn: batch,
		},
		{
			Name: "parallel", Params: []scripting.Param{{Name: "n", Type: "number"}, fn, timeout}, Returns: "table, table?",
			Doc: "Run fn(i) n times, each as a fiber, and wait for them. Results and errors as of batch, by number.", Fn: parallel,
		},
		{
			Name: "map", Params: []scripting.Param{{Name: "list", Type: "table"}, fn, timeout}, Returns: "table, table?",
			Doc: "Run fn(value, key) for every entry of a table, each as a fiber, and wait for them. Results and errors as of batch, by key.", Fn: mapped,
		},
		{
			Name: "select", Params: []scripting.Param{{Name: "cases", Type: "table"}, timeout}, Returns: "number|false, any, string?, string?",
			Doc: "Wait for several channels at once, of co or shared: cases are {channel} or {channel, \"pop\"}, and {channel, \"push\", value}. The first that can go through does, and no other; where several can, they take turns. " +
				"A select that pushes and one that pops may meet in a channel without room; one that does both never meets itself. " +
				"Returns its number, and the value of a pop or true; false and channel_closed in its place if the channel is closed.", Fn: meet.Select,
		},
	},
	Types: []*scripting.Type{channelType, waitGroupType, lockType, barrierType},
}

var channelType = meet.ChannelType("co.channel", "A queue between fibers of one VM.", false)

var lockType = &scripting.Type{Name: "co.lock", Doc: "A lock between fibers of one VM.", Methods: meet.LockMethods("co.lock")}

func newChannel(in *scripting.Instance, L *lua.LState) int {
	capacity := 1.0
	if v := L.Get(1); v != lua.LNil {
		capacity, _ = scripting.Number(v)
	}
	n := meet.Capacity(L, 1, "co.channel", capacity)
	L.Push(in.NewObject(channelType, &meet.Chan{Channel: meet.NewChannel("co.channel", n)}))
	return 1
}

func newLock(in *scripting.Instance, L *lua.LState) int {
	kind := "mutex"
	if v, ok := L.Get(1).(lua.LString); ok {
		kind = string(v)
	}
	meet.CheckKind(L, 1, "co.lock", kind)
	L.Push(in.NewObject(lockType, meet.NewOwnLock("co.lock", kind == "rw")))
	return 1
}

// args are the arguments of the running function from n on.
func args(L *lua.LState, n int) (list []lua.LValue) {
	for i := n; i <= L.GetTop(); i++ {
		list = append(list, L.Get(i))
	}
	return list
}

// done answers true, or what went wrong.
func done(in *scripting.Instance, L *lua.LState, err error) int {
	if err != nil {
		return in.Fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

// idOf turns a number of Lua into a fiber's id; 0, which no fiber has, for what
// cannot be one.
func idOf(v lua.LValue) uint64 {
	f, ok := scripting.Number(v)
	if !ok || f < 1 || f != math.Trunc(f) || f > 1<<53 {
		return 0
	}
	return uint64(f)
}

func start(in *scripting.Instance, L *lua.LState) int {
	id, err := in.Go(L, L.CheckFunction(1), args(L, 2))
	if err != nil {
		return in.Fail(L, err)
	}
	L.Push(lua.LNumber(id))
	return 1
}

// longest is a sleep that is surely a mistake.
const longest = 1e9

func sleep(in *scripting.Instance, L *lua.LState) int {
	s := float64(L.CheckNumber(1))
	if !(s >= 0) || s > longest {
		vm.Raise(L, "bad argument #1 'seconds' to 'co.sleep' (must be 0 to %.0f, got %v)", longest, s)
	}
	in.Sleep(L, time.Duration(s*float64(time.Second)))
	L.Push(lua.LTrue)
	return 1
}

func self(in *scripting.Instance, L *lua.LState) int {
	L.Push(lua.LNumber(in.FiberID()))
	return 1
}

func deferred(in *scripting.Instance, L *lua.LState) int {
	in.Defer(L, L.CheckFunction(1), args(L, 2))
	return 0
}

func yield(in *scripting.Instance, L *lua.LState) int {
	values := in.YieldFiber(L)
	for _, v := range values {
		L.Push(v)
	}
	return len(values)
}

func resume(in *scripting.Instance, L *lua.LState) int {
	return done(in, L, in.ResumeFiber(L, idOf(L.Get(1)), args(L, 2)))
}

func cancel(in *scripting.Instance, L *lua.LState) int {
	return done(in, L, in.CancelFiber(L, idOf(L.Get(1))))
}

func join(in *scripting.Instance, L *lua.LState) int {
	var ids []uint64
	if t, ok := L.Get(1).(*lua.LTable); ok {
		for i := 1; i <= t.Len(); i++ {
			ids = append(ids, idOf(t.RawGetInt(i)))
		}
	} else if _, ok := scripting.Number(L.Get(1)); ok {
		ids = append(ids, idOf(L.Get(1)))
	} else {
		vm.Raise(L, "bad argument #1 'ids' to 'co.join' (a fiber's id or a list of ids expected, got %s)", L.Get(1).Type())
	}
	return done(in, L, in.Join(L, ids, scripting.Timeout(L, 2, "co.join")))
}

func exists(in *scripting.Instance, L *lua.LState) int {
	L.Push(lua.LBool(in.FiberExists(idOf(L.Get(1)))))
	return 1
}

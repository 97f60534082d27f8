package swoole

import (
	"errors"
	"math"
	"syscall"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/client"

	lua "github.com/yuin/gopher-lua"
)

// What event.add listens for, with Swoole's numbers.
const (
	eventRead  = 512
	eventWrite = 1024
)

var (
	eventFD    = scripting.Param{Name: "fd", Type: "any"}
	readFn     = scripting.Param{Name: "read", Type: "function?"}
	writeFn    = scripting.Param{Name: "write", Type: "function?"}
	eventFlags = scripting.Param{Name: "flags", Type: "number?"}
)

const eventAnswer = "boolean, string?, string?"

var eventFuncs = []scripting.Func{
	{
		Name: "event.add", Params: []scripting.Param{eventFD, readFn, writeFn, eventFlags}, Returns: eventAnswer,
		Doc: "Call read(fd) when a descriptor can be read, write(fd) when it can be written, one call at a time and again as long as it can. fd is a client that waits, php's STDIN (or 0), or the number of a descriptor that can be polled: a pipe, a terminal, a socket. " +
			"Flags are EVENT_READ, EVENT_WRITE or their sum; without, what there is a callback for, and READ alone where there are both. Of STDIN it tells when there is a line for fgets, and once at its end. A reload ends it. Fails with exists if the descriptor was added before, and not_pollable for a file.",
		Fn: eventAdd,
	},
	{
		Name: "event.set", Params: []scripting.Param{eventFD, readFn, writeFn, eventFlags}, Returns: eventAnswer,
		Doc: "Change what a descriptor was added with: a callback or flags that are nil stay.", Fn: eventSet,
	},
	{Name: "event.del", Params: []scripting.Param{eventFD}, Returns: eventAnswer, Doc: "Call nothing for the descriptor any more. Do it before it is closed.", Fn: eventDel},
	{Name: "event.isset", Params: []scripting.Param{eventFD, eventFlags}, Returns: "boolean", Doc: "Whether a descriptor was added, for one of these flags.", Fn: eventIsset},
	{
		Name: "event.write", Params: []scripting.Param{eventFD, {Name: "data", Type: "string"}}, Returns: eventAnswer,
		Doc: "Write to a client, STDOUT or a descriptor without waiting: what does not go at once goes in the background, in order.", Fn: eventWriteTo,
	},
	{
		Name: "event.defer", Params: []scripting.Param{{Name: "fn", Type: "function"}, {Name: "...", Type: "any"}},
		Doc: "Call fn(...) at the end of this turn of the loop.",
		Fn: func(in *scripting.Instance, L *lua.LState) int {
			var args []lua.LValue
			for i := 2; i <= L.GetTop(); i++ {
				args = append(args, L.Get(i))
			}
			in.DeferTurn(L, "swoole.event.defer", L.CheckFunction(1), args)
			return 0
		},
	},
	{
		Name: "event.cycle", Params: []scripting.Param{{Name: "fn", Type: "function?"}, {Name: "before", Type: "boolean?"}}, Returns: "boolean",
		Doc: "Call fn() at the end of each turn of the loop, before it waits; nil ends that. One can be set, and another with before, which is called after it.",
		Fn: func(in *scripting.Instance, L *lua.LState) int {
			fn, _ := L.Get(1).(*lua.LFunction)
			in.Cycle(L, "swoole.event.cycle", fn, lua.LVAsBool(L.Get(2)))
			L.Push(lua.LTrue)
			return 1
		},
	},
}

// Failures of swoole.event.
var (
	errExists  = &scripting.Errno{Name: "exists", Code: 17, Text: "the descriptor was added before: event.set changes it"}
	errNotSet  = &scripting.Errno{Name: "not_added", Code: 2, Text: "the descriptor was not added"}
	errNotPoll = &scripting.Errno{Name: "not_pollable", Code: 1, Text: "the descriptor is of a file, which can be read and written at any time"}
	errBadFD   = &scripting.Errno{Name: "bad_descriptor", Code: 9, Text: "there is no such descriptor"}
)

// descriptor is what argument 1 of what names: a client, or a number.
func descriptor(L *lua.LState, what string) (key any, c *client.Client, fd int) {
	if c, ok := scripting.Arg[*client.Client](L, 1); ok {
		return c, c, -1
	}
	if s, ok := scripting.Arg[interface{ StandardInput() bool }](L, 1); ok {
		if s.StandardInput() {
			return 0, nil, 0
		}
		return 1, nil, 1
	}
	f, ok := scripting.Number(L.Get(1))
	if !ok || f != math.Trunc(f) || f < 0 || f > 1<<30 {
		vm.Raise(L, "bad argument #1 'fd' to '%s' (a client, STDIN or the number of a descriptor expected, got %s)", what, L.Get(1).String())
	}
	return int(f), nil, int(f)
}

// flagsArg is argument 4 of what; 0 if there is none.
func flagsArg(L *lua.LState, n int, what string) int {
	f, ok := scripting.Number(L.Get(n))
	if !ok {
		return 0
	}
	if f != eventRead && f != eventWrite && f != eventRead+eventWrite {
		vm.Raise(L, "bad argument #%d 'flags' to '%s' (EVENT_READ, EVENT_WRITE or their sum expected, got %v)", n, what, lua.LNumber(f))
	}
	return int(f)
}

func answered(in *scripting.Instance, L *lua.LState, err error) int {
	if err != nil {
		return in.Fail(L, described(err))
	}
	L.Push(lua.LTrue)
	return 1
}

func described(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return errNotPoll
	case errors.Is(err, syscall.EBADF):
		return errBadFD
	}
	return err
}

func eventAdd(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.event.add"
	in.MustRun(L, what)
	key, c, fd := descriptor(L, what)
	ws := watchersOf(in)
	if ws.at[key] != nil {
		return in.Fail(L, errExists)
	}
	w := &watcher{in: in, key: key, arg: L.Get(1), of: ws}
	w.read, _ = L.Get(2).(*lua.LFunction)
	w.write, _ = L.Get(3).(*lua.LFunction)
	if w.flags = flagsArg(L, 4, what); w.flags == 0 {
		w.flags = eventRead
		if w.read == nil && w.write != nil {
			w.flags = eventWrite
		}
	}
	w.need(L, what)
	if c != nil && c.Callbacks() {
		vm.Raise(L, "%s: the client has callbacks: it is told without event.add", what)
	}
	if err := w.begin(c, fd); err != nil {
		return in.Fail(L, described(err))
	}
	return answered(in, L, nil)
}

func eventSet(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.event.set"
	in.MustRun(L, what)
	key, _, _ := descriptor(L, what)
	w := watchersOf(in).at[key]
	if w == nil {
		return in.Fail(L, errNotSet)
	}
	old := *w
	if fn, ok := L.Get(2).(*lua.LFunction); ok {
		w.read = fn
	}
	if fn, ok := L.Get(3).(*lua.LFunction); ok {
		w.write = fn
	}
	if flags := flagsArg(L, 4, what); flags != 0 {
		w.flags = flags
	}
	read, write, flags := w.read, w.write, w.flags
	w.read, w.write, w.flags = old.read, old.write, old.flags
	(&watcher{read: read, write: write, flags: flags}).need(L, what)
	w.read, w.write, w.flags = read, write, flags
	return answered(in, L, w.arm())
}

func eventDel(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.event.del"
	in.MustRun(L, what)
	key, _, _ := descriptor(L, what)
	w := watchersOf(in).at[key]
	if w == nil {
		return in.Fail(L, errNotSet)
	}
	w.stop()
	return answered(in, L, nil)
}

func eventIsset(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.event.isset"
	in.MustRun(L, what)
	key, _, _ := descriptor(L, what)
	flags := flagsArg(L, 2, what)
	w := watchersOf(in).at[key]
	L.Push(lua.LBool(w != nil && (flags == 0 || w.flags&flags != 0)))
	return 1
}

func eventWriteTo(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.event.write"
	in.MustRun(L, what)
	_, c, fd := descriptor(L, what)
	data := L.CheckString(2)
	switch {
	case c != nil:
		return answered(in, L, c.Queue(data))
	case fd == 1 || fd == 2:
		in.Write(data)
		return answered(in, L, nil)
	}
	return answered(in, L, watchersOf(in).writeTo(fd, data))
}

package meet

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Chan is a channel as one VM sees it.
type Chan struct {
	*Channel
	Plain bool // values leave the VM
	code  int  // Swoole's errCode of the last push or pop
}

// Failures of a channel, and Swoole's errCode for them.
var (
	errClosed  = &scripting.Errno{Name: "channel_closed", Code: 10016, Text: "the channel is closed"}
	errTimeout = scripting.ErrTimeout
)

const (
	codeOK      = 0
	codeTimeout = -1
	codeClosed  = -2
)

// ChannelType declares the channels of a module: name is what errors call one,
// plain says that its values go to other VMs.
func ChannelType(name, doc string, plain bool) *scripting.Type {
	value := scripting.Param{Name: "data", Type: "any"}
	timeout := scripting.Param{Name: "timeout", Type: "number?"}
	fns := []scripting.Func{
		{
			Name: "push", Params: []scripting.Param{value, timeout}, Returns: "boolean, string?, string?",
			Doc: "Add a value; waits while the channel is full, or if it has no room, until the value is taken; up to timeout seconds (none: without limit, 0: not at all).", Fn: push,
		},
		{
			Name: "pop", Params: []scripting.Param{timeout}, Returns: "any|false, string?, string?",
			Doc: "Take the oldest value; waits while there is none, up to timeout seconds (none: without limit, 0: not at all).", Fn: pop,
		},
		{
			Name: "close", Returns: "boolean",
			Doc: "End the channel for everybody: all waits end with channel_closed. What is inside can still be popped. False if it was closed before.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.MustRun(L, name+":close")
				L.Push(lua.LBool(scripting.Self[*Chan](L).Close()))
				return 1
			},
		},
		{
			Name: "length", Returns: "number", Doc: "How many values are inside; what waits to be pushed is not.",
			Fn: info(name+":length", func(i Info) lua.LValue { return lua.LNumber(i.Length) }),
		},
		{
			Name: "isEmpty", Returns: "boolean", Doc: "Whether nothing is inside.",
			Fn: info(name+":isEmpty", func(i Info) lua.LValue { return lua.LBool(i.Length == 0) }),
		},
		{
			Name: "isFull", Returns: "boolean", Doc: "Whether a push would wait.",
			Fn: info(name+":isFull", func(i Info) lua.LValue { return lua.LBool(i.Full) }),
		},
		{
			Name: "stats", Returns: "table",
			Doc: "consumer_num and producer_num, the fibers that wait in pop and push; queue_num; push_count and pop_count; closed.", Fn: stats,
		},
	}
	if plain {
		fns = append(fns, scripting.Func{
			Name: "reopen", Returns: "boolean",
			Doc: "Make a closed channel take values again, for everybody. False if it was open.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.MustRun(L, name+":reopen")
				L.Push(lua.LBool(scripting.Self[*Chan](L).Reopen()))
				return 1
			},
		})
	}
	return &scripting.Type{
		Name: name, Doc: doc, Methods: fns,
		Fields: []scripting.Param{{Name: "capacity", Type: "number"}, {Name: "errCode", Type: "number"}},
		Field: func(_ *scripting.Instance, v any, field string) lua.LValue {
			switch c := v.(*Chan); field {
			case "capacity":
				return lua.LNumber(c.Info().Capacity)
			case "errCode":
				return lua.LNumber(c.code)
			}
			return nil
		},
		Meta: map[string]func(*scripting.Instance, *lua.LState) int{
			"__len": func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LNumber(scripting.Self[*Chan](L).Len()))
				return 1
			},
		},
	}
}

// what is the name of a channel's method in errors and lists.
func (c *Chan) method(name string) string { return c.what + ":" + name }

// await waits for a push or a pop that could not go through at once.
func (c *Chan) await(in *scripting.Instance, L *lua.LState, name string, timeout time.Duration, one choice) (d Done, err error) {
	begin := func(w scripting.Waiter) bool {
		var ok bool
		d, ok = await(w, []choice{one}, 0)
		return !ok
	}
	var v any
	if c.Plain {
		v, err = in.Wait(L, c.method(name), timeout, begin)
	} else { // so the detector of deadlocks knows it
		v, err = in.WaitOn(L, c.method(name), c, timeout, begin)
	}
	if err != nil {
		c.code = codeTimeout
	} else if v != nil {
		d = v.(Done)
	}
	return d, err
}

// EachValue calls f for what is in a channel of one VM, and for what waits to be
// pushed.
func (c *Chan) EachValue(f func(lua.LValue)) {
	if c.Plain {
		return // nothing there belongs to a VM
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.n {
		f(c.items[(c.head+i)%len(c.items)])
	}
	for _, e := range c.pushes.q[c.pushes.head:] {
		if e.w.Open() {
			f(e.with.v)
		}
	}
}

// freeze makes v fit to be kept in the channel.
func (c *Chan) freeze(L *lua.LState, v lua.LValue) lua.LValue {
	if !c.Plain {
		return v
	}
	f, bad := scripting.Freeze(v, false)
	if bad != nil {
		vm.Raise(L, "%s", bad.Refuse("data", "push", "into a shared channel"))
	}
	return f
}

// result pushes what became of a push or a pop.
func (c *Chan) result(in *scripting.Instance, L *lua.LState, d Done) int {
	if !d.Open {
		c.code = codeClosed
		return in.Fail(L, errClosed)
	}
	c.code = codeOK
	L.Push(scripting.Thaw(L, d.Value))
	return 1
}

func push(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Chan](L)
	in.MustRun(L, c.what)
	timeout := scripting.Timeout(L, 3, c.what)
	v := c.freeze(L, L.Get(2))
	state := c.Push(v)
	d := Done{Open: state == Moved}
	if state == Blocked {
		var err error
		if d, err = c.await(in, L, "push", timeout, choice{c, true, v}); err != nil {
			return in.Fail(L, err)
		}
	}
	d.Value = lua.LTrue
	return c.result(in, L, d)
}

func pop(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Chan](L)
	in.MustRun(L, c.what)
	timeout := scripting.Timeout(L, 2, c.what)
	v, state := c.Pop()
	d := Done{Value: v, Open: state == Moved}
	if state == Blocked {
		var err error
		if d, err = c.await(in, L, "pop", timeout, choice{ch: c}); err != nil {
			return in.Fail(L, err)
		}
	}
	return c.result(in, L, d)
}

func info(what string, answer func(Info) lua.LValue) func(*scripting.Instance, *lua.LState) int {
	return func(in *scripting.Instance, L *lua.LState) int {
		in.MustRun(L, what)
		L.Push(answer(scripting.Self[*Chan](L).Info()))
		return 1
	}
}

func stats(in *scripting.Instance, L *lua.LState) int {
	c := scripting.Self[*Chan](L)
	in.MustRun(L, c.what)
	i := c.Info()
	t := L.CreateTable(0, 6)
	t.RawSetString("consumer_num", lua.LNumber(i.Consumers))
	t.RawSetString("producer_num", lua.LNumber(i.Producers))
	t.RawSetString("queue_num", lua.LNumber(i.Length))
	t.RawSetString("push_count", lua.LNumber(i.PushCount))
	t.RawSetString("pop_count", lua.LNumber(i.PopCount))
	t.RawSetString("closed", lua.LBool(i.Closed))
	L.Push(t)
	return 1
}

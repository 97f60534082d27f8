package meet

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Select is the function "select" of a module: the first of several pushes and
// pops that can go through does, and only that one.
func Select(in *scripting.Instance, L *lua.LState) int {
	in.MustRun(L, "co.select")
	cases := choices(L, L.CheckTable(1))
	timeout := scripting.Timeout(L, 2, "co.select")
	// A channel that always has something must not starve the others.
	turn := scripting.Own(in, turnKey{}, func() *int { return new(int) })
	*turn++
	for i := range cases {
		at := (i + *turn) % len(cases)
		if d, ok := cases[at].attempt(at); ok {
			return selected(in, L, cases, d)
		}
	}
	d, err := awaitAny(in, L, cases, *turn, timeout)
	if err != nil {
		return in.Fail(L, err)
	}
	return selected(in, L, cases, d)
}

type turnKey struct{}

// choices reads {{ch}, {ch, "push", value}, ...}.
func choices(L *lua.LState, t *lua.LTable) []choice {
	n := t.Len()
	if n == 0 {
		vm.Raise(L, "bad argument #1 'cases' to 'co.select' (a list of cases expected: {{channel}, {channel, \"push\", value}})")
	}
	cases := make([]choice, n)
	for i := range cases {
		c := &cases[i]
		row, ok := t.RawGetInt(i + 1).(*lua.LTable)
		if !ok {
			vm.Raise(L, "co.select: case %d must be a table {channel} or {channel, \"push\", value}, not %s", i+1, t.RawGetInt(i+1).Type())
		}
		ud, ok := row.RawGetInt(1).(*lua.LUserData)
		if ok {
			c.ch, ok = ud.Value.(*Chan)
		}
		if !ok {
			vm.Raise(L, "co.select: case %d has no channel, but %s", i+1, row.RawGetInt(1).Type())
		}
		switch op := row.RawGetInt(2); op {
		case lua.LNil, lua.LString("pop"):
		case lua.LString("push"):
			c.push, c.v = true, c.ch.freeze(L, row.RawGetInt(3))
		default:
			vm.Raise(L, "co.select: case %d must be a \"pop\" or a \"push\", not %s", i+1, op)
		}
	}
	return cases
}

// awaitAny waits in all channels with one Waiter: only one of them can use it.
func awaitAny(in *scripting.Instance, L *lua.LState, cases []choice, from int, timeout time.Duration) (d Done, err error) {
	on := make([]any, len(cases))
	for i, c := range cases {
		if on[i] = c.ch; c.ch.Plain {
			on = nil // somebody outside the VM may end it
			break
		}
	}
	begin := func(w scripting.Waiter) bool {
		var ok bool
		d, ok = await(w, cases, from)
		return !ok
	}
	var v any
	if on == nil {
		v, err = in.Wait(L, "co.select", timeout, begin)
	} else {
		v, err = in.WaitOn(L, "co.select", on, timeout, begin)
	}
	if v != nil {
		d = v.(Done)
	}
	return d, err
}

// selected pushes the number of the case, and the value of a pop or true; false
// and why not for a channel that is closed.
func selected(in *scripting.Instance, L *lua.LState, cases []choice, d Done) int {
	L.Push(lua.LNumber(d.Case + 1))
	if d.Open && cases[d.Case].push {
		d.Value = lua.LTrue
	}
	return 1 + cases[d.Case].ch.result(in, L, d)
}

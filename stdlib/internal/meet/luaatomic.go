package meet

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var errNotZero = &scripting.Errno{Name: "not_zero", Code: 11, Text: "only an atomic of 0 can be waited for"}

// AtomicMethods are the methods of an atomic; name is what errors call one,
// waits says that it has wait and wakeup.
func AtomicMethods(name string, waits bool) []scripting.Func {
	n := []scripting.Param{{Name: "n", Type: "number?"}}
	value := scripting.Param{Name: "value", Type: "number"}
	fns := []scripting.Func{
		{Name: "add", Params: n, Returns: "number", Doc: "Add n (1) and return the sum.", Fn: add(name+":add", 1)},
		{Name: "sub", Params: n, Returns: "number", Doc: "Subtract n (1) and return the difference.", Fn: add(name+":sub", -1)},
		{Name: "get", Returns: "number", Doc: "The value.", Fn: func(in *scripting.Instance, L *lua.LState) int {
			in.MustRun(L, name+":get")
			L.Push(lua.LNumber(scripting.Self[*Atomic](L).Get()))
			return 1
		}},
		{Name: "set", Params: []scripting.Param{value}, Returns: "boolean", Doc: "Store a value.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.MustRun(L, name+":set")
				a := scripting.Self[*Atomic](L)
				a.Set(a.arg(L, 2, name+":set", "value"))
				L.Push(lua.LTrue)
				return 1
			}},
		{Name: "cmpset", Params: []scripting.Param{{Name: "old", Type: "number"}, value}, Returns: "boolean",
			Doc: "Store value if the atomic is old, and report whether it was.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.MustRun(L, name+":cmpset")
				a := scripting.Self[*Atomic](L)
				old, v := a.arg(L, 2, name+":cmpset", "old"), a.arg(L, 3, name+":cmpset", "value")
				L.Push(lua.LBool(a.CompareAndSet(old, v)))
				return 1
			}},
	}
	if !waits {
		return fns
	}
	return append(fns,
		scripting.Func{Name: "wait", Params: []scripting.Param{{Name: "timeout", Type: "number?"}}, Returns: "boolean, string?, string?",
			Doc: "Wait until wakeup is called, up to timeout seconds (1; below 0: without limit, 0: not at all). An atomic of 1 becomes 0 without a wait; one that is neither 0 nor 1 cannot be waited for.",
			Fn:  func(in *scripting.Instance, L *lua.LState) int { return waitAtomic(in, L, name+":wait") }},
		scripting.Func{Name: "wakeup", Params: n, Returns: "boolean",
			Doc: "Wake up to n (1) fibers that wait, wherever they run. Where none waits, an atomic of 0 becomes 1, and the next wait returns at once.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.MustRun(L, name+":wakeup")
				n := 1.0
				if L.Get(2) != lua.LNil {
					n, _ = scripting.Number(L.Get(2))
				}
				if n < 1 || n != float64(int(n)) {
					vm.Raise(L, "bad argument #1 'n' to '%s' (a whole number from 1 expected, got %v)", name+":wakeup", L.Get(2))
				}
				scripting.Self[*Atomic](L).Wakeup(int(n))
				L.Push(lua.LTrue)
				return 1
			}})
}

// arg is a number that fits into a.
func (a *Atomic) arg(L *lua.LState, i int, what, name string) int64 {
	f, _ := scripting.Number(L.Get(i))
	a.Check(L, i-1, what, name, f)
	return int64(f)
}

// Check raises unless f fits into a.
func (a *Atomic) Check(L *lua.LState, i int, what, name string, f float64) {
	if a.Fits(f) {
		return
	}
	from, to := "0", "4294967295"
	if a.wide {
		from, to = "-2^53", "2^53"
	}
	vm.Raise(L, "bad argument #%d '%s' to '%s' (a whole number from %s to %s expected, got %v)", i, name, what, from, to, lua.LNumber(f))
}

func add(what string, sign int64) func(*scripting.Instance, *lua.LState) int {
	return func(in *scripting.Instance, L *lua.LState) int {
		in.MustRun(L, what)
		a, n := scripting.Self[*Atomic](L), 1.0
		if L.Get(2) != lua.LNil {
			n, _ = scripting.Number(L.Get(2))
		}
		if n != float64(int64(n)) || n > MaxExact || n < -MaxExact {
			vm.Raise(L, "bad argument #1 'n' to '%s' (a whole number up to 2^53 expected, got %v)", what, lua.LNumber(n))
		}
		sum, ok := a.Add(sign * int64(n))
		if !ok {
			vm.Raise(L, "%s: the sum would be beyond 2^53, where a Lua number is not exact any more", what)
		}
		L.Push(lua.LNumber(sum))
		return 1
	}
}

func waitAtomic(in *scripting.Instance, L *lua.LState, what string) int {
	in.MustRun(L, what)
	a, timeout := scripting.Self[*Atomic](L), time.Second
	if L.Get(2) != lua.LNil {
		timeout = scripting.Timeout(L, 2, what)
	}
	ok, open := a.TryWait()
	if !ok && open {
		v, err := in.Wait(L, a.what, timeout, func(w scripting.Waiter) bool {
			a.Await(w)
			return true
		})
		if err != nil {
			return in.Fail(L, err)
		}
		ok = v.(bool)
	}
	if !ok {
		return in.Fail(L, errNotZero)
	}
	L.Push(lua.LTrue)
	return 1
}

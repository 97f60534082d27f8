package meet

import (
	"log/slog"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Failures of a lock.
var (
	errLocked   = &scripting.Errno{Name: "locked", Code: 16, Text: "the lock is held by another fiber"}
	errNotOwner = &scripting.Errno{Name: "not_owner", Code: 1, Text: "this fiber does not hold the lock"}
)

const ownerDied = lua.LString("owner_died")

// LockMethods are the methods of a lock; name is what errors call one.
func LockMethods(name string) []scripting.Func {
	timeout := []scripting.Param{{Name: "timeout", Type: "number?"}}
	const results = "boolean, string?, string?"
	const died = " The second result is \"owner_died\" when the fiber that had it before ended without unlock."
	method := func(name string, read, wait bool) func(*scripting.Instance, *lua.LState) int {
		return func(in *scripting.Instance, L *lua.LState) int {
			t := time.Duration(1)
			if wait {
				t = scripting.Timeout(L, 2, name)
			}
			return Acquire(in, L, name, scripting.Self[*Lock](L), read, t)
		}
	}
	return []scripting.Func{
		{Name: "lock", Params: timeout, Returns: results, Fn: method(name+":lock", false, true),
			Doc: "Take the lock for writing; waits up to timeout seconds (none: without limit, 0: not at all)." + died},
		{Name: "trylock", Returns: results, Fn: method(name+":trylock", false, false),
			Doc: "Take the lock for writing if nobody holds it." + died},
		{Name: "lock_read", Params: timeout, Returns: results, Fn: method(name+":lock_read", true, true),
			Doc: "Take a reader-writer lock for reading, together with other readers; waits as lock does." + died},
		{Name: "trylock_read", Returns: results, Fn: method(name+":trylock_read", true, false),
			Doc: "Take a reader-writer lock for reading if no writer holds it or waits for it." + died},
		{Name: "unlock", Returns: results, Fn: func(in *scripting.Instance, L *lua.LState) int {
			return Release(in, L, name+":unlock", scripting.Self[*Lock](L))
		}, Doc: "Give the lock up. Only the fiber that took it can."},
	}
}

// Acquire takes l for the running fiber: true, and "owner_died" with it if so,
// or the failure. A time-out of a nanosecond does not wait.
func Acquire(in *scripting.Instance, L *lua.LState, what string, l *Lock, read bool, timeout time.Duration) int {
	in.MustRun(L, what)
	if read && !l.rw {
		vm.Raise(L, "%s: this lock is a mutex: declare it \"rw\" to lock it for reading", what)
	}
	me := &Owner{in, in.Running(), scripting.Place(L)}
	g, ok := l.Try(me, read)
	if !ok {
		if had := l.Holds(me); had != nil {
			vm.Raise(L, "would_deadlock: %s: this fiber holds the lock already, since %s", what, had.Where)
		}
		if timeout == 1 {
			return in.Fail(L, errLocked)
		}
		v, err := l.wait(in, L, me, read, timeout)
		if err != nil {
			return in.Fail(L, err)
		}
		g = v.(Grant)
	}
	in.AtEnd(l, func() { l.die(me) })
	L.Push(lua.LTrue)
	if g.Died == nil {
		return 1
	}
	L.Push(ownerDied)
	L.Push(lua.LString("the fiber that took the lock at " + g.Died.Where + " ended without unlock"))
	return 3
}

func (l *Lock) wait(in *scripting.Instance, L *lua.LState, me *Owner, read bool, timeout time.Duration) (v any, err error) {
	granted := false
	defer func() {
		if !granted {
			l.Left() // also when a cancelled wait raises
		}
	}()
	begin := func(w scripting.Waiter) bool {
		l.Await(w, me, read)
		return true
	}
	if l.own {
		v, err = in.WaitOn(L, l.what, waitFor{l, read}, timeout, begin)
	} else {
		v, err = in.Wait(L, l.what, timeout, begin)
	}
	granted = err == nil
	return v, err
}

// die gives up what a fiber held when it ended.
func (l *Lock) die(o *Owner) {
	if held, _ := l.Die(o); held != nil {
		o.VM.Log(slog.LevelWarn, l.what+": the fiber that held the lock ended without unlock; it is released", "locked_at", held.Where, "fiber", held.Fiber)
	}
}

// Release gives l up.
func Release(in *scripting.Instance, L *lua.LState, what string, l *Lock) int {
	in.MustRun(L, what)
	if !l.Unlock(&Owner{VM: in, Fiber: in.Running()}) {
		return in.Fail(L, errNotOwner)
	}
	in.NotAtEnd(l)
	L.Push(lua.LTrue)
	return 1
}

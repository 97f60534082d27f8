package scripting

import (
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// What a module needs to let its functions wait.

// Waiter is the right to end one wait: Wake(v) or Fail(err), from any goroutine,
// report whether it was this call that ended it. What is offered to a wait that
// is over stays with the caller, so nothing is lost.
type Waiter = engine.Waiter

// Errno is a failure a script can meet: a stable name, a number for
// getLastError, and a sentence for people.
type Errno = engine.Errno

// ErrTimeout is how a wait ends whose time-out has passed.
var ErrTimeout = engine.ErrTimeout

// Wait parks the running fiber until the Waiter is used, the time-out passes
// (0: none) or the fiber is cancelled; what names the wait in lists. begin runs
// first, as the baton holder: it hands the Waiter to whoever shall use it and
// returns true; false says that it handed it to nobody, as there is nothing to
// wait for, and Wait returns nil, nil. A cancelled wait, and one fiber too many,
// raise a Lua error. The error returned is ErrTimeout or what Fail was given.
func (in *Instance) Wait(L *lua.LState, what string, timeout time.Duration, begin func(w Waiter) bool) (any, error) {
	f := in.mustWait(L, what)
	w, err := f.Begin(what)
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
	if !begin(w) {
		return nil, nil
	}
	p := in.park(L)
	v, err := f.Wait(timeout)
	p.back()
	raiseCancel(L, f, err)
	return v, err
}

// Timeout reads argument n of what, an optional time-out in seconds: nothing or
// a negative number is none (0), 0 is now or never (a nanosecond).
func Timeout(L *lua.LState, n int, what string) time.Duration {
	if f, ok := Number(L.Get(n)); ok && f != f {
		vm.Raise(L, "bad argument #%d 'timeout' to '%s' (a number of seconds expected, got nan)", n-1, what)
	} else if ok && f > 0 && f < 1e-9 {
		return 1 // not 0, which would be none
	}
	return seconds(L, n, what)
}

// MustRun refuses what, when the script's top level is running.
func (in *Instance) MustRun(L *lua.LState, what string) { in.mustRun(L, what) }

// Loading reports whether the script's top level is running.
func (in *Instance) Loading() bool { return in.stage == declaring }

// Number is v as arithmetic of Lua sees it: a number, or a string that is one.
func Number(v lua.LValue) (float64, bool) {
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x), true
	case lua.LString:
		return vm.ParseNumber(string(x))
	}
	return 0, false
}

// Suggest is " (did you mean 'x'?)" for the name nearest to a mistyped one, or
// "".
func Suggest(name string, names []string) string { return didYouMean(name, names) }

// Place is where the script called the running function: "app.lua:3".
func Place(L *lua.LState) string { return place(L) }

package vm

import (
	"runtime/debug"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// kind says what a thread is for. It lives in Options.RegistrySize, which
// nothing reads after a thread was made; so does the nesting level in
// Options.CallStackSize. That keeps the chain free of look-up tables: every
// thread carries its own place in it.
const (
	runner    = 1 // the bottom of a call from the host
	guard     = 2 // what pcall and xpcall run their function on
	coroutine = 3 // what coroutine.create returns
	tailed    = 4 // a coroutine whose body ended in `return coroutine.yield()`
)

func kindOf(L *lua.LState) int  { return L.Options.RegistrySize }
func levelOf(L *lua.LState) int { return L.Options.CallStackSize }

// place puts th into the chain: its kind, how deeply it is nested and how many
// frames are left for it.
func place(th *lua.LState, kind, level, frames int) {
	th.Options.RegistrySize = kind
	th.Options.CallStackSize = level
	inside.SetLimit(th, frames)
}

// room says how many frames a new thread called from L may use, and its level.
func room(L *lua.LState) (frames, level int) {
	frames = inside.Limit(L)
	if f := inside.Current(L); f != nil {
		frames -= f.Idx + 1
	}
	return frames, levelOf(L) + 1
}

// Thread is a pooled Lua thread: the bottom of one call from the host, or what
// a pcall runs on. It is used by the baton holder only and stays on one
// goroutine for the length of a call.
type Thread struct {
	vm   *VM
	L    *lua.LState
	prev *lua.LState // current thread before Begin

	panic   func(*lua.LState) // th.raise, made once
	body    *lua.LFunction    // th.guarded, made once; guards only
	handler lua.LValue        // xpcall's handler, nil for pcall
	inside  int               // depth of running handlers
	done    bool              // the call returned
	raised  bool              // th.raise saw the error before the unwinding
	broken  bool              // not to be reused
	err     lua.ApiError      // what th.raise panics with; reused
	fail    *Error            // the error of a runner, built by th.raise
}

func (v *VM) newThread(kind int) *Thread {
	t := &Thread{vm: v, L: v.threads.New()}
	t.panic = t.raise
	if kind == guard {
		t.body = v.L.NewFunction(t.guarded)
	}
	return t
}

// Begin starts a call of fn on a pooled thread: Push the arguments, Run, read
// the results with Get, End.
func (v *VM) Begin(fn *lua.LFunction) *Thread {
	t := v.begin(fn)
	place(t.L, runner, 0, MaxFrames)
	return t
}

// BeginUnder is Begin for a Go function that was called from Lua on L and runs
// Lua again before it returns: it counts the nesting, so that such recursion
// ends in an ordinary Lua error raised on L.
func (v *VM) BeginUnder(L *lua.LState, fn *lua.LFunction) *Thread {
	frames, level := room(L)
	if level > MaxNesting || frames < 20 {
		raiseAt(L, 1, "stack overflow")
	}
	t := v.begin(fn)
	place(t.L, runner, level, frames)
	return t
}

func (v *VM) begin(fn *lua.LFunction) *Thread {
	var t *Thread
	if n := len(v.runners); n > 0 {
		t = v.runners[n-1]
		v.runners[n-1] = nil
		v.runners = v.runners[:n-1]
	} else {
		t = v.newThread(runner)
		t.L.Panic = t.panic
	}
	g := t.L.G
	t.prev = g.CurrentThread
	g.CurrentThread = t.L
	t.L.Env = g.Global
	t.L.Push(fn)
	return t
}

// Push adds an argument.
func (t *Thread) Push(lv lua.LValue) { t.L.Push(lv) }

// State is the thread's Lua state, for helpers that want one.
func (t *Thread) State() *lua.LState { return t.L }

// Run calls the function; nret is the number of results wanted, lua.MultRet
// for all. It may be called once between Begin and End.
func (t *Thread) Run(nret int) (err *Error) {
	t.done, t.raised = false, false
	defer t.caught(&err)
	t.L.Call(t.L.GetTop()-1, nret)
	t.done = true
	return nil
}

// caught turns the panic of a failed call into its Error. The stack below is
// left as it was, so the thread is not used again.
func (t *Thread) caught(err **Error) {
	if t.done {
		return
	}
	t.broken = true
	switch r := recover().(type) {
	case nil: // runtime.Goexit: the goroutine ends
	case *lua.ApiError:
		if t.raised && r == &t.err {
			*err = t.fail
			t.fail = nil
			return
		}
		*err = t.vm.describe(t.L, r.Object)
	default:
		t.release()
		*err = t.vm.describePanic(t.L, r, debug.Stack())
	}
}

// Results is how many results Run left.
func (t *Thread) Results() int { return t.L.GetTop() }

// Get is the i-th result, counted from 1.
func (t *Thread) Get(i int) lua.LValue { return t.L.Get(i) }

// End gives the thread back. Results must have been read before.
func (v *VM) End(t *Thread) {
	t.L.G.CurrentThread = t.prev
	t.prev = nil
	if t.broken || len(v.runners) >= maxPool || inside.Slots(t.L) > keepSlots {
		return
	}
	t.L.SetTop(0)
	v.runners = append(v.runners, t)
}

// Call runs fn in protected mode and returns its results. The message path
// uses Begin, which allocates nothing.
func (v *VM) Call(fn *lua.LFunction, nret int, args ...lua.LValue) ([]lua.LValue, *Error) {
	t := v.Begin(fn)
	for _, a := range args {
		t.Push(a)
	}
	err := t.Run(nret)
	var out []lua.LValue
	if err == nil {
		if n := t.Results(); n > 0 {
			out = make([]lua.LValue, n)
			for i := range out {
				out[i] = t.Get(i + 1)
			}
		}
	}
	v.End(t)
	return out, err
}

// release closes the variables that closures still share with a thread whose
// call ended in a Go panic: gopher-lua does so for its own errors only.
func (t *Thread) release() {
	defer func() { _ = recover() }() // the frames may be inconsistent
	keep := t.L.Panic
	t.L.Panic = func(*lua.LState) {}
	defer func() { t.L.Panic = keep }()
	t.L.Error(lua.LNil, 0)
}

package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// The coroutine library. gopher-lua's own lets two coroutines resume each
// other until the process dies, corrupts a coroutine that yields across pcall
// or a metamethod, and mixes up callbacks that wait inside coroutines. This one
// checks first, and says what PUC Lua 5.1 says.

const acrossBoundary = "attempt to yield across metamethod/C-call boundary"

// starterSource is the first function of every coroutine: it lets the VM put
// its own error hook into the thread and then becomes the body.
const starterSource = `return function(hook, body, ...) hook() return body(...) end`

var starter = func() *lua.FunctionProto {
	c, err := Compile("", "=starter", []byte(starterSource))
	if err != nil {
		panic(err)
	}
	return c.Proto.FunctionPrototypes[0]
}()

// deadCoroutine keeps the stack of a coroutine that died of an error, for
// debug.traceback. The last few are kept.
type deadCoroutine struct {
	co    *lua.LState
	lines []string // one per level, innermost first, without the elision
}

func (v *VM) openCoroutine() {
	hook := v.L.NewFunction(func(L *lua.LState) int {
		L.Panic = v.raiseInCoroutine
		return 0
	})
	v.yield = v.L.NewFunction(coYield)
	create := func(L *lua.LState) *lua.LState {
		fn, ok := L.Get(1).(*lua.LFunction)
		if !ok || fn.IsG {
			argError(L, 1, "Lua function expected")
		}
		var co *lua.LState
		if n := len(v.spare); n > 0 {
			co = v.spare[n-1]
			v.spare[n-1] = nil
			v.spare = v.spare[:n-1]
		} else {
			co = v.threads.New()
		}
		place(co, coroutine, 0, MaxFrames)
		co.Env = L.Env
		co.Push(hook)
		co.Push(fn)
		return co
	}
	v.register("coroutine", map[string]lua.LGFunction{
		"create": func(L *lua.LState) int {
			co := create(L)
			expose(co)
			L.Push(co)
			return 1
		},
		"wrap": func(L *lua.LState) int {
			co := create(L)
			L.Push(v.L.NewClosure(func(L *lua.LState) int {
				if co == nil {
					Raise(L, "cannot resume dead coroutine")
				}
				n, ok := v.resume(L, co, 1)
				if ok && co.Dead && v.recycle(co) {
					co = nil
				}
				if !ok {
					lv := L.Get(-1)
					if s, isText := lv.(lua.LString); isText {
						lv = lua.LString(where(L, 1)) + s
					}
					L.Error(lv, 0)
				}
				return n
			}, co)) // an upvalue, so that Reach finds it
			return 1
		},
		"resume": func(L *lua.LState) int {
			co, ok := L.Get(1).(*lua.LState)
			if !ok {
				argError(L, 1, "coroutine expected")
			}
			n, ok := v.resume(L, co, 2)
			L.Insert(lua.LBool(ok), L.GetTop()-n+1)
			return n + 1
		},
		"running": func(L *lua.LState) int {
			lv := running(L)
			if co, ok := lv.(*lua.LState); ok {
				expose(co)
			}
			L.Push(lv)
			return 1
		},
		"status": func(L *lua.LState) int {
			co, ok := L.Get(1).(*lua.LState)
			if !ok {
				argError(L, 1, "coroutine expected")
			}
			L.Push(lua.LString(statusOf(L, co)))
			return 1
		},
	}).RawSetString("yield", v.yield)
}

// running is the coroutine L executes in, looking through the guards of pcall.
func running(L *lua.LState) lua.LValue {
	for kindOf(L) == guard && L.Parent != nil {
		L = L.Parent
	}
	if kindOf(L) >= coroutine {
		return L
	}
	return lua.LNil
}

// exposed in Options.RegistryMaxSize marks a coroutine that the script has as a
// value; nothing reads that option after a thread was made.
const exposed = -1

func expose(co *lua.LState) { co.Options.RegistryMaxSize = exposed }

// recycle keeps the thread of a coroutine that has run to its end, if nobody
// but its wrap function ever knew it. A new thread costs 16 KB.
func (v *VM) recycle(co *lua.LState) bool {
	if co.Options.RegistryMaxSize == exposed || len(v.spare) >= maxPool || inside.Current(co) != nil || inside.Slots(co) > keepSlots {
		return false
	}
	co.Dead = false
	co.SetTop(0)
	v.spare = append(v.spare, co)
	return true
}

// statusOf is co's status as seen from L. A coroutine that another fiber is in
// looks as one that has resumed another: normal.
func statusOf(L, co *lua.LState) string {
	switch {
	case co.Dead:
		return "dead"
	case running(L) == lua.LValue(co):
		return "running"
	case kindOf(co) < coroutine || co.Parent != nil:
		return "normal"
	}
	return "suspended"
}

// inChain reports whether co is among the threads that lead to L.
func inChain(L, co *lua.LState) bool {
	for ; L != nil; L = L.Parent {
		if L == co {
			return true
		}
	}
	return false
}

// resume continues co with the arguments of L from first on. It leaves n
// results on top of L's stack, or on failure one value, the error.
func (v *VM) resume(L, co *lua.LState, first int) (n int, ok bool) {
	fail := func(msg string) (int, bool) {
		L.Push(lua.LString(msg))
		return 1, false
	}
	if s := statusOf(L, co); s != "suspended" {
		if s == "normal" && !inChain(L, co) {
			s = "non-suspended" // another fiber waits inside it
		}
		return fail("cannot resume " + s + " coroutine")
	}
	frames, level := room(L)
	if level > MaxNesting {
		return fail("C stack overflow")
	}
	if frames < 20 {
		return fail("stack overflow")
	}
	top := L.GetTop()
	if kindOf(co) == tailed {
		// It ended in `return coroutine.yield()`: what it is resumed with is
		// what it returns.
		co.Dead = true
		for i := first; i <= top; i++ {
			L.Push(L.Get(i))
		}
		return max(0, top-first+1), true
	}
	f := inside.Current(co)
	var args []lua.LValue
	var fn *lua.LFunction
	var few [8]lua.LValue
	if f == nil {
		fn = v.L.NewFunctionFromProto(starter)
		args = append(few[:0], co.Get(1), co.Get(2))
		co.SetTop(0)
	} else {
		args = few[:0]
	}
	for i := first; i <= top; i++ {
		args = append(args, L.Get(i))
	}
	if f != nil {
		// gopher-lua leaves the registers of missing results as they are; the
		// yield must return as many values as its caller asked for.
		if want := f.PendingResults(); want >= 0 {
			for len(args) < want {
				args = append(args, lua.LNil)
			}
			args = args[:want]
		}
	}
	place(co, coroutine, level, frames)
	L.G.CurrentThread = L
	state, err, ret := L.Resume(co, fn, args...)
	L.G.CurrentThread = L
	switch state {
	case lua.ResumeError:
		co.Dead = true
		lv := lua.LValue(lua.LString(""))
		if ae, ok := err.(*lua.ApiError); ok {
			lv = ae.Object
		}
		if fatal(lv) != nil {
			L.Error(lv, 0)
		}
		if s, ok := lv.(lua.LString); ok {
			lv = lua.LString(panicText(string(s)))
		}
		L.Push(lv)
		return 1, false
	case lua.ResumeOK:
		if !co.Dead {
			place(co, tailed, 0, MaxFrames)
		}
	}
	// Resume answers one nil where there was no value at all. It makes its
	// slice with room for the true values and one more.
	if n = cap(ret) - 1 - top; n > len(ret) {
		n = len(ret)
	}
	for _, lv := range ret[:n] {
		L.Push(lv)
	}
	return n, true
}

// coYield suspends the running coroutine. gopher-lua can do so only when every
// call between here and the coroutine's start is a plain call of Lua code.
func coYield(L *lua.LState) int {
	if kindOf(L) < coroutine {
		L.Error(lua.LString(acrossBoundary), 0)
	}
	for f := inside.Current(L).Parent; f != nil; f = f.Parent {
		if op := f.Op(); op != inside.OpCall && op != inside.OpTailCall {
			L.Error(lua.LString(acrossBoundary), 0)
		}
	}
	return -1
}

// raiseInCoroutine is the Panic function of coroutines: it keeps the stack for
// debug.traceback before it is unwound.
func (v *VM) raiseInCoroutine(L *lua.LState) {
	lv := tidy(L, L.Get(-1))
	if fatal(lv) == nil {
		var lines []string
		for c := start(L); c.ok() && len(lines) < MaxFrames; c.next() {
			lines = append(lines, c.text())
		}
		v.dead[v.deadAt] = deadCoroutine{L, lines}
		v.deadAt = (v.deadAt + 1) % len(v.dead)
	}
	panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: lv, StackTrace: noTrace})
}

// traceOf is the traceback of another coroutine.
func (v *VM) traceOf(co *lua.LState, level int) string {
	for _, d := range v.dead {
		if d.co == co && co.Dead {
			return elide(d.lines, level)
		}
	}
	f := inside.Current(co)
	if co.Dead || f == nil {
		return "stack traceback:"
	}
	if co.Parent != nil {
		return traceback(co, level) // running, or waiting for one it resumed
	}
	// The call of yield has left the stack; it is still where the coroutine is.
	c := cursor{L: co, f: &inside.Frame{Fn: v.yield, Parent: f}}
	var lines []string
	for ; c.ok(); c.next() {
		lines = append(lines, c.text())
	}
	return elide(lines, level)
}

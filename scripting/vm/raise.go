package vm

import (
	"fmt"
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// A non-empty StackTrace keeps gopher-lua's PCall from formatting one, which
// would cost more than everything else about a caught error.
const noTrace = "-"

const inHandler = lua.LString("error in error handling")

// raise is the Panic function of runners and guards. It runs before anything
// is unwound, with the error value on top of the stack and all frames alive:
// the moment to look at them and to run an xpcall handler.
func (t *Thread) raise(L *lua.LState) {
	lv := tidy(L, L.Get(-1))
	t.raised = true
	switch {
	case kindOf(L) == runner:
		if t.inside == 0 {
			t.inside++ // an error while describing the error must not recurse
			t.fail = t.vm.describe(L, lv)
			t.inside--
		}
	case t.handler != nil && fatal(lv) == nil:
		lv = t.handle(L, lv)
	}
	t.err = lua.ApiError{Type: lua.ApiErrorRun, Object: lv, StackTrace: noTrace}
	panic(&t.err)
}

// tidy brings the messages of gopher-lua and its own library into the form PUC
// Lua gives them: variables named, no blank where a position would stand,
// quotes around names.
func tidy(L *lua.LState, lv lua.LValue) lua.LValue {
	s, ok := lv.(lua.LString)
	if !ok {
		return lv
	}
	msg := string(s)
	f := inside.Current(L)
	if f != nil && !f.Fn.IsG {
		pos := where(L, 0)
		if rest, found := strings.CutPrefix(msg, pos); found {
			if text, ok := fault(L, f, rest); ok {
				return lua.LString(pos + text)
			}
		}
	}
	if msg != "" && msg[0] == ' ' && f != nil && f.Fn.IsG && (f.Parent == nil || f.Parent.Fn.IsG) {
		msg = msg[1:]
	}
	if head, found := strings.CutSuffix(msg, "registry overflow"); found {
		msg = head + "stack overflow"
	}
	if head, rest, found := strings.Cut(msg, "bad argument #"); found {
		if n, rest, found := strings.Cut(rest, " to "); found && len(n) < 4 && rest != "" && rest[0] != '\'' {
			if name, rest, found := strings.Cut(rest, " ("); found && !strings.Contains(name, " ") {
				if name == "(anonymous)" {
					name = "?"
				}
				msg = head + "bad argument #" + n + " to '" + name + "' (" + rest
			}
		}
	}
	if msg == string(s) {
		return lv
	}
	return lua.LString(msg)
}

// handle runs the xpcall handler on top of the failed frames. An error in the
// handler itself ends as in PUC Lua.
func (t *Thread) handle(L *lua.LState, lv lua.LValue) lua.LValue {
	fn, ok := t.handler.(*lua.LFunction)
	if !ok || t.inside > 0 {
		return inHandler
	}
	limit := inside.Limit(L)
	t.inside++
	inside.SetLimit(L, min(limit+handlerRoom, callStack-8))
	L.Push(fn)
	L.Push(lv)
	L.Call(1, 1)
	inside.SetLimit(L, limit)
	t.inside--
	lv = L.Get(-1)
	L.Pop(1)
	return lv
}

// fatal returns the error that lv stands for when it is one that Lua may not
// catch, nil for every other value.
func fatal(lv lua.LValue) *Error {
	if ud, ok := lv.(*lua.LUserData); ok {
		if e, ok := ud.Value.(*Error); ok && e.Uncatchable {
			return e
		}
	}
	return nil
}

// Raise raises a catchable error with the position of the Lua code that called
// the running Go function.
func Raise(L *lua.LState, msg string, args ...any) {
	if len(args) > 0 {
		msg = fmt.Sprintf(msg, args...)
	}
	raiseAt(L, 1, msg)
}

// RaiseValue raises lv as it is.
func RaiseValue(L *lua.LState, lv lua.LValue) { L.Error(lv, 0) }

// raiseAt raises msg with the position of the given level, 0 for none.
func raiseAt(L *lua.LState, level int, msg string) {
	if level > 0 {
		msg = where(L, level) + msg
	}
	L.Error(lua.LString(msg), 0)
}

// argError complains about the n-th argument of the running Go function.
func argError(L *lua.LState, n int, msg string) {
	name := "?"
	if f := inside.Current(L); f != nil {
		c := cursor{L: L, f: f}
		if s := c.name(); s != "" {
			name = s
		}
		if c.method() {
			if n--; n == 0 {
				Raise(L, "calling '%s' on bad self (%s)", name, msg)
			}
		}
	}
	Raise(L, "bad argument #%d to '%s' (%s)", n, name, msg)
}

func typeError(L *lua.LState, n int, want string) {
	got := "no value"
	if n <= L.GetTop() {
		got = L.Get(n).Type().String()
	}
	argError(L, n, want+" expected, got "+got)
}

// RaiseUncatchable raises e through every pcall, xpcall, resume and wrap up to
// the host. The fiber is lost, the VM stays right.
func RaiseUncatchable(L *lua.LState, e *Error) {
	e.Uncatchable = true
	if e.Kind == KindRun {
		e.Kind = KindKilled
	}
	if e.Traceback == "" {
		e.locate(L, 0)
		e.Traceback = fullTrace(L)
	}
	L.Error(&lua.LUserData{Value: e, Metatable: lua.LNil}, 0)
}

// guarded is the bottom frame of a guard: it calls the function that pcall was
// given. PCall has replaced Panic, so ours is put back here.
func (t *Thread) guarded(L *lua.LState) int {
	t.done, t.raised = false, false
	defer t.convert()
	L.Panic = t.panic
	L.Call(L.GetTop()-1, lua.MultRet)
	t.done = true
	return L.GetTop()
}

// convert makes an ordinary Lua error of a Go panic that did not begin as one
// (a failed library function, gopher-lua's own overflow), while the frames are
// still there to be closed.
func (t *Thread) convert() {
	if t.done || t.raised {
		return
	}
	r := recover()
	if r == nil {
		return
	}
	t.broken = true
	lv := panicValue(t.L, r)
	t.release()
	if t.handler != nil {
		func() {
			defer func() {
				if recover() != nil {
					lv = inHandler
				}
			}()
			t.L.Panic = t.panic
			lv = t.handle(t.L, lv)
		}()
	}
	t.err = lua.ApiError{Type: lua.ApiErrorRun, Object: lv, StackTrace: noTrace}
	panic(&t.err)
}

// panicValue is the Lua error value for a recovered Go panic.
func panicValue(L *lua.LState, r any) lua.LValue {
	if ae, ok := r.(*lua.ApiError); ok {
		return ae.Object
	}
	level := 0
	if f := inside.Current(L); f != nil && f.Fn.IsG {
		level = 1
	}
	return lua.LString(where(L, level) + panicText(r))
}

func panicText(r any) string {
	s := fmt.Sprint(r)
	// The last is gopher-lua's own fault while it reports the second.
	if s == "lua callstack overflow" || strings.Contains(s, "registry overflow") || strings.Contains(s, "index out of range [-1]") {
		return "stack overflow"
	}
	return s
}

// describePanic is the Error of a Go panic that reached the host.
func (v *VM) describePanic(L *lua.LState, r any, stack []byte) *Error {
	e := &Error{Kind: KindPanic, GoStack: string(stack)}
	if s := panicText(r); s == "stack overflow" {
		e.Kind, e.GoStack = KindRun, ""
	}
	e.Message = strings.TrimPrefix(panicValue(L, r).String(), " ")
	e.Value = lua.LString(e.Message)
	e.locate(L, 0)
	e.Traceback = traceback(L, 0)
	return e
}

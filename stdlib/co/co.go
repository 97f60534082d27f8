// Package co is the Lua module "co": fibers.
package co

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Module declares co.
var Module = scripting.Module{
	Name: "co",
	Doc:  "Fibers: Lua code that may wait while its worker goes on.",
	Funcs: []scripting.Func{
		{
			Name:   "go",
			Params: []scripting.Param{{Name: "fn", Type: "function"}, {Name: "...", Type: "any"}},
			Doc:    "Run fn(...) as a fiber of its own: at once, until its first wait. Returns the fiber's id.",
			Fn:     start,
		},
		{
			Name:   "sleep",
			Params: []scripting.Param{{Name: "seconds", Type: "number"}},
			Doc:    "Wait; other fibers run meanwhile. 0 lets those that are ready go first.",
			Fn:     sleep,
		},
		{
			Name: "self",
			Doc:  "The id of the running fiber.",
			Fn:   self,
		},
	},
	Later: []string{"defer", "yield", "resume", "cancel", "join", "channel", "waitgroup", "lock", "batch", "parallel",
		"map", "select", "barrier", "list", "backtrace"},
}

func start(in *scripting.Instance, L *lua.LState) int {
	var args []lua.LValue
	for i := 2; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	id, err := in.Go(L, L.CheckFunction(1), args)
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

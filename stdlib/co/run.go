package co

import (
	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// run is what a script that runs alone has around its fibers, as in Swoole.
func run(in *scripting.Instance, L *lua.LState) int {
	failed, err := in.RunGroup(L, "co.run", L.CheckFunction(1), args(L, 2))
	if err != nil {
		return in.Fail(L, err)
	}
	if failed != nil {
		if failed.Uncatchable {
			vm.RaiseUncatchable(L, failed)
		}
		if failed.Value == nil {
			vm.RaiseValue(L, lua.LString(failed.Message))
		}
		vm.RaiseValue(L, failed.Value)
	}
	L.Push(lua.LTrue)
	return 1
}

package co

import (
	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

func list(in *scripting.Instance, L *lua.LState) int {
	in.MustRun(L, "co.list")
	ids := in.FiberIDs()
	t := L.CreateTable(len(ids), 0)
	for i, id := range ids {
		t.RawSetInt(i+1, lua.LNumber(id))
	}
	L.Push(t)
	return 1
}

func backtrace(in *scripting.Instance, L *lua.LState) int {
	in.MustRun(L, "co.backtrace")
	id := in.FiberID()
	if L.Get(1) != lua.LNil {
		id = idOf(L.Get(1))
	}
	text, err := in.FiberTrace(id, L)
	if err != nil {
		return in.Fail(L, err)
	}
	L.Push(lua.LString(text))
	return 1
}

func stats(in *scripting.Instance, L *lua.LState) int {
	in.MustRun(L, "co.stats")
	s := in.FiberStats()
	t := L.CreateTable(0, 4)
	t.RawSetString("waiting", lua.LNumber(s.Waiting))
	t.RawSetString("under_way", lua.LNumber(s.UnderWay))
	t.RawSetString("worker_waiting", lua.LNumber(s.Worker))
	t.RawSetString("max_coroutine", lua.LNumber(s.Max))
	L.Push(t)
	return 1
}

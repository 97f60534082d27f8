// Package timer is the Lua module "timer".
package timer

import (
	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

var id = []scripting.Param{{Name: "id", Type: "number"}}

// Module declares timer.
var Module = scripting.Module{
	Name: "timer",
	Doc:  "Timers of this worker. Times are milliseconds. A reload ends them, but carries those with a name over.",
	Funcs: []scripting.Func{
		{
			Name:    "tick",
			Params:  []scripting.Param{{Name: "ms", Type: "any"}, {Name: "callback", Type: "any"}, {Name: "...", Type: "any"}},
			Returns: "number",
			Doc: "Call callback(id, ...) every ms milliseconds, on a grid that does not drift, and never while an earlier call of it waits. " +
				"Or tick{ ms =, fn =, name =, overlap =, args = }: one with a name goes on after a reload that registers the name again; " +
				"with overlap = true a call may begin while an earlier one waits. Returns the id.",
			Fn: func(in *scripting.Instance, L *lua.LState) int { return in.AddTimer(L, "timer.tick", 1, true) },
		},
		{
			Name:    "after",
			Params:  []scripting.Param{{Name: "ms", Type: "any"}, {Name: "callback", Type: "any"}, {Name: "...", Type: "any"}},
			Returns: "number",
			Doc:     "Call callback(...) once, after ms milliseconds. Or after{ ms =, fn =, name =, args = }. Returns the id.",
			Fn:      func(in *scripting.Instance, L *lua.LState) int { return in.AddTimer(L, "timer.after", 1, false) },
		},
		{
			Name: "clear", Params: id, Returns: "boolean",
			Doc: "Stop a timer; false if there is none of that id.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LBool(in.ClearTimer(float64(L.CheckNumber(1)))))
				return 1
			},
		},
		{
			Name: "clearAll", Returns: "boolean",
			Doc: "Stop every timer of this worker.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				in.ClearTimers()
				L.Push(lua.LTrue)
				return 1
			},
		},
		{
			Name: "exists", Params: id, Returns: "boolean",
			Doc: "Whether there is a timer of that id.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				_, ok := in.Timer(L.CheckInt(1))
				L.Push(lua.LBool(ok))
				return 1
			},
		},
		{Name: "info", Params: id, Returns: "table?", Doc: "What is known of a timer, as a table; nil if there is none of that id.", Fn: info},
		{
			Name: "list", Returns: "table",
			Doc: "The ids of this worker's timers, oldest first.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				t := L.NewTable()
				for i, id := range in.TimerIDs() {
					t.RawSetInt(i+1, lua.LNumber(id))
				}
				L.Push(t)
				return 1
			},
		},
		{Name: "stats", Returns: "table", Doc: "How many timers there are (num) and how often timers ran (round).", Fn: stats},
	},
}

// info answers with Swoole's fields, and delay, missed, running and name.
func info(in *scripting.Instance, L *lua.LState) int {
	t, ok := in.Timer(L.CheckInt(1))
	if !ok {
		L.Push(lua.LNil)
		return 1
	}
	out := L.NewTable()
	out.RawSetString("exec_msec", lua.LNumber(t.Left))
	out.RawSetString("exec_count", lua.LNumber(t.Runs))
	out.RawSetString("interval", lua.LNumber(t.Period))
	out.RawSetString("round", lua.LNumber(t.Round))
	out.RawSetString("removed", lua.LFalse) // one that is removed has no info
	out.RawSetString("delay", lua.LNumber(t.Delay))
	out.RawSetString("missed", lua.LNumber(t.Missed))
	out.RawSetString("running", lua.LBool(t.Running))
	if t.Name != "" {
		out.RawSetString("name", lua.LString(t.Name))
	}
	L.Push(out)
	return 1
}

func stats(in *scripting.Instance, L *lua.LState) int {
	out := L.NewTable()
	out.RawSetString("initialized", lua.LTrue)
	out.RawSetString("num", lua.LNumber(len(in.TimerIDs())))
	out.RawSetString("round", lua.LNumber(in.TimersFired()))
	L.Push(out)
	return 1
}

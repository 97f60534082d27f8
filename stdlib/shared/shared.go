// Package shared is the Lua module "shared": what all workers have in common,
// found by name, kept over reloads.
package shared

import (
	"swoon/scripting"
	"swoon/stdlib/internal/meet"

	lua "github.com/yuin/gopher-lua"
)

var named = scripting.Param{Name: "name", Type: "string"}

// Module declares shared.
var Module = scripting.Module{
	Name: "shared",
	Doc: "Tables, atomics, locks and channels that all workers, task workers and the control VM have in common. " +
		"Each has a name: who asks for it first makes it, everybody else finds it. They keep what they hold when the script is reloaded, " +
		"and end with the process. Asking for one with another declaration is an error that names both places; " +
		"a new version of the script may change what can be changed without loss. " +
		"The top level of the script may ask for them, but not use them: it runs once in every VM.",
	Funcs: []scripting.Func{
		{
			Name: "table", Params: []scripting.Param{named, {Name: "options", Type: "table?"}}, Returns: "shared.table",
			Doc: "A map from strings and numbers to plain data. Options: columns ({name = \"int\"|\"float\"|\"string\"|{\"string\", bytes}}: " +
				"each value is a row of these), max_bytes (a number or \"64M\"; without it only memory_limit ends its growth), " +
				"ttl (seconds that what is stored lives, unless it is stored with another time), lru (when full, what was not used for longest goes).",
			Fn: newTable,
		},
		{
			Name: "atomic", Params: []scripting.Param{named, {Name: "value", Type: "number?"}, {Name: "bits", Type: "number?"}}, Returns: "shared.atomic",
			Doc: "A number that is changed in one step, value (0) when it is new. bits is 64 (signed, exact up to 2^53) or 32 (unsigned, sums wrap around).",
			Fn:  newAtomic,
		},
		{
			Name: "lock", Params: []scripting.Param{named, {Name: "kind", Type: "string?"}}, Returns: "shared.lock",
			Doc: "A lock: \"mutex\", or \"rw\" with many readers or one writer. It belongs to the fiber that took it; " +
				"when that ends without unlock, the lock is released, the log says so, and the next owner is told.",
			Fn: newLock,
		},
		{
			Name: "channel", Params: []scripting.Param{named, {Name: "capacity", Type: "number"}}, Returns: "shared.channel",
			Doc: "A queue of plain data between workers, with room for capacity values; with 0 a push waits until its value is taken. A pop that times out or is cancelled takes nothing with it.",
			Fn:  newChannel,
		},
	},
	Types: []*scripting.Type{tableType, watchType, atomicType, lockType, channelType},
}

var channelType = meet.ChannelType("shared.channel", "A queue of plain data between workers.", true)

var lockType = &scripting.Type{Name: "shared.lock", Doc: "A lock between workers.", Methods: meet.LockMethods("shared.lock")}

var atomicType = &scripting.Type{Name: "shared.atomic", Doc: "A number that is changed in one step.",
	Methods: meet.AtomicMethods("shared.atomic", true)}

func newAtomic(in *scripting.Instance, L *lua.LState) int {
	bits, value := 64.0, 0.0
	if v := L.Get(2); v != lua.LNil {
		value, _ = scripting.Number(v)
	}
	if v := L.Get(3); v != lua.LNil {
		bits, _ = scripting.Number(v)
	}
	name := checkName(L, "shared.atomic")
	L.Push(in.NewObject(atomicType, meet.FindAtomic(in, L, "shared.atomic", name, value, bits)))
	return 1
}

func newLock(in *scripting.Instance, L *lua.LState) int {
	kind := "mutex"
	if v, ok := L.Get(2).(lua.LString); ok {
		kind = string(v)
	}
	name := checkName(L, "shared.lock")
	L.Push(in.NewObject(lockType, meet.FindLock(in, L, "shared.lock", name, kind)))
	return 1
}

func newChannel(in *scripting.Instance, L *lua.LState) int {
	capacity, _ := scripting.Number(L.Get(2))
	name := checkName(L, "shared.channel")
	L.Push(in.NewObject(channelType, &meet.Chan{Channel: meet.FindChannel(in, L, "shared.channel", name, capacity), Plain: true}))
	return 1
}

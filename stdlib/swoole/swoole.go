// Package swoole is the Lua module "swoole": Swoole's constructor, constants
// and helpers, so that a PHP script can be carried over line by line.
package swoole

import (
	"net"
	"runtime"
	"slices"
	"syscall"

	"swoon/scripting"
	"swoon/stdlib/client"
	"swoon/stdlib/internal/table"

	lua "github.com/yuin/gopher-lua"
)

// Version is what swoole.version() answers; set by the program.
var Version = "dev"

// Module declares swoole.
var Module = scripting.Module{
	Name: "swoole",
	Doc:  "Swoole's constructor, constants and helpers.",
	Funcs: slices.Concat([]scripting.Func{
		{
			Name: "Server",
			Params: []scripting.Param{{Name: "host", Type: "string?"}, {Name: "port", Type: "number?"},
				{Name: "mode", Type: "any"}, {Name: "sock_type", Type: "any"}},
			Doc: "The server of this script, with an address and a mode.", Returns: "server",
			Fn: (*scripting.Instance).NewServer,
		},
		{Name: "version", Returns: "string", Doc: "Swoon's version.", Fn: func(_ *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LString(Version))
			return 1
		}},
		{Name: "cpu_num", Returns: "number", Doc: "How many processors there are.", Fn: func(_ *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LNumber(runtime.NumCPU()))
			return 1
		}},
		{Name: "get_local_ip", Returns: "table", Doc: "The IPv4 address of each interface but loopback, by name.", Fn: localIP},
		{
			Name: "strerror", Params: []scripting.Param{{Name: "errno", Type: "number"}},
			Returns: "string", Doc: "The system's text for an error number.",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LString(syscall.Errno(L.CheckInt(1)).Error()))
				return 1
			},
		},
		clientFunc, tableFunc, atomicFunc, atomicLongFunc, lockFunc,
	}, eventFuncs),
	Types: []*scripting.Type{client.SwooleType, tableType, atomicType, atomicLongType, lockType},
	Values: map[string]lua.LValue{
		"BASE": lua.LNumber(1), "PROCESS": lua.LNumber(2),
		"SERVER_COMMAND_MASTER": lua.LNumber(scripting.CommandMaster), "SERVER_COMMAND_MANAGER": lua.LNumber(scripting.CommandManager),
		"SERVER_COMMAND_REACTOR_THREAD": lua.LNumber(scripting.CommandReactorThread), "SERVER_COMMAND_EVENT_WORKER": lua.LNumber(scripting.CommandEventWorker),
		"SERVER_COMMAND_WORKER": lua.LNumber(scripting.CommandEventWorker), "SERVER_COMMAND_TASK_WORKER": lua.LNumber(scripting.CommandTaskWorker),
		"TYPE_INT": lua.LNumber(table.Int), "TYPE_FLOAT": lua.LNumber(table.Float), "TYPE_STRING": lua.LNumber(table.String),
		"MUTEX": lua.LNumber(mutex), "RWLOCK": lua.LNumber(rwlock), "SPINLOCK": lua.LNumber(spinlock),
		"LOCK_SH": lua.LNumber(lockSH), "LOCK_EX": lua.LNumber(lockEX), "LOCK_NB": lua.LNumber(lockNB),
		"SOCK_TCP": lua.LNumber(scripting.SockTCP), "SOCK_UDP": lua.LNumber(scripting.SockUDP),
		"SOCK_TCP6": lua.LNumber(scripting.SockTCP6), "SOCK_UDP6": lua.LNumber(scripting.SockUDP6),
		"SOCK_UNIX_STREAM": lua.LNumber(scripting.SockUnixStream), "SOCK_UNIX_DGRAM": lua.LNumber(scripting.SockUnixDgram),
		"SOCK_SYNC": lua.LNumber(sockSync), "SOCK_ASYNC": lua.LNumber(sockAsync), "SYNC": lua.LNumber(flagSync), "ASYNC": lua.LNumber(flagAsync), "KEEP": lua.LNumber(flagKeep),
		"EVENT_READ": lua.LNumber(eventRead), "EVENT_WRITE": lua.LNumber(eventWrite),
		"MSG_OOB": lua.LNumber(client.MsgOOB), "MSG_PEEK": lua.LNumber(client.MsgPeek), "MSG_DONTWAIT": lua.LNumber(client.MsgDontWait), "MSG_WAITALL": lua.LNumber(client.MsgWaitAll),
	},
	Later: []string{"THREAD", "SSL", "Timer"},
}

func localIP(_ *scripting.Instance, L *lua.LState) int {
	t := L.NewTable()
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
				t.RawSetString(i.Name, lua.LString(ip.IP.String()))
				break
			}
		}
	}
	L.Push(t)
	return 1
}

package swoole

import (
	"math"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/client"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

// Flags that may be added to a type of client, with Swoole's numbers.
const (
	flagSSL   = 1 << 9
	flagAsync = 1 << 10
	flagSync  = 1 << 11
	flagKeep  = 1 << 12
)

// What swoole.Client's second argument may be.
const (
	sockSync  = 0
	sockAsync = 1
)

var clientFunc = scripting.Func{
	Name:    "Client",
	Params:  []scripting.Param{{Name: "type", Type: "number"}, {Name: "async", Type: "any"}, {Name: "id", Type: "string?"}},
	Returns: "swoole.Client",
	Doc: "A client: SOCK_TCP, SOCK_TCP6, SOCK_UDP, SOCK_UDP6, SOCK_UNIX_STREAM or SOCK_UNIX_DGRAM. SOCK_ASYNC as async makes it one with callbacks, which must all be given. " +
		"SOCK_TCP + KEEP stays open at close for the next connect to the same address, or of the same id, in any worker; one that was not used for a minute, or whose peer has left, is closed. " +
		"The time-out of connect, 0.5 seconds, is that of recv and send too. The module client says more.",
	Fn: newClient,
}

func newClient(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.Client"
	f, _ := scripting.Number(L.Get(1))
	flags := int(f)
	kind := socket.Kind(flags & 0xff)
	if flags &^= 0xff; f != math.Trunc(f) || kind < socket.TCP || kind > socket.UnixDgram || flags&^(flagSSL|flagAsync|flagSync|flagKeep) != 0 {
		vm.Raise(L, "bad argument #1 'type' to '%s' (SOCK_TCP and the like, and KEEP added to it, expected, got %v)", what, lua.LNumber(f))
	}
	if flags&flagSSL != 0 {
		vm.Raise(L, "%s: SSL is not in this version", what)
	}
	async := flags&flagAsync != 0
	switch v := L.Get(2).(type) {
	case *lua.LNilType:
	case lua.LBool:
		async = async || bool(v)
	default:
		n, ok := scripting.Number(v)
		if !ok || n != sockSync && n != sockAsync {
			vm.Raise(L, "bad argument #2 'async' to '%s' (SOCK_SYNC or SOCK_ASYNC expected, got %s)", what, v.String())
		}
		async = async || n == sockAsync
	}
	keep := flags&flagKeep != 0
	if keep && (async || kind.Packets()) {
		vm.Raise(L, "%s: KEEP is for streams without callbacks", what)
	}
	id := ""
	if s, ok := L.Get(3).(lua.LString); ok {
		id = string(s)
	}
	L.Push(client.Swoole(in, kind, async, keep, id))
	return 1
}

package swoole

import (
	"fmt"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/meet"

	lua "github.com/yuin/gopher-lua"
)

// Swoole's tables, atomics and locks have no names: a process makes them before
// it forks. Here each VM makes them at its top level, and they are the same when
// the script assigns them to the same variable; the n-th of several that have
// the same, or none, is the same as the n-th.

// nameless counts what a VM has made, by kind and variable.
type nameless struct{}

func shareName(in *scripting.Instance, L *lua.LState, kind string) string {
	if !in.Loading() {
		vm.Raise(L, "swoole.%s is for the top level of the script, where all workers get the same one: elsewhere use shared.%s(name)",
			kind, map[string]string{"Table": "table", "Atomic": "atomic", "AtomicLong": "atomic", "Lock": "lock"}[kind])
	}
	name := assigned(in.SourceLine(L))
	seen := scripting.Own(in, nameless{}, func() map[string]int { return map[string]int{} })
	seen[kind+" "+name]++
	if n := seen[kind+" "+name]; n > 1 || name == "" {
		name = fmt.Sprintf("%s#%d", name, n)
	}
	return name
}

// assigned is what a line of source assigns to: "hits" of "local hits = ...".
func assigned(line string) string {
	left, right, ok := strings.Cut(line, "=")
	if !ok || strings.HasPrefix(right, "=") || strings.ContainsAny(left, "({\"'<>~") {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(left), "local "))
}

var atomicType = &scripting.Type{Name: "swoole.Atomic", Doc: "An unsigned number of 32 bits that is changed in one step.",
	Methods: meet.AtomicMethods("swoole.Atomic", true)}

var atomicLongType = &scripting.Type{Name: "swoole.AtomicLong", Doc: "A signed number of 64 bits, exact up to 2^53, that is changed in one step.",
	Methods: meet.AtomicMethods("swoole.AtomicLong", false)}

var first = []scripting.Param{{Name: "value", Type: "number?"}}

var atomicFunc = scripting.Func{Name: "Atomic", Params: first, Returns: "swoole.Atomic",
	Doc: "A number that all workers share, unsigned with 32 bits: sums wrap around. At the top level only.",
	Fn: func(in *scripting.Instance, L *lua.LState) int {
		L.Push(in.NewObject(atomicType, newAtomic(in, L, "Atomic", 32)))
		return 1
	}}

var atomicLongFunc = scripting.Func{Name: "AtomicLong", Params: first, Returns: "swoole.AtomicLong",
	Doc: "Swoole\\Atomic\\Long: a number that all workers share, signed, exact up to 2^53. At the top level only.",
	Fn: func(in *scripting.Instance, L *lua.LState) int {
		L.Push(in.NewObject(atomicLongType, newAtomic(in, L, "AtomicLong", 64)))
		return 1
	}}

func newAtomic(in *scripting.Instance, L *lua.LState, kind string, bits float64) *meet.Atomic {
	value, _ := scripting.Number(L.Get(1))
	return meet.FindAtomic(in, L, "swoole."+kind, shareName(in, L, kind), value, bits)
}

// The kinds of locks and the operations, with Swoole's and PHP's numbers.
const (
	rwlock   = 1
	mutex    = 3
	spinlock = 5

	lockSH = 1
	lockEX = 2
	lockNB = 4
)

var lockFunc = scripting.Func{Name: "Lock", Params: []scripting.Param{{Name: "type", Type: "number?"}}, Returns: "swoole.Lock",
	Doc: "A lock that all workers share: MUTEX, RWLOCK or SPINLOCK, which is a MUTEX here: a fiber that waits lets others run. At the top level only.",
	Fn: func(in *scripting.Instance, L *lua.LState) int {
		kind := "mutex"
		if v := L.Get(1); v != lua.LNil {
			switch n, _ := scripting.Number(v); n {
			case mutex, spinlock:
			case rwlock:
				kind = "rw"
			default:
				vm.Raise(L, "bad argument #1 'type' to 'swoole.Lock' (MUTEX, RWLOCK or SPINLOCK expected, got %v; Swoole has dropped FILELOCK and SEM)", v)
			}
		}
		L.Push(in.NewObject(lockType, meet.FindLock(in, L, "swoole.Lock", shareName(in, L, "Lock"), kind)))
		return 1
	}}

var lockType = &scripting.Type{Name: "swoole.Lock", Doc: "A lock that all workers share.", Methods: lockMethods()}

// lockMethods are those of shared.lock, with Swoole's lock(operation, timeout)
// and lockwait(timeout).
func lockMethods() []scripting.Func {
	out := meet.LockMethods("swoole.Lock")
	for i := range out {
		if out[i].Name != "lock" {
			continue
		}
		out[i].Params = []scripting.Param{{Name: "operation", Type: "number?"}, {Name: "timeout", Type: "number?"}}
		out[i].Doc = "Take the lock: LOCK_EX for writing (as without an operation), LOCK_SH for reading, each plus LOCK_NB to take it only if that needs no wait. " +
			"Waits up to timeout seconds (below 0: without limit). The second result is \"owner_died\" when the fiber that had it before ended without unlock."
		out[i].Fn = lock
	}
	return append(out, scripting.Func{
		Name: "lockwait", Params: []scripting.Param{{Name: "timeout", Type: "number?"}}, Returns: "boolean, string?, string?",
		Doc: "Take the lock for writing; waits up to timeout seconds (1).",
		Fn: func(in *scripting.Instance, L *lua.LState) int {
			const what = "swoole.Lock:lockwait"
			if L.Get(2) == lua.LNil {
				L.SetTop(1)
				L.Push(lua.LNumber(1))
			}
			return meet.Acquire(in, L, what, scripting.Self[*meet.Lock](L), false, scripting.Timeout(L, 2, what))
		},
	})
}

func lock(in *scripting.Instance, L *lua.LState) int {
	const what = "swoole.Lock:lock"
	op := lockEX
	if v := L.Get(2); v != lua.LNil {
		n, _ := scripting.Number(v)
		op = int(n)
	}
	timeout := scripting.Timeout(L, 3, what)
	if op&lockNB != 0 {
		timeout = 1
		op &^= lockNB
	}
	if op != lockEX && op != lockSH {
		vm.Raise(L, "bad argument #1 'operation' to '%s' (LOCK_EX or LOCK_SH expected, with or without LOCK_NB, got %v)", what, L.Get(2))
	}
	return meet.Acquire(in, L, what, scripting.Self[*meet.Lock](L), op == lockSH, timeout)
}

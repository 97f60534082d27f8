// Package vm is a Lua VM as Swoon runs it: its state, pooled threads, protected
// calls, a repaired base library, and fences against scripts that would take
// the process down.
//
// A VM belongs to one loop. Everything exported here is called by the holder of
// that loop's baton, except Compile and Loader, which any goroutine may use.
// Several calls may be in flight on one VM, each on a goroutine of its own and
// only one of them running; therefore nothing here counts calls per VM, all
// bookkeeping is per chain of threads. The package starts no goroutines.
//
// Reading order: vm.go (a VM), thread.go (a call), raise.go and error.go (how
// it fails), fault.go and variable.go (in which words), traceback.go (where),
// protect.go (pcall), coroutine.go, compile.go, scope.go and loader.go (from
// text to code), then the libraries.
package vm

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// Host is what a VM needs from whoever runs it. All methods are called by the
// baton holder.
type Host interface {
	// Block runs f off the loop while the fiber of L waits. f must touch Go
	// values only. Where waiting is not possible Block may run f at once. The
	// error (a cancelled wait) is raised into Lua by the caller.
	Block(L *lua.LState, what string, f func(ctx context.Context)) error
	// Print writes one whole line, given without its newline.
	Print(line string)
	// Exit asks for a graceful shutdown; os.exit then ends its own fiber.
	Exit(code int)
	// Interrupt is called from inside Lua whenever the interrupt word is set.
	// It may raise (RaiseUncatchable) or return, and Lua goes on.
	Interrupt(L *lua.LState)
	// Declaring reports whether the script's top level is running.
	Declaring() bool
}

// Limits of every VM. They keep a script inside the process's means.
const (
	// MaxFrames is how many Lua and Go calls one chain of threads may nest.
	MaxFrames = 3900
	// MaxNesting is how many pcalls and coroutines one chain may nest.
	MaxNesting = 190
	// DefaultMaxString caps one string built by .., rep, concat and the like.
	DefaultMaxString = 256 << 20
	// maxPool is how many idle threads of a kind a VM keeps.
	maxPool = 64
	// callStack is the real size of a thread's call stack. What lies between
	// MaxFrames and this is room for error handlers.
	callStack = inside.MostFrames
	// handlerRoom is how many frames an xpcall handler gets above the limit.
	handlerRoom = 100
	// maxSlots is the largest value stack of a thread.
	maxSlots = 1 << 18
	// keepSlots is the largest value stack worth keeping in the pool.
	keepSlots = 8192
)

// Options make a VM.
type Options struct {
	Host Host
	// Interrupt is the loop's interrupt word, shared by all VMs of the loop.
	// Loops and calls of Lua look at it; non-zero leads to Host.Interrupt.
	Interrupt *atomic.Uint32
	// Dir is the directory of the main script; require looks below it and
	// nowhere else.
	Dir string
	// Script is the path of the main script; it becomes arg[0].
	Script string
	// Args are the script's arguments, arg[1] and on.
	Args []string
	// MaxString caps one string; zero means DefaultMaxString.
	MaxString int
	// Loader shares compiled code among the VMs of a generation. Nil makes a
	// private one for Dir.
	Loader *Loader
}

// VM is one Lua state with its threads.
type VM struct {
	opt     Options
	host    Host
	L       *lua.LState
	global  inside.Global
	loader  *Loader
	preload *lua.LTable
	loaded  *lua.LTable
	loading map[string]*loadWait
	runners []*Thread
	guards  []*Thread
	spare   []*lua.LState // threads of finished coroutines
	threads *inside.Threads
	dead    [8]deadCoroutine
	deadAt  int
	out     []byte
	random  *rand.Rand
	closed  bool

	fileMeta *lua.LTable
	stdout   *lua.LUserData
	yield    *lua.LFunction // coroutine.yield
}

// New makes a VM with its libraries opened and nothing run.
func New(o Options) *VM {
	if o.Interrupt == nil {
		o.Interrupt = new(atomic.Uint32)
	}
	if o.MaxString <= 0 {
		o.MaxString = DefaultMaxString
	}
	if o.Dir == "" {
		o.Dir = filepath.Dir(o.Script)
	}
	if o.Loader == nil {
		o.Loader = NewLoader(o.Dir)
	}
	v := &VM{opt: o, host: o.Host, loader: o.Loader, loading: map[string]*loadWait{}}
	v.L = lua.NewState(lua.Options{
		SkipOpenLibs:     true,
		RegistrySize:     1024,
		RegistryMaxSize:  maxSlots,
		RegistryGrowStep: 4096,
		CallStackSize:    256,
	})
	v.global.Interrupt = o.Interrupt
	v.global.OnInterrupt = func(L *lua.LState) {
		if v.host != nil {
			v.host.Interrupt(L)
		}
	}
	v.global.MaxString = o.MaxString
	v.global.Owner = v
	inside.Attach(v.L, &v.global)
	v.openLibs()
	// From here on v.L only makes other threads; it runs nothing.
	v.L.Options = lua.Options{
		RegistrySize:        inside.FirstSlots,
		RegistryMaxSize:     maxSlots,
		RegistryGrowStep:    4096,
		CallStackSize:       inside.FirstFrames,
		MinimizeStackMemory: true,
	}
	v.threads = inside.NewThreads(v.L)
	return v
}

// Close frees the VM. No call may be in flight.
func (v *VM) Close() {
	if v.closed {
		return
	}
	v.closed = true
	v.FlushOutput()
	v.runners, v.guards, v.spare = nil, nil, nil
	v.dead = [len(v.dead)]deadCoroutine{}
	v.L.Close()
}

// State is the main state: for making tables and functions, not for calls.
func (v *VM) State() *lua.LState { return v.L }

// Loader is where this VM gets its code from.
func (v *VM) Loader() *Loader { return v.loader }

// Of returns the VM that L belongs to, nil for a state of another kind.
func Of(L *lua.LState) *VM {
	if L == nil || L.G == nil {
		return nil
	}
	if !inside.Ours(L) {
		return nil
	}
	v, _ := inside.Of(L).Owner.(*VM)
	return v
}

// SetGlobal sets a global variable of the script.
func (v *VM) SetGlobal(name string, value lua.LValue) {
	v.L.G.Global.RawSetString(name, value)
}

// GetGlobal reads a global variable without metamethods.
func (v *VM) GetGlobal(name string) lua.LValue { return v.L.G.Global.RawGetString(name) }

// Function makes a Lua function of fn for tables that Go code builds.
func (v *VM) Function(fn lua.LGFunction) *lua.LFunction { return v.L.NewFunction(fn) }

// Preload registers a module for require.
func (v *VM) Preload(name string, loader lua.LGFunction) {
	v.preload.RawSetString(name, v.L.NewFunction(loader))
}

// Check lets a long loop of a Go library function be stopped. Call it every
// few thousand steps.
func Check(L *lua.LState) { inside.Check(L) }

// Mark is what Suspend saves.
type Mark struct {
	g   *lua.Global
	cur *lua.LState
}

// Suspend is called before the baton leaves a fiber, Restore after it came back.
func (v *VM) Suspend(L *lua.LState) Mark { return Mark{L.G, L.G.CurrentThread} }

// Restore makes the fiber's thread the current one again.
func (v *VM) Restore(m Mark) { m.g.CurrentThread = m.cur }

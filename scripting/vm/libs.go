package vm

import (
	"math"
	"math/rand/v2"
	"runtime/metrics"

	lua "github.com/yuin/gopher-lua"
)

// openLibs builds the globals a script sees: gopher-lua's base, table, string
// and math libraries with their dangerous or wrong parts replaced, and our own
// for the rest.
func (v *VM) openLibs() {
	L := v.L
	v.openPackage()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	g := L.G.Global
	for _, name := range []string{"_printregs", "newproxy", "module", "_GOPHER_LUA_VERSION"} {
		g.RawSetString(name, lua.LNil)
	}
	for name, fn := range map[string]lua.LGFunction{
		"assert": baseAssert, "error": baseError, "pcall": basePCall, "xpcall": baseXPCall,
		"collectgarbage": baseCollectGarbage,
	} {
		g.RawSetString(name, L.NewFunction(fn))
	}
	v.openCoroutine()
	loaded := v.loaded
	loaded.RawSetString("_G", g)
	for _, name := range []string{"table", "string", "math", "coroutine"} {
		loaded.RawSetString(name, g.RawGetString(name))
	}
	v.openString()
	v.openNumber()
	v.openTable()
	v.openPrint()
	v.openLoad()
	v.openOs()
	v.openIo()
	v.openDebug()
	v.openRequire()
	v.openMath()
	v.openArg()
}

func (v *VM) register(name string, fns map[string]lua.LGFunction) *lua.LTable {
	t := v.L.CreateTable(0, len(fns))
	for k, fn := range fns {
		t.RawSetString(k, v.L.NewFunction(fn))
	}
	v.L.G.Global.RawSetString(name, t)
	if v.loaded != nil {
		v.loaded.RawSetString(name, t)
	}
	return t
}

func (v *VM) openArg() {
	arg := v.L.CreateTable(len(v.opt.Args), 1)
	arg.RawSetInt(0, lua.LString(v.opt.Script))
	for i, a := range v.opt.Args {
		arg.RawSetInt(i+1, lua.LString(a))
	}
	v.SetGlobal("arg", arg)
}

// openMath repairs math.huge and gives the VM a random source of its own.
func (v *VM) openMath() {
	m := v.L.G.Global.RawGetString("math").(*lua.LTable)
	m.RawSetString("huge", lua.LNumber(math.Inf(1)))
	v.random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	m.RawSetString("randomseed", v.L.NewFunction(func(L *lua.LState) int {
		seed := math.Float64bits(float64(L.CheckNumber(1)))
		v.random = rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
		return 0
	}))
	m.RawSetString("random", v.L.NewFunction(func(L *lua.LState) int {
		lo, hi := 1.0, 0.0
		switch L.GetTop() {
		case 0:
			L.Push(lua.LNumber(v.random.Float64()))
			return 1
		case 1:
			if hi = math.Floor(float64(L.CheckNumber(1))); !(hi >= 1) {
				argError(L, 1, "interval is empty")
			}
		case 2:
			lo, hi = math.Floor(float64(L.CheckNumber(1))), math.Floor(float64(L.CheckNumber(2)))
			if !(lo <= hi) {
				argError(L, 2, "interval is empty")
			}
		default:
			Raise(L, "wrong number of arguments")
		}
		L.Push(lua.LNumber(math.Min(math.Floor(v.random.Float64()*(hi-lo+1))+lo, hi)))
		return 1
	}))
}

// baseCollectGarbage answers "count" with the kilobytes in use by the whole
// process. All other options are accepted and do nothing: one script must not
// stop all loops for a collection.
func baseCollectGarbage(L *lua.LState) int {
	opt := "collect"
	if L.Get(1) != lua.LNil {
		opt = L.CheckString(1)
	}
	switch opt {
	case "count":
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		L.Push(lua.LNumber(float64(s[0].Value.Uint64()) / 1024))
	case "collect", "stop", "restart", "step", "setpause", "setstepmul":
		L.Push(lua.LNumber(0))
	default:
		argError(L, 1, "invalid option '"+opt+"'")
	}
	return 1
}

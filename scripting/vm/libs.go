package vm

import (
	lua "github.com/yuin/gopher-lua"
)

// openLibs builds the globals a script sees: gopher-lua's base, string
// and math libraries with their dangerous or wrong parts replaced, and our own
// for the rest.
func (v *VM) openLibs() {
	L := v.L
	v.openPackage()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenString} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	g := L.G.Global
	for _, name := range []string{"_printregs", "newproxy", "module", "_GOPHER_LUA_VERSION"} {
		g.RawSetString(name, lua.LNil)
	}
	v.openBase()
	v.openCoroutine()
	loaded := v.loaded
	loaded.RawSetString("_G", g)
	for _, name := range []string{"string", "coroutine"} {
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
	v.openBit32()
	v.openUtf8()
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

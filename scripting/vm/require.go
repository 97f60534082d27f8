package vm

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// loadWait marks a module whose file is running. Other fibers of the VM that
// require it meanwhile wait for it, so it runs once.
type loadWait struct {
	by    *lua.LState // the thread that runs it
	waits string      // the module that thread itself waits for, if any
	done  chan struct{}
}

func (v *VM) openPackage() {
	L := v.L
	v.loaded, v.preload = L.CreateTable(0, 16), L.CreateTable(0, 16)
	// RegisterModule of gopher-lua looks for this name.
	L.G.Registry.RawSetString("_LOADED", v.loaded)
	pkg := v.register("package", nil)
	pkg.RawSetString("loaded", v.loaded)
	pkg.RawSetString("preload", v.preload)
	pkg.RawSetString("path", lua.LString(filepath.Join(v.opt.Dir, "?.lua")+";"+filepath.Join(v.opt.Dir, "?", "init.lua")))
	pkg.RawSetString("config", lua.LString("/\n;\n?\n!\n-\n"))
}

func (v *VM) openRequire() {
	v.SetGlobal("require", v.Function(v.require))
}

// require finds a module by name: what was loaded, what was preloaded, then
// files below the script's directory. package.path says where, changing it
// changes nothing: what a script may load is what hot reload watches.
func (v *VM) require(L *lua.LState) int {
	name := L.CheckString(1)
	for v.loading[name] != nil {
		v.awaitLoad(L, name)
	}
	if lv := v.loaded.RawGetString(name); lua.LVAsBool(lv) {
		L.Push(lv)
		return 1
	}
	w := &loadWait{by: L, done: make(chan struct{})}
	v.loading[name] = w
	defer func() {
		delete(v.loading, name)
		close(w.done)
	}()
	L.Push(v.findModule(L, name))
	L.Push(lua.LString(name))
	L.Call(1, 1)
	lv := L.Get(-1)
	if lv != lua.LNil {
		v.loaded.RawSetString(name, lv)
	} else if lv = v.loaded.RawGetString(name); lv == lua.LNil {
		lv = lua.LTrue
		v.loaded.RawSetString(name, lv)
	}
	L.Push(lv)
	return 1
}

// awaitLoad lets the fiber wait until another one has loaded the module. A
// circle, in this fiber or through several that wait for each other, would
// never end and is an error.
func (v *VM) awaitLoad(L *lua.LState, name string) {
	for w, at := v.loading[name], name; w != nil; w = v.loading[at] {
		if inChain(L, w.by) {
			Raise(L, "loop while loading module '%s': it requires itself, directly or through another module", name)
		}
		if at = w.waits; at == "" {
			break
		}
	}
	w := v.loading[name]
	for _, mine := range v.loading {
		if inChain(L, mine.by) {
			mine.waits = name
		}
	}
	err := v.block(L, "require "+name, func(ctx context.Context) {
		select {
		case <-w.done:
		case <-ctx.Done():
		}
	})
	for _, mine := range v.loading {
		if inChain(L, mine.by) {
			mine.waits = ""
		}
	}
	if err != nil {
		Raise(L, "%s", err.Error())
	}
}

func (v *VM) findModule(L *lua.LState, name string) lua.LValue {
	if fn := v.preload.RawGetString(name); fn != lua.LNil {
		return fn
	}
	tried := "\n\tno field package.preload['" + name + "']"
	rel := filepath.FromSlash(strings.ReplaceAll(name, ".", "/"))
	if name == "" || strings.ContainsAny(name, "\x00/\\") || strings.Contains(name, "..") {
		Raise(L, "module '%s' not found: a module name has no slashes and no empty parts", name)
	}
	for _, path := range []string{rel + ".lua", filepath.Join(rel, "init.lua")} {
		full := filepath.Join(v.opt.Dir, path)
		var chunk *Chunk
		var fail *Error
		var missing bool
		if err := v.block(L, "require "+name, func(context.Context) {
			if _, err := os.Stat(full); err != nil {
				v.loader.Missed(full) // creating it later must count as a change
				missing = true
				return
			}
			chunk, fail = v.loader.Load(full)
		}); err != nil {
			Raise(L, "%s", err.Error())
		}
		if missing {
			tried += "\n\tno file '" + full + "'"
			continue
		}
		if fail != nil {
			Raise(L, "error loading module '%s' from file '%s':\n\t%s", name, full, fail.Message)
		}
		return chunk.Function(v)
	}
	Raise(L, "module '%s' not found:%s", name, tried)
	return nil
}

// block runs f through the host, or at once where there is none.
func (v *VM) block(L *lua.LState, what string, f func(ctx context.Context)) error {
	if v.host == nil {
		f(context.Background())
		return nil
	}
	return v.host.Block(L, what, f)
}

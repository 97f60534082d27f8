package scripting

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// makeStrict makes writing an undefined global inside a function an error. The
// main chunk of a file may define what it likes.
func (in *Instance) makeStrict() {
	L := in.vm.State()
	g := L.G.Global
	if g.Metatable != lua.LNil {
		return
	}
	meta := L.NewTable()
	meta.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		t, key := L.CheckTable(1), L.Get(2)
		if dbg, ok := L.GetStack(1); ok {
			if _, err := L.GetInfo("S", dbg, lua.LNil); err == nil && dbg.LineDefined > 0 {
				vm.Raise(L, "assignment to undefined global '%s' (strict = true): write local, or define it at the top level of the file", key)
			}
		}
		L.RawSet(t, key, L.Get(3))
		return 0
	}))
	g.Metatable = meta
}

// Undefined lists the reads and writes of globals that nothing defines, as
// "app.lua:3: ...", in the files that the script has loaded. A global is
// defined by the base library, by a file's main chunk, or by having a value now.
func (h *Host) Undefined() []string {
	g := h.gen.Load()
	uses := g.loader.Globals()
	defined := map[string]bool{}
	g.control.vm.State().G.Global.ForEach(func(k, _ lua.LValue) {
		if name, ok := k.(lua.LString); ok {
			defined[string(name)] = true
		}
	})
	for _, u := range uses {
		if u.Write && !u.Inside {
			defined[u.Name] = true
		}
	}
	for e := range numEvents {
		defined[e.String()] = true
	}
	names := make([]string, 0, len(defined))
	for name := range defined {
		names = append(names, name)
	}
	sort.Strings(names)
	var found []string
	for _, u := range uses {
		switch {
		case defined[u.Name]:
		case u.Write:
			found = append(found, fmt.Sprintf("%s:%d: assignment to undefined global '%s' inside a function (write local, or define it at the top level)", u.File, u.Line, u.Name))
		default:
			found = append(found, fmt.Sprintf("%s:%d: undefined global '%s'%s", u.File, u.Line, u.Name, didYouMean(u.Name, names)))
		}
	}
	return found
}

// defaultMemoryLimit is three quarters of what the process may have: of its
// cgroup's limit, or of the machine's memory.
func defaultMemoryLimit() int {
	limit := uint64(0)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
				kb, _ := strconv.ParseUint(f[1], 10, 64)
				limit = kb << 10
			}
		}
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(path); err == nil {
			if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
		}
	}
	return int(limit / 4 * 3)
}

package vm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// baton plays the loop: whoever holds it may touch the VM.
type baton struct{ sync.Mutex }

const stormScript = `
local total = 0
local function count() total = total + 1 end
local kinds = {}
function kinds.plain(id) wait() return id end
function kinds.pcall(id) local ok, x = pcall(function(a) local b = a wait() b = b + 1 wait() return b - 1 end, id) assert(ok, x) return x end
function kinds.pcall_error(id) local mine = id local function get() return mine end
  local ok, e = pcall(function() wait() mine = mine + 1 error({id = id}) end) assert(not ok and e.id == id) wait() return get() - 1 end
function kinds.xpcall(id) local ok, e = xpcall(function() wait() error(tostring(id), 0) end, function(m) wait() assert(debug.traceback("t"):find("pcall")) return m .. "!" end) assert(e == id .. "!", e) return id end
function kinds.sort(id) local t = {5, 2, 8, 1, id} table.sort(t, function(a, b) wait() return a < b end) for i = 2, #t do assert(t[i - 1] <= t[i]) end return id end
function kinds.iterator(id) local s = 0 for i in function(_, c) wait() c = (c or 0) + 1 if c <= 3 then return c end end do s = s + i end assert(s == 6) return id end
function kinds.index(id) local t = setmetatable({}, {__index = function(_, k) wait() return k * 2 end, __add = function(a, b) wait() return id end}) assert(t[id] == id * 2) return t + t end
function kinds.wrap(id) local co = coroutine.wrap(function(a) local me = coroutine.running() wait() assert(coroutine.running() == me) local b = coroutine.yield(a + 1) wait() pcall(function() wait() assert(coroutine.running() == me) end) return b end)
  assert(coroutine.running() == nil) assert(co(id) == id + 1) wait() assert(coroutine.running() == nil) return co(id) end
function kinds.resume_error(id) local co = coroutine.create(function() wait() error("e" .. id, 0) end) local ok, e = coroutine.resume(co) assert(not ok and e == "e" .. id) assert(coroutine.status(co) == "dead") return id end
function kinds.gsub(id) local s = ("abc"):gsub(".", function(c) wait() return c:upper() end) assert(s == "ABC") return id end
function kinds.nested(id) return select(2, pcall(function() return coroutine.wrap(function() return select(2, pcall(function() wait() return coroutine.wrap(function() wait() return id end)() end)) end)() end)) end
function kinds.tostring(id) assert(tostring(setmetatable({}, {__tostring = function() wait() return "s" .. id end})) == "s" .. id) return id end
function kinds.load(id) local n = 0 local f = assert(load(function() wait() n = n + 1 return ({"return ", tostring(id)})[n] end)) return f() end
function kinds.deep(id) local function f(n) if n == 0 then wait() return 0 end return 1 + f(n - 1) end assert(f(200) == 200) return id end
function kinds.overflow(id) local function f() wait(0) return 1 + f() end local ok, e = pcall(f) assert(not ok and e:find("stack overflow"), e) return id end
function kinds.require(id) assert(require("slow") == "slow module") return id end
function kinds.panic(id) local v = id local ok, e = pcall(function() v = v + 1 wait() crash() end) assert(not ok and e:find("nil map"), e) return v - 1 end
function kinds.shared(id)
  if not shared_co or coroutine.status(shared_co) == "dead" then shared_co = coroutine.create(function() for i = 1, 10 do wait() coroutine.yield("ok") end end) end
  local ok, e = coroutine.resume(shared_co)
  assert(ok or e == "cannot resume non-suspended coroutine" or e == "cannot resume dead coroutine", e) return id end
function kinds.fail(id) wait() error("fail " .. id, 0) end
function kinds.kill(id) pcall(function() coroutine.wrap(function() wait() xpcall(function() kill() end, print) end)() end) return "survived" end
local names = {} for k in pairs(kinds) do names[#names + 1] = k end table.sort(names)
return function(id) count() local name = names[id % #names + 1] return name, kinds[name](id) end, function() return total end
`

func TestStorm(t *testing.T) {
	var b baton
	var waiting, most atomic.Int64
	h := &testHost{}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slow.lua"), []byte(`loads = (loads or 0) + 1 wait() wait() return "slow module"`), 0o666); err != nil {
		t.Fatal(err)
	}
	var v *VM
	pause := func(L *lua.LState, d time.Duration) {
		m := v.Suspend(L)
		b.Unlock()
		if n := waiting.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(d)
		waiting.Add(-1)
		b.Lock()
		v.Restore(m)
	}
	h.block = func(L *lua.LState, what string, f func(ctx context.Context)) error {
		m := v.Suspend(L)
		b.Unlock()
		f(context.Background())
		b.Lock()
		v.Restore(m)
		return nil
	}
	v = New(Options{Host: h, Dir: dir})
	defer v.Close()
	v.SetGlobal("wait", v.Function(func(L *lua.LState) int {
		if L.GetTop() == 0 && rand.IntN(3) > 0 {
			pause(L, time.Duration(rand.IntN(500))*time.Microsecond)
		}
		return 0
	}))
	v.SetGlobal("crash", v.Function(func(L *lua.LState) int {
		pause(L, time.Microsecond)
		var m map[string]int
		m["x"] = 1
		return 0
	}))
	v.SetGlobal("kill", v.Function(func(L *lua.LState) int {
		RaiseUncatchable(L, &Error{Message: "killed"})
		return 0
	}))
	c, cerr := Compile("", "@storm.lua", []byte(stormScript))
	if cerr != nil {
		t.Fatal(cerr.Full())
	}
	fns, err := v.Call(c.Function(v), 2)
	if err != nil {
		t.Fatal(err.Full())
	}
	call := fns[0].(*lua.LFunction)
	const workers, each = 40, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				id := w*each + i
				b.Lock()
				th := v.Begin(call)
				th.Push(lua.LNumber(id))
				err := th.Run(2)
				name, got := "", lua.LValue(nil)
				if err == nil {
					name, got = th.Get(1).String(), th.Get(2)
				}
				v.End(th)
				b.Unlock()
				switch {
				case err != nil && (err.Message == fmt.Sprintf("fail %d", id) && !err.Uncatchable || err.Message == "killed" && err.Uncatchable):
				case err != nil:
					t.Error(id, err.Full())
				case name == "fail" || name == "kill":
					t.Error(name, "did not fail")
				case got != lua.LNumber(id):
					t.Error(name, id, got)
				}
			}
		})
	}
	wg.Wait()
	out, err := v.Call(fns[1].(*lua.LFunction), 1)
	if err != nil || out[0] != lua.LNumber(workers*each) {
		t.Error("calls counted:", out, err)
	}
	if v.GetGlobal("loads") != lua.LNumber(1) {
		t.Error("the module was loaded", v.GetGlobal("loads"), "times")
	}
	if most.Load() < 5 {
		t.Error("only", most.Load(), "calls waited at once")
	}
	if len(v.runners) > maxPool || len(v.guards) > maxPool || strings.Contains(h.out.String(), "x") {
		t.Error("pools grew", len(v.runners), len(v.guards), h.out.String())
	}
}

// A circle of modules that load in two fibers at once is an error, not a hang.
func TestRequireCircleAcrossFibers(t *testing.T) {
	var b baton
	h := &testHost{}
	dir := t.TempDir()
	for _, m := range []string{"a b", "b a"} {
		name, other, _ := strings.Cut(m, " ")
		if err := os.WriteFile(filepath.Join(dir, name+".lua"), []byte("wait() require '"+other+"' return 1"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var v *VM
	h.block = func(L *lua.LState, what string, f func(ctx context.Context)) error {
		m := v.Suspend(L)
		b.Unlock()
		f(context.Background())
		b.Lock()
		v.Restore(m)
		return nil
	}
	v = New(Options{Host: h, Dir: dir})
	defer v.Close()
	v.SetGlobal("wait", v.Function(func(L *lua.LState) int {
		m := v.Suspend(L)
		b.Unlock()
		time.Sleep(20 * time.Millisecond)
		b.Lock()
		v.Restore(m)
		return 0
	}))
	fa := v.fn(t, `return function(m) require(m) end`)
	var wg sync.WaitGroup
	var loops atomic.Int32
	for _, m := range []string{"a", "b"} {
		wg.Go(func() {
			b.Lock()
			defer b.Unlock()
			_, err := v.Call(fa, 0, lua.LString(m))
			if err != nil && strings.Contains(err.Message, "loop while loading module") {
				loops.Add(1)
			}
		})
	}
	wg.Wait()
	if loops.Load() == 0 {
		t.Error("no error")
	}
}

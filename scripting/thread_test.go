package scripting

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// When Lua continues after a wait, its VM's current thread is the one that was
// current when it began to wait, whatever ran meanwhile: invariant 3 of the
// baton. Coroutines are where a wrong one would be met.
func TestCurrentThreadAfterAWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lua")
	script := `
		local t = require "t"
		local wrong, done = 0, 0
		local function check(n)
		  local before = t.current()
		  t.sleep(n)
		  if t.current() ~= before then wrong = wrong + 1 end
		end
		function onReceive(server, fd)
		  for i = 1, 200 do
		    t.go(function()
		      check(i % 7)
		      coroutine.wrap(function()
		        check(i % 5)
		        pcall(check, i % 3)
		      end)()
		      done = done + 1
		      if done == 200 then server:send(fd, wrong .. " of " .. done .. "\n") end
		    end)
		  end
		end`
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	module := Module{Name: "t", Funcs: []Func{
		{Name: "current", Fn: func(in *Instance, L *lua.LState) int {
			L.Push(lua.LString(fmt.Sprintf("%p", L.G.CurrentThread)))
			return 1
		}},
		{Name: "sleep", Params: []Param{{"ms", "number"}}, Fn: func(in *Instance, L *lua.LState) int {
			in.Sleep(L, time.Duration(L.CheckInt(1))*time.Millisecond)
			return 0
		}},
		{Name: "go", Params: []Param{{"fn", "function"}}, Fn: func(in *Instance, L *lua.LState) int {
			in.Go(L, L.CheckFunction(1), nil)
			return 0
		}},
	}}
	h, err := New(Options{Script: path, Out: io.Discard, NoReload: true, Modules: []Module{module},
		Flags: [][2]string{{"port", "0"}, {"worker_num", "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		h.RequestStop(0)
		h.Wait()
	}()
	c, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	c.Write([]byte("go"))
	b := make([]byte, 64)
	n, err := c.Read(b)
	if got := string(b[:n]); err != nil || got != "0 of 200\n" {
		t.Errorf("the current thread was wrong after a wait: %q, %v", got, err)
	}
}

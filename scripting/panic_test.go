package scripting

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// text collects what a server writes.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

func (x *text) wait(t testing.TB, want string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(x.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q was not written:\n%s", want, x)
		}
	}
}

// faulty panics in Swoon's own code, behind a callback's back.
var faulty = Module{Name: "faulty", Funcs: []Func{{Name: "panic", Fn: func(in *Instance, L *lua.LState) int {
	fn := L.NewFunction(func(*lua.LState) int { return 0 })
	in.loop.Spawn(engine.RootGo, func(f *engine.Fiber) {
		in.begin(f, evTimer, "", fn)
		panic("a wheel has come off")
	})
	return 0
}}}}

const faultyScript = `
server:set{ worker_num = 1, event_object = OBJECTS }
local n = 0
function onWorkerStart(server, id) print("start " .. id) end
function onReceive(server, fd, reactor_id, data)
  if type(fd) == "table" then fd, data = fd.fd, fd.data end
  n = n + 1
  if data == "wait\n" then
    server:send(fd, "waits\n")
    print("waited", pcall(server.recv, server, fd, 3600))
  elseif data == "panic\n" then
    require("faulty").panic()
  else
    server:send(fd, "n is " .. n .. "\n")
  end
end
function onClose(server, fd) print("gone") end
function onWorkerError(server, id, pid, code, signal, err)
  if type(id) == "table" then id, pid, code, signal, err = id.worker_id, id.worker_pid, id.exit_code, id.signal, id.err end
  print("lost", id, pid, code, signal, err)
end
`

// A panic in Swoon's own code costs the worker its VM and nothing else: another
// takes its place, fibers that wait are told, onWorkerError is, sessions stay.
func TestPanicCostsOneVM(t *testing.T) {
	for _, objects := range []string{"false", "true"} {
		t.Run(objects, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.lua")
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(faultyScript, "OBJECTS", objects)), 0o644); err != nil {
				t.Fatal(err)
			}
			var out, log text
			h, err := New(Options{Script: path, Modules: []Module{faulty}, Out: &out, NoReload: true, Flags: [][2]string{{"port", "0"}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Start(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			defer func() {
				h.RequestStop(0)
				if code, cut := h.Wait(); code != 0 {
					t.Errorf("exit code %d, %v\n%s", code, cut, &log)
				}
			}()
			type client struct {
				net.Conn
				*bufio.Reader
			}
			dial := func() client {
				c, err := net.Dial("tcp", h.Addrs()[0].String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(time.Minute))
				return client{c, bufio.NewReader(c)}
			}
			ask := func(c client, text, want string) {
				t.Helper()
				fmt.Fprintln(c, text)
				if got, err := c.ReadString('\n'); got != want+"\n" {
					t.Errorf("%s: %q, %v, want %q", text, got, err, want)
				}
			}
			a, b := dial(), dial()
			ask(a, "wait", "waits")
			ask(b, "x", "n is 2")
			fmt.Fprintln(b, "panic")
			out.wait(t, fmt.Sprintf("lost\t0\t%d\t255\t0\ta wheel has come off\n", os.Getpid()))
			out.wait(t, "waited\tfalse\tvm_lost: ")
			ask(b, "x", "n is 1")
			ask(a, "x", "n is 2")
			if n := strings.Count(out.String(), "start 0\n"); n != 2 {
				t.Errorf("%d VMs have begun", n)
			}
			if strings.Contains(out.String(), "gone") {
				t.Error("a session is gone")
			}
			log.wait(t, "internal error: a wheel has come off")
		})
	}
}

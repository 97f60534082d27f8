// Package scriptingtest runs Lua code in a real server inside a test, for the
// tests of the modules in stdlib.
package scriptingtest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"swoon/scripting"
)

// Patience is how long a condition may take to come true on a busy machine.
const Patience = 30 * time.Second

// prelude are the helpers that Run gives its code.
const prelude = `
local function show(v)
  if type(v) == "string" then return string.format("%q", v) end
  if type(v) ~= "table" then return tostring(v) end
  local keys, out = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do out[#out + 1] = "[" .. show(k) .. "]=" .. show(v[k]) end
  return "{" .. table.concat(out, ", ") .. "}"
end
function eq(got, want, what)
  if show(got) ~= show(want) then
    error((what and what .. ": " or "") .. "got " .. show(got) .. ", want " .. show(want), 2)
  end
end
function raises(want, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("nothing was raised, want " .. show(want), 2) end
  if not tostring(err):find(want, 1, true) then error("raised " .. show(err) .. ", want " .. show(want), 2) end
end
function fails(want, ...)
  local ok, name, text = ...
  if ok ~= false or name ~= want or type(text) ~= "string" then
    error("got " .. show(ok) .. ", " .. show(name) .. ", " .. show(text) .. ", want false, " .. show(want) .. " and a text", 2)
  end
end
`

// Run runs code as a fiber of a live worker and returns what it printed. An
// error of the code fails the test. Beside Lua's functions there are eq(got,
// want), which compares tables by what they hold, raises(text, fn, ...) and
// fails(name, ...), which wants false, that name and a text.
func Run(t testing.TB, modules []scripting.Module, code string, flags ...[2]string) string {
	t.Helper()
	s := Serve(t, modules, prelude+`
function onReceive() end
function onWorkerStart(server, id)
  if id ~= 0 then return end
  server:after(1, function()
    local ok, err = xpcall(test, debug.traceback)
    print(ok and "@passed" or "@failed " .. tostring(err))
  end)
end
function test()
`+code+`
end`, append([][2]string{{"worker_num", "1"}}, flags...)...)
	s.Out.Wait(t, "@")
	out, rest, _ := strings.Cut(s.Out.String(), "@")
	if !strings.HasPrefix(rest, "passed") {
		t.Fatalf("%s\n%s", rest, out)
	}
	return out
}

// Server is a server inside the test.
type Server struct {
	t      testing.TB
	Host   *scripting.Host
	Script string
	Out    *Text // what the script printed
	Log    *Text
}

// Serve runs a script on a free port. The test's end stops it.
func Serve(t testing.TB, modules []scripting.Module, script string, flags ...[2]string) *Server {
	t.Helper()
	s, err := Load(t, modules, script, flags...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Host.Start(s.Logger()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Load is Serve without the start: it runs the top level in the control VM.
func Load(t testing.TB, modules []scripting.Module, script string, flags ...[2]string) (*Server, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.lua")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Script: path, Out: &Text{}, Log: &Text{}}
	var err error
	s.Host, err = scripting.New(scripting.Options{Script: path, Modules: modules, Out: s.Out, NoReload: true,
		Flags: append([][2]string{{"port", "0"}}, flags...)})
	return s, err
}

// Logger writes to the server's Log.
func (s *Server) Logger() *slog.Logger { return slog.New(logger{s.Log, ""}) }

// Reload loads another script in place of the one that runs, and waits until
// it is live or refused; it reports which.
func (s *Server) Reload(script string) bool {
	s.t.Helper()
	if err := os.WriteFile(s.Script, []byte(script), 0o644); err != nil {
		s.t.Fatal(err)
	}
	done, failed := s.Log.Count("reloaded generation="), s.Log.Count("reload failed, ")
	s.Host.Reload("test", false)
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s.Log.Count("reloaded generation=") > done {
			return true
		}
		if s.Log.Count("reload failed, ") > failed {
			return false
		}
	}
	s.t.Fatalf("the reload did not end\n%s", s.Log)
	return false
}

// Stop stops the server gracefully and waits for it.
func (s *Server) Stop() {
	s.Host.RequestStop(0)
	if code, cut := s.Host.Wait(); code != 0 {
		s.t.Errorf("stopped with %d: %v", code, cut)
	}
	if s.t.Failed() {
		s.t.Logf("output:\n%s\nlog:\n%s", s.Out, s.Log)
	}
}

// Text collects what is written; others may wait for it.
type Text struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (x *Text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(b)
}

func (x *Text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// Count is how often text has been written.
func (x *Text) Count(text string) int { return strings.Count(x.String(), text) }

// Wait waits until text has been written.
func (x *Text) Wait(t testing.TB, text string) {
	t.Helper()
	x.WaitCount(t, text, 1)
}

// WaitCount waits until text has been written n times.
func (x *Text) WaitCount(t testing.TB, text string, n int) {
	t.Helper()
	for end := time.Now().Add(Patience); x.Count(text) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q was not written %d times:\n%s", text, n, x)
		}
	}
}

// logger writes records as "LEVEL message key=value".
type logger struct {
	to    *Text
	attrs string
}

func (l logger) Enabled(context.Context, slog.Level) bool { return true }

func (l logger) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message + l.attrs
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.Resolve().String()
		return true
	})
	_, err := l.to.Write([]byte(line + "\n"))
	return err
}

func (l logger) WithAttrs(as []slog.Attr) slog.Handler {
	for _, a := range as {
		l.attrs += " " + a.Key + "=" + a.Value.Resolve().String()
	}
	return l
}

func (l logger) WithGroup(string) slog.Handler { return l }

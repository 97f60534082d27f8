package fs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	"swoon/stdlib/fs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{co.Module, fs.Module}

// run runs code with dir, an empty directory.
func run(t *testing.T, code string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	scriptingtest.Run(t, modules, "local fs, co, dir = require 'fs', require 'co', "+quote(dir)+"\n"+code)
	return dir
}

func quote(s string) string { return "[==[" + s + "]==]" }

func TestFiles(t *testing.T) {
	dir := run(t, `
local p = dir .. "/a.txt"
fails("not_found", fs.read(p))
eq(fs.exists(p), false)
eq(fs.write(p, "line 1\n\0\255"), true)
eq(fs.read(p), "line 1\n\0\255")
eq(fs.exists(p), true)
eq(fs.read(p, { offset = 5 }), "1\n\0\255") eq(fs.read(p, { offset = 5, length = 2 }), "1\n")
eq(fs.read(p, { offset = 100 }), "") eq(fs.read(p, { length = 0 }), "") eq(fs.read(p, { length = 100 }), "line 1\n\0\255")
eq(fs.append(p, "more"), true) eq(fs.read(p), "line 1\n\0\255more")
eq(fs.append(dir .. "/b", "new", { mode = "600", sync = true }), true) eq(fs.read(dir .. "/b"), "new")
local s = fs.stat(p)
eq(s.type, "file") eq(s.size, 13) eq(s.mode, "644") eq(s.link, false)
assert(math.abs(s.mtime - os.time()) < 100)
eq(fs.stat(dir .. "/b").mode, "600")
-- a file keeps its permissions
eq(fs.write(dir .. "/b", "newer", { sync = false }), true) eq(fs.stat(dir .. "/b").mode, "600")
eq(fs.write(dir .. "/b", "newer", { mode = "640" }), true) eq(fs.stat(dir .. "/b").mode, "640")
eq(fs.list(dir), {"a.txt", "b"}) -- nothing else is left
fails("not_found", fs.stat(dir .. "/none")) fails("not_found", fs.list(dir .. "/none"))
fails("not_found", fs.write(dir .. "/none/x", "")) fails("not_found", fs.append(dir .. "/none/x", ""))
fails("not_a_directory", fs.list(p)) fails("not_a_directory", fs.read(p .. "/x"))
fails("is_a_directory", fs.read(dir))
eq(fs.exists(p .. "/x"), false)
assert(not fs.write(dir, "x"))
eq(fs.rename(p, dir .. "/b"), true) eq(fs.read(dir .. "/b"), "line 1\n\0\255more") eq(fs.exists(p), false)
fails("not_found", fs.rename(p, dir .. "/c"))
eq(fs.remove(dir .. "/b"), true) fails("not_found", fs.remove(dir .. "/b"))
eq(fs.list(dir), {})
local name, text = select(2, fs.read(p))
assert(text:find("a.txt", 1, true) and text:find("no such file", 1, true), text)
fails("invalid_path", fs.read("a\0b"))
raises("option 'mode' must be permissions such as \"644\", not \"rw\"", fs.write, p, "", { mode = "rw" })
raises("option 'offset' must be a whole number", fs.read, p, { offset = -1 })
raises("there is no option 'ofset' (did you mean 'offset'?)", fs.read, p, { ofset = 1 })
raises("bad argument #2 'data' to 'fs.write' (string expected, got no value)", fs.write, p)
`)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDirectories(t *testing.T) {
	run(t, `
local d = dir .. "/d"
eq(fs.mkdir(d), true) fails("exists", fs.mkdir(d))
fails("not_found", fs.mkdir(d .. "/x/y"))
eq(fs.mkdir(d .. "/x/y", { parents = true }), true) eq(fs.mkdir(d .. "/x/y", { parents = true }), true)
eq(fs.stat(d).type, "directory") eq(fs.stat(d).mode, "755")
eq(fs.mkdir(d .. "/private", { mode = "700" }), true) eq(fs.stat(d .. "/private").mode, "700")
fails("not_empty", fs.remove(d))
fails("not_found", fs.remove(d .. "/none", { recursive = true }))
eq(fs.remove(d, { recursive = true }), true)
eq(fs.exists(d), false)
-- many at once, and the file is whole at every moment
local p = dir .. "/f"
fs.write(p, ("0"):rep(100000))
local writing = true
local writer = co.go(function() for i = 1, 30 do fs.write(p, tostring(i % 10):rep(100000), { sync = false }) end writing = false end)
while writing do
  local text = fs.read(p)
  assert(text == text:sub(1, 1):rep(100000), "half a file")
end
co.join(writer)
`)
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "target"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	scriptingtest.Run(t, modules, "local fs, dir = require 'fs', "+quote(dir)+`
eq(fs.stat(dir .. "/link").link, true) eq(fs.stat(dir .. "/link").type, "file")
eq(fs.write(dir .. "/link", "new"), true)
eq(fs.read(dir .. "/target"), "new") eq(fs.stat(dir .. "/link").link, true) eq(fs.stat(dir .. "/target").mode, "600")`)
}

func TestWatch(t *testing.T) {
	run(t, `
local function until_(what, f) local till = os.time() + 20 while not f() do assert(os.time() < till, what) co.sleep(0.001) end end
local p, seen, last = dir .. "/f", {}, nil
local w = fs.watch(p, function(path, what) eq(path, p) seen[#seen + 1] = what last = what end)
fs.write(dir .. "/other", "x")
fs.append(p, "x") until_("created", function() return seen[1] == "created" end)
last = nil fs.append(p, "y") until_("changed", function() return last == "changed" end)
fs.write(p, "replaced") until_("replaced", function() return last == "created" end)
fs.remove(p) until_("removed", function() return last == "removed" end)
eq(w:stop(), true) eq(w:stop(), false)
local count = #seen
-- a directory
local names = {}
w = fs.watch(dir, function(path, what) names[path .. " " .. what] = true end)
fs.append(dir .. "/one", "x") until_("one", function() return names[dir .. "/one created"] end)
fs.remove(dir .. "/one") until_("one", function() return names[dir .. "/one removed"] end)
eq(#seen, count)
fails("not_found", fs.watch(dir .. "/none/x", print))
raises("bad argument #2 'callback' to 'fs.watch' (function expected, got no value)", fs.watch, dir)
fs.watch(dir, print) -- ends with the server
`)
}

func TestTopLevel(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte("42"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := scriptingtest.Serve(t, modules, `local fs = require "fs" local conf = fs.read("`+dir+`/conf")
function onReceive() end
function onWorkerStart() print("conf " .. conf) end`)
	s.Out.Wait(t, "conf 42")
	for _, code := range []string{"write('x', '')", "append('x', '')", "remove('x')", "mkdir('x')", "rename('x', 'y')", "watch('x', print)"} {
		_, err := scriptingtest.Load(t, modules, "require('fs')."+code+"\nfunction onReceive() end")
		if err == nil || !strings.Contains(err.Error(), "cannot be used while the script loads") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A fiber that waits for a file that never answers can be cancelled.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	scriptingtest.Run(t, modules, "local fs, co, fifo = require 'fs', require 'co', "+quote(fifo)+`
local ok, err
local id = co.go(function() ok, err = pcall(fs.read, fifo) end)
eq(co.cancel(id), true) eq(co.join(id), true)
eq(ok, false) assert(err:find("cancelled", 1, true), err)
fs.append(fifo, "")`) // lets the reader go
}

// A watch ends with its generation, also when the new one watches the same.
func TestWatchEndsWithItsGeneration(t *testing.T) {
	dir := t.TempDir()
	script := func(v string) string {
		return `local fs = require "fs"
function onReceive() end
function onWorkerStart() fs.watch("` + dir + `", function(path, what) if what == "created" then print("` + v + ` sees " .. path:match("[^/]+$")) end end) print("` + v + ` watches") end`
	}
	s := scriptingtest.Serve(t, modules, script("one"), [2]string{"worker_num", "2"})
	touch := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch("a")
	s.Out.WaitCount(t, "one sees a", 2)
	if !s.Reload(script("two")) {
		t.Fatal("refused")
	}
	touch("b")
	s.Out.WaitCount(t, "two sees b", 2)
	if out := s.Out.String(); strings.Contains(out, "one sees b") {
		t.Error(out)
	}
}

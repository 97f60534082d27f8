package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evalScript is a server that runs the Lua lines it is sent, with server and
// fd, and answers with the results, | between them.
const evalScript = `
local part = {}
function onClose(server, fd, reactor_id, reason) part[fd] = nil end
function onReceive(server, fd, reactor_id, data)
  local text = (part[fd] or "") .. data
  while true do
    local line, rest = text:match("^([^\n]*)\n(.*)$")
    if not line then break end
    text = rest
    local fn, err = loadstring("local server, fd, reactor_id = ... " .. line, "=eval")
    local r = fn and { n = 0, fn(server, fd, reactor_id) } or { err }
    local top = 0
    for i in pairs(r) do if type(i) == "number" and i > top then top = i end end
    for i = 1, top do r[i] = tostring(r[i]) end
    server:send(fd, table.concat(r, "|") .. "\n")
  end
  part[fd] = text
end
`

// ask runs a line on an evalScript and compares the answer. A position before
// an error message is left out.
func (c *client) ask(code, want string) {
	c.t.Helper()
	if got := c.eval(code); got != want {
		c.t.Errorf("%s\n got %q\nwant %q", code, got, want)
	}
}

func (c *client) eval(code string) string {
	c.t.Helper()
	c.say(code + "\n")
	return strings.ReplaceAll(c.line(), "eval:1: ", "")
}

// until asks until the expression is true.
func (c *client) until(expr string) {
	c.t.Helper()
	eventually(c.t, expr, func() bool { return c.eval("return not not ("+expr+")") == "true" })
}

// lineOf is the number of the script's first line that contains text.
func lineOf(t testing.TB, sv *server, text string) string {
	t.Helper()
	for i, l := range strings.Split(read(t, sv.Script), "\n") {
		if strings.Contains(l, text) {
			return fmt.Sprint(i + 1)
		}
	}
	t.Fatalf("no line of the script has %q", text)
	return ""
}

// snippets print errors and tracebacks at the top level, in Lua 5.1's words.
var snippets = map[string]string{
	"xpcall": `
local function bad(x) local t = nil return t.field + x end
local function outer(x) local r = bad(x) return r end
print(xpcall(function() outer(1) end, debug.traceback))
print(xpcall(outer, function(m) return debug.traceback("handled: " .. m, 2) end))
print(xpcall(function() error({}) end, function(e) return type(e) end))
print(xpcall(function() error() end, debug.traceback))
print(xpcall(function() return 1, nil, 3 end, debug.traceback))
`,
	"levels": `
local function check(v, level) if not v then error("no value", level) end end
local function user(level) check(nil, level) end
for level = 0, 4 do print(pcall(user, level)) end
print(pcall(error, "plain", 0)) print(pcall(error, nil)) print(pcall(error, "at", 1)) print(pcall(error, "at", 2))
print(select("#", pcall(error)))
`,
	"nested": `
local function deep(n) if n == 0 then error("bottom", 2) end deep(n - 1) end
print(pcall(pcall, pcall, deep, 2))
print(pcall(function()
  local ok, e = pcall(function()
    local ok, e = pcall(function() deep(3) end)
    print("inner", ok, e)
    print(debug.traceback("in the second"))
    error(e, 0)
  end)
  print("middle", ok, e)
  print(debug.traceback("in the first", 1))
  error("again: " .. e)
end))
print(xpcall(function() pcall(function() pcall(function() pcall(function() print(debug.traceback("three pcalls deep")) end) end) end) deep(1) end, debug.traceback))
`,
	"upvalues": `
local n, log = 0, {}
local function inc(by) n = n + by if n > 3 then error("too many: " .. n) end return n end
for i = 1, 5 do log[#log + 1] = tostring(select(2, pcall(inc, i))) end
print(n, table.concat(log, "; "))
local function counter() local c = 0 return function() c = c + 1 if c == 2 then error("two") end return c end end
local f, g = counter(), counter()
print(pcall(f)) print(pcall(f)) print(pcall(f)) print(pcall(g))
`,
	"coroutines": `
local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) error("in coroutine " .. b) end)
print(coroutine.resume(co, 1)) print(coroutine.resume(co, 5)) print(coroutine.status(co)) print(debug.traceback(co))
print(pcall(coroutine.wrap(function() error("wrapped") end)))
print(select(2, xpcall(coroutine.wrap(function() local x = nil; x() end), debug.traceback)))
`,
	"library": `
print(pcall(string.rep)) print(pcall(("x").rep, "x", {})) print(pcall(setmetatable, 1, 2)) print(pcall(ipairs))
print(pcall(function() local t = {} t[nil] = 1 end)) print(pcall(function() return 1 + {} end)) print(pcall(function() return "a" + 1 end))
print(pcall(function() return {} .. "x" end)) print(pcall(function() return {} < {} end)) print(pcall(function() return 1 < "2" end)) print(pcall(function() return #5 end))
print(pcall(table.concat, { 1, {}, 3 })) print(pcall(tonumber, "10", 99)) print(pcall(string.format, "%d", "x")) print(pcall(next, {}, "nokey"))
`,
	"names": `
local obj = { name = "o" }
function obj.method(self) self.missing() end
function obj:call() self:absent() end
print(pcall(obj.method, obj)) print(pcall(obj.call, obj)) print(pcall(function() globalthing() end)) print(pcall(function() globalthing.x = 1 end))
print(pcall(function() local up = obj return function() return up.a.b.c end end)) print(pcall((function() local up = obj return function() return up.a.b end end)()))
`,
}

var (
	pointers = regexp.MustCompile(`0x[0-9a-f]+`)
	operands = regexp.MustCompile(`(attempt to (?:index|call|concatenate|get length|compare|perform arithmetic)).*`)
)

// plainLines leaves out addresses, and how a message names the value that has
// the wrong type: Lua 5.1 says "local 'x' (a nil value)", later ones turn it
// round.
func plainLines(s string) []string {
	return strings.Split(operands.ReplaceAllString(pointers.ReplaceAllString(s, "0x"), "$1"), "\n")
}

// What a script prints of an error is what lua5.1 prints.
func TestErrorsReadAsInLua(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("lua5.1")
	if err != nil {
		t.Skip("lua5.1 is not installed")
	}
	for name, code := range snippets {
		t.Run(name, func(t *testing.T) {
			path := script(t, code)
			cmd := exec.Command(bin, "app.lua")
			cmd.Dir = filepath.Dir(path)
			want, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, want)
			}
			// The first to run the top level is the control VM, then each worker.
			sv := serve(t, setup{mode: "base", workers: 1}, code+"\nfunction onReceive() end")
			a, b := plainLines(string(want)), plainLines(sv.Out.String())
			for i, line := range a[:len(a)-1] {
				if i >= len(b) || b[i] != line {
					t.Fatalf("line %d\n lua5.1 %s\n swoon  %s\nall of lua5.1:\n%s\nall of swoon:\n%s", i+1, line, append(b, "")[min(i, len(b))], want, sv.Out)
				}
			}
		})
	}
}

const onErrorScript = `
local co = require "co"
local lib = require "lib"
server:set{ error_policy = "@POLICY@", task_worker_num = 1 }
function onTask(server, id, src, data) error("task error") end
function onConnect(server, fd)
  if fd == 2 then server:send(fd, "welcome\n") error("no entry") end
end
function onReceive(server, fd, reactor_id, data)
  local what = data:match("%S+")
  if what == "plain" then server:send(fd, "before\n") error("plain error")
  elseif what == "table" then error({ code = 5 })
  elseif what == "lib" then lib.fail(3)
  elseif what == "wait" then co.sleep(0.01) error("after the wait")
  elseif what == "timer" then server:after(1, function() local x = nil + 1 end)
  elseif what == "task" then server:task(1)
  elseif what == "twice" then bad_handler = true error("first error")
  else server:send(fd, data) end
end
function onClose(server, fd, reactor_id, reason)
  print("close " .. fd .. " " .. reason)
  if fd == 2 then error("while closing") end
end
function onError(server, event, err)
  assert(type(err.worker_id) == "number" and server.worker_id == err.worker_id)
  if bad_handler then bad_handler = false error("the handler fails") end
  print(("%s|%s|%s:%s|gen %s|fd %s|%s"):format(event, err.message, tostring(err.file), tostring(err.line), err.generation, tostring(err.fd),
    err.traceback:match("^stack traceback:\n") and "traceback" or err.traceback))
end
`

func serveOnError(t *testing.T, s setup, policy string) *server {
	path := script(t, strings.ReplaceAll(onErrorScript, "@POLICY@", policy))
	save(t, filepath.Join(filepath.Dir(path), "lib.lua"), "local M = {}\nfunction M.fail(n)\n  if n == 0 then error(\"deep in the library\") end\n  return (M.fail(n - 1))\nend\nreturn M\n")
	return serveFile(t, s, path)
}

func TestOnError(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serveOnError(t, s, "keep")
		c := sv.dial(t)
		c.say("hello\n")
		c.expect("hello")
		line := func(text string) string { return lineOf(t, sv, text) }
		say := func(what, event, message, place string, fd string) {
			t.Helper()
			c.say(what + "\n")
			sv.Out.wait(t, fmt.Sprintf("%s|%s|%s|gen 1|fd %s|traceback\n", event, message, place, fd))
		}
		at := "app.lua:" + line(`error("plain error")`)
		say("plain", "onReceive", at+": plain error", at, "1")
		c.expect("before")
		at = "app.lua:" + line(`error({ code = 5 })`)
		say("table", "onReceive", "(error object is a table value)", at, "1")
		say("lib", "onReceive", "lib.lua:3: deep in the library", "lib.lua:3", "1")
		at = "app.lua:" + line(`error("after the wait")`)
		say("wait", "onReceive", at+": after the wait", at, "1")
		at = "app.lua:" + line(`local x = nil + 1`)
		say("timer", "timer", at+": attempt to perform arithmetic on a nil value", at, "nil")
		at = "app.lua:" + line(`error("task error")`)
		say("task", "onTask", at+": task error", at, "nil")
		// The session of an error in onConnect goes on too.
		d := sv.dial(t)
		d.expect("welcome")
		at = "app.lua:" + line(`error("no entry")`)
		sv.Out.wait(t, "onConnect|"+at+": no entry|"+at+"|gen 1|fd 2|traceback\n")
		d.say("I stay\n")
		d.expect("I stay")
		d.Close()
		at = "app.lua:" + line(`error("while closing")`)
		sv.Out.wait(t, "close 2 client_closed\nonClose|"+at+": while closing|"+at+"|gen 1|fd 2|traceback\n")
		// An error in onError is logged, and calls nobody.
		n := sv.Out.count("\n")
		c.say("twice\n")
		sv.Log.wait(t, "onReceive failed: app.lua:"+line(`error("first error")`)+": first error event=onReceive")
		sv.Log.wait(t, "onError failed: app.lua:"+line(`error("the handler fails")`)+": the handler fails event=onError")
		c.say("still here\n")
		c.expect("still here")
		if got := sv.Out.count("\n"); got != n {
			t.Errorf("onError was called for its own error:\n%s", sv.Out)
		}
		if sv.Log.count(" failed: ") != 10 {
			t.Errorf("%d errors in the log, want 10:\n%s", sv.Log.count(" failed: "), sv.Log)
		}
	})
}

func TestErrorPolicyClose(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serveOnError(t, s, "close")
		c := sv.dial(t)
		c.say("hello\n")
		c.expect("hello")
		c.say("plain\n")
		if rest, err := c.rest(); rest != "before\n" || err != nil {
			t.Errorf("what was sent before the error: %q, %v", rest, err)
		}
		sv.Out.wait(t, "close 1 error_in_callback\n")
		d := sv.dial(t)
		if rest, err := d.rest(); rest != "welcome\n" || err != nil {
			t.Errorf("after an error in onConnect: %q, %v", rest, err)
		}
		sv.Out.wait(t, "close 2 error_in_callback\n")
		e := sv.dial(t) // timers and tasks close nobody
		e.say("timer\n")
		sv.Out.wait(t, "timer|app.lua:")
		e.say("task\n")
		sv.Out.wait(t, "onTask|app.lua:")
		e.say("still here\n")
		e.expect("still here")
	})
}

func TestErrorStorm(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		n := 4000
		if s.race {
			n = 800
		}
		sv := serve(t, s, `
server:set{ error_policy = "keep" }
local count = 0
function onError(server, event, err) count = count + 1 end
function onReceive(server, fd, reactor_id, data)
  for _ in data:gmatch("x") do
    server:send(fd, "got\n")
    server:after(1, function() error("storm") end)
  end
  if data:find("?", 1, true) then server:send(fd, "count " .. count .. "\n") return end
  error("message storm")
end`)
		c := sv.dial(t)
		for i := 0; i < n; i += 100 {
			c.say(strings.Repeat("x", 100))
			for range 100 {
				c.expect("got")
			}
		}
		shown, hidden := 0, 0
		eventually(t, "every error reaches onError", func() bool {
			c.say("?")
			return numbers(t, strings.TrimPrefix(c.line(), "count "))[0] >= n+n/100
		})
		eventually(t, "what was not shown is counted", func() bool {
			c.say("x") // one more a second later tells how many were not shown
			c.expect("got")
			shown, hidden = sv.Log.count("timer failed: app.lua:8: storm"), 0
			for _, m := range regexp.MustCompile(`timer failed: .*not_shown=(\d+)`).FindAllStringSubmatch(sv.Log.String(), -1) {
				hidden += numbers(t, m[1])[0]
			}
			return shown+hidden >= n
		})
		if shown > n/4 {
			t.Errorf("%d of %d errors are in the log", shown, n)
		}
		t.Logf("%d errors: %d lines, %d counted", n, shown, hidden)
	})
}

// Names that are on the API page are there, or say when they will be.
func TestEveryNameOfThePage(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 2}, evalScript)
	c := sv.dial(t)
	for _, name := range strings.Fields(`set on start listen addlistener send sendto sendfile close exists exist getClientInfo connection_info
		getClientList connection_list pause resume confirm protect bind task taskwait taskWaitMulti taskCo finish sendMessage tick after clearTimer
		defer stats reload stop shutdown addtimer deltimer heartbeat getLastError getWorkerId getWorkerPid getWorkerStatus getMasterPid getManagerPid
		session broadcast watch recv`) {
		switch got := c.eval(`return select(2, pcall(function() local m = server.` + name + ` return type(m) end))`); got {
		case "function", "server." + name + " is not in this version":
		default:
			t.Errorf("server.%s: %q", name, got)
		}
	}
	for _, name := range strings.Fields("host port mode setting ports connections master_pid manager_pid worker_id worker_pid taskworker generation") {
		if got := c.eval(`return type(server.` + name + `)`); got == "nil" || got == "function" {
			t.Errorf("server.%s is a %s", name, got)
		}
	}
	for _, name := range strings.Fields("php json client pool shared pack log fs crypto url time regex http websocket redis sql process metrics cluster") {
		got := c.eval(`return select(2, pcall(function() return type(require("` + name + `")) end))`)
		if got != "table" && got != "module '"+name+"' is not in this version" {
			t.Errorf("require %q: %q", name, got)
		}
	}
	for module, names := range map[string]string{
		"co":     "go sleep defer yield resume cancel join self channel waitgroup lock batch parallel map select",
		"timer":  "tick after clear clearAll exists info list stats",
		"swoole": "Server Client version cpu_num get_local_ip strerror event BASE PROCESS SOCK_TCP SOCK_TCP6",
	} {
		for _, name := range strings.Fields(names) {
			got := c.eval(`return select(2, pcall(function() local m = require("` + module + `").` + name + ` return type(m) end))`)
			if got != "function" && got != "number" && got != "table" && got != module+"."+name+" is not in this version" {
				t.Errorf("%s.%s: %q", module, name, got)
			}
		}
	}
	for code, want := range map[string]string{
		`return server.sned`:           "server has no 'sned' (did you mean 'send'?)",
		`server:getClientinfo(1)`:      "server has no 'getClientinfo' (did you mean 'getClientInfo'?)",
		`return require("co").slep`:    "module 'co' has no 'slep' (did you mean 'sleep'?)",
		`return require("timer").tik`:  "module 'timer' has no 'tik' (did you mean 'tick'?)",
		`server.send(fd, "x")`:         "calling 'send' without the server: write server:send(...) with a colon",
		`server.close(fd)`:             "calling 'close' without the server: write server:close(...) with a colon",
		`server.exists(fd)`:            "calling 'exists' without the server: write server:exists(...) with a colon",
		`server.send = 1`:              "server.send cannot be changed",
		`server.port = 1`:              "server.port cannot be changed",
		`server:set{ port = 1 }`:       "server:set is for the top level of the script: change the file instead, it is loaded again when it is saved",
		`server:on("Close", print)`:    "server:on is for the top level of the script: change the file instead, it is loaded again when it is saved",
		`server:start()`:               "server:start: the server is running",
		`require("swoole").Server()`:   "swoole.Server: the server is running; a script has one server",
		`server:send()`:                "bad argument #2 'data' (string expected, got no value)",
		`server:send({}, "x")`:         "bad argument #1 'fd' (number expected, got table)",
		`server:send(fd)`:              "bad argument #2 'data' (string expected, got no value)",
		`server:send(fd, {})`:          "bad argument #2 'data' (string expected, got table)",
		`server:close("x")`:            "bad argument #1 'fd' (number expected, got string)",
		`server:exists()`:              "bad argument #1 'fd' to 'server:exists' (number expected, got no value)",
		`server:getClientInfo(true)`:   "bad argument #1 'fd' to 'server:getClientInfo' (number expected, got boolean)",
		`server:getClientList(0, {})`:  "bad argument #2 'count' to 'server:getClientList' (number expected, got table)",
		`server:getClientList(0, 101)`: "server:getClientList: start_fd must be 0 or more, and count in 1..100 (got 0, 101)",
		`server:recv(fd, {})`:          "bad argument #2 'timeout' to 'server:recv' (number expected, got table)",
		`server:task(print)`:           "data: cannot send a function to a task",
		`server:clearTimer()`:          "bad argument #1 'id' to 'server:clearTimer' (number expected, got no value)",
		`require("co").go()`:           "bad argument #1 'fn' to 'co.go' (function expected, got no value)",
		`require("co").sleep("x")`:     "bad argument #1 'seconds' to 'co.sleep' (number expected, got string)",
		`require("co").sleep(-1)`:      "bad argument #1 'seconds' to 'co.sleep' (must be 0 to 1000000000, got -1)",
		`require("co").sleep(0/0)`:     "bad argument #1 'seconds' to 'co.sleep' (must be 0 to 1000000000, got NaN)",
		`require("nothere")`:           "module 'nothere' not found",
	} {
		if got := c.eval(`return select(2, pcall(function() ` + code + ` end)):match("^[^\n]*")`); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %q\nwant %q", code, got, want)
		}
	}
	c.ask(`server.mine = 5 return server.mine, server.zzzzzzzzzz, tostring(server), getmetatable(server)`, "5|nil|server|server")
}

func TestRefusedScripts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`local s = require "swoole" s.Server() s.Server()`: "app.lua:1: swoole.Server: a script has one server, and it was made at app.lua:1",
		"server:start()\nserver:set{ port = 1 }":           "app.lua:2: server:set after server:start() (called at app.lua:1)",
		"server:start()\nserver:on('Close', print)":        "app.lua:2: server:on after server:start() (called at app.lua:1)",
		"server:start()\nserver:start()":                   "app.lua:2: server:start was called before, at app.lua:1",
		`require("swoole").Server("127.0.0.1", 1, 1, 2)`:   "app.lua: there is no onPacket: a UDP server needs function onPacket(server, data, client)",
		`server:set(5)`:        "app.lua:1: bad argument #1 'settings' to 'server:set' (table expected, got number)",
		`server:on(5)`:         "app.lua:1: server:on: unknown event '5'",
		`server:on("Receive")`: "app.lua:1: server:on: the callback for 'Receive' must be a function, not nil",
		`if server.worker_id == 0 then function onClose() end end`: "app.lua: the top level declares something else in worker 0 than in the control VM: onClose (it must declare the same each time it runs)",
		`while true do end`:   "stopped: ran longer than 1s without a wait (max_execution_time)",
		"x = = 1":             "app.lua:1: ",
		`error("at the top")`: "app.lua:1: at the top\n  1 | error(\"at the top\")",
	} {
		if strings.HasPrefix(text, "while") {
			continue // ten seconds
		}
		sv := launch(t, setup{mode: "base", workers: 2}, script(t, text+"\nfunction onReceive() end"))
		if code := sv.wait(t); code != 1 {
			t.Errorf("%s: exit code %d", text, code)
		}
		if log := sv.Log.String(); !strings.Contains(log, want) {
			t.Errorf("%s\n got %s\nwant %s", text, log, want)
		}
	}
}

// The three styles of a script serve alike.
func TestStyles(t *testing.T) {
	t.Parallel()
	body := `
  local function text(server) return server.host .. " " .. server.mode .. " " .. tostring(server.setting.max_connection) end
`
	for name, code := range map[string]string{
		"swoole": body + `
local swoole = require "swoole"
local server = swoole.Server("127.0.0.1", 9501, swoole.BASE, swoole.SOCK_TCP)
server:set{ max_connection = 77 }
server:on("Start", function(server) print("started") end)
server:on("connect", function(server, fd) server:send(fd, "hello " .. fd .. "\n") end)
server:on("onReceive", function(server, fd, reactor_id, data) server:send(fd, text(server) .. " " .. data) end)
server:on("CLOSE", function(server, fd) print("closed " .. fd) end)
server:start()
print("after start")
`,
		"on": body + `
server:set{ max_connection = 77 }
server:on("start", function(server) print("started") end)
server:on("Connect", function(server, fd) server:send(fd, "hello " .. fd .. "\n") end)
server:on("Receive", function(server, fd, reactor_id, data) server:send(fd, text(server) .. " " .. data) end)
server:on("Close", function(server, fd) print("closed " .. fd) end)
`,
		"global": body + `
server:set{ max_connection = 77 }
function onStart(server) print("started") end
function onConnect(server, fd) server:send(fd, "hello " .. fd .. "\n") end
function onReceive(server, fd, reactor_id, data) server:send(fd, text(server) .. " " .. data) end
function onClose(server, fd) print("closed " .. fd) end
`,
	} {
		t.Run(name, func(t *testing.T) {
			everyMode(t, func(t *testing.T, s setup) {
				if s.race {
					return
				}
				sv := serve(t, s, code)
				sv.Out.wait(t, "started\n")
				c := sv.dial(t)
				c.expect("hello 1")
				c.say("hi\n")
				c.expect("127.0.0.1 " + s.mode + " 77 hi") // --mode beats the script's
				c.Close()
				sv.Out.wait(t, "closed 1\n")
			})
		})
	}
}

func TestFieldsAndInfo(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "max_connection=1000", "--set", "log_level=notice")
		sv := serve(t, s, evalScript+`
server:set{ port = 1, worker_num = 64, max_connection = 5, task_worker_num = 1 }
function onTask(server, id, src, data) return server.worker_id .. " " .. tostring(server.taskworker) .. " " .. tostring(server:getWorkerId()) end
function onFinish(server, id, result) print("task worker " .. result) end
function onStart(server)
  print("start " .. tostring(server.worker_id) .. " " .. tostring(server:getWorkerId()) .. " " .. server.port .. " " .. tostring(server.taskworker))
end
local forget = onClose
function onClose(server, fd, reactor_id, reason)
  local i, e = server:getClientInfo(fd)
  print(("close %d %s %s %s %s %s"):format(fd, reactor_id, reason, tostring(i and i.close_reason), tostring(i and i.remote_port), tostring(server:exists(fd))))
  forget(server, fd)
end`)
		sv.Out.wait(t, "start -1 false "+sv.Port+" false\n")
		c := sv.dial(t)
		pid := fmt.Sprint(sv.cmd.Process.Pid)
		if s.ulimit == 0 {
			c.ask(`return server.master_pid, server.manager_pid, server.worker_pid, server:getMasterPid(), server:getManagerPid(), server:getWorkerPid()`,
				strings.Join([]string{pid, pid, pid, pid, pid, pid}, "|"))
		}
		c.ask(`return server.host, server.port, server.mode, server.generation, server.taskworker`, fmt.Sprintf("127.0.0.1|%s|%s|1|false", sv.Port, s.mode))
		c.ask(`return server.setting.worker_num, server.setting.max_connection, server.setting.task_worker_num, server.setting.log_level`, fmt.Sprintf("%d|1000|1|notice", s.workers))
		c.ask(`return server.setting.output_buffer_size, (server.ports[1]:getSocket()), (server:getSocket())`, "8388608|false|false")
		c.ask(`return server.worker_id == server:getWorkerId(), server.worker_id >= 0, server.worker_id < server.setting.worker_num`, "true|true|true")
		c.ask(`server:task(1)`, "")
		sv.Out.wait(t, fmt.Sprintf("task worker %d true %d\n", s.workers, s.workers))

		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		c.ask(`i = server:getClientInfo(fd) return i.remote_ip, i.remote_port, i.server_port, i.socket_type, i.worker_id == server.worker_id, i.reactor_id == reactor_id`,
			fmt.Sprintf("127.0.0.1|%s|%s|1|true|true", port, sv.Port))
		c.ask(`return os.time() - i.connect_time < 60, os.time() - i.last_time < 60, i.last_recv_time >= i.connect_time, i.socket_fd > 2, i.send_queued_bytes, i.close_reason`, "true|true|true|true|0")
		c.ask(`return server:connection_info(fd).remote_port, server:exist(fd), server:exist(2), server:exists(fd), server:exists(2), server:exists(0), server:exists(-1), server:exists(1.5), server:exists(1e300), server:exists(0/0)`,
			port+"|true|false|true|false|false|false|false|false|false")
		for _, bad := range []string{"2", "0", "-1", "1e300", "0/0"} {
			c.ask(`return server:getClientInfo(`+bad+`)`, "false|no_such_session|no session has this id (it may have closed)")
			c.ask(`return server:send(`+bad+`, "x")`, "false|no_such_session|no session has this id (it may have closed)")
		}
		c.ask(`return server:getLastError()`, "1005")
		c.ask(`return server:send(fd, "")`, "false|empty_data|there is nothing to send")
		c.ask(`return server:getLastError()`, "550")
		c.ask(`return server:send(fd, ("x"):rep(9 * 2 ^ 20))`, "false|data_length_too_large|the data is larger than socket_buffer_size")
		c.ask(`return server:getLastError()`, "1203")
		c.ask(`return server:close(77)`, "false|no_such_session|no session has this id (it may have closed)")

		o := sv.dial(t)
		_, oport, _ := net.SplitHostPort(o.LocalAddr().String())
		o.ask(`return fd`, "2")
		c.ask(`local n = 0 for k, v in pairs(server.connections) do n = n + v end return n, #server.connections`, "3|2")
		c.ask(`return server:close(2), server:exists(2), server:send(2, "x")`, "true|false|false|session_closing|the session is being closed")
		sv.Out.wait(t, fmt.Sprintf("close 2 -1 server_closed server_closed %s false\n", oport))
		if rest, err := o.rest(); rest != "" || err != nil {
			t.Errorf("%q %v", rest, err)
		}
		o.Close()
		p := sv.dial(t)
		_, pport, _ := net.SplitHostPort(p.LocalAddr().String())
		p.ask(`return fd`, "3") // never used twice
		p.Close()
		sv.Out.wait(t, "close 3 ")
		if !regexp.MustCompile(`close 3 \d+ client_closed client_closed ` + pport + ` false\n`).MatchString(sv.Out.String()) {
			t.Errorf("%s", sv.Out)
		}
		c.until(`server:stats().connection_num == 1 and server:stats().close_count == 2`)
		c.ask(`st = server:stats() return st.accept_count, st.close_count, st.session_round, st.worker_num, st.task_worker_num, st.generation, st.abort_count, st.task_count`,
			fmt.Sprintf("3|2|3|%d|1|1|0|1", s.workers))
		c.ask(`return os.time() - st.start_time < 100, st.request_count > 10, st.response_count > 10, st.total_recv_bytes > 100, st.total_send_bytes > 100, st.coroutine_num, st.timer_num, st.tasking_num, st.task_idle_worker_num`,
			"true|true|true|true|true|0|0|0|1")
		c.ask(`server:tick(100000, print) return server:stats().timer_num, st.goroutine_num > 3, st.descriptor_num > 3, st.worker_request_count <= st.request_count`, "1|true|true|true")
	})
}

// getClientList goes through all clients, page by page.
func TestClientListPages(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, evalScript+`
function list(server, count)
  local from, n, sum, pages, sorted = 0, 0, 0, 0, true
  while true do
    local page = server:getClientList(from, count)
    if not page then return n, sum, pages, sorted end
    pages = pages + 1
    for _, id in ipairs(page) do
      if id <= from then sorted = false end
      from = id
      n, sum = n + 1, sum + id
    end
  end
end`)
		c := sv.dial(t)
		all := []*client{c}
		for range 249 {
			all = append(all, sv.dial(t))
		}
		c.until(`#server.connections == 250`)
		c.ask(`return list(server, 100)`, "250|31375|3|true")
		c.ask(`return list(server)`, "250|31375|25|true")
		c.ask(`return list(server, 1)`, "250|31375|250|true")
		c.ask(`return #server:getClientList(0, 100), #server:getClientList(200, 100), server:getClientList(250), server:connection_list(249)[1], #server:getClientList()`, "100|50|false|250|10")
		for i := 1; i < 250; i += 2 { // every even id leaves
			all[i].Close()
		}
		c.until(`server:stats().connection_num == 125`)
		c.ask(`return list(server, 100)`, fmt.Sprintf("125|%d|2|true", 125*125))
		c.ask(`return #server.connections`, "125")
	})
}

func TestListeningElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("ipv6", func(t *testing.T) {
		if ln, err := net.Listen("tcp", "[::1]:0"); err != nil {
			t.Skip("no IPv6 here")
		} else {
			ln.Close()
		}
		sv := serve(t, setup{mode: "base", workers: 2, flags: []string{"--host", "::1"}}, evalScript)
		if !strings.HasPrefix(sv.Addr, "[::1]:") {
			t.Errorf("address %s", sv.Addr)
		}
		c := sv.dial(t)
		c.ask(`local i = server:getClientInfo(fd) return server.host, i.remote_ip, i.socket_type, i.server_port == server.port`, "::1|::1|3|true")
	})
	t.Run("port 0", func(t *testing.T) {
		a, b := serve(t, setup{mode: "base", workers: 1}, evalScript), serve(t, setup{mode: "process", workers: 1}, evalScript)
		if a.Port == b.Port || a.Port == "0" {
			t.Errorf("ports %s and %s", a.Port, b.Port)
		}
		a.dial(t).ask(`return server.port`, a.Port)
		b.dial(t).ask(`return server.port`, b.Port)
	})
	t.Run("taken", func(t *testing.T) {
		for _, mode := range []string{"base", "process"} {
			a := serve(t, setup{mode: mode, workers: 2}, evalScript)
			b := launch(t, setup{mode: mode, workers: 2, flags: []string{"--port", a.Port}}, script(t, evalScript))
			if code := b.wait(t); code != 3 {
				t.Errorf("exit code %d, want 3", code)
			}
			if !strings.Contains(b.Log.String(), "127.0.0.1:"+a.Port+": address already in use") {
				t.Errorf("log:\n%s", b.Log)
			}
			a.dial(t).ask(`return "still served"`, "still served")
		}
	})
	t.Run("no such address", func(t *testing.T) {
		b := launch(t, setup{flags: []string{"--host", "not-an-address"}}, script(t, evalScript))
		if code := b.wait(t); code != 3 && code != 1 {
			t.Errorf("exit code %d", code)
		}
		if !strings.Contains(b.Log.String(), "not-an-address") {
			t.Errorf("log:\n%s", b.Log)
		}
	})
	t.Run("no script", func(t *testing.T) {
		b := launch(t, setup{}, filepath.Join(t.TempDir(), "none.lua"))
		if code := b.wait(t); code != 1 || !strings.Contains(b.Log.String(), "none.lua") {
			t.Errorf("exit code %d\n%s", code, b.Log)
		}
		c := launch(t, setup{flags: []string{"--nonsense"}}, os.DevNull)
		if code := c.wait(t); code != 2 {
			t.Errorf("exit code %d, want 2", code)
		}
	})
}

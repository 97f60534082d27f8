package tests

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Fibers: code that waits anywhere, thousands at once, on one VM.

// waiters waits inside everything that calls back into Lua. Each takes wait, a
// function that waits and returns a number that depends on i alone, and must
// return that number.
const waiters = `
local waiters = {
  function(wait, i) -- pcall, its arguments and results
    local ok, v, n = pcall(function(a, ...) local mine = a return wait(a), mine + select("#", ...) end, i, 1, nil)
    assert(ok, v)
    assert(n == i + 2)
    return v
  end,
  function(wait, i) -- an error raised after the wait, through xpcall
    local ok, e = xpcall(function() error({v = wait(i)}) end, function(e) e.seen = true return e end)
    assert(not ok and e.seen)
    return e.v
  end,
  function(wait, i) -- a comparator
    local t, v = {5, 3, i + 10, 1}, nil
    table.sort(t, function(a, b) if not v then v = wait(i) end return a < b end)
    assert(t[1] == 1 and t[2] == 3 and t[3] == 5 and t[4] == i + 10)
    return v
  end,
  function(wait, i) -- an iterator
    local sum, first = 0, nil
    for k, v in function(_, k) if k < 3 then return k + 1, k == 1 and wait(i) or 0 end end, nil, 0 do
      sum = sum + k
      if k == 2 then first = v end
    end
    assert(sum == 6)
    return first
  end,
  function(wait, i) return setmetatable({}, {__index = function(t, k) return wait(k) end})[i] end,
  function(wait, i)
    local t = setmetatable({}, {__add = function(a, b) return wait(b) end, __concat = function(a, b) return wait(b) end,
      __eq = function() return wait(i) == 3 * i + 1 end, __call = function(self, x) return wait(x) end,
      __lt = function() return wait(i) == 3 * i + 1 end, __newindex = function(t, k, v) rawset(t, k, wait(v)) end,
      __unm = function() return wait(i) end})
    local kind = i % 7
    if kind == 0 then return t + i end
    if kind == 1 then return t .. i end
    if kind == 2 then return t(i) end
    if kind == 3 then t.x = i return t.x end
    if kind == 4 then return -t end
    local u = setmetatable({}, getmetatable(t))
    if kind == 5 then assert(t == u) else assert(t < u) end
    return 3 * i + 1
  end,
  function(wait, i) -- a coroutine that waits, and yields before and after
    local f = coroutine.wrap(function(a)
      local b = coroutine.yield(a + 1)
      local v = wait(b)
      coroutine.yield(v)
      return "end"
    end)
    assert(f(i) == i + 1)
    local v = f(i)
    assert(f() == "end")
    return v
  end,
  function(wait, i) -- gsub
    local n
    local s = ("a-b"):gsub("%a", function(c) if c == "a" then n = wait(i) end return c:upper() end)
    assert(s == "A-B")
    return n
  end,
  function(wait, i) -- all at once
    local v
    local ok, e = pcall(function()
      table.sort({2, 1}, function(a, b)
        ("x"):gsub("x", function() v = v or coroutine.wrap(function() local ok, r = pcall(wait, i) return r end)() end)
        return a < b
      end)
    end)
    assert(ok, e)
    return v
  end,
}
`

const stormScript = waiters + `
local co = require "co"
server:set{ task_worker_num = 1, task_enable_coroutine = true, task_use_object = false, max_wait_time = 2, max_execution_time = 60 }

local started, right, wrong, cut = 0, 0, 0, 0

local function bySleep(i)
  co.sleep(i % 50 / 250)
  return 3 * i + 1
end
local function byTask(i)
  local box
  assert(server:task({i = i}, -1, function(server, id, result) box = result end))
  while not box do co.sleep(0.02) end
  assert(box.i == i)
  return box.v
end

function onTask(server, id, src, data)
  co.sleep(data.i % 10 / 100)
  return {i = data.i, v = 3 * data.i + 1}
end

local function run(i, wait)
  local mine, counter = i * 7, 0
  local function count() counter = counter + mine end
  count()
  local v = waiters[i % #waiters + 1](function(x) count() return wait(x) end, i)
  count()
  if v == 3 * i + 1 and mine == i * 7 and counter >= 3 * mine then
    right = right + 1
  else
    wrong = wrong + 1
    print("wrong: " .. i .. " gave " .. tostring(v) .. ", counter " .. counter / 7 / i)
  end
end

local function stats(server)
  local s = server:stats()
  return ("%d %d %d %d"):format(s.coroutine_num, s.timer_num, s.goroutine_num, s.descriptor_num)
end

function onReceive(server, fd, reactor_id, data)
  local cmd, n = data:match("^(%a+) ?(%d*)")
  n = tonumber(n)
  if cmd == "stats" then
    server:send(fd, stats(server) .. "\n")
  elseif cmd == "storm" then
    for i = 1, n do
      co.go(run, i, i % 2 == 0 and bySleep or byTask)
    end
    server:send(fd, server:stats().coroutine_num .. "\n")
  elseif cmd == "result" then
    server:send(fd, right .. " right, " .. wrong .. " wrong\n")
    server:send(fd, server:stats().coroutine_num .. " wait\n")
  elseif cmd == "recv" then
    run(n, function(i)
      server:send(fd, "ready\n")
      local text = assert(server:recv(fd, 60))
      return tonumber(text)
    end)
    server:send(fd, "received\n")
  elseif cmd == "long" then -- half of them end in time
    for i = 1, n do
      if i % 2 == 0 then
        co.go(run, i, function(x) co.sleep(0.05) return 3 * x + 1 end)
      else
        co.go(pcall, waiters[i % #waiters + 1], function()
          local ok, err = pcall(co.sleep, 600)
          if not ok and err == "shutdown: the server is shutting down" then cut = cut + 1 end
          if cut == n / 2 then print("all the long ones were cut, " .. right .. " right, " .. wrong .. " wrong") end
          error(err, 0)
        end, i)
      end
    end
    server:send(fd, "begun\n")
  elseif cmd == "stay" then -- a session's own callback
    server:send(fd, "staying\n")
    co.sleep(n / 1000)
    server:send(fd, "stayed\n")
  end
end
`

// numbers parses a line of numbers.
func numbers(t testing.TB, line string) []int {
	t.Helper()
	var out []int
	for _, f := range strings.Fields(line) {
		n := 0
		if _, err := fmt.Sscan(f, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, n)
	}
	return out
}

func TestThousandsOfFibersOnOneVM(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		n, clients := 5000, 90
		if s.race {
			n, clients = 900, 30
		}
		sv := serve(t, s, stormScript)
		var receivers []*client
		for range clients {
			receivers = append(receivers, sv.dial(t))
		}
		c := sv.dial(t)
		// Once round, so that pools are filled as far as they are kept.
		c.say("storm 200\n")
		c.line()
		ask := func(want string) {
			eventually(t, want, func() bool {
				c.say("result\n")
				a, b := c.line(), c.line()
				return a == want && b == "0 wait"
			})
		}
		ask("200 right, 0 wrong")
		// Two looks that agree: a server that starts next door knocks at our control socket.
		var before []int
		eventually(t, "nobody else has a descriptor of ours", func() bool {
			was := before
			c.say("stats\n")
			before = numbers(t, c.line())
			return was != nil && was[3] == before[3]
		})

		for i, r := range receivers {
			r.say(fmt.Sprintf("recv %d\n", i+1))
		}
		c.say(fmt.Sprintf("storm %d\n", n))
		if at := numbers(t, c.line())[0]; at < n*9/10 {
			t.Errorf("only %d fibers wait at once", at)
		}
		for i, r := range receivers {
			r.expect("ready")
			r.say(fmt.Sprint(3*(i+1)+1, "\n"))
		}
		for _, r := range receivers {
			r.expect("received")
		}
		if s.workers == 1 {
			ask(fmt.Sprintf("%d right, 0 wrong", 200+n+clients))
		} else { // receivers count on their own workers
			eventually(t, "all right", func() bool {
				c.say("result\n")
				a := c.line()
				if strings.HasSuffix(a, " 0 wrong") == false {
					t.Fatal(a)
				}
				return c.line() == "0 wait" && numbers(t, strings.Fields(a)[0])[0] >= 200+n
			})
		}
		if strings.Contains(sv.Out.String(), "wrong") {
			t.Error(sv.Out.tail())
		}
		// Fibers and timers are gone; goroutines are back within their pools.
		var after []int
		eventually(t, "counts back at the start", func() bool {
			c.say("stats\n")
			after = numbers(t, c.line())
			pools := 64 * (2*s.workers + 2)
			return after[0] == before[0] && after[1] == before[1] && after[2] <= before[2]+pools && after[3] == before[3]
		})
		t.Logf("coroutines, timers, goroutines, descriptors: %v -> %v", before, after)
	})
}

func TestHalfOfThemCutByShutdown(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		n, stay := 4000, 60
		if s.race {
			n, stay = 600, 20
		}
		sv := serve(t, s, stormScript)
		sv.quiet = true
		c := sv.dial(t)
		c.say(fmt.Sprintf("long %d\n", n))
		c.expect("begun")
		eventually(t, "the short half is done", func() bool {
			c.say("result\n")
			a := c.line()
			c.line()
			return a == fmt.Sprintf("%d right, 0 wrong", n/2)
		})
		var short, long []*client
		for i := range stay {
			k := sv.dial(t)
			if i%2 == 0 {
				short = append(short, k)
				k.say("stay 700\n")
			} else {
				long = append(long, k)
				k.say("stay 600000\n")
			}
		}
		for _, k := range append(append([]*client(nil), short...), long...) {
			k.expect("staying")
		}
		sv.cmd.Process.Signal(syscall.SIGTERM)
		for _, k := range short {
			k.expect("stayed")
		}
		for _, k := range long {
			if rest, _ := k.rest(); strings.Contains(rest, "stayed") {
				t.Error("a callback that was cut went on")
			}
		}
		if code := sv.wait(t); code != 4 {
			t.Errorf("exit code %d, want 4", code)
		}
		log := sv.Log.String()
		line := 1 + strings.Count(stormScript[:strings.Index(stormScript, "co.sleep(n / 1000)")], "\n")
		goLine := 1 + strings.Count(stormScript[:strings.Index(stormScript, "pcall(co.sleep, 600)")], "\n")
		named, begun := 0, 0 // callbacks, and what they had begun with co.go
		for _, l := range strings.Split(log, "\n") {
			if !strings.Contains(l, "cut short: ") || !strings.Contains(l, "waiting in co.sleep for ") {
				continue
			}
			switch {
			case strings.Contains(l, "onReceive (worker ") && strings.Contains(l, fmt.Sprintf("at app.lua:%d", line)) && strings.Contains(l, "(session "):
				named++
			case strings.Contains(l, "co.go (worker ") && strings.Contains(l, fmt.Sprintf("at app.lua:%d", goLine)):
				begun++
			}
		}
		if named != len(long) || begun != n/2 || strings.Count(log, "cut short") != named+begun {
			t.Errorf("%d of %d callbacks and %d of %d fibers are named with their lines, %d cut in all\n%s",
				named, len(long), begun, n/2, strings.Count(log, "cut short"), sv.Log.tail())
		}
		if out := sv.Out.String(); out != fmt.Sprintf("all the long ones were cut, %d right, 0 wrong\n", n/2) {
			t.Errorf("output:\n%s", sv.Out.tail())
		}
	})
}

func TestSpinningFibersStarveNobody(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
local co = require "co"
local stop, turns, ended = false, 0, 0
function onReceive(server, fd, reactor_id, data)
  if data == "spin\n" then
    for i = 1, 1001 do
      co.go(function()
        while not stop do turns = turns + 1 co.sleep(0) end
        ended = ended + 1
      end)
    end
    server:send(fd, "spinning\n")
  elseif data == "turns\n" then server:send(fd, turns .. "\n")
  elseif data == "stop\n" then stop = true server:send(fd, "stopping\n")
  elseif data == "ended\n" then server:send(fd, ended .. "\n")
  else server:send(fd, data) end
end`)
		c := sv.dial(t)
		c.say("spin\n")
		c.expect("spinning")
		var others []*client
		for range s.workers { // one on each worker, that of the spinners too
			others = append(others, sv.dial(t))
		}
		turns := func() int { c.say("turns\n"); return numbers(t, c.line())[0] }
		was := turns()
		for i := range 100 {
			for _, o := range others {
				msg := fmt.Sprintf("message %d", i)
				o.say(msg + "\n")
				o.expect(msg)
			}
		}
		if now := turns(); now < was+2000 {
			t.Errorf("the spinning fibers made %d turns meanwhile", now-was)
		}
		c.say("stop\n")
		c.expect("stopping")
		eventually(t, "all fibers end", func() bool { c.say("ended\n"); return c.line() == "1001" })
	})
}

func TestCoGo(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.workers = 1
		sv := serve(t, s, `
local co = require "co"
function onStart(server) print("start, worker started: " .. tostring(started)) end
function onWorkerStart(server, worker_id)
  co.go(function() print("held until live") end)
  server:after(1, function() print("timer of the start") end)
  print("onWorkerStart")
end
function onError(server, event, err) print("onError " .. event .. ": " .. err.message) end
function onReceive(server, fd, reactor_id, data)
  print("main 1")
  local after, all = co.channel(), co.channel()
  local id = co.go(function(a, b)
    print("child 1", a, b, select("#", co.self()))
    co.go(function()
      print("grandchild 1")
      after:pop()
      print("grandchild 2")
      all:push(true)
    end)
    print("child 2")
    co.sleep(0.01)
    print("child 3")
    after:push(true)
  end, "x", nil)
  print("main 2", id ~= co.self())
  local never = co.go(function() print("at once", co.self()) end)
  print("main 3", never)
  co.go(function() error("thrown at once") end)
  co.go(function() co.sleep(0) error("thrown later") end)
  print("main 4")
  all:pop()
  local ids, n = {}, 0
  for i = 1, 50 do
    local id
    id = co.go(function() co.sleep(0) assert(co.self() == id) n = n + 1 end)
    assert(not ids[id] and id > 0)
    ids[id] = true
  end
  while n < 50 do co.sleep(0.001) end
  server:send(fd, "done\n")
end`)
		sv.Out.wait(t, "timer of the start\n")
		c := sv.dial(t)
		c.say("go\n")
		c.expect("done")
		got := sv.Out.String()
		ids := numbers(t, between(got, "main 3\t", "\n"))
		want := `main 1
child 1	x	nil	1
grandchild 1
child 2
main 2	true
at once	` + fmt.Sprint(ids[0]) + `
main 3	` + fmt.Sprint(ids[0]) + `
onError co.go: app.lua:29: thrown at once
main 4
onError co.go: app.lua:30: thrown later
child 3
grandchild 2
`
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if !strings.HasPrefix(got, "onWorkerStart\n") || strings.Count(got, "held until live\n") != 1 {
			t.Errorf("the start:\n%s", got)
		}
	})
}

// between is what stands in s behind a and before b.
func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

func TestTopLevelOnlyDeclares(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		`require("co").sleep(1)`:              "app.lua:1: co.sleep cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`require("co").go(function() end)`:    "app.lua:1: co.go cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`server:tick(1000, print)`:            "app.lua:1: server:tick cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`require("timer").after(1000, print)`: "app.lua:1: timer.after cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`server:send(1, "x")`:                 "app.lua:1: server:send cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`server:task("x")`:                    "app.lua:1: server:task cannot be used while the script loads: the top level only declares (do it in onWorkerStart)",
		`pcall(coroutine.wrap(function() print(pcall(require("co").sleep, 1)) end)) error("so", 0)`: "so",
	} {
		sv := launch(t, setup{mode: "base"}, script(t, what+"\nfunction onReceive() end"))
		if code := sv.wait(t); code != 1 {
			t.Errorf("%s: exit code %d", what, code)
		}
		if log := sv.Log.String(); !strings.Contains(log, want) {
			t.Errorf("%s:\n%s", what, log)
		}
	}
	sv := serve(t, setup{mode: "base"}, `
function onReceive() end
function onStart(server)
  print(pcall(server.tick, server, 1000, print))
  print(pcall(server.after, server, 1000, print))
end`)
	sv.Out.waitCount(t, "false\t", 2)
	if got := strings.Count(sv.Out.String(), "the control VM has no timers (start them in onWorkerStart, where worker_id == 0 does it once)"); got != 2 {
		t.Errorf("the hint came %d times:\n%s", got, sv.Out)
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
local co, timer = require "co", require "timer"
function onError(server, event, err) print("onError " .. event .. ": " .. err.message .. " fd " .. tostring(err.fd)) end
local function list() return table.concat(timer.list(), ",") end
function onReceive(server, fd, reactor_id, data)
  local function say(...) local t = {...} for i = 1, select("#", ...) do t[i] = tostring(t[i]) end server:send(fd, table.concat(t, " ") .. "\n") end
  local function done(n) server:send(fd, n .. "\n") end
  if data == "args\n" then
    local runs = 0
    local id
    id = server:tick(5, function(tid, a, b, c)
      runs = runs + 1
      if runs == 3 then
        say(tid == id, a, b, c, server:clearTimer(tid), timer.exists(tid))
        done("cleared inside")
      end
    end, "one", nil, 3)
    server:after(5, function(...) say("after", select("#", ...), ...) end, "x", nil)
  elseif data == "slow\n" then
    local inside, overlap, runs = 0, 0, 0
    timer.tick(2, function(id)
      inside = inside + 1
      if inside > 1 then overlap = overlap + 1 end
      co.sleep(0.02)
      inside = inside - 1
      runs = runs + 1
      if runs == 4 then
        local info = timer.info(id)
        say("overlap", overlap, info.missed > 3, info.running, info.exec_count, info.interval)
        timer.clear(id)
        say(timer.info(id), timer.exists(id), timer.clear(id))
      end
    end)
  elseif data == "module\n" then
    local a, b = timer.tick(100000, print), timer.after(50000, print)
    say(timer.exists(a), timer.exists(b), timer.exists(b + 1), list() == a .. "," .. b, timer.stats().num)
    local i, j = timer.info(a), timer.info(b)
    say(i.interval, i.exec_count, i.exec_msec > 90000 and i.exec_msec <= 100000, i.running, j.interval, j.delay)
    say(server:stats().timer_num, timer.clear(a), timer.clear(a), server:clearTimer(b), server:clearTimer(b), list())
    timer.tick(100000, print) timer.after(100000, print)
    say(timer.clearAll(), timer.stats().num, list(), timer.stats().initialized)
  elseif data == "error\n" then
    local n = 0
    server:tick(3, function(id) n = n + 1 if n == 3 then server:clearTimer(id) done("three") end error("tick " .. n) end)
    server:after(1, function() error({}) end)
  elseif data == "wrong\n" then
    for _, args in ipairs{ {0, print}, {-1, print}, {0/0, print}, {1e300, print}, {"x", print}, {10}, {10, "print"}, {} } do
      say(select(2, pcall(server.tick, server, unpack(args))))
    end
    say(select(2, pcall(timer.after, 1)))
    say(select(2, pcall(timer.clear, "x")))
    say(server:clearTimer(12345), server:clearTimer(1.5), timer.exists(-1))
  end
end`)
		c := sv.dial(t)
		c.say("args\n")
		got := map[string]bool{}
		for range 3 {
			got[c.line()] = true
		}
		for _, want := range []string{"true one nil 3 true false", "cleared inside", "after 2 x nil"} {
			if !got[want] {
				t.Errorf("no %q in %v", want, got)
			}
		}
		c.say("slow\n")
		c.expect("overlap 0 true true 4 2")
		c.expect("nil false false")
		c.say("module\n")
		c.expect("true true false true 2")
		c.expect("100000 0 true false 0 50000")
		c.expect("2 true false true false ")
		c.expect("true 0  true")
		c.say("error\n")
		c.expect("three")
		for _, want := range []string{"onError timer: app.lua:44: tick 1 fd nil\n", "tick 2 fd nil\n", "tick 3 fd nil\n", "onError timer: (error object is a table value) fd nil\n"} {
			sv.Out.wait(t, want)
		}
		sv.Log.waitCount(t, "timer failed: ", 4)
		c.say("wrong\n")
		c.expect("server:tick: the time must be 1 to 31622400000 milliseconds, not 0")
		c.expect("server:tick: the time must be 1 to 31622400000 milliseconds, not -1")
		if l := c.line(); !strings.HasPrefix(l, "server:tick: the time must be 1 to 31622400000 milliseconds, not ") {
			t.Error(l)
		}
		c.expect("server:tick: the time must be 1 to 31622400000 milliseconds, not 1e+300")
		c.expect(`server:tick: the time must be 1 to 31622400000 milliseconds, not "x"`)
		c.expect("bad argument #2 'callback' to 'server:tick' (function expected, got no value)")
		c.expect("bad argument #2 'callback' to 'server:tick' (function expected, got string)")
		c.expect("server:tick: the time must be 1 to 31622400000 milliseconds, not nil")
		c.expect("bad argument #2 'callback' to 'timer.after' (function expected, got no value)")
		c.expect("bad argument #1 'id' to 'timer.clear' (number expected, got string)")
		c.expect("false false false")
	})
}

// A tick keeps to its grid: what a busy worker misses is skipped, not made up.
func TestTicksDoNotDrift(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, `
local timer = require "timer"
function onReceive(server, fd)
  local runs = 0
  timer.tick(50, function(id)
    runs = runs + 1
    if runs == 1 then
      local till = os.clock() + 0.3 -- of all threads' time
      while os.clock() < till do end -- two due times pass, or more
    elseif runs == 3 then
      server:send(fd, "missed " .. tostring(timer.info(id).missed >= 1) .. "\n")
      timer.clear(id)
    end
  end)
end`)
	c := sv.dial(t)
	c.say("x")
	c.expect("missed true")
}

// SIGQUIT prints what every waiting fiber waits for, and the server goes on.
func TestQuitSignalShowsWhoWaits(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
local co = require "co"
server:set{ max_wait_time = 0.2 }
local function deep(n)
  if n > 0 then return deep(n - 1) + 0 end
  co.sleep(600)
end
function onWorkerStart(server, id) if id == 0 then co.go(function() pcall(deep, 2) end) end end
function onReceive(server, fd, reactor_id, data)
  if data == "wait\n" then
    server:send(fd, "waiting\n")
    pcall(function() table.sort({2, 1}, function(a, b) deep(3) return a < b end) end)
  elseif data == "recv\n" then
    server:send(fd, "receiving\n")
    server:recv(fd, 600)
  else
    server:send(fd, data)
  end
end`)
		a, b, c := sv.dial(t), sv.dial(t), sv.dial(t)
		a.say("wait\n")
		a.expect("waiting")
		b.say("recv\n")
		b.expect("receiving")
		sv.cmd.Process.Signal(syscall.SIGQUIT)
		sv.Log.wait(t, "control: 0 fibers wait")
		log := sv.Log.String()
		for _, want := range []string{"waits in co.sleep for ", "waits in server:recv for ", ": onReceive (worker ", ": co.go (worker 0, generation 1)",
			"app.lua:6: in function 'deep'", "in function 'sort'", "app.lua:15: in function", "worker 0: "} {
			if !strings.Contains(log, want) {
				t.Errorf("no %q in the list", want)
			}
		}
		if t.Failed() {
			t.Log(log)
		}
		c.say("still there\n")
		c.expect("still there")
		select {
		case <-sv.exited:
			t.Error("the server has ended")
		case <-time.After(50 * time.Millisecond):
		}
		sv.quiet = true // its fibers are cut
	})
}

package co_test

import (
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	"swoon/stdlib/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{co.Module, shared.Module}

func run(t *testing.T, code string) string {
	t.Helper()
	return scriptingtest.Run(t, modules, "local co, shared = require 'co', require 'shared'\n"+code)
}

func TestDefer(t *testing.T) {
	out := run(t, `
local log = {}
local function note(...) log[#log + 1] = table.concat({...}, " ") end
local id = co.go(function()
  co.defer(note, "first")
  co.defer(function(a, b) note(a, b) co.sleep(0.001) note("waited") end, "second", "x")
  co.defer(error, "in defer")
  note("body")
  co.sleep(0.001)
  note("end")
end)
eq(co.join(id), true)
eq(log, {"body", "end", "second x", "waited", "first"})
log = {}
co.go(function() co.defer(note, "after an error") error("boom") end)
eq(log, {"after an error"})
-- a deferred function may defer
log = {}
co.go(function() co.defer(function() note("one") co.defer(note, "two") end) end)
eq(log, {"one", "two"})
-- a cancelled fiber runs what it deferred, but cannot wait there
log = {}
id = co.go(function()
  co.defer(function() note(tostring(pcall(co.sleep, 1))) end)
  co.sleep(1000)
end)
eq(co.cancel(id), true)
eq(co.join(id), true)
eq(log, {"false"})
-- of a callback
co.defer(print, "the callback has ended")
`)
	if out != "" {
		t.Errorf("printed %q", out)
	}
}

func TestYieldAndResume(t *testing.T) {
	run(t, `
local got
local id = co.go(function(a)
  local x, y, z = co.yield()
  got = {a, x, y, z}
  got.second = {co.yield()}
end, "arg")
eq(co.exists(id), true)
eq(co.resume(id, 1, nil, 3), true)
eq(got, nil) -- it goes on when this one waits
fails("not_yielded", co.resume(id))
co.sleep(0) co.sleep(0)
eq(got, {"arg", 1, nil, 3})
eq(co.resume(id), true)
eq(co.join(id), true)
eq(got.second, {})
eq(co.exists(id), false)
fails("no_such_fiber", co.resume(id))
fails("no_such_fiber", co.resume(-1)) fails("no_such_fiber", co.resume(1.5)) fails("no_such_fiber", co.cancel(2^60))
local sleeper = co.go(co.sleep, 1000)
fails("not_yielded", co.resume(sleeper))
co.cancel(sleeper)
`)
}

func TestCancelAndJoin(t *testing.T) {
	run(t, `
local why, again
local id = co.go(function()
  local ok, err = pcall(co.sleep, 1000)
  why = err
  ok, err = pcall(co.sleep, 0)
  again = err
end)
eq(co.cancel(id), true)
eq(co.join(id, 20), true)
assert(why:find("cancelled: the fiber was cancelled by co.cancel", 1, true), why)
assert(again:find("cancelled", 1, true), again)
fails("no_such_fiber", co.cancel(id))
fails("would_deadlock", co.cancel(co.self()))
fails("would_deadlock", co.join(co.self()))
fails("would_deadlock", co.join({id, co.self()}))
eq(co.join(id), true) eq(co.join({}), true) eq(co.join({id, 999999}), true)
local n, ids = 0, {}
for i = 1, 20 do ids[i] = co.go(function() co.sleep(i % 5 / 1000) n = n + 1 end) end
eq(co.join(ids), true) eq(n, 20)
local long = co.go(co.sleep, 1000)
fails("timeout", co.join(long, 0.002)) fails("timeout", co.join({long}, 0))
eq(co.exists(long), true)
raises("a fiber's id or a list of ids expected, got string", co.join, "x")
-- who joins can be cancelled too, and joins again
local joiner = co.go(function() why = select(2, pcall(co.join, long)) end)
co.cancel(joiner) co.join(joiner)
assert(why:find("cancelled", 1, true), why)
co.cancel(long) eq(co.join(long), true)
-- each wait can be cancelled
local c, l, g = co.channel(1), co.lock(), co.waitgroup(1)
c:push(1) l:lock()
local sc, sl, sa = shared.channel("c", 1), shared.lock("l"), shared.atomic("a")
sl:lock()
local ended = 0
for name, wait in pairs{
  push = function() c:push(2) end, lock = function() l:lock() end, wait = function() g:wait() end, yield = co.yield,
  select = function() co.select{{c, "push", 3}, {sc}} end, batch = function() co.batch{function() co.sleep(1000) end} end,
  spop = function() sc:pop() end, slock = function() sl:lock() end, swait = function() sa:wait(-1) end,
} do
  local id = co.go(function()
    local ok, err = pcall(wait)
    if ok or not err:find("cancelled", 1, true) then error(name .. ": " .. tostring(err)) end
    ended = ended + 1
  end)
  co.cancel(id) co.join(id)
end
eq(ended, 9)
eq(c:pop(), 1) fails("timeout", c:pop(0)) -- nobody pushed
eq(sc:push("x"), true) eq(sc:pop(0), "x") -- and nobody took
eq(l:unlock(), true) eq(l:trylock(), true)
`)
}

func TestChannel(t *testing.T) {
	run(t, `
local c = co.channel()
eq(c.capacity, 1)
local f = function() end
eq(c:push(f), true) assert(c:pop() == f)
fails("timeout", c:pop(0)) fails("timeout", c:pop(0.001)) eq(c.errCode, -1)
local got, sent = {}, 0
local consumer = co.go(function() for i = 1, 10 do local v = c:pop() got[#got + 1] = v end end)
local producer = co.go(function() for i = 1, 10 do c:push(i) sent = sent + 1 end end)
co.join({consumer, producer})
eq(got, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) eq(sent, 10)
eq(c:stats(), {consumer_num = 0, producer_num = 0, queue_num = 0, push_count = 11, pop_count = 11, closed = false})
c:push("left") eq(c:close(), true)
eq(c:pop(), "left") fails("channel_closed", c:pop()) fails("channel_closed", c:push(1))
raises("a whole number from 0", co.channel, -1) raises("a whole number from 0", co.channel, 0.5) raises("a whole number from 0", co.channel, 0/0)
raises("calling 'pop' without its co.channel", c.pop)
`)
}

func TestSelect(t *testing.T) {
	run(t, `
local a, b, s = co.channel(1), co.channel(1), shared.channel("s", 1)
fails("timeout", co.select({{a}, {b}, {s}}, 0))
fails("timeout", co.select({{a}, {b}, {s}}, 0.002))
b:push("vb")
local i, v = co.select{{a}, {b}, {s}}
eq(i, 2) eq(v, "vb")
i, v = co.select{{a}, {b, "push", 7}}
eq(i, 2) eq(v, true) eq(b:pop(), 7)
-- waiting: only one case happens, and the value comes with it
for turn, ch in ipairs{a, b, s} do
  local got
  local id = co.go(function() got = {co.select{{a}, {b, "pop"}, {s}}} end)
  eq(ch:push({turn}), true)
  eq(co.join(id), true)
  eq(got, {turn, {turn}})
  eq(a:length() + b:length() + s:length(), 0)
  eq(a:stats().consumer_num + b:stats().consumer_num + s:stats().consumer_num, 0)
end
a:push("full")
local got
local id = co.go(function() got = {co.select{{a, "push", "mine"}, {b}}} end)
eq(a:pop(), "full") co.join(id)
eq(got, {1, true}) eq(a:pop(), "mine")
-- neither side starves
a, b = co.channel(100), co.channel(100)
for i = 1, 100 do a:push("a") b:push("b") end
local n = {0, 0}
for i = 1, 100 do local c = co.select{{a}, {b}} n[c] = n[c] + 1 end
eq(n, {50, 50})
-- two selects with each other
local x, y = co.channel(1), co.channel(1)
x:push("x") y:push("y")
local done = 0
for k = 1, 2 do co.go(function() for i = 1, 100 do co.select{{x, "push", i}, {y, "push", i}} end done = done + 1 end) end
local sum = 0
while done < 2 or x:length() + y:length() > 0 do co.select({{x}, {y}}, 0) sum = sum + 1 co.sleep(0) end
b:close()
i, v = co.select{{co.channel()}, {b}}
while v do i, v = co.select{{co.channel()}, {b}} end
eq(i, 2) eq(v, false)
eq({co.select{{b}}}, {1, false, "channel_closed", "the channel is closed"})
raises("a list of cases expected", co.select, {})
raises("case 1 must be a table {channel} or {channel, \"push\", value}, not userdata", co.select, {a})
raises("case 1 has no channel, but nil", co.select, {{}})
raises("case 1 must be a \"pop\" or a \"push\", not pull", co.select, {{a, "pull"}})
raises("data: cannot push a function into a shared channel", co.select, {{s, "push", print}})
`)
}

func TestWaitGroup(t *testing.T) {
	run(t, `
local g = co.waitgroup()
eq(g:wait(), true)
local n = 0
for round = 1, 2 do
  for i = 1, 5 do g:add() co.go(function() co.sleep(0.001) n = n + 1 g:done() end) end
  eq(g:count(), 5) eq(g:wait(), true) eq(n, 5 * round)
end
g:add(2)
fails("timeout", g:wait(0.002)) fails("timeout", g:wait(0))
co.go(function() eq(g:wait(), true) n = -1 end)
raises("a fiber waits for the group already", g.add, g)
raises("a fiber waits for the group already", g.wait, g)
g:add(-2) co.sleep(0) co.sleep(0)
eq(n, -1)
raises("the count would be negative (-1)", g.done, g)
raises("a whole number expected, got 0.5", g.add, g, 0.5)
eq(co.waitgroup(3):count(), 3) raises("from 0", co.waitgroup, -1)
`)
}

func TestLock(t *testing.T) {
	run(t, `
local l, order = co.lock(), {}
local ids = {}
for i = 1, 5 do ids[i] = co.go(function() l:lock() order[#order + 1] = i co.sleep(0.001) order[#order + 1] = -i l:unlock() end) end
co.join(ids)
eq(order, {1, -1, 2, -2, 3, -3, 4, -4, 5, -5})
co.go(function() l:lock() end)
eq(select(2, l:lock(0)), "owner_died")
raises("mutex", l.lock_read, l)
eq(co.lock("rw"):lock_read(), true)
raises("\"mutex\" or \"rw\" expected", co.lock, "spin")
`)
}

func TestBatch(t *testing.T) {
	run(t, `
local r, e = co.batch{ a = function() co.sleep(0.003) return 1 end, b = function() return "two", "dropped" end, function() end }
eq(r, { a = 1, b = "two" }) eq(e, nil)
r, e = co.batch({ ok = function() return true end, bad = function() error("broke") end, thrown = function() co.sleep(0) error({code = 7}) end,
  slow = function() co.sleep(1000) end }, 0.05)
eq(r, { ok = true })
assert(e.bad:find("app.lua:%d+: broke"), e.bad) eq(e.thrown.code, 7) eq(e.slow, "timeout")
eq({co.batch{}}, {{}})
raises("entry 1 must be a function, not number", co.batch, {1})
r, e = co.parallel(5, function(i) co.sleep(0) if i == 3 then error("three", 0) end return i * i end)
eq(r, {1, 4, [4] = 16, [5] = 25}) eq(e, {[3] = "three"})
eq(co.parallel(0, print), {})
raises("a whole number from 0", co.parallel, 1.5, print)
r, e = co.map({x = 1, y = 2, 10}, function(v, k) co.sleep(0.001) return tostring(k) .. v end)
eq(r, {x = "x1", y = "y2", "110"}) eq(e, nil)
-- all at once
local now, most = 0, 0
co.parallel(100, function() now = now + 1 most = math.max(most, now) co.sleep(0.001) now = now - 1 end)
eq(most, 100)
`)
}

// What onWorkerStart waits for starts at once, what it only starts is held.
func TestInWorkerStart(t *testing.T) {
	s := scriptingtest.Serve(t, modules, `
local co = require "co"
function onReceive() end
function onWorkerStart(server, id)
  local held = co.go(function() print("held ran") end)
  local dropped = co.go(function() print("dropped ran") end)
  assert(held > 0 and held ~= dropped and co.exists(held))
  print(select(2, co.join(held)), co.cancel(dropped), co.exists(dropped))
  local r, e = co.batch{ a = function() co.sleep(0.001) return 1 end }
  print("batch", r.a, e)
  server:after(1, function() print("exists", co.exists(held), co.join({held, dropped})) end)
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "exists\tfalse\ttrue\n")
	if got, want := s.Out.String(), "would_deadlock\ttrue\tfalse\nbatch\t1\tnil\nheld ran\nexists\tfalse\ttrue\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A fiber that is told to end and does not is stopped for good, and its lock is
// released.
func TestKilledFiberReleasesItsLock(t *testing.T) {
	s := scriptingtest.Serve(t, modules, `
local co, shared = require "co", require "shared"
function onReceive() end
function onWorkerStart(server, id)
  local l = shared.lock("l")
  server:after(1, function()
    local id = co.go(function()
      l:lock()
      while true do pcall(co.sleep, 1) end
    end)
    co.cancel(id)
    print(l:lock())
  end)
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "true\towner_died\t")
	s.Log.Wait(t, "shared.lock 'l': the fiber that held the lock ended without unlock; it is released locked_at=app.lua:8")
}

// What fails when nobody looks at the result any more is reported.
func TestLateErrorsAreReported(t *testing.T) {
	s := scriptingtest.Serve(t, modules, `
local co = require "co"
function onReceive() end
function onError(server, event, err) print("onError", event, err.message) end
function onWorkerStart(server, id)
  server:after(1, function()
    local gate = co.channel()
    local r, e = co.batch({ function() gate:pop() error("late", 0) end }, 0.001)
    print(e[1])
    gate:push(true)
  end)
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "timeout\nonError\tco.batch\tlate\n")
}

package pool

import (
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/client"
	"swoon/stdlib/co"
	clock "swoon/stdlib/time"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{Module, client.Module, co.Module, clock.Module}

const head = `local pool, client, co = require "pool", require "client", require "co"
-- objects that can be told apart, and broken
local made, closed = 0, {}
local function maker() made = made + 1 return { n = made, good = true } end
local function closer(o) closed[#closed + 1] = o.n o.closed = true end
local function new(opts)
  opts.create, opts.close = opts.create or maker, opts.close or closer
  return pool.new(opts)
end
local function until_(cond) for i = 1, 6000 do if cond() then return end co.sleep(0.005) end error("it never came true", 2) end
`

func run(t *testing.T, code string) string {
	t.Helper()
	return scriptingtest.Run(t, modules, head+code)
}

// Two at once make two; later ones use them again.
func TestReuse(t *testing.T) {
	run(t, `
local p = new{ max = 5 }
eq(p.size, 0) eq(p.idle, 0)
local a, b = p:acquire(), p:acquire()
eq({ a.n, b.n, p.size, p.borrowed, p.idle, made }, { 1, 2, 2, 2, 0, 2 })
eq(p:release(a), true) eq(p:release(b), true)
eq({ p.idle, p.borrowed }, { 2, 0 })
eq(p:acquire(), b) eq(p:get(), a) eq(made, 2) -- last in, first out
p:put(a) p:put(b)
local f = new{ max = 5, order = "fifo" }
a, b = f:acquire(), f:acquire()
f:release(a) f:release(b)
eq(f:acquire(), a) eq(f:acquire(), b) eq(made, 4)
local s = p:stats()
eq({ s.size, s.idle, s.created, s.acquired, s.released, s.waiting, s.max }, { 2, 2, 2, 4, 4, 0, 5 })
`)
}

func TestQueueAndTimeout(t *testing.T) {
	run(t, `
local p = new{ max = 1, max_waiting = 2, acquire_timeout = 0.02 }
local a = p:acquire()
local _, name, text = p:acquire()
eq(name, "timeout") eq((text:gsub("for [%d.]+m?s at", "for T at")), "pool 'app.lua:44': nothing came within 20ms: 1 of 1 borrowed, one for T at app.lua:49")
fails("timeout", p:acquire(0)) fails("timeout", p:acquire{ timeout = 0.001 })
local got = {}
for i = 1, 2 do co.go(function() local o = p:acquire(30) got[#got + 1] = i .. ":" .. o.n co.sleep(0.001) p:release(o) end) end
eq(p.waiting, 2)
fails("max_waiting", p:acquire())
p:release(a) -- straight to the first who waits
eq({ p.idle, p.waiting, p.borrowed }, { 0, 1, 1 })
until_(function() return #got == 2 end) eq(got, { "1:1", "2:1" }) eq(made, 1)
until_(function() return p.idle == 1 end)
-- one who was cancelled takes nothing with it
a = p:acquire()
local id = co.go(function() p:acquire(30) got[3] = "no" end)
co.cancel(id) co.join(id)
p:release(a) eq({ p.idle, p.borrowed, #got }, { 1, 0, 2 })
local s = p:stats()
eq({ s.timeouts, s.refused }, { 3, 1 })
raises("'priority' must be a whole number from 0 to 0, not 1", p.acquire, p, 1, 1)
raises("there is no option 'timeuot' (did you mean 'timeout'?)", p.acquire, p, { timeuot = 1 })
raises("'timeout' must be a number of seconds, not x", p.acquire, p, "x")
-- none may wait, but what can be made is made, and what is idle is lent
p = new{ max = 1, max_waiting = 0 }
a = p:acquire() fails("max_waiting", p:acquire()) p:release(a)
p = new{ max = 1, max_waiting = 0, check = function() return true end }
a = p:acquire() p:release(a) eq(p:acquire(), a) fails("max_waiting", p:acquire())
`)
}

func TestPriorities(t *testing.T) {
	run(t, `
local p = new{ max = 1, priorities = 3 }
local a, order = p:acquire(), {}
for i, prio in ipairs{ 2, 1, 0, 2, 0 } do
  co.go(function() local o = p:acquire(30, prio) order[#order + 1] = prio .. ":" .. i p:release(o) end)
end
p:release(a)
until_(function() return #order == 5 end)
eq(order, { "0:3", "0:5", "1:2", "2:1", "2:4" })
`)
}

// Making takes time: whoever waits takes what comes first, and what fails fails
// one of them.
func TestCreate(t *testing.T) {
	run(t, `
local gate = co.channel(10)
local p = new{ max = 2, name = "slow", create = function() local what = gate:pop() if type(what) == "function" then return what() end return maker() end }
local got = {}
for i = 1, 2 do co.go(function() local r = { p:acquire(30) } got[#got + 1] = r end) end
eq(p:stats().creating, 2) eq(p.size, 2)
co.sleep(0.005)
gate:push(function() return false, "refused", "nobody is there" end)
until_(function() return #got == 1 end) eq(got[1], { false, "refused", "nobody is there" })
gate:push(function() error("broken maker") end)
until_(function() return #got == 2 end) eq(got[2][2], "create_failed") assert(got[2][3]:find("broken maker"))
eq(p.size, 0) eq(p:stats().create_errors, 2)
co.go(function() got[3] = { p:acquire(30) } end)
gate:push(function() return 5 end)
until_(function() return #got == 3 end) eq(got[3][3], "create must return a table or another object, not a number")
co.go(function() got[4] = { p:acquire(30) } end)
gate:push(function() end)
until_(function() return #got == 4 end) eq(got[4][3], "create returned nothing")
-- one comes back before the new one is there
gate:push(true)
local a = p:acquire(30)
co.go(function() got[5] = p:acquire(30) p:release(got[5]) end)
eq(p:stats().creating, 1)
p:release(a) until_(function() return #got == 5 end) eq(got[5], a)
gate:push(true) until_(function() return p.idle == 2 end)
-- one that hangs is waited for by those who came for it only
gate = co.channel(10) got = {}
p = new{ max = 2, create = function() if made >= 100 then gate:pop() end return maker() end }
made = 100
fails("timeout", p:acquire(0.01)) eq(p:stats().creating, 1)
made = 10 eq(p:acquire(30).n, 11) eq(p:stats().creating, 1)
gate:push(true) until_(function() return p.idle == 1 end)
raises("'create' is missing", pool.new, {}) raises("'min' is 3, more than 'max' 2", new, { min = 3, max = 2 })
raises("there is no option 'maks' (did you mean 'max'?)", new, { maks = 2 })
raises("'create' makes the objects: 'host', 'port' and 'client' mean nothing beside it", new, { port = 2 })
raises("port 0 is not in 1..65535", pool.new, { host = "x" })
raises("'acquire_timeout' must be a number of seconds above 0", new, { acquire_timeout = 0 })
raises("pool.new: client: there is no option 'timeuot'", pool.new, { host = "x", port = 1, client = { timeuot = 1 } })
`)
}

func TestValidation(t *testing.T) {
	run(t, `
local checks = 0
local function check(o) checks = checks + 1 co.sleep(0.001) if o.good == "throw" then error("bad check") end return o.good end
local p = new{ max = 2, check = check }
local a = p:acquire() eq(checks, 0) p:release(a)
eq(p:acquire(), a) eq(checks, 1) -- on borrow
p:release(a) a.good = false
local b = p:acquire() assert(b ~= a) until_(function() return a.closed end) eq({ b.n, p.size, checks }, { 2, 1, 2 })
p:release(b) b.good = "throw"
eq(p:acquire().n, 3) until_(function() return b.closed end) eq(p:stats().invalid, 2)
-- on return
p = new{ max = 2, check = check, check_on_borrow = false, check_on_return = true }
a = p:acquire() checks = 0 p:release(a)
until_(function() return p.idle == 1 end) eq(checks, 1)
eq(p:acquire(), a) eq(checks, 1)
a.good = false p:release(a) until_(function() return a.closed end) eq({ p.size, p.idle }, { 0, 0 })
-- a check that hangs holds up nobody else, and a time-out ends the wait for it
local hang = co.channel(1)
p = new{ max = 2, check = function(o) if o.hang then hang:pop() end return true end }
a, b = p:acquire(), p:acquire() p:release(b) p:release(a) a.hang = true
fails("timeout", p:acquire(0.01)) eq(p:stats().checking, 1)
eq(p:acquire(), b) p:release(b) eq(p:acquire(), b)
hang:push(true) until_(function() return p.idle == 1 end)
a.hang = nil eq(p:acquire(), a)
-- what comes back is checked before the next one gets it
p = new{ max = 2, check = check }
a, b = p:acquire(), p:acquire()
local third
co.go(function() third = p:acquire(30) end)
a.good = false p:release(a)
until_(function() return third end) assert(third ~= a) eq(third.n, made) until_(function() return a.closed end)
raises("must be a function, not 3", new, { check = 3 })
`)
}

func TestEviction(t *testing.T) {
	run(t, `
local p = new{ max = 5, evict_interval = 0.01, evict_batch = 2, idle_time = 0.05 }
local list = {}
for i = 1, 5 do list[i] = p:acquire() end
for i = 1, 5 do p:release(list[i]) end
until_(function() return #closed == 5 end) eq(p.size, 0) eq(p:stats().evicted, 5)
-- the soft time spares min; the hard one does not, but they are made anew
closed = {}
p = new{ min = 2, max = 5, evict_interval = 0.005, soft_idle_time = 0.01, idle_time = -1 }
until_(function() return p.idle == 2 end)
list = {} for i = 1, 5 do list[i] = p:acquire() end for i = 1, 5 do p:release(list[i]) end
until_(function() return #closed == 3 end) co.sleep(0.05) eq({ p.size, #closed }, { 2, 3 })
p:close()
p = new{ min = 1, max = 2, evict_interval = 0.005, idle_time = 0.02 }
until_(function() return p:stats().evicted >= 2 end) until_(function() return p.idle == 1 end)
p:close()
-- too old: not lent again, whoever asks
p = new{ max = 2, max_lifetime = 0.02, evict_interval = -1 }
local a, b
repeat a = p:acquire() p:release(a) b = p:acquire() if a ~= b then p:release(b) end until a == b
co.sleep(0.03) p:release(a) eq(p.size, 0) until_(function() return a.closed end)
a = p:acquire() p:release(a) co.sleep(0.03) assert(p:acquire() ~= a) until_(function() return a.closed end)
`)
}

func TestUse(t *testing.T) {
	run(t, `
local p = new{ max = 1, acquire_timeout = 0.02 }
local o
eq({ p:use(function(x, a, b) o = x co.sleep(0.001) fails("timeout", p:acquire()) return a + b, nil, "c" end, 1, 2) }, { 3, nil, "c" })
eq({ p.idle, p.borrowed }, { 1, 0 }) eq(p:use(function(x) return x == o end), true)
eq(select("#", p:use(function() end)), 0)
-- an error closes the object, and goes on
local ok, err = pcall(p.use, p, function() error({ mine = true }) end)
eq(err, { mine = true }) eq({ p.size, p.borrowed }, { 0, 0 }) until_(function() return o.closed end)
-- so does a cancel
local id = co.go(function() p:use(function(x) o = x co.sleep(600) end) end)
until_(function() return p.borrowed == 1 and not o.closed end) co.cancel(id) co.join(id) eq(p.size, 0) until_(function() return o.closed end)
-- it may be given back inside
eq(p:use(function(x) p:destroy(x) return 7 end), 7) eq(p.size, 0)
local a = p:acquire() fails("timeout", p:use(print)) p:release(a)
eq(p:use({ timeout = 5, priority = 0 }, function(x, n) eq(x, a) return n end, 9), 9)
raises("#1 'fn' to 'pool:use' (function expected, got number)", p.use, p, 1)
raises("#2 'fn' to 'pool:use' (function expected, got nil)", p.use, p, {})
raises("'hold' means nothing here", p.use, p, { hold = true }, print)
`)
}

func TestLeaksAndDoubleRelease(t *testing.T) {
	s := scriptingtest.Serve(t, modules, head+`
function onReceive() end
local function check(ok, want) local ok, name, text = unpack(ok) if ok ~= false or name ~= want then error("got " .. tostring(ok) .. " " .. tostring(name)) end print(text) end
function onWorkerStart(server, id)
  server:after(1, function()
    local p = new{ max = 1, name = "db" }
    local a = p:acquire()
    p:release(a)
    check({ p:release(a) }, "not_borrowed")
    check({ p:release({}) }, "not_borrowed")
    print(pcall(p.release, p, nil))
    local leaked
    co.join(co.go(function() leaked = p:acquire() end))
    until_(function() return leaked.closed end) print("leaked", leaked.closed, p.size, p:stats().leaked, p:stats().closing == 0)
    check({ p:release(leaked) }, "not_borrowed")
    local b = p:acquire()
    print("replaced", b ~= leaked)
    p:release(b)
    -- held for longer than the fiber, and given back by another
    local held
    co.join(co.go(function() held = p:acquire{ hold = true } end))
    print("held", held == b, p.borrowed, p:release(held))
    co.join(co.go(function() local o = p:acquire() co.go(function() print("by another", p:release(o)) end) end))
    -- whoever waits gets the next one, though the other has died with his
    local other = co.go(function() p:acquire() error("dies with it") end)
    print("end", p.size, p:stats().leaked)
  end)
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "end\t")
	want := `pool 'db': the object is not borrowed: it was given back at app.lua:18
pool 'db': the object is not of this pool, or it was closed
false	bad argument #1 'object' to 'pool:release' (what acquire returned expected, got nil)
leaked	true	0	1	true
pool 'db': the object is not of this pool, or it was closed
replaced	true
held	true	1	true
by another	true
end	0	2
`
	if s.Out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", s.Out, want)
	}
	s.Log.WaitCount(t, "WARN an object of a pool was not given back by its fiber: it is closed and replaced", 2)
	if s.Log.Count("pool=db borrowed=app.lua:23") != 1 || s.Log.Count("borrowed=app.lua:35") != 1 {
		t.Errorf("logged\n%s", s.Log)
	}
}

func TestDrainAndFill(t *testing.T) {
	run(t, `
local p = new{ max = 3, min = 2 }
until_(function() return p.idle == 2 end)
eq(p:fill(3, 30), true) eq(p.idle, 3) eq(p:fill(1), true)
raises("0 to 3, which is max, expected, got 4", p.fill, p, 4)
eq(p:clear(), 3) until_(function() return p.idle == 2 end)
local a, b, c, waited = p:acquire(), p:acquire(), p:acquire(), nil
co.go(function() waited = p:acquire(30) co.sleep(0.01) p:release(waited) end)
fails("timeout", p:drain(0.01))
fails("draining", p:acquire()) fails("draining", p:fill()) fails("draining", p:use(print))
p:release(a) p:release(b) eq(waited, nil)
until_(function() return waited == a end) -- who waited already is served
fails("timeout", p:drain(0.001))
p:release(c)
eq(p:drain(30), true) eq({ p.size, p.idle, p.borrowed }, { 0, 0, 0 }) eq(p:drain(), true)
-- close waits for nothing
p = new{ max = 1 }
a = p:acquire()
local failed
co.go(function() failed = { p:acquire(30) } end)
eq(p:close(), true) eq(p:close(), false) until_(function() return failed end) eq(failed[2], "draining")
p:release(a) until_(function() return a.closed end) eq(p.size, 0)
-- what cannot be made is told
p = new{ max = 2, create = function() return false, "no_luck", "none" end }
fails("no_luck", p:fill(1, 30))
`)
}

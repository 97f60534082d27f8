package pool

import (
	"testing"

	"swoon/scripting/scriptingtest"
)

// The options of the pool that the tutorials use (generic-pool), each under its
// name there with what stands for it here: docs/clients.md has the same table.
var optionRows = []struct{ name, code string }{
	{"max: so many at most", `
local p = new{ max = 2 }
p:acquire() p:acquire() fails("timeout", p:acquire(0.01)) eq({ made, p.size }, { 2, 2 })`},
	{"min: so many are there before anybody asks, and again when some are closed", `
local p = new{ min = 2, max = 5 }
until_(function() return p.idle == 2 end) eq(made, 2)
p:destroy(p:acquire()) p:destroy(p:acquire()) until_(function() return p.idle == 2 end) eq(made, 4)`},
	{"autostart: on", `
local p = new{ min = 1 }
until_(function() return p.idle == 1 end)`},
	{"autostart: off", `
local p, q = new{ min = 3, autostart = false }, new{ min = 1 }
until_(function() return q.idle == 1 end) eq({ made, p.size }, { 1, 0 })
p:release(p:acquire()) until_(function() return p.idle == 3 end)`},
	{"fifo: on", `
local p = new{ order = "fifo" }
local a, b = p:acquire(), p:acquire() p:release(a) p:release(b)
eq(p:acquire(), a) eq(p:acquire(), b)`},
	{"fifo: off", `
local p = new{ order = "lifo" }
local a, b = p:acquire(), p:acquire() p:release(a) p:release(b)
eq(p:acquire(), b) eq(p:acquire(), a)`},
	{"priorityRange and acquire(priority)", `
local p, order = new{ max = 1, priorities = 2 }, {}
local a = p:acquire()
for i, prio in ipairs{ 1, 0, 1, 0 } do co.go(function() local o = p:acquire(30, prio) order[#order + 1] = i p:release(o) end) end
p:release(a) until_(function() return #order == 4 end) eq(order, { 2, 4, 1, 3 })
raises("'priority' must be a whole number from 0 to 1, not 2", p.acquire, p, 1, 2)`},
	{"acquireTimeoutMillis", `
local p = new{ max = 1, acquire_timeout = 0.01 }
p:acquire() fails("timeout", p:acquire()) eq(p:stats().timeouts, 1)`},
	{"maxWaitingClients", `
local p = new{ max = 1, max_waiting = 1 }
local a = p:acquire()
co.go(function() p:release(p:acquire(30)) end)
fails("max_waiting", p:acquire()) eq(p:stats().refused, 1) p:release(a)
until_(function() return p.idle == 1 end)`},
	{"testOnBorrow: on", `
local p = new{ check = function(o) return o.good end }
local a = p:acquire() p:release(a) a.good = false
assert(p:acquire() ~= a) until_(function() return a.closed end) eq(p:stats().invalid, 1)`},
	{"testOnBorrow: off", `
local p = new{ check = function(o) error("not asked") end, check_on_borrow = false }
local a = p:acquire() p:release(a) eq(p:acquire(), a)`},
	{"testOnReturn: on", `
local p = new{ check = function(o) return o.good end, check_on_borrow = false, check_on_return = true }
local a = p:acquire() p:release(a) until_(function() return p.idle == 1 end)
eq(p:acquire(), a) a.good = false p:release(a) until_(function() return a.closed end) eq(p.size, 0)`},
	{"testOnReturn: off", `
local p = new{ check = function(o) error("not asked") end, check_on_borrow = false }
local a = p:acquire() p:release(a) eq(p.idle, 1)`},
	{"evictionRunIntervalMillis: 0 looks never", `
local p = new{ evict_interval = -1, idle_time = 0.01 }
p:release(p:acquire()) co.sleep(0.1) eq({ p.idle, #closed }, { 1, 0 })`},
	{"evictionRunIntervalMillis and idleTimeoutMillis", `
local p = new{ evict_interval = 0.01, idle_time = 0.05 }
local a = p:acquire() p:release(a) until_(function() return a.closed end) eq({ p.size, p:stats().evicted }, { 0, 1 })`},
	{"numTestsPerEvictionRun", `
local p = new{ evict_interval = 0.1, evict_batch = 2, idle_time = 0.01, max = 6 }
local list = {} for i = 1, 6 do list[i] = p:acquire() end for i = 1, 6 do p:release(list[i]) end
local seen = {}
while p.idle > 0 do seen[p.idle] = true co.sleep(0.002) end
for n in pairs(seen) do if n % 2 == 1 then error(n .. " were left") end end eq(p:stats().evicted, 6)`},
	{"softIdleTimeoutMillis: spares min", `
local p = new{ min = 1, max = 4, evict_interval = 0.01, soft_idle_time = 0.02, idle_time = -1 }
local list = {} for i = 1, 4 do list[i] = p:acquire() end for i = 1, 4 do p:release(list[i]) end
until_(function() return #closed == 3 end) co.sleep(0.05) eq({ p.idle, #closed }, { 1, 3 })`},
	{"idleTimeoutMillis: comes before softIdleTimeoutMillis, min is made anew", `
local p = new{ min = 1, max = 1, evict_interval = 0.01, soft_idle_time = -1, idle_time = 0.02 }
until_(function() return #closed >= 2 end) until_(function() return p.idle == 1 end)`},
	{"factory.create", `
local p = new{ create = function() co.sleep(0.001) return { mine = true } end }
eq(p:acquire().mine, true)`},
	{"factory.destroy", `
local gone
local p = new{ close = function(o) co.sleep(0.001) gone = o end }
local a = p:acquire() p:destroy(a) until_(function() return gone == a end) eq(p.size, 0)`},
	{"factory.validate", `
local asked
local p = new{ check = function(o) co.sleep(0.001) asked = o return true end }
local a = p:acquire() p:release(a) eq(p:acquire(), a) eq(asked, a)`},
	{"factoryCreateError: fails one who waits", `
local p = new{ create = function() co.sleep(0.001) return false, "connection_refused", "nobody is there" end }
fails("connection_refused", p:acquire()) eq(p:stats().create_errors, 1)`},
	{"acquire and release: two at once make two, later ones use them again", `
local p = new{ max = 10 }
local a, b = p:acquire(), p:acquire() p:release(a) p:release(b)
a, b = p:acquire(), p:acquire() p:release(a) p:release(b) eq({ made, p.idle }, { 2, 2 })`},
	{"destroy: replaced when it is needed", `
local p = new{ max = 1 }
local a = p:acquire() local b
co.go(function() b = p:acquire{ timeout = 30, hold = true } end)
p:destroy(a) until_(function() return b end) eq({ b.n, p.size }, { 2, 1 })`},
	{"use", `
local p = new{ max = 1 }
eq(p:use(function(o) eq(p.borrowed, 1) return o.n end), 1) eq({ p.idle, p.borrowed }, { 1, 0 })`},
	{"drain: refuses, serves who waits, and ends", `
local p = new{ max = 1 }
local a, last = p:acquire(), nil
co.go(function() local o = p:acquire(30) last = true p:release(o) end)
local drained
co.go(function() drained = p:drain(30) end)
fails("draining", p:acquire()) p:release(a) until_(function() return drained end) eq({ last, p.size, #closed }, { true, 0, 1 })`},
	{"clear", `
local p = new{ max = 3 }
local a, b = p:acquire(), p:acquire() p:release(a)
eq(p:clear(), 1) until_(function() return a.closed end) eq({ p.size, p.borrowed }, { 1, 1 }) p:release(b) eq(p.idle, 1)`},
	{"size, available, borrowed, pending, max, min", `
local p = new{ min = 1, max = 2 }
until_(function() return p.idle == 1 end)
local a, b = p:acquire(), p:acquire()
co.go(function() p:release(p:acquire(30)) end)
local s = p:stats()
eq({ s.size, s.idle, s.borrowed, s.waiting, s.max, s.min }, { 2, 0, 2, 1, 2, 1 })
eq({ p.size, p.idle, p.borrowed, p.waiting }, { 2, 0, 2, 1 }) p:release(a) until_(function() return p.waiting == 0 end)`},
}

func TestOptionsOfTheTutorials(t *testing.T) {
	for _, row := range optionRows {
		t.Run(row.name, func(t *testing.T) {
			scriptingtest.Run(t, modules, head+row.code)
		})
	}
}

// What a pool has beyond those.
func TestMoreOptions(t *testing.T) {
	var s *scriptingtest.Server
	t.Cleanup(func() {
		if s != nil && s.Out.Count("closed 1\n") != 1 {
			t.Errorf("what is idle at the end was not closed: printed\n%s", s.Out)
		}
	})
	s = scriptingtest.Serve(t, modules, head+`
local top = new{ name = "top", min = 1, close = function(o) co.sleep(0.001) print("closed " .. o.n) end }
function onReceive() end
function onWorkerStart(server, id)
  server:after(1, function()
    until_(function() return top.idle == 1 end)
    local p = new{ name = "slow", leak_time = 0.02 }
    local a = p:acquire{ hold = true }
    local l = p:loans()
    print(#l, l[1].object == a, l[1].place, l[1].seconds >= 0)
    co.sleep(0.2)
    p:release(a)
    p:close() until_(function() return p.size == 0 and p:stats().closing == 0 end)
    print("end", #p:loans())
  end)
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "end\t0")
	if s.Out.Count("1\ttrue\tapp.lua:18\ttrue\n") != 1 {
		t.Errorf("printed\n%s", s.Out)
	}
	if s.Log.Count("WARN an object of a pool is borrowed for long pool=slow borrowed=app.lua:18 for=") != 1 {
		t.Errorf("logged\n%s", s.Log)
	}
}

package co_test

import "testing"

func TestBarrier(t *testing.T) {
	run(t, `
local b, log = co.barrier(3), {}
local ids = {}
for i = 1, 6 do
  ids[i] = co.go(function()
    assert(b:wait())
    log[#log + 1] = i
  end)
  if i == 2 then eq(b:waiting(), 2) eq(log, {}) end
end
eq(co.join(ids), true)
table.sort(log)
eq(log, {1, 2, 3, 4, 5, 6})
eq(b:waiting(), 0)
fails("timeout", b:wait(0))
fails("timeout", b:wait(0.002))
eq(b:waiting(), 0)
-- who was cancelled does not count
local gone = co.go(function() b:wait() end)
co.cancel(gone)
co.join(gone)
eq(b:waiting(), 0)
eq(co.barrier(1):wait(), true)
raises("co.barrier", co.barrier, 0) raises("co.barrier", co.barrier, 1.5)
`)
}

func TestListAndBacktrace(t *testing.T) {
	run(t, `
local c = co.channel()
local function taker() c:pop() end
local id = co.go(function() taker() end)
local list, found = co.list(), {}
for _, v in ipairs(list) do found[v] = true end
eq(found[id], true) eq(found[co.self()], true) eq(#list, 2)
local text = co.backtrace(id)
for _, want in ipairs({"fiber " .. id .. " waits in co.channel:pop for ", "co.go (worker 0", "app.lua:", "taker"}) do
  assert(text:find(want, 1, true), text)
end
assert(co.backtrace():find("fiber " .. co.self() .. " runs", 1, true), co.backtrace())
assert(co.backtrace(co.self()):find("app.lua:", 1, true))
local seen
co.go(function() for _, v in ipairs(co.list()) do seen = seen or v == co.self() end end)
eq(seen, true)
-- a listed callback can be used by its id
local timed = false
server:after(1, function() timed = pcall(co.sleep, 1000) end)
co.sleep(0.05)
for _, v in ipairs(co.list()) do
  if v ~= id and v ~= co.self() then
    eq(co.exists(v), true) eq(co.cancel(v), true) eq(co.join(v, 20), true)
  end
end
local s = co.stats()
eq(s.waiting, 1) assert(s.under_way >= 2) assert(s.worker_waiting >= 1) eq(s.max_coroutine, 100000)
c:push(1)
co.join(id)
fails("no_such_fiber", co.backtrace(id))
eq(co.list(), {co.self()})
`)
}

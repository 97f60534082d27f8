package co_test

import "testing"

func TestUnbufferedChannel(t *testing.T) {
	run(t, `
local c = co.channel(0)
eq(c.capacity, 0) eq(c:isFull(), true) eq(c:isEmpty(), true) eq(#c, 0)
fails("timeout", c:push(1, 0)) fails("timeout", c:pop(0)) fails("timeout", c:push(1, 0.002)) fails("timeout", c:pop(0.002))
eq(c.errCode, -1)
-- the push waits until its value is taken, and no longer
local log = {}
local function note(v) log[#log + 1] = v end
local pusher = co.go(function() note("push") eq(c:push("a"), true) note("pushed") end)
eq(log, {"push"}) eq(c:length(), 0)
eq(c:stats(), {consumer_num = 0, producer_num = 1, queue_num = 0, push_count = 0, pop_count = 0, closed = false})
local trace = co.backtrace(pusher)
assert(trace:find("co.channel:push", 1, true), trace)
eq(c:pop(), "a") eq(c.errCode, 0) co.join(pusher) eq(log, {"push", "pushed"})
-- the other way round, now with a push that must not wait
local popper = co.go(function() note(c:pop()) end)
eq(c:isFull(), false)
eq(c:push("b", 0), true) eq(c:isFull(), true) fails("timeout", c:push("c", 0)) co.join(popper)
eq(log[3], "b")
eq(c:stats(), {consumer_num = 0, producer_num = 0, queue_num = 0, push_count = 2, pop_count = 2, closed = false})
-- in their order; nil, false and a function are values like others
local f, got = function() end, {}
for _, v in ipairs{1, 2, f} do co.go(function() c:push(v) end) end
co.go(function() c:push(nil) end) co.go(function() c:push(false) end)
eq(c:stats().producer_num, 5)
for i = 1, 5 do got[i] = c:pop() eq(c.errCode, 0) end
eq(got[1], 1) eq(got[2], 2) assert(got[3] == f) eq(got[4], nil) eq(got[5], false)
-- who has timed out, or was cancelled, hands over nothing
local late = co.go(function() fails("timeout", c:push("late", 0.002)) end)
local gone = co.go(function() pcall(c.push, c, "gone") end)
co.go(function() c:push("good") end)
co.join(late) co.cancel(gone) co.join(gone)
eq(c:pop(), "good") fails("timeout", c:pop(0))
late = co.go(function() fails("timeout", c:pop(0.002)) end)
co.join(late)
fails("timeout", c:push("x", 0))
-- the end wakes both kinds
local ends, ids = 0, {}
ids[1] = co.go(function() fails("channel_closed", c:push(1)) ends = ends + 1 end)
ids[2] = co.go(function() fails("channel_closed", c:push(2, 100)) ends = ends + 1 end)
eq(c:close(), true) eq(c:close(), false) co.join(ids) eq(ends, 2) eq(c.errCode, -2)
fails("channel_closed", c:push(3)) fails("channel_closed", c:pop())
c = co.channel(0)
ids[1] = co.go(function() fails("channel_closed", c:pop()) ends = ends + 1 end)
ids[2] = co.go(function() eq({co.select{{c}, {co.channel()}}}, {1, false, "channel_closed", "the channel is closed"}) ends = ends + 1 end)
c:close() co.join(ids) eq(ends, 4)
`)
}

func TestUnbufferedSelect(t *testing.T) {
	run(t, `
local a, b = co.channel(0), co.channel(0)
local function both(tag)
  local r = {}
  r.id = co.go(function() r.i, r.v = co.select{{a, "push", tag}, {a}} end)
  return r
end
-- one that could do either does not meet itself, but the next one
fails("timeout", co.select({{a, "push", 1}, {a}}, 0)) fails("timeout", co.select({{a, "push", 1}, {a}}, 0.002))
local x = both("x")
eq(x.i, nil) eq(a:stats().producer_num, 1) eq(a:stats().consumer_num, 1)
local y = both("y")
co.join({x.id, y.id})
assert(x.i ~= y.i, "both did the same")
if x.i == 1 then eq(y.v, "x") eq(x.v, true) else eq(x.v, "y") eq(y.v, true) end
eq(a:stats(), {consumer_num = 0, producer_num = 0, queue_num = 0, push_count = 1, pop_count = 1, closed = false})
-- a plain push meets its pop, a plain pop its push
x = both("x") eq(a:push("p", 0), true) co.join(x.id) eq({x.i, x.v}, {2, "p"})
x = both("x") eq(a:pop(0), "x") co.join(x.id) eq({x.i, x.v}, {1, true})
fails("timeout", a:pop(0)) fails("timeout", a:push(1, 0))
-- a select that sends meets one that receives, in the one channel they share
local sent, got, ids = {}, {}, {}
for i = 1, 100 do
  ids[#ids + 1] = co.go(function() local k = co.select{{a, "push", i}, {b, "push", -i}} sent[k == 1 and i or -i] = true end)
  ids[#ids + 1] = co.go(function() local _, v = co.select{{b}, {a}} got[v] = true end)
  if i % 3 == 0 then co.sleep(0) end
end
co.join(ids)
eq(got, sent)
local n = 0
for _ in pairs(got) do n = n + 1 end
eq(n, 100)
-- nothing is left of a select that went through elsewhere
for _, c in ipairs{a, b} do fails("timeout", c:pop(0)) fails("timeout", c:push(0, 0)) end
`)
}

// Random pushes, pops, selects, closes and cancels, beside a model of what must
// come of each: which fiber goes on, when, and with what.
func TestChannelModel(t *testing.T) {
	run(t, `
local seed = os.time()
math.randomseed(seed)
local chans, model = {}, {}
local function reset(i)
  local cap = math.random(0, 2)
  chans[i], model[i] = co.channel(cap), { cap = cap, items = {}, closed = false }
end
for i = 1, 3 do reset(i) end

-- op: { id, cases = { { channel, push, value } }, expect = { case, value } or nil while it waits }
local waiting = {} -- in the order they came
local function take(op) for i, o in ipairs(waiting) do if o == op then return table.remove(waiting, i) end end end
local function oldest(ch, push)
  for _, o in ipairs(waiting) do
    for k, c in ipairs(o.cases) do if c[1] == ch and c[2] == push then return o, k end end
  end
end
local function expect(o, k, v) take(o) o.expect = { k, v } end

-- what case c does now, and what else that lets go on; nil: it would wait
local function possible(c)
  local m = model[c[1]]
  if m.closed and (c[2] or #m.items == 0) then return { false } end
  if c[2] then
    if #m.items < m.cap or oldest(c[1], false) then return { true } end
  elseif #m.items > 0 then
    return { m.items[1] }
  else
    local o, k = oldest(c[1], true)
    if o then return { o.cases[k][3] } end
  end
end
local function apply(c)
  local m = model[c[1]]
  if m.closed and (c[2] or #m.items == 0) then return end
  if c[2] then
    local o, k = oldest(c[1], false)
    if o then expect(o, k, c[3]) else m.items[#m.items + 1] = c[3] end
  elseif #m.items > 0 then
    table.remove(m.items, 1)
    if #m.items < m.cap then
      local o, k = oldest(c[1], true)
      if o then m.items[#m.items + 1] = o.cases[k][3] expect(o, k, true) end
    end
  else
    local o, k = oldest(c[1], true)
    expect(o, k, true)
  end
end

local value = 0
local function start(cases, timeout)
  local op = { cases = cases }
  local ready, any = {}, false
  for k, c in ipairs(cases) do ready[k] = possible(c) any = any or ready[k] end
  op.id = co.go(function()
    local ok = pcall(function()
      if #cases > 1 or math.random(2) == 1 then
        local list = {}
        for k, c in ipairs(cases) do list[k] = { chans[c[1]], c[2] and "push" or "pop", c[3] } end
        op.k, op.v = co.select(list, timeout)
      else
        local c = cases[1]
        if c[2] then op.v = chans[c[1]]:push(c[3], timeout) else op.v = chans[c[1]]:pop(timeout) end
        op.k = (op.v ~= false or chans[c[1]].errCode ~= -1) and 1
      end
    end)
    if not ok then op.k = "cancelled" end
  end)
  if any then
    local r = ready[op.k]
    assert(r, "it went another way than it could")
    eq(op.v, r[1], "at once")
    apply(cases[op.k])
  elseif timeout == 0 then
    op.expect = { false, nil }
    co.join(op.id)
    eq(op.k, false, "now or never")
  else
    eq(op.k, nil, "it must wait")
    waiting[#waiting + 1] = op
  end
end

local function settled(list)
  co.sleep(0) co.sleep(0)
  for _, o in ipairs(list) do
    if o.expect then
      eq(o.closed and o.cases[o.k][1] or o.k, o.expect[1], "case")
      if o.k ~= "cancelled" then eq(o.v, o.expect[2], "value") end
    else
      eq(o.k, nil, "still waiting")
    end
  end
end

local ok, err = xpcall(function()
  for step = 1, 4000 do
    local before = {}
    for i, o in ipairs(waiting) do before[i] = o end
    local dice = math.random(100)
    if dice <= 2 then
      local i = math.random(3)
      chans[i]:close() model[i].closed = true
      for _, o in ipairs(before) do
        for k, c in ipairs(o.cases) do if c[1] == i and not o.expect then expect(o, i, false) o.closed = true end end
      end
      settled(before)
      if #waiting == 0 or math.random(2) == 1 then
        -- a new one takes its place; nobody waits in the old one
        reset(i)
      end
    elseif dice <= 10 and #waiting > 0 then
      local o = waiting[math.random(#waiting)]
      co.cancel(o.id)
      expect(o, "cancelled")
    else
      local cases = {}
      for k = 1, math.random(6) > 2 and 1 or math.random(2, 4) do
        value = value + 1
        local push = math.random(2) == 1
        cases[k] = { math.random(3), push, push and value or nil }
      end
      start(cases, math.random(8) == 1 and 0 or nil)
    end
    if #waiting > 12 then co.cancel(waiting[1].id) expect(waiting[1], "cancelled") end
    settled(before)
    for i, m in ipairs(model) do eq(chans[i]:length(), #m.items, "length") end
  end
end, debug.traceback)
if not ok then error("seed " .. seed .. ": " .. err, 0) end
for _, o in ipairs(waiting) do co.cancel(o.id) end
`)
}

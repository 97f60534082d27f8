package shared_test

import (
	"testing"

	"swoon/scripting/scriptingtest"
)

// Fibers of four workers push and pop at channels without room, alone and in
// selects that do both at once: what was pushed was popped, once, and never by
// the select that pushed it.
func TestRendezvousBetweenWorkers(t *testing.T) {
	s := scriptingtest.Serve(t, modules, `
local shared, co = require "shared", require "co"
local a, b = shared.channel("a", 0), shared.channel("b", 0)
local next_value, ended = shared.atomic("value"), shared.atomic("ended")
local pushed, popped = shared.table("pushed"), shared.table("popped")
local fibers, rounds = 5, 200

local function one()
  local v, w = next_value:add(1), next_value:add(1)
  local dice = math.random(6)
  if dice == 1 then
    if a:push(v, 0.01) then return v end
  elseif dice == 2 then
    return nil, a:pop(0.01)
  elseif dice == 3 then
    local k = co.select({ { a, "push", v }, { b, "push", w } }, 0.01)
    return k == 1 and v or k == 2 and w
  elseif dice == 4 then
    local k, got = co.select({ { b }, { a } }, 0.01)
    return nil, k and got
  else
    local k, got = co.select({ { a, "push", v }, { b }, { b, "push", w }, { a } }, 0.01)
    if k == 1 then return v elseif k == 3 then return w end
    if k and (got == v or got == w) then error("a select has met itself") end
    return nil, k and got
  end
end

-- without a time-out: two that can both do both must meet, or all stand still
local c, swapped = shared.channel("c", 0), shared.atomic("swapped")
local function swap()
  for i = 1, rounds do
    if not select(2, co.select({ { c, "push", 1 }, { c } })) then break end
    swapped:add(1)
  end
  c:close() -- the others may be one
end

function onReceive() end
function onWorkerStart(server, id)
  server:after(1, function()
    math.randomseed(id + 1)
    for i = 1, fibers do
      co.go(function()
        swap()
        local n = 0
        for j = 1, rounds do
          local out, into = one()
          if out then pushed:incr(out) n = n + 1 end
          if into then popped:incr(into) n = n + 1 end
          if j % 20 == 0 then co.sleep(0) end
        end
        if ended:add(1) < fibers * 4 then return end
        local count = 0
        for k, v in pairs(pushed) do
          count = count + 1
          if v ~= 1 or popped:get(k) ~= 1 then error("value " .. k .. " was pushed " .. v .. " times, popped " .. tostring(popped:get(k))) end
        end
        if #popped ~= count then error(#popped .. " popped, " .. count .. " pushed") end
        local left = a:stats().consumer_num + a:stats().producer_num + b:stats().consumer_num + b:stats().producer_num
        if left ~= 0 then error(left .. " wait still") end
        if swapped:get() % 2 ~= 0 or swapped:get() < rounds * 2 then error(swapped:get() .. " have swapped") end
        print(count > fibers * rounds / 4 and "all met" or "few met: " .. count)
      end)
    end
  end)
end
`, [2]string{"worker_num", "4"})
	s.Out.Wait(t, "met")
	if got := s.Out.String(); got != "all met\n" {
		t.Errorf("%s\n%s", got, s.Log)
	}
	if n := s.Log.Count("ERROR"); n > 0 {
		t.Errorf("%s", s.Log)
	}
}

-- ping_pong.lua: a heartbeat that says more than "the line is up".
--
--   swoon scripts/ping_pong.lua
--   nc 127.0.0.1 6666        ping          is everything well?
--                            down redis    take a part away (up redis: back)
--
-- The client asks when it likes, and the server looks at what it needs before
-- it answers: a pong means that it can work, not only that it runs. A client
-- that asks for too long a time nothing at all is closed.

local co = require "co"

server:set{ port = 6666, heartbeat_idle_time = 60 }

-- What is out of order, on this worker.
local down = {}

-- The checks. Each may wait for an answer: nobody else waits with it.
local checks = {
  db      = function() co.sleep(0.005) return not down.db end,
  service = function() co.sleep(0.005) return not down.service end,
  redis   = function() co.sleep(0.005) return not down.redis end,
}

local function health()
  local sick = {}
  for name, check in pairs(checks) do
    local ok, well = pcall(check) -- a check that fails is an answer, too
    if not (ok and well) then sick[#sick + 1] = name end
  end
  table.sort(sick)
  return sick
end

function onReceive(server, fd, reactor_id, data)
  for line in data:gmatch("[^\r\n]+") do
    local switch, name = line:match("^(%l+) (%l+)$")
    if line == "ping" then
      local sick = health()
      if #sick == 0 then
        server:send(fd, "pong\n")
      else
        server:send(fd, "not well: " .. table.concat(sick, ", ") .. "\n")
      end
    elseif checks[name] and (switch == "up" or switch == "down") then
      down[name] = switch == "down"
      server:send(fd, name .. " is " .. switch .. "\n")
    else
      server:send(fd, "what is " .. line .. "? say ping\n")
    end
  end
end

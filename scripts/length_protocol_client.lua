-- length_protocol_client.lua: packets and heartbeats over one long connection.
--
--   swoon scripts/length_protocol_server.lua       in one window
--   swoon scripts/length_protocol_client.lua       in another; Ctrl-C ends it
--
-- It sends the date every 5 s and a heartbeat every 10 s, and prints what the
-- server answers. Another port, and other times, may follow:
--
--   swoon scripts/length_protocol_client.lua 9000 0.5 1
--
-- A packet is a header of 20 bytes, "length:" and 13 digits, and then so many
-- bytes of JSON. The client cuts the stream as the server does: `receive` gets
-- one packet at a time, however TCP has glued or torn them.

local client, json, timer = require "client", require "json", require "timer"

local HEARTBEAT = "HeartBeat"
local HEADER = #"length:" + 13

local port, every, beat = tonumber(arg[1]) or 9000, tonumber(arg[2]) or 5, tonumber(arg[3]) or 10

local function packet(value)
  local body = json.encode(value)
  return ("length:%013d"):format(#body) .. body
end

local c = client.new("tcp", {
  package_length_text = { prefix = "length:", digits = 13, words = { HEARTBEAT } },
})

c:on("connect", function(c)
  timer.tick(every * 1000, function()
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT")
    print("sent " .. date)
    c:send(packet(date))
  end)
  timer.tick(beat * 1000, function() c:send(HEARTBEAT) end)
end)

c:on("receive", function(c, data)
  if data == HEARTBEAT then
    print("heartbeat: " .. data)
    return
  end
  local value, _, err = json.decode(data:sub(HEADER + 1))
  print(value == nil and "no JSON: " .. err or "received " .. tostring(value))
end)

c:on("error", function(c)
  print("cannot connect: " .. c.errMsg)
  os.exit(1)
end)

c:on("close", function(c, reason)
  print("closed: " .. reason)
  timer.clearAll()
end)

c:connect("127.0.0.1", port)

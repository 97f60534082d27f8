-- length_protocol_server.lua: JSON behind a header that says how long it is.
--
--   swoon scripts/length_protocol_server.lua          (a heartbeat every 10 s)
--   swoon scripts/length_protocol_server.lua 2.5      (every 2.5 s)
--
-- A packet is a header of 20 bytes, "length:" and 13 digits, and then so many
-- bytes of JSON. In between either side may say "HeartBeat".
--
--   length:0000000000018"hello, how are you"
--
-- The server cuts the stream: however TCP glues packets together or tears them
-- apart, onReceive gets one at a time. What is no packet ends its session.

local json = require "json"

local HEARTBEAT = "HeartBeat"
local HEADER = #"length:" + 13

server:set{
  port = 9000,
  package_length_text = { prefix = "length:", digits = 13, words = { HEARTBEAT } },
  package_max_length = "1M",
}

local every = tonumber(arg[1]) or 10

local function packet(value)
  local body = json.encode(value)
  return ("length:%013d"):format(#body) .. body
end

function onWorkerStart(server, worker_id)
  if worker_id ~= 0 then return end -- one is enough
  server:tick(every * 1000, function()
    print("heartbeat to " .. server:broadcast(HEARTBEAT) .. " clients")
  end)
end

function onConnect(server, fd)
  local client = server:getClientInfo(fd)
  print(fd .. " connected from " .. client.remote_ip .. ":" .. client.remote_port)
end

function onReceive(server, fd, reactor_id, data)
  if data == HEARTBEAT then
    print(fd .. " is alive")
    return
  end
  local body = data:sub(HEADER + 1)
  local value, _, err = json.decode(body)
  if value == nil then
    print(fd .. " sent no JSON: " .. err)
    return
  end
  print(fd .. " sent " .. #body .. " bytes: " .. body)
  server:send(fd, packet("the server got " .. body))
end

function onClose(server, fd, reactor_id, reason)
  print(fd .. " left: " .. reason)
end

-- event_object.lua: the four callbacks of four_callbacks.lua, each with the
-- server and one object that holds the rest.
--
--   swoon scripts/event_object.lua
--   nc 127.0.0.1 9503
--
-- An object is a table: the fields that an event does not have are nil.

local swoole = require "swoole"

local server = swoole.Server("127.0.0.1", 9503)

server:set{ event_object = true }

server:on("start", function(server)
  print("TCP server is started at tcp://127.0.0.1:" .. server.port)
end)

local function show(what, event)
  print(("%s: fd %d, reactor %d, at %.3f"):format(what, event.fd, event.reactor_id, event.dispatch_time))
end

server:on("connect", function(server, event) show("connection open", event) end)

server:on("receive", function(server, event)
  show("message", event)
  server:send(event.fd, "Server: " .. event.data)
end)

server:on("close", function(server, event)
  show("connection close", event)
  print("because: " .. event.reason)
end)

server:start()

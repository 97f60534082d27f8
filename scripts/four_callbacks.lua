-- four_callbacks.lua: a TCP server in four callbacks, in the shape that PHP
-- scripts have.
--
--   swoon scripts/four_callbacks.lua
--   nc 127.0.0.1 9503
--
--   swoon scripts/four_callbacks.lua refusals     what the server says no to
--
-- event_object.lua is the same with one object instead of single arguments.

local swoole = require "swoole"

local server = swoole.Server("127.0.0.1", 9503)

server:on("start", function(server)
  print("TCP server is started at tcp://127.0.0.1:" .. server.port)
end)

server:on("connect", function(server, fd)
  print("connection open: " .. fd)
end)

server:on("receive", function(server, fd, reactor_id, data)
  server:send(fd, "Server: " .. data)
end)

server:on("close", function(server, fd)
  print("connection close: " .. fd)
end)

if arg[1] == "refusals" then
  -- What is wrong with a declaration is kept and told all together, when the
  -- script has been read; what would go wrong right here is an error.
  server:on("recieve", function() end)
  server:on("connect", "not a function")
  print("a second server:", select(2, pcall(swoole.Server, "127.0.0.1", 9504)))
  server:start()
  print("start twice:", select(2, pcall(server.start, server)))
  print("on after start:", select(2, pcall(server.on, server, "close", function() end)))
  return
end

server:start()

-- heartbeat.lua: clients that have gone silent are let go.
--
--   swoon scripts/heartbeat.lua
--   nc 127.0.0.1 6666        type nothing: it ends after five seconds
--                            type something now and then: it stays
--
-- A client that was unplugged sends no goodbye; nothing comes from it, and that
-- is all a server can see. Clients that have nothing to say send anything, a
-- "ping", often enough. What they say is not looked at here: ping_pong.lua
-- answers it, and keepalive.lua leaves the asking to the kernel.

local php = require "php"

server:set{
  port = 6666,
  mode = "process",
  worker_num = 1,
  heartbeat_check_interval = 1, -- look every second for those
  heartbeat_idle_time = 5,      -- from whom nothing has come for five
}

function onConnect(server, fd)
  php.var_dump("Client: Connect " .. fd)
end

function onReceive(server, fd, reactor_id, data)
  php.var_dump(data)
end

function onClose(server, fd, reactor_id, reason)
  php.var_dump("close fd " .. fd)
  php.var_dump(reason) -- timeout_heartbeat, or client_closed
end

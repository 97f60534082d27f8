-- keepalive.lua: the kernel asks whether clients are still there.
--
--   swoon scripts/keepalive.lua
--   nc 127.0.0.1 6666                       and say nothing
--   tcpdump -i lo port 6666                 after four seconds, a probe a second
--   ss -o state established dport = :6666   or the timer of the next one
--
-- The client's kernel answers the probes; its program knows nothing of them. So
-- a client may be silent for as long as it likes, and one whose machine or
-- network is gone is found. A proxy in between answers for itself: there,
-- heartbeat.lua helps.

local php = require "php"

server:set{
  port = 6666,
  mode = "process",
  worker_num = 1,
  open_tcp_keepalive = true,
  tcp_keepidle = 4,     -- seconds without data until the first probe
  tcp_keepinterval = 1, -- seconds between two
  tcp_keepcount = 5,    -- so many without an answer, and the session is closed
}

function onConnect(server, fd)
  php.var_dump("Client: Connect " .. fd)
end

function onReceive(server, fd, reactor_id, data)
  php.var_dump(data)
end

function onClose(server, fd, reactor_id, reason)
  php.var_dump("close fd " .. fd)
  php.var_dump(reason) -- keepalive_lost, or client_closed
end

-- udp.lua: packets instead of connections.
--
--   swoon scripts/udp.lua
--   nc -u 127.0.0.1 9502        type lines; "wait" is answered a second later
--
-- A packet has no session: onPacket is told who sent it, and sendto answers
-- through the port that was asked. The packets of one peer come to one worker,
-- one after the other; those of others go on meanwhile.

local co = require "co"

server:set{ host = "127.0.0.1", port = 9502, sock_type = "udp" }

function onPacket(server, data, client)
  local line = data:match("^(.-)%s*$")
  if line == "wait" then co.sleep(1) end
  local answer = ("%s:%d said: %s\n"):format(client.address, client.port, line)
  local sent, name, why = server:sendto(client.address, client.port, answer)
  if not sent then print(client.address .. " gets no answer: " .. name .. ", " .. why) end
end

-- slow.lua: code that waits stalls nobody.
--
--   swoon scripts/slow.lua
--   nc 127.0.0.1 9501        type "slow", and in another terminal "fast":
--                            fast is answered while slow still waits
--
-- One worker is enough to see it: a callback that sleeps is set aside, and its
-- worker goes on with other sessions. Messages of the same session wait for
-- their turn, so answers never change places.

local co = require "co"

server:set{ worker_num = 1 }

function onReceive(server, fd, reactor_id, data)
  local word = data:match("%a+")
  if word == "slow" then
    server:send(fd, "this takes three seconds...\n")
    co.sleep(3)
    server:send(fd, "done\n")
  elseif word == "ask" then
    server:send(fd, "your name? ")
    local answer, why = server:recv(fd, 10)
    server:send(fd, answer and "hello, " .. answer or ("no answer: " .. why .. "\n"))
  else
    server:send(fd, "fast\n")
  end
end

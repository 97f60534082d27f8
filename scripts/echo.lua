-- echo.lua: sends back what it gets.
--
--   swoon scripts/echo.lua
--   nc 127.0.0.1 9501        then type; Ctrl-C ends nc
--
-- Change a line below and save while nc is connected: the next line you type
-- is answered by the new code.

function onReceive(server, fd, reactor_id, data)
  server:send(fd, data)
end

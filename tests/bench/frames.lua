-- The same for messages with their length in front, four bytes of it.
server:set{ open_length_check = true }

function onReceive(server, fd, reactor_id, data)
  server:send(fd, data)
end

-- hello.lua: the events of a connection, in the order in which they happen.
--
--   swoon scripts/hello.lua
--   nc 127.0.0.1 9501        type lines; "bye" makes the server close

server:set{ host = "127.0.0.1", port = 9501 }

function onStart(server)
  print("listening on " .. server.host .. ":" .. server.port)
end

function onConnect(server, fd, reactor_id)
  local client = server:getClientInfo(fd)
  print(("%d connected from %s:%d"):format(fd, client.remote_ip, client.remote_port))
  server:send(fd, "Hello " .. fd .. "!\n")
end

function onReceive(server, fd, reactor_id, data)
  local line = data:match("^(.-)%s*$")
  if line == "bye" then
    server:send(fd, "Goodbye.\n")
    server:close(fd)
  else
    server:send(fd, "You said: " .. line .. "\n")
  end
end

function onClose(server, fd, reactor_id, reason)
  print(fd .. " left: " .. reason)
end

-- What `make bench` has Swoon serve: every setting stays at its default.
function onReceive(server, fd, reactor_id, data)
  server:send(fd, data)
end

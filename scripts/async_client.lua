-- async_client.lua: a client that does not wait. It sends a hundred lines when it
-- is connected, and shows what comes whenever it comes.
--
--   swoon scripts/tcp_server.lua           in one window
--   swoon scripts/async_client.lua         in another; Ctrl-C ends it
--
-- Another port may follow the name of the script.

local swoole = require "swoole"
local php = require "php"
php.global()

local client = swoole.Client(swoole.SOCK_TCP, swoole.SOCK_ASYNC)

client:on("connect", function(cli)
  var_dump(cli:isConnected())
  var_dump(cli:getsockname())
  var_dump(cli.sock)
  for i = 0, 99 do
    cli:send(i .. "\n")
  end
end)

client:on("receive", function(cli, data)
  echo("Receive: " .. data)
end)

client:on("error", function(cli)
  echo("error\n" .. cli.errCode .. "\n")
end)

client:on("close", function(cli)
  echo("Connection close\n")
end)

client:connect("127.0.0.1", tonumber(arg[1]) or 9501)

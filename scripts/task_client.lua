-- task_client.lua: an interactive client of task_server.lua. It sends each line
-- that is typed, and shows what comes back while it waits for the next.
--
--   swoon scripts/task_server.lua          in one window
--   swoon scripts/task_client.lua          in another; Ctrl-D ends it
--
-- Another port may follow the name of the script.

local swoole = require "swoole"
local php = require "php"
php.global()

local client = swoole.Client(swoole.SOCK_TCP, swoole.SOCK_ASYNC)

client:on("connect", function(cli)
  fwrite(STDOUT, "Enter Msg:")
  swoole.event.add(STDIN, function()
    local msg = fgets(STDIN)
    if not msg then
      swoole.event.del(STDIN)
      return cli:close()
    end
    fwrite(STDOUT, "Enter Msg:")
    cli:send(trim(msg))
  end)
end)

client:on("receive", function(cli, data)
  echo("Received: " .. data .. "\n")
end)

client:on("error", function(cli)
  echo("Error: " .. cli.errMsg .. "[" .. cli.errCode .. "]\n")
end)

client:on("close", function(cli)
  echo("Client close connection\n")
end)

client:connect("127.0.0.1", tonumber(arg[1]) or 9501, 1)

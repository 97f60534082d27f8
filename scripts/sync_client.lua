-- sync_client.lua: a client that does one thing after the other: connect, send,
-- wait for what comes back, close.
--
--   swoon scripts/tcp_server.lua           in one window
--   swoon scripts/sync_client.lua          in another: one number
--   swoon scripts/sync_client.lua 100      a hundred, each when the one before it
--                                          has been answered
--
-- Another port may follow. async_client.lua does not wait.

local swoole = require "swoole"
local php = require "php"
php.global()

local client = swoole.Client(swoole.SOCK_TCP + swoole.KEEP)

if not client:connect("127.0.0.1", tonumber(arg[2]) or 9501, 1) then
  echo("Error: " .. client.errMsg .. "[" .. client.errCode .. "]\n")
  os.exit(1)
end

local function ask(msg)
  client:send(msg)
  local message = client:recv()
  if not message or message == "" then
    echo("the server has gone\n")
    os.exit(1)
  end
  echo("Get Message From Server:" .. message .. "\n")
end

local times = tonumber(arg[1])
if times then
  for i = 0, times - 1 do
    ask(i .. "\n")
  end
else
  ask(tostring(rand(1, 12)))
end

client:close()

-- task_server.lua: slow work runs on task workers, beside the workers that talk
-- to clients. A worker goes on at once, and several tasks run at one time.
--
--   swoon scripts/task_server.lua
--   nc 127.0.0.1 9501        type anything
--
-- A task handles its data twice, a second each time; other numbers may follow the
-- name of the script: how often, and how many seconds.

local swoole = require "swoole"
local php = require "php"
php.global()

local times = tonumber(arg[1]) or 2
local seconds = tonumber(arg[2]) or 1

local serv = swoole.Server("127.0.0.1", 9501)

serv:set{
  worker_num = 8,
  task_worker_num = 8,
}

serv:on("Start", function(serv)
  echo(swoole.version() .. " onStart\n")
end)

serv:on("Connect", function(serv, fd)
  echo(fd .. "Client Connect.\n")
end)

serv:on("Receive", function(serv, fd, from_id, data)
  echo("Get Message From Client " .. fd .. ":" .. data .. "\n")
  -- send a task to a task worker
  local param = { fd = fd }
  serv:task(json_encode(param))
  echo("Continue Handle Worker\n")
end)

serv:on("Close", function(serv, fd)
  echo("Client Close.\n")
end)

serv:on("Task", function(serv, task_id, from_id, data)
  echo("This Task " .. task_id .. " from Worker " .. from_id .. "\n")
  echo("Data: " .. data .. "\n")
  for i = 0, times - 1 do
    sleep(seconds)
    echo("Task " .. task_id .. " Handle " .. i .. " times...\n")
  end
  local fd = json_decode(data, true)
  serv:send(fd.fd, "Data in Task " .. task_id)
  return "Task " .. task_id .. "'s result"
end)

serv:on("Finish", function(serv, task_id, data)
  echo("Task " .. task_id .. " finish\n")
  echo("Result: " .. data .. "\n")
end)

serv:start()

-- tcp_server.lua: a TCP server with every event there is, on two ports.
--
--   swoon scripts/tcp_server.lua
--   nc 127.0.0.1 9501                    type anything; it comes back
--   nc ::1 9500                          the same over IPv6
--
-- Some words do more:
--
--   all TEXT     everybody who is connected gets it
--   task TEXT    a task worker handles it: onTask, then onFinish
--   pipe TEXT    the next worker gets it: onPipeMessage
--   timer        onTimer, three times
--   stop         this worker ends, and a fresh one takes its place
--   close        the server closes this connection
--   shutdown     the server ends
--
-- sync_client.lua and async_client.lua are clients of it. Other numbers may follow
-- the name of the script: the second port (0: any that is free).

local swoole = require "swoole"
local php = require "php"
php.global()

local serv = swoole.Server("127.0.0.1", 9501)

serv:set{
  worker_num = 10,
  task_worker_num = 2,
}

-- one more address, one more port
serv:addlistener("::1", tonumber(arg[1]) or 9500, swoole.SOCK_TCP6)

-- the server listens
serv:on("Start", function(serv)
  echo("Swoon " .. swoole.version() .. "\n")
  var_dump(swoole.get_local_ip())
  echo("Start\n")
end)

-- the server has ended
serv:on("Shutdown", function(serv)
  echo("Shutdown\n")
end)

serv:on("ManagerStart", function(serv)
  echo("manager start.\n")
end)

serv:on("ManagerStop", function(serv)
  echo("manager stop.\n")
end)

-- a worker begins; ids are 0 to 9, those of task workers 10 and 11
serv:on("WorkerStart", function(serv, worker_id)
  echo(worker_id .. "--start\n")
end)

serv:on("WorkerStop", function(serv, worker_id)
  echo(worker_id .. "--stop\n")
end)

-- a worker has died: what fails in a script does not do that
serv:on("WorkerError", function(serv, worker_id, pid, exit_code, signal, err)
  echo(worker_id .. "--error " .. err .. "\n")
end)

-- a client is there
serv:on("Connect", function(serv, fd, reactor_id)
  serv:send(fd, "Hello " .. fd .. "!")
end)

local ticks = 0
local words = {}

function words.all(serv, fd, text)
  local list = serv:connection_list() -- ten at most, from the first on
  while list do
    for _, fd in ipairs(list) do
      serv:send(fd, text)
    end
    list = serv:connection_list(list[#list])
  end
end

function words.task(serv, fd, text)
  serv:task({ fd = fd, text = text })
end

function words.pipe(serv, fd, text)
  serv:sendMessage(text, (serv.worker_id + 1) % serv.setting.worker_num)
end

function words.timer(serv)
  ticks = 0
  serv:addtimer(100)
end

function words.stop(serv)
  serv:stop()
end

function words.close(serv, fd)
  serv:close(fd)
end

function words.shutdown(serv)
  serv:shutdown()
end

-- a client has sent something
serv:on("Receive", function(serv, fd, reactor_id, data)
  echo("Get Message From Client " .. fd .. ":" .. trim(data) .. "\n")
  local word, text = data:match("^(%a+) ?(.*)$")
  if words[word] then
    return words[word](serv, fd, text)
  end
  serv:send(fd, data)
end)

-- a client is gone, whoever closed the connection
serv:on("Close", function(serv, fd, reactor_id)
  echo("Client " .. fd .. " close connection\n")
end)

serv:on("Task", function(serv, task_id, src_worker_id, data)
  echo("Task " .. task_id .. " from Worker " .. src_worker_id .. "\n")
  serv:send(data.fd, "task: " .. data.text)
  return "handled"
end)

serv:on("Finish", function(serv, task_id, result)
  echo("Task " .. task_id .. " finish: " .. result .. "\n")
end)

serv:on("PipeMessage", function(serv, src_worker_id, message)
  echo("Worker " .. serv.worker_id .. " has a message from Worker " .. src_worker_id .. ": " .. trim(message) .. "\n")
end)

serv:on("Timer", function(serv, interval)
  ticks = ticks + 1
  echo("Timer " .. interval .. "\n")
  if ticks == 3 then
    serv:deltimer(interval)
  end
end)

serv:start()

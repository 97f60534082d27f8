-- task.lua: slow work runs on task workers, beside the workers that talk to
-- clients. All six callbacks of Swoole's first task server are here.
--
--   swoon scripts/task.lua
--   nc 127.0.0.1 9501        type anything

server:set{ worker_num = 2, task_worker_num = 2 }

local co = require "co"

function onStart(server)
  print("onStart")
end

function onConnect(server, fd)
  print(fd .. " Client Connect.")
end

function onReceive(server, fd, reactor_id, data)
  local text = data:match("^(.-)%s*$")
  print(("Get Message From Client %d:%s"):format(fd, text))
  local id = assert(server:task({ fd = fd, text = text }))
  server:send(fd, "task " .. id .. " is queued\n")
  print("Continue Handle Worker")
end

function onClose(server, fd)
  print("Client Close.")
end

function onTask(server, task_id, src_worker_id, data)
  print(("This Task %d from Worker %d"):format(task_id, src_worker_id))
  print(("Data: fd %d, %s"):format(data.fd, data.text))
  for i = 0, 1 do
    co.sleep(0.2)
    print(("Task %d Handle %d times..."):format(task_id, i))
  end
  server:send(data.fd, "Data in Task " .. task_id .. ": " .. data.text:upper() .. "\n")
  return "Task " .. task_id .. "'s result"
end

function onFinish(server, task_id, result)
  print("Task " .. task_id .. " finish")
  print("Result: " .. result)
end

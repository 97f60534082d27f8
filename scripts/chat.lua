-- chat.lua: a chat room. Everybody hears everybody.
--
--   swoon scripts/chat.lua
--   nc 127.0.0.1 9501        in two or three terminals
--
--   /name Ada      take a name         /who     who is here
--   /quit          leave
--
-- Edit this file and save it while people talk: nobody is disconnected, names
-- and half-typed lines are kept (they lie in server:session), and the next
-- line is handled by the new code.

server:set{ port = 9501 }

local function name_of(server, fd)
  local s = server:session(fd)
  return s and s.name or ("guest" .. fd)
end

-- Tell everybody but one. A slow reader costs nobody else anything: what does
-- not fit into its outbox is not sent to it.
local function tell(server, text, except)
  for _, fd in ipairs(server.connections) do
    if fd ~= except then server:send(fd, text .. "\n") end
  end
end

local commands = {}

function commands.name(server, fd, new)
  if not new:match("^%w+$") then
    server:send(fd, "* a name is letters and digits: /name Ada\n")
    return
  end
  local old = name_of(server, fd)
  server:session(fd).name = new
  tell(server, "* " .. old .. " is now " .. new)
end

function commands.who(server, fd)
  local names = {}
  for _, other in ipairs(server.connections) do names[#names + 1] = name_of(server, other) end
  table.sort(names)
  server:send(fd, "* here: " .. table.concat(names, ", ") .. "\n")
end

function commands.quit(server, fd)
  server:send(fd, "* goodbye\n")
  server:close(fd)
end

local function handle(server, fd, line)
  local command, rest = line:match("^/(%a+)%s*(.*)$")
  if not command then
    tell(server, name_of(server, fd) .. ": " .. line, fd)
  elseif commands[command] then
    commands[command](server, fd, rest)
  else
    server:send(fd, "* no such command: /" .. command .. "\n")
  end
end

function onConnect(server, fd)
  server:send(fd, "* welcome, " .. name_of(server, fd) .. " (/name, /who, /quit)\n")
  tell(server, "* " .. name_of(server, fd) .. " joined", fd)
end

function onReceive(server, fd, reactor_id, data)
  -- A stream has no lines: keep what is not a whole line yet.
  local s = server:session(fd)
  local text = (s.rest or "") .. data
  local from = 1
  while true do
    local at = text:find("\n", from, true)
    if not at then break end
    local line = text:sub(from, at - 1):gsub("\r$", "")
    if line ~= "" then handle(server, fd, line) end
    if not server:exists(fd) then return end
    from = at + 1
  end
  s.rest = text:sub(from)
  if #s.rest > 4096 then
    server:send(fd, "* that line is too long\n")
    server:close(fd)
  end
end

function onClose(server, fd, reactor_id, reason)
  tell(server, "* " .. name_of(server, fd) .. " left (" .. reason .. ")", fd)
end

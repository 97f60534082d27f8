-- pool_client.lua: requests at the same time, over connections of a pool.
--
--   swoon scripts/length_protocol_server.lua       in one window
--   swoon scripts/pool_client.lua                  in another
--
-- Another port may follow the name of the script.
--
-- One connection can carry one request at a time: answers have no number. Two
-- requests at once so need two connections, and later ones use these again. The
-- second half shows what else a pool does: who waits for too long is told, and
-- so is one who comes when too many wait; a connection that has died is not lent
-- again; what lies idle is closed; a pool that is drained ends in order.

local client, co, json, pool = require "client", require "co", require "json", require "pool"

local port = tonumber(arg[1]) or 9000
local HEADER = #"length:" + 13

-- A function that makes connections, so that it can say so. Where nobody wants
-- to know, pool.new{ host =, port =, client = { ... } } does the same.
local function connect()
  local c, name, text = client.connect("127.0.0.1", port, {
    timeout = 10, open_tcp_keepalive = true,
    package_length_text = { prefix = "length:", digits = 13, words = { "HeartBeat" } },
  })
  if not c then return false, name, text end
  print("socket_pool 127.0.0.1 connect")
  return c
end

local sockets = pool.new{ name = "socket_pool", create = connect, min = 0, max = 10, order = "fifo", acquire_timeout = 10 }

-- ask sends one request and returns its answer. What goes wrong on the way is
-- raised: use closes the connection then, so that an answer that comes late
-- cannot meet the next request.
local function ask(c, value)
  local body = json.encode(value)
  assert(c:send(("length:%013d"):format(#body) .. body))
  local data
  repeat data = assert(c:recv()) until data ~= "HeartBeat"
  if data == "" then error("the server has closed the connection") end
  return json.decode(data:sub(HEADER + 1))
end

local function request(value)
  local ok, answer, name, text = pcall(sockets.use, sockets, ask, value)
  if not ok then
    print("failed: " .. tostring(answer))
  elseif answer == false then
    print("no connection: " .. name .. ": " .. text)
  else
    print("received " .. answer)
  end
end

-- As in the article: two at once, and two more a second later.
co.batch({ function() request{ a = "a" } end, function() request{ b = "b" } end })
if sockets.size == 0 then os.exit(1) end
co.sleep(1)
co.batch({ function() request{ c = "c" } end, function() request{ d = "d" } end })

-- One connection, one who may wait for it, for a fifth of a second.
local small = pool.new{ create = connect, max = 1, max_waiting = 1, acquire_timeout = 10, evict_interval = 0.1, idle_time = 0.3 }
local c = assert(small:acquire())
local second = co.go(function()
  local _, name = small:acquire(0.2)
  print("the second: " .. name)
end)
local _, name = small:acquire()
print("the third: " .. name)
co.join(second)

-- It has died when it is given back: the next one gets another.
c:shutdown("both")
small:release(c)
print("another: " .. tostring(small:use(function(other) return other ~= c end)))

-- Idle for long enough it is closed.
while small.size > 0 do co.sleep(0.05) end
print("evicted: " .. small:stats().evicted)

-- The end: who has something gives it back, nobody gets more.
co.go(function() sockets:use(function() co.sleep(0.1) end) end)
local drained = co.go(function() print("drained: " .. tostring(sockets:drain(5))) end)
_, name = sockets:acquire()
print("after that: " .. name)
co.join(drained)

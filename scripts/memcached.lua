-- memcached.lua: a cache that any memcached client can use.
--
--   swoon scripts/memcached.lua
--   swoon scripts/memcached.lua -l 127.0.0.1:11211,[::1]:11211 -m 256
--
--   -l   the addresses to listen on, with commas between them
--   -m   how many megabytes to keep; what was not used for longest goes first
--
--   nc -C 127.0.0.1 11211    set hello 0 60 5      (key, flags, seconds, bytes)
--                            world                 STORED
--                            get hello             VALUE hello 0 5, world, END
--                            incr, gets, cas, touch, stats, flush_all, quit...
--
-- One thread accepts, and each client belongs to one worker from then on; with
--
--   swoon --mode process --set dispatch_mode=1 scripts/memcached.lua
--
-- (or 2, 3, 4...) workers take messages instead, see docs/dispatch.md. It makes
-- no difference to a client: the items lie in a table that all workers share,
-- and each change of one is a single step, made only if nobody was faster.
--
-- The protocol is lines, some of them with a block of bytes behind. Nothing
-- says how much of it comes at once, so a command takes what it needs from the
-- client's Input, which waits for more where there is not enough: the middle of
-- a command is the middle of a function. Nobody else waits with it, and a
-- client between two commands costs nothing.

local shared = require "shared"
local swoole = require "swoole"
local time = require "time"
local log = require "log"

local MAX_KEY = 250
local MAX_VALUE = 1024 * 1024
local MAX_LINE = 2048             -- of a command that is not whole yet,
local MAX_GET_LINE = 1024 * 1024  -- and of one with many keys
local MONTH = 30 * 24 * 3600      -- a larger time is a date
local MAX_NUMBER = "18446744073709551615"

-- Arguments ------------------------------------------------------------------

local function usage(text)
  error(text .. "\nusage: memcached.lua [-l address:port,...] [-m megabytes]", 0)
end

local options = { ["-l"] = "127.0.0.1:11211", ["-m"] = "64" }
for i = 1, #arg, 2 do
  if not options[arg[i]] then usage("what is " .. arg[i] .. "?") end
  options[arg[i]] = arg[i + 1] or usage(arg[i] .. " needs a value")
end

local megabytes = tonumber(options["-m"]) or usage("-m: " .. options["-m"] .. " is no number")

local listening = false
for address in options["-l"]:gmatch("[^,]+") do
  local host, port = address:match("^%[(.+)%]:(%d+)$")
  if not host then host, port = address:match("^([^:]+):(%d+)$") end
  if not host then usage("-l: " .. address .. " is no address and port") end
  if listening then
    server:listen(host, tonumber(port))
  else
    server:set{ host = host, port = tonumber(port) }
    listening = true
  end
end

-- The items ------------------------------------------------------------------

-- expires is a time, 0 for never. cas is a number that no other version of any
-- item has. What is expired, or not used when the table is full, goes by itself.
local items = shared.table("memcached.items", {
  columns = { value = "string", flags = "int", cas = "int", expires = "float" },
  max_bytes = megabytes * 1024 * 1024,
  lru = true,
})
local versions = shared.atomic("memcached.versions")
local flush_at = shared.atomic("memcached.flush_at") -- of flush_all with a delay; 0: none
local verbosity = shared.atomic("memcached.verbosity")

-- What is counted, in the order in which stats shows it.
local COUNTERS = {
  "cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "get_hits", "get_misses", "delete_misses", "delete_hits",
  "incr_misses", "incr_hits", "decr_misses", "decr_hits", "cas_misses", "cas_hits", "cas_badval",
  "touch_hits", "touch_misses", "store_too_large", "total_items",
}
local count = {}
for _, name in ipairs(COUNTERS) do count[name] = shared.atomic("memcached." .. name) end

-- The time at which an item ends whose client said so: 0 never, up to 30 days a
-- number of seconds, then a date; what is negative has ended already.
local function expiry(exptime)
  if exptime == 0 then return 0 end
  if exptime < 0 then return -1 end
  return exptime <= MONTH and time.now() + exptime or exptime
end

local NO_MEMORY = "SERVER_ERROR out of memory storing object"

-- Replaces the item under a key by another, in one step: old is the one that
-- was read, nil for none, and must still be there. Says whether it was, and
-- what went wrong otherwise.
local function swap(key, old, new)
  local left = 0
  if new.expires ~= 0 then
    left = new.expires - time.now()
    if left <= 0 then
      if not old then return true end
      new, left = nil, nil -- it is gone as soon as it is stored
    end
  end
  local ok, why = items:cas(key, old and { cas = old.cas, expires = old.expires }, new, left)
  if ok then return true end
  return false, why ~= "changed" and NO_MEMORY or nil
end

-- Changes the item under a key: change(item) returns the new one, or nil to
-- leave it, and an answer. It is called again when somebody else was faster.
local function update(key, change)
  while true do
    local old = items:get(key)
    local new, answer = change(old)
    if not new then return answer end
    local done, failed = swap(key, old, new)
    if done then return answer end
    if failed then return failed end
  end
end

-- Numbers --------------------------------------------------------------------

-- Counters have 64 bits, more than a Lua number holds: they are decimal text,
-- and long ones are computed in two halves of up to ten digits.

-- The digits of a number without zeros in front; nil if text is none.
local function digits(text)
  local found, behind = text:match("^%s*%+?0*(%d+)(.?)")
  if not found or not behind:find("^%s*$") then return nil end
  if #found > 20 or (#found == 20 and found > MAX_NUMBER) then return nil end
  return found
end

local function halves(number)
  return tonumber(number:sub(1, -11)) or 0, tonumber(number:sub(-10))
end

local function join(high, low)
  if high == 0 then return ("%.0f"):format(low) end
  return ("%.0f%010.0f"):format(high, low)
end

-- a + b, going on from 0 behind the largest number.
local function plus(a, b)
  if #a < 16 and #b < 16 then return ("%.0f"):format(a + b) end
  local high, low = halves(a)
  local high2, low2 = halves(b)
  high, low = high + high2, low + low2
  if low >= 1e10 then high, low = high + 1, low - 1e10 end
  if high > 1844674407 or (high == 1844674407 and low > 3709551615) then
    high, low = high - 1844674407, low - 3709551616
    if low < 0 then high, low = high - 1, low + 1e10 end
  end
  return join(high, low)
end

-- a - b, but not below 0.
local function minus(a, b)
  if #a < #b or (#a == #b and a <= b) then return "0" end
  local high, low = halves(a)
  local high2, low2 = halves(b)
  high, low = high - high2, low - low2
  if low < 0 then high, low = high - 1, low + 1e10 end
  return join(high, low)
end

-- A whole number in lowest..highest; nil if text is none.
local function whole(text, lowest, highest)
  local n = text:find("^[+-]?%d+$") and tonumber((text:gsub("^%+", "")))
  return n and n >= lowest and n <= highest and n or nil
end

-- A time as clients write it: 32 bits.
local function exptime_of(text) return whole(text, -2^31, 2^31 - 1) end

-- A client's input -----------------------------------------------------------

-- What has come from a client and is not used yet: data, from byte at on.
local Input = {}
Input.__index = Input

-- Waits until more has come. False when nothing more will.
function Input:more()
  local data = self.server:recv(self.fd)
  if not data then return false end
  self.data, self.at = data, 1
  return true
end

-- All that is left of the data.
function Input:rest()
  local rest = self.at == 1 and self.data or self.data:sub(self.at)
  self.data, self.at = "", 1
  return rest
end

-- The next line, without its end; nil if there will be none.
function Input:line()
  local stop = self.data:find("\n", self.at, true)
  local line
  if stop then
    line = self.data:sub(self.at, stop - 1)
  else
    local parts, size, most = {}, 0, MAX_LINE
    repeat
      local part = self:rest()
      parts[#parts + 1], size = part, size + #part
      if size > most and most == MAX_LINE and table.concat(parts):find("^ *gets? ") then most = MAX_GET_LINE end
      if size > most or not self:more() then return nil end
      stop = self.data:find("\n", 1, true)
    until stop
    parts[#parts + 1] = self.data:sub(1, stop - 1)
    line = table.concat(parts)
  end
  self.at = stop + 1
  if #line > 1 and line:byte(-1) == 13 then line = line:sub(1, -2) end
  local zero = line:find("%z") -- it ends a line, too
  return zero and line:sub(1, zero - 1) or line
end

-- The next size bytes; nil if there will not be so many. With skip they are
-- not kept, and what is returned is true.
function Input:bytes(size, skip)
  local parts = {}
  while size > #self.data - self.at + 1 do
    local part = self:rest()
    size = size - #part
    if not skip then parts[#parts + 1] = part end
    if not self:more() then return nil end
  end
  local from = self.at
  self.at = from + size
  if skip then return true end
  parts[#parts + 1] = self.data:sub(from, self.at - 1)
  return table.concat(parts)
end

-- Commands -------------------------------------------------------------------

local BAD_LINE = "CLIENT_ERROR bad command line format"
local BAD_TIME = "CLIENT_ERROR invalid exptime argument"

-- Each is called with the words of its line, the first one its name, with the
-- Input, and with whether an answer is wanted. It returns its answer, or nil
-- when the client is not there any more.
local commands = {}

-- The line has from least to most words; the last one may be noreply.
local function command(name, least, most, fn)
  commands[name] = function(words, input)
    if #words < least or #words > most then return "ERROR" end
    input.noreply = words[#words] == "noreply"
    return fn(words, input)
  end
end

-- get and its kin: several keys, and one answer of several lines. How many
-- there are of a kind is counted once for all.
local function retrieval(name, with_cas, with_time)
  local first = with_time and 3 or 2
  commands[name] = function(words)
    if #words < 2 then return "ERROR" end
    local expires = with_time and exptime_of(words[2])
    if with_time and not expires then return BAD_TIME end
    local out, hits = {}, 0
    for i = first, #words do
      local key, item = words[i], nil
      if #key > MAX_KEY then return BAD_LINE end
      if with_time then
        update(key, function(old)
          item = old
          return old and { value = old.value, flags = old.flags, cas = old.cas, expires = expiry(expires) }
        end)
      else
        item = items:get(key)
      end
      if item then
        hits = hits + 1
        local head = ("VALUE %s %.0f %d"):format(key, item.flags, #item.value)
        if with_cas then head = ("%s %.0f"):format(head, item.cas) end
        out[#out + 1] = head
        out[#out + 1] = item.value
      end
    end
    local keys = #words - first + 1
    count.cmd_get:add(keys)
    count.get_hits:add(hits)
    count.get_misses:add(keys - hits)
    if with_time then
      count.cmd_touch:add(keys)
      count.touch_hits:add(hits)
      count.touch_misses:add(keys - hits)
    end
    out[#out + 1] = "END"
    return table.concat(out, "\r\n")
  end
end

retrieval("get", false)
retrieval("gets", true)
retrieval("gat", false, true)
retrieval("gats", true, true)

-- set and its kin: name, key, flags, time, size, and a block of bytes.
-- store(new, old, words) returns what is stored and the answer.
local function storage(name, store)
  local least = name == "cas" and 6 or 5
  command(name, least, least + 1, function(words, input)
    local key = words[2]
    local flags, exptime = whole(words[3], 0, 2^32 - 1), exptime_of(words[4])
    local size = whole(words[5], 0, 2^31 - 3)
    local unique = name ~= "cas" or (words[6]:find("^%d+$") and digits(words[6]))
    if #key > MAX_KEY or not (flags and exptime and size and unique) then return BAD_LINE end
    if size > MAX_VALUE then
      if not input:bytes(size + 2, true) then return nil end
      items:del(key) -- the old value is not what the client wants to have there
      count.store_too_large:add()
      return "SERVER_ERROR object too large for cache"
    end
    local block = input:bytes(size + 2)
    if not block then return nil end
    count.cmd_set:add()
    if block:sub(-2) ~= "\r\n" then return "CLIENT_ERROR bad data chunk" end
    local value, expires = block:sub(1, -3), expiry(exptime)
    return update(key, function(old)
      local new, answer = store({ value = value, flags = flags, expires = expires }, old, unique)
      if new then
        if #new.value > MAX_VALUE then return nil, "NOT_STORED" end
        new.cas = versions:add()
        count.total_items:add()
      end
      return new, answer
    end)
  end)
end

storage("set", function(new) return new, "STORED" end)

storage("add", function(new, old)
  if old then return nil, "NOT_STORED" end
  return new, "STORED"
end)

storage("replace", function(new, old)
  if not old then return nil, "NOT_STORED" end
  return new, "STORED"
end)

storage("append", function(new, old)
  if not old then return nil, "NOT_STORED" end
  return { value = old.value .. new.value, flags = old.flags, expires = old.expires }, "STORED"
end)

storage("prepend", function(new, old)
  if not old then return nil, "NOT_STORED" end
  return { value = new.value .. old.value, flags = old.flags, expires = old.expires }, "STORED"
end)

storage("cas", function(new, old, unique)
  if not old then
    count.cas_misses:add()
    return nil, "NOT_FOUND"
  elseif ("%.0f"):format(old.cas) ~= unique then
    count.cas_badval:add()
    return nil, "EXISTS"
  end
  count.cas_hits:add()
  return new, "STORED"
end)

-- incr and decr: an answer that is shorter than the old value stands in front
-- of spaces.
local function counting(name, compute)
  command(name, 3, 4, function(words)
    local key = words[2]
    if #key > MAX_KEY then return BAD_LINE end
    local delta = digits(words[3])
    if not delta then return "CLIENT_ERROR invalid numeric delta argument" end
    local hit
    local answer = update(key, function(old)
      hit = old ~= nil
      if not old then return nil, "NOT_FOUND" end
      local number = digits(old.value)
      if not number then return nil, "CLIENT_ERROR cannot increment or decrement non-numeric value" end
      local sum = compute(number, delta)
      local padded = sum .. (" "):rep(#old.value - #sum)
      return { value = padded, flags = old.flags, expires = old.expires, cas = versions:add() }, sum
    end)
    count[name .. (hit and "_hits" or "_misses")]:add()
    return answer
  end)
end

counting("incr", plus)
counting("decr", minus)

command("touch", 3, 4, function(words)
  local key, exptime = words[2], exptime_of(words[3])
  if #key > MAX_KEY then return BAD_LINE end
  if not exptime then return BAD_TIME end
  local answer = update(key, function(old)
    if not old then return nil, "NOT_FOUND" end
    return { value = old.value, flags = old.flags, cas = old.cas, expires = expiry(exptime) }, "TOUCHED"
  end)
  count.cmd_touch:add()
  count[answer == "TOUCHED" and "touch_hits" or "touch_misses"]:add()
  return answer
end)

command("delete", 2, 4, function(words, input)
  local key = words[2]
  local zero = words[3] == "0" -- of an old form, with a time behind the key
  if #words == 3 and not (zero or input.noreply) or #words == 4 and not (zero and input.noreply) then
    return BAD_LINE .. ".  Usage: delete <key> [noreply]"
  end
  if #key > MAX_KEY then return BAD_LINE end
  local there = items:del(key)
  count[there and "delete_hits" or "delete_misses"]:add()
  return there and "DELETED" or "NOT_FOUND"
end)

command("flush_all", 1, 3, function(words, input)
  local delay = 0
  if #words > (input.noreply and 2 or 1) then
    delay = exptime_of(words[2])
    if not delay then return BAD_TIME end
  end
  count.cmd_flush:add()
  if delay > 0 then
    flush_at:set(math.ceil(expiry(delay)))
  else
    flush_at:set(0)
    versions:add()
    items:clear()
  end
  return "OK"
end)

command("verbosity", 2, 3, function(words)
  local level = whole(words[2], 0, 2^31)
  if not level then return BAD_LINE end
  verbosity:set(level)
  return "OK"
end)

commands.version = function() return "VERSION 1.6.0-swoon-" .. swoole.version() end

commands.quit = function(words, input) input.server:close(input.fd) end

-- Statistics -----------------------------------------------------------------

local function general(server)
  local host, kept = server:stats(), items:stats()
  local out = {
    { "pid", server.master_pid }, { "uptime", os.time() - host.start_time }, { "time", os.time() },
    { "version", commands.version():sub(9) }, { "pointer_size", 64 },
    { "max_connections", server.setting.max_connection },
    { "curr_connections", host.connection_num }, { "total_connections", host.accept_count },
  }
  for _, name in ipairs(COUNTERS) do out[#out + 1] = { name, count[name]:get() } end
  for _, pair in ipairs{
    { "limit_maxbytes", kept.max_bytes }, { "threads", server.setting.worker_num },
    { "bytes", kept.bytes }, { "curr_items", kept.num }, { "evictions", kept.evicted_count }, { "reclaimed", kept.expired_count },
  } do out[#out + 1] = pair end
  return out
end

local function settings(server)
  return {
    { "maxbytes", items:stats().max_bytes }, { "maxconns", server.setting.max_connection }, { "inter", options["-l"] },
    { "verbosity", verbosity:get() }, { "evictions", "on" }, { "num_threads", server.setting.worker_num },
    { "item_size_max", MAX_VALUE }, { "cas_enabled", "yes" }, { "flush_enabled", "yes" }, { "binding_protocol", "ascii" },
  }
end

commands.stats = function(words, input)
  local what, list = words[2], nil
  if what == "reset" then
    for _, name in ipairs(COUNTERS) do count[name]:set(0) end
    return "RESET"
  elseif what == nil then
    list = general(input.server)
  elseif what == "settings" then
    list = settings(input.server)
  else
    return "ERROR"
  end
  local out = {}
  for i, pair in ipairs(list) do
    local value = pair[2]
    out[i] = ("STAT %s %s"):format(pair[1], type(value) == "number" and ("%.0f"):format(value) or tostring(value))
  end
  out[#out + 1] = "END"
  return table.concat(out, "\r\n")
end

-- The server -----------------------------------------------------------------

function onWorkerStart(server, worker_id)
  if worker_id ~= 0 then return end
  -- flush_all with a delay. This outlives a reload, as flush_at does.
  server:tick(1000, function()
    local at = flush_at:get()
    if at ~= 0 and at <= time.now() and flush_at:cmpset(at, 0) then items:clear() end
  end)
end

function onReceive(server, fd, reactor_id, data)
  local input = setmetatable({ server = server, fd = fd, data = data, at = 1 }, Input)
  repeat
    local line = input:line()
    if not line then
      server:close(fd) -- it is no line, or the client has gone
      return
    end
    if verbosity:get() > 1 then log.info(fd .. " says " .. line) end
    local words = {}
    for word in line:gmatch("[^ ]+") do words[#words + 1] = word end
    input.noreply = false
    local answer = "ERROR"
    local run = commands[words[1]]
    if run then
      answer = run(words, input)
      if not answer then return end
    end
    if not input.noreply and not server:send(fd, answer .. "\r\n") then return end
  until input.at > #input.data
end

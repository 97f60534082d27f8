-- an error caught by pcall must leave the variables of every living function alone
local n = 0 local function inc() n = n + 1 end
pcall(error) inc() print(n)
pcall(function() error("x") end) inc() print(n)
xpcall(function() error("x") end, function() return 1 end) inc() print(n)
local function deep(k) local v = k; local function set() v = v + 1 end
  if k > 0 then pcall(deep, k - 1) end
  pcall(error, "e") set() set()
  return v, function() return v end, set end
local v, get, set = deep(5) print(v, get()) set() print(get())
-- closures made in the failed function keep their values
local kept
pcall(function() local t = {1, 2, 3}; local s = "str"; kept = function() return #t, s end; error("gone") end)
local function junk(a, b, c, d, e) return a, b, c, d, e end junk(1, 2, 3, 4, 5)
print(kept())
xpcall(function() local t = {1, 2, 3}; local s = "str"; kept = function() t[#t + 1] = 1 return #t, s end; error("gone") end, function(e) return e end)
junk(9, 9, 9, 9, 9) print(kept()) print(kept())
pcall(function() local a, b = 1, 2; kept = {function() a = a + 1 return a end, function() return a + b end}; local x = nil; return x.y end)
junk(7, 7, 7, 7) print(kept[1](), kept[2](), kept[1](), kept[2]())
-- in loops, in coroutines, across resume
local fs = {}
for i = 1, 3 do pcall(function() local j = i * 10; fs[i] = function() j = j + 1 return i, j end; error("e" .. i) end) end
for i = 1, 3 do print(fs[i]()) print(fs[i]()) end
local co = coroutine.wrap(function() local c = 0
  local function up() c = c + 1 end
  pcall(function() up() error("x") end) up() coroutine.yield(c) pcall(error) up() coroutine.yield(c) end)
print(co()) print(co())
local got co = coroutine.create(function() local z = "zed"; got = function() return z end; error("die") end)
coroutine.resume(co) junk(1, 2, 3, 4) print(got())
-- an error through a metamethod, sort, gsub
local c = 0 local function bump() c = c + 1 end
pcall(function() return setmetatable({}, {__add = function() error("m") end}) + 1 end) bump()
pcall(table.sort, {3, 2, 1}, function() error("s") end) bump()
pcall(string.gsub, "abc", ".", function() error("g") end) bump()
print(c)

-- what gopher-lua's own libraries get wrong, one by one
-- a caught error leaves the variables of the enclosing functions shared
do local n = 0 local function inc() n = n + 1 end pcall(error) inc() print(n) end
do local n = 0 local function inc() n = n + 1 end xpcall(error, function() end) inc() print(n) end
-- closures made in a failed function keep their variables
do local f xpcall(function() local t = {7} f = function() return t[1] end error("x") end, function(m) return m end) print(f()) end
do local f pcall(function() local t = {8} f = function() return t[1] end string.rep() end) print(f()) end
print(string.find("abc", "b", 100, true))
-- depth, and the end of it
local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end
print(depth(3000))
do local function f() return 1 + f() end local ok, e = pcall(f) print(ok, (e:gsub(":.*", ""))) end
-- numbers
print(math.huge, -math.huge, math.huge == 1e308 * 10, 1e308 * 10, 0.1 + 0.2, 1 / 3, 2 ^ 53)
print(tonumber("1e5"), tonumber("5e-07"), tonumber(" 0x1f "), tonumber("z", 36), tonumber(""))
-- strings
print(("abc"):match("x"), (tostring(("abc"):match("x"))), ("abc"):find("", 2), ("abc"):find("", 4), ("aXb"):find("%f[%u]%u"))
print(pcall(string.format, "%d")) print(string.format("%u %5.1f|%c", 42, 2.25, 200) == "42   2.2|\200", ("\200\255A"):lower() == "\200\255a", ("\200a"):upper() == "\200A")
print(#("x"):rep(20000):gsub("x", "yy"), (("a "):rep(1000):gsub(" ", "")) == ("a"):rep(1000))
-- errors
print(pcall(function() assert(false, "plain") end)) print(pcall(function() assert(nil) end)) print(pcall(error)) print(pcall(function() error() end))
print(select("#", pcall(error, nil)), pcall(error, setmetatable({}, {__tostring = function() return "T" end})) == false)
-- long lists of values
print(#table.concat((function() local t = {} for i = 1, 10000 do t[i] = i end return t end)(), ","), (select("#", unpack((function() local t = {} for i = 1, 7000 do t[i] = i end return t end)()))), select("#", ("x"):rep(7000):byte(1, -1)))
-- sorting what cannot be compared
print(pcall(table.sort, {1, {}})) print(pcall(table.sort, {{}, {}})) print(pcall(table.sort, {"a", 1}))
-- information
print(debug.getinfo(1, "S").short_src, debug.getinfo(print).what, debug.getinfo(1, "l").currentline, type(collectgarbage("count")), collectgarbage())
-- coroutines that resume each other
local a, b a = coroutine.create(function() return coroutine.resume(b) end) b = coroutine.create(function() return coroutine.resume(a) end) print(coroutine.resume(a))
local w = coroutine.wrap(function() error("in wrap") end) print(pcall(w)) print(pcall(w))
print(coroutine.resume(coroutine.create(function() return pcall(coroutine.yield, 1) end)))

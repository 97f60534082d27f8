local function p(f, ...) print(pcall(f, ...)) end
local parts = {"return ", "1", "+1"} local i = 0
print(load(function() i = i + 1 return parts[i] end)())
local f = loadstring("x = 5 return x, print") local e = {} print(setfenv(f, e) == f, f(), e.x, getfenv(f) == e, rawget(_G, "x"))
local function g() setfenv(1, {print = print}) print(string) end g() print(string ~= nil)
print(getfenv(1) == _G, getfenv() == _G)
p(function() return select('#', xpcall(function(...) return ... end, print)) end)
p(load) p(load, function() return {} end) p(load, function() error("x") end) p(getfenv, 99) p(getfenv, -1) p(getfenv, {}) p(setfenv) p(setfenv, 1) p(setfenv, print, {}) p(setfenv, {}, {}) p(setfenv, 99, {}) p(setfenv, -1, {}) p(setfenv, function() end, 5)

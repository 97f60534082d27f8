local t = {function() print(debug.traceback("x")) end, m = {}}
t[1]()
local function f() t[1]() end
f()
t.m.g = function(self)
  f()
end
t.m.g()
t.m:g()
t.m
 .g()
local k = 1
t[k]()
;(function() f() end)()
local up = f
local function g() up() f() local l = up l() pcall(up) end
g()
string.gsub("a", "a", f)
table.sort({1,2}, function() if f then f() f = nil end end)

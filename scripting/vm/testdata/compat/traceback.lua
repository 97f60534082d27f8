local function tb(f, ...) print(select(2, xpcall(f, debug.traceback))) end
local function bad() error("bad") end
local function one() bad() end
local function two() one() end
tb(two)
tb(function() two() end)
p = nil
-- through three nested pcalls
tb(function() pcall(function() pcall(function() pcall(function() print(debug.traceback("deep")) end) end) end) error("end") end)
print(select(2, xpcall(function() local ok, e = pcall(function() local ok, e = pcall(function() bad() end) error(e, 0) end) error(e, 0) end, debug.traceback)))
-- names
local t = {} function t.field() print(debug.traceback("f")) end function t:method() print(debug.traceback("m")) end
function globalfn() print(debug.traceback("g")) end
t.field() t:method() globalfn() t["field"]()
local sub = {deep = {er = t.field}} sub.deep.er()
for _ in function() print(debug.traceback("iter")) return nil end do end
-- tail calls
local function last() print(debug.traceback("tail")) end
local function middle() return last() end
local function first() return middle() end
first()
local function loop(n) if n == 0 then return (debug.traceback("looped")) end return loop(n - 1) end
print(loop(40))
-- metamethods
local m = setmetatable({}, {__index = function(_, k) print(debug.traceback("idx")) return 1 end, __add = function() print(debug.traceback("add")) return 1 end, __call = function() print(debug.traceback("call")) end})
local _ = m.x _ = m + 1 m()
-- long stacks
local function deep(n) if n == 0 then print(debug.traceback("long")) else deep(n - 1) end return 1 end
for _, n in ipairs{5, 9, 10, 15, 17, 18, 19, 20, 21, 22, 23, 24, 30, 100} do deep(n) end
-- levels
local function lv() for i = 0, 5 do print(debug.traceback("level " .. i, i)) end end
lv()
print(debug.traceback("a", 2)) print(debug.traceback()) print(debug.traceback(12)) print(debug.traceback(nil)) print(type(debug.traceback({})))
-- coroutines
local co = coroutine.create(function(a) local b = coroutine.yield(a) bad() end)
print(debug.traceback(co)) print(coroutine.resume(co, 1)) print(debug.traceback(co)) print(debug.traceback(co, "msg")) print(debug.traceback(co, nil, 1))
print(coroutine.resume(co, 1)) print(debug.traceback(co)) print(debug.traceback(co, "dead", 1)) print(debug.traceback(co, "dead", 2))
co = coroutine.create(function() local function f() coroutine.yield() end f() return 1 end)
coroutine.resume(co) print(debug.traceback(co)) coroutine.resume(co) print(debug.traceback(co))
co = coroutine.create(function() pcall(function() print(debug.traceback("in co in pcall")) end) print(debug.traceback("in co")) end) coroutine.resume(co)
pcall(coroutine.wrap(function() print(debug.traceback("in wrap")) end))
print(select(2, xpcall(function() coroutine.wrap(function() bad() end)() end, debug.traceback)))
-- sort, gsub, pcall by other names
table.sort({2, 1}, function(a, b) print(debug.traceback("sort")) return a < b end)
string.gsub("a", "a", function() print(debug.traceback("gsub")) end)
local mypcall = pcall mypcall(function() print(debug.traceback("renamed")) end)
local function ret() return pcall(function() print(debug.traceback("returned")) end) end ret()
tb(string.rep)
-- getinfo
local function info(...) local i = debug.getinfo(...)
  for _, k in ipairs{"short_src", "source", "what", "currentline", "linedefined", "lastlinedefined", "namewhat", "name"} do io.write(k, "=", tostring(i[k]), " ") end print() end
info(1) local function named() info(2) info(2, "nSl") info(3, "l") end named() info(print) info(named)
print(debug.getinfo(99)) print(pcall(debug.getinfo, 1, "z")) print(pcall(debug.getinfo, {})) print(debug.getinfo(1, "f").func == debug.getinfo(1).func)

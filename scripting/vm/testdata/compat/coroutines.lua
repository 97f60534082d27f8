local p = print
p(pcall(coroutine.yield, 1)) p(pcall(function() coroutine.yield() end))
p(coroutine.resume(coroutine.create(function() pcall(coroutine.yield) end)))
p(coroutine.resume(coroutine.create(function() return pcall(coroutine.yield) end)))
p(coroutine.resume(coroutine.create(function() return xpcall(coroutine.yield, print) end)))
local co co = coroutine.create(function() return coroutine.resume(co) end) p(coroutine.resume(co))
local co = coroutine.create(function() error("in co") end) p(coroutine.resume(co)) p(coroutine.resume(co)) p(coroutine.status(co))
p(pcall(coroutine.create, print)) p(pcall(coroutine.create)) p(pcall(coroutine.resume,1)) p(pcall(coroutine.status)) p(pcall(coroutine.wrap, 1))
local w = coroutine.wrap(function() error("inw") end) p(pcall(w)) p(pcall(w))
local w = coroutine.wrap(function() error("inw") end) p(pcall(function() w() end)) p(pcall(function() w() end))
local tab = {} local w = coroutine.wrap(function() error(tab) end) p(select(2, pcall(w)) == tab)
p(coroutine.running()) p(pcall(coroutine.running))
-- values both ways, exact counts
local co = coroutine.create(function(...) p("start", select('#', ...), ...)
  p("r1", select('#', coroutine.yield())) p("r2", coroutine.yield(1, nil)) p("r3", select('#', coroutine.yield(nil)))
  local a, b, c = coroutine.yield(1, 2, 3) p(a, b, c) local a = coroutine.yield() p(a) coroutine.yield(nil, nil) return nil, 5, nil end)
p(select('#', coroutine.resume(co))) p(select('#', coroutine.resume(co))) p(coroutine.resume(co, "x", nil)) p(select('#', coroutine.resume(co, nil)))
p(coroutine.resume(co, "y")) p(coroutine.resume(co, "z", "w")) p(select('#', coroutine.resume(co))) p(coroutine.resume(co)) p(coroutine.status(co)) p(coroutine.resume(co))
p(select('#', coroutine.resume(coroutine.create(function() end)))) p(select('#', coroutine.wrap(function() end)())) p(coroutine.resume(coroutine.create(function(...) return ... end), 1, 2, 3))
-- yield as the tail of functions
local function y(...) return coroutine.yield(...) end
local co = coroutine.create(function(a) return coroutine.yield(a + 1) end) p(coroutine.resume(co, 1)) p(coroutine.status(co)) p(coroutine.resume(co, "end", 2)) p(coroutine.status(co)) p(coroutine.resume(co))
local co = coroutine.create(function(a) local x, z = y(a) p("got", x, z) p("got2", y(x)) return y("t") end) p(coroutine.resume(co, 1)) p(coroutine.resume(co, "b")) p(coroutine.resume(co, "c", "d")) p(coroutine.resume(co, "e")) p(coroutine.status(co))
local co = coroutine.wrap(function(...) local t = {y(...)} p(#t) t = {y(unpack(t))} p(#t, unpack(t)) return y() end) p(co(1, 2)) p(co(3, 4, 5)) p(co(6, 7, 8, 9)) p(co("fin"))
local co = coroutine.wrap(function() while true do local x = (y()) p(x) if not x then break end end return "out" end) p(co()) p(co(1)) p(co(2)) p(co())
-- generators
local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i, i * i) end end) end
local s = 0 for i, q in gen(100) do s = s + i + q end p(s)
local function perm(a, n) n = n or #a if n <= 1 then coroutine.yield(a) else for i = 1, n do a[n], a[i] = a[i], a[n] perm(a, n - 1) a[n], a[i] = a[i], a[n] end end end
for a in coroutine.wrap(function() perm{1, 2, 3} end) do p(table.concat(a, ",")) end
-- across boundaries
p(coroutine.resume(coroutine.create(function() table.sort({2, 1, 3}, function(a, b) coroutine.yield() return a < b end) end)))
p(coroutine.resume(coroutine.create(function() return ("x"):gsub("x", function() coroutine.yield() end) end)))
p(coroutine.resume(coroutine.create(function() for a in function() coroutine.yield(1) end do end end)))
for _, ev in ipairs{"__add", "__index", "__concat", "__eq", "__lt", "__unm", "__newindex", "__le", "__call"} do
  local mt = {[ev] = function() coroutine.yield(ev) return 1 end}
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  local co = coroutine.create(function() local r
    if ev == "__add" then r = a + b elseif ev == "__index" then r = a.x elseif ev == "__concat" then r = a .. b elseif ev == "__eq" then r = a == b
    elseif ev == "__lt" then r = a < b elseif ev == "__le" then r = a <= b elseif ev == "__unm" then r = -a elseif ev == "__newindex" then a.x = 1 else r = a() end return "done" end)
  p(ev, coroutine.resume(co)) p(ev, coroutine.status(co)) p(ev, coroutine.resume(co))
end
-- one inside another
local outer = coroutine.create(function() local inner = coroutine.create(function() coroutine.yield("i1") return "i2" end)
  coroutine.yield(coroutine.resume(inner)) coroutine.yield(coroutine.resume(inner)) return coroutine.resume(inner) end)
for i = 1, 4 do p(coroutine.resume(outer)) end
local c1, c2 c1 = coroutine.create(function() return coroutine.resume(c2) end) c2 = coroutine.create(function() return coroutine.status(c1), coroutine.resume(c1) end) p(coroutine.resume(c1))
local co co = coroutine.create(function() p(coroutine.status(co), coroutine.running() == co, pcall(function() return coroutine.running() == co end)) end) coroutine.resume(co)
local co = coroutine.create(function() pcall(function() coroutine.wrap(function() error("deep") end)() end) coroutine.yield("fine") return "end" end) p(coroutine.resume(co)) p(coroutine.resume(co))
local function cr(n) if n == 0 then return "done" end return coroutine.wrap(cr)(n - 1) end p(pcall(cr, 50)) p((select(2, pcall(cr, 300)):gsub("app.lua:%d+: ", "")))
-- vararg bodies, setfenv, upvalues shared with the outside
local shared = 0 local co = coroutine.wrap(function(...) for i = 1, 3 do shared = shared + i coroutine.yield(shared, ...) end end) p(co("v")) shared = 10 p(co()) p(co()) p(shared)

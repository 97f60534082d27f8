local p = print
p(pcall(error)) p(pcall(error,nil)) p(pcall(error,"m")) p(pcall(error,"m",0)) p(pcall(error,"m",1)) p(pcall(error,"m",2))
p(pcall(function() error("x") end)) p(pcall(function() error("x",2) end)) p(pcall(function() error("x",3) end))
p(pcall(function() error("x",0) end)) p(pcall(function() error() end)) p(pcall(function() error(nil,2) end))
p(pcall(function() error(12) end)) p(pcall(function() error(true) end))
p(pcall(assert)) p(pcall(assert,false)) p(pcall(assert,nil)) p(pcall(assert,false,"m")) p(select('#',pcall(assert,false,nil)))
p(pcall(function() assert(false,"m") end)) p(pcall(function() assert(false) end)) p(pcall(function() assert() end))
p(assert(1,2,3)) p(pcall(function() assert(nil,12) end))
p(pcall(pcall)) p(pcall(xpcall)) p(pcall(xpcall,print)) p(pcall(nil)) p(pcall(42)) p(pcall(function() pcall() end))
p(xpcall(nil,function(e) return "H"..tostring(e) end))
p(xpcall(function() error("a") end, function(e) error("again") end))
p(xpcall(function() error("a") end, nil)) p(xpcall(function() error("a") end, 42))
p(xpcall(function() error("a") end, function(e) return e, 2, 3 end))
p(xpcall(function() return 1, nil, 3, nil end, print))
p(select('#', pcall(function() return nil, nil end)))
p(xpcall(function() error("boom") end, debug.traceback))
local t = setmetatable({}, {__tostring = function() return "T" end})
p(pcall(error, t)) p(select(2, pcall(error, t)) == t)
local function inner(l) error("lvl", l) end
local function outer(l) inner(l) end
for l = 0, 4 do p(pcall(outer, l)) end
local function viapcall(l) pcall(function() end); error("after", l) end
for l = 0, 3 do p(pcall(viapcall, l)) end
-- an error thrown again keeps its text
local ok, e = pcall(function() local ok, e = pcall(error, "one"); error(e, 0) end) p(e)
local ok, e = pcall(function() local ok, e = pcall(function() error("one") end); error(e) end) p(e)
-- errors in handlers, in nested xpcall
p(xpcall(function() return xpcall(function() error("in") end, function(m) return "h1:"..m end) end, function(m) return "h2" end))
p(xpcall(function() local ok, m = xpcall(function() error("in") end, function(m) return "h1:"..m end); error(m) end, function(m) return "h2:"..m end))
p(pcall(xpcall, function() error("z") end, function(m) return pcall(error, m) end))
-- metamethod raising
local mt = setmetatable({}, {__add = function() error("add") end, __index = function(_, k) error("idx "..k, 2) end, __call = function(self, x) return "called", x end})
p(pcall(function() return mt + 1 end)) p(pcall(function() return mt.foo end)) p(pcall(mt, 7)) p(mt(8))
p(pcall(function() local function rec() return 1 + rec() end return rec() end))
p(pcall(setmetatable({}, {__call = function(_, ...) return select('#', ...) end}), 1, nil, nil))
p(pcall(string.rep)) p(pcall(string.rep, "x", {})) p(pcall(function() ("x"):rep({}) end)) p(pcall(function() string.rep() end))

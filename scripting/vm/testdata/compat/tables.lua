local p = print
local function e(...) p(select("#", ...), ...) end
e(pcall(table.insert)) e(pcall(table.insert, {})) e(pcall(table.insert, {}, 1)) e(pcall(table.insert, {}, 1, 2, 3)) e(pcall(table.insert, {}, "x", 2)) e(pcall(table.insert, {}, "1", 2))
e(pcall(table.remove)) e(pcall(table.remove, {})) e(table.remove({1,2,3})) e(table.remove({1,2,3}, 1)) e(table.remove({1,2,3}, 0)) e(table.remove({1,2,3}, 4)) e(table.remove({1,2,3}, 5)) e(pcall(table.remove, {1}, "x")) e(pcall(table.remove, {1}, {}))
e(pcall(table.concat)) e(pcall(table.concat, 1, {})) e(pcall(table.concat, {1,{},3})) e(pcall(table.concat, {1,2}, ",", 1, 3)) e(table.concat({1,2,3}, ",", 2)) e(table.concat({1.5,2,"x"}, 0)) e(table.concat({}, "x", 5)) e(pcall(table.concat, {}, "x", "y")) e(table.concat({[0]=1,2}, ",", 0)) e(table.concat({[-1]=5,[0]=1,2}, ",", -1, 1))
e(pcall(table.getn)) e(table.getn({1,2})) e(pcall(table.setn, {}, 2)) e(pcall(table.setn)) e(table.maxn({1,2,[10]=1,[1.5]=1})) e(table.maxn({[-1]=1})) e(table.maxn({[1e300]=1, x=1})) e(pcall(table.maxn))
e(pcall(table.foreach, {}, nil)) e(pcall(table.foreach)) e(table.foreach({5,6,x=1}, print)) e(table.foreach({5,6}, function(k,v) if k == 2 then return v, 1 end end)) e(table.foreachi({5,6,x=1}, print)) e(pcall(table.foreachi, {})) e(pcall(table.foreachi, 1))
e(pcall(table.sort)) e(pcall(table.sort, {}, 1)) e(pcall(table.sort, {3,1,"x"})) e(pcall(table.sort, {{},{}})) e(pcall(table.sort, {3,1,2}, function(a,b) return true end)) e(pcall(table.sort, {1,2,3,4,5,6}, function(a,b) return true end)) e(pcall(table.sort, {3,1}, function() error("x") end)) e(pcall(table.sort, {3,1}, function() error({}) end)) e(pcall(table.sort, {true,false}))
e(pcall(function() table.sort({3,1,"x"}) end)) e(pcall(function() table.sort({1,2,3,4,5,6}, function(a,b) return true end) end)) e(pcall(function() table.concat({{}}) end))
e(pcall(unpack)) e(unpack({1,2,nil,4}, 1, 4)) e(unpack({1,2}, 2)) e(unpack({1,2}, -1, 1)) e(unpack({}, 1, 3)) e(pcall(unpack, {}, 1, 1e8)) e(pcall(unpack, {}, 0, 1e10)) e(unpack({1,2},2,1)) e(pcall(unpack, {}, "x")) e(pcall(unpack, {}, 1, {}))
e(pcall(select)) e(select("#")) e(select("#", nil, nil)) e(select(2, 1, 2, 3)) e(select(-1, 1, 2, 3)) e(pcall(select, -4, 1, 2, 3)) e(pcall(select, 0)) e(select(9, 1)) e(pcall(select, {})) e(pcall(select, "x")) e(select("2", 1, 2)) e(select("#x", 1, 2)) e(select(2.9, 1, 2, 3)) e(pcall(select, nil))
e(pcall(rawequal)) e(pcall(rawequal, 1)) e(rawequal(1, 1), rawequal("a", "a"), rawequal({}, {}), rawequal(nil, false)) e(pcall(rawget)) e(pcall(rawget, 1, 2)) e(pcall(rawget, {})) e(rawget({5}, 1)) e(rawget({5}, nil)) e(pcall(rawset)) e(pcall(rawset, {}, 1)) e(pcall(rawset, {}, nil, 1)) e(pcall(rawset, {}, 0/0, 1)) e(rawset({}, 1, 2)[1]) e(pcall(function() rawset({}, nil, 1) end))
e(pcall(ipairs)) e(pcall(pairs)) e(pcall(pairs, nil)) e(pcall(next)) e(pcall(next, {}, 1)) e(pcall(next, {}, "x")) e(pcall(next, {1,2,x=1}, {})) e(next({})) e(next({5})) e(next({5}, 1)) e(next({5}, nil, 7)) e(pcall(function() next({}, "x") end))
p(pairs({}) == next, select("#", pairs({})), select("#", ipairs({})))
local f, s, c = ipairs({7, 8}) e(f(s, c)) e(f(s, 1)) e(f(s, 2)) e(pcall(f)) e(pcall(f, {}))
p(pcall(function() local t = {} t[nil] = 1 end)) p(pcall(function() local t = {} t[0/0] = 1 end)) p(({})[nil], ({})[0/0])
local m = setmetatable({}, {__index = function(t, k) return k end, __newindex = function(t, k, v) rawset(t, k, v .. "!") end}) p(m[5], m.x, m[1e9]) m[3] = "a" m.y = "b" m[1e9] = "c" p(m[3], m.y, m[1e9], rawget(m, 4)) m[3] = "z" p(m[3])
local up = {} local low = setmetatable({}, {__index = up, __newindex = up}) low[1] = 1 low[70] = 2 low.z = 3 p(rawget(low, 1), low[1], up[70], low[70], low.z, next(low)) up[1e6] = 5 p(low[1e6])
local loop = {} setmetatable(loop, {__index = loop, __newindex = loop}) p(pcall(function() return loop[1] end)) p(pcall(function() loop[1] = 1 end)) p(pcall(function() return loop.x end)) p(pcall(function() loop.x = 1 end))
p(#{1,2,nil}, #{nil}, #{n=1}, #{1,2,3,nil,5}, #{[3]="a",1,2}, #{[1]=1,[2]=2}) local t = {[3]="a",1,2,3} p(t[3], #t) t[#t] = nil p(#t) t[5] = 1 p(#t) t[3] = 3 t[4] = 4 p(#t)
for i, v in ipairs({1,2,nil,4}) do p(i, v) end for k, v, x in pairs({9}) do p(k, v, x) end for k in pairs({a=1}) do p(k) end for i, v in next, {4, 5} do p(i, v) end for i, v in next, {4, 5}, 1 do p(i, v) end
local t = {} for i = 1, 10 do t[i] = i end for k in pairs(t) do t[k] = nil end p(next(t)) for i = 1, 10 do t[i] = i end for k in next, t do t[k] = nil end p(next(t)) for i = 1, 10 do t[i] = i t["x" .. i] = i end local k = next(t) local n = 0 while k do t[k] = nil k = next(t, k) n = n + 1 end p(n, next(t))
local big = setmetatable({}, {__index = {[1000000] = "far", [2] = "near"}}) p(big[1000000], big[2], big[3]) p(("x"):gsub("()", {[1] = "one", [2] = "two"}))
local chain = setmetatable({}, {__index = setmetatable({}, {__index = function(t, k) return k * 2 end})}) p(chain[21], chain[1e7])
local s = "abc" p(s[1], s.len == string.len)
local e = setmetatable({}, {__newindex = function(t, k, v) p("new", k, v) end}) e[1] = 1 e[9e9] = 2 e.x = 3 e[1] = nil e.x = nil rawset(e, 1, 5) e[1] = 6 p(e[1])
local mt = {} mt.__index = mt mt[7] = "seven" local o = setmetatable({}, mt) p(o[7], o[8], o.x)
p((("x"):rep(300)):gsub("()x", {[1] = "a", [300] = "z"}):gsub("x+", "-"))
do local function none() end local function two() return {4, 5}, nil, 7 end local function var(...) for k in next, ... do p("var", k) end end
local junk1, junk2, junk3 = 1, 2, 3 for i in next, two() do p(i) end for i, v in next, two() do p(i, v) end for i in next, {6}, none() do p(i) end for i, v in next, {6, 7}, two() and 1 do p(i, v) end
for i, v in next, {6}, nil, p("extra") do p(i, v) end for i, v, w, x in next, {6} do p(i, v, w, x) end for i, v in (pairs({9})), {3} do p(i, v) end var({1, 2}) p(pcall(function() for i in next, none() do end end))
local function count(s, c) if c < s then return c + 1 end end for i in count, 3, 0 do p(i) end for i in (function() local n = 0 return function() n = n + 1 if n < 3 then return n end end end)() do p(i) end end

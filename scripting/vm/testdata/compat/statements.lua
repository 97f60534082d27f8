local function F(v) return v end
local n = 0
local function p(name, v) print(name, v) end
local function t1(a) local ok = true ok = ok and F(a) and 1 == 1 return ok end p(1, t1(false))
local function t2(a) local ok = true ok = ok and F(a) and F(1) == 1 return ok end p(2, t2(false))
local function t3(a) local ok = true ok = F(a) and F(1) == 1 return ok end p(3, t3(false))
local function t4(a) local ok = true ok = a and F(1) == 1 return ok end p(4, t4(false))
local function t5(a) local ok = true ok = ok and F(a) and F(1) return ok end p(5, t5(false))
local function t6(a) local ok = true ok = ok and F(a) return ok end p(6, t6(false))
local function t7(a) local ok = true local x = ok and F(a) and 1 == 1 return x end p(7, t7(false))
local function t8(a) local ok = true return ok and F(a) and 1 == 1 end p(8, t8(false))
local function t9(a) local ok = true ok = F(a) and 1 == 1 return ok end p(9, t9(false))
local function t10(a) local ok = true ok = F(a) and a return ok end p(10, t10(false))
local function t11(a) local ok = true ok = F(a) or 1 == 1 return ok end p(11, t11(false))
local function t12(a) local ok = false ok = F(a) or 1 == 2 return ok end p(12, t12(true))
local function t13(a) local ok = true ok = ok and (F(a)) and 1 == 1 return ok end p(13, t13(false))
local function t14(a) local ok = true ok = a.x and 1 == 1 return ok end p(14, t14{})
local function t15(a) local ok = true ok = ok and a.x and 1 == 1 return ok end p(15, t15{})
local function t16(a) local ok, b = true, a.x ok = ok and b and 1 == 1 return ok end p(16, t16{})
local function t17(a) local ok = true a.y = ok and F(a.x) and 1 == 1 return a.y end p(17, t17{})
local function t18(a) local ok = true if ok and F(a) and 1 == 1 then return 1 else return 2 end end p(18, t18(false))
local function t19(a) local ok = true ok = ok and #a > 1 and 1 == 1 return ok end p(19, t19{})
local function t20(a) local ok = true ok = ok and a + 1 and 1 == 1 return ok end p(20, t20(1))
local function t21(a) local ok = false ok = ok or a() or 1 == 2 return ok end p(21, t21(function() return 7 end))
local function t22(a) local ok = true ok = ok and not a and 1 == 1 return ok end p(22, t22(true))
local function run(n) local f = loadstring(n) print(pcall(f)) end
run[[ for k in pairs{1} do if false then local x = 1 end end return 1 ]]
run[[ for k in pairs{1,2} do if false then local x = 1 else print"else" end print(k) end return 1 ]]
run[[ for k in pairs{1,2} do if nil then local x, y = 1 elseif k == 1 then print"one" end end return 2 ]]
run[[ for i = 1, 2 do if false then local x = 1 end end return 3 ]]
run[[ for k in pairs{1,2} do while false do local x = 1 end end return 4 ]]
run[[ for k in pairs{1,2} do repeat local x = 1 until true end return 5 ]]
run[[ for k in pairs{1,2} do if not true then local x = 1 end end return 6 ]]
run[[ for k in pairs{1,2} do if false and k then local x = 1 end end return 7 ]]
run[[ if false then local function f() end end return 8 ]]
run[[ local function g(...) for k in pairs{1} do if false then local x = 1 end end return ... end return g(1,2,3) ]]
run[[ local t = {} for k, v in pairs{a=1} do if false then for i = 1, 2 do local z = i end end t[k] = v end return t.a ]]
run[[ for k in pairs{1} do for j in pairs{1} do if false then local x = 1 end print(k, j) end end return 12 ]]
local function show(...) local o = {} for i = 1, select("#", ...) do o[i] = tostring((select(i, ...))) end print(table.concat(o, " ")) end
local a, b, c = 1, 2, 3 a, b = b, a show(a, b) a, b, c = c, a, b show(a, b, c) a, b = a + b, a - b show(a,b)
a, b = b show(a, b) a, b, c = (function() return 7, 8, 9 end)() show(a, b, c) a, b = 1, 2, print("x") show(a, b)
local t = {10, 20, 30} t[1], t[2] = t[2], t[1] show(unpack(t)) local i = 1 i, t[i] = i + 1, 99 show(i, unpack(t))
t[i], i = i, 5 show(i, unpack(t)) local f, d = 1, "e" local q = {} f, q.d = f, d show(f, q.d)
x, y = 1, 2 x, y = y, x show(x, y) x, a = a, x show(x, a) local u = 1 local function g() u, a = a, u return u end show(g(), u, a)
t.x, t.y = (function() return 1, 2 end)() show(t.x, t.y) t.x, t.y = t.y, t.x show(t.x, t.y) a, t.x = t.x, a show(a, t.x)
a, b = t, t.x a, b = a.y, a.x show(a, b) a, b, c = nil show(a, b, c) a, b = #t, -1 show(a, b) a, b = a == 3, b ~= 3 show(a, b)
a, b = not a, {1} show(a, #b) a, b = "x" .. "y", a show(a, b) a, b = b, function() return a end show(a, type(b)) a, b = ... show(a, b)

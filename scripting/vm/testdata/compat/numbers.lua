local function p(f, ...) print(pcall(f, ...)) end
for _, s in ipairs{"10", " 10 ", "0x10", "0X1F", "-0x10", "1e5", "5e-07", "0x", "", " ", "1e", "1e+", ".5", "5.", ".", "1.5.2", "0x1p4", "0x.8", "0x1.8p1", "1_000", "0b1", "0o7", "010", "- 1", "--1", "+1", "1 2", "1e400", "-1e400", "1e-400", "0xffffffffffffffff", "0x1ffffffffffffffff", "\t\n\v\f\r12\r", "1,5", "1f", "0x1g", "9007199254740993", "123456789012345678", "-0", "+", "e5", "0e0", "00012", "0x0x1", "1e99999999999", "12e", "0x1p", "0xp1", "1E5", "1d5"} do print(("%q"):format(s), tonumber(s)) end
for _, b in ipairs{2, 3, 8, 10, 16, 36, 1, 37, 0, -5} do for _, s in ipairs{"10", "ff", "zz", "-10", "-1", "7", "0x1f", "1e1", " 11 ", "", "8", "1.0", "+1", "99999999999999999999999", "-99999999999999999999999", "0x"} do print(b, s, pcall(tonumber, s, b)) end end
p(tonumber) p(tonumber, nil) p(tonumber, {}) p(tonumber, true) p(tonumber, 10, 16) p(tonumber, "10", "16") p(tonumber, 1.5, 8) p(tonumber, {}, 16) p(tonumber, nil, 16) p(tonumber, "10", 16.9) p(tonumber, "1", {})
for _, n in ipairs{0, -0, 1, -1, 0.1, 1/3, 1e14, 1e15, 1e16, 123456789012345, 99999999999999, 100000000000000, 2^53, 2^53+1, 2^63, -2^63, 2^64, 1e100, 1e308*10, -1e308*10, 1e-5, 1e-4, 0.00001234, 5e-324, 1.7976931348623157e308, 3.14159265358979, 100, 1e5, 123456.789, 1e21, -1e15, 0.1+0.2, 1e300*1e10} do print(n, tostring(n), n .. "", -n, table.concat({n, n}, " ")) end
print(0/0, -(0/0), 1/0, -1/0, tostring(-0), -0 .. "", 0/-1)
p(tostring) print(tostring(nil), tostring(true)) p(tostring, setmetatable({}, {__tostring = function() return 5 end}))
print("10" + 5, "0x10" + 0, " 10 " * 2, "1e1" / 2, "10" - "3", "7" % "4", "2" ^ "3", -"2", -"0x10", 10 .. 20, "010" + 0)
print(pcall(function() return "" + 1 end), pcall(function() return "0x" + 1 end), pcall(function() return "1_0" + 1 end), pcall(function() return "inf" < 1 end))
local mt = {__add = function(a, b) return "add" .. type(a) .. type(b) end, __unm = function() return "unm" end, __concat = function(a, b) return "cat" .. type(a) .. type(b) end}
local o = setmetatable({}, mt)
print("1" + o, o + "1", "x" + o, o + "x", 1 + o, -o, 1 .. o, o .. 1, "a" .. "b" .. o, o .. "a" .. "b", 1 .. 2 .. o .. 3 .. 4)
print(1 .. 2, 1.5 .. "x", -1 .. "", 2^53 .. "", 1e15 .. "|" .. 1e14)
for i = "1", "2" do io.write(i, " ") end for i = 3, "1", "-1" do io.write(i, " ") end for i = " 0x1 ", 2 do io.write(i, " ") end print()
p(function() for i = "x", 2 do end end)
print(math.huge, -math.huge, math.pi, math.floor(-0.5), math.ceil(-0.5), math.floor(1e300), math.floor(2^53 + 0.5), math.floor(-3.5), math.huge == 1e308 * 10)
print(math.fmod(5, 3), math.fmod(-5, 3), math.fmod(5, -3), math.fmod(5, math.huge), math.mod(7, 4)) print(math.modf(3.7)) print(math.modf(-3.7)) print(math.modf(5)) print(math.modf(-5)) print(math.modf(math.huge)) print(math.modf(-math.huge))
print(math.frexp(8)) print(math.frexp(0)) print(math.frexp(-0.3)) print(math.ldexp(1, 10), math.ldexp(1, -2000), math.ldexp(1, 5000), math.log10(1000), math.log(math.exp(1)), math.max(1, 2, 3), math.min(3, 1, 2), math.max("10", 9))
p(math.max) p(math.min) p(math.random, 0) p(math.random, 2, 1) p(math.random, 1, 2, 3) p(math.random, "x") p(math.floor) p(math.floor, {}) p(math.pow, 2) p(math.randomseed) p(math.ldexp, 1) p(math.sqrt, nil)
for i = 1, 100 do local r = math.random(3) assert(r >= 1 and r <= 3) r = math.random(-5, 5) assert(r >= -5 and r <= 5 and r % 1 == 0) r = math.random() assert(r >= 0 and r < 1) assert(math.random(2.9) <= 2) end
math.randomseed(42) local a = math.random(1e6) math.randomseed(42) print(a == math.random(1e6))
local keys = {} for k in pairs(math) do keys[#keys + 1] = k end table.sort(keys) print(table.concat(keys, " "))
print(math.deg(math.pi), math.rad(180), math.sin(1), math.cos(1), math.tan(1), math.asin(1), math.acos(0), math.atan(1), math.atan2(1, -1), math.sinh(1), math.cosh(1), math.tanh(1), math.exp(1), math.log(10), math.sqrt(2), math.pow(2, 0.5), math.abs(-3))
p(setmetatable, 1) p(setmetatable, {}) p(setmetatable, {}, 1) p(getmetatable) p(rawequal, 1) p(type) print(rawequal(1, 1), rawequal("a", "a"), rawequal({}, {}), getmetatable(1), getmetatable("").__index == string)
local prot = setmetatable({}, {__metatable = "no"}) print(getmetatable(prot)) p(setmetatable, prot, nil) print(getmetatable(setmetatable({}, {__metatable = false})))

local function p(f, ...) print(pcall(f, ...)) end
local times = {0, 1, 86399, 86400, 951782400, 1078012800, 1111885199, 1111885200, 1130633999, 1130634000, 1130637600, 1e9, 1234567890, 1700000000, 1719792000, 2147483647, 4102444800, -86400, 1e9 + 0.7}
for _, t in ipairs(times) do
  for _, f in ipairs{"%c", "%x", "%X", "%j", "%U", "%W", "%a %A %b %B %d %e %H %I %M %p %S %w %y %Y %Z %z %%", "%D %F %G %g %V %h %n %t %r %R %T %u %C"} do print(t, f, os.date(f, t), os.date("!" .. f, t)) end
  for _, u in ipairs{"*t", "!*t"} do local d = os.date(u, t) local k = {} for n, v in pairs(d) do k[#k + 1] = n .. "=" .. tostring(v) end table.sort(k) print(table.concat(k, " ")) end
  print(os.time(os.date("*t", t)))
end
for _, f in ipairs{{year=2024, month=1, day=1}, {year=2024, month=1, day=1, hour=0}, {year=2024, month=14, day=-3, hour=50, min=-5, sec=1000}, {year=2024, month=3, day=31, hour=2, min=30}, {year=2024, month=10, day=27, hour=2, min=30}, {year=2024, month=10, day=27, hour=2, min=30, isdst=true}, {year=2024, month=10, day=27, hour=2, min=30, isdst=false}, {year=2024, month=7, day=1, isdst=false}, {year=2024, month=7, day=1, isdst=true}, {year=2024, month=1, day=1, isdst=true}, {year="2024", month="2", day="29"}, {year=2023, month=2, day=29}, {year=1969, month=12, day=31, hour=23}, {year=2024, month=1.9, day=1.9}, {year=1900, month=1, day=1}, {year=2040, month=6, day=6}} do p(os.time, f) end
p(os.time, {}) p(os.time, {year=2024}) p(os.time, {year=2024, month=1}) p(os.time, {year=2024, month=1, day="x"}) p(os.time, 5) p(os.time, {year=2024, month=1, day=1, hour="x"})
local d = {year=2024, month=14, day=40} os.time(d) print(d.month, d.day, d.year, d.yday)
p(os.difftime, 5, 3) p(os.difftime, 5) p(os.difftime) p(os.date, 5) p(os.date, "%c", "x") p(os.date, "*t", {}) p(os.getenv) print(os.getenv("NOPE_X"), type(os.getenv("PATH")), type(os.clock()), type(os.time()), os.time() - os.time(os.date("*t")) < 2)
print(os.date("", 0), os.date("%", 0) == "%" , os.date("x%", 0) == "x%", os.date("*tx", 0).year, os.date("!%H", 3600)) print(pcall(os.date, "%Ez", 0))  print(pcall(os.date, "%Ex %Od", 0))

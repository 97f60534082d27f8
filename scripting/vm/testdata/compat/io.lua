local p = print
local name = "data.txt"
local f = assert(io.open(name, "w")) p(io.type(f), io.type(io.stdout), io.type(1), tostring(f):match("^file %(0x") ~= nil) p(f:write("line one\n", 2, "\n", "third\r\n", "", "last without newline")) p(f:close()) p(io.type(f), tostring(f)) p(pcall(f.write, f, "x")) p(pcall(function() f:read() end)) p(pcall(f.close, f))
f = io.open(name) p(f:read()) p(f:read("*n")) p(f:read("*l")) p(f:read("*l")) p(f:read(4)) p(f:read(0)) p(f:read("*a")) p(f:read("*a")) p(f:read("*l")) p(f:read(0)) p(f:read(5)) p(f:close())
f = io.open(name) p(f:read("*l", "*n", "*l", 3)) p(f:seek()) p(f:seek("set", 5)) p(f:read(3)) p(f:seek("cur", -3)) p(f:read(3)) p(f:seek("end")) p(f:seek("end", -7)) p(f:read("*a")) p(f:seek("set")) p(f:read("*a")) p(pcall(f.seek, f, "bad")) p(pcall(f.read, f, "bad")) p(f:write("x")) f:close()
for l in io.lines(name) do io.write("[", l, "]") end print() f = io.open(name) for l in f:lines() do p(#l) end p(f:read()) p(io.type(f)) f:close()
p(io.open("nope/nope.txt")) p(pcall(io.lines, "nope.txt")) p(pcall(io.open))
f = io.open(name, "a") f:write("\nappended") p(f:seek("end")) f:close() f = io.open(name, "r+") p(f:read("*l")) f:seek("cur", 0) f:write("XX") f:seek("set", 0) p(f:read("*a")) f:close() f = io.open(name, "w+") f:write("abc") f:seek("set") p(f:read("*a")) f:close() f = io.open(name, "rb") p(f:read("*a")) f:close()
f = io.open(name, "w") p(f:setvbuf("no")) f:write("now") p(io.open(name):read("*a")) p(f:setvbuf("full", 1024)) f:write("later") p(f:flush()) p(io.open(name):read("*a")) p(f:setvbuf("line")) f:close()
f = io.open(name, "w") f:write("12 0x1F -3.5 1e3 .5 abc") f:close() f = io.open(name) p(f:read("*n", "*n", "*n", "*n", "*n", "*n")) f:close()
f = io.open(name, "w") f:write(("x"):rep(10000), "\n", ("y"):rep(5000)) f:close() f = io.open(name) p(#f:read(), #f:read()) f:close() f = io.open(name) p(#f:read(7000), #f:read(7000), #f:read(7000), f:read(1)) f:close()
io.write("a", 1, "b\n", "two\nlines\n") io.stdout:write("out", "\n") p(io.write("")  ~= nil)
p(os.date("!%Y-%m-%d %H:%M:%S", 0), os.date("!%c", 86400 * 45), os.date("!%x %X %p %A %B %j %U %W %w %y %a %b %d %I %M %%", 1234567890)) local t = os.date("!*t", 1234567890) p(t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst) p(os.time{year = 2009, month = 2, day = 13, hour = 23, min = 31, sec = 30}) p(os.time{year = 2009, month = 14, day = -3}) p(pcall(os.time, {year = 2009})) p(os.date("%d", os.time{year = 2020, month = 5, day = 6})) p(os.difftime(10, 4)) p(os.getenv("NO_SUCH_THING_HERE")) p(type(os.clock()), type(os.time()))

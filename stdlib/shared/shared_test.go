package shared_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	"swoon/stdlib/json"
	"swoon/stdlib/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{co.Module, json.Module, shared.Module}

func run(t *testing.T, code string) string {
	t.Helper()
	return scriptingtest.Run(t, modules, "local shared, co = require 'shared', require 'co'\n"+code)
}

func TestTable(t *testing.T) {
	run(t, `
local t = shared.table("t")
eq(t:get("a"), nil)
eq(t:set("a", 1), true)
eq(t:get("a"), 1)
eq(t:set("a", "text"), true)
eq(t:get("a"), "text")
t:set("f", false) eq(t:get("f"), false)
t:set("b", "\0\255\n") eq(t:get("b"), "\0\255\n")
local deep = {1, 2, {x = "y", [1.5] = true}, n = 3}
t:set("deep", deep)
eq(t:get("deep"), deep)
deep.n = 4
eq(t:get("deep").n, 3)
eq(t:get("deep", "n"), 3)
eq(t:get("deep", 3).x, "y")
eq(t:get("deep", "no"), nil)
raises("shared.table:get: the value is a string, it has no field 'n'", t.get, t, "a", "n")
local null = require("json").null
t:set("null", null) assert(t:get("null") == null) t:set("nulls", {null, a = null}) assert(t:get("nulls").a == null and t:get("nulls", 1) == null)
eq(t:cas("null", null, 1), true) t:del("null") t:del("nulls")
-- numbers are keys of their own
t:set(1, "one") t:set("1", "text one") t:set(1.5, "x")
eq(t:get(1), "one") eq(t:get("1"), "text one") eq(t:get(1.5), "x")
t:set(0, "zero") eq(t:get(-0), "zero")
raises("bad argument #1 'key' to 'shared.table:get' (string or number expected, got nil)", t.get, t, nil)
raises("got no value", t.get, t)
raises("got nan", t.set, t, 0/0, 1)
raises("got table", t.del, t, {})
raises("the value is nil: remove a key with del", t.set, t, "a", nil)
raises("value.x.f: cannot keep a function in a shared table", t.set, t, "a", {x = {f = print}})
raises("value: cannot keep a userdata in a shared table", t.set, t, "a", t)
eq(t:get("a"), "text")
eq(t:exists("a"), true) eq(t:exists("nope"), false)
eq(t:del("a"), true) eq(t:del("a"), false)
eq(t:get("a"), nil)
eq(t:count(), 7) eq(#t, 7)
local seen = {}
for k, v in pairs(t) do assert(seen[k] == nil) seen[k] = v end
eq(seen[1.5], "x") eq(seen["1"], "text one") eq(seen[1], "one") eq(seen.deep.n, 3)
local n = 0
for k, v in t:iterate() do n = n + 1 t:del(k) end
eq(n, 7) eq(t:count(), 0)
for i = 1, 100 do t:set(i, i) end
local keys = t:keys()
table.sort(keys) eq(#keys, 100) eq(keys[1], 1) eq(keys[100], 100)
eq(#t:keys(10), 10) eq(#t:keys(0), 0)
eq(t:clear(), true) eq(t:count(), 0) eq(t:stats().bytes, 0)
local s = t:stats()
eq(s.num, 0) eq(s.max_bytes, 0) eq(s.insert_count, s.delete_count)
raises("a shared.table has no 'gte' (did you mean 'get'?)", function() return t.gte end)
`)
}

func TestTableCounts(t *testing.T) {
	run(t, `
local t = shared.table("t")
eq(t:incr("n"), 1) eq(t:incr("n", 10), 11) eq(t:decr("n"), 10) eq(t:decr("n", 0.5), 9.5) eq(t:incr("n", "2"), 11.5)
t:set("s", "x")
raises("shared.table:incr: the value is a string, it cannot be counted", t.incr, t, "s")
raises("bad argument #2 'n' to 'shared.table:incr' (number expected, got string)", t.incr, t, "n", "x")
-- a time to live is for what is new
eq(t:incr("rate", 1, 100), 1)
t:expire("rate", 50)
eq(t:incr("rate", 1, 100), 2)
assert(t:ttl("rate") <= 50 and t:ttl("rate") > 40)
eq(t:ttl("n"), true) eq(t:ttl("nope"), false)
eq(t:expire("rate"), true) eq(t:ttl("rate"), true) eq(t:expire("nope", 1), false)
-- cas
eq(t:cas("c", nil, 1), true)
fails("changed", t:cas("c", nil, 2))
fails("changed", t:cas("c", 2, 3))
eq(t:cas("c", 1, {a = {1, 2}}), true)
fails("changed", t:cas("c", {a = {1, 3}}, 5))
fails("changed", t:cas("c", {a = {1, 2}, b = 1}, 5))
eq(t:cas("c", {a = {1, 2}}, false), true)
eq(t:get("c"), false)
eq(t:cas("c", false, nil), true)
eq(t:exists("c"), false)
fails("changed", t:cas("c", false, nil))
raises("old and new are both nil", t.cas, t, "c", nil, nil)
raises("value: cannot keep a function in a shared table", t.cas, t, "c", nil, print)
`)
}

func TestTableColumns(t *testing.T) {
	run(t, `
local t = shared.table("t", { columns = { id = "int", name = {"string", 8}, score = "float", note = "string" } })
eq(t:get("a"), nil) eq(t:get("a", "id"), nil)
eq(t:set("a", { id = 1, name = "abcdefgh" }), true)
eq(t:get("a"), { id = 1, name = "abcdefgh", score = 0, note = "" })
eq(t:set("a", { score = 1.5 }), true)
eq(t:get("a"), { id = 1, name = "abcdefgh", score = 1.5, note = "" })
eq(t:get("a", "score"), 1.5)
fails("value_too_long", t:set("a", { id = 2, name = "abcdefghi" }))
eq(select(3, t:set("a", { name = "abcdefghi" })), "column 'name' holds 8 bytes, the string has 9")
eq(t:get("a", "id"), 1)
raises("column 'id' is an int, 1.5 is none", t.set, t, "a", { id = 1.5 })
raises("column 'id' is a number (int), not a boolean", t.set, t, "a", { id = true })
raises("column 'id' is a number (int), not a string", t.set, t, "a", { id = "x" })
raises("column 'id' is an int within 2^53", t.set, t, "a", { id = 2^53 + 2 })
raises("column 'name' is a string, not a table", t.set, t, "a", { name = {} })
raises("there is no column 'nmae' (did you mean 'name'?)", t.set, t, "a", { nmae = 1 })
raises("there is no column '1'", t.set, t, "a", { 1 })
raises("there is no column 'nmae'", t.get, t, "a", "nmae")
raises("a table of columns expected, got number", t.set, t, "a", 1)
t:set("a", { id = "12", name = 34 }) -- as Lua converts
eq(t:get("a", "id") + 0, 12) eq(t:get("a", "name"), "34")
eq(t:incr("a", "id"), 13) eq(t:incr("a", "score", 0.25), 1.75) eq(t:decr("b", "id", 2), -2)
eq(t:get("b"), { id = -2, name = "", score = 0, note = "" })
raises("column 'name' is a string, it cannot be counted", t.incr, t, "a", "name")
raises("column 'id' is an int, 13.5 is none", t.incr, t, "a", "id", 0.5)
raises("there is no column 'nil'", t.incr, t, "a")
eq(t:get("a", "id"), 13)
fails("changed", t:cas("a", { id = 1 }, { name = "x" }))
eq(t:cas("a", { id = 13, name = "34" }, { name = "x" }), true)
eq(t:get("a", "name"), "x")
fails("changed", t:cas("a", nil, { name = "y" }))
eq(t:cas("c", nil, { name = "y" }), true)
fails("changed", t:cas("c", { name = "123456789" }, { name = "z" }))
eq(t:cas("c", { name = "y" }, nil), true) eq(t:exists("c"), false)
local n = 0
for k, row in pairs(t) do n = n + 1 eq(row, t:get(k)) end
eq(n, 2)
`)
}

func TestTableLives(t *testing.T) {
	run(t, `
local t = shared.table("t", { ttl = 0.02 })
local function gone(k)
  local till = os.time() + 20
  while t:exists(k) do assert(os.time() < till) co.sleep(0.002) end
end
t:set("a", 1) t:set("b", 1, 1000) t:set("c", 1, 0)
gone("a")
eq(t:get("a"), nil) eq(t:get("b"), 1) eq(t:get("c"), 1)
eq(t:count(), 2)
repeat t:set("a", 1) t:incr("a") until t:expire("a", 1000) and t:get("a") == 2
co.sleep(0.05)
eq(t:get("a"), 2)
t:set("a", 5) -- lives as the table says again
gone("a")
raises("bad argument #3 'ttl' to 'shared.table:set' (seconds from 0 expected, got -1)", t.set, t, "a", 1, -1)
-- nobody looks: the alarm empties it
local was = t:stats().expired_count
for i = 1, 500 do t:set(i, i, 0.01 + i / 100000) end
local till = os.time() + 20
while t:stats().expired_count < was + 500 do assert(os.time() < till, t:stats().expired_count) co.sleep(0.002) end
eq(t:stats().num, 2)
`)
}

func TestTableLimits(t *testing.T) {
	run(t, `
local t = shared.table("full", { max_bytes = "4K" })
local n = 0
while t:set(n, ("x"):rep(100)) do n = n + 1 end
fails("table_full", t:set("more", ("x"):rep(100)))
fails("value_too_large", t:set("more", ("x"):rep(5000)))
assert(n >= 10 and n <= 20, n)
eq(t:count(), n)
eq(t:set(0, "small"), true)
fails("table_full", t:set(0, ("x"):rep(4096 - 300)))
eq(t:get(0), "small")
local s = t:stats()
assert(s.bytes <= s.max_bytes and s.max_bytes == 4096)
t:clear() eq(t:stats().bytes, 0)
for i = 1, 10 do t:set(i, "x", 0.005) end
co.sleep(0.01)
eq(t:set("big", ("x"):rep(3500)), true) -- what is over makes room

local l = shared.table("lru", { max_bytes = 4096, lru = true })
for i = 1, 1000 do
  eq(l:set(i, i), true)
  assert(l:get(1) == 1, "the one in use has gone")
end
s = l:stats()
assert(s.evicted_count + s.num == 1000 and s.num > 10 and s.num < 30, s.num)
for i = 1000, 1000 - s.num + 2, -1 do eq(l:get(i), i) end
eq(l:get(500), nil)
fails("value_too_large", l:set("x", ("x"):rep(5000)))
eq(l:set("x", ("x"):rep(3800)), true)
eq(l:count(), 1)

for what, o in pairs{
  ["unknown option 'maxbytes' (did you mean 'max_bytes'?)"] = {maxbytes = 1},
  ["max_bytes must be a number of bytes"] = {max_bytes = "2X"},
  ["max_bytes must be a number of bytes from 1024"] = {max_bytes = 10},
  ["ttl must be a number of seconds above 0"] = {ttl = 0},
  ["lru must be true or false"] = {lru = 1},
  ["lru needs max_bytes"] = {lru = true},
  ["columns must be a table {name = type}, not string"] = {columns = "x"},
  ["columns must name at least one column"] = {columns = {}},
  ["column 'a' must be \"int\", \"float\", \"string\" or {\"string\", bytes}, not \"itn\" (did you mean 'int'?)"] = {columns = {a = "itn"}},
  ["column 'a': only a string has a size"] = {columns = {a = {"int", 8}}},
  ["column 'a': the size must be a number of bytes from 1, not 0"] = {columns = {a = {"string", 0}}},
  ["the name of a column must be a string, not a number"] = {columns = {"a"}},
} do raises(what, shared.table, "bad", o) end
raises("1 to 255 bytes", shared.table, "")
`)
}

func TestTableWatch(t *testing.T) {
	run(t, `
local t = shared.table("t", { ttl = 1000 })
local all, one = {}, {}
local function until_(list, n) local till = os.time() + 20 while #list < n do assert(os.time() < till, #list) co.sleep(0.001) end end
local inside, overlaps = 0, 0
local a = t:watch(function(k, v, what)
  inside = inside + 1
  if inside > 1 then overlaps = overlaps + 1 end
  all[#all + 1] = what .. " " .. tostring(k) .. "=" .. tostring(v)
  co.sleep(0.001)
  inside = inside - 1
end)
local b = t:watch("k", function(k, v, what) one[#one + 1] = what .. " " .. v end)
t:set("k", 1) t:set("x", 2) t:incr("k") t:del("x") t:del("nope") t:set("k", 5, 0.01)
until_(all, 6)
eq(all, {"set k=1", "set x=2", "set k=2", "del x=2", "set k=5", "expired k=5"})
until_(one, 4)
eq(one, {"set 1", "set 2", "set 5", "expired 5"})
eq(t:stats().watch_num, 2) eq(overlaps, 0)
eq(a:stop(), true) eq(a:stop(), false)
eq(t:stats().watch_num, 1)
t:set("k", 9)
until_(one, 5)
eq(#all, 6)
-- too many
one = {}
b:stop()
local missed
t:watch(function(k, v, what) one[#one + 1] = k or (what .. " " .. v) end)
for i = 1, 10100 do t:set(i, i) end
until_(one, 10001)
eq(one[10000], 10000) eq(one[10001], "missed 100")
t:set("after", 1)
until_(one, 10002)
eq(one[10002], "after")
raises("bad argument #2 'callback'", t.watch, t, "k")
-- an error of a callback is reported, and the next call comes
local got = 0
shared.table("e"):watch(function() got = got + 1 error("watch broke") end)
shared.table("e"):set(1, 1) shared.table("e"):set(2, 2)
local till = os.time() + 20
while got < 2 do assert(os.time() < till) co.sleep(0.001) end
`)
}

func TestAtomic(t *testing.T) {
	run(t, `
local a = shared.atomic("a", 5)
eq(a:get(), 5) eq(a:add(), 6) eq(a:add(10), 16) eq(a:sub(), 15) eq(a:sub(20), -5) eq(a:add(-5), -10)
eq(a:set(7), true) eq(a:cmpset(8, 9), false) eq(a:cmpset(7, 9), true) eq(a:get(), 9)
eq(shared.atomic("a", 5):get(), 9)
a:set(2^53)
raises("the sum would be beyond 2^53", a.add, a, 1)
eq(a:get(), 2^53)
raises("bad argument #1 'value' to 'shared.atomic:set' (a whole number from -2^53 to 2^53 expected, got 1.5)", a.set, a, 1.5)
raises("a whole number up to 2^53 expected", a.add, a, 0/0)
local b = shared.atomic("b", 0, 32)
eq(b:sub(1), 4294967295) eq(b:add(2), 1)
raises("a whole number from 0 to 4294967295 expected, got -1", b.set, b, -1)
raises("from 0 to 4294967295", shared.atomic, "c", -1, 32)
raises("32 or 64 expected, got 16", shared.atomic, "c", 1, 16)
-- wait and wakeup
b:set(1) eq(b:wait(), true) eq(b:get(), 0)
fails("timeout", b:wait(0.001))
fails("timeout", b:wait(0))
b:set(5) fails("not_zero", b:wait())
b:set(0)
local woken = 0
for i = 1, 3 do co.go(function() if b:wait(-1) then woken = woken + 1 end end) end
b:wakeup(2) co.sleep(0) co.sleep(0)
eq(woken, 2)
b:wakeup() co.sleep(0) co.sleep(0)
eq(woken, 3) eq(b:get(), 0)
b:wakeup() eq(b:get(), 1) b:wakeup() eq(b:get(), 1)
eq(b:wait(0), true)
raises("a whole number from 1 expected", b.wakeup, b, 0)
`)
}

func TestLock(t *testing.T) {
	run(t, `
local l = shared.lock("l")
eq(l:lock(), true)
raises("would_deadlock: shared.lock:lock: this fiber holds the lock already, since app.lua:", l.lock, l)
local order = {}
for i = 1, 3 do
  co.go(function()
    fails("locked", l:trylock())
    fails("not_owner", l:unlock())
    fails("timeout", l:lock(0.001))
    assert(l:lock(20))
    order[#order + 1] = i
    co.sleep(0.001)
    eq(l:unlock(), true)
  end)
end
co.sleep(0.02)
eq(#order, 0)
l:unlock()
assert(l:lock(20))
eq(order, {1, 2, 3})
l:unlock()
fails("not_owner", l:unlock())
raises("this lock is a mutex", l.lock_read, l)
-- an owner that ends without unlock
co.go(function() l:lock() end)
local ok, why, text = l:lock()
eq(ok, true) eq(why, "owner_died") assert(text:find("the fiber that took the lock at app.lua:%d+ ended without unlock"), text)
l:unlock()
eq(select("#", l:lock()), 1) l:unlock()
co.go(function() l:lock() error("x") end)
eq(select(2, l:trylock()), "owner_died") l:unlock()
-- readers and writers
local rw = shared.lock("rw", "rw")
local log = {}
local function reader(name) co.go(function() assert(rw:lock_read(20)) log[#log + 1] = name .. " in" co.sleep(0.005) log[#log + 1] = name .. " out" rw:unlock() end) end
reader("a") reader("b")
co.go(function() assert(rw:lock(20)) log[#log + 1] = "w in" co.sleep(0.002) log[#log + 1] = "w out" rw:unlock() end)
reader("c")
fails("locked", rw:trylock_read())
local till = os.time() + 20
while #log < 8 do assert(os.time() < till) co.sleep(0.001) end
eq(log, {"a in", "b in", "a out", "b out", "w in", "w out", "c in", "c out"})
-- a writer that gives up lets the readers behind it in
rw:lock_read()
co.go(function() fails("timeout", rw:lock(0.005)) log[#log + 1] = "gave up" end)
co.go(function() assert(rw:lock_read(20)) log[#log + 1] = "late" rw:unlock() end)
while #log < 10 do assert(os.time() < till) co.sleep(0.001) end
table.sort(log) eq(log[7], "gave up") eq(log[8], "late")
raises("would_deadlock", rw.lock, rw)
rw:unlock()
raises("\"mutex\" or \"rw\" expected", shared.lock, "x", "mutexx")
`)
}

func TestChannel(t *testing.T) {
	run(t, `
local c = shared.channel("c", 2)
eq(c.capacity, 2) eq(c:isEmpty(), true) eq(c:length(), 0)
eq(c:push(1), true) eq(c:push({2, x = "y"}), true) eq(c:isFull(), true) eq(#c, 2)
fails("timeout", c:push(3, 0)) eq(c.errCode, -1)
fails("timeout", c:push(3, 0.002))
eq(c:pop(), 1) eq(c.errCode, 0) eq(c:pop(), {2, x = "y"})
fails("timeout", c:pop(0)) fails("timeout", c:pop(0.002))
local got = {}
for i = 1, 3 do co.go(function() local v = c:pop() got[#got + 1] = i .. ":" .. tostring(v) end) end
eq(c:stats().consumer_num, 3)
for i = 1, 3 do c:push(i * 10) end
co.sleep(0) co.sleep(0)
eq(got, {"1:10", "2:20", "3:30"})
got = {}
for i = 1, 5 do co.go(function() c:push(i) got[#got + 1] = i end) end
co.sleep(0) eq(c:stats().producer_num, 3)
for i = 1, 5 do eq(c:pop(), i) end
co.sleep(0) co.sleep(0)
table.sort(got) eq(got, {1, 2, 3, 4, 5})
raises("data.f: cannot push a function into a shared channel", c.push, c, {f = print})
-- closing
local ends = {}
co.go(function() fails("channel_closed", c:pop()) ends[#ends + 1] = "pop" eq(c.errCode, -2) end)
eq(c:close(), true) eq(c:close(), false)
co.sleep(0) co.sleep(0)
eq(ends, {"pop"})
fails("channel_closed", c:push(1))
eq(c:reopen(), true) eq(c:reopen(), false)
c:push("left") c:close()
eq(c:pop(), "left") fails("channel_closed", c:pop())
eq(c:stats().closed, true)
raises("a whole number from 0 to 1073741824 expected, got -1", shared.channel, "x", -1)
`)
}

func TestDeclarations(t *testing.T) {
	run(t, `
shared.table("t", { ttl = 1, columns = { a = "int" } })
shared.table("t", { ttl = 1, columns = { a = "int" } })
raises("shared.table 't': ttl is 2s here, but 1s at app.lua:", shared.table, "t", { ttl = 2, columns = { a = "int" } })
raises("shared.table 't': column 'a' is of type float here, but int at app.lua:", shared.table, "t", { ttl = 1, columns = { a = "float" } })
raises("shared.table 't': it has a column 'b' here, but not at app.lua:", shared.table, "t", { ttl = 1, columns = { a = "int", b = "int" } })
raises("shared.table 't': it has no columns here, but has at app.lua:", shared.table, "t")
shared.lock("l") raises("shared.lock 'l': it is a rw here, but a mutex at app.lua:", shared.lock, "l", "rw")
shared.channel("c", 5) raises("shared.channel 'c': its capacity is 6 here, but 5 at app.lua:", shared.channel, "c", 6)
shared.atomic("a") raises("shared.atomic 'a': it begins with 1 here, but with 0 at app.lua:", shared.atomic, "a", 1)
raises("shared.atomic 'a': it has 32 bits here, but 64 at app.lua:", shared.atomic, "a", 0, 32)
`)
	for code, want := range map[string]string{
		`shared.table("x"):set(1, 1)`:                    "shared.table:set cannot be used while the script loads",
		`shared.table("x"):get(1)`:                       "shared.table:get cannot be used while the script loads",
		`shared.atomic("x"):add(1)`:                      "shared.atomic:add cannot be used while the script loads",
		`shared.lock("x"):lock()`:                        "shared.lock:lock cannot be used while the script loads",
		`shared.channel("x", 1):push(1)`:                 "cannot be used while the script loads",
		`shared.table("x") shared.table("x", {ttl = 1})`: "shared.table 'x': ttl is 1s here, but 0s at app.lua:1",
	} {
		_, err := scriptingtest.Load(t, modules, "local shared = require 'shared' "+code+"\nfunction onReceive() end")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

package swoole_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/co"
	"swoon/stdlib/swoole"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{co.Module, swoole.Module}

// with runs code in a live worker, behind what the top level declares.
func with(t *testing.T, top, code string) {
	t.Helper()
	scriptingtest.Run(t, modules, "end\nlocal swoole, co = require 'swoole', require 'co'\n"+top+"\nfunction test()\n"+code)
}

func TestTable(t *testing.T) {
	with(t, `
local users = swoole.Table(1024, 0.5)
users:column("id", swoole.TYPE_INT)
users:column("name", users.TYPE_STRING, 8)
users:column("score", swoole.TYPE_FLOAT)
users:create()
local more = swoole.Table(64) more:column("n", swoole.TYPE_INT) more:create()`, `
eq(users:get("a"), false) eq(users:get("a", "id"), false)
eq(users:set("a", { id = 1, name = "tom" }), true)
eq(users:get("a"), { id = 1, name = "tom", score = 0 })
eq(users:set("a", { score = 2.5 }), true)
eq(users:get("a", "name"), "tom") eq(users:get("a", "score"), 2.5)
fails("value_too_long", users:set("a", { name = "123456789" }))
raises("column 'id' is an int, 1.5 is none", users.set, users, "a", { id = 1.5 })
raises("there is no column 'ids' (did you mean 'id'?)", users.set, users, "a", { ids = 1 })
eq(users:incr("a", "id"), 2) eq(users:incr("a", "id", 10), 12) eq(users:decr("a", "id", 2), 10) eq(users:incr("new", "score", 0.5), 0.5)
eq(users:exists("a"), true) eq(users:exist("b"), false)
users:set(7, { id = 7 }) eq(users:get("7", "id"), 7) eq(users:exist(7), true) -- keys are text
eq(users:count(), 3) eq(#users, 3)
local keys = {}
for k, row in pairs(users) do keys[#keys + 1] = k eq(row, users:get(k)) end
table.sort(keys) eq(keys, {"7", "a", "new"})
eq(users:del("a"), true) eq(users:delete("a"), false)
eq(users.size, 1024) eq(users:getSize(), 1024)
assert(users.memorySize > 100 and users.memorySize == users:getMemorySize())
local s = users:stats()
eq(s.num, 2) eq(s.insert_count, 3) eq(s.delete_count, 1) eq(s.conflict_count, 0)
for i = 1, 3000 do assert(users:set("k" .. i, { id = i })) end -- beyond its size
eq(users:count(), 3002)
eq(more:count(), 0)
raises("swoole.Table is for the top level of the script", swoole.Table, 64)
eq(users:destroy(), true)
raises("the table was destroyed", users.get, users, "a")
`)
	for code, want := range map[string]string{
		`local t = swoole.Table(64) t:create()`:                                      "the table has no columns",
		`local t = swoole.Table(64) t:column("a", 4)`:                                "TYPE_INT, TYPE_FLOAT or TYPE_STRING expected, got 4",
		`local t = swoole.Table(64) t:column("a", swoole.TYPE_STRING)`:               "a string column needs its number of bytes",
		`local t = swoole.Table(64) t:column("a", 1) t:column("a", 1)`:               "there is a column 'a' already",
		`local t = swoole.Table(64) t:column("a", 1) t:create() t:column("b", 1)`:    "the table has been created",
		`local t = swoole.Table(64) t:column("a", 1) t:create() t:set("a", {a = 1})`: "cannot be used while the script loads",
		`local t = swoole.Table(0)`:                                                  "a number of rows from 1 expected, got 0",
		`local t = swoole.Table(1, 0.1)`:                                             "0.2 to 1 expected, got 0.1",
		`local l = swoole.Lock(2)`:                                                   "MUTEX, RWLOCK or SPINLOCK expected, got 2",
		`local a = swoole.Atomic(-1)`:                                                "from 0 to 4294967295 expected, got -1",
	} {
		_, err := scriptingtest.Load(t, modules, "local swoole = require 'swoole'\n"+code+"\nfunction onReceive() end")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestAtomicAndLock(t *testing.T) {
	with(t, `
hits = swoole.Atomic(3)
local long = swoole.AtomicLong()
local a, b = swoole.Atomic(), swoole.Atomic(10)
local lock = swoole.Lock()
local rw = swoole.Lock(swoole.RWLOCK)
local spin = swoole.Lock(swoole.SPINLOCK)`, `
eq(hits:get(), 3) eq(hits:add(), 4) eq(hits:sub(5), 4294967295) eq(hits:cmpset(4294967295, 1), true)
eq(hits:wait(0), true) eq(hits:wakeup(), true) eq(hits:get(), 1)
eq(long:sub(5), -5) raises("a swoole.AtomicLong has no 'wait'", function() return long.wait end)
eq(a:add(), 1) eq(b:get(), 10)
eq(lock:lock(), true) raises("would_deadlock", lock.lock, lock)
co.go(function()
  fails("locked", lock:trylock()) fails("timeout", lock:lockwait(0.001)) fails("timeout", lock:lock(swoole.LOCK_EX, 0.001))
  fails("locked", lock:lock(swoole.LOCK_EX + swoole.LOCK_NB))
  eq(lock:lockwait(20), true) lock:unlock()
end)
co.sleep(0.02)
lock:unlock() eq(lock:lock(), true) lock:unlock()
eq(rw:lock(swoole.LOCK_SH), true) co.go(function() eq(rw:lock_read(), true) eq(rw:unlock(), true) fails("locked", rw:trylock()) end) rw:unlock()
raises("LOCK_EX or LOCK_SH expected", lock.lock, lock, 3)
raises("this lock is a mutex", spin.lock_read, spin)
`)
}

// What a script assigns to the same variable is the same in every VM, and over
// a reload that moves it.
func TestSameVariableSameObject(t *testing.T) {
	const script = `local swoole = require "swoole"
@local hits = swoole.Atomic(0)
local names = swoole.Table(64) names:column("n", swoole.TYPE_INT)@more names:create()
function onReceive() end
function onWorkerStart(server, id) hits:add() names:incr("x", "n") print("@gen", hits:get() .. " " .. names:get("x", "n")) end`
	text := func(gen, before, more string) string {
		return strings.NewReplacer("@gen", gen, "@more", more, "@", before).Replace(script)
	}
	s := scriptingtest.Serve(t, modules, text("one", "", ""), [2]string{"worker_num", "3"})
	s.Out.WaitCount(t, "one\t", 3)
	s.Out.Wait(t, "one\t3 3")
	if !s.Reload(text("two", "local other = swoole.Atomic(7)\n", ` names:column("m", swoole.TYPE_INT)`)) {
		t.Fatal("refused")
	}
	s.Out.WaitCount(t, "two\t", 3)
	s.Out.Wait(t, "two\t6 6")
	if s.Reload(text("three", "", "")) {
		t.Error("a column was taken away")
	}
	s.Log.Wait(t, "it has no column 'm' here, but has at app.lua:4: what column 'm' holds would be lost")
}

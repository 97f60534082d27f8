package pool

import (
	"fmt"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

// Whoever waits is not forgotten when another ends with what he has borrowed,
// and what is to be there is there again.
func TestOthersGoOn(t *testing.T) {
	port, _ := counted(t)
	run(t, fmt.Sprintf(`
local p = new{ max = 1, evict_interval = -1 }
local got
local first = co.go(function() p:acquire() co.sleep(0.01) end)
co.go(function() got = p:acquire(30) p:release(got) end)
until_(function() return got end) eq(got.n, 2) eq(p:stats().leaked, 1)
-- one that has died is replaced also when another is at hand
p = pool.new{ host = "127.0.0.1", port = %d, min = 2, max = 3, evict_interval = -1 }
eq(p:fill(), true)
local a, b = p:acquire(), p:acquire()
p:release(a) b:close() p:release(b)
eq(p:acquire(), a)
until_(function() return p.idle == 1 end)
-- min is tried again, not all the time
local now, tries = require("time").monotonic, {}
p = new{ min = 1, create = function() tries[#tries + 1] = now() return false, "no", "no" end }
until_(function() return #tries == 2 end)
assert(tries[2] - tries[1] > 0.9)
p:close()
`, port))
}

func TestFillAndDrainToTheEnd(t *testing.T) {
	run(t, `
-- an object that was for another does not come: fill has one more made
local gate, first = co.channel(10), true
local p = new{ max = 2, create = function()
  if first then first = false gate:pop() return false, "no", "no" end
  return maker()
end }
local told, filled
co.go(function() p:acquire{ timeout = 30, hold = true } end)
co.go(function() filled = { p:fill(2, 30) } end)
until_(function() return p.borrowed == 1 end)
co.go(function() told = { p:acquire(30) } end)
gate:push(true)
until_(function() return told end) eq(told[2], "no")
until_(function() return filled end) eq(filled[1], true)
-- fill ends when the pool does
p = new{ create = function() gate:pop() return maker() end }
filled = nil
co.go(function() filled = { p:fill(1, 30) } end)
eq(p:close(), true)
until_(function() return filled end) eq(filled[2], "draining")
gate:push(true) until_(function() return p.size == 0 end)
-- drain waits for close
local ended
p = new{ close = function() co.sleep(0.05) ended = true end }
p:release(p:acquire())
eq(p:drain(30), true) eq(ended, true)
`)
}

// What goes to the next generation is for the same, and young enough.
func TestWhatIsNotHandedOver(t *testing.T) {
	port, _ := counted(t)
	script := fmt.Sprintf(`
local pool, client, co = require "pool", require "client", require "co"
local function connect() return client.connect("127.0.0.1", %[1]d) end
local text = { prefix = "x", digits = 3, words = { "A", "B" } }
local pools = {
  same = pool.new{ host = "127.0.0.1", port = %[1]d, client = { timeout = 5, package_length_text = text } },
  other_options = pool.new{ host = "127.0.0.1", port = %[1]d, client = { timeout = TIMEOUT } },
  other_words = pool.new{ host = "127.0.0.1", port = %[1]d, client = { package_length_text = { prefix = "x", digits = 3, words = { "WORD" } } } },
  a_function = pool.new{ host = "127.0.0.1", port = %[1]d, client = { open_length_check = true, package_length_func = function(data) return 1 end } },
  no_key = pool.new{ create = connect },
  key = pool.new{ create = connect, key = "k" },
  key_as_well = pool.new{ create = connect, key = "l" },
  too_old = pool.new{ host = "127.0.0.1", port = %[1]d, client = { timeout = 6 }, max_lifetime = 0.05 },
}
function onReceive() end
function onWorkerStart(server, id)
  server:after(1, function()
    local list = {}
    for name, p in pairs(pools) do
      local c = assert(p:acquire())
      if p:stats().taken_over > 0 then list[#list + 1] = name end
      p:release(c)
    end
    co.sleep(0.1)
    table.sort(list)
    print("VERSION: " .. table.concat(list, " ") .. ".")
  end)
end`, port)
	version := func(v, timeout, word string) string {
		return strings.NewReplacer("VERSION", v, "TIMEOUT", timeout, "WORD", word).Replace(script)
	}
	s := scriptingtest.Serve(t, modules, version("one", "7", "one"), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "one: .\n")
	if !s.Reload(version("two", "8", "two")) {
		t.Fatal("not loaded")
	}
	s.Out.Wait(t, "two: ")
	if out := s.Out.String(); !strings.HasSuffix(out, "two: key key_as_well same.\n") {
		t.Errorf("printed %s", out)
	}
}

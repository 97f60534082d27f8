package tests

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// What all workers share: exact under every kind of concurrency, and still
// there when the code changes.

// bothModes runs a story with several workers in each mode, plain and under the
// race detector.
func bothModes(t *testing.T, workers int, story func(t *testing.T, s setup)) {
	for _, mode := range []string{"base", "process"} {
		for _, race := range []bool{false, true} {
			name := mode
			if race {
				name += "race"
			}
			t.Run(name, func(t *testing.T) { story(t, setup{mode: mode, workers: workers, race: race}) })
		}
	}
}

const tallyScript = evalScript + `
server:set{ task_worker_num = 2 }
local shared, swoole, co = require "shared", require "swoole", require "co"
local long, short, rows, map = shared.atomic("long"), shared.atomic("short", 0, 32),
  shared.table("rows", { columns = { n = "int", who = { "string", 16 } } }), shared.table("map", { max_bytes = "1M", lru = true })
local lock, plain = shared.lock("count"), shared.table("plain")
local hits = swoole.Atomic(0)
local users = swoole.Table(64)
users:column("n", swoole.TYPE_INT)
users:create()

-- one step of each kind; the last needs its lock, as it waits in the middle
function work(times)
  for i = 1, times do
    long:add() short:add(2) hits:add()
    rows:incr("key", "n") rows:set("key", { who = "worker " .. server.worker_id })
    users:incr("key" .. i % 3, "n")
    map:incr(i % 7)
    repeat local v = plain:get("cas") until plain:cas("cas", v, (v or 0) + 1)
    if i % 10 == 0 then
      lock:lock()
      local v = plain:get("locked") or 0
      co.sleep(0)
      plain:set("locked", v + 1)
      lock:unlock()
    end
  end
end
function onTask(server, id, src, times) work(times) return times end
function onFinish(server, id, times) shared.atomic("finished"):add(1) end
function totals()
  local users_n, map_n = 0, 0
  for _, row in pairs(users) do users_n = users_n + row.n end
  for _, n in pairs(map) do map_n = map_n + n end
  return table.concat({ long:get(), short:get() / 2, hits:get(), rows:get("key", "n"), users_n, map_n, plain:get("cas"), plain:get("locked") * 10 }, " ")
end
`

func TestSharedCountsAreExact(t *testing.T) {
	t.Parallel()
	bothModes(t, 2, func(t *testing.T, s setup) {
		const clients, rounds, times = 8, 5, 100
		sv := serve(t, s, tallyScript)
		var wg sync.WaitGroup
		for range clients {
			c := sv.dial(t)
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range rounds {
					c.say(fmt.Sprintf("server:task(%d) work(%d) return 'done'\n", times, times))
					if got := c.line(); got != "done" {
						t.Errorf("a client was told %q", got)
					}
				}
			}()
		}
		wg.Wait()
		c := sv.dial(t)
		c.until(fmt.Sprintf(`require("shared").atomic("finished"):get() == %d`, clients*rounds))
		n := 2 * clients * rounds * times
		want := strings.TrimSpace(strings.Repeat(fmt.Sprintf("%d ", n), 8))
		if got := c.eval("return totals()"); got != want {
			t.Errorf("the totals are %s, want %d each", got, n)
		}
		// They outlive the code, and new code goes on with them.
		sv.save(t, tallyScript+"\n-- once more")
		sv.Log.wait(t, "reloaded generation=")
		c.ask("return totals()", want)
		c.ask(`work(10) return require("shared").atomic("long"):get()`, fmt.Sprint(n+10))
	})
}

const jobScript = evalScript + `
local co, shared = require "co", require "shared"
local jobs, more, seen = shared.channel("jobs", 10), shared.channel("more", 2), shared.table("seen")
local lost = shared.atomic("lost")
function feed(from, to)
  for i = from, to do
    local ok
    if i % 3 == 0 then ok = more:push(i, 20)
    elseif i % 3 == 1 then ok = jobs:push(i, 20)
    else ok = co.select({ { jobs, "push", i }, { more, "push", i } }, 20) end
    if not ok then lost:add() end
  end
  return "fed"
end
local function take(wait)
  while true do
    local job, why = wait()
    if job then seen:incr(job) elseif why ~= "timeout" then error(why) end
  end
end
function onWorkerStart(server, id)
  co.go(take, function() return jobs:pop() end)
  co.go(take, function() return jobs:pop(0.001) end)
  co.go(take, function()
    local case, v, why = co.select({ { more }, { jobs } }, 0.005)
    if case then return v, why end
    return case, v
  end)
  co.go(take, function() local case, v = co.select{ { jobs }, { more } } return v end)
end
function result(n)
  local once, again = 0, 0
  for _, times in pairs(seen) do if times == 1 then once = once + 1 else again = again + 1 end end
  return once .. " once, " .. again .. " more than once, " .. lost:get() .. " lost, " .. jobs:length() + more:length() .. " left"
end
`

// Fibers that wait in a channel are cancelled at every reload; no message may
// go with them.
func TestChannelLosesNothingAcrossReloads(t *testing.T) {
	t.Parallel()
	bothModes(t, 2, func(t *testing.T, s setup) {
		const reloads, feeders = 20, 3
		sv := serve(t, s, jobScript)
		var mu sync.Mutex
		fed, stop := 0, false
		var wg sync.WaitGroup
		for range feeders {
			c := sv.dial(t)
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					mu.Lock()
					if stop {
						mu.Unlock()
						return
					}
					from := fed + 1
					fed += 50
					mu.Unlock()
					c.say(fmt.Sprintf("return feed(%d, %d)\n", from, from+49))
					if got := c.line(); got != "fed" {
						t.Errorf("a feeder was told %q", got)
						return
					}
				}
			}()
		}
		c := sv.dial(t)
		for g := 2; g <= reloads+1; g++ {
			sv.save(t, fmt.Sprintf("%s\n-- %d", jobScript, g))
			sv.Log.waitCount(t, "reloaded generation=", g-1)
			mu.Lock()
			n := fed
			mu.Unlock()
			eventually(t, "jobs go on", func() bool { mu.Lock(); defer mu.Unlock(); return fed > n || t.Failed() })
		}
		mu.Lock()
		stop = true
		mu.Unlock()
		wg.Wait()
		want := fmt.Sprintf("%d once, 0 more than once, 0 lost, 0 left", fed)
		got := ""
		eventually(t, "every job is seen once", func() bool {
			got = c.eval("return result()")
			return got == want
		})
		t.Logf("%d jobs", fed)
	})
}

const lockScript = evalScript + `
server:set{ max_execution_time = 1, reload_drain_time = 0.5, error_policy = "keep" }
local co, shared = require "co", require "shared"
local lock = shared.lock("the")
function hold(how)
  assert(lock:lock(30))
  server:send(how.fd, "held\n")
  how.run()
end
function get() return lock:lock(30) end
function give() return lock:unlock() end
function getAndGive()
  local ok, why, text = lock:lock(30)
  lock:unlock()
  return ok, why
end
`

// A lock belongs to a fiber, and ends with it however that ends.
func TestLockIsReleasedWhenItsFiberEnds(t *testing.T) {
	t.Parallel()
	bothModes(t, 2, func(t *testing.T, s setup) {
		sv := serve(t, s, lockScript)
		a, b := sv.dial(t), sv.dial(t) // on two workers
		for how, code := range map[string]string{
			"returned":  `hold{ fd = fd, run = function() require("co").sleep(0.05) end } return "end"`,
			"raised":    `pcall(hold, { fd = fd, run = function() require("co").sleep(0.05) error("x") end }) return "end"`,
			"spun":      `hold{ fd = fd, run = function() while true do end end } return "end"`,
			"cancelled": `local co = require("co") local me = co.self() co.go(function() co.sleep(0.05) co.cancel(me) end) pcall(hold, { fd = fd, run = function() co.sleep(60) end }) return "end"`,
		} {
			died := sv.Log.count("shared.lock 'the': the fiber that held the lock ended without unlock; it is released")
			a.say(code + "\n")
			a.expect("held")
			b.ask("return getAndGive()", "true|owner_died")
			if how != "spun" {
				a.expect("end")
			}
			sv.Log.waitCount(t, "shared.lock 'the': the fiber that held the lock ended without unlock; it is released", died+1)
			b.ask("return getAndGive()", "true")
		}

		// A fiber of old code that is waited for keeps it; one that is cut does not.
		a.say(`hold{ fd = fd, run = function() require("co").sleep(60) end }` + "\n")
		a.expect("held")
		sv.save(t, lockScript+"\n-- two")
		sv.Log.wait(t, "reloaded generation=")
		b.ask("return getAndGive()", "true|owner_died")
		sv.Log.wait(t, "reload_drain_time is over: cancelled")
	})
}

// Whatever a fiber waits for has a name in the list of those who wait.
func TestQuitSignalNamesWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, evalScript+`
server:set{ max_wait_time = 0.2 }
local co, shared = require "co", require "shared"
local lock, atomic, jobs, full = shared.lock("door"), shared.atomic("bell"), shared.channel("jobs", 1), shared.channel("full", 1)
function all()
  full:push(1)
  local inner, group = co.lock(), co.waitgroup(1)
  co.go(function() lock:lock() inner:lock() co.yield() end)
  for _, wait in ipairs{ function() lock:lock() end, function() inner:lock() end, function() atomic:wait(-1) end, function() jobs:pop() end,
    function() full:push(2) end, function() co.select{ { jobs } } end, function() group:wait() end, function() co.channel():pop() end,
    function() co.join(co.go(co.sleep, 600)) end, function() co.batch{ function() co.sleep(600) end } end } do
    co.go(wait)
  end
  return "waiting"
end`)
	sv.quiet = true // its fibers are cut
	c := sv.dial(t)
	c.ask("return all()", "waiting")
	sv.cmd.Process.Signal(syscall.SIGQUIT)
	sv.Log.wait(t, "control: 0 fibers wait")
	log := sv.Log.String()
	for _, want := range []string{"shared.lock 'door'", "co.lock", "shared.atomic 'bell'", "shared.channel 'jobs':pop", "shared.channel 'full':push",
		"co.select", "co.waitgroup:wait", "co.channel:pop", "co.join", "co.batch", "co.yield"} {
		if !strings.Contains(log, " waits in "+want+" for ") {
			t.Errorf("nobody waits in %s", want)
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}

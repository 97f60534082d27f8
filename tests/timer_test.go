package tests

import (
	"strings"
	"testing"
)

// Timers: the module, the old forms, and names that outlive a reload.

func TestTimerModule(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, evalScript+`
timer = require "timer"
co = require "co"
function onTimer(server, ms) print("onTimer " .. ms) end
function onError(server, event, err) print("error", event, err.message) end
count = 0
`)
		c := sv.dial(t)
		c.ask(`a = timer.tick(5, function(id, x, y) count = count + 1 seen = id .. x .. tostring(y) end, "x", nil)`, "")
		c.until(`count >= 3`)
		c.ask(`return seen == a .. "xnil"`, "true")
		c.ask(`local i = timer.info(a) return i.interval, i.delay, i.removed, i.exec_count >= 3, i.exec_msec <= 5, i.round >= 0, i.running, i.name`, "5|5|false|true|true|true|false")
		c.ask(`return timer.exists(a), timer.exists(a + 99), timer.info(a + 99), timer.clear(a), timer.clear(a), timer.exists(a)`, "true|false|nil|true|false|false")

		c.ask(`timer.after(1, function(...) seen = table.concat({ ... }, ",") end, 1, 2, 3)`, "")
		c.until(`seen == "1,2,3"`)
		c.ask(`for i = 1, 5 do timer.after(1e6, print) end return #timer.list(), timer.stats().num, timer.stats().initialized`, "5|5|true")
		c.ask(`local l = timer.list() timer.clear(l[2]) return #timer.list(), timer.list()[2] == l[3], timer.clearAll(), #timer.list()`, "4|true|true|0")

		// A tick clears itself; one that waits does not overlap unless asked to.
		c.ask(`count = 0 timer.tick(1, function(id) count = count + 1 if count == 3 then timer.clear(id) end end)`, "")
		c.until(`count == 3 and #timer.list() == 0`)
		c.ask(`most, inside = 0, 0 function busy(id) inside = inside + 1 most = math.max(most, inside) co.sleep(0.05) inside = inside - 1 end`, "")
		c.ask(`a = timer.tick(2, busy)`, "")
		c.until(`timer.info(a).missed > 20`)
		c.until(`timer.info(a).running`)
		c.ask(`return most, timer.clear(a)`, "1|true")
		c.until(`inside == 0`)
		c.ask(`a = timer.tick{ ms = 2, fn = busy, overlap = true }`, "")
		c.until(`most > 2`)
		c.ask(`timer.clearAll()`, "")
		c.until(`inside == 0`)
		c.ask(`timer.tick{ ms = 1, args = { "p", "q" }, fn = function(id, x, y) seen = x .. y timer.clear(id) end }`, "")
		c.until(`seen == "pq"`)

		// errors
		c.ask(`timer.after(1, function() error("in a timer", 0) end)`, "")
		sv.Out.wait(t, "error\ttimer\tin a timer\n")
		for _, bad := range [][2]string{
			{`timer.tick(0, print)`, "timer.tick: the time must be 1 to 31622400000 milliseconds, not 0"},
			{`timer.after("x", print)`, `timer.after: the time must be 1 to 31622400000 milliseconds, not "x"`},
			{`server:tick(5)`, "bad argument #2 'callback' to 'server:tick' (function expected, got no value)"},
			{`timer.tick{ ms = 5 }`, "timer.tick: there is no field 'fn'"},
			{`timer.tick{ fn = print }`, "timer.tick: there is no field 'ms'"},
			{`timer.tick{ ms = 5, fn = print, nme = "x" }`, `timer.tick: unknown field "nme" (did you mean 'name'?)`},
			{`timer.tick{ ms = 5, fn = print, name = 7 }`, "timer.tick: field 'name' must be a string, not 7"},
			{`timer.tick{ ms = 5, fn = print, overlap = 1 }`, "timer.tick: field 'overlap' must be a boolean, not 1"},
			{`timer.after{ ms = 5, fn = print, overlap = true }`, "timer.after: field 'overlap' is for a tick: this one comes once"},
			{`timer.tick({ ms = 5, fn = print }, print)`, "timer.tick: the table says everything; there is no further argument"},
		} {
			c.ask(`return select(2, pcall(function() return `+bad[0]+` end))`, bad[1])
		}
		c.ask(`timer.after{ ms = 1e6, fn = print, name = "one" }`, "")
		c.ask(`return (select(2, pcall(timer.tick, { ms = 5, fn = print, name = "one" })):gsub("at .*", "at"))`, "timer.tick: a timer named 'one' was set at")
		c.ask(`timer.clearAll() return timer.info(timer.after{ ms = 1e6, fn = print, name = "one" }).name`, "one")
		c.ask(`timer.clearAll()`, "")

		// the old forms
		c.ask(`return server:addtimer(7), server:addtimer(7)`, "true|false|timer_exists|there is a timer of this interval on this worker")
		sv.Out.waitCount(t, "onTimer 7\n", 2)
		c.ask(`return server:deltimer(7), server:deltimer(7), #timer.list()`, "true|false|0")
		c.ask(`return server:addtimer(7), timer.clearAll(), server:addtimer(7), server:deltimer(7)`, "true|true|true|true")

		// at the end of the turn, in order, with arguments
		c.ask(`order = "" server:defer(function(x) order = order .. x end, "b") server:defer(function() order = order .. "c" end) order = order .. "a"`, "")
		c.until(`order == "abc"`)
		c.ask(`server:defer(function() co.sleep(0.01) error("deferred", 0) end)`, "")
		sv.Out.wait(t, "error\tserver:defer\tdeferred\n")
	})
}

func TestNoOnTimer(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, evalScript)
	c := sv.dial(t)
	c.ask(`return server:addtimer(10)`, "false|no_on_timer|there is no onTimer")
}

// Named timers go on over reloads: the same period keeps its phase, another one
// counts from the last due time, a name that is not registered ends.
func TestNamedTimersOverReloads(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		version := func(n, body string) string {
			return evalScript + `
timer = require "timer"
server:set{ task_worker_num = 1 }
function onTask() end
ids = {}
function onWorkerStart(server, id)
  if id ~= 0 and not server.taskworker then return end
  local where = server.taskworker and "task" or "worker"
  local function say(name) return function() print(where, name, "` + n + `") end end
` + body + `
end
`
		}
		sv := serve(t, s, version("v1", `
  timer.tick{ name = "fast", ms = 20, fn = say "fast" }
  timer.tick{ name = "hour", ms = 3600000, fn = say "hour" }
  timer.tick{ name = "slower", ms = 600000, fn = say "slower" }
  timer.tick{ name = "faster", ms = 600000, fn = say "faster" }
  timer.after{ name = "once", ms = 700000, fn = say "once" }
  timer.tick{ name = "gone", ms = 20, fn = say "gone" }
  timer.tick{ name = "kind", ms = 500000, fn = say "kind" }
  timer.tick(20, say "plain")
`))
		for _, where := range []string{"worker", "task"} {
			sv.Out.wait(t, where+"\tfast\tv1\n")
			sv.Out.wait(t, where+"\tgone\tv1\n")
		}
		sv.save(t, version("v2", `
  ids.fast = timer.tick{ name = "fast", ms = 20, fn = say "fast" }
  ids.hour = timer.tick{ name = "hour", ms = 3600000, fn = say "hour" }
  ids.slower = timer.tick{ name = "slower", ms = 1200000, fn = say "slower" }
  ids.faster = timer.tick{ name = "faster", ms = 1, fn = say "faster" }
  ids.once = timer.after{ name = "once", ms = 700000, fn = say "once" }
  ids.kind = timer.after{ name = "kind", ms = 500000, fn = say "kind" }
  ids.new = timer.tick{ name = "new", ms = 3600000, fn = say "new" }
`))
		sv.Log.wait(t, "reloaded generation=2")
		for _, where := range []string{"worker", "task"} {
			sv.Out.wait(t, where+"\tfast\tv2\n")
			sv.Out.wait(t, where+"\tfaster\tv2\n") // its new period had passed: at once
		}
		old := sv.Out.String()
		i := strings.LastIndex(old, "v1\n")
		if rest := old[i:]; !strings.Contains(rest, "v2") {
			t.Errorf("old timers run on:\n%s", old)
		}
		// Find the client that talks to worker 0: with one worker, any.
		c := sv.dial(t)
		for c.eval("return server.worker_id") != "0" {
			c = sv.dial(t)
		}
		// What is left of each, compared with one that began with this generation:
		// those that went on are ahead of it by what had passed before.
		c.ask(strings.ReplaceAll(`local function passed(name, of) return function() return of - timer.info(ids[name]).exec_msec end end
local hour, fresh = passed("hour", 3600000), passed("new", 3600000)
local function near(a, b) for i = 1, 500 do if math.abs(a() - b()) < 2 then return true end end return a() - b() end
return hour() > fresh() + 10, near(passed("slower", 1200000), hour), near(passed("once", 700000), hour), near(passed("kind", 500000), fresh)`, "\n", " "),
			"true|true|true|true")
		c.ask(`return timer.info(ids.fast).exec_count > 1, timer.info(ids.fast).name, timer.info(ids.new).exec_count`, "true|fast|0")
	})
}

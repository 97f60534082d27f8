package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Reload: the code changes, the clients stay.

const talkScript = `
server:set{ worker_num = @WORKERS@ }
local co = require "co"
local util = require "lib.util"
function onWorkerStart(server, id)
  server:tick(5, function() ticks = (ticks or 0) + 1 end)
  co.go(function() while true do co.sleep(0.005) end end)
end
function onReceive(server, fd, reactor_id, data)
  local s = server:session(fd)
  local text = (s.rest or "") .. data
  local from = 1
  while true do
    local at = text:find("\n", from, true)
    if not at then break end
    local line = text:sub(from, at - 1)
    s.rest = text:sub(at + 1)
    s.seq = (s.seq or 0) + 1
    if line == "stats" then
      local st = server:stats()
      server:send(fd, st.goroutine_num .. " " .. st.descriptor_num .. "\n")
    else
      if s.seq % 7 == 0 then co.sleep(s.seq % 3 / 1000) end
      server:send(fd, util.answer(line, s.seq, server.generation))
    end
    from = at + 1
  end
end
`

const busyModule = `return { answer = function(line, seq, gen) return line .. " " .. seq .. " " .. gen .. "\n" end }`

// breakages are the ways in which a saved script can be wrong, and what the
// log must say about each.
var breakages = []struct {
	name, append string
	replace      [2]string
	want         []string
}{
	{name: "syntax", append: "if then\n", want: []string{"load: app.lua:@LINE@: ", "@LINE@ | if then\n", "^\n"}},
	{name: "top level", append: `error("top broke")` + "\n", want: []string{"top level: app.lua:@LINE@: top broke why=", "@LINE@ | error(\"top broke\")\n", "in main chunk"}},
	{name: "start", append: "function onWorkerStart(server, id) co = nil local x = co.y end\n", want: []string{"onWorkerStart: app.lua:@LINE@: ", "in function <app.lua:@LINE@>"}},
	{name: "module", append: `local m = require "lib.nothing"` + "\n", want: []string{"top level: app.lua:@LINE@: module 'lib.nothing' not found"}},
	{name: "setting", append: "server:set{ wroker_num = 3 }\n", want: []string{"top level: app.lua:@LINE@: unknown setting 'wroker_num' (did you mean 'worker_num'?) why="}},
	{name: "listener", append: `server:listen("203.0.113.7", 0)` + "\n", want: []string{"settings: listen tcp 203.0.113.7:0: cannot assign requested address"}},
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const clients, flight = 20, 16
		reloads := 30
		switch {
		case s.race:
			reloads = 10
		case s.workers > 1:
			reloads = 100
		}
		text := strings.ReplaceAll(talkScript, "@WORKERS@", fmt.Sprint(s.workers))
		s.workers = 0 // the script says it, so that it may change it
		path := script(t, text)
		lib := filepath.Join(filepath.Dir(path), "lib")
		if err := os.Mkdir(lib, 0o755); err != nil {
			t.Fatal(err)
		}
		save(t, filepath.Join(lib, "util.lua"), busyModule)
		sv := serveFile(t, s, path)

		var stop atomic.Bool
		var answers atomic.Int64
		var wg sync.WaitGroup
		fail := make(chan string, clients)
		for id := range clients {
			c := sv.dial(t)
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := converse(c, id, flight, &stop, &answers); err != nil {
					fail <- fmt.Sprintf("client %d: %v", id, err)
					stop.Store(true)
				}
			}()
		}
		control := sv.dial(t)
		stats := func() []int { control.say("stats\n"); return numbers(t, control.line()) }
		generation := 1
		var early []int
		for i := range reloads {
			was := answers.Load()
			if i%3 == 2 {
				b := breakages[i/3%len(breakages)]
				bad := text
				if b.replace[0] != "" {
					bad = strings.Replace(text, b.replace[0], b.replace[1], 1)
				}
				bad = fmt.Sprintf("%s-- %d\n", bad, i) + b.append
				line := strconv.Itoa(strings.Count(bad, "\n"))
				n := sv.Log.count("reload failed, ")
				sv.save(t, bad)
				sv.Log.waitCount(t, "reload failed, ", n+1)
				want := append([]string{fmt.Sprintf("reload failed, generation %d goes on: ", generation)}, b.want...)
				for _, w := range want {
					w = strings.ReplaceAll(w, "@LINE@", line)
					eventually(t, fmt.Sprintf("%s is logged with %q", b.name, w), func() bool { // a page of the file comes after the other
						log := sv.Log.String()
						return strings.Contains(log[strings.LastIndex(log, "reload failed, "):], w)
					})
				}
			} else {
				generation++
				if i%3 == 0 {
					sv.save(t, fmt.Sprintf("%s-- %d\n", text, i))
				} else {
					save(t, filepath.Join(lib, "util.lua"), fmt.Sprintf("-- %d\n%s", i, busyModule))
				}
				sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d ", generation))
			}
			eventually(t, "answers go on", func() bool { return stop.Load() || answers.Load() > was+2*clients })
			if i == reloads/2 {
				early = stats()
			}
		}
		stop.Store(true)
		wg.Wait()
		close(fail)
		for f := range fail {
			t.Error(f)
		}
		sv.Log.waitCount(t, "reload failed, ", reloads/3)
		if got := sv.Log.count("reload failed, "); got != reloads/3 {
			t.Errorf("%d failed reloads are logged, want %d", got, reloads/3)
		}
		var late []int
		eventually(t, "goroutines and descriptors stay as they were", func() bool {
			late = stats()
			return late[0] <= early[0]+20 && late[1] <= early[1]
		})
		t.Logf("%d answers; goroutines, descriptors: %v -> %v", answers.Load(), early, late)
	})
}

// converse keeps messages in flight and checks that each is answered once, in
// order, by generations that only grow.
func converse(c *client, id, flight int, stop *atomic.Bool, answers *atomic.Int64) error {
	sent, generation := 0, 0
	send := func() error {
		sent++
		_, err := fmt.Fprintf(c.TCPConn, "c%d-%d\n", id, sent)
		return err
	}
	var buf []byte
	b := make([]byte, 8192)
	for range flight {
		if err := send(); err != nil {
			return err
		}
	}
	for got := 0; got < sent; {
		n, err := c.Read(b)
		if err != nil {
			return fmt.Errorf("after %d answers: %v", got, err)
		}
		buf = append(buf, b[:n]...)
		for {
			line, rest, ok := strings.Cut(string(buf), "\n")
			if !ok {
				break
			}
			buf = append(buf[:0], rest...)
			got++
			var gen int
			want := fmt.Sprintf("c%d-%d %d ", id, got, got)
			if !strings.HasPrefix(line, want) {
				return fmt.Errorf("got %q, want %q", line, want)
			}
			if gen, err = strconv.Atoi(line[len(want):]); err != nil || gen < generation {
				return fmt.Errorf("%q after generation %d", line, generation)
			}
			generation = gen
			answers.Add(1)
			if !stop.Load() {
				if err := send(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func TestFiftyReloadsLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			text := evalScript + `
server:set{ task_worker_num = 1 }
function onTask(server, id, src, data) return data end
local co = require "co"
function onWorkerStart(server, id)
  server:tick(1000, function() end)
  co.go(function() co.sleep(1000) end)
end`
			sv := serve(t, setup{mode: mode, workers: 2}, text)
			c := sv.dial(t)
			reload := func(from, to int) {
				for g := from; g <= to; g++ {
					sv.save(t, fmt.Sprintf("%s\n-- %d", text, g))
					sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d ", g))
					c.ask(`server:task("x")`, "")
				}
			}
			stats := `local s = server:stats() return s.goroutine_num .. " " .. s.descriptor_num .. " " .. s.coroutine_num .. " " .. s.timer_num`
			reload(2, 6)
			c.until(`server:stats().coroutine_num == 3`) // one on each loop
			before := numbers(t, c.eval(stats))
			reload(7, 56)
			var after []int
			eventually(t, "all counts are back", func() bool {
				after = numbers(t, c.eval(stats))
				return after[0] <= before[0]+4 && after[1] <= before[1] && after[2] == before[2] && after[3] == before[3]
			})
			t.Logf("%v -> %v", before, after)
		})
	}
}

const versions = `
local co = require "co"
local V = "@V@"
server:set{ task_worker_num = 1 }
local gate = require("shared").atomic("gate")
function onTask(server, id, src, data)
  while data == "wait" and gate:get() == 0 do co.sleep(0.01) end
  return V
end
function onFinish(server, id, result) print(V .. " finishes " .. result) end
function onWorkerStart(server, id)
  print(V .. " starts on " .. id)
  server:tick(10, function() print(V .. " ticks on " .. id) end)
  co.go(function()
    local ok, err = pcall(co.sleep, 1000)
    print(V .. " is told on " .. id .. ": " .. tostring(err))
    print(V .. " again: " .. tostring(select(2, pcall(co.sleep, 1))))
  end)
end
function onWorkerStop(server, id) print(V .. " stops on " .. id .. ", worker_id " .. server.worker_id) end
function onReceive(server, fd, reactor_id, data)
  local s = server:session(fd)
  s.count = (s.count or 0) + 1
  if data == "sleep\n" then
    server:send(fd, "asleep " .. V .. "\n")
    co.sleep(0.8)
    co.go(function() co.sleep(0.05) print(V .. " still starts fibers") end)
    server:send(fd, "awake " .. V .. " " .. server.generation .. " " .. s.count .. "\n")
  elseif data == "task\n" then
    server:task("wait", -1, function(server, id, result) server:send(fd, V .. " takes " .. result .. "\n") end)
    server:task("now")
    server:send(fd, "queued\n")
  elseif data == "open\n" then
    gate:set(1)
    server:send(fd, "opened\n")
  elseif data == "reload\n" then
    server:send(fd, tostring(server:reload()) .. "\n")
  else
    server:send(fd, V .. " " .. server.generation .. " " .. s.count .. "\n")
  end
end
`

func version(v string) string { return strings.ReplaceAll(versions, "@V@", v) }

func TestOldCodeEndsWhatItBegan(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, version("one"))
		loops := s.workers + 1 // and a task worker
		for id := range loops {
			sv.Out.wait(t, fmt.Sprintf("one ticks on %d\n", id))
		}
		sleeper, tasker, other := sv.dial(t), sv.dial(t), sv.dial(t)
		sleeper.say("sleep\n")
		sleeper.expect("asleep one")
		tasker.say("task\n")
		tasker.expect("queued")
		sv.save(t, version("two"))
		sv.Log.wait(t, `reloaded generation=2 why="saved app.lua"`)
		other.say("now\n")
		other.expect("two 2 1")
		other.say("open\n")
		other.expect("opened")
		sleeper.say("next\n") // waits for its turn, then meets the new code
		sleeper.expect("awake one 1 1")
		sleeper.expect("two 2 2")
		tasker.expect("one takes one") // the task had begun, its callback waits in old code
		sv.Out.wait(t, "one still starts fibers\n")
		sv.Out.wait(t, "two finishes two\n") // this one was queued

		for id := range loops {
			sv.Out.wait(t, fmt.Sprintf("one stops on %d, worker_id %d\n", id, id))
			sv.Out.wait(t, fmt.Sprintf("one is told on %d: cancelled: the script was reloaded\n", id))
			sv.Out.waitCount(t, fmt.Sprintf("two ticks on %d\n", id), 3)
		}
		sv.Out.waitCount(t, "one again: cancelled: the script was reloaded\n", loops)
		for id := range loops {
			tick := fmt.Sprintf("two ticks on %d\n", id)
			sv.Out.waitCount(t, tick, sv.Out.count(tick)+3)
		}
		out := sv.Out.String()
		if begun := strings.Index(out, "two starts on 0"); begun < 0 || strings.Index(out, "one stops on 0") < begun {
			t.Error("the old code stopped before the new one had started")
		}
		for id := range loops {
			first := strings.Index(out, fmt.Sprintf("two ticks on %d\n", id))
			if last := strings.LastIndex(out, fmt.Sprintf("one ticks on %d\n", id)); last > first {
				t.Errorf("worker %d: an old timer ticks on after the swap", id)
			}
			for _, once := range []string{"one starts on %d\n", "two starts on %d\n", "one stops on %d,"} {
				if n := strings.Count(out, fmt.Sprintf(once, id)); n != 1 {
					t.Errorf(once+"%d times", id, n)
				}
			}
		}
		if strings.Contains(out, "two is told") || strings.Contains(out, "two stops") {
			t.Error("the new code was told to end")
		}
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		for id := range loops {
			if n := sv.Out.count(fmt.Sprintf("two stops on %d,", id)); n != 1 {
				t.Errorf("two stops on %d %d times", id, n)
			}
		}
	})
}

// A signal and server:reload() take the same path as a save.
func TestReloadBySignalAndByCall(t *testing.T) {
	t.Parallel()
	for _, how := range []setup{{flags: []string{"--no-reload"}}, {flags: []string{"--set", "hot_reload=false"}}} {
		t.Run(how.flags[len(how.flags)-1], func(t *testing.T) {
			sv := serve(t, how, version("one"))
			c := sv.dial(t)
			c.say("now\n")
			c.expect("one 1 1")
			if !strings.Contains(sv.Log.String(), "SIGUSR1 reloads the script") {
				t.Error("the banner promises a watch")
			}
			for i, ask := range []func(){
				func() { sv.cmd.Process.Signal(syscall.SIGUSR1) },
				func() { c.say("reload\n"); c.expect("true") },
				func() { sv.cmd.Process.Signal(syscall.SIGUSR1) },
			} {
				v := fmt.Sprintf("v%d", i)
				sv.save(t, version(v))
				ask()
				sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d why=%s", i+2, []string{"SIGUSR1", "server:reload", "SIGUSR1"}[i]))
				c.say("now\n")
				if got := c.line(); !strings.HasPrefix(got, fmt.Sprintf("%s %d ", v, i+2)) {
					t.Errorf("got %q", got)
				}
			}
			sv.save(t, "if then")
			sv.cmd.Process.Signal(syscall.SIGUSR1)
			sv.Log.wait(t, "reload failed, generation 4 goes on: load: app.lua:1: ")
			sv.Log.wait(t, "why=SIGUSR1")
			if n := sv.Log.count("reloaded generation="); n != 3 {
				t.Errorf("%d reloads", n)
			}
		})
	}
}

// Modules are watched too: when they change, when they are broken and repaired,
// and when they come into being after a reload that missed them.
func TestModulesReload(t *testing.T) {
	t.Parallel()
	app := evalScript + `
local util = require "lib.util"
local inner = require("lib.inner.deep")
function version() return util.version .. "-" .. inner.version end
`
	path := script(t, app)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(filepath.Join(dir, "lib", "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	module := func(name, text string) { save(t, filepath.Join(dir, "lib", name), text) }
	module("util.lua", `return { version = "u1" }`)
	module("inner/deep.lua", `return { version = "d1" }`)
	sv := serveFile(t, setup{mode: "base", workers: 2}, path)
	c := sv.dial(t)
	ask := func(want string) {
		t.Helper()
		c.until(`version() == "` + want + `"`)
	}
	ask("u1-d1")
	module("util.lua", `return { version = "u2" }`)
	sv.Log.wait(t, `reloaded generation=2 why="saved lib/util.lua"`)
	ask("u2-d1")
	module("inner/deep.lua", `return { version = "d2" }`)
	ask("u2-d2")
	module("inner/deep.lua", `return { version = }`)
	sv.Log.wait(t, "reload failed, generation 3 goes on: top level: ")
	sv.Log.wait(t, "lib/inner/deep.lua:1: ")
	ask("u2-d2")
	module("inner/deep.lua", `return { version = "d3" }`)
	ask("u2-d3")
	// written in place
	if err := os.WriteFile(filepath.Join(dir, "lib", "util.lua"), []byte(`return { version = "u3" }`), 0o644); err != nil {
		t.Fatal(err)
	}
	ask("u3-d3")
	// needed before it is there
	sv.save(t, strings.Replace(app, `"lib.util"`, `"lib.late"`, 1))
	sv.Log.wait(t, "module 'lib.late' not found")
	module("late.lua", `return { version = "late" }`)
	ask("late-d3")
	// Many files at once, as git checkout writes them: nothing of it half done.
	module("late.lua", `return { version = "all" }`)
	module("inner/deep.lua", `return { version = "new" }`)
	ask("all-new")
}

// A generation that fails while it warms leaves nothing behind: what had
// started is stopped, what it had begun never runs.
func TestFailedWarmIsUndone(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := evalScript + "\nfunction onWorkerStop(server, id) print('one stops on ' .. id) end\n"
		sv := serve(t, s, text)
		c := sv.dial(t)
		stats := `local s = server:stats() return s.goroutine_num .. " " .. s.descriptor_num .. " " .. s.coroutine_num .. " " .. s.timer_num`
		before := numbers(t, c.eval(stats))
		for i := range 5 {
			sv.save(t, fmt.Sprintf(`%s
local co, begun = require "co", require("shared").atomic("begun")
function onWorkerStart(server, id)
  co.go(function() print("never") end)
  server:after(1, function() print("never") end)
  server:tick(1, function() print("never") end)
  if id == server.setting.worker_num - 1 then
    while begun:get() < id do co.sleep(0.001) end -- the others have started
    co.sleep(0.05)
    error("not %d")
  end
  begun:add(1)
end
function onWorkerStop(server, id) print("two stops on " .. id) end
`, text, i))
			sv.Log.wait(t, fmt.Sprintf(": not %d why=", i))
			for id := range s.workers - 1 {
				sv.Out.waitCount(t, fmt.Sprintf("two stops on %d\n", id), i+1)
			}
		}
		eventually(t, "nothing is left", func() bool {
			after := numbers(t, c.eval(stats))
			return after[0] <= before[0]+64*2*s.workers && after[1] <= before[1]+4 && after[2] == before[2] && after[3] == before[3]
		})
		out := sv.Out.String()
		if strings.Contains(out, "never") || strings.Contains(out, "one stops") || strings.Contains(out, fmt.Sprintf("two stops on %d", s.workers-1)) {
			t.Errorf("output:\n%s", out)
		}
		c.ask(`return server.generation`, "1")
	})
}

// A stop does not wait for a generation that warms.
func TestStopWhileWarming(t *testing.T) {
	t.Parallel()
	slow := `
local co = require "co"
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
function onWorkerStart(server, id) print("starting") co.sleep(600) end`
	quick := func(t *testing.T, sv *server) {
		t.Helper()
		begun := time.Now()
		code := sv.stop(t, syscall.SIGTERM)
		if took := time.Since(begun); code != 0 || took > 15*time.Second {
			t.Errorf("exit code %d after %v", code, took)
		}
	}
	for _, mode := range []string{"base", "process"} {
		t.Run(mode+" reload", func(t *testing.T) {
			sv := serve(t, setup{mode: mode, workers: 2}, "function onReceive(server, fd, reactor_id, data) server:send(fd, data) end")
			c := sv.dial(t)
			sv.save(t, slow)
			sv.Out.waitCount(t, "starting\n", 2)
			c.say("still served\n")
			c.expect("still served")
			quick(t, sv)
		})
		t.Run(mode+" start", func(t *testing.T) {
			sv := launch(t, setup{mode: mode, workers: 2}, script(t, slow))
			sv.Out.waitCount(t, "starting\n", 2)
			quick(t, sv)
		})
	}
}

// reload_drain_time ends old code that does not come to an end, by name.
func TestDrainTimeIsOver(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := `
server:set{ reload_drain_time = 0.3 }
local co = require "co"
function onWorkerStop(server, id) if server.generation == 1 then print("stopped " .. id) end end
function onReceive(server, fd, reactor_id, data)
  if data == "sleep\n" then
    server:send(fd, "asleep\n")
    local ok, err = pcall(co.sleep, 600)
    server:send(fd, err .. "\n")
    return
  end
  server:send(fd, server.generation .. "\n")
end`
		sv := serve(t, s, text)
		a, b := sv.dial(t), sv.dial(t)
		a.say("sleep\n")
		a.expect("asleep")
		sv.save(t, text+"\n")
		sv.Log.wait(t, "reloaded generation=2 ")
		b.say("now\n")
		b.expect("2")
		a.expect("cancelled: the script was reloaded")
		sv.Log.wait(t, `reload_drain_time is over: cancelled what="onReceive (worker `)
		sv.Log.wait(t, `generation 1) at app.lua:8" fd=1`)
		a.say("now\n")
		a.expect("2")
		for id := range s.workers {
			sv.Out.wait(t, fmt.Sprintf("stopped %d\n", id))
		}
	})
}

package tests

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Tasks, their results and their callbacks across reloads, other numbers of
// workers, and the end.

// Twenty reloads under a thousand tasks, of which half have a callback of their
// own, some fail once and some come later: each tells its result exactly once.
func TestTwentyReloadsUnderAThousandTasks(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) { tasksUnderReloads(t, s, 1000, 20, 3) })
}

// The same with a hundred thousand tasks, four task workers and fifty reloads.
func TestSoakTasksUnderReloads(t *testing.T) {
	t.Parallel()
	if os.Getenv("SWOON_SOAK") == "" {
		t.Skip("make soak runs this")
	}
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) { tasksUnderReloads(t, setup{mode: mode, workers: 2}, 100_000, 50, 4) })
	}
}

func tasksUnderReloads(t *testing.T, s setup, total, reloads, taskWorkers int) {
	text := func(version int) string {
		return evalScript + fmt.Sprintf(`
local version = %d
server:set{ task_worker_num = %d, task_retry = { times = 5, delay = 0.02 } }
local co = require "co"
local function done(how, r) print(("done %%d %%s on %%d told on %%d"):format(r.n, how, r.version, version)) end
function onTask(server, id, src, data)
  if data.n %% %d == 0 then co.sleep(0.01) end
  local kept = server:session(1)
  if data.n %% %d == 0 and not kept[data.n] then
    kept[data.n] = true
    error("once", 0)
  end
  return { n = data.n, version = version }
end
function onFinish(server, id, r) done("onFinish", r) end
function submit(from, to)
  for n = from, to do
    local opt = { wait = 60 }
    if n %% 3 == 0 then opt.delay = n %% 10 / 50 end
    local own
    if n %% 2 == 0 then own = function(server, id, r, why, text)
      if not r then print("failed " .. n .. " " .. why .. " " .. text) return end
      done("callback", r)
    end end
    assert(server:task({ n = n }, -1, own, opt))
  end
end
`, version, taskWorkers, total/142, total/20)
	}
	sv := serve(t, s, text(1))
	c := sv.dial(t)
	for i := range reloads {
		c.say(fmt.Sprintf("submit(%d, %d)\n", i*total/reloads+1, (i+1)*total/reloads))
		sv.save(t, text(i+2))
		sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d ", i+2))
		c.expect("")
	}
	sv.Out.waitCount(t, "done ", total)
	count := map[string]int{}
	versions := map[string]bool{}
	for line := range strings.Lines(sv.Out.String()) {
		f := strings.Fields(line)
		if f[0] != "done" || len(f) != 8 {
			t.Errorf("%s", line)
			continue
		}
		count[f[1]]++
		if n, _ := strconv.Atoi(f[1]); (f[2] == "callback") != (n%2 == 0) {
			t.Errorf("task %d has told %s", n, f[2])
		}
		versions[f[4]] = true
	}
	for n := 1; n <= total; n++ {
		if got := count[fmt.Sprint(n)]; got != 1 {
			t.Errorf("task %d has told %d results", n, got)
		}
	}
	if len(versions) < reloads/2 {
		t.Errorf("tasks ran on %d versions only", len(versions))
	}
	c.until(`server:stats().tasking_num == 0`)
	if n := sv.Out.count("done "); n != total {
		t.Errorf("%d results", n)
	}
}

const gateTaskScript = evalScript + `
local co = require "co"
server:set{ task_worker_num = 1, reload_drain_time = 0.2 }
function onTask(server, id, src, data)
  repeat
    local ok = co.sleep(0.01)
  until server:session(1)[data] == "open"
  return data .. " on " .. version
end
function onFinish(server, id, r) print("finish", id, r, version) end
function onError(server, event, err) print("error", event, err.message) end
`

// A callback that outstays reload_drain_time is given up by name: the new code's
// onFinish gets the result. A task that does is cut, and can be had back.
func TestReloadCutsTasks(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, gateTaskScript+`version = 1`)
		c := sv.dial(t)
		c.ask(`server:task_after(4000, "later", -1, function(server, id, r) print("own", id, r, version) end)`, "")
		sv.save(t, gateTaskScript+`version = 2`)
		sv.Log.wait(t, "reloaded generation=2")
		sv.Log.wait(t, `reload_drain_time is over`)
		if log := sv.Log.String(); !strings.Contains(log, "the callback of task 0 (worker ") || !strings.Contains(log, "generation 1): onFinish gets its result") {
			t.Errorf("the log does not name the callback:\n%s", log)
		}
		c.ask(`server:session(fd).later = "open"`, "")
		sv.Out.wait(t, "finish\t0\tlater on 2\t2\n")

		// A task that runs for too long on old code.
		c.ask(`server:task("cut", -1, function(server, id, r, why, text) print("own", id, r, why, text) end)`, "")
		c.until(`server:stats().task_queue_num == 0`)
		sv.save(t, gateTaskScript+`version = 3`)
		sv.Log.wait(t, "reloaded generation=3")
		sv.Log.wait(t, "reload_drain_time is over: cancelled what=\"onTask (worker ")
		c.until(`#server:deadTasks() == 1`)
		c.ask(`local d = server:deadTasks()[1] return d.id, d.data, d.reason, d.message`, "1|cut|task_cut|the task was cancelled while it ran: cancelled: the script was reloaded")
		c.ask(`server:session(fd).cut = "open" return server:deadTasks("requeue")`, "1")
		sv.Out.wait(t, "finish\t1\tcut on 3\t3\n")
		if strings.Contains(sv.Out.String(), "own\t0") {
			t.Errorf("a callback that was given up is called:\n%s", sv.Out)
		}
	})
}

// While tasks are under way the numbers of workers change: results find a worker,
// tasks for a worker that left find another.
func TestTasksWhileWorkersChange(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"base", "process"} {
		for _, race := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, race), func(t *testing.T) {
				text := func(workers, tasks int) string {
					return fmt.Sprintf(`
server:set{ worker_num = %d, task_worker_num = %d }
local co = require "co"
function onWorkerStart(server, id)
  if server.generation == 1 and not server.taskworker then
    for n = 1, 30 do
      server:task({ n = id * 100 + n }, n %% 3 - 1 + (n %% 2))
      server:task_after(300 + n * 10, { n = id * 100 + 50 + n }, 2)
    end
  end
end
function onTask(server, id, src, data)
  co.sleep(0.02)
  return data.n
end
function onFinish(server, id, n) print("done " .. n) end
function onReceive() end
`, workers, tasks)
				}
				sv := serve(t, setup{mode: mode, race: race}, text(4, 3))
				for i, n := range [][2]int{{1, 1}, {3, 4}, {2, 2}} {
					sv.save(t, text(n[0], n[1]))
					sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d", i+2))
				}
				sv.Out.waitCount(t, "done ", 4*60)
				for id := range 4 {
					for n := 1; n <= 30; n++ {
						for _, k := range []int{n, n + 50} {
							if c := sv.Out.count(fmt.Sprintf("done %d\n", id*100+k)); c != 1 {
								t.Errorf("task %d has told %d results", id*100+k, c)
							}
						}
					}
				}
			})
		}
	}
}

// At the end tasks that are queued run, and what was put off is dropped and named.
func TestTasksAtTheEnd(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, evalScript+`
server:set{ task_worker_num = 1, max_wait_time = 60 }
local co = require "co"
function onTask(server, id, src, data) co.sleep(0.05) return data end
function onFinish(server, id, r) print("finish " .. r) end
function own(server, id, r, why, text) print("own", r, why, text) end
function onShutdown() print("shutdown") end
`)
		c := sv.dial(t)
		c.ask(`for i = 1, 5 do server:task(i) end server:task_after(3600000, "far", -1, own) server:task("far", { delay = 3600 })`, "")
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		for i := range 5 {
			if n := sv.Out.count(fmt.Sprintf("finish %d\n", i+1)); n != 1 {
				t.Errorf("task %d has told %d results:\n%s", i+1, n, sv.Out)
			}
		}
		if out := sv.Out.String(); strings.Count(out, "own\tnil\tshutdown\t") != 1 || strings.Contains(out, "finish far") || !strings.HasSuffix(out, "shutdown\n") {
			t.Errorf("output:\n%s", out)
		}
		if !strings.Contains(sv.Log.String(), "tasks that were to run later are dropped tasks=2") {
			t.Errorf("the log does not say what was dropped:\n%s", sv.Log)
		}
	})
}

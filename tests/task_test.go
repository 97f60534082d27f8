package tests

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Tasks: work beside the workers, answers to the right client.

func TestTasksBesideTheWorkers(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		gate := filepath.Join(t.TempDir(), "gate")
		text := `
server:set{ task_worker_num = 2 }
local co = require "co"
local gate = ` + strconv.Quote(gate) + `
local version = "one"
function onTask(server, id, src, data)
  assert(server.taskworker and server.worker_id >= server.setting.worker_num)
  assert(src < server.setting.worker_num)
  local open = io.open(gate)
  while not open do co.sleep(0.01) open = io.open(gate) end
  open:close()
  return { fd = data.fd, n = data.n, by = version, src = src }
end
function onFinish(server, id, r)
  assert(r.src == server.worker_id and not server.taskworker)
  server:send(r.fd, r.n .. " " .. r.by .. "\n")
end
function onReceive(server, fd, reactor_id, data)
  if data == "ping\n" then server:send(fd, "pong\n") return end
  for n = 1, tonumber(data) do assert(server:task({ fd = fd, n = fd * 1000 + n })) end
  server:send(fd, "queued\n")
end
`
		const n = 15
		sv := serve(t, s, text)
		clients := []*client{sv.dial(t), sv.dial(t), sv.dial(t)}
		for _, c := range clients {
			c.say(fmt.Sprintf("%d\n", n))
		}
		pong := 0
		got := make([]map[string]string, len(clients))
		next := func(i int) {
			switch line := clients[i].line(); {
			case line == "pong":
				pong++
			case line != "queued":
				num, by, _ := strings.Cut(line, " ")
				if got[i] == nil {
					got[i] = map[string]string{}
				}
				if _, twice := got[i][num]; twice {
					t.Errorf("client %d gets %s twice", i, num)
				}
				got[i][num] = by
			}
		}
		next(0)
		next(1)
		next(2)
		for i := range clients {
			clients[i].say("ping\n") // answered while the tasks wait for the gate
			for pong <= i {
				next(i)
			}
		}
		sv.save(t, strings.Replace(text, `"one"`, `"two"`, 1)) // tasks are queued now
		sv.Log.wait(t, "reloaded generation=2")
		save(t, gate, "")
		byTwo := 0
		for i := range clients {
			for len(got[i]) < n {
				next(i)
			}
			for k := 1; k <= n; k++ {
				by, ok := got[i][fmt.Sprint((i+1)*1000+k)]
				if !ok {
					t.Errorf("client %d misses %d", i, k)
				}
				if by == "two" {
					byTwo++
				}
			}
		}
		if byTwo == 0 {
			t.Error("no task ran on the new code")
		}
	})
}

func TestTaskAnswers(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, evalScript+`
server:set{ task_worker_num = 2, task_queue_size = 3, error_policy = "keep" }
local co = require "co"
gate = false
function onTask(server, id, src, data)
  if type(data) ~= "table" then return data end
  if data.hold then
    local open = io.open(data.hold)
    while not open do co.sleep(0.01) open = io.open(data.hold) end
    open:close()
    return "held"
  end
  if data.where then return server.worker_id .. " " .. id end
  if data.fail then error("task " .. data.fail) end
  if data.fn then return { a = { print } } end
  if data.many then for i = 1, data.many do assert(server:finish("part " .. i)) end return data.last end
  if data.nothing then return end
  if data.again then return server:task({ nothing = true }) end
  return data
end
function onFinish(server, id, result)
  finished = { id = id, result = result }
  print("finish " .. id .. " " .. tostring(result))
end
function onError(server, event, err) print("error " .. event .. " " .. err.message .. " " .. tostring(server.taskworker)) end
`)
		c := sv.dial(t)
		c.ask(`return server:task("first")`, "0")
		sv.Out.wait(t, "finish 0 first\n")
		c.ask(`return server:task(false)`, "1")
		sv.Out.wait(t, "finish 1 false\n")
		c.ask(`return server:task({nothing = true})`, "2")

		// the task's own callback, in place of onFinish
		c.ask(`return server:task({ many = 2, last = "end" }, -1, function(s, id, r) print("own " .. id .. " " .. r .. " " .. tostring(s == server)) end)`, "3")
		sv.Out.wait(t, "own 3 part 1 true\nown 3 part 2 true\nown 3 end true\n")
		c.ask(`return server:task({ many = 3 })`, "4")
		sv.Out.wait(t, "finish 4 part 1\nfinish 4 part 2\nfinish 4 part 3\n")
		c.ask(`return pcall(server.finish, server, 1)`, "false|server:finish is for onTask")

		// to one task worker
		for i := range 4 {
			dst := i % 2
			c.ask(fmt.Sprintf(`return server:task({ where = true }, %d)`, dst), fmt.Sprint(5+i))
			sv.Out.wait(t, fmt.Sprintf("finish %d %d %d\n", 5+i, s.workers+dst, 5+i))
		}
		c.ask(`return server:task(1, 2)`, "false|no_such_worker|no worker has this id")
		c.ask(`return server:getLastError()`, "505")
		c.ask(`return pcall(server.task, server, 1, "x")`, "false|bad argument #2 'dst' to 'server:task' (number expected, got string)")
		c.ask(`return pcall(server.task, server, 1, -1, 7)`, "false|bad argument #3 'callback' to 'server:task' (function expected, got number)")

		// errors
		c.ask(`return server:task({ fail = 9 })`, "9")
		sv.Out.wait(t, "error onTask app.lua:"+lineOf(t, sv, `if data.fail`)+": task 9 true\n")
		sv.Log.wait(t, "onTask failed: app.lua:")
		c.ask(`return server:task({ fail = 10 }, -1, function(s, id, r, why, text) print("own", id, r, why, text) end)`, "10")
		sv.Out.wait(t, "own\t10\tnil\ttask_failed\tapp.lua:"+lineOf(t, sv, `if data.fail`)+": task 10\n")
		c.ask(`return server:task({ fn = 1 })`, "11")
		sv.Out.wait(t, "error onTask onTask: result.a[1]: cannot send a function to onFinish true\n")
		for _, bad := range [][2]string{
			{`{ user = { callback = print } }`, "data.user.callback: cannot send a function to a task"},
			{`print`, "data: cannot send a function to a task"},
			{`server`, "data: cannot send a userdata to a task"},
			{`{ 1, { [print] = 1 } }`, "data[2]: cannot send a function as a key to a task"},
		} {
			c.ask(`return pcall(server.task, server, `+bad[0]+`)`, "false|"+bad[1])
		}

		// what arrives is what was sent
		c.ask(`return server:task({ "\0\255\r\n", { { x = { -1.5, 2^53, 1/0, -1/0 } } }, [0.5] = "half", [true] = false, n = 0 })`, "12")
		c.until(`finished and finished.id == 12`)
		c.ask(`local r = finished.result return r[1] == "\0\255\r\n", #r, r[2][1].x[1], r[2][1].x[2] == 2^53, r[2][1].x[3] == 1/0, r[2][1].x[4] == -1/0, r[0.5], r[true], r.n`,
			"true|2|-1.5|true|true|true|half|false|0")
		c.ask(`server:task(("x"):rep(2^20) .. "y")`, "")
		c.until(`finished and finished.id == 13`)
		c.ask(`return #finished.result, finished.result:sub(-1)`, "1048577|y")
		c.ask(`server:task(0/0)`, "")
		c.until(`finished and finished.id == 14`)
		c.ask(`return finished.result ~= finished.result`, "true")

		// a full queue: both task workers are busy, three wait
		gate := filepath.Join(t.TempDir(), "gate")
		c.ask(fmt.Sprintf(`for i = 0, 1 do assert(server:task({ hold = %q }, i)) end`, gate), "")
		c.until(`server:stats().task_queue_num == 0`)
		c.ask(`local t = {} for i = 1, 4 do t[i] = tostring((server:task("q" .. i))) end return table.concat(t, " ")`, "17 18 19 false")
		c.ask(`return server:task("one more")`, "false|queue_full|the task queue is full (task_queue_size)")
		c.ask(`return server:getLastError(), server:stats().task_queue_num, server:stats().tasking_num, server:stats().task_idle_worker_num`, "506|3|5|0")
		save(t, gate, "")
		sv.Out.wait(t, "finish 19 q3\n")
		c.until(`server:stats().tasking_num == 0`)
		c.ask(`return server:task("room again")`, "20")
		sv.Out.wait(t, "finish 20 room again\n")
		// a task may ask for a task
		c.ask(`return server:task({ again = true })`, "21")
		sv.Out.wait(t, "finish 21 22\n")

		if out := sv.Out.String(); strings.Contains(out, "finish 2 ") || strings.Count(out, "finish 3 ") > 0 {
			t.Errorf("output:\n%s", out)
		}
	})
}

func TestNoTaskWorkers(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 1}, evalScript)
	c := sv.dial(t)
	c.ask(`return server:task("x")`, "false|no_task_workers|there are no task workers (task_worker_num)")
	c.ask(`return server:getLastError()`, "509")
	c.ask(`return server.setting.task_worker_num, server:stats().task_worker_num`, "0|0")
}

// A result on its way to a session's worker finds the session's data, and the
// task itself may use it at the same time.
func TestTaskOnTheSessionsData(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		n := 300
		if s.race {
			n = 60
		}
		sv := serve(t, s, `
server:set{ task_worker_num = 2, task_enable_coroutine = true, task_use_object = false }
local co = require "co"
function onConnect(server, fd) local d = server:session(fd) d.list, d.log = {}, {} end
function onTask(server, id, src, data)
  local d = server:session(data.fd)
  for i = 1, data.n do
    table.insert(d.list, "t" .. i)
    if i % 50 == 0 then co.sleep(0) end
  end
  d.log.task = (d.log.task or "") .. "done"
  return data.fd
end
function onFinish(server, id, fd)
  local d = server:session(fd)
  local counts = { t = 0, w = 0 }
  for i, v in ipairs(d.list) do counts[v:sub(1, 1)] = counts[v:sub(1, 1)] + 1 end
  server:send(fd, #d.list .. " " .. counts.t .. " " .. counts.w .. " " .. d.log.task .. "\n")
end
function onReceive(server, fd, reactor_id, data)
  local n = tonumber(data)
  server:task({ fd = fd, n = n })
  local list = server:session(fd).list
  for i = 1, n do
    table.insert(list, 1, "w" .. i)
    if i % 50 == 0 then co.sleep(0) end
  end
end`)
		var clients []*client
		for range 4 {
			c := sv.dial(t)
			clients = append(clients, c)
			c.say(fmt.Sprintf("%d\n", n))
		}
		for _, c := range clients {
			// The task may end before the worker has: at least its own are there.
			f := strings.Fields(c.line())
			if f[1] != fmt.Sprint(n) || f[3] != "done" {
				t.Errorf("%v", f)
			}
		}
	})
}

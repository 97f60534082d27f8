package tests

import (
	"fmt"
	"path/filepath"
	"regexp"
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

// The first task server of Swoole's tutorials, and what it prints.
func TestTaskServerScript(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags, s.args = []string{"--set", "task_worker_num=3"}, []string{"2", "0.05"}
		path, err := filepath.Abs("../scripts/task_server.lua")
		if err != nil {
			t.Fatal(err)
		}
		sv := serveFile(t, s, path)
		sv.Out.wait(t, " onStart\n")
		c := sv.dial(t)
		c.say("12345")
		if got := c.take(len("Data in Task 0")); got != "Data in Task 0" {
			t.Errorf("the client got %q", got)
		}
		sv.Out.wait(t, "Result: Task 0's result\n")
		got := regexp.MustCompile(`(?m)^.* onStart$`).ReplaceAllString(sv.Out.String(), "1.9.0 onStart")
		got = regexp.MustCompile(`from Worker \d+`).ReplaceAllString(got, "from Worker 3")
		// The task may begin before the worker has had time for its next line.
		const goesOn = "Continue Handle Worker\n"
		begun := "Get Message From Client 1:12345\n"
		got = strings.Replace(strings.Replace(got, goesOn, "", 1), begun, begun+goesOn, 1)
		const want = `1.9.0 onStart
1Client Connect.
Get Message From Client 1:12345
Continue Handle Worker
This Task 0 from Worker 3
Data: {"fd":1}
Task 0 Handle 0 times...
Task 0 Handle 1 times...
Task 0 finish
Result: Task 0's result
`
		if got != want {
			t.Errorf("got:\n%s", got)
		}
		if i := strings.Index(sv.Out.String(), goesOn); i > strings.Index(sv.Out.String(), "Task 0 Handle 0") {
			t.Errorf("the worker waited for the task:\n%s", sv.Out)
		}
		c.Close()
		sv.Out.wait(t, "Client Close.\n")
	})
}

// Three clients at once and two task workers: for each client the lines of the
// tutorial, in their order; two tasks run at one time while the worker answers,
// and the third begins when one of them has ended.
func TestTaskServerScriptWithThreeClients(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs("../scripts/task_server.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []setup{{mode: "base", workers: 1}, {mode: "process", workers: 3, race: true}} {
		s.flags, s.args = []string{"--set", "task_worker_num=2"}, []string{"2", "0.2"}
		sv := serveFile(t, s, path)
		clients := []*client{sv.dial(t), sv.dial(t), sv.dial(t)}
		for i, c := range clients {
			c.say(fmt.Sprintf("text %d", i+1))
		}
		var tasks []string
		for i, c := range clients {
			c.take(len("Data in Task "))
			id := c.take(1)
			tasks = append(tasks, id)
			sv.Out.wait(t, "Result: Task "+id+"'s result\n")
			c.Close()
			sv.Out.waitCount(t, "Client Close.\n", i+1)
		}
		out := sv.Out.String()
		if n := strings.Count(out, "Continue Handle Worker\n"); n != 3 {
			t.Errorf("the workers went on %d times", n)
		}
		if n := strings.Count(out, "\n"); n != 1+3*10 {
			t.Errorf("%d lines", n)
		}
		for i, id := range tasks {
			fd := strconv.Itoa(i + 1)
			at := -1
			for _, line := range []string{
				" onStart\n",
				"\n" + fd + "Client Connect.\n",
				"\nGet Message From Client " + fd + ":text " + fd + "\n",
				"\nThis Task " + id + " from Worker ",
				"\nData: {\"fd\":" + fd + "}\n",
				"\nTask " + id + " Handle 0 times...\n",
				"\nTask " + id + " Handle 1 times...\n",
				"\nTask " + id + " finish\n",
				"\nResult: Task " + id + "'s result\n",
			} {
				next := strings.Index(out, line)
				if next <= at || strings.Count(out, line) != 1 {
					t.Errorf("client %s: %q is not there once, behind the line before it", fd, line)
				}
				at = next
			}
		}
		running := 0
		for line := range strings.Lines(out) {
			switch {
			case strings.HasPrefix(line, "This Task "):
				running++
			case strings.HasSuffix(line, " Handle 1 times...\n"):
				running--
			}
			if running > 2 {
				t.Errorf("%d tasks run on two task workers", running)
			}
		}
		if t.Failed() {
			t.Fatalf("%s", out)
		}
		if first := strings.Index(out, " Handle 1 times"); strings.Count(out[:first], "This Task ") != 2 {
			t.Errorf("two tasks did not run at one time:\n%s", out)
		}
	}
}

// Both sides of the tutorial: an interactive client that sends each line, and
// goes on while its task runs.
func TestTaskClientScript(t *testing.T) {
	t.Parallel()
	for _, race := range []bool{false, true} {
		s := setup{mode: "base", workers: 2, race: race, flags: []string{"--set", "task_worker_num=2"}, args: []string{"2", "0.05"}}
		server, err := filepath.Abs("../scripts/task_server.lua")
		if err != nil {
			t.Fatal(err)
		}
		sv := serveFile(t, s, server)
		p := start(t, setup{race: race}, "run", "../scripts/task_client.lua", sv.Port)
		p.Out.wait(t, "Enter Msg:")
		fmt.Fprintln(p.in, "12345")
		p.Out.wait(t, "Received: Data in Task 0\n")
		if got := p.Out.String(); got != "Enter Msg:Enter Msg:Received: Data in Task 0\n" {
			t.Errorf("the client printed %q", got)
		}
		fmt.Fprintln(p.in, "6")
		sv.Out.wait(t, ":6\n")
		fmt.Fprintln(p.in, "7")
		sv.Out.wait(t, ":7\n")
		p.Out.wait(t, "Data in Task 1") // the two may come as one
		p.Out.wait(t, "Data in Task 2")
		p.in.Close()
		if code := p.end(); code != 0 || !strings.HasSuffix(p.Out.String(), "Client close connection\n") {
			t.Errorf("exit code %d, printed %q", code, p.Out)
		}
		sv.Out.wait(t, "Client Close.\n")
	}
	p := start(t, setup{}, "run", "../scripts/task_client.lua", "1")
	if code := p.end(); code != 0 || !strings.HasPrefix(p.Out.String(), "Error: ") || !strings.HasSuffix(p.Out.String(), "[111]\n") {
		t.Errorf("without a server: exit code %d, printed %q", code, p.Out)
	}
}

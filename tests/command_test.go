package tests

import (
	"fmt"
	"strings"
	"testing"
)

// server:addCommand and server:command: functions run in the VM of a chosen
// worker, and waited for.
func TestCommand(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const script = evalScript + `
server:set{ task_worker_num = 2, error_policy = "keep" }
local swoole, co = require "swoole", require "co"
function onTask() end
local worker, task, master, manager = swoole.SERVER_COMMAND_EVENT_WORKER, swoole.SERVER_COMMAND_TASK_WORKER, swoole.SERVER_COMMAND_MASTER, swoole.SERVER_COMMAND_MANAGER
types = { worker = worker, task = task, master = master, manager = manager, reactor = swoole.SERVER_COMMAND_REACTOR_THREAD }
assert(server:addCommand("where", worker + task + master + manager, function(server, data)
  co.sleep(0.001) -- it may wait
  return { id = server.worker_id, by = "one", data = data }
end))
server:addCommand("workers", worker, function(server, data)
  if data == "fail" then error("on purpose", 0) end
  if data == "fn" then return { f = print } end
  if data == "hold" then while not released do co.sleep(0.01) end end
  if data == "release" then released = true end
  return data
end)
function onError(server, event, err) print("error " .. event .. " " .. err.message) end
function where(id, kind, data)
  local r, name, text = server:command("where", id, types[kind], data)
  if not r then return r, name, text end
  return r.id, r.by, r.data
end
`
		sv := serve(t, s, script)
		c := sv.dial(t)
		for id := range s.workers {
			c.ask(fmt.Sprintf(`return where(%d, "worker", %d)`, id, id*7), fmt.Sprintf("%d|one|%d", id, id*7))
		}
		for id := range 2 { // they count from 0
			c.ask(fmt.Sprintf(`return where(%d, "task", "x")`, id), fmt.Sprintf("%d|one|x", s.workers+id))
		}
		c.ask(`return where(0, "master", true)`, "-1|one|true")
		c.ask(`return where(0, "manager")`, "-1|one")
		// What is passed is plain data, and so is the answer; false is one.
		c.ask(`return server:command("workers", 0, types.worker, { 1, { a = "\0" } })[2].a == "\0"`, "true")
		c.ask(`return server:command("workers", 0, types.worker, false)`, "false")

		for ask, want := range map[string]string{
			fmt.Sprintf(`return where(%d, "worker")`, s.workers):                            "nil|no_such_worker|no worker has this id",
			`return where(-1, "worker")`:                                                    "nil|no_such_worker|no worker has this id",
			`return where(0.5, "worker")`:                                                   "nil|no_such_worker|no worker has this id",
			`return where(2, "task")`:                                                       "nil|no_such_worker|no worker has this id",
			`return server:command("wher", 0, types.worker)`:                                "nil|no_such_command|there is no command 'wher' (did you mean 'where'?)",
			`return server:command("workers", 0, types.task)`:                               "nil|command_not_accepted|the command does not run there: see the types given to server:addCommand",
			`return server:command("workers", 0, types.worker + types.task)`:                "nil|command_not_accepted|the command does not run there: see the types given to server:addCommand",
			`return server:command("workers", 0, types.worker, "fail")`:                     "nil|command_failed|on purpose",
			`return server:command("workers", 0, types.worker, "fn")`:                       "nil|command_failed|command workers: result.f: cannot send a function to who asked",
			`return server:command("workers", 0, types.worker, "hold", 0.01)`:               "nil|timeout|timed out",
			`return select(2, pcall(server.command, server, "where", 0, 8, { x = print }))`: "data.x: cannot send a function to a command",
			`return select(2, pcall(server.command, server, "where", 0, 8, 1, false))`:      "bad argument #5 'timeout' to 'server:command' (seconds expected, got boolean: nothing is encoded as JSON here, so nothing is to be decoded)",
			`return select(2, pcall(server.addCommand, server, "late", 8, function() end))`: "server:addCommand is for the top level of the script: change the file instead, it is loaded again when it is saved",
		} {
			c.ask(ask, want)
		}
		c.ask(`return server:command("workers", 0, types.worker, "release")`, "release")
		sv.Out.wait(t, "error command on purpose\n")
	})
}

// A command is run by the code that is live when its turn comes; one that waits
// while a reload replaces its code is answered by that all the same.
func TestCommandAcrossAReload(t *testing.T) {
	t.Parallel()
	const script = evalScript + `
local co = require "co"
server:addCommand("who", 8, function(server, data)
  if data == "hold" then
    server:session(1).held = true
    while not server:session(1).open do co.sleep(0.01) end
  end
  return "one"
end)`
	sv := serve(t, setup{mode: "process", workers: 2}, script)
	c, waits := sv.dial(t), sv.dial(t)
	c.ask(`return fd`, "1")
	waits.say("return server:command('who', 1, 8, 'hold')\n")
	c.until(`server:session(1).held`)
	sv.save(t, strings.Replace(script, `return "one"`, `return "two"`, 1))
	sv.Log.wait(t, "reloaded generation=2")
	c.ask(`return server:command("who", 1, 8)`, "two")
	c.ask(`server:session(1).open = true`, "")
	waits.expect("one")
	sv.save(t, evalScript)
	sv.Log.wait(t, "reloaded generation=3")
	c.ask(`return server:command("who", 1, 8)`, "nil|no_such_command|there is no command 'who'")
}

// What is no command is refused where it is declared.
func TestCommandFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`server:addCommand("a", 4, print)`:                                   "server:addCommand: 'a' cannot run on a reactor: reactors run no script",
		`server:addCommand("a", 0, print)`:                                   "server:addCommand: the types of 'a' must be a sum of swoole.SERVER_COMMAND_MASTER, _MANAGER, _EVENT_WORKER and _TASK_WORKER, not 0",
		`server:addCommand("a", 64, print)`:                                  "_TASK_WORKER, not 64",
		`server:addCommand("a", 8, print) server:addCommand("a", 8, print)`:  "server:addCommand: there is a command 'a' already",
		`if server.worker_id ~= 0 then server:addCommand("a", 8, print) end`: "commands: a -> ",
		`server:addCommand("a", 8, 5)`:                                       "bad argument #3 'fn' to 'server:addCommand' (function expected, got number)",
	} {
		sv := launch(t, setup{mode: "base", workers: 1}, script(t, "function onReceive() end\n"+text))
		if code := sv.wait(t); code != 1 {
			t.Errorf("%s: exit code %d", text, code)
		}
		sv.Log.wait(t, want)
	}
}

package tests

import (
	"fmt"
	"strings"
	"testing"
)

// Messages between workers.

func TestSendMessage(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, evalScript+`
server:set{ task_worker_num = 2, message_queue_size = 5 }
local co = require "co"
function onTask(server, id, src, data)
  if data.to then return server:sendMessage(data.text, data.to) end
  return "x"
end
function onPipeMessage(server, src, message)
  if message == "hold" then
    repeat co.sleep(0.01) until server:session(1).open
    return
  end
  if type(message) == "table" and message.fail then error("message " .. message.fail, 0) end
  if type(message) == "table" and message.back then
    assert(server:sendMessage("back from " .. server.worker_id, src))
    return
  end
  print(("%d to %d: %s"):format(src, server.worker_id, tostring(message)))
end
function onError(server, event, err) print("error", event, err.message, err.worker_id) end
`)
		c := sv.dial(t)
		last := s.workers + 1
		me := c.eval("return server.worker_id")
		for to := 0; to <= last; to++ { // also to itself
			c.ask(fmt.Sprintf(`return server:sendMessage("hello", %d)`, to), "true")
			sv.Out.wait(t, fmt.Sprintf("%s to %d: hello\n", me, to))
		}
		// from and to task workers, and back
		c.ask(fmt.Sprintf(`return server:taskwait({ to = %d, text = "task" }, 60, 0)`, last), "true")
		sv.Out.wait(t, fmt.Sprintf("%d to %d: task\n", last-1, last))
		c.ask(fmt.Sprintf(`return server:sendMessage({ back = true }, %d)`, last), "true")
		sv.Out.wait(t, fmt.Sprintf("%d to %s: back from %d\n", last, me, last))

		c.ask(fmt.Sprintf(`return server:sendMessage("x", %d)`, last+1), "false|no_such_worker|no worker has this id")
		c.ask(`return server:sendMessage("x", -1)`, "false|no_such_worker|no worker has this id")
		c.ask(`return server:sendMessage("x", 0.5)`, "false|no_such_worker|no worker has this id")
		c.ask(`return select(2, pcall(server.sendMessage, server, { f = print }, 0))`, "message.f: cannot send a function to a worker")
		c.ask(`return select(2, pcall(server.sendMessage, server, "x"))`, "bad argument #2 'dst_worker_id' to 'server:sendMessage' (number expected, got no value)")
		c.ask(`return server:sendMessage({ fail = 1 }, 0)`, "true")
		sv.Out.wait(t, "error\tonPipeMessage\tmessage 1\t0\n")

		// A worker that does not keep up: five, and no more.
		c.until(`server:stats().message_queue_num == 0`) // the callbacks of all have returned
		to := last
		c.ask(fmt.Sprintf(`local n = 0 while server:sendMessage("hold", %d) do n = n + 1 end return n`, to), "5")
		c.ask(fmt.Sprintf(`return server:sendMessage("one more", %d)`, to), "false|mailbox_full|the worker has too many messages to handle (message_queue_size)")
		c.ask(`return server:getLastError(), server:stats().message_queue_num`, "9006|5")
		c.ask(fmt.Sprintf(`return server:sendMessage("another", %d)`, to-1), "true")
		c.ask(`server:session(fd).open = true`, "")
		c.until(fmt.Sprintf(`server:sendMessage("room", %d)`, to))
		sv.Out.wait(t, fmt.Sprintf("%s to %d: room\n", me, to))
	})
}

// Messages under reloads: each comes once, those of one sender in order, and
// those of onWorkerStart leave when the code is live.
func TestMessagesUnderReloads(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const total, reloads = 600, 8
		text := func(version int) string {
			return evalScript + fmt.Sprintf(`
local version = %d
server:set{ task_worker_num = 1, message_queue_size = 100000 }
function onTask() end
function onWorkerStart(server, id)
  if id == 0 then
    assert(server:sendMessage("start " .. version, server.setting.worker_num))
    assert(server:sendMessage("self " .. version, 0))
  end
end
function onPipeMessage(server, src, message)
  print(("got %%s in %%d"):format(message, version))
end
function send(from, to)
  for n = from, to do assert(server:sendMessage(n, server.setting.worker_num)) end
end
`, version)
		}
		sv := serve(t, s, text(1))
		c := sv.dial(t)
		for i := range reloads {
			c.say(fmt.Sprintf("send(%d, %d)\n", i*total/reloads+1, (i+1)*total/reloads))
			sv.save(t, text(i+2))
			sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d ", i+2))
			c.expect("")
		}
		sv.save(t, text(99)+`
local start = onWorkerStart
function onWorkerStart(server, id) start(server, id) if id == 0 then error("not this one") end end
`)
		sv.Log.wait(t, "reload failed")
		sv.Out.waitCount(t, "got ", total+2*(reloads+1))
		if strings.Contains(sv.Out.String(), "start 99") {
			t.Error("a message of code that never went live has come")
		}
		next := 1
		for line := range strings.Lines(sv.Out.String()) {
			f := strings.Fields(line)
			if f[1] == "start" || f[1] == "self" {
				continue
			}
			if f[1] != fmt.Sprint(next) {
				t.Fatalf("%s comes instead of %d", f[1], next)
			}
			next++
		}
		for v := 1; v <= reloads+1; v++ {
			for _, what := range []string{"start", "self"} {
				if n := sv.Out.count(fmt.Sprintf("got %s %d in", what, v)); n != 1 {
					t.Errorf("%s %d came %d times", what, v, n)
				}
			}
		}
	})
}

func TestNoOnPipeMessage(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{mode: "base", workers: 2}, evalScript)
	c := sv.dial(t)
	c.ask(`return server:sendMessage("x", 1)`, "false|no_on_pipe_message|there is no onPipeMessage")
}

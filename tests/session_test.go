package tests

import (
	"fmt"
	"testing"
)

// server:session(fd): data that lives as long as the client stays.

func TestSessionData(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := evalScript + `
server:set{ task_worker_num = 1 }
function onTask(server, id, src, data)
  local d, why = server:session(data.fd)
  if not d then return "gone " .. why end
  if data.set then d.from_task = data.set d.list[#d.list + 1] = "task" end
  return #d.list .. " " .. table.concat(d.list, ",") .. " " .. tostring(d.nested.a.b)
end
function onFinish(server, id, result) last = result print("task: " .. result) end
local kept
local close = onClose
function onClose(server, fd, reactor_id, reason)
  local d = server:session(fd)
  print("close " .. fd .. " " .. tostring(d and d.name))
  held = d
  ended = fd
  close(server, fd)
end
`
		sv := serve(t, s, text)
		c := sv.dial(t)
		c.ask(`d = server:session(fd) d.name = "Ada" d.list = {} d.nested = { a = { b = 1 } }`, "")
		c.ask(`for i = 1, 3 do d.list[#d.list + 1] = i * i end return #d.list, d.list[3], unpack(d.list)`, "3|9|1|4|9")
		c.ask(`local n, m = 0, 0 for k, v in pairs(d) do n = n + 1 end for i, v in ipairs(d.list) do m = m + i * v end return n, m`, "3|36")
		c.ask(`table.insert(d.list, 1, 25) table.sort(d.list, function(a, b) return a > b end) return table.concat(d.list, " "), table.remove(d.list), next(d.nested)`, "25 9 4 1|1|a|session data")
		c.ask(`local e = d.nested.a e.b = e.b + 1 return d.nested.a.b, server:session(fd).nested.a == e, d == server:session(fd)`, "2|true|true")
		c.ask(`return pcall(function() d.user = { callback = print } end)`, "false|user.callback: cannot keep a function in a session")
		c.ask(`return pcall(function() d.big = ("x"):rep(2 ^ 20) end)`, "false|the session's data would be larger than 1048576 bytes")
		c.ask(`return d.user, d.big, #d.list`, "nil|nil|3")

		// seen from a task worker, and what it writes is seen here
		c.ask(`server:task({ fd = fd, set = "hello" })`, "")
		sv.Out.wait(t, "task: 4 25,9,4,task 2\n")
		c.ask(`return d.from_task, d.list[4]`, "hello|task")

		// survives a reload, in the hands of new code
		sv.save(t, text+"\n-- two")
		sv.Log.wait(t, "reloaded generation=2")
		c.ask(`return server.generation, tostring(d)`, "2|nil")
		c.ask(`d = server:session(fd) return d.name, d.nested.a.b, #d.list, d.from_task`, "Ada|2|4|hello")

		// each session has its own; gone with it
		o := sv.dial(t)
		o.ask(`return server:session(fd).name, fd`, "nil|2")
		o.ask(`server:session(fd).name = "Bob"`, "")
		o.ask(`return server:session(1).name, server:session(fd).name`, "Ada|Bob")
		c.Close()
		sv.Out.wait(t, "close 1 Ada\n")
		o.until(`server:session(1) == nil`)
		o.ask(`return server:session(1)`, "nil|session_closed|no_such_session: no session has this id (it may have closed)")
		o.ask(`return server:session(99)`, "nil|session_closed|no_such_session: no session has this id (it may have closed)")
		o.ask(`server:task({ fd = 1 })`, "")
		sv.Out.wait(t, "task: gone session_closed\n")
		if s.workers == 1 { // held was set on the same worker
			o.ask(`return pcall(function() return held.name end)`, "false|session_closed: the session has ended, and its data with it")
			o.ask(`return pcall(function() held.name = 1 end)`, "false|session_closed: the session has ended, and its data with it")
		}
		o.ask(`return server:session(fd).name, pcall(server.session, server, "x")`, "Bob|false|bad argument #1 'fd' to 'server:session' (number expected, got string)")
	})
}

// Data of sessions that have ended is not kept.
func TestSessionDataIsFreed(t *testing.T) {
	t.Parallel()
	n := 300
	sv := serve(t, setup{mode: "base", workers: 2}, evalScript+`
function onConnect(server, fd) server:session(fd).ballast = ("x"):rep(500000) end`)
	c := sv.dial(t)
	var first float64
	for i := range n {
		k := sv.dial(t)
		k.ask(`return #server:session(fd).ballast`, "500000")
		k.Close()
		if i == 60 {
			fmt.Sscan(c.eval(`return collectgarbage("count")`), &first)
		}
	}
	c.until(`server:stats().connection_num == 1`)
	eventually(t, "memory stays", func() bool { // 300 x 500 KB would be 150 MB
		var now float64
		fmt.Sscan(c.eval(`local t = {} for i = 1, 20000 do t[i] = { i } end return collectgarbage("count")`), &now)
		return now < first+60000
	})
}

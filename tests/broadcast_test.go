package tests

import (
	"regexp"
	"strings"
	"testing"
)

// One send to everybody: all, those of a port, those a function picks, those of
// a list; in order with what else is sent, and never held up by a slow reader.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "socket_buffer_size=64K", "--set", "task_worker_num=1")
		sv := serve(t, s, `
			local side = server:listen("127.0.0.1", 0)
			local co = require "co"
			function onStart() print("side", side.port) end
			local function report(sent, refused)
			  local t = { "sent " .. tostring(sent) }
			  for name, n in pairs(refused) do t[#t + 1] = name .. " " .. n end
			  table.sort(t, function(a, b) return a > b end)
			  return table.concat(t, ", ")
			end
			local piece = ("x"):rep(60000)
			local commands = {
			  all = function(fd) return report(server:broadcast("to all\n")) end,
			  even = function(fd) return report(server:broadcast("to even\n", function(id) return id % 2 == 0 end)) end,
			  slow = function(fd) return report(server:broadcast("to few\n", function(id) co.sleep(0.001) return id <= 2 end)) end,
			  side = function(fd) return report(server:broadcast("to the side\n", side)) end,
			  list = function(fd) return report(server:broadcast("to some\n", { 1, 3, 3, 99 })) end,
			  order = function(fd)
			    for id = 1, 4 do server:send(id, "a ") end
			    server:broadcast("b ", { 1, 2, 3, 4 })
			    for id = 1, 4 do server:send(id, "c\n") end
			    return "done"
			  end,
			  empty = function(fd) return tostring(server:broadcast("")) .. " " .. select(2, server:broadcast("")) end,
			  task = function(fd) assert(server:task("news")) end,
			  fault = function(fd) return tostring(select(2, pcall(server.broadcast, server, "x", function() error("no filter") end))) end,
			  wrong = function(fd) return tostring(select(2, pcall(server.broadcast, server, "x", 12))) end,
			  large = function(fd) return report(server:broadcast(piece .. "\n")) end,
			}
			function onTask(server, id, src, data) return server:broadcast(data .. "\n") end
			function onFinish(server, id, sent) print("task", sent) end
			function onReceive(server, fd, reactor_id, data)
			  local answer = commands[data](fd)
			  if answer then server:send(fd, "# " .. answer .. "\n") end
			end`)
		var clients []*client
		for range 5 {
			clients = append(clients, sv.dial(t)) // they are numbered as they come
		}
		asker := clients[0]
		ask := func(command, want string) {
			t.Helper()
			asker.say(command)
			asker.expect("# " + want)
		}
		told := func(want string, ids ...int) {
			t.Helper()
			for _, id := range ids {
				clients[id-1].expect(want)
			}
		}
		for _, c := range clients {
			c.say("empty") // and all are here
			c.expect("# false empty_data")
		}
		asker.say("all")
		told("to all", 1, 2, 3, 4, 5)
		asker.expect("# sent 5")
		ask("even", "sent 2")
		told("to even", 2, 4)
		asker.say("slow")
		told("to few", 1, 2)
		asker.expect("# sent 2")
		asker.say("list")
		told("to some", 1, 3)
		told("to some", 3)
		asker.expect("# sent 3, no_such_session 1")
		asker.say("order")
		told("a b c", 1, 2, 3, 4)
		asker.expect("# done")
		asker.say("task")
		told("news", 1, 2, 3, 4, 5)
		sv.Out.wait(t, "task\t5\n")

		port := regexp.MustCompile(`side\t(\d+)`).FindStringSubmatch(sv.Out.String())[1]
		conn, err := dialTCP("127.0.0.1:" + port)
		if err != nil {
			t.Fatal(err)
		}
		side := &client{conn, t, nil}
		defer side.Close()
		side.say("empty")
		side.expect("# false empty_data")
		ask("side", "sent 1")
		side.expect("to the side")

		asker.say("fault")
		if got := asker.line(); !strings.HasSuffix(got, ": no filter") {
			t.Errorf("a filter that fails: %q", got)
		}
		ask("wrong", "bad argument #2 'filter' (function, port or table expected, got number)")

		// The last client does not read: it costs its own outbox, and nobody else's.
		full := false
		eventually(t, "one client's outbox is full", func() bool {
			asker.say("large")
			for _, c := range append(clients[:4:4], side) {
				if got := c.line(); len(got) != 60000 {
					t.Fatalf("%q", got)
				}
			}
			got := asker.line()
			if full = got == "# sent 5, outbox_full 1"; !full && got != "# sent 6" {
				t.Fatalf("%q", got)
			}
			return full
		})
	})
}

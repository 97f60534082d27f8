package co_test

import (
	"strconv"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

// Each case stands in a VM of its own server for as long as the detector needs;
// all run at once. What nobody can wake is reported with all places; the marker
// is a fiber that is stuck for certain, so that silence about the rest means
// that a look has found it able to go on.
func TestDeadlocks(t *testing.T) {
	cases := []struct {
		name, code string
		want       []string // in the report
		not        []string
	}{
		{"crossed channels", `
  local x, y = co.channel(), co.channel()
  co.go(function()
    local v = x:pop() -- here 1
    y:push(v)
  end)
  co.go(function()
    local v = y:pop() -- here 2
    x:push(v)
  end)
  -- without room
  local x, y = co.channel(0), co.channel(0)
  co.go(function()
    x:push(1) -- here 3
    y:pop()
  end)
  co.go(function()
    y:push(2) -- here 4
    x:pop()
  end)
  local z = co.channel(0)
  co.go(function()
    co.select({ { z, "push", 1 }, { z } }) -- here 5
  end)
  local held, free = co.channel(0), co.channel(0)
  free:push(held, 0)
  co.go(function()
    free:push(held) -- not here
  end)
  co.go(function()
    held:pop() -- not here
  end)
  jobs:push(free)`, []string{"here 1", "here 2", "here 3", "here 4", "here 5"}, []string{"not here"}},
		{"crossed in a batch", `
  local x, y = co.channel(), co.channel()
  co.go(function()
    co.batch({ -- here 1
      function()
        y:push(x:pop()) -- here 2
      end,
      function()
        x:push(y:pop()) -- here 3
      end,
    })
  end)`, []string{"here 2", "here 3"}, nil},
		{"crossed locks and a join", `
  local a, b = co.lock(), co.lock()
  local id = co.go(function()
    a:lock()
    co.sleep(0.01)
    b:lock() -- here 1
  end)
  co.go(function()
    b:lock()
    co.sleep(0.01)
    a:lock() -- here 2
  end)
  co.go(function()
    co.join(id) -- here 3
  end)`, []string{"here 1", "here 2", "here 3"}, nil},
		{"barrier, waitgroup, select", `
  local b, g, s = co.barrier(2), co.waitgroup(1), co.channel()
  co.go(function()
    b:wait() -- here 1
  end)
  co.go(function()
    g:wait() -- here 2
  end)
  co.go(function()
    co.select({ { s } }) -- here 3
  end)`, []string{"here 1", "here 2", "here 3"}, nil},
		{"a server that waits for clients", `
  co.go(function()
    while true do
      jobs:pop() -- not here
    end
  end)
  co.go(function()
    while true do
      more:pop() -- not here
      jobs:push(1)
    end
  end)`, nil, []string{"not here"}},
		{"others that can still run", `
  local timed, timer, slept, inside, wrapped, sent = co.channel(), co.channel(), co.channel(), co.channel(), co.channel(), co.channel()
  co.go(function()
    local one = timed:pop() -- not here
  end)
  co.go(function()
    co.select({ { co.channel() } }, 1000)
    timed:push(1)
  end)
  co.go(function()
    timer:pop() -- not here
  end)
  server:after(1000000, function() timer:push(1) end)
  co.go(function()
    slept:pop() -- not here
  end)
  co.go(function()
    co.defer(function() slept:push(1) end)
    co.sleep(1000)
  end)
  co.go(function()
    inside:pop() -- not here
  end)
  jobs:push({ deep = { inside } })
  co.go(function()
    wrapped:pop() -- not here
  end)
  later = coroutine.wrap(function()
    coroutine.yield()
    wrapped:push(1)
  end)
  later()
  co.go(function()
    sent:pop() -- not here
  end)
  co.go(function()
    co.batch({ function() return sent end, function() co.sleep(1000) end })
  end)
  local l = co.lock()
  co.go(function()
    l:lock()
    co.sleep(1000)
  end)
  co.go(function()
    l:lock() -- not here
  end)`, nil, []string{"not here"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script := `local co = require "co"
local jobs, more = co.channel(), co.channel()
function onReceive(server, fd, reactor, data)
  jobs:push(data)
  more:push(data)
end
function begin(server)` + c.code + `
  co.go(function()
    co.channel():pop() -- the marker
  end)
end
function onWorkerStart(server)
  server:after(1, function() begin(server) end)
end
`
			s := scriptingtest.Serve(t, modules, script, [2]string{"worker_num", "1"})
			s.Log.Wait(t, "deadlock: ")
			s.Log.Wait(t, place(t, script, "the marker")[0])
			for _, mark := range c.want {
				for _, p := range place(t, script, mark) {
					s.Log.Wait(t, p)
				}
			}
			log := s.Log.String()
			for _, mark := range c.not {
				for _, p := range place(t, script, mark) {
					if strings.Contains(log, p) {
						t.Errorf("%s is reported: %s", p, log)
					}
				}
			}
			if n := s.Log.Count("deadlock: "); n > 2 {
				t.Errorf("%d reports\n%s", n, log)
			}
		})
	}
}

// place is where a script has the mark, as the log writes it.
func place(t *testing.T, script, mark string) (list []string) {
	t.Helper()
	for i, line := range strings.Split(script, "\n") {
		if strings.Contains(line, "-- "+mark) {
			list = append(list, "app.lua:"+strconv.Itoa(i+1))
		}
	}
	if list == nil {
		t.Fatalf("no %q in the script", mark)
	}
	return list
}

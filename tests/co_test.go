package tests

import (
	"strings"
	"testing"
)

const crossed = `
local co = require "co"
local function cross()
  local x, y = co.channel(), co.channel()
  co.go(function()
    y:push(x:pop()) -- line 6
  end)
  co.go(function()
    x:push(y:pop()) -- line 9
  end)
end
local jobs = co.channel()
function onReceive(server, fd, reactor, data)
  jobs:push(data)
end
function onWorkerStart(server, id)
  if id ~= 0 then return end
  co.go(function()
    while true do
      print("job " .. jobs:pop()) -- line 20
    end
  end)
  server:after(1, cross)
end
`

// Two fibers that wait for each other are reported with both places; the one
// that waits for clients is not, and works.
func TestDeadlockedFibersAreReported(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{mode: "process", workers: 1}, {mode: "base", workers: 1, race: true}} {
		t.Run(s.mode, func(t *testing.T) {
			sv := serve(t, s, crossed)
			sv.Log.wait(t, "deadlock: fibers wait for what nobody can give them any more")
			sv.Log.wait(t, "app.lua:6")
			sv.Log.wait(t, "app.lua:9")
			c := sv.dial(t)
			c.say("one")
			sv.Out.wait(t, "job one")
			if log := sv.Log.String(); strings.Count(log, "deadlock:") != 1 || strings.Contains(log, "app.lua:20") {
				t.Errorf("the log is\n%s", log)
			}
		})
	}
}

package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A reload while clients are connected and waiting: what serves a session
// finishes on its old code, what overstays and what belongs to nobody is
// cancelled by name, clients with callbacks are told, idle ones of a pool are
// taken over; no descriptor stays behind.
func TestReloadWithClients(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{mode: "base", workers: 2}, {mode: "process", workers: 2, race: true}} {
		t.Run(s.mode, func(t *testing.T) { reloadWithClients(t, s) })
	}
}

func reloadWithClients(t *testing.T, s setup) {
	peer := serve(t, setup{mode: "base", workers: 1}, `function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`)
	text := func(version int) string {
		return strings.NewReplacer("VERSION", fmt.Sprint(version), "PEER", peer.Port).Replace(`
server:set{ reload_drain_time = 3 }
local client, co, pool = require "client", require "co", require "pool"
local p = pool.new{ host = "127.0.0.1", port = PEER, min = 2, client = { timeout = 30 } }
function onWorkerStart(server, id)
  if id >= server.setting.worker_num then return end
  local c = client.new()
  c:on("connect", function(c) c:send("hello") end)
  c:on("receive", function(c) print("VERSION receives") end)
  c:on("close", function(c, why) print("VERSION closes " .. why) end)
  c:connect("127.0.0.1", PEER)
  co.go(function()
    local c = assert(client.connect("127.0.0.1", PEER))
    print("VERSION waits")
    local ok, err = pcall(c.recv, c, -1)
    print("VERSION ends " .. tostring(err))
  end)
end
function onReceive(server, fd, reactor_id, data)
  local c = assert(client.connect("127.0.0.1", PEER, { timeout = 30 }))
  server:send(fd, "VERSION begins\n")
  if data == "short" then
    co.sleep(0.1)
    c:send("answer") server:send(fd, "VERSION " .. c:recv() .. " " .. p:use(function(c) c:send("pooled") return c:recv() end) .. "\n")
    c:close()
  else
    c:recv(-1) -- nobody speaks
  end
end`)
	}
	sv := serve(t, s, text(1))
	started := func(version int) {
		t.Helper()
		sv.Out.waitCount(t, fmt.Sprintf("%d receives\n", version), s.workers)
		sv.Out.waitCount(t, fmt.Sprintf("%d waits\n", version), s.workers)
	}
	started(1)
	descriptors := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", sv.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	// Two idle ones in each pool, and nothing else under way.
	control := sv.dial(t)
	control.say("short")
	control.expect("1 begins")
	control.expect("1 answer pooled")
	const reloads = 2
	before := descriptors()
	for version := 1; version <= reloads; version++ {
		short, long := sv.dial(t), sv.dial(t)
		short.say("short")
		short.expect(fmt.Sprint(version, " begins"))
		long.say("long")
		long.expect(fmt.Sprint(version, " begins"))
		sv.save(t, text(version+1))
		sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d", version+1))
		short.expect(fmt.Sprint(version, " answer pooled"))
		started(version + 1)
		sv.Out.waitCount(t, fmt.Sprint(version, " closes reload\n"), s.workers)
		sv.Out.waitCount(t, fmt.Sprint(version, " ends cancelled: the script was reloaded\n"), s.workers)
		sv.Log.waitCount(t, "reload_drain_time is over: cancelled what=", version)
		long.say("short") // its callback was cancelled, its session goes on
		long.expect(fmt.Sprint(version+1, " begins"))
		long.expect(fmt.Sprint(version+1, " answer pooled"))
		short.Close()
		long.Close()
	}
	if n := sv.Log.count("app.lua:27"); n < reloads {
		t.Errorf("where the callbacks waited is named %d times", n)
	}
	eventually(t, "the descriptors are as many as before", func() bool { return descriptors() <= before })
}

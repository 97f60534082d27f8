package client

import (
	"fmt"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

// Clients that nobody has any more are closed and counted, and so are those of
// a VM that closes.
func TestForgottenClients(t *testing.T) {
	run(t, `
do
  for i = 1, 20 do
    local c = assert(client.connect("127.0.0.1", port))
    c:recv(0) c:recv(0.001) -- a goroutine waits for it still
    if i == 20 then c:close() end
  end
end
local kept = assert(client.connect("127.0.0.1", port))
local function stats() local s = server:stats() return s.client_num, s.client_lost_num end
for i = 1, 2000 do
  collectgarbage() co.sleep(0.005)
  local open = stats()
  if open <= 5 then break end
end
local open, lost = stats()
assert(open <= 5, open .. " are open") assert(lost >= 15, lost .. " were lost")
kept:send("x") eq(kept:recv(10), "x") kept:close()
`, peer(t, echo))
}

func TestVMCloses(t *testing.T) {
	script := fmt.Sprintf(`
local client, co = require "client", require "co"
local all = {}
function onReceive() end
function onWorkerStart(server, id)
  for i = 1, 5 do all[i] = assert(client.connect("127.0.0.1", %d, { timeout = 30 })) end
  co.go(function() while true do all[1]:recv(-1) end end)
  server:tick(1, function() local s = server:stats() print("VERSION", s.client_num, s.client_lost_num) end)
end`, peer(t, echo))
	s := scriptingtest.Serve(t, modules, strings.ReplaceAll(script, "VERSION", "one"), [2]string{"worker_num", "1"})
	s.Out.Wait(t, "one\t5\t0\n")
	if !s.Reload(strings.ReplaceAll(script, "VERSION", "two")) {
		t.Fatal("not loaded")
	}
	s.Out.Wait(t, "two\t5\t5\n")
}

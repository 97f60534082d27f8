package scriptingtest

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/stdlib/co"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	out := Run(t, []scripting.Module{co.Module}, `
local co = require "co"
co.sleep(0.001)
print("slept", server.worker_id)
eq({1, a = {2}}, {1, a = {2}})
raises("want {[1]=2}", eq, {[1] = 1}, {[1] = 2})
raises("boom", error, "boom")
raises("nothing was raised", raises, "x", function() end)
fails("no", false, "no", "text")
raises('want false, "no"', fails, "no", true)`)
	if out != "slept\t0\n" {
		t.Errorf("printed %q", out)
	}
}

func TestReload(t *testing.T) {
	const script = "function onReceive() end function onWorkerStart(server, id) print('one ' .. id) end"
	s := Serve(t, nil, script, [2]string{"worker_num", "2"})
	s.Out.WaitCount(t, "one ", 2)
	if s.Reload("error('no')") {
		t.Error("a broken script was loaded")
	}
	if !s.Reload(strings.ReplaceAll(script, "one", "two")) {
		t.Error("not loaded")
	}
	s.Out.WaitCount(t, "two ", 2)
}

package shared_test

import (
	"os"
	"strings"
	"testing"

	"swoon/scripting/scriptingtest"
)

const keeper = `local shared = require "shared"
local t = shared.table("t", @options)
local c = shared.channel("c", @capacity)
function onReceive() end
function onWorkerStart(server, id)
  @start
  server:after(1, function() if id == 0 then @live print("@name is live") end end)
end`

func keep(pairs ...string) string {
	return strings.NewReplacer(append(append([]string{}, pairs...), "@options", "{ columns = { n = \"int\" } }", "@capacity", "2", "@start", "", "@live", "", "@name", "it")...).Replace(keeper)
}

// A new version of the script may change what can be changed without loss, from
// the moment it is live.
func TestReloadChangesDeclarations(t *testing.T) {
	two := [2]string{"worker_num", "2"}
	s := scriptingtest.Serve(t, modules, keep("@name", "one", "@live", `t:set("k", {n = 7}) c:push("x") c:push("y")`), two)
	s.Out.Wait(t, "one is live")

	// More columns are there at once, other limits when the generation is live.
	if !s.Reload(keep("@name", "two", "@options", `{ columns = { n = "int", s = {"string", 4} }, ttl = 1000, max_bytes = "1M" }`, "@capacity", "3",
		"@start", `print("started with", t:stats().max_bytes, t:get("k", "s"), c.capacity)`,
		"@live", `t:set("k", {s = "four"}) print(t:get("k").n, t:get("k").s, t:stats().max_bytes, t:ttl("k") > 900, c.capacity, c:push("z", 0), c:length())`)) {
		t.Fatal("refused")
	}
	s.Out.Wait(t, "two is live")
	s.Out.WaitCount(t, "started with\t0\t\t2\n", 2)
	s.Out.Wait(t, "7\tfour\t1048576\ttrue\t3\ttrue\t3\n")

	// A version that does not start changes no limit.
	if s.Reload(keep("@name", "three", "@options", `{ columns = { n = "int", s = {"string", 8} }, max_bytes = 5000 }`, "@capacity", "9", "@start", `error("no")`)) {
		t.Fatal("loaded")
	}
	if s.Reload(keep("@name", "three", "@start", `shared.table("new", { columns = { a = "int" } }) error("no")`)) {
		t.Fatal("loaded")
	}
	for _, bad := range []struct{ options, capacity, want string }{
		{`{ columns = { n = "float", s = {"string", 4} }, ttl = 1000, max_bytes = "1M" }`, "3", "shared.table 't': column 'n' is of type float here, but int at app.lua:2: column 'n' is of type int and cannot become float (restart the server, or give it another name)"},
		{`{ columns = { n = "int", s = {"string", 3} }, ttl = 1000, max_bytes = "1M" }`, "3", "the strings in it may not fit into string(3)"},
		{`{ columns = { n = "int" }, ttl = 1000, max_bytes = "1M" }`, "3", "it has no column 's' here, but has at app.lua:2: what column 's' holds would be lost"},
		{`{ ttl = 1000, max_bytes = "1M" }`, "3", "it has no columns here, but has at app.lua:2: a table cannot get columns or lose them all"},
	} {
		if s.Reload(keep("@options", bad.options, "@capacity", bad.capacity)) {
			t.Errorf("%s was loaded", bad.options)
		}
		if !strings.Contains(s.Log.String(), bad.want) {
			t.Errorf("no %q in\n%s", bad.want, s.Log)
		}
	}
	if !s.Reload(keep("@name", "four", "@options", `{ columns = { n = "int", s = {"string", 16} }, ttl = 1000, max_bytes = "1M" }`, "@capacity", "1",
		"@start", `shared.table("new", { columns = { a = "float" } })`, // as no version with an int was ever live
		"@live", `print(t:set("k", {s = ("x"):rep(16)}), t:stats().max_bytes, c.capacity, c:length(), c:push("more", 0))`)) {
		t.Fatal("refused")
	}
	s.Out.Wait(t, "four is live")
	s.Out.Wait(t, "true\t1048576\t1\t3\tfalse\ttimeout\t")
}

// One generation must say the same in every VM.
func TestContradictionBetweenWorkers(t *testing.T) {
	s, err := scriptingtest.Load(t, modules, `local shared = require "shared"
if server.worker_id == 1 then
  shared.table("t", { ttl = 1 })
else
  shared.table("t")
end
function onReceive() end`, [2]string{"worker_num", "2"})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Host.Start(s.Logger())
	if err == nil || !strings.Contains(err.Error(), "shared.table 't': ttl is 1s here, but 0s at app.lua:5") {
		t.Error(err)
	}
}

// What a reload of the task workers alone has made is there for the next reload
// of all.
func TestReloadOfTaskWorkersAlone(t *testing.T) {
	const script = `local shared = require "shared"
@declare
function onReceive() end
function onTask() end
function onWorkerStart(server, id) server:after(1, function() if made then print("@name", id, made:add()) end end) end`
	text := func(name, declare string) string {
		return strings.NewReplacer("@name", name, "@declare", declare).Replace(script)
	}
	s := scriptingtest.Serve(t, modules, text("one", ""), [2]string{"worker_num", "1"}, [2]string{"task_worker_num", "1"})
	made := `local made = shared.atomic("made", 10)`
	if err := os.WriteFile(s.Script, []byte(text("two", made)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Host.Reload("test", true)
	s.Out.Wait(t, "two\t1\t11\n")
	if !s.Reload(text("three", made)) {
		t.Fatal("refused")
	}
	s.Out.WaitCount(t, "three\t", 2)
	s.Out.Wait(t, "\t13\n")
}

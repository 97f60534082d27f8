package tests

import (
	"fmt"
	"net"
	"sort"
	"strings"
	"testing"
	"time"
)

// What docs/dispatch.md promises of each mode, cell by cell, of a server.

const dispatchScript = `
local shared, co = require "shared", require "co"
local n = shared.table("counts")
local function add(name) n:incr(name) end

server:set{ mode = "process", worker_num = 4, reactor_num = 2, open_eof_split = true, package_eof = "\n", socket_buffer_size = "8M", buffer_high_watermark = "1M" }

function onConnect(server, fd) add("connect") end
function onClose(server, fd) add("close") end
function onBufferFull(server, fd) add("full") end
function onBufferEmpty(server, fd) add("empty") end

function onReceive(server, fd, reactor_id, data)
  local what, arg = data:match("^(%a+) ?(%S*)")
  local function answer(text) server:send(fd, text .. "\n") end
  if what == "who" then
    answer(server.worker_id)
  elseif what == "bind" then
    answer(tostring(server:bind(fd, tonumber(arg))) .. " " .. tostring(select(2, server:bind(fd, 1))) .. " " .. server:getClientInfo(fd).uid)
  elseif what == "count" then
    answer(n:get(arg) or 0)
  elseif what == "hold" then
    add("begun")
    while not n:get("go") do co.sleep(0.002) end
    answer("held " .. server.worker_id)
  elseif what == "mark" then
    add("marked")
    answer("marked")
  elseif what == "go" then
    n:set("go", true)
    answer("gone")
  elseif what == "number" then
    if tonumber(arg) % 3 == 0 then co.sleep(0.001) end
    answer("number " .. arg)
  elseif what == "flood" then
    server:send(fd, ("x"):rep(6 * 1024 * 1024))
  end
end
`

// dispatchRow is one line of the table.
type dispatchRow struct {
	mode, name                        string
	same, ordered, unordered, unheard string
}

func dispatchTable(t *testing.T) (rows []dispatchRow) {
	for _, line := range strings.Split(read(t, "../docs/dispatch.md"), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || !strings.Contains(cells[1], "`") || strings.Contains(cells[1], "dispatch_mode") {
			continue
		}
		mode, name, _ := strings.Cut(strings.TrimSpace(cells[1]), " ")
		cell := func(i int) string { return strings.TrimSpace(cells[i]) }
		rows = append(rows, dispatchRow{mode, strings.Trim(name, "`"), cell(3), cell(4), cell(5), cell(6)})
	}
	if len(rows) != 8 {
		t.Fatalf("the table has %d modes", len(rows))
	}
	return rows
}

// one of the words that a cell may have.
func word(t *testing.T, cell string, words ...string) int {
	t.Helper()
	for i, w := range words {
		if cell == w {
			return i
		}
	}
	t.Fatalf("the cell %q says none of %q", cell, words)
	return -1
}

func TestDispatchTable(t *testing.T) {
	t.Parallel()
	for _, row := range dispatchTable(t) {
		for _, flags := range [][]string{{"dispatch_mode=" + row.mode}, {"dispatch_mode=" + row.name, "ordered=false"}} {
			t.Run(strings.Join(flags, ","), func(t *testing.T) {
				t.Parallel()
				s := setup{}
				for _, f := range flags {
					s.flags = append(s.flags, "--set", f)
				}
				sv := serve(t, s, dispatchScript)
				dispatchCells(t, sv, row, len(flags) == 1)
			})
		}
	}
}

func dispatchCells(t *testing.T, sv *server, row dispatchRow, ordered bool) {
	same := word(t, row.same, "one event", "a session", "an address", "a uid")
	word(t, row.ordered, "one at a time")
	several := word(t, row.unordered, "may overlap", "may overlap, on several workers") == 1
	silent := word(t, row.unheard, "run", "do not run") == 1 && !ordered
	c := sv.dial(t)
	ask := func(c *client, q string) string {
		t.Helper()
		c.say(q + "\n")
		return c.line()
	}

	// The same for one event, or for a session.
	used := map[string]int{}
	for range 80 {
		used[ask(c, "who")]++
	}
	if (len(used) > 1) != (same == 0) {
		t.Errorf("one session's messages by worker: %v", used)
	}

	// The same for an address: those of one, and twenty others.
	one, many := map[string]int{}, map[string]int{}
	for i := range 20 {
		one[ask(sv.dial(t), "who")]++
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}
		conn, err := d.Dial("tcp", sv.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * patience))
		many[ask(&client{conn.(*net.TCPConn), t, nil}, "who")]++
	}
	if same != 0 && ((len(one) == 1) != (same == 2) || len(many) == 1) {
		t.Errorf("sessions of one address by worker: %v, of twenty: %v", one, many)
	}

	// The same for a uid: four sessions of each of ten.
	if same != 0 {
		byUID := map[int]map[string]bool{}
		all := map[string]bool{}
		for i := range 40 {
			c, uid := sv.dial(t), 100+i%10
			if got, want := ask(c, fmt.Sprint("bind ", uid)), fmt.Sprint("true already_bound ", uid); got != want {
				t.Errorf("bind: %q, want %q", got, want)
			}
			w := ask(c, "who")
			if byUID[uid] == nil {
				byUID[uid] = map[string]bool{}
			}
			byUID[uid][w], all[w] = true, true
		}
		split := 0
		for _, workers := range byUID {
			split += len(workers) - 1
		}
		if same == 3 && (split != 0 || len(all) < 2) || same == 1 && split == 0 {
			t.Errorf("workers of uids: %v", byUID)
		}
	}

	// One at a time, or overlapping.
	other := sv.dial(t)
	count := func(what string, want string) {
		t.Helper()
		eventually(t, what+" is "+want, func() bool { return ask(other, "count "+what) == want })
	}
	held := sv.dial(t)
	held.say(strings.Repeat("hold\n", 8) + "mark\n")
	want := []string{}
	if ordered {
		count("begun", "1")
		for range 20 {
			if got := ask(other, "count marked"); got != "0" {
				t.Errorf("a message has overtaken a callback that waits")
			}
		}
	} else {
		count("begun", "8")
		count("marked", "1")
	}
	ask(other, "go")
	workers := map[string]bool{}
	for range 9 {
		line := held.line()
		what, id, _ := strings.Cut(line, " ")
		want = append(want, what)
		if what == "held" {
			workers[id] = true
		}
	}
	if !ordered {
		if (len(workers) > 1) != several {
			t.Errorf("overlapping callbacks of one session on workers %v", workers)
		}
	} else if want[8] != "marked" {
		t.Errorf("answers in the order %v", want)
	}

	// The order of the answers.
	var text strings.Builder
	var lines []string
	for i := range 100 {
		fmt.Fprintf(&text, "number %d\n", i)
		lines = append(lines, fmt.Sprint("number ", i))
	}
	c.say(text.String())
	var got []string
	for range lines {
		got = append(got, c.line())
	}
	if !ordered {
		sort.Strings(got)
		sort.Strings(lines)
	}
	if strings.Join(got, " ") != strings.Join(lines, " ") {
		t.Errorf("got %v", got)
	}

	// The other events.
	flood := sv.dial(t)
	flood.say("flood\n")
	if !silent {
		count("full", "1")
	}
	flood.take(6 << 20)
	if !silent {
		count("empty", "1")
	}
	flood.Close()
	if silent {
		for _, what := range []string{"connect", "close", "full", "empty"} {
			count(what, "0")
		}
		sv.Log.wait(t, "onConnect, onClose, onBufferFull, onBufferEmpty never run")
		return
	}
	count("close", "1")
	if ask(other, "count connect") == "0" {
		t.Error("onConnect has not run")
	}
	if strings.Contains(sv.Log.String(), "never run") {
		t.Error("the log says that callbacks do not run which do")
	}
}

// enable_unsafe_event has them run all the same.
func TestUnsafeEvents(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{flags: []string{"--set", "dispatch_mode=1", "--set", "ordered=false", "--set", "enable_unsafe_event=true"}}, dispatchScript)
	c := sv.dial(t)
	for range 3 {
		o := sv.dial(t)
		o.say("who\n")
		o.line()
		o.Close()
	}
	eventually(t, "onClose has run", func() bool { c.say("count close\n"); return c.line() == "3" })
	c.say("count connect\n")
	c.expect("4")
}

// In base mode there is one way; what cannot be is refused by name.
func TestDispatchNeedsProcessMode(t *testing.T) {
	t.Parallel()
	sv := launch(t, setup{mode: "base"}, script(t, `
server:set{ dispatch_mode = "round", dispatch_func = function() return 0 end }
function onReceive() end
`))
	sv.quiet = true
	if code := sv.wait(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{`app.lua:2: setting 'dispatch_mode': in base mode a session stays on the loop that reads it (hint: mode = "process")`, "setting 'dispatch_func': in base mode"} {
		if !strings.Contains(sv.Log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, sv.Log)
		}
	}
}

const dispatchFuncScript = `
local calls = 0
server:set{ mode = "process", worker_num = 4, open_eof_split = true, package_eof = "\n", ordered = ORDERED,
  dispatch_func = function(server, fd, kind, data)
    calls = calls + 1
    if kind == 5 then return 2 end
    local what, arg = data:match("^(%a+) ?(%S*)")
    if what == "to" then return tonumber(arg)
    elseif what == "drop" then return -1
    elseif what == "close" then return -2
    elseif what == "far" then return 4
    elseif what == "nothing" then return
    elseif what == "send" then server:send(fd, "no")
    elseif what == "wait" then co.sleep(1)
    elseif what == "loop" then while true do end
    end
    return -3
  end, max_execution_time = 1 }
co = require "co"
local connected
function onConnect(server, fd) server:send(fd, "connected " .. server.worker_id .. "\n") end
function onReceive(server, fd, reactor_id, data)
  server:send(fd, data:sub(1, -2) .. ": " .. server.worker_id .. " VERSION\n")
end
function onClose(server, fd, reactor_id, reason) print("closed " .. reason .. " " .. reactor_id) end
function onError(server, event, err) print(event .. " | " .. err.message) end
`

// A function of the script chooses the worker, drops, closes; when it fails,
// the mode chooses; a reload takes the next one.
func TestDispatchFunc(t *testing.T) {
	t.Parallel()
	for _, ordered := range []string{"true", "false"} {
		t.Run(ordered, func(t *testing.T) {
			text := strings.ReplaceAll(dispatchFuncScript, "ORDERED", ordered)
			sv := serve(t, setup{race: true}, strings.ReplaceAll(text, "VERSION", "one"))
			c := sv.dial(t)
			if ordered == "true" {
				c.expect("connected 2")
			} else {
				sv.Log.wait(t, "onConnect, onClose never run")
			}
			for _, to := range []int{0, 3, 1, 1, 2, 0} {
				c.say(fmt.Sprintf("to %d\ndrop it\n", to))
				c.expect(fmt.Sprintf("to %d: %d one", to, to))
			}
			for what, why := range map[string]string{
				"far":     "dispatch_func must return the id of a worker, 0 to 3, or -1, -2 or -3, not 4",
				"nothing": "dispatch_func must return the id of a worker, 0 to 3, or -1, -2 or -3, not nil",
				"send":    "server:send cannot be used in dispatch_func",
				"wait":    "co.sleep cannot be used in dispatch_func",
				"loop":    "stopped: ran longer than 1s without a wait (max_execution_time)",
			} {
				c.say(what + "\n")
				if got := c.line(); !strings.HasPrefix(got, what+": ") {
					t.Errorf("%s: %q", what, got)
				}
				sv.Out.wait(t, why)
			}
			if sv.Out.count("dispatch_func | ") != 5 {
				t.Errorf("onError was told otherwise:\n%s", sv.Out)
			}
			text = strings.ReplaceAll(text, "return tonumber(arg)", "return 3 - tonumber(arg)")
			sv.save(t, strings.ReplaceAll(text, "VERSION", "two"))
			sv.Log.wait(t, "reloaded")
			c.say("to 0\n")
			c.expect("to 0: 3 two")

			d := sv.dial(t)
			d.say("to 1\nclose\nto 2\n")
			if ordered == "true" {
				d.expect("connected 2")
			}
			d.expect("to 1: 2 two")
			if rest, err := d.rest(); err != nil || rest != "" {
				t.Errorf("got %q, %v", rest, err)
			}
			if ordered == "true" {
				sv.Out.wait(t, "closed server_closed -1")
			}

			// Without the function the mode chooses again, for sessions that are there.
			before, rest, _ := strings.Cut(text, "dispatch_func =")
			_, after, _ := strings.Cut(rest, "end, max")
			sv.save(t, strings.ReplaceAll(before+"max"+after, "VERSION", "three"))
			sv.Log.waitCount(t, "reloaded", 2)
			for _, text := range []string{"to 1", "close", "drop"} {
				c.say(text + "\n")
				if got := c.line(); !strings.HasPrefix(got, text+": ") || !strings.HasSuffix(got, " three") {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}

// Modes and order change by a reload, for sessions that are there.
func TestDispatchChangesLive(t *testing.T) {
	t.Parallel()
	text := `
server:set{ mode = "process", worker_num = 4, open_eof_split = true, package_eof = "\n", dispatch_mode = MODE }
function onReceive(server, fd) server:send(fd, server.worker_id .. " MODE\n") end
`
	sv := serve(t, setup{}, strings.ReplaceAll(text, "MODE", "2"))
	c := sv.dial(t)
	for i, mode := range []string{"2", "1", "10", "4", "3", "2"} {
		if i > 0 {
			sv.save(t, strings.ReplaceAll(text, "MODE", mode))
			sv.Log.waitCount(t, "reloaded", i)
		}
		used := map[string]bool{}
		for range 40 {
			c.say("x\n")
			id, m, _ := strings.Cut(c.line(), " ")
			if used[id] = true; m != mode {
				t.Errorf("an answer of mode %s, want %s", m, mode)
			}
		}
		if each := mode == "1" || mode == "3" || mode == "10"; (len(used) > 1) != each {
			t.Errorf("mode %s: workers %v", mode, used)
		}
	}
}

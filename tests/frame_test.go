package tests

import (
	wire "encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Framing, as a client sees it: packets come whole, one at a time, however the
// stream is torn; what is no packet ends the session, by name.

// fault is a stream that holds no packet, and what must become of its session.
type fault struct{ bytes, reason, log string }

// framings are all the ways to cut a stream: the settings, packets, faults. No
// more faults than the log shows of a flood.
var framings = []struct {
	name, set string
	packets   []string
	loose     bool // where a read ends decides what comes glued
	faults    []fault
}{
	{name: "eof_check", set: `open_eof_check = true, package_eof = ";", package_max_length = 32`, loose: true,
		packets: []string{"one;", ";", "three\x00;"},
		faults:  []fault{{strings.Repeat("x", 32), "frame_too_large", `no package_eof \";\" in 32 bytes`}}},
	{name: "eof_split", set: `open_eof_split = true, package_eof = "--\n--", package_max_length = 32`,
		packets: []string{"one--\n--", "--\n--", "-\n---\n--", "\x00\xff--\n--"},
		faults:  []fault{{strings.Repeat("x", 40), "frame_too_large", `in 32 bytes`}}},
	{name: "length", set: `open_length_check = true, package_max_length = "1K"`,
		packets: []string{u32("hello"), u32(""), u32(strings.Repeat("\x00", 300))},
		faults:  []fault{{"\x00\x01\x00\x00", "frame_too_large", "length field says 65536 bytes, package_max_length is 1024 (package_body_offset adds 4)"}}},
	{name: "signed, inside", set: `open_length_check = true, package_length_type = "s", package_length_offset = 2, package_body_offset = 7`,
		packets: []string{"hh" + s16(2) + "bbbxy", "hh" + s16(0) + "bbb"},
		faults:  []fault{{"hh" + s16(-5), "frame_malformed", "length field says -5 bytes"}}},
	{name: "the length of all", set: `open_length_check = true, package_length_type = "P", package_body_start = 0`,
		packets: []string{"\x08\x00\x00\x00\x00\x00\x00\x00", "\x0b\x00\x00\x00\x00\x00\x00\x00abc"},
		faults:  []fault{{"\x07\x00\x00\x00\x00\x00\x00\x00", "frame_malformed", "length field says 7 bytes, the header alone has 8"}}},
	{name: "text", set: `package_length_text = { prefix = "length:", digits = 13, words = { "HeartBeat", "QUIT" } }`,
		packets: []string{"length:0000000000005hello", "HeartBeat", "length:0000000000000", "QUIT", "length:0000000000001\x00"},
		faults: []fault{{"length:9999999999999", "frame_too_large", "says 9999999999999 bytes"},
			{"length;", "frame_malformed", `a frame begins with \"length;\"`}}},
	{name: "function", set: `package_length_func = measure, package_max_length = 400`,
		packets: []string{"5:hello", "0:", "300:" + strings.Repeat("y", 300)},
		faults: []fault{{"397:", "frame_too_large", "package_length_func says 401 bytes, package_max_length is 400"},
			{"x", "frame_malformed", "package_length_func says -1"},
			{"13:", "frame_malformed", "app.lua:7: an unlucky number"}}},
}

func u32(body string) string {
	return string(wire.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
}

func s16(n int16) string { return string(wire.NativeEndian.AppendUint16(nil, uint16(n))) }

// dialAt is dial for another port of the server.
func (sv *server) dialAt(t testing.TB, port string) *client {
	t.Helper()
	at := *sv
	at.Addr = "127.0.0.1:" + port
	return at.dial(t)
}

const framingScript = `
	local names, ports = {}, {}
	function measure(data)
	  local digits = data:match("^%d*")
	  if #digits > 3 or #digits < #data and data:byte(#digits + 1) ~= 58 then return -1 end
	  if #digits == #data then return 0 end
	  if digits == "13" then error("an unlucky number") end
	  return #digits + 1 + tonumber(digits)
	end
	local function add(name, settings)
	  local p = server:listen("127.0.0.1", 0)
	  p:set(settings)
	  names[#names + 1], ports[#ports + 1] = name, p
	end
	ADD
	function onStart(server)
	  for i, p in ipairs(ports) do print("port of " .. names[i] .. ": " .. p.port .. ".") end
	end
	function onReceive(server, fd, reactor_id, data)
	  local port = server:getClientInfo(fd).server_port
	  if port == server.port then -- not framed: a word at a time is asked
	    if data == "ping\n" then
	      server:send(fd, data)
	    else
	      server:send(fd, (server:stats()["closed_" .. data:sub(1, -2)] or 0) .. "\n")
	    end
	  elseif port == ports[1].port then
	    server:send(fd, data)
	  else
	    server:send(fd, "<" .. data .. ">")
	  end
	end
	function onClose(server, fd, reactor_id, reason)
	  print("closed on " .. server:getClientInfo(fd).server_port .. ": " .. reason .. ".")
	end
	function onError(server, event, err) print("onError " .. event .. ": " .. err.message) end`

func TestFraming(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		var add strings.Builder
		for _, f := range framings {
			fmt.Fprintf(&add, "add(%q, { %s }) ", f.name, f.set)
		}
		sv := serve(t, s, strings.Replace(framingScript, "ADD", add.String(), 1))
		control := sv.dial(t)
		ends := map[string]int{}
		for _, f := range framings {
			m := regexp.MustCompile("port of " + f.name + `: (\d+)\.`).FindStringSubmatch(sv.Out.String())
			if m == nil {
				t.Fatalf("%s has no port:\n%s", f.name, sv.Out)
			}
			want := ""
			for _, p := range f.packets {
				if f.loose {
					want += p
				} else {
					want += "<" + p + ">"
				}
			}
			glued := strings.Join(f.packets, "")
			c := sv.dialAt(t, m[1])
			for i := range len(glued) + 1 {
				c.say(glued[:i])
				if i > 0 && i < len(glued) {
					control.say("ping\n") // the reactor has seen the first part, or is about to
					control.expect("ping")
				}
				c.say(glued[i:])
				if got := c.take(len(want)); got != want {
					t.Fatalf("%s, split at %d: got %q, want %q", f.name, i, got, want)
				}
			}
			ended := map[string]int{}
			for _, fault := range f.faults {
				bad := sv.dialAt(t, m[1])
				bad.say(glued + fault.bytes + "and more")
				if got, err := bad.rest(); got != want || err != nil {
					t.Errorf("%s, then %q: got %q, %v", f.name, fault.bytes, got, err)
				}
				ends[fault.reason]++
				ended[fault.reason]++
				sv.Out.waitCount(t, "closed on "+m[1]+": "+fault.reason+".", ended[fault.reason])
				eventually(t, "the end is counted: "+fault.reason, func() bool {
					control.say(fault.reason + "\n")
					return control.line() == fmt.Sprint(ends[fault.reason])
				})
				if log := sv.Log.String(); !strings.Contains(log, fault.log) || strings.Count(log, "reason="+fault.reason) != ends[fault.reason] {
					t.Errorf("%s, %q: the log says not %q:\n%s", f.name, fault.bytes, fault.log, sv.Log.tail())
				}
			}
			c.say(glued)
			if got := c.take(len(want)); got != want {
				t.Errorf("%s, after faults of others: got %q, want %q", f.name, got, want)
			}
		}
		sv.Out.wait(t, "onError package_length_func: app.lua:7: an unlucky number")
	})
}

// A function of the framing that waits, or that the server is to do something
// for, is told so.
func TestLengthFunctionOnlyAnswers(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
			local co, timer = require "co", require "timer"
			local f = {
			  s = function() co.sleep(0) end,
			  g = function() co.go(function() end) end,
			  r = function() server:recv(1) end,
			  c = function() co.channel(1):pop() end,
			  n = function() server:send(1, "x") end,
			  t = function() timer.after(1, print) end,
			  i = function() return io.open(arg[0]):read("*a") and 1 end,
			  o = function() return {} end,
			  z = function() return 0/0 end,
			  h = function() return 1.5 end,
			  l = function() while true do end end,
			  p = function() print("a print is all right") return 1 end,
			}
			server:set{ max_execution_time = 1, package_length_func = function(data)
			  return f[data:sub(1, 1)](data)
			end }
			function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
			function onError(server, event, err) co.sleep(0.001) print(event .. ": " .. err.message) end`)
		for _, what := range []struct{ say, error string }{
			{"s", "co.sleep cannot be used in package_length_func"},
			{"g", "co.go cannot be used in package_length_func"},
			{"r", "server:recv cannot be used in package_length_func"},
			{"c", "cannot be used in package_length_func"},
			{"n", "server:send cannot be used in package_length_func"},
			{"t", "cannot be used in package_length_func"},
			{"i", "nothing can wait here"},
			{"o", "package_length_func must return a whole number, not table"},
			{"z", "package_length_func must return a whole number"},
			{"h", "package_length_func must return a whole number, not 1.5"},
			{"l", "ran longer than 1s without a wait"},
			{"?", "attempt to call"},
		} {
			c := sv.dial(t)
			c.say("p" + what.say)
			if got, _ := c.rest(); got != "p" {
				t.Errorf("%q: answered %q", what.say, got)
			}
			eventually(t, "onError of "+what.say, func() bool {
				return regexp.MustCompile(`package_length_func: .*` + regexp.QuoteMeta(what.error)).MatchString(sv.Out.String())
			})
		}
		c := sv.dial(t)
		c.say("p")
		if got := c.take(1); got != "p" {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// A session keeps the framing it began with; new ones have the new. What the
// framing asks the script, it asks the newest code that knows.
func TestFramingChangesByReload(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const mark = `package_length_func = function(data) local at = data:find("%s", 1, true) return at or 0 end`
		steps := []struct{ set, packet string }{
			{``, "raw"},
			{`open_eof_split = true, package_eof = ";"`, "a;"},
			{fmt.Sprintf(mark, "1"), "ab1"},
			{fmt.Sprintf(mark, "2"), "ab2"}, // no other setting, other code
			{`package_length_text = { digits = 2 }`, "02ab"},
			{`open_length_check = true, package_length_type = "C", package_body_offset = 1`, "\x02ab"},
			{`open_eof_check = true, package_eof = "!"`, "ab!"},
			{fmt.Sprintf(mark, "3"), "ab3"},
			{`open_eof_split = true, package_eof = "|"`, "ab|"},
		}
		script := func(i int) string {
			return fmt.Sprintf(`server:set{ %s }
				function onReceive(server, fd, reactor_id, data) server:send(fd, "%d" .. data .. "\n") end`, steps[i].set, i)
		}
		sv := serve(t, s, script(0))
		var clients []*client
		function := ""
		for i, step := range steps {
			if i > 0 {
				sv.save(t, script(i))
				sv.Log.waitCount(t, "reloaded generation=", i)
			}
			if strings.Contains(step.set, "func") {
				function = step.packet
			}
			clients = append(clients, sv.dial(t))
			for j, c := range clients {
				packet := steps[j].packet
				if strings.Contains(steps[j].set, "func") {
					packet = function
				}
				n := len(packet)
				if j > 0 { // all but raw
					n--
				}
				c.say(packet[:n])
				c.say(packet[n:])
				if got, want := c.line(), fmt.Sprint(i)+packet; got != want {
					t.Fatalf("generation %d, a session of %d: got %q, want %q", i+1, j+1, got, want)
				}
			}
		}
		for _, c := range clients {
			c.Close()
		}
	})
}

// Packets may be as large as package_max_length, and leave nothing behind.
func TestLargeFrames(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			sv := serve(t, setup{mode: mode, workers: 2, env: []string{"GOGC=50"}}, `
				server:set{ package_max_length = "8M", package_length_text = { prefix = "text", digits = 8 } }
				local ports = {
				  server:listen("127.0.0.1", 0), server:listen("127.0.0.1", 0), server:listen("127.0.0.1", 0),
				}
				ports[1]:set{ package_max_length = "8M", open_length_check = true }
				ports[2]:set{ package_max_length = "8M", open_eof_split = true, package_eof = "0123456789ab" }
				ports[3]:set{ package_max_length = "8M", package_length_func = function(data) if #data < 12 then return 0 end
				  return 8 * 1024 * 1024 + (data:sub(1, 3) == "too" and 1 or 0)
				end }
				function onStart(server)
				  print("ports: " .. ports[1].port .. " " .. ports[2].port .. " " .. ports[3].port .. ".")
				end
				function onReceive(server, fd, reactor_id, data)
				  if data == "text00000004heap" then
				    local junk = ("x"):rep(1e6) .. fd -- so that garbage is collected
				    server:send(fd, math.floor(collectgarbage("count")) .. "\n")
				  else
				    local inside = data:sub(13, -13) == ("\255"):rep(#data - 24)
				    server:send(fd, #data .. " " .. data:sub(-12) .. " " .. tostring(inside) .. "\n")
				  end
				end`)
			control := sv.dial(t)
			heap := func() int {
				n := 0
				control.say("text00000004heap")
				fmt.Sscan(control.line(), &n)
				return n << 10
			}
			before := heap()
			ports := regexp.MustCompile(`ports: (\d+) (\d+) (\d+)\.`).FindStringSubmatch(sv.Out.String())
			for _, f := range []struct{ port, head, over, tail string }{
				{sv.Port, "text08388596", "text08388597", "------------"},
				{ports[1], "\x00\x7f\xff\xfc", "\x00\x7f\xff\xfd", "------------"},
				{ports[2], "", "-", "0123456789ab"},
				{ports[3], "any twelve b", "too many byt", "------------"},
			} {
				a, b := sv.dialAt(t, f.port), sv.dialAt(t, f.port)
				packet := strings.Repeat("\xff", size-len(f.head)-len(f.tail)) + f.tail
				for range 2 {
					done := make(chan error, 2)
					for _, c := range []*client{a, b} {
						go func() {
							_, err := c.Write([]byte(f.head + packet))
							done <- err
						}()
					}
					for _, c := range []*client{a, b} {
						if err := <-done; err != nil {
							t.Fatal(err)
						}
						c.expect(fmt.Sprintf("%d %s true", size, f.tail))
					}
				}
				big := sv.dialAt(t, f.port)
				big.Write([]byte(f.over + packet))
				if got, _ := big.rest(); got != "" {
					t.Errorf("%q is answered: %q", f.over, got)
				}
			}
			sv.Log.waitCount(t, "reason=frame_too_large", 4)
			eventually(t, "the memory is back", func() bool { return heap() < before+4<<20 })
		})
	}
}

// Sessions that have sent packets and are idle keep no memory for the next.
func TestIdleSessionsKeepNoFrames(t *testing.T) {
	t.Parallel()
	const sessions, body = 10_000, 16 << 10
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			sv := serve(t, setup{mode: mode, workers: 2, env: []string{"GOGC=50"}, ulimit: sessions + 1000}, `
				server:set{ open_length_check = true, max_connection = 10100, max_wait_time = 60 }
				function onReceive(server, fd, reactor_id, data)
				  if #data == 4 then
				    local junk = ("x"):rep(1e6) .. fd
				    server:send(fd, math.floor(collectgarbage("count")) .. "\n")
				  else
				    server:send(fd, #data .. "\n")
				  end
				end`)
			control := sv.dial(t)
			heap := func() int {
				n := 0
				control.say(u32(""))
				fmt.Sscan(control.line(), &n)
				return n << 10
			}
			before := heap()
			packet := u32(strings.Repeat("x", body))
			var clients []*client
			for len(clients) < sessions {
				// A hundred at a time have half a packet there.
				for range 100 {
					c, err := dialTCP(sv.Addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					c.SetLinger(0)
					c.SetDeadline(time.Now().Add(4 * patience))
					clients = append(clients, &client{c, t, nil})
					c.Write([]byte(packet[:body/2]))
				}
				for _, c := range clients[len(clients)-100:] {
					c.say(packet[body/2:])
				}
				for _, c := range clients[len(clients)-100:] {
					c.expect(fmt.Sprint(body + 4))
				}
			}
			// Half a packet for each would be 80 MB.
			const each = 2 << 10
			now := 0
			eventually(t, "the memory is back", func() bool { now = heap(); return now < before+sessions*each })
			t.Logf("%d bytes of heap for each session", (now-before)/sessions)
		})
	}
}

// The protocol of the article: a header of text, JSON behind it, heartbeats in
// between.
func TestLengthProtocol(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		packet := func(body string) string { return fmt.Sprintf("length:%013d", len(body)) + body }
		answer := func(body string) string {
			return packet(`"the server got ` + strings.ReplaceAll(body, `"`, `\"`) + `"`)
		}
		s.args = []string{"3600"} // no heartbeat comes in between
		sv := serveFile(t, s, "../scripts/length_protocol_server.lua")
		c := sv.dial(t)
		heard := func(said string, got string) {
			t.Helper()
			if now := c.take(len(got)); now != got {
				t.Fatalf("%q is answered %q, want %q", said, now, got)
			}
		}
		const date = `"Tue, 03 Apr 2018 06:12:37 GMT"`
		// Header and body in two writes, then in one, a heartbeat before it.
		c.say(packet(date)[:20])
		c.say(date)
		heard(date, answer(date))
		sv.Out.wait(t, "1 sent 31 bytes: "+date)
		c.say("HeartBeat" + packet(date))
		heard(date, answer(date))
		sv.Out.waitCount(t, "1 is alive", 1)
		// Two requests at once, torn in the middle of a header, a heartbeat and a body.
		a, b := `{"a":"a"}`, `{"b":[1,null]}`
		all := packet(a) + packet(b) + "HeartBeat" + packet("{}") + "HeartBeat"
		for _, cut := range []int{5, 19, 25, 40, 60, 70, 90} {
			c.say(all[:cut])
			c.say(all[cut:])
			heard(all, answer(a)+answer(b)+answer("{}"))
		}
		sv.Out.waitCount(t, "1 is alive", 15)
		// What is no JSON is said, and costs the client nothing.
		c.say(packet("{") + packet("[]"))
		heard("[]", answer("[]"))
		sv.Out.wait(t, "1 sent no JSON: ")
		// What is no packet is the end.
		other := sv.dial(t)
		other.say(packet("1") + "heartbeat")
		if got, err := other.rest(); got != answer("1") || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		sv.Out.wait(t, "2 left: frame_malformed")
		c.Close()
		sv.Out.wait(t, "1 left: client_closed")
	})
}

// Every client hears the server's heartbeat, between packets.
func TestLengthProtocolHeartbeat(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{workers: 2, args: []string{"0.05"}}, "../scripts/length_protocol_server.lua")
	for range 3 {
		c := sv.dial(t)
		c.say("length:00000000000011")
		beats, answered := 0, false
		for beats < 2 || !answered {
			const answer = `length:0000000000018"the server got 1"`
			switch got := c.take(len("HeartBeat")); got {
			case "HeartBeat":
				beats++
			case answer[:9]:
				if rest := c.take(len(answer) - 9); rest != answer[9:] {
					t.Fatalf("%q follows", rest)
				}
				answered = true
			default:
				t.Fatalf("a packet begins with %q", got)
			}
		}
	}
	sv.Out.wait(t, "heartbeat to 3 clients")
}

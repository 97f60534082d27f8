package scripting

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// declared is what becomes of a script that only declares.
func declared(t *testing.T, script string) (*Host, string) {
	t.Helper()
	h, _, err := load(t, script+"\n"+receives)
	var le *LoadError
	if errors.As(err, &le) {
		return nil, strings.Join(le.Faults, "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	return h, ""
}

// All faults of the framing of all ports are reported together, each with the
// place and the setting to blame.
func TestFramingFaults(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`server:set{ package_length_type = "Z", open_length_check = true }`,
			"app.lua:1: setting 'package_length_type': \"Z\" is none of c C s S n N l L v V J P q Q"},
		{`server:set{ package_max_length = 100 }`,
			"app.lua:1: setting 'package_max_length': none of open_eof_check, open_eof_split and open_length_check is on: a stream without framing has no packages"},
		{`server:set{ package_max_length = "3G", open_eof_check = true }`, `app.lua:1: setting 'package_max_length': "3G" is not in 1..2147483647 bytes`},
		{`server:set{ package_eof = "" }`, "app.lua:1: setting 'package_eof': the string is empty"},
		{`server:set{ package_eof = ("x"):rep(3e6), open_eof_split = true }`,
			"app.lua:1: setting 'package_max_length': 2097152 is less than the 3000000 bytes of package_eof"},
		{`server:set{ package_length_offset = 70000, package_body_start = -1, open_length_check = true }`,
			"app.lua:1: setting 'package_body_start': -1 is not in 0..65535\napp.lua:1: setting 'package_length_offset': 70000 is not in 0..65535"},
		{`server:set{ package_length_func = function() end }
server:set{ open_length_check = false }`, "app.lua:1: setting 'package_length_func': open_length_check is false"},
		{`server:set{ package_length_func = "length" }`, `app.lua:1: setting 'package_length_func': function expected, got string ("length")`},
		{`server:set{ open_length_check = print }`, "app.lua:1: setting 'open_length_check': boolean expected, got function (function (built in))"},
		{`server:set{ package_length_text = { prefix = 1, digit = 13, words = { "a", 2 } } }`,
			"app.lua:1: setting 'package_length_text': prefix must be a string; it has no 'digit' (did you mean 'digits'?); words[2] must be a string; digits is missing: how many the length has"},
		{`server:set{ package_length_text = { "length:", digits = 1.5, words = "PING" } }`,
			"app.lua:1: setting 'package_length_text': digits must be a whole number; words must be a list of strings; it is no list: { prefix = ..., digits = ..., words = {...} }"},
		{`server:set{ package_length_text = { digits = 3, words = { function() end } } }`,
			"app.lua:1: setting 'package_length_text': its value.words[1] is a function"},
		{`server:set{ package_length_text = { digits = 40 } }`, "app.lua:1: setting 'package_length_text': digits: 40 is not in 1..18"},
		{`server:set{ open_eof_check = true }
local p = server:listen("127.0.0.1", 0)
p:set{ package_eof = "x" }
server:listen("127.0.0.1", 0):set{ open_eof_split = true,
  open_length_check = true }`,
			"app.lua:3: setting 'package_eof': neither open_eof_check nor open_eof_split is on\n" +
				"app.lua:4: setting 'open_length_check': open_eof_split is on, too: a port has one framing"},
		{`server:listen("127.0.0.1", 0, "udp"):set{ open_eof_check = true } function onPacket() end`,
			"app.lua:1: setting 'open_eof_check': it means nothing to a port of type udp (udp:127.0.0.1:0)"},
	} {
		if _, got := declared(t, c.script); got != c.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", c.script, got, c.want)
		}
	}
}

// A port that sets nothing is framed as the server says, one that does is
// framed as it says itself. A default said aloud is none.
func TestFramersOfPorts(t *testing.T) {
	h, faults := declared(t, `
		server:set{ open_eof_split = true, package_eof = "\n", package_max_length = 100 }
		server:listen("127.0.0.1", 0)
		server:listen("127.0.0.1", 0):set{ backlog = 7 }
		server:listen("127.0.0.1", 0):set{ open_length_check = true }
		server:listen("127.0.0.1", 0):set{ package_length_text = { digits = 3 } }
		server:listen("127.0.0.1", 0):set{ open_eof_check = true, open_eof_split = false }
		server:listen("127.0.0.1", 0):set{ package_eof = "\r\n\r\n", package_max_length = "2M", package_length_type = "N", open_eof_check = false }
		server:listen("127.0.0.1", 0):set{ package_length_func = function() return 1 end, package_max_length = 9 }`)
	if faults != "" {
		t.Fatal(faults)
	}
	var got []string
	for _, p := range h.gen.Load().settings.Ports {
		o := h.portOptions(p)
		kind := strings.TrimPrefix(fmt.Sprintf("%T", o.Framer), "*")
		if o.FramerOf != nil {
			kind += fmt.Sprintf(" %d", p.maxLength())
		}
		got = append(got, kind)
	}
	want := "frame.eofSplit, frame.eofSplit, frame.Raw, frame.length, frame.text, frame.eofCheck, frame.Raw, frame.byFunc 9"
	if strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
}

// A reload compares what settings say, not the Lua values they were given.
func TestFramingChanges(t *testing.T) {
	settings := func(script string) *Settings {
		h, faults := declared(t, script)
		if faults != "" {
			t.Fatal(faults)
		}
		return h.gen.Load().settings
	}
	const text = `server:set{ package_length_text = { prefix = "length:", digits = 13, words = { "a", "b" } } }`
	const function = `server:set{ package_length_func = function(data) return 1 end }`
	for _, c := range []struct{ a, b, want string }{
		{``, `server:set{ open_eof_check = false, package_length_type = "N", package_body_start = 4, package_max_length = 2 * 1024 * 1024 }`, ""},
		{text, `server:set{ package_length_text = { words = { [2] = "b", [1] = "a" }, digits = 13.0, prefix = "length" .. ":" }, open_length_check = false or nil }`, ""},
		{text, `server:set{ package_length_text = { prefix = "length:", digits = 13 } }`,
			`package_length_text: { digits = 13, prefix = "length:", words = { "a", "b" } } -> { digits = 13, prefix = "length:" }`},
		{function, `server:set{ package_length_func = print }`, ""}, // code is not compared: it is new each time
		{``, function, "package_length_func: (default) -> function (app.lua:1)"},
		{function, text, `package_length_func: function (app.lua:1) -> (default); ` +
			`package_length_text: (default) -> { digits = 13, prefix = "length:", words = { "a", "b" } }`},
		{`server:listen("::1", 7):set{ package_eof = "x", open_eof_split = true }`, `server:listen("::1", 7):set{ open_eof_split = true }`,
			`[::1]:7 package_eof: "x" -> (default)`},
	} {
		if got := strings.Join(changeTexts(settings(c.a).changesTo(settings(c.b))), "; "); got != c.want {
			t.Errorf("%s\n%s\ngot  %s\nwant %s", c.a, c.b, got, c.want)
		}
	}
}

// What server.setting shows of tables and functions is the VM's own: another
// VM's would be touched without its baton.
func TestSettingsBelongToNoVM(t *testing.T) {
	h, faults := declared(t, `
		words = { "PING" }
		server:set{ package_length_text = { digits = 3, words = words } }
		other = server:listen("127.0.0.1", 0)
		function measure(data) return 1 end
		other:set{ package_length_func = measure }`)
	if faults != "" {
		t.Fatal(faults)
	}
	in := h.gen.Load().control
	in.stage = live
	for name, v := range h.Settings().Given {
		switch v.(type) {
		case *lua.LTable, *lua.LFunction, *lua.LUserData:
			t.Errorf("settings hold the VM's own %s", name)
		}
	}
	for code, want := range map[string]string{
		`return server.setting.package_length_text.words[1], server.setting.package_length_text.words == words`: "PING\tfalse",
		`return server.ports[1].setting.package_length_text.digits`:                                             "3",
		`return server.ports[2].setting.package_length_func == measure`:                                         "true",
		`words[1] = "PONG" return server.setting.package_length_text.words[1]`:                                  "PING",
	} {
		if got := run(t, in, code); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

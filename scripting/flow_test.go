package scripting

import (
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Who names only one of the two heartbeat settings gets the other.
func TestHeartbeatSettings(t *testing.T) {
	sec := func(f float64) lua.LValue { return lua.LNumber(f) }
	for _, c := range []struct {
		server, port  string // "check idle", "-": not set
		main, second  time.Duration
		secondHasNone bool // the second port sets nothing itself
	}{
		{server: "- -", port: "- -"},
		{server: "3 -", port: "- -", main: 6 * time.Second, second: 6 * time.Second},
		{server: "3 -", port: "- 1", main: 6 * time.Second, second: time.Second},
		{server: "- 5", port: "- -", main: 5 * time.Second, secondHasNone: true, second: 5 * time.Second},
		{server: "- 5", port: "- -", main: 5 * time.Second},
		{server: "3 5", port: "- -", main: 5 * time.Second, second: 6 * time.Second},
		{server: "3 0", port: "- 0", main: 0, second: 0},
		{server: "3 0", port: "- -", secondHasNone: true},
		{server: "0.5 -", port: "- -", secondHasNone: true, main: time.Second, second: time.Second},
	} {
		values := func(text string) (list []given) {
			for i, f := range strings.Fields(text) {
				if f != "-" {
					n, _ := number(lua.LString(f))
					list = append(list, given{[]string{"heartbeat_check_interval", "heartbeat_idle_time"}[i], sec(n), "here"})
				}
			}
			return list
		}
		d := &portDecl{host: "::1", port: 1, values: values(c.port), hasSet: !c.secondHasNone}
		s, faults := resolve(values(c.server), []*portDecl{d})
		if len(faults) > 0 {
			t.Errorf("%+v: %v", c, faults)
			continue
		}
		if a, b := s.Ports[0].Heartbeat, s.Ports[1].Heartbeat; a != c.main || b != c.second {
			t.Errorf("%+v: %v and %v", c, a, b)
		}
	}
}

func TestFlowSettingsRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		value lua.LValue
		want  string
	}{
		"send_timeout":             {lua.LNumber(0), "wait for each other for ever"},
		"max_queued_bytes":         {lua.LNumber(0), "0 is not in 1..1073741824 bytes"},
		"buffer_output_size":       {lua.LNumber(0), "0 is not in 1..1073741824 bytes"},
		"heartbeat_check_interval": {lua.LNumber(-1), "-1 seconds is not in"},
		"heartbeat_idle_time":      {lua.LString("soon"), "number of seconds expected"},
		"max_idle_time":            {lua.LTrue, "number of seconds expected"},
		"enable_delay_receive":     {lua.LNumber(1), "boolean expected"},
	} {
		if _, fault := set(name, c.value); !strings.Contains(fault, c.want) {
			t.Errorf("%s = %v: %q, want %q", name, c.value, fault, c.want)
		}
	}
}

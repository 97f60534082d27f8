package scripting

import (
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// givenBy reads settings as the fuzzer writes them: a line "name=value" each,
// with "port " before the name for a second port. Values are as on the command
// line; "{a=1,b=x}" is a table.
func givenBy(text string) (server []given, ports []*portDecl) {
	second := &portDecl{where: "second", host: "127.0.0.1", port: 9777, hasPort: true}
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(line, "=")
		v := flagValue(value)
		if inner, ok := strings.CutPrefix(value, "{"); ok {
			t := &lua.LTable{}
			for i, pair := range strings.Split(strings.TrimSuffix(inner, "}"), ",") {
				if k, v, ok := strings.Cut(pair, "="); ok {
					t.RawSetString(k, flagValue(v))
				} else {
					t.RawSetInt(i+1, flagValue(pair))
				}
			}
			v = t
		}
		if port, ok := strings.CutPrefix(name, "port "); ok {
			second.hasSet = true
			second.values = append(second.values, given{port, v, "here"})
			ports = []*portDecl{second}
		} else {
			server = append(server, given{name, v, "here"})
		}
	}
	return server, ports
}

// Whatever is given: every fault says where it is and of which setting; the same
// is said each time; and what has no fault the engine takes, and would take again
// as it is shown.
func FuzzSettings(f *testing.F) {
	for _, row := range settingTable {
		for _, v := range []string{row.def, "0", "1", "-1", "2M", "true", "x", "1e300", "NaN", "{prefix=length:,digits=13}"} {
			f.Add(row.name + "=" + v)
		}
	}
	f.Add("open_length_check=true\npackage_length_type=n\npackage_max_length=100")
	f.Add("socket_buffer_size=4K\nbuffer_high_watermark=5K\nport buffer_low_watermark=1K")
	f.Add("mode=process\nworker_num=2\nreactor_num=3\ndispatch_mode=round\nordered=false")
	f.Add("sock_type=udp\nport open_tcp_keepalive=true\nport tcp_keepidle=7\nport worker_num=3")
	f.Add("host=/tmp/s\nunix_socket_mode=0660\nport package_length_text={prefix=a,digits=1,words={}")
	f.Add("max_coront=") // as near to one name as to another
	f.Fuzz(func(t *testing.T, text string) {
		values, ports := givenBy(text)
		s, faults := resolve(values, ports)
		for _, fault := range faults {
			if !strings.HasPrefix(fault, "here: ") && !strings.HasPrefix(fault, "second: ") || len(fault) < len("here: x") {
				t.Errorf("a fault without a place: %q", fault)
			}
		}
		values, ports = givenBy(text)
		if _, again := resolve(values, ports); !slices.Equal(faults, again) {
			t.Errorf("first %q, then %q", faults, again)
		}
		if len(faults) > 0 {
			return
		}
		o := s.engineOptions()
		if err := o.Validate(); err != nil {
			t.Errorf("the engine refuses what was taken: %v", err)
		}
		var shown []given
		for name, v := range s.Given {
			shown = append(shown, given{name, v, "again"})
		}
		values, ports = givenBy(text)
		if _, again := resolve(shown, ports); len(again) > 0 {
			t.Errorf("what was taken is refused as it is shown: %q", again)
		}
	})
}

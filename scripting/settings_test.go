package scripting

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// set resolves one setting and returns its fault, or "".
func set(name string, v lua.LValue) (*Settings, string) {
	s, faults := resolve([]given{{name, v, "here"}}, nil)
	return s, strings.Join(faults, "\n")
}

func TestSettingsTakeWhatTheyShould(t *testing.T) {
	for _, c := range []struct {
		name  string
		value lua.LValue
		get   func(*Settings) any
		want  any
	}{
		{"host", lua.LString("::1"), func(s *Settings) any { return s.Host }, "::1"},
		{"port", lua.LNumber(0), func(s *Settings) any { return s.Port }, 0},
		{"port", lua.LString("65535"), func(s *Settings) any { return s.Port }, 65535},
		{"mode", lua.LNumber(2), func(s *Settings) any { return s.Mode }, engine.Process},
		{"mode", lua.LString("Base"), func(s *Settings) any { return s.Mode }, engine.Base},
		{"worker_num", lua.LNumber(1024), func(s *Settings) any { return s.Workers }, 1024},
		{"max_conn", lua.LNumber(7), func(s *Settings) any { return s.MaxConnection }, 7},
		{"max_coro_num", lua.LNumber(7), func(s *Settings) any { return s.MaxCoroutine }, 7},
		{"socket_buffer_size", lua.LString("2M"), func(s *Settings) any { return s.SocketBuffer }, 2 << 20},
		{"socket_buffer_size", lua.LString(" 64 k "), func(s *Settings) any { return s.SocketBuffer }, 64 << 10},
		{"socket_buffer_size", lua.LString("1G"), func(s *Settings) any { return s.SocketBuffer }, 1 << 30},
		{"socket_buffer_size", lua.LString("1.5M"), func(s *Settings) any { return s.SocketBuffer }, 3 << 19},
		{"close_timeout", lua.LNumber(0.25), func(s *Settings) any { return s.CloseTimeout }, 250 * time.Millisecond},
		{"max_execution_time", lua.LNumber(0), func(s *Settings) any { return s.MaxExecution }, time.Duration(0)},
		{"open_tcp_nodelay", lua.LFalse, func(s *Settings) any { return s.NoDelay }, false},
		{"error_policy", lua.LString("keep"), func(s *Settings) any { return s.KeepOnError }, true},
		{"log_level", lua.LNumber(4), func(s *Settings) any { return s.LogLevel.String() }, "WARN"},
		{"log_level", lua.LString("ERROR"), func(s *Settings) any { return s.LogLevel.String() }, "ERROR"},
		{"dispatch_mode", lua.LNumber(2), func(s *Settings) any { return s.Dispatch }, engine.ByConnection},
		{"dispatch_mode", lua.LString("FDmod"), func(s *Settings) any { return s.Dispatch }, engine.ByConnection},
		{"ordered", lua.LFalse, func(s *Settings) any { return s.Unordered }, true},
	} {
		s, fault := set(c.name, c.value)
		if got := c.get(s); fault != "" || got != c.want {
			t.Errorf("%s = %s: %v, %q; want %v", c.name, c.value, got, fault, c.want)
		}
	}
}

func TestSettingsRefuseWhatTheyMust(t *testing.T) {
	for _, c := range []struct {
		name  string
		value lua.LValue
		want  string
	}{
		{"port", lua.LNumber(65536), "65536 is not in 0..65535"},
		{"port", lua.LNumber(-1), "-1 is not in 0..65535"},
		{"port", lua.LNumber(1.5), "whole number expected, got number (1.5)"},
		{"port", lua.LNumber(math.NaN()), "whole number expected"},
		{"port", lua.LString("http"), `whole number expected, got string ("http")`},
		{"host", lua.LString(""), "the string is empty"},
		{"host", lua.LNumber(1), "string expected, got number (1)"},
		{"worker_num", lua.LNumber(0), "0 is not in 1..1024"},
		{"close_timeout", lua.LNumber(0), "0 seconds is not in 0.001..3600"},
		{"close_timeout", lua.LNumber(math.NaN()), "seconds is not in"},
		{"close_timeout", lua.LNumber(math.Inf(1)), "seconds is not in"},
		{"socket_buffer_size", lua.LString("2X"), `number of bytes (or a string such as "2M") expected`},
		{"socket_buffer_size", lua.LString("M"), `number of bytes (or a string such as "2M") expected`},
		{"socket_buffer_size", lua.LString(""), `number of bytes (or a string such as "2M") expected`},
		{"socket_buffer_size", lua.LString("2G"), `"2G" is not in 4096..1073741824 bytes`},
		{"socket_buffer_size", lua.LString("1e300G"), "is not in 4096..1073741824 bytes"},
		{"hot_reload", lua.LNumber(1), "boolean expected, got number (1)"},
		{"mode", lua.LString("threads"), `"threads" is neither "base" nor "process"`},
		{"mode", lua.LNumber(3), "swoole.THREAD is not a mode here"},
		{"error_policy", lua.LString("ignore"), `"ignore" is neither "close" nor "keep"`},
		{"log_level", lua.LString("eror"), `"eror" is not a log level (did you mean 'error'?)`},
		{"dispatch_mode", lua.LNumber(11), "11 is not one of 1, 2, 3, 4, 5, 8, 9, 10"},
		{"dispatch_mode", lua.LNumber(1.5), "1.5 is not one of 1, 2, 3, 4, 5, 8, 9, 10, round, fdmod"},
		{"dispatch_mode", lua.LNumber(6), "6 is no mode: set dispatch_func"},
		{"dispatch_mode", lua.LNumber(7), "7 is gone, in Swoole too"},
		{"dispatch_mode", lua.LString("rond"), "(did you mean 'round'?)"},
		{"dispatch_mode", lua.LNumber(1), `in base mode a session stays on the loop that reads it (hint: mode = "process")`},
		{"dispatch_func", lua.LString("f"), "function expected"},
		{"reactor_num", lua.LNumber(1), `in base mode every worker is its own reactor (hint: mode = "process")`},
		{"wroker_num", lua.LNumber(1), "unknown setting 'wroker_num' (did you mean 'worker_num'?)"},
		{"open_mqtt_protocol", lua.LTrue, "setting 'open_mqtt_protocol' is not in this version"},
		{"zzzzzzzzzzzzzzz", lua.LNumber(1), "unknown setting 'zzzzzzzzzzzzzzz'"},
	} {
		_, fault := set(c.name, c.value)
		if !strings.Contains(fault, c.want) || !strings.HasPrefix(fault, "here: ") || !strings.Contains(fault, "'"+c.name+"'") {
			t.Errorf("%s = %s: %q, want %q", c.name, c.value, fault, c.want)
		}
	}
}

// Every row of the table must take its own default, as docs print it, and
// refuse a table.
func TestEverySettingTakesItsDefault(t *testing.T) {
	for _, row := range settingTable {
		if row.doc == "" || row.def == "" {
			t.Errorf("%s: no doc or default", row.name)
		}
		if _, fault := set(row.name, &lua.LTable{}); fault == "" {
			t.Errorf("%s takes a table", row.name)
		}
		var v lua.LValue = lua.LString(strings.Trim(row.def, `"`))
		if text, err := strconv.Unquote(row.def); err == nil {
			v = lua.LString(text)
		}
		if row.def == "true" || row.def == "false" {
			v = lua.LBool(row.def == "true")
		}
		switch row.name {
		case "worker_num", "reactor_num", "log_file":
			continue // the default is a rule
		}
		if strings.Contains(row.def, " ") {
			continue // and so is this
		}
		a, fault := set(row.name, v)
		if fault != "" {
			t.Errorf("%s = %s: %s", row.name, row.def, fault)
			continue
		}
		a.Given, a.Ports = nil, nil
		b := defaultSettings()
		b.Given = nil
		if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
			t.Errorf("%s: the default in the table is not the default:\n%+v\n%+v", row.name, a, b)
		}
	}
}

func TestFaultsAreReportedTogether(t *testing.T) {
	_, _, err := load(t, `
server:set{ worker_num = 0, prot = 1, task_worker_num = 1 }
server:set{ [1] = 2 }
server:on("Recieve", function() end)
server:on("HandShake", function() end)
server:on("Close", 12)
function onConect() end
function onFinish() end
`)
	var le *LoadError
	if !errors.As(err, &le) || len(le.Faults) == 0 {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{
		"app.lua:2: setting 'worker_num': 0 is not in 1..1024",
		"app.lua:2: unknown setting 'prot' (did you mean 'port'?)",
		"app.lua:3: server:set: the name of a setting must be a string, not number (1)",
		"app.lua:4: server:on: unknown event 'Recieve' (did you mean 'Receive'?)",
		"app.lua:5: server:on: event 'HandShake' is not in this version",
		"app.lua:6: server:on: the callback for 'Close' must be a function, not number",
		"app.lua:7: unknown callback 'onConect' (did you mean 'onConnect'?)",
		"app.lua: there is no onReceive: a TCP server needs function onReceive(server, fd, reactor_id, data)",
		"app.lua: task_worker_num is set, but there is no onTask",
	} {
		n := 0
		for _, f := range le.Faults {
			if f == want {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q is reported %d times in\n%s", want, n, err)
		}
	}
}

func TestFlagsBeatTheScript(t *testing.T) {
	h, out, err := load(t, receives+`server:set{ port = 1000, worker_num = 2 } print(server.port, server.setting.worker_num)`,
		[2]string{"port", "2000"}, [2]string{"hot_reload", "false"})
	if err != nil {
		t.Fatal(err)
	}
	if s := h.Settings(); s.Port != 2000 || s.Workers != 2 || s.HotReload {
		t.Errorf("%+v", s)
	}
	if got := out.String(); got != "2000\t2\n" {
		t.Errorf("the script saw %q", got)
	}
	_, _, err = load(t, receives, [2]string{"port", "x"})
	if err == nil || !strings.Contains(err.Error(), "command line: setting 'port': whole number expected") {
		t.Error(err)
	}
}

func TestCallbackGivenTwice(t *testing.T) {
	_, _, err := load(t, "server:on('receive', function() end)\nfunction onReceive() end")
	if err == nil || !strings.Contains(err.Error(), "app.lua:2: callback 'onReceive' is given twice: here as a global function, and at app.lua:1 by server:on") {
		t.Error(err)
	}
	_, _, err = load(t, receives+"function onreceive() end\nfunction onTick() end\nfunction once() end\n")
	if err != nil {
		t.Errorf("names that only look like callbacks: %v", err)
	}
	_, _, err = load(t, receives+"function onHandShake() end")
	if err == nil || !strings.Contains(err.Error(), "app.lua:2: callback 'onHandShake' is not in this version") {
		t.Error(err)
	}
	_, _, err = load(t, "function OnReceive() end\nfunction onREceive() end\nfunction onReceive() end")
	if err == nil || !strings.Contains(err.Error(), "app.lua:2: callback 'onREceive': write it 'onReceive'") {
		t.Error(err)
	}
}

func TestChanges(t *testing.T) {
	n := func(f float64) lua.LValue { return lua.LNumber(f) }
	str := func(s string) lua.LValue { return lua.LString(s) }
	extra := func(port int, values ...given) *portDecl {
		return &portDecl{host: "::1", port: port, kind: engine.TCP, hasPort: true, values: values, hasSet: len(values) > 0}
	}
	for _, c := range []struct {
		name           string
		a, b           []given
		portsA, portsB []*portDecl
		want           string
		refused        bool
	}{
		{name: "nothing", a: []given{{"worker_num", n(3), ""}}, b: []given{{"worker_num", str("3"), ""}}},
		{name: "an alias", a: []given{{"max_conn", n(3), ""}}, b: []given{{"max_connection", n(3), ""}}},
		{name: "another way to say it", a: []given{{"socket_buffer_size", str("2M"), ""}}, b: []given{{"socket_buffer_size", n(2 << 20), ""}}},
		{name: "the default said aloud", b: []given{{"mode", str("base"), ""}, {"close_timeout", n(5), ""}}},
		{name: "workers", b: []given{{"worker_num", n(700), ""}}, want: "worker_num: (default) -> 700"},
		{name: "the mode", b: []given{{"mode", str("process"), ""}}, want: `mode: (default) -> "process"`, refused: true},
		{name: "the address", a: []given{{"port", n(1), ""}}, b: []given{{"port", n(2), ""}}, want: "+ listener 127.0.0.1:2; - listener 127.0.0.1:1"},
		{name: "a port more", portsB: []*portDecl{extra(7)}, want: "+ listener [::1]:7"},
		{name: "a port less", portsA: []*portDecl{extra(7)}, want: "- listener [::1]:7"},
		{name: "a port's own setting", portsA: []*portDecl{extra(7)}, portsB: []*portDecl{extra(7, given{"backlog", n(9), ""})},
			want: "[::1]:7 backlog: (default) -> 9"},
	} {
		a, faults := resolve(c.a, c.portsA)
		b, more := resolve(c.b, c.portsB)
		if len(faults)+len(more) > 0 {
			t.Fatalf("%s: %v %v", c.name, faults, more)
		}
		list := a.changesTo(b)
		if got := strings.Join(changeTexts(list), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := refused(list); (got != "") != c.refused {
			t.Errorf("%s: refused %q", c.name, got)
		}
	}
}

func TestEvents(t *testing.T) {
	for e := range numEvents {
		for _, name := range []string{eventNames[e], "on" + eventNames[e], strings.ToUpper(eventNames[e]), "ON" + strings.ToLower(eventNames[e])} {
			if got, later, ok := findEvent(name); !ok || later || got != e {
				t.Errorf("%s: %v %v %v", name, got, later, ok)
			}
		}
	}
	for _, name := range laterEvents {
		if _, later, ok := findEvent("on" + name); ok || !later {
			t.Errorf("%s is not reserved", name)
		}
	}
	for _, name := range []string{"", "on", "onn", "Receives", "on Receive", "onOnReceive"} {
		if _, later, ok := findEvent(name); ok || later {
			t.Errorf("%q is an event", name)
		}
	}
	// Every name of the API page is known or reserved.
	for _, name := range strings.Fields(`Start BeforeShutdown Shutdown ManagerStart ManagerStop WorkerStart WorkerStop WorkerExit Connect
		Receive Packet Close BufferFull BufferEmpty Task Finish PipeMessage Timer WorkerError BeforeReload AfterReload Error`) {
		if _, later, ok := findEvent(name); !ok && !later {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"worker_num", "task_worker_num", "host", "port"}
	for in, want := range map[string]string{
		"wroker_num": " (did you mean 'worker_num'?)", "workernum": " (did you mean 'worker_num'?)",
		"prot": " (did you mean 'port'?)", "PORT": " (did you mean 'port'?)", "hosts": " (did you mean 'host'?)",
		"zzzzz": "", "": "",
	} {
		if got := didYouMean(in, names); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
	for _, names := range [][]string{{"max_conn", "max_coro_num"}, {"max_coro_num", "max_conn"}} { // as near
		if got := didYouMean("max_coront", names); got != " (did you mean 'max_conn'?)" {
			t.Errorf("of %v: %s", names, got)
		}
	}
}

// FuzzDistance holds the three-row distance against the full matrix.
func FuzzDistance(f *testing.F) {
	for _, p := range [][2]string{{"", ""}, {"abc", "acb"}, {"port", "prot"}, {"kitten", "sitting"}, {"ab", "ba"}} {
		f.Add(p[0], p[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got := distance(a, b)
		if len(a) > 64 || len(b) > 64 {
			if got != len(a)+len(b) {
				t.Errorf("too long: %d", got)
			}
			return
		}
		d := make([][]int, len(a)+1)
		for i := range d {
			d[i] = make([]int, len(b)+1)
			d[i][0] = i
		}
		for j := range d[0] {
			d[0][j] = j
		}
		for i := 1; i <= len(a); i++ {
			for j := 1; j <= len(b); j++ {
				cost := 1
				if a[i-1] == b[j-1] {
					cost = 0
				}
				d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					d[i][j] = min(d[i][j], d[i-2][j-2]+1)
				}
			}
		}
		if want := d[len(a)][len(b)]; got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
		if back := distance(b, a); back != got {
			t.Errorf("not symmetric: %d, %d", got, back)
		}
	})
}

// The errors that storm one place are shown ten times, then counted.
func TestStorm(t *testing.T) {
	var s storm
	shown, hidden := 0, 0
	for range 1000 {
		if n, ok := s.allow("onReceive", "app.lua", 3); ok {
			shown++
			hidden += n
		}
	}
	if shown < stormShow || shown > stormShow+5 { // a slow machine: once a second
		t.Errorf("%d of 1000 shown", shown)
	}
	for _, other := range []struct {
		what, file string
		line       int
	}{{"onConnect", "app.lua", 3}, {"onReceive", "lib.lua", 3}, {"onReceive", "app.lua", 4}} {
		if n, ok := s.allow(other.what, other.file, other.line); !ok || n != 0 {
			t.Errorf("%v is hidden by a storm elsewhere", other)
		}
	}
	// A second later the next one is shown, with what was not.
	g := s.seen["onReceive app.lua:3"]
	g.last -= 2 * second
	if n, ok := s.allow("onReceive", "app.lua", 3); !ok || n+hidden+shown != 1000 {
		t.Errorf("after a second: %v, %d not shown, %d + %d before", ok, n, shown, hidden)
	}
	if _, ok := s.allow("onReceive", "app.lua", 3); ok {
		t.Error("two shown within a second of the storm")
	}
	// When it has been quiet for long, it is a new storm.
	g.last -= 20 * second
	for i := range stormShow {
		if _, ok := s.allow("onReceive", "app.lua", 3); !ok {
			t.Errorf("only %d shown after a calm", i)
			break
		}
	}
}

func TestRefusedSettingsAreSortedOut(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range refusals {
		for _, name := range strings.Fields(r.names) {
			if findSetting(name) != nil || settingAliases[name] != "" || idleSettings[name] != "" || seen[name] {
				t.Errorf("%s is refused, and something else too", name)
			}
			seen[name] = true
			if _, fault := set(name, lua.LTrue); fault != "here: setting '"+name+"' "+r.why {
				t.Errorf("%s: %q", name, fault)
			}
		}
	}
}

// swooleSettings are the names that a server's set takes there, in its order.
const swooleSettings = `
	debug_mode trace_flags log_file log_level log_date_format log_date_with_microseconds log_rotation display_errors dns_server
	socket_dns_timeout socket_connect_timeout socket_write_timeout socket_send_timeout socket_read_timeout socket_recv_timeout
	socket_buffer_size socket_timeout http2_header_table_size http2_enable_push http2_max_concurrent_streams http2_init_window_size
	http2_max_frame_size http2_max_header_list_size http2_max_headers
	chroot user group daemonize pid_file reactor_num single_thread worker_num max_wait_time max_queued_bytes max_concurrency
	worker_max_concurrency enable_coroutine send_timeout dispatch_mode send_yield dispatch_func discard_timeout_request
	enable_unsafe_event enable_delay_receive enable_reuse_port task_use_object task_object event_object task_enable_coroutine
	task_worker_num task_ipc_mode task_tmpdir task_max_request task_max_request_grace max_connection max_conn start_session_id
	heartbeat_check_interval heartbeat_idle_time max_request max_request_grace reload_async open_cpu_affinity cpu_affinity_ignore
	http_parse_cookie http_parse_post http_parse_files http_compression http_compression_level compression_level http_gzip_level
	http_compression_min_length compression_min_length websocket_compression upload_tmp_dir upload_max_filesize
	enable_static_handler document_root http_autoindex http_index_files http_compression_types compression_types
	static_handler_locations input_buffer_size buffer_input_size output_buffer_size buffer_output_size message_queue_key bootstrap
	init_arguments url_rewrite_rules
	ssl_cert_file ssl_key_file backlog kernel_socket_recv_buffer_size kernel_socket_send_buffer_size buffer_high_watermark
	buffer_low_watermark open_tcp_nodelay tcp_defer_accept open_tcp_keepalive open_eof_check open_eof_split package_eof
	open_http_protocol open_websocket_protocol websocket_subprotocol open_websocket_close_frame open_websocket_ping_frame
	open_websocket_pong_frame open_http2_protocol open_mqtt_protocol open_redis_protocol max_idle_time tcp_keepidle
	tcp_keepinterval tcp_keepcount tcp_user_timeout tcp_fastopen open_length_check package_length_type package_length_offset
	package_body_offset package_body_start package_length_func package_max_length ssl_compress ssl_protocols ssl_verify_peer
	ssl_allow_self_signed ssl_client_cert_file ssl_cafile ssl_capath ssl_verify_depth ssl_prefer_server_ciphers ssl_ciphers
	ssl_ecdh_curve ssl_dhparam ssl_sni_certs
	aio_core_worker_num aio_worker_num aio_max_wait_time aio_max_idle_time iouring_entries iouring_workers iouring_flag
	enable_signalfd wait_signal dns_cache_refresh_time thread_num min_thread_num max_thread_num socket_dontwait dns_lookup_random
	use_async_resolver max_coro_num max_coroutine enable_deadlock_check hook_flags enable_preemptive_scheduler c_stack_size
	stack_size name_resolver dns_cache_expire dns_cache_capacity stats_file stats_timer_interval admin_server`

// Every setting of Swoole's works, or does nothing and says why, or is refused
// with a reason: a script that comes from there is never told "unknown".
func TestEverySwooleSettingHasAnAnswer(t *testing.T) {
	for _, name := range strings.Fields(swooleSettings) {
		if s, fault := set(name, lua.LTrue); strings.Contains(fault, "unknown setting") || fault == "" && findSetting(name) == nil && settingAliases[name] == "" && len(s.Notices) != 1 {
			t.Errorf("%s: %q", name, fault)
		}
	}
}

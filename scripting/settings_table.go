package scripting

import (
	"slices"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// setting is one row of the table of settings. It belongs to the server or to
// a port: one of server and port is set.
type setting struct {
	name   string
	def    string // the default, for docs
	doc    string
	server func(*Settings, lua.LValue) error
	port   func(*PortSettings, lua.LValue) error
	// of says which kinds of ports it is for; nil: those with sessions.
	of func(engine.Kind) bool
	// needs names another setting without which it does nothing; "": there is
	// none, or it is set.
	needs func(*PortSettings) string
	// fixed says why a reload cannot change it; empty: it can.
	fixed string
}

// settingTable is all of them, in the order of the settings page.
var settingTable = slices.Concat(socketSettings, framingSettings, flowSettings, taskSettings, dispatchSettings, serverSettings, lifeSettings, objectSettings, statsSettings, daemonSettings)

var serverSettings = []setting{
	{name: "mode", def: `"base"`, server: setMode,
		doc:   `"base": a loop reads and runs callbacks; "process": reactors read, workers run callbacks`,
		fixed: "a session cannot move between a reactor and a worker that is none"},
	{name: "worker_num", def: "GOMAXPROCS", server: integer(func(s *Settings) *int { return &s.Workers }, 1, 1024),
		doc: "workers: loops that run callbacks, each with a Lua VM"},
	{name: "reactor_num", def: "min(8, GOMAXPROCS, worker_num)", server: integer(func(s *Settings) *int { return &s.Reactors }, 1, 1024),
		doc:   `loops that own sockets; mode = "process" only`,
		fixed: "reactors own the sockets of their sessions"},
	{name: "task_worker_num", def: "0", server: integer(func(s *Settings) *int { return &s.TaskWorkers }, 0, 1024),
		doc: "task workers, each with a Lua VM"},
	{name: "max_connection", def: "100000", server: integer(func(s *Settings) *int { return &s.MaxConnection }, 1, 1<<24),
		doc: "sessions at once; more are refused"},
	{name: "max_connection_per_ip", def: "0", server: integer(func(s *Settings) *int { return &s.MaxPerIP }, 0, 1<<24),
		doc: "sessions at once from one client address; more are refused; 0: no limit"},
	{name: "start_session_id", def: "0", server: integer(func(s *Settings) *int { return &s.StartSession }, 0, 1<<52),
		doc:   "the first session's fd is one more; whoever keeps fds elsewhere can so tell those of one run from the next",
		fixed: "sessions have had ids already"},
	{name: "socket_buffer_size", def: "8M", port: size(func(s *PortSettings) *int { return &s.SocketBuffer }, 4<<10, 1<<30),
		doc: "unsent bytes a session may have: a hard cap"},
	{name: "buffer_high_watermark", def: "4/5 of socket_buffer_size", port: size(func(s *PortSettings) *int { return &s.HighWater }, 1, 1<<30),
		doc: "unsent bytes at which onBufferFull runs"},
	{name: "buffer_low_watermark", def: "0", port: size(func(s *PortSettings) *int { return &s.LowWater }, 0, 1<<30),
		doc: "unsent bytes at which, after that, onBufferEmpty runs"},
	{name: "max_execution_time", def: "10", server: duration(func(s *Settings) *time.Duration { return &s.MaxExecution }, 0, 86400),
		doc: "seconds a callback may compute without a wait; 0: no limit"},
	{name: "memory_limit", def: "3/4 of the machine's or the cgroup's memory", server: size(func(s *Settings) *int { return &s.MemoryLimit }, 0, 1<<46),
		doc: "bytes the whole process may use; the callback that runs longest is stopped when it uses more; 0: no limit"},
	{name: "strict", def: "false", server: boolean(func(s *Settings) *bool { return &s.Strict }),
		doc: "writing an undefined global variable inside a function is an error"},
	{name: "task_max_execution_time", def: "0", server: duration(func(s *Settings) *time.Duration { return &s.TaskExecution }, 0, 86400),
		doc: "the same on task workers"},
	{name: "callback_timeout", def: "0", server: duration(func(s *Settings) *time.Duration { return &s.CallbackTime }, 0, 86400),
		doc: "seconds that a callback of a session, a packet, a message, a task's result or a timer may take from its first wait on, all waits included; then they fail. 0: no limit"},
	{name: "close_timeout", def: "5", server: duration(func(s *Settings) *time.Duration { return &s.CloseTimeout }, 0.001, 3600),
		doc: "seconds a close waits for the peer"},
	{name: "max_wait_time", def: "3", server: duration(func(s *Settings) *time.Duration { return &s.MaxWait }, 0.001, 86400),
		doc: "seconds a shutdown waits for what is under way"},
	{name: "reload_drain_time", def: "60", server: duration(func(s *Settings) *time.Duration { return &s.DrainTime }, 0.001, 86400),
		doc: "seconds old code may go on after a reload"},
	{name: "port_drain_time", def: "0", server: duration(func(s *Settings) *time.Duration { return &s.PortDrain }, 0, 86400*30),
		doc: "seconds after which the sessions of a listener that a reload has removed are closed; 0: they stay"},
	{name: "reload_async", def: "true", server: boolean(func(s *Settings) *bool { return &s.ReloadAsync }),
		doc: "after a reload, let callbacks in flight finish on the old code; false: cancel them"},
	{name: "max_coroutine", def: "100000", server: integer(func(s *Settings) *int { return &s.MaxCoroutine }, 1, 1<<24),
		doc: "fibers that may wait on one worker"},
	{name: "error_policy", def: `"close"`, server: setErrorPolicy,
		doc: `what an error in onConnect or onReceive does to its session: "close" or "keep"`},
	{name: "hot_reload", def: "true", server: boolean(func(s *Settings) *bool { return &s.HotReload }),
		doc: "load the script again when it is saved"},
	{name: "log_level", def: `"info"`, server: setLogLevel,
		doc: `"debug", "info", "notice", "warning", "error", "none", or Swoole's numbers 0 to 6`},
}

// settingAliases are old names of settings.
var settingAliases = map[string]string{
	"max_conn": "max_connection", "task_object": "task_use_object", "max_coro_num": "max_coroutine", "buffer_output_size": "output_buffer_size",
	"package_body_start": "package_body_offset",
}

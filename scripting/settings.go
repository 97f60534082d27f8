package scripting

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// Settings are what a script sets, with defaults filled in. One table, below,
// says the name, type, range and default of each.
type Settings struct {
	Host          string
	Port          int
	Mode          engine.Mode
	Workers       int
	Reactors      int
	TaskWorkers   int
	MaxConnection int
	Backlog       int
	NoDelay       bool
	SocketBuffer  int
	HighWater     int
	LowWater      int
	MemoryLimit   int // 0: off
	MaxExecution  time.Duration
	TaskExecution time.Duration
	CloseTimeout  time.Duration
	MaxWait       time.Duration
	DrainTime     time.Duration
	MaxCoroutine  int
	TaskQueue     int
	TaskCoroutine bool
	KeepOnError   bool // error_policy = "keep"
	HotReload     bool
	Strict        bool
	LogFile       string
	LogLevel      slog.Level

	// Given are the values as the script or the command line gave them, by
	// name: what server.setting shows.
	Given map[string]lua.LValue
}

// setting is one row of the table of settings.
type setting struct {
	name string
	def  string // the default, for docs
	doc  string
	set  func(*Settings, lua.LValue) error
}

var settingTable = []setting{
	{"host", "127.0.0.1", "address to listen on: an IPv4 or IPv6 address", str(func(s *Settings) *string { return &s.Host })},
	{"port", "9501", "port to listen on; 0 lets the kernel choose", integer(func(s *Settings) *int { return &s.Port }, 0, 65535)},
	{"mode", `"base"`, `"base": a loop reads and runs callbacks; "process": reactors read, workers run callbacks`, setMode},
	{"worker_num", "GOMAXPROCS", "workers: loops that run callbacks, each with a Lua VM", integer(func(s *Settings) *int { return &s.Workers }, 1, 1024)},
	{"reactor_num", "min(8, GOMAXPROCS, worker_num)", `loops that own sockets; mode = "process" only`, integer(func(s *Settings) *int { return &s.Reactors }, 1, 1024)},
	{"task_worker_num", "0", "task workers, each with a Lua VM", integer(func(s *Settings) *int { return &s.TaskWorkers }, 0, 1024)},
	{"max_connection", "100000", "sessions at once; more are refused", integer(func(s *Settings) *int { return &s.MaxConnection }, 1, 1<<24)},
	{"backlog", "512", "clients that may wait in the kernel to be accepted", integer(func(s *Settings) *int { return &s.Backlog }, 1, 65535)},
	{"open_tcp_nodelay", "true", "send small packets at once", boolean(func(s *Settings) *bool { return &s.NoDelay })},
	{"socket_buffer_size", "8M", "unsent bytes a session may have: a hard cap", size(func(s *Settings) *int { return &s.SocketBuffer }, 4<<10, 1<<30)},
	{"buffer_high_watermark", "4/5 of socket_buffer_size", "unsent bytes at which onBufferFull runs", size(func(s *Settings) *int { return &s.HighWater }, 1, 1<<30)},
	{"buffer_low_watermark", "0", "unsent bytes at which, after that, onBufferEmpty runs", size(func(s *Settings) *int { return &s.LowWater }, 0, 1<<30)},
	{"max_execution_time", "10", "seconds a callback may compute without a wait; 0: no limit", duration(func(s *Settings) *time.Duration { return &s.MaxExecution }, 0, 86400)},
	{"memory_limit", "3/4 of the machine's or the cgroup's memory", "bytes the whole process may use; the callback that runs longest is stopped when it uses more; 0: no limit", size(func(s *Settings) *int { return &s.MemoryLimit }, 0, 1<<46)},
	{"strict", "false", "writing an undefined global variable inside a function is an error", boolean(func(s *Settings) *bool { return &s.Strict })},
	{"task_max_execution_time", "0", "the same on task workers", duration(func(s *Settings) *time.Duration { return &s.TaskExecution }, 0, 86400)},
	{"close_timeout", "5", "seconds a close waits for the peer", duration(func(s *Settings) *time.Duration { return &s.CloseTimeout }, 0.001, 3600)},
	{"max_wait_time", "3", "seconds a shutdown waits for what is under way", duration(func(s *Settings) *time.Duration { return &s.MaxWait }, 0.001, 86400)},
	{"reload_drain_time", "60", "seconds old code may go on after a reload", duration(func(s *Settings) *time.Duration { return &s.DrainTime }, 0.001, 86400)},
	{"max_coroutine", "100000", "fibers that may wait on one worker", integer(func(s *Settings) *int { return &s.MaxCoroutine }, 1, 1<<24)},
	{"task_queue_size", "100000", "tasks that may wait for a task worker", integer(func(s *Settings) *int { return &s.TaskQueue }, 1, 1<<24)},
	{"task_enable_coroutine", "false", "a task worker takes the next task while one waits", boolean(func(s *Settings) *bool { return &s.TaskCoroutine })},
	{"error_policy", `"close"`, `what an error in onConnect or onReceive does to its session: "close" or "keep"`, setErrorPolicy},
	{"hot_reload", "true", "load the script again when it is saved", boolean(func(s *Settings) *bool { return &s.HotReload })},
	{"log_file", "stderr", "file the log is appended to", str(func(s *Settings) *string { return &s.LogFile })},
	{"log_level", `"info"`, `"debug", "info", "notice", "warning", "error", "none", or Swoole's numbers 0 to 6`, setLogLevel},
	{"dispatch_mode", "2", "2 (a session stays on its worker); the other modes come later", setDispatchMode},
}

// settingAliases are old names of settings.
var settingAliases = map[string]string{
	"max_conn": "max_connection", "max_coro_num": "max_coroutine",
}

func defaultSettings() *Settings {
	return &Settings{
		Host: "127.0.0.1", Port: 9501, Mode: engine.Base, Workers: runtime.GOMAXPROCS(0),
		MaxConnection: engine.DefaultMaxSessions, Backlog: engine.DefaultBacklog, NoDelay: true,
		SocketBuffer: engine.DefaultOutboxBytes, MaxExecution: engine.DefaultMaxStretch,
		CloseTimeout: engine.DefaultCloseTime, MaxWait: engine.DefaultDrainTime, DrainTime: 60 * time.Second,
		MemoryLimit: defaultMemoryLimit(), MaxCoroutine: engine.DefaultMaxFibers, TaskQueue: engine.DefaultTaskQueue, HotReload: true,
		LogLevel: slog.LevelInfo, Given: map[string]lua.LValue{},
	}
}

// engineOptions are the settings as the engine wants them.
func (s *Settings) engineOptions() engine.Options {
	o := engine.Options{
		Mode: s.Mode, Workers: s.Workers, Reactors: s.Reactors, TaskWorkers: s.TaskWorkers,
		Listen:  []engine.Listen{{Host: s.Host, Port: s.Port}},
		Backlog: s.Backlog, MaxSessions: s.MaxConnection, OutboxBytes: s.SocketBuffer, HighWater: s.HighWater, LowWater: s.LowWater,
		TaskQueue: s.TaskQueue, MaxFibers: s.MaxCoroutine, CloseTime: s.CloseTimeout, DrainTime: s.MaxWait,
		MemoryLimit: uint64(s.MemoryLimit), MaxStretch: s.MaxExecution, TaskStretch: s.TaskExecution, TaskConcurrent: s.TaskCoroutine, NoDelayOff: !s.NoDelay,
	}
	if o.MaxStretch == 0 {
		o.MaxStretch = -1 // 0 means the default there
	}
	return o
}

// given is one value for one setting, and where it was given.
type given struct {
	name  string
	value lua.LValue
	where string // "app.lua:3", or the flag
}

// resolve applies values in order over the defaults and reports every fault.
func resolve(values []given) (*Settings, []string) {
	s := defaultSettings()
	var faults []string
	fault := func(g given, format string, args ...any) {
		faults = append(faults, g.where+": "+fmt.Sprintf(format, args...))
	}
	last := map[string]given{}
	for _, g := range values {
		name := g.name
		if real, ok := settingAliases[name]; ok {
			name = real
		}
		row := findSetting(name)
		if row == nil {
			if isKnownSetting(name) {
				fault(g, "setting '%s' is not in this version", g.name)
			} else {
				fault(g, "unknown setting '%s'%s", g.name, didYouMean(name, settingNames()))
			}
			continue
		}
		if err := row.set(s, g.value); err != nil {
			fault(g, "setting '%s': %v", g.name, err)
			continue
		}
		s.Given[name] = g.value
		last[name] = g
	}
	high := s.HighWater
	if high == 0 {
		high = s.SocketBuffer / 5 * 4
	}
	if g, ok := last["buffer_high_watermark"]; ok && high > s.SocketBuffer {
		fault(g, "setting 'buffer_high_watermark': %d is more than socket_buffer_size %d", high, s.SocketBuffer)
	}
	if g, ok := last["buffer_low_watermark"]; ok && s.LowWater >= high {
		fault(g, "setting 'buffer_low_watermark': %d is not less than buffer_high_watermark %d", s.LowWater, high)
	}
	if g, ok := last["reactor_num"]; ok {
		if s.Mode == engine.Base {
			fault(g, `setting 'reactor_num': in base mode every worker is its own reactor (hint: mode = "process")`)
		} else if s.Reactors > s.Workers {
			fault(g, "setting 'reactor_num': %d is more than worker_num %d", s.Reactors, s.Workers)
		}
	}
	return s, faults
}

func findSetting(name string) *setting {
	for i := range settingTable {
		if settingTable[i].name == name {
			return &settingTable[i]
		}
	}
	return nil
}

func settingNames() []string {
	var names []string
	for _, row := range settingTable {
		names = append(names, row.name)
	}
	for alias := range settingAliases {
		names = append(names, alias)
	}
	return append(names, knownSettings...)
}

func isKnownSetting(name string) bool {
	for _, n := range knownSettings {
		if n == name {
			return true
		}
	}
	return false
}

// differences names the settings that two declarations set differently.
func differences(a, b *Settings) []string {
	var diff []string
	for _, row := range settingTable {
		va, vb := show(a.Given[row.name]), show(b.Given[row.name])
		if va != vb {
			diff = append(diff, fmt.Sprintf("%s: %s -> %s", row.name, va, vb))
		}
	}
	sort.Strings(diff)
	return diff
}

func show(v lua.LValue) string {
	switch x := v.(type) {
	case nil:
		return "(default)"
	case lua.LString:
		return strconv.Quote(string(x))
	}
	return v.String()
}

func typeFault(want string, v lua.LValue) error {
	return fmt.Errorf("%s expected, got %s (%s)", want, v.Type(), show(v))
}

func str(field func(*Settings) *string) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		x, ok := v.(lua.LString)
		if !ok {
			return typeFault("string", v)
		}
		if x == "" {
			return fmt.Errorf("the string is empty")
		}
		*field(s) = string(x)
		return nil
	}
}

func boolean(field func(*Settings) *bool) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		x, ok := v.(lua.LBool)
		if !ok {
			return typeFault("boolean", v)
		}
		*field(s) = bool(x)
		return nil
	}
}

// number accepts numbers and strings that are numbers (from the command line).
func number(v lua.LValue) (float64, bool) {
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x), true
	case lua.LString:
		f, err := strconv.ParseFloat(string(x), 64)
		return f, err == nil
	}
	return 0, false
}

func integer(field func(*Settings) *int, lo, hi int) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		f, ok := number(v)
		if !ok || f != math.Trunc(f) {
			return typeFault("whole number", v)
		}
		if f < float64(lo) || f > float64(hi) {
			return fmt.Errorf("%v is not in %d..%d", f, lo, hi)
		}
		*field(s) = int(f)
		return nil
	}
}

func duration(field func(*Settings) *time.Duration, lo, hi float64) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		f, ok := number(v)
		if !ok {
			return typeFault("number of seconds", v)
		}
		if !(f >= lo && f <= hi) {
			return fmt.Errorf("%v seconds is not in %v..%v", f, lo, hi)
		}
		*field(s) = time.Duration(f * float64(time.Second))
		return nil
	}
}

// size accepts bytes, as a number or as text with K, M or G.
func size(field func(*Settings) *int, lo, hi int) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		unit, in := 1.0, v
		if text, ok := v.(lua.LString); ok && text != "" {
			t := strings.ToUpper(strings.TrimSpace(string(text)))
			if i := strings.IndexByte("KMG", t[len(t)-1]); i >= 0 {
				unit = float64(int(1) << (10 * (i + 1)))
				in = lua.LString(strings.TrimSpace(t[:len(t)-1]))
			}
		}
		f, ok := number(in)
		if !ok {
			return typeFault(`number of bytes (or a string such as "2M")`, v)
		}
		f *= unit
		if !(f >= float64(lo) && f <= float64(hi)) || f != math.Trunc(f) {
			return fmt.Errorf("%s is not in %d..%d bytes", show(v), lo, hi)
		}
		*field(s) = int(f)
		return nil
	}
}

func setMode(s *Settings, v lua.LValue) error {
	switch strings.ToLower(v.String()) {
	case "base", "1":
		s.Mode = engine.Base
	case "process", "2":
		s.Mode = engine.Process
	case "thread", "3":
		return fmt.Errorf(`swoole.THREAD is not a mode here: every worker already is a thread with a VM of its own (use "base" or "process")`)
	default:
		return fmt.Errorf(`%s is neither "base" nor "process"`, show(v))
	}
	return nil
}

func setErrorPolicy(s *Settings, v lua.LValue) error {
	switch v.String() {
	case "close":
		s.KeepOnError = false
	case "keep":
		s.KeepOnError = true
	default:
		return fmt.Errorf(`%s is neither "close" nor "keep"`, show(v))
	}
	return nil
}

func setDispatchMode(s *Settings, v lua.LValue) error {
	f, ok := number(v)
	if !ok || f != math.Trunc(f) || f < 1 || f > 10 {
		return fmt.Errorf("%s is not one of 1..10", show(v))
	}
	if f != 2 {
		return fmt.Errorf(`mode %v is not in this version: 2 is, a session stays on the worker it was given (other modes will need mode = "process")`, f)
	}
	return nil
}

// LevelNotice lies between info and warning, as in Swoole.
const LevelNotice = slog.Level(2)

// LevelNone logs nothing.
const LevelNone = slog.Level(100)

var logLevels = []struct {
	name  string
	level slog.Level
}{
	{"debug", slog.LevelDebug}, {"trace", slog.LevelDebug}, {"info", slog.LevelInfo}, {"notice", LevelNotice},
	{"warning", slog.LevelWarn}, {"error", slog.LevelError}, {"none", LevelNone},
}

func setLogLevel(s *Settings, v lua.LValue) error {
	if f, ok := number(v); ok {
		if f != math.Trunc(f) || f < 0 || f > 6 {
			return fmt.Errorf("%v is not in 0..6", f)
		}
		s.LogLevel = logLevels[int(f)].level
		return nil
	}
	for _, l := range logLevels {
		if strings.EqualFold(v.String(), l.name) {
			s.LogLevel = l.level
			return nil
		}
	}
	return fmt.Errorf("%s is not a log level%s", show(v), didYouMean(v.String(), []string{"debug", "info", "notice", "warning", "error", "none"}))
}

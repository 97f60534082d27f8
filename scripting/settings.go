package scripting

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// Settings are what a script sets, with defaults filled in. One table,
// settingTable, says the name, type, range and default of each.
type Settings struct {
	PortSettings // of the primary port

	Mode          engine.Mode
	Workers       int
	Reactors      int
	TaskWorkers   int
	MaxConnection int
	MemoryLimit   int // 0: off
	MaxExecution  time.Duration
	TaskExecution time.Duration
	CloseTimeout  time.Duration
	MaxWait       time.Duration
	DrainTime     time.Duration
	ReloadAsync   bool
	MaxCoroutine  int
	TaskQueue     int
	TaskCoroutine bool
	KeepOnError   bool // error_policy = "keep"
	HotReload     bool
	Strict        bool
	LogFile       string
	LogLevel      slog.Level

	// Ports are all ports, the primary one first.
	Ports []*PortSettings

	// Given are the values as the script or the command line gave them, by
	// name: what server.setting shows.
	Given map[string]lua.LValue
}

// PortSettings are the settings of one port. What the server sets of them
// holds for the primary port, and for every port that sets nothing itself.
type PortSettings struct {
	Host         string
	Port         int
	Type         int // SockTCP…
	Backlog      int
	NoDelay      bool
	SocketBuffer int
	HighWater    int
	LowWater     int

	Given map[string]lua.LValue // what the port set itself; nil on the primary
}

func defaultSettings() *Settings {
	return &Settings{
		PortSettings: defaultPort(), Mode: engine.Base, Workers: runtime.GOMAXPROCS(0),
		MaxConnection: engine.DefaultMaxSessions, MaxExecution: engine.DefaultMaxStretch,
		CloseTimeout: engine.DefaultCloseTime, MaxWait: engine.DefaultDrainTime, DrainTime: 60 * time.Second, ReloadAsync: true,
		MemoryLimit: defaultMemoryLimit(), MaxCoroutine: engine.DefaultMaxFibers, TaskQueue: engine.DefaultTaskQueue, HotReload: true,
		LogLevel: slog.LevelInfo, Given: map[string]lua.LValue{},
	}
}

func defaultPort() PortSettings {
	return PortSettings{
		Host: "127.0.0.1", Port: 9501, Type: SockTCP, Backlog: engine.DefaultBacklog, NoDelay: true,
		SocketBuffer: engine.DefaultOutboxBytes,
	}
}

// engineOptions are the settings as the engine wants them.
func (s *Settings) engineOptions() engine.Options {
	o := engine.Options{Mode: s.Mode, Workers: s.Workers, Reactors: s.Reactors, TaskWorkers: s.TaskWorkers, Limits: s.limits()}
	for _, p := range s.Ports {
		o.Ports = append(o.Ports, p.engineOptions())
	}
	return o
}

// limits are the settings that the engine takes as its limits.
func (s *Settings) limits() engine.Limits {
	m := engine.Limits{
		MaxSessions: s.MaxConnection, TaskQueue: s.TaskQueue, MaxFibers: s.MaxCoroutine, CloseTime: s.CloseTimeout, DrainTime: s.MaxWait,
		MemoryLimit: uint64(s.MemoryLimit), MaxStretch: s.MaxExecution, TaskStretch: s.TaskExecution, TaskConcurrent: s.TaskCoroutine,
	}
	if m.MaxStretch == 0 {
		m.MaxStretch = -1 // 0 means the default there
	}
	return m
}

// engineOptions are the settings of the port as the engine wants them.
func (p *PortSettings) engineOptions() engine.PortOptions {
	return engine.PortOptions{
		Listen: engine.Listen{Host: p.Host, Port: p.Port}, Backlog: p.Backlog,
		OutboxBytes: p.SocketBuffer, HighWater: p.HighWater, LowWater: p.LowWater, NoDelayOff: !p.NoDelay,
	}
}

// address names the port, and so tells it from others across reloads.
func (p *PortSettings) address() string {
	return engine.Listen{Host: p.Host, Port: p.Port}.String()
}

// given is one value for one setting, and where it was given.
type given struct {
	name  string
	value lua.LValue
	where string // "app.lua:3", or the flag
}

// resolve applies the values that the server and its ports were given over the
// defaults, in order, and reports every fault.
func resolve(values []given, ports []*portDecl) (*Settings, []string) {
	r := resolver{s: defaultSettings()}
	last := r.apply(values, func(row *setting, v lua.LValue) error {
		if row.port != nil {
			return row.port(&r.s.PortSettings, v)
		}
		return row.server(r.s, v)
	}, r.s.Given)
	r.checkPort(&r.s.PortSettings, last)
	if g, ok := last["reactor_num"]; ok {
		if r.s.Mode == engine.Base {
			r.fault(g, `setting 'reactor_num': in base mode every worker is its own reactor (hint: mode = "process")`)
		} else if r.s.Reactors > r.s.Workers {
			r.fault(g, "setting 'reactor_num': %d is more than worker_num %d", r.s.Reactors, r.s.Workers)
		}
	}
	r.s.Ports = []*PortSettings{&r.s.PortSettings}
	for _, d := range ports {
		r.s.Ports = append(r.s.Ports, r.resolvePort(d))
	}
	return r.s, r.faults
}

// resolver is a resolve under way.
type resolver struct {
	s      *Settings
	faults []string
}

func (r *resolver) fault(g given, format string, args ...any) {
	r.faults = append(r.faults, g.where+": "+fmt.Sprintf(format, args...))
}

// apply sets each value and notes it in given. It returns the last of each name.
func (r *resolver) apply(values []given, set func(*setting, lua.LValue) error, into map[string]lua.LValue) map[string]given {
	last := map[string]given{}
	for _, g := range values {
		name := g.name
		if real, ok := settingAliases[name]; ok {
			name = real
		}
		row := findSetting(name)
		if row == nil {
			if isKnownSetting(name) {
				r.fault(g, "setting '%s' is not in this version", g.name)
			} else {
				r.fault(g, "unknown setting '%s'%s", g.name, didYouMean(name, settingNames()))
			}
			continue
		}
		if err := set(row, g.value); err != nil {
			r.fault(g, "setting '%s': %v", g.name, err)
			continue
		}
		into[name] = g.value
		last[name] = g
	}
	return last
}

// resolvePort is resolve for a port that listen has added. A port that sets
// nothing has the server's settings, one that does has only its own.
func (r *resolver) resolvePort(d *portDecl) *PortSettings {
	p := r.s.PortSettings
	if d.hasSet {
		p = defaultPort()
	}
	p.Given = map[string]lua.LValue{}
	p.Host, p.Port, p.Type = d.host, d.port, d.kind
	last := r.apply(d.values, func(row *setting, v lua.LValue) error {
		switch {
		case row.port == nil:
			return fmt.Errorf("it belongs to the server, not to a port: server:set{ %s = ... }", row.name)
		case row.name == "host" || row.name == "port":
			return fmt.Errorf("the address of a port is given to server:listen")
		}
		return row.port(&p, v)
	}, p.Given)
	r.checkPort(&p, last)
	return &p
}

// checkPort reports settings of a port that contradict one another.
func (r *resolver) checkPort(p *PortSettings, last map[string]given) {
	high := p.HighWater
	if high == 0 {
		high = p.SocketBuffer / 5 * 4
	}
	if g, ok := last["buffer_high_watermark"]; ok && high > p.SocketBuffer {
		r.fault(g, "setting 'buffer_high_watermark': %d is more than socket_buffer_size %d", high, p.SocketBuffer)
	}
	if g, ok := last["buffer_low_watermark"]; ok && p.LowWater >= high {
		r.fault(g, "setting 'buffer_low_watermark': %d is not less than buffer_high_watermark %d", p.LowWater, high)
	}
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

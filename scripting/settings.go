package scripting

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"swoon/engine"
	"swoon/engine/frame"

	lua "github.com/yuin/gopher-lua"
)

// Settings are what a script sets, with defaults filled in. One table,
// settingTable, says the name, type, range and default of each.
type Settings struct {
	PortSettings // of the primary port
	FlowSettings
	DispatchSettings
	StatsSettings
	LifeSettings
	DaemonSettings
	EventObject bool

	Mode               engine.Mode
	Workers            int
	Reactors           int
	TaskWorkers        int
	MaxPerIP           int
	StartSession       int
	MaxConnection      int
	MemoryLimit        int // 0: off
	MaxExecution       time.Duration
	TaskExecution      time.Duration
	CallbackTime       time.Duration // callback_timeout; 0: no limit
	CloseTimeout       time.Duration
	MaxWait            time.Duration
	DrainTime          time.Duration
	ReloadAsync        bool
	PortDrain          time.Duration
	MaxCoroutine       int
	TaskQueue          int
	PacketQueue        int
	MaxPacketCoroutine int
	TaskCoroutine      bool
	TaskSettings
	KeepOnError bool // error_policy = "keep"
	HotReload   bool
	Strict      bool
	LogLevel    slog.Level

	// Notices are what a script's author should know about its settings.
	Notices []string

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
	Kind         engine.Kind
	Backlog      int
	ReusePort    bool
	NoDelay      bool
	KeepAlive    bool
	KeepIdle     int // seconds
	KeepInterval int // seconds
	KeepCount    int
	UserTimeout  int // milliseconds
	DeferAccept  int // seconds
	FastOpen     int
	RecvBuffer   int
	SendBuffer   int
	SocketMode   uint32
	SocketBuffer int
	HighWater    int
	LowWater     int

	IdleSettings
	FramingSettings

	Given map[string]lua.LValue // what the port set itself; nil on the primary
	twin  int                   // how many ports before it have the same address
}

func defaultSettings() *Settings {
	return &Settings{
		PortSettings: defaultPort(), Mode: engine.Base, Workers: runtime.GOMAXPROCS(0),
		MaxConnection: engine.DefaultMaxSessions, MaxExecution: engine.DefaultMaxStretch,
		CloseTimeout: engine.DefaultCloseTime, MaxWait: engine.DefaultDrainTime, DrainTime: 60 * time.Second, ReloadAsync: true,
		MemoryLimit: defaultMemoryLimit(), MaxCoroutine: engine.DefaultMaxFibers, TaskQueue: engine.DefaultTaskQueue,
		PacketQueue: engine.DefaultPacketQueue, MaxPacketCoroutine: engine.DefaultMaxPacketFibers, HotReload: true,
		LogLevel: slog.LevelInfo, Given: map[string]lua.LValue{}, FlowSettings: defaultFlow(), DispatchSettings: DispatchSettings{Dispatch: engine.ByConnection}, StatsSettings: StatsSettings{StatsInterval: time.Second}, LifeSettings: LifeSettings{MaxRequestsGrace: -1}, TaskSettings: defaultTasks(),
	}
}

func defaultPort() PortSettings {
	return PortSettings{
		Host: "127.0.0.1", Port: 9501, Backlog: engine.DefaultBacklog, NoDelay: true,
		KeepIdle: engine.DefaultKeepIdle, KeepInterval: engine.DefaultKeepInterval, KeepCount: engine.DefaultKeepCount,
		SocketMode:   engine.DefaultSocketMode,
		SocketBuffer: engine.DefaultOutboxBytes, FramingSettings: FramingSettings{framer: frame.Raw{}},
	}
}

// engineOptions are the settings as the engine wants them.
func (s *Settings) engineOptions() engine.Options {
	o := engine.Options{Mode: s.Mode, Workers: s.Workers, Reactors: s.Reactors, TaskWorkers: s.TaskWorkers, Processes: s.Processes, LastSession: engine.SessionID(s.StartSession), Limits: s.limits()}
	for _, p := range s.Ports {
		o.Ports = append(o.Ports, p.engineOptions())
	}
	return o
}

// limits are the settings that the engine takes as its limits.
func (s *Settings) limits() engine.Limits {
	m := engine.Limits{
		MaxSessions: s.MaxConnection, MaxPerAddress: s.MaxPerIP, TaskQueue: s.TaskQueue, MaxFibers: s.MaxCoroutine, CloseTime: s.CloseTimeout, DrainTime: s.MaxWait,
		PacketQueue: s.PacketQueue, MaxPacketFibers: s.MaxPacketCoroutine,
		MemoryLimit: uint64(s.MemoryLimit), MaxStretch: s.MaxExecution, TaskStretch: s.TaskExecution, CallbackTime: s.CallbackTime, TaskConcurrent: s.TaskCoroutine,
	}
	s.FlowSettings.limit(&m)
	s.DispatchSettings.limit(&m)
	s.TaskSettings.limit(&m)
	if m.MaxStretch == 0 {
		m.MaxStretch = -1 // 0 means the default there
	}
	return m
}

// engineOptions are the settings of the port as the engine wants them.
func (p *PortSettings) engineOptions() engine.PortOptions {
	return engine.PortOptions{
		Listen: p.listen(), Backlog: p.Backlog,
		SocketOptions: engine.SocketOptions{
			NoDelayOff: !p.NoDelay, ReusePort: p.ReusePort,
			KeepAlive: p.KeepAlive, KeepIdle: p.KeepIdle, KeepInterval: p.KeepInterval, KeepCount: p.KeepCount,
			UserTimeout: p.UserTimeout, DeferAccept: p.DeferAccept, FastOpen: p.FastOpen,
			RecvBuffer: p.RecvBuffer, SendBuffer: p.SendBuffer, SocketMode: p.SocketMode,
		},
		OutboxBytes: p.SocketBuffer, HighWater: p.HighWater, LowWater: p.LowWater,
		IdleOptions: engine.IdleOptions{Heartbeat: p.Heartbeat, Silent: p.Silent, MaxIdle: p.MaxIdle}, Framer: p.framer,
	}
}

// address names the port, and so tells it from others across reloads.
func (p *PortSettings) address() string {
	if p.twin > 0 {
		return fmt.Sprintf("%s (%d)", p.listen(), p.twin+1)
	}
	return p.listen().String()
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
	_, hasPort := last["port"]
	if err := r.s.place(hasPort); err != nil {
		r.fault(last["port"], "setting 'port': %v", err)
	}
	r.checkPort(&r.s.PortSettings, last)
	r.frame(&r.s.PortSettings, last)
	if g, ok := last["reactor_num"]; ok {
		if r.s.Mode == engine.Base {
			r.fault(g, `setting 'reactor_num': in base mode every worker is its own reactor (hint: mode = "process")`)
		} else if r.s.Reactors > r.s.Workers {
			r.fault(g, "setting 'reactor_num': %d is more than worker_num %d", r.s.Reactors, r.s.Workers)
		}
	}
	r.beat(&r.s.PortSettings)
	r.s.Ports = []*PortSettings{&r.s.PortSettings}
	for _, d := range ports {
		r.s.Ports = append(r.s.Ports, r.resolvePort(d))
	}
	r.checkDispatch(last)
	r.checkKinds(last, ports)
	r.checkTwins(ports)
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
		if idleSettings[name] != "" {
			r.s.Notices = append(r.s.Notices, fmt.Sprintf("%s: setting '%s' does nothing here: %s", g.where, g.name, idleSettings[name]))
			continue
		}
		row := findSetting(name)
		if row == nil {
			if why := whyRefused(name); why != "" {
				r.fault(g, "setting '%s' %s", g.name, why)
			} else {
				r.fault(g, "unknown setting '%s'%s", g.name, didYouMean(name, settingNames()))
			}
			continue
		}
		v, err := settled(g.value)
		if err == nil {
			err = set(row, v)
		}
		if err != nil {
			r.fault(g, "setting '%s': %v", g.name, err)
			continue
		}
		g.value = v
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
	p.Host, p.Port, p.Kind, p.twin = d.host, d.port, d.kind, 0
	if err := p.place(d.hasPort); err != nil {
		r.faults = append(r.faults, fmt.Sprintf("%s: server:listen: %v", d.where, err))
	}
	last := r.apply(d.values, func(row *setting, v lua.LValue) error {
		switch {
		case row.port == nil:
			return fmt.Errorf("it belongs to the server, not to a port: server:set{ %s = ... }", row.name)
		case row.isAddress():
			return fmt.Errorf("the address of a port is given to server:listen")
		}
		return row.port(&p, v)
	}, p.Given)
	r.checkPort(&p, last)
	if d.hasSet {
		r.beat(&p)
		r.frame(&p, last)
	}
	for _, name := range names(last) {
		g := last[name]
		if wrong := p.misplaced(findSetting(name)); wrong != "" && !findSetting(name).same(nil, g.value) {
			r.fault(g, "setting '%s': %s", name, wrong)
		}
	}
	return &p
}

// names are the names in the order of the alphabet, for faults that come in one.
func names(values map[string]given) []string {
	return slices.Sorted(maps.Keys(values))
}

// isAddress says whether the setting is part of where a port is.
func (row *setting) isAddress() bool {
	return row.name == "host" || row.name == "port" || row.name == "sock_type"
}

// checkKinds reports settings of the server that none of its ports can have:
// neither the primary one nor one that has the server's settings.
func (r *resolver) checkKinds(last map[string]given, ports []*portDecl) {
	for _, name := range names(last) {
		g := last[name]
		row := findSetting(name)
		if row.port == nil || row.isAddress() {
			continue
		}
		wrong := r.s.misplaced(row)
		if row.same(nil, g.value) {
			wrong = ""
		}
		for i, d := range ports {
			if wrong != "" && !d.hasSet && r.s.Ports[i+1].misplaced(row) == "" {
				wrong = ""
			}
		}
		if wrong != "" {
			r.fault(g, "setting '%s': %s", name, wrong)
		}
	}
}

// checkTwins reports addresses that are listened on twice, and numbers those
// for which that is no mistake.
func (r *resolver) checkTwins(ports []*portDecl) {
	seen := map[string]int{}
	for i, p := range r.s.Ports {
		address := p.address()
		n := seen[address]
		seen[address] = n + 1
		if n == 0 {
			continue
		}
		p.twin = n
		if p.Port == 0 && ofInet(p.Kind) && !p.listen().Systemd() || p.ReusePort {
			continue
		}
		hint := ""
		if p.listen().Systemd() {
			hint = " (its sockets have names: \"SYSTEMD:name\")"
		}
		r.faults = append(r.faults, fmt.Sprintf("%s: server:listen: %s is listened on already%s", ports[i-1].where, address, hint))
	}
}

// checkPort reports settings of a port that contradict one another.
func (r *resolver) checkPort(p *PortSettings, last map[string]given) {
	for _, name := range names(last) {
		g := last[name]
		if row := findSetting(name); row.needs != nil {
			if other := row.needs(p); other != "" && !row.same(nil, g.value) {
				r.fault(g, "setting '%s': it needs %s", name, other)
			}
		}
	}
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
	for name := range idleSettings {
		names = append(names, name)
	}
	return append(names, laterNames()...)
}

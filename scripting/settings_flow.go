package scripting

import (
	"fmt"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// FlowSettings say how fast and how much: what may be sent and queued, and when
// sessions are looked at.
type FlowSettings struct {
	MaxSend       int // output_buffer_size; 0: no limit of its own
	MaxQueued     int // max_queued_bytes
	SendYield     bool
	SendTimeout   time.Duration // 0: not given
	HeartbeatStep time.Duration // heartbeat_check_interval; 0: not given
	DelayReceive  bool
}

// IdleSettings say when a session of a port is idle for too long; 0 is never.
type IdleSettings struct {
	Heartbeat time.Duration // heartbeat_idle_time
	Silent    time.Duration // first_data_timeout
	MaxIdle   time.Duration
}

func defaultFlow() FlowSettings { return FlowSettings{MaxQueued: engine.DefaultInboxBytes} }

// maxSend is how many bytes one send may have.
func (s *Settings) maxSend() int {
	if s.MaxSend > 0 {
		return s.MaxSend
	}
	return s.SocketBuffer
}

// limit fills in what of the engine's limits is said here.
func (s *FlowSettings) limit(m *engine.Limits) {
	m.InboxBytes = s.MaxQueued
	m.SendLimits = engine.SendLimits{SendBytes: s.MaxSend, SendYield: s.SendYield, SendTimeout: s.SendTimeout}
	m.IdleLimits = engine.IdleLimits{HeartbeatStep: s.HeartbeatStep, DelayReceive: s.DelayReceive}
}

var flowSettings = []setting{
	{name: "output_buffer_size", def: "as socket_buffer_size", server: size(func(s *Settings) *int { return &s.MaxSend }, 1, 1<<30),
		doc: "bytes that one send may have"},
	{name: "max_queued_bytes", def: "1M", server: size(func(s *Settings) *int { return &s.MaxQueued }, 1, 1<<30),
		doc: "bytes of messages that a session may have waiting for its callbacks; over it, it is not read until half is handled"},
	{name: "send_yield", def: "false", server: boolean(func(s *Settings) *bool { return &s.SendYield }),
		doc: "a send to a full session that is not the callback's own waits for room, too, instead of failing"},
	{name: "send_timeout", def: "no limit for the callback's own session, else 10", server: setSendTimeout,
		doc: "seconds that a send waits for room"},
	{name: "heartbeat_idle_time", def: "twice heartbeat_check_interval", port: duration(func(s *PortSettings) *time.Duration { return &s.Heartbeat }, 0, 1e8),
		doc: "seconds after which a session from which nothing has come is closed; 0: never"},
	{name: "heartbeat_check_interval", def: "0", server: duration(func(s *Settings) *time.Duration { return &s.HeartbeatStep }, 0, 1e8),
		doc: "seconds between looks for sessions that are over heartbeat_idle_time; 0: each is closed when it is due"},
	{name: "first_data_timeout", def: "0", port: duration(func(s *PortSettings) *time.Duration { return &s.Silent }, 0, 1e8),
		doc: "seconds after which a session whose client has sent nothing yet is closed; 0: never"},
	{name: "max_idle_time", def: "0", port: duration(func(s *PortSettings) *time.Duration { return &s.MaxIdle }, 0, 1e8),
		doc: "seconds after which a session is closed through which nothing has moved either way, or whose client takes nothing of what waits for it; 0: never"},
	{name: "enable_delay_receive", def: "false", server: boolean(func(s *Settings) *bool { return &s.DelayReceive }),
		doc: "a new session is not read until server:confirm"},
}

func setSendTimeout(s *Settings, v lua.LValue) error {
	if f, ok := number(v); ok && f == 0 {
		return fmt.Errorf("0 would be without limit: two callbacks could wait for each other for ever (leave it out for a callback's own session alone to wait that long)")
	}
	return duration(func(s *Settings) *time.Duration { return &s.SendTimeout }, 0.001, 86400)(s, v)
}

// beat gives a port that names no heartbeat_idle_time twice the
// heartbeat_check_interval of the server.
func (r *resolver) beat(p *PortSettings) {
	if _, given := p.Given["heartbeat_idle_time"]; !given && (p != &r.s.PortSettings || r.s.Given["heartbeat_idle_time"] == nil) {
		p.Heartbeat = 2 * r.s.HeartbeatStep
	}
}

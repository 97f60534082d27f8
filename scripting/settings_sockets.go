package scripting

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// The settings of listening sockets. What the kernel is told of sockets holds,
// after a reload, for sessions that begin from then on.

// Which kinds of ports a setting is for.
func ofStreams(k engine.Kind) bool { return !k.Packets() }
func ofTCP(k engine.Kind) bool     { return ofInet(k) && !k.Packets() }
func ofInet(k engine.Kind) bool    { return !k.Unix() }
func ofUnix(k engine.Kind) bool    { return k.Unix() }
func ofAll(engine.Kind) bool       { return true }

var socketSettings = []setting{
	{name: "host", def: "127.0.0.1", port: str(func(p *PortSettings) *string { return &p.Host }), of: ofAll,
		doc: "address to listen on: an IPv4 or IPv6 address, the path of a unix socket, or \"@name\" for one without a file; \"SYSTEMD\" or \"SYSTEMD:name\" for a socket that systemd has opened"},
	{name: "port", def: "9501", port: integer(func(p *PortSettings) *int { return &p.Port }, 0, 65535), of: ofAll,
		doc: "port to listen on; 0 lets the kernel choose"},
	{name: "sock_type", def: `"tcp", of a path "unix_stream"`, port: setKind, of: ofAll,
		doc: `what is spoken there: "tcp", "udp", "tcp6", "udp6", "unix_stream", "unix_dgram", or Swoole's constants; "tcp" and "udp" take IPv6 addresses too`},
	{name: "backlog", def: "512", port: integer(func(p *PortSettings) *int { return &p.Backlog }, 1, 65535),
		doc: "clients that may wait in the kernel to be accepted"},
	{name: "enable_reuse_port", def: "false", port: boolean(func(p *PortSettings) *bool { return &p.ReusePort }), of: ofInet,
		doc:   "let other processes of the same user listen on the same address, and the kernel share out clients and packets",
		fixed: "it is said before the address is bound"},
	{name: "open_tcp_nodelay", def: "true", port: boolean(func(p *PortSettings) *bool { return &p.NoDelay }), of: ofTCP,
		doc: "send small packets at once"},
	{name: "open_tcp_keepalive", def: "false", port: boolean(func(p *PortSettings) *bool { return &p.KeepAlive }), of: ofTCP,
		doc: "have the kernel probe clients that say nothing; one that does not answer is closed as `keepalive_lost`"},
	{name: "tcp_keepidle", def: "3600", port: integer(func(p *PortSettings) *int { return &p.KeepIdle }, 1, 32767), of: ofTCP, needs: keepalive,
		doc: "seconds of silence before the first probe"},
	{name: "tcp_keepinterval", def: "60", port: integer(func(p *PortSettings) *int { return &p.KeepInterval }, 1, 32767), of: ofTCP, needs: keepalive,
		doc: "seconds between probes"},
	{name: "tcp_keepcount", def: "5", port: integer(func(p *PortSettings) *int { return &p.KeepCount }, 1, 127), of: ofTCP, needs: keepalive,
		doc: "probes without an answer after which a client is lost"},
	{name: "tcp_user_timeout", def: "0", port: integer(func(p *PortSettings) *int { return &p.UserTimeout }, 0, math.MaxInt32), of: ofTCP,
		doc: "milliseconds that sent data may go unacknowledged before the connection is given up, with or without keepalive; 0: the kernel's, about 15 minutes"},
	{name: "tcp_defer_accept", def: "0", port: integer(func(p *PortSettings) *int { return &p.DeferAccept }, 0, 3600), of: ofTCP,
		doc: "take a client only when it has sent something, or after so many seconds (which the kernel rounds up); 0: at once"},
	{name: "tcp_fastopen", def: "0", port: integer(func(p *PortSettings) *int { return &p.FastOpen }, 0, 65535), of: ofTCP,
		doc: "clients that may send data with their first packet and wait to be accepted; 0: none. Needs net.ipv4.tcp_fastopen to have 2 in it"},
	{name: "kernel_socket_recv_buffer_size", def: "0", port: bufferSize(func(p *PortSettings) *int { return &p.RecvBuffer }), of: ofAll,
		doc: "bytes the kernel keeps of what a socket has received; more than net.core.rmem_max is refused. 0: the kernel decides"},
	{name: "kernel_socket_send_buffer_size", def: "0", port: bufferSize(func(p *PortSettings) *int { return &p.SendBuffer }), of: ofAll,
		doc: "bytes the kernel keeps of what a socket is to send; more than net.core.wmem_max is refused. 0: the kernel decides"},
	{name: "unix_socket_mode", def: `"0600"`, port: setSocketMode, of: ofUnix,
		doc: `who may connect to a unix socket: the mode of its file, as in chmod: "0600" its owner, "0660" its group too, "0666" everybody`},
	{name: "packet_queue_size", def: "65536", server: integer(func(s *Settings) *int { return &s.PacketQueue }, 1, 1<<24),
		doc: "packets that may wait for one worker; with more, the socket is not read, and the kernel drops what does not fit its buffer (`udp_kernel_drops` in stats)"},
	{name: "max_packet_coroutine", def: "4096", server: integer(func(s *Settings) *int { return &s.MaxPacketCoroutine }, 1, 1<<24),
		doc: "onPacket callbacks that may wait on one worker before no other begins"},
}

// The types of sockets, with Swoole's numbers.
const (
	SockTCP        = int(engine.TCP)
	SockUDP        = int(engine.UDP)
	SockTCP6       = int(engine.TCP6)
	SockUDP6       = int(engine.UDP6)
	SockUnixStream = int(engine.UnixStream)
	SockUnixDgram  = int(engine.UnixDgram)
)

// keepalive is what the numbers of a keepalive need.
func keepalive(p *PortSettings) string {
	if p.KeepAlive {
		return ""
	}
	return "open_tcp_keepalive = true"
}

func bufferSize(field func(*PortSettings) *int) func(*PortSettings, lua.LValue) error {
	set := size(field, 0, 1<<30)
	return func(p *PortSettings, v lua.LValue) error {
		if err := set(p, v); err != nil {
			return err
		}
		if n := *field(p); n > 0 && n < 4<<10 {
			return fmt.Errorf("%s is not 0 or in %d..%d bytes", show(v), 4<<10, 1<<30)
		}
		return nil
	}
}

// kindNames are what sock_type may be, with Swoole's constants for them.
var kindNames = []string{"tcp", "udp", "tcp6", "udp6", "unix_stream", "unix_dgram"}

func setKind(p *PortSettings, v lua.LValue) error {
	k, err := parseKind(v)
	p.Kind = k
	return err
}

// parseKind reads what a port is to speak; nil is left to the address: 0.
func parseKind(v lua.LValue) (engine.Kind, error) {
	if v == lua.LNil {
		return 0, nil
	}
	if f, ok := number(v); ok {
		if f != math.Trunc(f) || f < 1 || f > float64(len(kindNames)) {
			return 0, fmt.Errorf("%s is no type of socket (1..%d, or a name such as %q)", show(v), len(kindNames), kindNames[0])
		}
		return engine.Kind(f), nil
	}
	if name, ok := v.(lua.LString); ok {
		for i, n := range kindNames {
			if strings.EqualFold(string(name), n) {
				return engine.Kind(i + 1), nil
			}
		}
	}
	return 0, fmt.Errorf("%s is no type of socket%s", show(v), didYouMean(strings.ToLower(v.String()), kindNames))
}

// setSocketMode reads a mode as chmod does: octal digits, in a string, because
// Lua has no octal numbers.
func setSocketMode(p *PortSettings, v lua.LValue) error {
	text, ok := v.(lua.LString)
	if !ok {
		return fmt.Errorf(`write it as a string of octal digits, as in chmod: "0660", not %s`, show(v))
	}
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o777 || n == 0 {
		return fmt.Errorf(`%s is no mode of a file: octal digits up to "0777", as in chmod`, show(v))
	}
	p.SocketMode = uint32(n)
	return nil
}

// place makes the address of a port plain: what it speaks, and no port where
// there can be none. It reports what contradicts itself; port says whether one
// was given.
func (p *PortSettings) place(hasPort bool) error {
	if p.Kind == 0 {
		p.Kind = engine.TCP
		if engine.LooksLikePath(p.Host) && !p.listen().Systemd() {
			p.Kind = engine.UnixStream
		}
	}
	if !p.Kind.Unix() && !p.listen().Systemd() {
		return nil
	}
	if hasPort && p.Port != 0 {
		what := "a unix socket has no port"
		if p.listen().Systemd() {
			what = "a socket from systemd has a port of its own"
		}
		return fmt.Errorf("%s: write 0 instead of %d", what, p.Port)
	}
	p.Port = 0
	return nil
}

// Addresses are where the server is to listen, its own port first.
func (s *Settings) Addresses() (list []string) {
	for _, p := range s.Ports {
		list = append(list, p.address())
	}
	return list
}

// listen is the address as the engine wants it.
func (p *PortSettings) listen() engine.Listen {
	return engine.Listen{Host: p.Host, Port: p.Port, Kind: p.Kind}
}

// misplaced is what is wrong with a setting given to this port, or "".
func (p *PortSettings) misplaced(row *setting) string {
	if of := row.kinds(); !of(p.Kind) {
		return fmt.Sprintf("it means nothing to a port of type %v (%s)", p.Kind, p.address())
	}
	if row.name == "unix_socket_mode" && strings.HasPrefix(p.Host, "@") {
		return fmt.Sprintf("the name %s has no file", p.Host)
	}
	return ""
}

// kinds is which ports the setting is for: those with sessions, unless it says
// otherwise.
func (row *setting) kinds() func(engine.Kind) bool {
	if row.of == nil {
		return ofStreams
	}
	return row.of
}

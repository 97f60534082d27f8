package scripting

import (
	"math"
	"net/netip"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// Packet runs onPacket, on a fiber that has no session.
func (h *Host) Packet(f *engine.Fiber, p *engine.Packet) {
	in := current(f)
	fn := in.portCallback(p.Port, evPacket)
	if fn == nil { // the port is gone from the script, or a replaced VM's top level failed: that was reported
		f.Dropped()
		return
	}
	c := in.begin(f, evPacket, "", fn)
	c.th.Push(in.server.value)
	if in.objects() {
		c.th.Push(in.packetObject(p))
	} else {
		c.th.Push(lua.LString(p.Data))
		c.th.Push(in.client(p))
	}
	err := c.th.Run(0)
	c.end()
	in.ages()
	if err != nil {
		in.failed(f, evPacket.String(), 0, err)
	}
}

// client is the third argument of onPacket: who sent the packet, and where it
// came in.
func (in *Instance) client(p *engine.Packet) *lua.LTable {
	t := in.vm.State().CreateTable(0, 5)
	t.RawSetString("address", in.peers.text(p.From))
	t.RawSetString("port", lua.LNumber(p.From.Addr.Port()))
	t.RawSetString("server_port", lua.LNumber(p.Port.Addr().Port))
	t.RawSetString("server_socket", lua.LNumber(p.Port.FD()))
	t.RawSetString("dispatch_time", lua.LNumber(float64(p.At)/1e9))
	return t
}

// peerTexts remembers addresses as Lua strings: the next packet of a peer needs
// no new one. It forgets by overwriting.
type peerTexts struct{ slots *[256]peerText }

type peerText struct {
	ip   netip.Addr
	text lua.LValue
}

func (c *peerTexts) text(from engine.Peer) lua.LValue {
	ip := from.Addr.Addr()
	if !ip.IsValid() {
		return lua.LString(from.Path)
	}
	if c.slots == nil {
		c.slots = new([256]peerText)
	}
	b := ip.As16()
	slot := &c.slots[b[15]^b[14]*31^b[13]*17^b[7]]
	if slot.ip != ip {
		*slot = peerText{ip, lua.LString(ip.String())}
	}
	return slot.text
}

// doSendto is server:sendto(ip, port, data, server_socket).
func (in *Instance) doSendto(L *lua.LState) int {
	in.mustRun(L, "server:sendto")
	port, fd := L.OptNumber(3, 0), L.OptNumber(5, -1)
	if port != lua.LNumber(math.Trunc(float64(port))) || port < 0 || port > 65535 {
		return in.server.fail(L, badAddress("port "+port.String()+" is not in 1..65535"))
	}
	to, err := engine.ParsePeer(L.CheckString(2), int(port))
	if err != nil {
		return in.server.fail(L, badAddress(err.Error()))
	}
	var from *engine.Port
	if fd >= 0 {
		if from = in.loop.Current().PacketPort(int(fd)); from == nil {
			return in.server.fail(L, errNoSocket)
		}
	}
	if err := in.loop.Current().SendTo(to, L.CheckString(4), from); err != nil {
		return in.server.fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

// errNoSocket: server_socket names no port of packets.
var errNoSocket = &engine.Errno{Name: "no_such_socket", Code: 505, Text: "no port of packets of this server has this server_socket"}

func badAddress(text string) error {
	return &engine.Errno{Name: "bad_address", Code: 505, Text: text}
}

// packetStats adds what becomes of packets to stats.
func packetStats(num func(string, float64), st *engine.PacketStats) {
	num("packet_count", float64(st.Packets))
	num("packet_queue_num", float64(st.PacketsQueued))
	num("udp_kernel_drops", float64(st.KernelDrops))
	num("dropped_packet_too_large", float64(st.PacketsTooLarge))
	num("dropped_peer_queue_full", float64(st.PacketsPeerFull))
}

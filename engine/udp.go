package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ports of packets: UDP and unix datagrams. One socket, read by one goroutine
// of its own, in batches; each packet goes to the worker that its sender
// belongs to (packet.go is the worker's half). One reader keeps the packets of
// a peer in the order in which they came, and no callback keeps it from
// reading. The loops' pollers would do neither: they wait inside another epoll,
// where EPOLLEXCLUSIVE wakes them all, and a socket for each loop by
// SO_REUSEPORT would hide a second server on the same address.

// What a port reads at once, and the largest packet it takes.
const (
	packetBatch = 64
	MaxPacket   = 64 << 10
)

// Packet is one packet that came in. It is the callback's until it returns.
type Packet struct {
	Data string
	From Peer
	Port *Port // on which it came
	At   int64 // when it was read, in unix nanoseconds

	local netip.Addr // the address of this machine that was asked, if there are several

	// The worker's.
	waits bool // its callback has waited
	holds bool // and keeps its peer's next packets back meanwhile
	turn  bool // it was kept back itself
}

var packetPool = sync.Pool{New: func() any { return new(Packet) }}

func (p *Packet) free() {
	port := p.Port
	*p = Packet{}
	packetPool.Put(p)
	port.letGo()
}

// packets is the part of a Port that only ports of packets need.
type packets struct {
	reader    *reader       // its goroutine's
	wild      bool          // on every address of the machine: answers must leave from the one that was asked
	dual      bool          // a UDP6 socket that reaches IPv4 too
	room      chan struct{} // cap 1: a worker's queue has room again
	users     atomic.Int64  // packets not yet handled, and 1 for the port itself
	left      atomic.Bool   // the port's own use has been given up
	sending   sync.RWMutex  // held for reading while somebody sends
	open      bool          // under sending
	readCount atomic.Uint64
	sweep     atomic.Bool // once closed, what lies in the kernel is read still
	told      uint64      // drops that are counted as a closed port's; under sending
}

// packetCounts are what becomes of packets, for the whole engine.
type packetCounts struct {
	tooLarge atomic.Uint64
	peerFull atomic.Uint64
	closed   atomic.Uint64 // kernel's drops of ports that are no more
	gone     uint64        // packets that such ports have read; under portsMu
	log      limiter
}

// stopReading ends the reader. A path is free from now on.
func (p *Port) stopReading() {
	if p.path != nil {
		p.path.remove()
	}
	p.file.SetReadDeadline(time.Unix(1, 0))
}

// use is for each packet on its way.
func (p *Port) use(n int) { p.users.Add(int64(n)) }

// letGo gives up one use of the socket; the last one closes it.
func (p *Port) letGo() {
	if p.users.Add(-1) == 0 {
		p.release()
	}
}

// leave gives up the port's own use, once.
func (p *Port) leave() {
	if p.left.CompareAndSwap(false, true) {
		p.letGo()
	}
}

// release closes the socket, whoever might want to send still.
func (p *Port) release() {
	p.sending.Lock()
	defer p.sending.Unlock()
	if !p.open {
		return
	}
	p.open = false
	p.eng.packets.closed.Add(p.drops() - p.told)
	p.file.Close()
	p.reader.close()
	p.giveBack()
}

// drops is how many packets the kernel has dropped because they came faster
// than they were read. Under sending.
func (p *Port) drops() uint64 {
	const skMeminfoDrops = 8
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(p.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(info[skMeminfoDrops])
}

// leave keeps the numbers of a port that is no more. Under portsMu.
func (c *packetCounts) leave(p *Port) {
	if !p.kind.Packets() {
		return
	}
	c.gone += p.readCount.Load()
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.open {
		n := p.drops()
		c.closed.Add(n - p.told)
		p.told = n
	}
}

// PacketStats count what becomes of packets.
type PacketStats struct {
	Packets         uint64 // read
	PacketsQueued   int64  // read, and not yet begun
	KernelDrops     uint64 // dropped by the kernel: they came faster than they were read
	PacketsTooLarge uint64 // dropped: over MaxPacket
	PacketsPeerFull uint64 // dropped: their peer's callback waits, and too many wait for it
}

func (e *Engine) packetStats() (st PacketStats) {
	st.PacketsTooLarge, st.PacketsPeerFull = e.packets.tooLarge.Load(), e.packets.peerFull.Load()
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	st.Packets, st.KernelDrops = e.packets.gone, e.packets.closed.Load()
	for _, p := range e.ports {
		if p.kind.Packets() {
			st.Packets += p.readCount.Load()
			p.sending.RLock()
			if p.open {
				st.KernelDrops += p.drops() - p.told
			}
			p.sending.RUnlock()
		}
	}
	for _, l := range e.roster.Load().all {
		st.PacketsQueued += l.parcels.queued.Load()
	}
	return st
}

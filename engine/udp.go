package engine

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"
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

// receive reads packets until the port is closed.
func (p *Port) receive() {
	r, err := newReader(p)
	if err != nil {
		p.eng.log.Error("cannot read packets", "port", p.bound, "error", err)
		return
	}
	defer r.close()
	for {
		var n int
		var errno unix.Errno
		err := p.raw.Read(func(fd uintptr) bool {
			n, errno = r.read(int(fd))
			return errno != unix.EAGAIN
		})
		switch {
		case err != nil: // closed
			if p.sweep.Load() {
				r.last()
			}
			return
		case errno != 0:
			// Something that was sent before did not arrive: of no interest here.
			if errno != unix.EINTR && errno != unix.ECONNREFUSED {
				p.eng.log.Debug("read packets", "port", p.bound, "error", errno)
				if !p.pause(time.Millisecond) {
					return
				}
			}
		default:
			r.hand(n)
			if !r.awaitRoom() {
				return
			}
		}
	}
}

// last reads what lies in the kernel. There is no end to it while packets come,
// so it takes no more than a socket's buffer holds.
func (r *reader) last() {
	p := r.port
	size := 0
	p.raw.Control(func(fd uintptr) { size, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	for size > 0 {
		var n int
		var errno unix.Errno
		if err := p.raw.Control(func(fd uintptr) { n, errno = r.read(int(fd)) }); err != nil || errno != 0 {
			return
		}
		for i := range n {
			size -= int(r.heads[i].n) + 1
		}
		r.hand(n)
		r.forget()
	}
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// reader is what a port reads into. Its memory is the kernel's, not the
// collector's: of a slot that has only held small packets just one page is in
// use.
type reader struct {
	port  *Port
	mem   []byte
	heads [packetBatch]mmsghdr
	iovs  [packetBatch]unix.Iovec
	names [packetBatch]unix.RawSockaddrAny
	lists []parcelList
}

// parcelList are the packets of a batch that go to one worker.
type parcelList struct {
	to    *Loop
	list  []*Packet
	bytes int64
}

func newReader(p *Port) (*reader, error) {
	mem, err := unix.Mmap(-1, 0, packetBatch*MaxPacket, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	r := &reader{port: p, mem: mem}
	for i := range r.heads {
		r.iovs[i].Base = &mem[i*MaxPacket]
		r.iovs[i].SetLen(MaxPacket)
		h := &r.heads[i]
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Namelen = unix.SizeofSockaddrAny
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
	}
	return r, nil
}

func (r *reader) close() { unix.Munmap(r.mem) }

// read fetches what is there, up to a batch.
func (r *reader) read(fd int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.heads[0])), packetBatch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// hand gives the first n packets of the batch to their workers: at most one
// wake-up each.
func (r *reader) hand(n int) {
	p, e, now := r.port, r.port.eng, time.Now().UnixNano()
	p.readCount.Add(uint64(n))
	p.dispatch.Lock()
	defer p.dispatch.Unlock()
	e.handing.RLock()
	defer e.handing.RUnlock()
	workers, as := e.roster.Load().workers, p.acting()
	for i := range n {
		h := &r.heads[i]
		size, named, whole := int(h.n), h.Namelen, h.Flags&unix.MSG_TRUNC == 0
		h.Namelen, h.Flags = unix.SizeofSockaddrAny, 0
		from := peerAt(&r.names[i], named)
		if !whole {
			if n := e.packets.tooLarge.Add(1); n == 1 || e.packets.log.allow() {
				e.log.Warn("packet dropped", "reason", "packet_too_large", "limit", MaxPacket, "from", from, "port", p.bound, "total", n)
			}
			continue
		}
		pkt := packetPool.Get().(*Packet)
		pkt.Data, pkt.From, pkt.Port, pkt.At = string(r.mem[i*MaxPacket:i*MaxPacket+size]), from, as, now
		r.add(workerOf(from, workers), pkt)
	}
	for i := range r.lists {
		l := &r.lists[i]
		as.use(len(l.list))
		l.to.parcels.queued.Add(int64(len(l.list)))
		l.to.parcels.bytes.Add(l.bytes)
		l.to.post(func(m *letters) { m.packets = append(m.packets, l.list...) })
	}
}

func (r *reader) add(w *Loop, pkt *Packet) {
	for i := range r.lists {
		if l := &r.lists[i]; l.to == w {
			l.list = append(l.list, pkt)
			l.bytes += int64(len(pkt.Data))
			return
		}
	}
	r.lists = append(r.lists, parcelList{w, []*Packet{pkt}, int64(len(pkt.Data))})
}

// peerSeed makes hashes of peers differ from process to process, so that nobody
// can choose addresses that all fall to one worker.
var peerSeed = maphash.MakeSeed()

// workerOf is the worker that a peer belongs to, for as long as there are as
// many workers.
func workerOf(from Peer, workers []*Loop) *Loop {
	if len(workers) == 1 {
		return workers[0]
	}
	return workers[maphash.Comparable(peerSeed, from)%uint64(len(workers))]
}

// awaitRoom waits while one of the workers of this batch has too much to do:
// what comes meanwhile stays in the kernel, or is dropped there. It reports
// false when the port is closed.
func (r *reader) awaitRoom() bool {
	p := r.port
	defer r.forget()
	for i := range r.lists {
		for w := r.lists[i].to; w.parcels.over(p.eng.Limits()); {
			w.parcels.await(p)
			w.parcels.feed(p.eng.Limits()) // there may be room already
			select {
			case <-p.room:
			case <-p.stop:
				return false
			}
		}
	}
	return true
}

// forget drops the batch.
func (r *reader) forget() {
	for i := range r.lists {
		r.lists[i].to, r.lists[i].bytes = nil, 0
		clear(r.lists[i].list)
		r.lists[i].list = r.lists[i].list[:0]
	}
	r.lists = r.lists[:0]
}

// peerAt reads the sender of a packet.
func peerAt(name *unix.RawSockaddrAny, size uint32) Peer {
	const family = 2
	if size < family {
		return Peer{} // an unnamed unix socket: what is in name is of another packet
	}
	switch name.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return Peer{Addr: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), wire(sa.Port))}
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(name))
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.Scope_id != 0 {
			ip = ip.WithZone(strconv.Itoa(int(sa.Scope_id)))
		}
		return Peer{Addr: netip.AddrPortFrom(ip, wire(sa.Port))}
	case unix.AF_UNIX:
		if size == family {
			return Peer{}
		}
		sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(name))
		b := unsafe.Slice((*byte)(unsafe.Pointer(&sa.Path[0])), len(sa.Path))[:min(int(size)-family, len(sa.Path))]
		if b[0] == 0 {
			return Peer{Path: "@" + string(b[1:])}
		}
		for i, c := range b {
			if c == 0 {
				b = b[:i]
				break
			}
		}
		return Peer{Path: string(b)}
	}
	return Peer{}
}

// wire is a port number between the kernel's order of bytes and ours.
func wire(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// peerOf is the peer at an address that the kernel has given.
func peerOf(sa unix.Sockaddr) Peer {
	if u, ok := sa.(*unix.SockaddrUnix); ok {
		if u.Name == "@" { // how an unnamed one is shown
			return Peer{}
		}
		return Peer{Path: u.Name}
	}
	return Peer{Addr: addrPort(sa)}
}

// reaches says whether packets to a peer can leave through p.
func (p *Port) reaches(to Peer) bool {
	switch p.kind {
	case UDP:
		return to.Addr.Addr().Is4()
	case UDP6:
		return to.Addr.Addr().Is6() || p.dual && to.Addr.Addr().Is4()
	}
	return p.kind == UnixDgram && to.Path != ""
}

// SendTo sends one packet from the given port; nil is the port on which the
// packet came that f handles, or else the first that reaches the peer. It never
// waits: the packet has been given to the kernel, or there is an error. Baton
// holder.
func (f *Fiber) SendTo(to Peer, data string, from *Port) error {
	e := f.loop.eng
	if to.Path == "" && !to.Addr.IsValid() {
		return ErrNoAddress
	}
	if from == nil {
		if from = f.port; from == nil || !from.reaches(to) {
			from = e.portTo(to)
		}
	}
	if from == nil || !from.reaches(to) {
		return ErrNoPacketPort
	}
	if err := from.sendTo(to, data); err != nil {
		return err
	}
	f.loop.count.sends++
	f.loop.count.sentBytes += uint64(len(data))
	return nil
}

func (e *Engine) portTo(to Peer) *Port {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	for _, p := range e.ports {
		if p.reaches(to) {
			return p
		}
	}
	return nil
}

// PacketPort is the port of packets whose descriptor has this number, or nil.
// Any goroutine.
func (e *Engine) PacketPort(fd int) *Port {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	for _, p := range e.ports {
		if p.fd == fd && p.kind.Packets() {
			return p
		}
	}
	return nil
}

// sendTo gives one packet to the kernel. Any goroutine.
func (p *Port) sendTo(to Peer, data string) error {
	var name unix.RawSockaddrAny
	size := p.rawName(&name, to)
	if size == 0 {
		return ErrNoPacketPort
	}
	p.sending.RLock()
	defer p.sending.RUnlock()
	if !p.open {
		return ErrNoPacketPort
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.StringData(data))), uintptr(len(data)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&name)), uintptr(size))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return sendError(errno)
		}
	}
}

// rawName writes a peer as the kernel wants it for this port and returns its
// size, 0 if it cannot be.
func (p *Port) rawName(name *unix.RawSockaddrAny, to Peer) int {
	ip, port := to.Addr.Addr(), wire(to.Addr.Port())
	switch {
	case p.kind == UDP && ip.Is4():
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(name)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: ip.As4()}
		return unix.SizeofSockaddrInet4
	case p.kind == UDP6 && ip.IsValid():
		*(*unix.RawSockaddrInet6)(unsafe.Pointer(name)) = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: ip.As16(), Scope_id: zoneID(ip.Zone())}
		return unix.SizeofSockaddrInet6
	case p.kind == UnixDgram && to.Path != "" && len(to.Path) <= maxPath:
		sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(name))
		sa.Family = unix.AF_UNIX
		b := unsafe.Slice((*byte)(unsafe.Pointer(&sa.Path[0])), len(sa.Path))
		n := copy(b, to.Path)
		if b[0] == '@' {
			b[0] = 0
			return 2 + n // an abstract name has no end but its size
		}
		return 2 + n + 1
	}
	return 0
}

// sendError names what the kernel had against a packet.
func sendError(errno unix.Errno) error {
	switch errno {
	case unix.EMSGSIZE:
		return ErrPacketTooLarge
	case unix.EAGAIN, unix.ENOBUFS:
		return ErrSendBufferFull
	case unix.ECONNREFUSED, unix.ENOENT, unix.EPROTOTYPE:
		return ErrNobodyListens
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL:
		return &Errno{ErrUnreachable.Name, int(errno), ErrUnreachable.Text + ": " + errno.Error()}
	}
	return &Errno{"send_failed", int(errno), "the kernel refused the packet: " + errno.Error()}
}

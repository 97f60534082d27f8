package engine

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The reader of a port of packets, on a goroutine of its own.

// receive reads packets until the port is closed.
func (p *Port) receive() {
	r := p.reader
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
	infos []pktinfo // of a port that is asked at several addresses
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
	unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // an error: it uses more memory than it needs
	r := &reader{port: p, mem: mem}
	if p.wild {
		r.infos = make([]pktinfo, packetBatch)
	}
	for i := range r.heads {
		r.iovs[i].Base = &mem[i*MaxPacket]
		r.iovs[i].SetLen(MaxPacket)
		h := &r.heads[i]
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Namelen = unix.SizeofSockaddrAny
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		if p.wild {
			h.Control = (*byte)(unsafe.Pointer(&r.infos[i]))
			h.SetControllen(int(unsafe.Sizeof(r.infos[i])))
		}
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
	workers, as, limits := e.roster.Load().workers, p.acting(), e.Limits()
	for i := range n {
		h := &r.heads[i]
		size, named, whole := int(h.n), h.Namelen, h.Flags&unix.MSG_TRUNC == 0
		h.Namelen, h.Flags = unix.SizeofSockaddrAny, 0
		var local netip.Addr
		if r.infos != nil {
			local = r.infos[i].local(int(h.Controllen))
			h.SetControllen(int(unsafe.Sizeof(r.infos[i])))
		}
		from := peerAt(&r.names[i], named)
		if !whole {
			if n := e.packets.tooLarge.Add(1); n == 1 || e.packets.log.allow() {
				e.log.Warn("packet dropped", "reason", "packet_too_large", "limit", MaxPacket, "from", from, "port", p.bound, "total", n)
			}
			continue
		}
		pkt := packetPool.Get().(*Packet)
		pkt.Data, pkt.From, pkt.Port, pkt.At, pkt.local = string(r.mem[i*MaxPacket:i*MaxPacket+size]), from, as, now, local
		r.add(e.packetWorker(from, workers, limits), pkt)
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
	w.sent.Add(1) // now: it counts for the choice of the next one's worker
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

package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// The worker's half of a packet's path: queue, callback. What the reader hands
// over lies here until its turn. Everything without a lock or atomic of its own
// is the baton holder's.

// parcels are a worker's packets.
type parcels struct {
	queued atomic.Int64 // handed over and not begun, wherever they lie
	bytes  atomic.Int64 // of these

	next    fifo[*Packet]         // in the order in which they came
	again   fifo[*Packet]         // kept back for their peer, and now due
	serving *Packet               // its callback has begun and, as far as is known, not waited
	waiting int                   // callbacks that wait
	peers   map[origin]*peerQueue // of whom a callback waits: ordered

	hungry struct {
		sync.Mutex
		any   atomic.Bool
		ports []*Port // their readers wait for room
	}
}

// origin is a peer of one port.
type origin struct {
	port *Port
	peer Peer
}

func (p *Packet) origin() origin { return origin{p.Port, p.From} }

// peerQueue are the packets of a peer that wait until its callback returns.
type peerQueue struct {
	running int
	list    fifo[*Packet]
	bytes   int
}

// over says whether the worker has more than it may. Any goroutine.
func (q *parcels) over(m *Limits) bool {
	return q.queued.Load() > int64(m.PacketQueue) || q.bytes.Load() > m.WorkerBytes
}

// half says whether there is room again.
func (q *parcels) half(m *Limits) bool {
	return q.queued.Load() <= int64(m.PacketQueue)/2 && q.bytes.Load() <= m.WorkerBytes/2
}

// await notes that the reader of p waits for room. Any goroutine.
func (q *parcels) await(p *Port) {
	q.hungry.Lock()
	q.hungry.ports = append(q.hungry.ports, p)
	q.hungry.any.Store(true)
	q.hungry.Unlock()
}

// feed lets readers go on if there is room again. Any goroutine.
func (q *parcels) feed(m *Limits) {
	if !q.hungry.any.Load() || !q.half(m) {
		return
	}
	q.hungry.Lock()
	list := q.hungry.ports
	q.hungry.ports = nil
	q.hungry.any.Store(false)
	q.hungry.Unlock()
	for _, p := range list {
		select {
		case p.room <- struct{}{}:
		default:
		}
	}
}

// packetsReady says whether a packet can be begun now.
func (l *Loop) packetsReady() bool {
	q := &l.parcels
	if q.next.len() == 0 && q.again.len() == 0 {
		return false
	}
	waiting := q.waiting
	if q.serving != nil {
		waiting++
	}
	return waiting < l.eng.Limits().MaxPacketFibers
}

// servePacket begins one packet, or puts it to those of its peer that wait.
func (l *Loop) servePacket(f *Fiber) {
	l.packetWaits()
	q := &l.parcels
	if q.again.len() > 0 {
		l.runPacket(f, q.again.pop())
		return
	}
	pkt := q.next.pop()
	if len(q.peers) > 0 {
		if held := q.peers[pkt.origin()]; held != nil {
			l.hold(held, pkt)
			return
		}
	}
	l.runPacket(f, pkt)
}

// packetWaits notes that the callback begun last waits, as it must if the loop
// goes on before it has returned.
func (l *Loop) packetWaits() {
	q := &l.parcels
	pkt := q.serving
	if pkt == nil {
		return
	}
	q.serving = nil
	q.waiting++
	pkt.waits = true
	if l.eng.Limits().Unordered {
		return
	}
	pkt.holds = true
	if q.peers == nil {
		q.peers = map[origin]*peerQueue{}
	}
	held := q.peers[pkt.origin()]
	if held == nil {
		held = &peerQueue{}
		q.peers[pkt.origin()] = held
	}
	held.running++
}

// hold keeps a packet until its peer's callback has returned. A peer may have
// as much waiting as a session: one that floods must not stop the others.
func (l *Loop) hold(held *peerQueue, pkt *Packet) {
	m := l.eng.Limits()
	if held.list.len() >= m.InboxEvents || held.bytes+len(pkt.Data) > m.InboxBytes {
		e := l.eng
		if n := e.packets.peerFull.Add(1); n == 1 || e.packets.log.allow() {
			e.log.Warn("packet dropped", "reason", "peer_queue_full", "from", pkt.From, "port", pkt.Port.bound,
				"waiting", held.list.len(), "total", n)
		}
		l.begun(pkt)
		l.ticked()
		pkt.free()
		return
	}
	held.list.push(pkt)
	held.bytes += len(pkt.Data)
}

// begun takes a packet off the books.
func (l *Loop) begun(pkt *Packet) {
	l.parcels.queued.Add(-1)
	l.parcels.bytes.Add(-int64(len(pkt.Data)))
	l.parcels.feed(l.eng.Limits())
}

// runPacket calls the callback.
func (l *Loop) runPacket(f *Fiber, pkt *Packet) {
	l.begun(pkt)
	l.count.requests++
	l.count.recvBytes += uint64(len(pkt.Data))
	l.parcels.serving = pkt
	f.begin(RootPacket, nil)
	f.asked = asked{pkt.Port, pkt.From, pkt.local}
	defer l.packetDone(f, pkt)
	defer l.recovered(f)
	l.eng.packet(f, pkt)
}

// Dropped counts a packet, or a message, that the handler has no callback for.
// Baton holder.
func (f *Fiber) Dropped() { f.loop.count.dropped++ }

// asked is how a packet came in: an answer to its sender leaves the same way.
type asked struct {
	port  *Port
	peer  Peer
	local netip.Addr
}

// packetDone lets the peer's next packet have its turn.
func (l *Loop) packetDone(f *Fiber, pkt *Packet) {
	f.end()
	q := &l.parcels
	if q.serving == pkt {
		q.serving = nil
	}
	if pkt.waits {
		q.waiting--
	}
	if pkt.holds || pkt.turn {
		l.nextOf(pkt)
	}
	l.ticked()
	pkt.free()
}

func (l *Loop) nextOf(pkt *Packet) {
	q := &l.parcels
	held := q.peers[pkt.origin()]
	if pkt.holds {
		held.running--
	}
	switch {
	case held.running > 0:
	case held.list.len() == 0:
		delete(q.peers, pkt.origin())
	default:
		next := held.list.pop()
		held.bytes -= len(next.Data)
		next.turn = true
		q.again.push(next)
	}
}

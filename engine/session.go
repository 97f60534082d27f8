package engine

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"swoon/engine/frame"
)

// SessionID names one client's stay. It starts at 1 and is never reused.
// Scripts call it fd.
type SessionID uint64

func (id SessionID) String() string { return strconv.FormatUint(uint64(id), 10) }

// sessionState is the life of a session's socket.
type sessionState uint8

const (
	open   sessionState = iota // reads and writes
	ending                     // flush, shut down, discard what still comes
	broken                     // useless: to be closed by its reactor
	closed                     // the descriptor is gone
)

// Session is one client's stay. See the ownership table in doc.go.
//
// Ten thousand idle sessions are nothing but ten thousand of these. So what few
// sessions have lies aside, and small fields stand together.
type Session struct {
	id        SessionID
	reactor   atomic.Pointer[Loop] // owns the socket; written under mu, see move.go
	worker    atomic.Pointer[Loop] // runs the callbacks; likewise
	home      atomic.Pointer[Loop] // the worker that counts the session and its backlog; likewise
	port      *Port
	framer    *frame.Framer // the port's, or the session's own
	connected int64         // unix nanoseconds
	lastRecv  atomic.Int64
	lastFrame atomic.Int64          // nanotime of the read that completed a message; 0: there was none
	Local     any                   // the handler's, for the baton holder of the worker
	aside     atomic.Pointer[aside] // nil for most; written under mu, see beside

	remote  remote
	split   bool // reactor and worker are two loops: Process mode
	counted bool // among those of its address; under addresses.mu

	// The reactor's.
	coming   bool // stands in the reactor's mailbox, new or moved; Base only
	seated   bool // has a slot
	polled   bool // registered with epoll
	eof      bool // the peer has finished sending
	shut     bool // we have
	interest interest
	slot     int32
	tag      int32
	idlePos  int32    // place in the idle queue + 1; 0: not in it
	partial  *partial // nil between frames

	// The inbox: in Base mode the loop's alone, in Process mode under mu.
	in        inbox
	receiver  *Fiber // waits in server:recv, if receiving is set
	receiving bool
	queued    bool // stands in a run queue or on the way to one
	greeted   bool // onConnect has run, or there is none
	endQueued bool // the last event stands in the inbox, or has
	ended     bool // the last event has been handled; written under mu
	toldFull  bool // what Water was told last; under mu
	mute      bool // it has no events but messages
	weighed   bool // FewestFibers has chosen
	pause     pauseBits
	starved   bool // stands in its worker's list of sessions over WorkerBytes

	state     sessionState
	reason    Reason
	errno     uint8 // of the kernel's error that ended the connection
	abort     bool  // close by reset
	byScript  bool
	dirty     bool // stands in its worker's dirty list
	wet       bool // stands in a list of sessions that others have sent to
	blocked   bool // the kernel takes no more: EPOLLOUT is due
	held      bool // not read: the script has paused it, or not confirmed it yet
	protected bool // never idle
	full      bool // over the high watermark, not yet back at the low one
	wetPosted bool // the worker will be told of it
	ctlPosted bool // the reactor will look; true from the start until adopt does
	fd        int32
	cut       atomic.Bool // Close was called: no message is delivered any more

	mu       sync.Mutex // the outbox lock; a leaf but for mailbox.mu. It guards state and all that follows, but cut
	lastSent int64      // nanotime at which the kernel took something last, or began to refuse
	out      outbox
}

// aside is what few sessions have. Under the session's mu, but for what never
// changes.
type aside struct {
	path     string // of a unix client that has one; never changes
	zone     string // of a client's IPv6 address that has one; never changes
	uid      int64  // 0: not bound
	idleFrom int64  // the idle clock counts from here, or from lastRecv if that is later
	stood    int64  // since when the idle clock stands, as we do not read; 0: it goes
	linger   *Timer // runs while the session is closing
	unsent   int    // bytes the peer had not taken when linger was set
}

// none is what lies aside of most sessions. Nobody writes to it.
var none aside

// rare is what lies aside, to be read.
func (s *Session) rare() *aside {
	if a := s.aside.Load(); a != nil {
		return a
	}
	return &none
}

// beside is what lies aside, to be changed. Under mu.
func (s *Session) beside() *aside {
	a := s.aside.Load()
	if a == nil {
		a = new(aside)
		s.aside.Store(a)
	}
	return a
}

// remote is the address of a peer in few bytes; the zero value is none.
type remote struct {
	ip   [16]byte
	port uint16
	bits uint8 // 32 or 128
}

// setRemote keeps where the client is. Before anybody else knows the session.
func (s *Session) setRemote(p Peer) {
	if ip := p.Addr.Addr(); ip.IsValid() {
		s.remote = remote{ip.As16(), p.Addr.Port(), uint8(ip.BitLen())}
	}
	if zone := p.Addr.Addr().Zone(); zone != "" || p.Path != "" {
		s.aside.Store(&aside{path: p.Path, zone: zone})
	}
}

// peer is where the client is. Any goroutine.
func (s *Session) peer() Peer {
	a, r := s.rare(), s.remote
	p := Peer{Path: a.path}
	if r.bits > 0 {
		ip := netip.AddrFrom16(r.ip)
		if r.bits == 32 {
			ip = ip.Unmap()
		}
		p.Addr = netip.AddrPortFrom(ip.WithZone(a.zone), r.port)
	}
	return p
}

// interest is what a session waits for of its poller: EPOLLIN and EPOLLOUT as
// they are, and EPOLLET as edge.
type interest uint8

const edge interest = 1 << 7

func (i interest) events() (events uint32) {
	if events = uint32(i &^ edge); i&edge != 0 {
		events |= unix.EPOLLET
	}
	return events
}

// pauseBits are the reasons for which a session is not read.
type pauseBits uint8

const (
	pauseInbox  pauseBits = 1 << iota // its own backlog is over InboxBytes
	pauseWorker                       // its worker's is over WorkerBytes
	pauseDrain                        // the server is stopping
	pauseFault                        // what came is no frame: no more is wanted
)

// ID is the session's id.
func (s *Session) ID() SessionID { return s.id }

// Worker is the loop that runs the session's callbacks; another one later, when
// the number of workers changes or dispatch says so.
func (s *Session) Worker() *Loop { return s.worker.Load() }

// Port is the port through which the client came.
func (s *Session) Port() *Port { return s.port }

// Reactor is the loop that owns the socket, and cuts what comes into messages.
func (s *Session) Reactor() *Loop { return s.reactor.Load() }

// Framer cuts what comes into messages: the port's, as it was when the session
// began.
func (s *Session) Framer() frame.Framer { return *s.framer }

// ReactorID is the number of the loop that owns the socket.
func (s *Session) ReactorID() int { return s.reactor.Load().idx }

// ByScript says whether a script closed the session. For onClose.
func (s *Session) ByScript() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byScript
}

// Alive says whether the session is open: not closing, not closed.
func (s *Session) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open
}

// Info is what getClientInfo tells.
type Info struct {
	RemoteIP   string // of a unix client its path, if it has one
	RemotePort int
	ServerPort int
	Port       int
	FD         int // the descriptor, for people; -1 once closed
	ReactorID  int
	WorkerID   int
	Connected  int64 // unix nanoseconds
	LastRecv   int64 // unix nanoseconds
	LastSent   int64 // unix nanoseconds; 0: nothing was sent yet
	LastFrame  int64 // unix nanoseconds of the read that completed a message; 0: there was none
	Errno      int   // of the kernel's error that ended the connection; 0: it ended otherwise, or has not
	SendQueued int
	RecvQueued int
	Reason     Reason
	Kind       Kind  // what is spoken on its port
	ServerFD   int   // the listening descriptor, for people
	UID        int64 // 0: not bound
}

// Info describes the session. Any goroutine.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.lastSent
	if sent != 0 {
		sent += epoch.UnixNano()
	}
	frame := s.lastFrame.Load()
	if frame != 0 {
		frame += epoch.UnixNano()
	}
	peer := s.peer()
	ip := peer.Path
	if peer.Addr.IsValid() {
		ip = peer.Addr.Addr().Unmap().String()
	}
	return Info{
		RemoteIP: ip, RemotePort: int(peer.Addr.Port()),
		ServerPort: int(s.port.addr.Port()), Port: s.port.index, FD: int(s.fd),
		ReactorID: s.reactor.Load().idx, WorkerID: s.worker.Load().ID(),
		Connected: s.connected, LastRecv: epoch.UnixNano() + s.lastRecv.Load(), LastSent: sent, LastFrame: frame, Errno: int(s.errno),
		SendQueued: s.out.bytes, RecvQueued: int(s.in.bytes.Load()), Reason: s.reason,
		Kind: s.port.kind, ServerFD: s.port.fd, UID: s.rare().uid,
	}
}

// lockIn takes what guards the inbox: nothing where one loop does it all.
func (s *Session) lockIn() {
	if s.split {
		s.mu.Lock()
	}
}

func (s *Session) unlockIn() {
	if s.split {
		s.mu.Unlock()
	}
}

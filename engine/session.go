package engine

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

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
type Session struct {
	id        SessionID
	eng       *Engine
	split     bool                 // reactor and worker are two loops: Process mode
	reactor   atomic.Pointer[Loop] // owns the socket; written under mu, see move.go
	worker    atomic.Pointer[Loop] // runs the callbacks; likewise
	home      atomic.Pointer[Loop] // the worker that counts the session and its backlog; likewise
	port      *Port
	framer    frame.Framer
	remote    netip.AddrPort
	path      string // of a unix client that has one
	connected int64  // unix nanoseconds
	counted   bool   // among those of its address; under addresses.mu
	lastRecv  atomic.Int64
	Local     any // the handler's, for the baton holder of the worker

	// The reactor's.
	slot     int32
	tag      int32
	interest uint32
	coming   bool     // stands in the reactor's mailbox, new or moved; Base only
	seated   bool     // has a slot
	polled   bool     // registered with epoll
	eof      bool     // the peer has finished sending
	shut     bool     // we have
	partial  *partial // nil between frames
	linger   *Timer
	unsent   int   // bytes the peer had not taken when linger was set
	idlePos  int32 // place in the reactor's idle queue + 1; 0: not in it
	idleFrom int64 // the idle clock counts from here, or from lastRecv if that is later
	stood    int64 // since when the idle clock stands, as we do not read; 0: it goes

	// The inbox: in Base mode the loop's alone, in Process mode under mu.
	in        inbox
	queued    bool  // stands in a run queue or on the way to one
	running   int32 // callbacks and receivers of the session that run or wait
	greeted   bool  // onConnect has run, or there is none
	endQueued bool  // the last event stands in the inbox, or has
	ended     bool  // the last event has been handled; written under mu
	receiving bool
	receiver  Waiter // of server:recv
	toldFull  bool   // what Water was told last; under mu
	mute      bool   // it has no events but messages
	weighed   bool   // FewestFibers has chosen
	pause     pauseBits
	starved   bool // stands in its worker's list of sessions over WorkerBytes

	mu        sync.Mutex // the outbox lock; a leaf but for mailbox.mu
	fd        int
	state     sessionState
	reason    Reason
	abort     bool // close by reset
	byScript  bool
	dirty     bool  // stands in its worker's dirty list
	wet       bool  // stands in a list of sessions that others have sent to
	blocked   bool  // the kernel takes no more: EPOLLOUT is due
	held      bool  // not read: the script has paused it, or not confirmed it yet
	protected bool  // never idle
	full      bool  // over the high watermark, not yet back at the low one
	wetPosted bool  // the worker will be told of it
	ctlPosted bool  // the reactor will look; true from the start until adopt does
	uid       int64 // 0: not bound
	lastSent  int64 // nanotime at which the kernel took something last, or began to refuse
	out       outbox

	cut atomic.Bool // Close was called: no message is delivered any more

	prev, next *Session // in the registry, by id
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
func (s *Session) Framer() frame.Framer { return s.framer }

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
	ip := s.path
	if s.remote.IsValid() {
		ip = s.remote.Addr().Unmap().String()
	}
	return Info{
		RemoteIP: ip, RemotePort: int(s.remote.Port()),
		ServerPort: int(s.port.addr.Port()), Port: s.port.index, FD: s.fd,
		ReactorID: s.reactor.Load().idx, WorkerID: s.worker.Load().ID(),
		Connected: s.connected, LastRecv: epoch.UnixNano() + s.lastRecv.Load(), LastSent: sent,
		SendQueued: s.out.bytes, RecvQueued: int(s.in.bytes.Load()), Reason: s.reason,
		Kind: s.port.kind, ServerFD: s.port.fd, UID: s.uid,
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

package scripting

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// AdminVersion is the version of what is spoken on the control socket: one line
// of JSON asks, one answers.
const AdminVersion = 1

// AdminRequest is a question of a command to a server.
type AdminRequest struct {
	V     int    `json:"v"`
	Cmd   string `json:"cmd"`             // who, status, reload or stop
	Tasks bool   `json:"tasks,omitempty"` // reload: the task workers only
}

// AdminAnswer is the answer. A stop is answered twice: when it begins and when
// it is over.
type AdminAnswer struct {
	V      int           `json:"v"`
	OK     bool          `json:"ok"`
	Error  string        `json:"error,omitempty"`  // why not OK
	Text   string        `json:"text,omitempty"`   // reload: the report for people
	Script string        `json:"script,omitempty"` // who: absolute, as the server was given it
	PID    int           `json:"pid,omitempty"`    // who
	Status *ServerStatus `json:"status,omitempty"`
	Reload *ReloadStatus `json:"reload,omitempty"`
	Within float64       `json:"within,omitempty"` // stop: seconds it may take
	Exit   *int          `json:"exit,omitempty"`   // stop is over: the exit code
	Cut    []string      `json:"cut,omitempty"`    // and what was cut short
}

// How long the other side of a connection may take for one line, and how many
// connections there may be.
const (
	adminPatience = 5 * time.Second
	mostAdmins    = 32
	longestAsk    = 4 << 10
)

// Admin answers the commands of swoon on a control socket, each connection on a
// goroutine of its own: no loop ever waits for it. A nil Admin does nothing.
type Admin struct {
	h        *Host
	version  string
	log      *slog.Logger
	l        *net.UnixListener
	started  atomic.Bool
	places   chan struct{} // one for each connection
	done     chan struct{} // closed by Close
	stopped  chan struct{} // closed by Stopped
	last     AdminAnswer   // the second answer to a stop
	once     sync.Once
	onceOver sync.Once
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	held  []net.Conn // of stops: they end with the process
}

// ServeAdmin begins to answer on l, which belongs to the Admin from now on. The
// server may not have started yet.
func (h *Host) ServeAdmin(l *net.UnixListener, version string, log *slog.Logger) *Admin {
	a := &Admin{h: h, version: version, log: log, l: l, places: make(chan struct{}, mostAdmins),
		done: make(chan struct{}), stopped: make(chan struct{}), conns: map[net.Conn]bool{}}
	a.work.Add(1)
	go a.accept()
	return a
}

// Started says that the server serves. Any goroutine.
func (a *Admin) Started() {
	if a != nil {
		a.started.Store(true)
	}
}

// Stopped tells those who asked for a stop how it ended. The process is to exit
// right after.
func (a *Admin) Stopped(code int, cut []string) {
	if a == nil {
		return
	}
	a.onceOver.Do(func() {
		a.last = AdminAnswer{V: AdminVersion, OK: true, Exit: &code, Cut: cut}
		close(a.stopped)
	})
}

// Close ends the answering and removes the socket. Requests under way are
// answered no more, but for those that Stopped has told.
func (a *Admin) Close() {
	if a == nil {
		return
	}
	a.once.Do(func() {
		close(a.done)
		a.l.Close()
		a.mu.Lock()
		for c := range a.conns {
			c.SetReadDeadline(time.Now()) // who is about to be told something still is
		}
		a.mu.Unlock()
	})
	a.work.Wait()
}

func (a *Admin) accept() {
	defer a.work.Done()
	for {
		c, err := a.l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptor is left: the command tries until it loses patience
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-a.done:
				return
			}
		}
		select {
		case a.places <- struct{}{}:
			a.work.Add(1)
			go a.serve(c)
		default:
			a.write(c, refusal("too many commands at once"))
			c.Close()
		}
	}
}

func refusal(format string, args ...any) AdminAnswer {
	return AdminAnswer{V: AdminVersion, Error: fmt.Sprintf(format, args...)}
}

// serve answers one connection, question by question.
func (a *Admin) serve(c *net.UnixConn) {
	defer a.work.Done()
	defer func() { <-a.places }()
	a.mu.Lock()
	a.conns[c] = true
	a.mu.Unlock()
	held := false
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.conns, c)
		if held {
			a.held = append(a.held, c)
			return
		}
		c.Close()
	}()
	peer, err := peerOf(c)
	if err == nil && !peer.trusted() {
		err = fmt.Errorf("user %d may not control a server of user %d", peer.Uid, os.Geteuid())
	}
	if err != nil {
		a.log.Warn("a command was refused", "error", err)
		a.write(c, refusal("%v", err))
		return
	}
	in := bufio.NewReaderSize(c, longestAsk)
	for {
		c.SetReadDeadline(time.Now().Add(adminPatience))
		select {
		case <-a.done:
			return
		default:
		}
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			a.write(c, refusal("a request is longer than %d bytes", longestAsk))
		}
		if err != nil {
			return
		}
		var r AdminRequest
		if err := json.Unmarshal(line, &r); err != nil {
			a.write(c, refusal("not a request: %v", err))
			return
		}
		answer := a.answer(r, peer)
		if !a.write(c, answer) {
			return
		}
		if r.Cmd == "stop" && answer.OK {
			held = a.awaitStop(c)
			return
		}
	}
}

// awaitStop answers a stop once more, when it is over.
func (a *Admin) awaitStop(c net.Conn) bool {
	select {
	case <-a.stopped:
	case <-a.done: // maybe both
		select {
		case <-a.stopped:
		default:
			return false
		}
	}
	return a.write(c, a.last)
}

func (a *Admin) answer(r AdminRequest, peer peer) AdminAnswer {
	yes := AdminAnswer{V: AdminVersion, OK: true}
	if r.V != AdminVersion {
		return refusal("the server (swoon %s, pid %d) speaks version %d of the control protocol, the command version %d: use the swoon that the server runs", a.version, os.Getpid(), AdminVersion, r.V)
	}
	switch r.Cmd {
	case "who":
		yes.Script, yes.PID = a.h.script, os.Getpid()
	case "status":
		yes.Status = a.h.ServerStatus()
		yes.Status.Version = a.version
		if !a.started.Load() && yes.Status.State == "running" {
			yes.Status.State = "starting"
		}
	case "reload":
		report, ok := a.reload(r.Tasks)
		if !ok {
			return refusal("the server is stopping")
		}
		yes.Reload, yes.Text = report.status(), report.String()
	case "stop":
		a.log.Info("asked to stop", "by", "swoon stop", "pid", peer.Pid)
		yes.Within = a.h.Settings().MaxWait.Seconds()
		a.h.RequestStop(0)
	default:
		return refusal("unknown request '%s'%s", r.Cmd, didYouMean(r.Cmd, []string{"who", "status", "reload", "stop"}))
	}
	return yes
}

// reload waits for a reload, but not longer than the Admin lives.
func (a *Admin) reload(tasks bool) (ReloadReport, bool) {
	got := make(chan ReloadReport, 1)
	go func() { got <- a.h.ReloadAndWait("swoon reload", tasks) }()
	select {
	case r := <-got:
		return r, true
	case <-a.done:
		return ReloadReport{}, false
	}
}

// write sends one line. It reports whether the other side took it in time.
func (a *Admin) write(c net.Conn, answer AdminAnswer) bool {
	line, err := json.Marshal(answer)
	if err != nil {
		line, _ = json.Marshal(refusal("%v", err))
	}
	c.SetWriteDeadline(time.Now().Add(adminPatience))
	_, err = c.Write(append(line, '\n'))
	return err == nil
}

// Ask sends a request on a connection to a control socket and reads the answer.
func Ask(c net.Conn, in *bufio.Reader, r AdminRequest, timeout time.Duration) (AdminAnswer, error) {
	r.V = AdminVersion
	line, err := json.Marshal(r)
	if err != nil {
		return AdminAnswer{}, err
	}
	c.SetWriteDeadline(time.Now().Add(adminPatience))
	_, failed := c.Write(append(line, '\n'))
	a, err := ReadAnswer(c, in, timeout) // also then: a refusal may have come before the question
	if failed != nil && a.V == 0 {
		return a, failed
	}
	return a, err
}

// ReadAnswer reads one more answer. A timeout of 0 waits without end.
func ReadAnswer(c net.Conn, in *bufio.Reader, timeout time.Duration) (a AdminAnswer, err error) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	c.SetReadDeadline(deadline)
	line, err := in.ReadBytes('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("not an answer: %w", err)
	}
	if !a.OK {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// peer is the process at the other end of a unix socket.
type peer struct{ *syscall.Ucred }

// trusted: it is ours, or root's.
func (p peer) trusted() bool { return p.Uid == uint32(os.Geteuid()) || p.Uid == 0 }

func peerOf(c *net.UnixConn) (p peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, err
	}
	err2 := raw.Control(func(fd uintptr) {
		p.Ucred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	return p, errors.Join(err, err2)
}

package swoole

import (
	"os"
	"sync"
	"syscall"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/client"
	"swoon/stdlib/internal/ready"
	"swoon/stdlib/internal/stdin"

	lua "github.com/yuin/gopher-lua"
)

// watchers are what event.add watches for one VM, and what event.write writes.
// Baton holder.
type watchers struct {
	in      *scripting.Instance
	at      map[any]*watcher
	writers map[int]*writer
}

type watchersKey struct{}

func watchersOf(in *scripting.Instance) *watchers {
	return scripting.Own(in, watchersKey{}, func() *watchers {
		ws := &watchers{in: in, at: map[any]*watcher{}, writers: map[int]*writer{}}
		in.Keep(ws)
		return ws
	})
}

// Retire ends the watches: what is called goes on.
func (ws *watchers) Retire(string) {
	for _, w := range ws.at {
		w.stop()
	}
}

// Close is Retire for what came after it.
func (ws *watchers) Close() { ws.Retire("") }

// watcher calls functions of the script when a descriptor is ready. Everything
// belongs to the baton holder; what happens elsewhere is posted to the loop.
type watcher struct {
	in          *scripting.Instance
	of          *watchers
	key         any
	arg         lua.LValue // what the callbacks are given
	read, write *lua.LFunction
	flags       int
	source      source
	busy        bool // a callback runs, or is about to
	over        bool
}

// source tells when a descriptor is ready.
type source interface {
	// arm has the watcher told once when it is ready for what it wants.
	arm(read, write bool) error
	// begins is called before the script is told.
	begins()
	stop()
}

// need raises what callbacks are missing for the flags.
func (w *watcher) need(L *lua.LState, what string) {
	if w.flags&eventRead != 0 && w.read == nil {
		vm.Raise(L, "%s: EVENT_READ needs a function that reads (argument #2)", what)
	}
	if w.flags&eventWrite != 0 && w.write == nil {
		vm.Raise(L, "%s: EVENT_WRITE needs a function that writes (argument #3)", what)
	}
}

// begin watches a client, the standard input or a descriptor.
func (w *watcher) begin(c *client.Client, fd int) (err error) {
	tell := func(read, write bool) { w.in.Post(func() { w.told(read, write) }) }
	switch {
	case c != nil:
		w.source, err = newClientSource(w, c, tell)
	case fd == 0:
		w.source = &inputSource{tell: tell}
	default:
		var x *ready.Watch
		if x, err = ready.New(fd, tell); err == nil {
			w.source = descriptorSource{x}
		}
	}
	if err != nil {
		return err
	}
	w.of.at[w.key] = w
	w.in.Hold(1)
	w.in.WhenLive(func() { w.arm() })
	return nil
}

// arm waits for what the flags say.
func (w *watcher) arm() error {
	if w.over || w.busy {
		return nil
	}
	return w.source.arm(w.flags&eventRead != 0, w.flags&eventWrite != 0)
}

// told calls what is there to be called, in a fiber.
func (w *watcher) told(read, write bool) {
	if w.over || w.busy {
		return
	}
	w.busy = true
	w.in.SpawnKept(func() {
		w.source.begins()
		if read && !w.over && w.flags&eventRead != 0 {
			w.in.Callback("event.add", w.read, w.arg)
		}
		if write && !w.over && w.flags&eventWrite != 0 {
			w.in.Callback("event.add", w.write, w.arg)
		}
		w.busy = false
		if err := w.arm(); err != nil {
			w.stop() // the descriptor was closed
		}
	})
}

func (w *watcher) stop() {
	if w.over {
		return
	}
	w.over = true
	delete(w.of.at, w.key)
	w.in.Hold(-1)
	w.source.stop()
}

// descriptorSource is a descriptor of the system.
type descriptorSource struct{ *ready.Watch }

func (s descriptorSource) arm(read, write bool) error { return s.Arm(read, write) }
func (s descriptorSource) begins()                    {}
func (s descriptorSource) stop()                      { s.Stop() }

// clientSource is a client: its descriptor, and what it has read already.
type clientSource struct {
	*ready.Watch
	c    *client.Client
	tell func(read, write bool)
	done chan struct{}
}

func newClientSource(w *watcher, c *client.Client, tell func(read, write bool)) (source, error) {
	fd, closed, err := c.Descriptor()
	if err != nil {
		return nil, err
	}
	x, err := ready.New(fd, tell)
	if err != nil {
		return nil, err
	}
	s := &clientSource{x, c, tell, make(chan struct{})}
	go func() {
		select {
		case <-closed:
			w.in.Post(w.stop)
		case <-s.done:
		}
	}()
	return s, nil
}

func (s *clientSource) arm(read, write bool) error {
	if read && s.c.Pending() > 0 {
		go s.tell(true, false)
		return nil
	}
	return s.Arm(read, write)
}

func (s *clientSource) begins() {}

func (s *clientSource) stop() {
	close(s.done)
	s.Stop()
}

// inputSource is the standard input, line by line.
type inputSource struct {
	tell   func(read, write bool)
	seen   uint64
	notice *stdin.Notice
}

func (s *inputSource) arm(read, write bool) error {
	s.stop()
	if read {
		s.notice = stdin.Process.Notify(s.seen, func() { s.tell(true, false) })
	}
	return nil
}

// begins notes what the callback sees: what it leaves as it is is not told again.
func (s *inputSource) begins() { s.seen = stdin.Process.State() }

func (s *inputSource) stop() {
	if s.notice != nil {
		s.notice.Cancel()
		s.notice = nil
	}
}

// writer writes to a descriptor in the background, in order.
type writer struct {
	mu    sync.Mutex
	queue []string
	bytes int
	busy  bool
	err   error // how the last write failed, for the next who writes
}

// maxWrite is how much may wait to be written to a descriptor.
const maxWrite = 8 << 20

var errWriteFull = &scripting.Errno{Name: "outbox_full", Code: 1009, Text: "too much waits to be written to the descriptor"}

// writeTo queues data for a descriptor of the system.
func (ws *watchers) writeTo(fd int, data string) error {
	w := ws.writers[fd]
	if w == nil {
		w = &writer{}
		ws.writers[fd] = w
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.err; err != nil {
		w.err = nil
		return err
	}
	if w.bytes+len(data) > maxWrite {
		return errWriteFull
	}
	if !w.busy {
		copied, err := syscall.Dup(fd) // the script may close its own
		if err != nil {
			return err
		}
		syscall.CloseOnExec(copied)
		w.busy = true
		go w.run(os.NewFile(uintptr(copied), "descriptor"))
	}
	w.queue = append(w.queue, data)
	w.bytes += len(data)
	return nil
}

// run writes until nothing is left, or it fails.
func (w *writer) run(file *os.File) {
	defer file.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 && w.err == nil {
		data := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Unlock()
		_, err := file.WriteString(data)
		w.mu.Lock()
		w.bytes -= len(data)
		w.err = err
	}
	w.queue, w.bytes, w.busy = nil, 0, false
}

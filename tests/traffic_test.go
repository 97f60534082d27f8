package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Much traffic: every byte comes back, in order, to whom it belongs.

// pattern is what clients send. Its length is a prime, and every client begins
// elsewhere, so that a byte that is lost, doubled or another's is seen.
var pattern = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20+7)
	rand.New(rand.NewSource(1)).Read(b)
	return b
})

// content is the stream of bytes of one client.
type content int

// at is a piece of the stream, at most n bytes, beginning at off.
func (c content) at(off int64, n int) []byte {
	p := pattern()
	i := (off + int64(c)*1_000_003) % int64(len(p))
	return p[i:min(int64(len(p)), i+int64(n))]
}

// same compares received bytes with the stream.
func (c content) same(off int64, got []byte) error {
	for len(got) > 0 {
		want := c.at(off, len(got))
		if !bytes.Equal(got[:len(want)], want) {
			i := 0
			for got[i] == want[i] {
				i++
			}
			return fmt.Errorf("client %d: byte %d of the stream is wrong", c, off+int64(i))
		}
		off, got = off+int64(len(want)), got[len(want):]
	}
	return nil
}

// echoer is one client of an echo server.
type echoer struct {
	content
	messages int
	size     func(i int) int
	window   int           // messages in flight
	pace     time.Duration // a slow reader reads at most chunk each pace
	chunk    int
}

// run sends everything, ends its side of the stream, and compares what comes
// back until the server ends its own. It returns the bytes sent.
func (e *echoer) run(conn *net.TCPConn) (int64, error) {
	defer conn.Close()
	if e.pace > 0 {
		conn.SetReadBuffer(128 << 10)
	}
	var sent atomic.Int64
	ends := make(chan int64, e.window) // of the messages in flight
	over := make(chan struct{})
	var wrote error
	var writer sync.WaitGroup
	writer.Add(1)
	go func() {
		defer writer.Done()
		wrote = e.write(conn, &sent, ends, over)
	}()
	got, err := e.read(conn, ends)
	close(over)
	if err != nil {
		conn.Close()
	}
	writer.Wait()
	if err == nil {
		err = wrote
	}
	if err == nil && got != sent.Load() {
		err = fmt.Errorf("client %d: sent %d bytes, got %d", e.content, sent.Load(), got)
	}
	return sent.Load(), err
}

func (e *echoer) write(conn *net.TCPConn, sent *atomic.Int64, ends chan<- int64, over <-chan struct{}) error {
	var off int64
	for i := range e.messages {
		end := off + int64(e.size(i))
		select {
		case ends <- end:
		case <-over:
			return errors.New("the server has ended the stream too early")
		}
		for off < end {
			n, err := conn.Write(e.at(off, int(end-off)))
			if off += int64(n); err != nil {
				return fmt.Errorf("client %d: after %d bytes: %w", e.content, off, err)
			}
			sent.Store(off)
		}
	}
	return conn.CloseWrite()
}

func (e *echoer) read(conn *net.TCPConn, ends <-chan int64) (int64, error) {
	buf := make([]byte, 64<<10)
	var tick *time.Ticker
	if e.pace > 0 {
		buf = buf[:e.chunk]
		tick = time.NewTicker(e.pace)
		defer tick.Stop()
	}
	var off, end int64
	for {
		if tick != nil {
			<-tick.C
		}
		n, err := conn.Read(buf)
		if bad := e.same(off, buf[:n]); bad != nil {
			return off, bad
		}
		off += int64(n)
		for more := true; more && end <= off; {
			select {
			case end = <-ends:
			default:
				more = false
			}
		}
		if err == io.EOF {
			return off, nil
		}
		if err != nil {
			return off, fmt.Errorf("client %d: after %d bytes: %w", e.content, off, err)
		}
	}
}

const echoStormScript = `
-- A small outbox: the callbacks of slow readers come to wait.
server:set{ socket_buffer_size = "256K", backlog = 1024 }
function onReceive(server, fd, reactor_id, data)
  assert(server:send(fd, data))
end
function onShutdown(server)
  local st = server:stats()
  print("received " .. ("%.0f"):format(st.total_recv_bytes) .. " sent " .. ("%.0f"):format(st.total_send_bytes)
    .. " paused " .. st.read_pauses .. " clients " .. st.accept_count .. " left " .. st.connection_num)
end`

// A thousand clients at once. A tenth of them read slower than they write; of
// these, the heavy ones send until the server must stop reading them.
func TestEchoStorm(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const clients = 1000
		quick, light, heavy, much := 18, 25, 4, 1500
		if s.race {
			quick, light, heavy, much = 3, 5, 2, 1100
		}
		sv := serve(t, s, echoStormScript)
		var group sync.WaitGroup
		errs := make(chan error, clients)
		var total atomic.Int64
		dials := make(chan struct{}, 64)
		for k := range clients {
			e := &echoer{content: content(k), messages: quick, window: 16}
			e.size = func(i int) int {
				if (i+k)%25 == 0 {
					return 256 << 10
				}
				return 1 + (i*7919+k*104729)%1500
			}
			switch {
			case k%10 != 0:
			case k/10 < heavy:
				e.messages, e.window, e.pace, e.chunk = much, much, 10*time.Millisecond, 64<<10
			default:
				e.messages, e.pace, e.chunk = light, 10*time.Millisecond, 4<<10
			}
			group.Add(1)
			go func() {
				defer group.Done()
				dials <- struct{}{}
				c, err := net.DialTimeout("tcp", sv.Addr, patience)
				<-dials
				if err != nil {
					errs <- err
					return
				}
				c.SetDeadline(time.Now().Add(3 * patience))
				n, err := e.run(c.(*net.TCPConn))
				total.Add(n)
				if err != nil {
					errs <- err
				}
			}()
		}
		group.Wait()
		close(errs)
		shown := 0
		for err := range errs {
			if shown++; shown <= 10 {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Fatalf("%d clients failed", shown)
		}
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		var received, sent, paused, accepted, left int64
		if _, err := fmt.Sscanf(sv.Out.String(), "received %d sent %d paused %d clients %d left %d", &received, &sent, &paused, &accepted, &left); err != nil {
			t.Fatalf("%v in %q", err, sv.Out.tail())
		}
		if n := total.Load(); received != n || sent != n || accepted != clients || left != 0 {
			t.Errorf("%d clients sent %d bytes; the server says: %s", clients, n, sv.Out.tail())
		}
		if paused == 0 {
			t.Error("no slow reader made the server stop reading: the storm proves nothing about back-pressure")
		}
		t.Logf("%d MB, %d pauses", total.Load()>>20, paused)
	})
}

const foreignScript = `
-- Every worker remembers every fd it ever saw and sends to these and to ids
-- of others, old, new and not yet given.
local seen, last = {}, 0
local bytes = 0
local function id()
  if #seen > 0 and math.random(4) == 1 then return seen[math.random(#seen)] end
  return math.max(1, last + 8 - math.random(120))
end
function onWorkerStart(server, worker_id)
  math.randomseed(worker_id + 1)
  server:tick(2, function()
    for i = 1, 24 do
      local to = id()
      server:send(to, "for " .. to .. "\n")
    end
    local victim = id()
    if math.random(8) == 1 then server:close(victim, math.random(2) == 1) end
  end)
end
function onConnect(server, fd)
  seen[#seen + 1] = fd
  if fd > last then last = fd end
  server:send(fd, "for " .. fd .. "\n")
end
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "for " .. fd .. "\n")
end
function onClose(server, fd) server:send(fd, "for " .. fd .. "\n") end`

// Descriptors are used again at once, ids never: whatever is sent late to an
// old id must not reach the client that has its descriptor now.
func TestBytesReachOnlyTheirSession(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		lives := int64(3000)
		if s.race {
			lives = 800
		} else if s.workers == 1 {
			lives = 1000 // fewer workers send less
		}
		sv := serve(t, s, foreignScript)
		var mu sync.Mutex
		owners := map[string]bool{}
		var begun, lines atomic.Int64
		var group sync.WaitGroup
		for k := range 48 {
			group.Add(1)
			go func() {
				defer group.Done()
				dice := rand.New(rand.NewSource(int64(k)))
				for begun.Add(1) <= lives && !t.Failed() {
					text, err := shortLife(sv.Addr, dice)
					if err != nil {
						t.Error(err)
						return
					}
					id, n, err := oneOwner(text)
					if err != nil {
						t.Error(err)
						return
					}
					if n == 0 {
						continue // it was closed before anything was written
					}
					lines.Add(int64(n))
					mu.Lock()
					if owners[id] {
						t.Errorf("two clients were given the id %s", id)
					}
					owners[id] = true
					mu.Unlock()
				}
			}()
		}
		group.Wait()
		if n := len(owners); int64(n) < lives/2 || lines.Load() < lives {
			t.Errorf("only %d of %d clients heard anything, %d lines: nothing is proved", n, lives, lines.Load())
		}
		t.Logf("%d clients, %d lines", len(owners), lines.Load())
	})
}

// shortLife is a client that hears a few lines and leaves in one way or
// another. It returns all that it was sent.
func shortLife(addr string, dice *rand.Rand) (string, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return "", nil // closed before we could look, by a reset or by an end and a reset
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	conn := c.(*net.TCPConn)
	conn.SetDeadline(time.Now().Add(patience))
	if dice.Intn(2) == 0 {
		conn.Write([]byte("x"))
	}
	var text []byte
	buf := make([]byte, 4096)
	wants := dice.Intn(5)
	for bytes.Count(text, []byte("\n")) < wants {
		n, err := conn.Read(buf)
		text = append(text, buf[:n]...)
		if err != nil {
			if isTimeout(err) {
				return "", err
			}
			return string(text), nil
		}
	}
	switch dice.Intn(3) {
	case 0:
		conn.SetLinger(0)
	case 1:
		conn.CloseWrite()
		for {
			n, err := conn.Read(buf)
			text = append(text, buf[:n]...)
			if isTimeout(err) {
				return "", err
			}
			if err != nil {
				break
			}
		}
	}
	return string(text), nil
}

func isTimeout(err error) bool {
	var nerr net.Error
	return errors.As(err, &nerr) && nerr.Timeout()
}

// oneOwner finds the one id that all lines are tagged with.
func oneOwner(text string) (id string, lines int, err error) {
	parts := strings.Split(text, "\n")
	tail := parts[len(parts)-1]
	for _, line := range parts[:len(parts)-1] {
		tag, ok := strings.CutPrefix(line, "for ")
		if _, bad := strconv.Atoi(tag); !ok || bad != nil {
			return "", 0, fmt.Errorf("a torn line: %q in %q", line, text)
		}
		if id == "" {
			id = tag
		}
		if tag != id {
			return "", 0, fmt.Errorf("session %s got bytes for %s: %q", id, tag, text)
		}
		lines++
	}
	if id != "" && !strings.HasPrefix("for "+id, tail) {
		return "", 0, fmt.Errorf("session %s: the stream ends with %q", id, tail)
	}
	return id, lines, nil
}

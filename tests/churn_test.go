package tests

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// keepClients is what scripts do: a table keyed by fd, for as long as the
// server lives.
const keepClients = `
	local clients, names = {}, {}
	function onConnect(server, fd)
	  clients[fd] = { fd = fd, at = os.time() }
	  names["client-" .. fd] = fd
	end
	function onReceive(server, fd, reactor_id, data)
	  if data == "count" then
	    local n = 0
	    for _ in pairs(clients) do n = n + 1 end
	    for _ in pairs(names) do n = n + 1 end
	    collectgarbage()
	    server:send(fd, n .. "\n")
	  else
	    -- Variables are a generation's own: after a reload it starts empty.
	    server:send(fd, (clients[fd] or { fd = fd }).fd .. "\n")
	  end
	end
	function onClose(server, fd)
	  clients[fd] = nil
	  names["client-" .. fd] = nil
	end`

// churn connects, asks, and leaves n times, with a few clients at once.
func churn(t testing.TB, sv *server, n int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for left.Add(-1) >= 0 && !t.Failed() {
				c, err := dialTCP(sv.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				var b [32]byte
				c.SetDeadline(time.Now().Add(patience))
				c.Write([]byte("hi"))
				if k, err := c.Read(b[:]); err != nil || k < 2 {
					t.Errorf("short answer: %d bytes, %v", k, err)
				}
				c.SetLinger(0) // leave no TIME_WAIT behind
				c.Close()
			}
		})
	}
	wg.Wait()
}

// megabytes is the server's resident memory.
func (sv *server) megabytes(t testing.TB) int { return int(sv.rss(t) >> 20) }

// A script that keeps clients[fd] may do so for ever: memory and the time of
// pairs depend on the clients there are, not on those there were.
func TestClientsByFdForEver(t *testing.T) {
	t.Parallel()
	if os.Getenv("SWOON_SOAK") != "" {
		t.Skip("the soak does more of the same")
	}
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) { clientsForEver(t, mode, 20_000) })
	}
}

func clientsForEver(t *testing.T, mode string, n int) {
	sv := serve(t, setup{mode: mode, workers: 2}, keepClients)
	const warm = 12_000 // as many as fill the heap once
	churn(t, sv, warm)
	before := sv.megabytes(t)
	churn(t, sv, n)
	after := sv.megabytes(t)
	t.Logf("%d MB after %d sessions, %d MB after %d", before, warm, after, warm+n)
	if after > before+12 {
		t.Errorf("memory grew from %d to %d MB over %d sessions", before, after, n)
	}
	c := sv.dial(t)
	eventually(t, "all but one session are forgotten", func() bool {
		c.say("count")
		n, err := strconv.Atoi(c.line())
		return err == nil && n <= 2
	})
}

// TestSoak runs for as long as SWOON_SOAK says: sessions come and go while the
// script is saved again and again.
func TestSoak(t *testing.T) {
	t.Parallel()
	long, err := time.ParseDuration(os.Getenv("SWOON_SOAK"))
	if err != nil {
		t.Skip("make soak runs this")
	}
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			sv := serve(t, setup{mode: mode, workers: 2}, keepClients)
			churn(t, sv, 20_000)
			before, total := sv.megabytes(t), 20_000
			for end := time.Now().Add(long / 2); time.Now().Before(end) && !t.Failed(); {
				churn(t, sv, 10_000)
				total += 10_000
				sv.save(t, keepClients+fmt.Sprintf("\n-- %d\n", total))
			}
			after := sv.megabytes(t)
			t.Logf("%d MB after 20,000 sessions, %d MB after %d and as many reloads", before, after, total)
			if after > before+24 {
				t.Errorf("memory grew from %d to %d MB", before, after)
			}
			if sv.Log.count("reload failed") > 0 {
				t.Errorf("a reload failed:\n%s", sv.Log.tail())
			}
		})
	}
}

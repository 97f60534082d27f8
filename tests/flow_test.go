package tests

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Who waits for whom: a callback that waits holds up its own session and
// nobody else, a slow reader costs its outbox, a fast sender is stopped.

const pipelineScript = `
local co = require "co"
local rest, busy = {}, {}
function onConnect(server, fd) server:send(fd, "worker " .. server.worker_id .. "\n") end
function onReceive(server, fd, reactor_id, data)
  if busy[fd] then print("overlap of " .. fd) end
  busy[fd] = true
  local text, from = (rest[fd] or "") .. data, 1
  while true do
    local at = text:find("\n", from, true)
    if not at then break end
    local line = text:sub(from, at - 1)
    if line:sub(1, 4) == "wait" then
      server:send(fd, "waiting\n")
      co.sleep(tonumber(line:sub(6)))
    end
    server:send(fd, line .. "\n")
    from = at + 1
  end
  rest[fd] = text:sub(from)
  busy[fd] = nil
end`

// Sixteen messages in one go, the first of which waits, while others flood the
// same workers: the answers keep their order, and the others are served.
func TestWaitingCallbackKeepsOrder(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, pipelineScript)
		floods := 8 * s.workers
		served := make([]atomic.Int64, floods)
		workers := make([]string, floods)
		var group sync.WaitGroup
		stop := make(chan struct{})
		for i := range floods {
			c := sv.dial(t)
			workers[i] = c.line()
			group.Add(1)
			go func() {
				defer group.Done()
				flood(t, c, &served[i], stop)
			}()
		}
		defer group.Wait()
		defer close(stop)
		eventually(t, "every flooding client is served", func() bool { return countAtLeast(served, 1) == floods })

		// The messages go out each alone, and all in one packet.
		for round := range 10 {
			c := sv.dial(t)
			mine := c.line()
			c.say("wait 0.02\n")
			if round%2 == 0 {
				c.expect("waiting")
				for i := 2; i <= 16; i++ {
					c.say(fmt.Sprintf("%d\n", i))
				}
			} else {
				var all strings.Builder
				for i := 2; i <= 16; i++ {
					fmt.Fprintf(&all, "%d\n", i)
				}
				c.say(all.String())
				c.expect("waiting")
			}
			if round == 0 {
				// A long wait: all who share the worker must be served meanwhile.
				c.expect("wait 0.02")
				for i := 2; i <= 16; i++ {
					c.expect(strconv.Itoa(i))
				}
				c.say("wait 1.5\n")
				c.expect("waiting")
				before := make([]int64, floods)
				for i := range served {
					before[i] = served[i].Load()
				}
				c.say("2\n3\n")
				c.expect("wait 1.5")
				for i := range served {
					if workers[i] == mine && served[i].Load() <= before[i]+1 {
						t.Errorf("a client of the same worker was not served while a callback waited")
					}
				}
				c.expect("2")
				c.expect("3")
				continue
			}
			c.expect("wait 0.02")
			for i := 2; i <= 16; i++ {
				c.expect(strconv.Itoa(i))
			}
		}
		if n := sv.Out.count("overlap"); n > 0 {
			t.Errorf("%d messages were handled while the one before still waited:\n%s", n, sv.Out.tail())
		}
	})
}

// flood sends lines, eight in flight, and checks the answers.
func flood(t testing.TB, c *client, served *atomic.Int64, stop chan struct{}) {
	sent, got := 0, 0
	for {
		select {
		case <-stop:
			for ; got < sent; got++ {
				if line := c.mustLine(); line != strconv.Itoa(got) {
					t.Errorf("flood: got %q, want %d", line, got)
					return
				}
			}
			return
		default:
		}
		for ; sent < got+8; sent++ {
			if _, err := fmt.Fprintf(c, "%d\n", sent); err != nil {
				t.Errorf("flood: %v", err)
				return
			}
		}
		if line := c.mustLine(); line != strconv.Itoa(got) {
			t.Errorf("flood: got %q, want %d", line, got)
			return
		}
		got++
		served.Store(int64(got))
	}
}

// mustLine is line for goroutines that may not end the test: "" on failure.
func (c *client) mustLine() string {
	for {
		if i := strings.IndexByte(string(c.buf), '\n'); i >= 0 {
			line := string(c.buf[:i])
			c.buf = c.buf[i+1:]
			return line
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if n == 0 && err != nil {
			return ""
		}
		c.buf = append(c.buf, b[:n]...)
	}
}

func countAtLeast(counts []atomic.Int64, least int64) (n int) {
	for i := range counts {
		if counts[i].Load() >= least {
			n++
		}
	}
	return n
}

const busySessionScript = `
function onReceive(server, fd, reactor_id, data)
  if #data > 5 then for i = 1, 30000 do end end
  server:send(fd, data)
end`

// A client that sends faster than its callbacks run keeps a worker busy; it
// must not have the worker for itself.
func TestBusySessionStarvesNobody(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.workers = 1
		sv := serve(t, s, busySessionScript)
		busy, c := sv.dial(t), sv.dial(t)
		var answered atomic.Int64
		var group sync.WaitGroup
		group.Add(2)
		go func() {
			defer group.Done()
			block := make([]byte, 64<<10)
			for {
				if _, err := busy.Write(block); err != nil {
					return
				}
			}
		}()
		go func() {
			defer group.Done()
			b := make([]byte, 64<<10)
			for {
				n, err := busy.Read(b)
				if answered.Add(int64(n)); err != nil {
					return
				}
			}
		}()
		defer group.Wait()
		defer busy.TCPConn.Close()
		eventually(t, "the busy client is served", func() bool { return answered.Load() > 4<<20 })
		const pings = 20
		slow := 0 // some may be: the one who pings has not always a processor
		for range pings {
			before := answered.Load()
			c.say("ping\n")
			c.expect("ping")
			if answered.Load()-before > 2<<20 {
				slow++
			}
		}
		if slow > pings/2 {
			t.Errorf("while %d of %d pings were answered, the busy session got more than 2 MB", slow, pings)
		}
	})
}

// gate is a part of scripts: a callback waits until another client opens it.
const gate = `
local co = require "co"
local function hold(server, fd)
  server:send(fd, "holding\n")
  while not server:session(fd).open do co.sleep(0.01) end
end
local function open(server, fd)
  server:session(fd).open = true
end
`

// rss is the resident memory of the server in bytes.
func (sv *server) rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", sv.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmRSS in\n%s", b)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

const neverScript = `
server:set{ socket_buffer_size = "1M" }
local piece = ("x"):rep(65536)
local targets, full = {}, {}
-- A timer sends, so that no callback's own session is meant.
function onWorkerStart(server)
  server:tick(5, function()
    for _, fd in ipairs(targets) do
      for i = 1, 32 do
        local ok, why = server:send(fd, piece)
        if not ok then
          if not full[fd] then
            full[fd] = true
            print("full " .. fd .. " " .. why .. " " .. server:getClientInfo(fd).send_queued_bytes)
          end
          break
        end
      end
    end
  end)
end
function onReceive(server, fd, reactor_id, data)
  if data == "feed me" then targets[#targets + 1] = fd end
  server:send(fd, "ok\n")
end
function onClose(server, fd, reactor_id, reason)
  for i, other in ipairs(targets) do
    if other == fd then table.remove(targets, i) break end
  end
end`

// A reader that never reads costs at most its outbox.
func TestReaderThatNeverReads(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		const readers, box = 32, 1 << 20
		sv := serve(t, s, neverScript)
		probe := sv.dial(t)
		probe.say("hello")
		probe.expect("ok")
		before := sv.rss(t)
		var clients []*client
		for range readers {
			c := sv.dial(t)
			c.SetReadBuffer(128 << 10)
			c.say("feed me")
			c.expect("ok")
			clients = append(clients, c)
		}
		sv.Out.waitCount(t, "full ", readers)
		for _, m := range regexp.MustCompile(`full (\d+) (\S+) (\d+)\n`).FindAllStringSubmatch(sv.Out.String(), -1) {
			if queued, _ := strconv.Atoi(m[3]); m[2] != "outbox_full" || queued > box || queued < box-65536 {
				t.Errorf("session %s: %s with %s bytes queued, the outbox holds %d", m[1], m[2], m[3], box)
			}
		}
		// It goes on being tried; memory must not go on growing.
		probe.say("hello")
		probe.expect("ok")
		limit := int64(readers*box + 48<<20)
		if s.race {
			limit *= 6 // shadow memory
		}
		if grown := sv.rss(t) - before; grown > limit {
			t.Errorf("%d readers with outboxes of %d bytes cost %d bytes of memory", readers, box, grown)
		}
		for _, c := range clients[1:] {
			c.reset()
		}
		// The last one reads after all, and is sent to again.
		clients[0].take(8 << 20)
		clients[0].reset()
	})
}

const flowScript = gate + `
server:set{ socket_buffer_size = "512K" }
local function numbered(i) return ("%07d "):format(i):rep(8192) end
function onConnect(server, fd) server:send(fd, fd .. "\n") end
function onReceive(server, fd, reactor_id, data)
  local word, arg = data:match("^(%a+) ?([^\n]*)\n")
  if word == "pieces" then
    for i = 1, tonumber(arg) do assert(server:send(fd, numbered(i))) end
    print("sent all to " .. fd)
    server:send(fd, "end\n")
  elseif word == "hold" then
    hold(server, fd)
    server:send(fd, "going on\n")
  elseif word == "open" then
    open(server, tonumber(arg))
    server:send(fd, "opened\n")
  elseif word == "fill" then
    local to, n = tonumber(arg), 0
    while true do
      local ok, why = server:send(to, numbered(n))
      if not ok then print(fd .. " filled " .. to .. ": " .. why .. ", piece " .. #numbered(n)) break end
      n = n + 1
      co.sleep(0)
    end
    assert(server:send(fd, numbered(0))) -- its own is full too: wait
    print(fd .. " went on")
  elseif word == "cast" then
    local text = arg .. (" "):rep(16384 - #arg - 1) .. "\n"
    for _, to in ipairs(server.connections) do
      local ok, why = server:send(to, text)
      if not ok then print("cast to " .. to .. ": " .. why) end
    end
  elseif word == "stats" then
    local st = server:stats()
    server:send(fd, "waiting=" .. st.coroutine_num .. " paused=" .. st.read_pauses .. "\n")
  elseif word == "queued" then
    server:send(fd, server:getClientInfo(tonumber(arg)).send_queued_bytes .. "\n")
  else
    server:send(fd, data)
  end
end`

func piece(i int) string { return strings.Repeat(fmt.Sprintf("%07d ", i), 8192) }

// answer says a line and returns the answer.
func (c *client) answer(line string) string {
	c.t.Helper()
	c.say(line + "\n")
	return c.line()
}

// stat asks a number of the script's stats line.
func (c *client) stat(name string) int {
	c.t.Helper()
	for _, word := range strings.Fields(c.answer("stats")) {
		if v, ok := strings.CutPrefix(word, name+"="); ok {
			n, _ := strconv.Atoi(v)
			return n
		}
	}
	c.t.Fatalf("stats without %s", name)
	return 0
}

func TestBackPressure(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, flowScript)
		other := sv.dial(t)
		other.line()

		// A callback that sends to its own full session waits.
		c := sv.dial(t)
		c.SetReadBuffer(128 << 10)
		c.line()
		c.say("pieces 128\n") // 8 MB
		eventually(t, "the callback waits for its reader", func() bool { return other.stat("waiting") == 1 })
		if sv.Out.count("sent all") > 0 {
			t.Fatal("8 MB were sent to a client that reads nothing")
		}
		for i := 1; i <= 128; i++ {
			if got := c.take(65536); got != piece(i) {
				t.Fatalf("piece %d is wrong", i)
			}
		}
		c.expect("end")
		sv.Out.wait(t, "sent all")

		// A client that floods a waiting callback is stopped by TCP.
		c = sv.dial(t)
		fd := c.line()
		c.say("hold\n")
		c.expect("holding")
		const most = 32 << 20
		sent := fillUntilBlocked(t, c, 7, most)
		if sent >= most {
			t.Fatalf("%d bytes were taken from a client whose callback waits", sent)
		}
		eventually(t, "the session is paused", func() bool { return other.stat("paused") > 0 })
		if got := other.answer("open " + fd); got != "opened" {
			t.Fatalf("got %q", got)
		}
		c.expect("going on")
		for off := int64(0); off < sent; {
			got := c.take(int(min(sent-off, 1<<20)))
			if err := content(7).same(off, []byte(got)); err != nil {
				t.Fatal(err)
			}
			off += int64(len(got))
		}
		t.Logf("%d KB taken before the client was stopped", sent>>10)
	})
}

// fillUntilBlocked writes until the peer takes nothing for a second, and
// returns how much it took.
func fillUntilBlocked(t testing.TB, c *client, what content, most int64) (sent int64) {
	t.Helper()
	for sent < most {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(what.at(sent, 64<<10))
		sent += int64(n)
		if isTimeout(err) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.SetWriteDeadline(time.Now().Add(4 * patience))
	return sent
}

// A broadcaster is not stalled by a client that does not read.
func TestSlowReaderStallsNoBroadcast(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, flowScript)
		var quick []*client
		for range 3 {
			c := sv.dial(t)
			c.line()
			quick = append(quick, c)
		}
		slow := sv.dial(t)
		slow.SetReadBuffer(128 << 10)
		id := slow.line()
		round := 0
		for ; sv.Out.count("cast to "+id+": outbox_full") < 20; round++ {
			if round > 4000 {
				t.Fatal("64 MB were taken for a client that reads nothing")
			}
			quick[0].say(fmt.Sprintf("cast %d\n", round))
			for _, c := range quick {
				if got, want := strings.TrimRight(c.line(), " "), strconv.Itoa(round); got != want {
					t.Fatalf("cast: got %q, want %q", got, want)
				}
			}
		}
		if n := sv.Out.count("cast to ") - sv.Out.count("cast to "+id+":"); n > 0 {
			t.Errorf("%d casts did not reach those who read", n)
		}
		slow.reset()
	})
}

// Two callbacks that fill each other's session go on: the foreign send fails
// at once, and only the own one waits, for the client.
func TestFullSessionsDoNotLock(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, flowScript)
		var c [2]*client
		var id [2]string
		for i := range c {
			c[i] = sv.dial(t)
			c[i].SetReadBuffer(128 << 10)
			id[i] = c[i].line()
		}
		c[0].say("fill " + id[1] + "\n")
		c[1].say("fill " + id[0] + "\n")
		for i := range c {
			sv.Out.wait(t, id[i]+" filled "+id[1-i]+": outbox_full")
		}
		for i := range c {
			c[i].take(9 * 65536)
		}
		// Each has something left to read, or its callback waits for it.
		var group sync.WaitGroup
		for i := range c {
			group.Add(1)
			go func() {
				defer group.Done()
				b := make([]byte, 64<<10)
				for {
					if _, err := c[i].Read(b); err != nil {
						return
					}
				}
			}()
		}
		for i := range c {
			sv.Out.wait(t, id[i]+" went on")
		}
		for i := range c {
			c[i].TCPConn.Close()
		}
		group.Wait()
	})
}

const computeScript = `
server:set{ max_execution_time = 60 }
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "working\n")
  local watcher = tonumber(data:match("%d+"))
  if watcher then server:send(watcher, "it works\n") end
  print("computing")
  local till = os.clock() + 2
  local n = 0
  while os.clock() < till do n = n + 1 end
  print("computed")
  server:send(fd, "done\n")
end
function onConnect(server, fd) server:send(fd, fd .. "\n") end`

// What is sent before a long computation arrives before it ends.
func TestSendLeavesBeforeComputation(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, computeScript)
		watcher, c := sv.dial(t), sv.dial(t)
		id := watcher.line()
		c.line()
		c.say(id + "\n")
		c.expect("working")
		watcher.expect("it works")
		if sv.Out.count("computed") > 0 {
			t.Error("the text came when the computation was over")
		}
		sv.Out.wait(t, "computing")
		// The door is open, though the only worker may be busy.
		late, err := net.DialTimeout("tcp", sv.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		late.Close()
		c.expect("done")
		sv.Out.wait(t, "computed")
	})
}

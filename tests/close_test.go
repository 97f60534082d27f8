package tests

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How sessions and servers end.

// The script prints a line for everything that happens to a session: its fd
// and what it is.
const lifeScript = gate + `
local function say(fd, what) print(fd .. " " .. what) end
local commands = {}
function commands.slow(server, fd) co.sleep(0.3) server:send(fd, "answer\n") end
commands.hold = hold
function commands.open(server, fd, other) open(server, tonumber(other)) end
function commands.close(server, fd) server:send(fd, "bye\n") server:close(fd) end
function commands.reset(server, fd) server:send(fd, "never read\n") server:close(fd, true) end
function commands.throw(server, fd) server:send(fd, "before\n") error("thrown on purpose") end
function commands.stats(server, fd)
  local st = server:stats()
  server:send(fd, ("connection_num=%d abort_count=%d refused_max_connection=%d read_pauses=%d\n"):format(
    st.connection_num, st.abort_count, st.refused_max_connection or 0, st.read_pauses))
end
function onConnect(server, fd)
  say(fd, "connect")
  server:send(fd, fd .. "\n")
end
function onReceive(server, fd, reactor_id, data)
  say(fd, "receive")
  local word, arg = data:match("^(%a+) ?(%w*)\n")
  local command = commands[word]
  if command then command(server, fd, arg) elseif #data < 100 then server:send(fd, data) end
  say(fd, "returned")
end
function onClose(server, fd, reactor_id, reason)
  say(fd, "close " .. reason .. (reactor_id == -1 and " by script" or ""))
end
function onWorkerStop() print("worker stop") end
function onShutdown() print("shutdown") end`

// lives are the lines of each session, in order.
func (sv *server) lives() map[string][]string {
	all := map[string][]string{}
	for _, line := range strings.Split(sv.Out.String(), "\n") {
		if fd, what, ok := strings.Cut(line, " "); ok {
			if _, err := strconv.Atoi(fd); err == nil {
				all[fd] = append(all[fd], what)
			}
		}
	}
	return all
}

// orderly says what is wrong with the life of a session: it begins with
// connect, its messages do not overlap, it ends with its only close.
func orderly(life []string) error {
	inside := false
	for i, what := range life {
		last := i == len(life)-1
		switch {
		case (i == 0) != (what == "connect"):
			return fmt.Errorf("onConnect is not the first event: %q", life)
		case last != strings.HasPrefix(what, "close"):
			return fmt.Errorf("onClose is not the last event, once: %q", life)
		case what == "receive" && inside:
			return fmt.Errorf("two messages overlap: %q", life)
		case what == "returned" && !inside:
			return fmt.Errorf("a message returned twice: %q", life)
		}
		if what == "receive" || what == "returned" {
			inside = what == "receive"
		}
	}
	return nil
}

// closes waits until the session has been closed and checks its life.
func (sv *server) closes(t testing.TB, fd, reason string) []string {
	t.Helper()
	sv.Out.wait(t, "\n"+fd+" close ")
	life := sv.lives()[fd]
	if err := orderly(life); err != nil {
		t.Errorf("session %s: %v", fd, err)
	}
	if got := life[len(life)-1]; got != "close "+reason {
		t.Errorf("session %s: %s, want %s", fd, got, reason)
	}
	return life
}

func (c *client) mustEnd(t testing.TB, want string) {
	t.Helper()
	if rest, err := c.rest(); rest != want || err != nil {
		t.Errorf("the stream ends with %q, %v, want %q", rest, err, want)
	}
}

// cpu is the processor time the server has used.
func (sv *server) cpu(t testing.TB) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", sv.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func TestCloseReasons(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, lifeScript)
		fresh := func() (*client, string) {
			c := sv.dial(t)
			return c, c.line()
		}
		_, _ = fresh() // so that no line of interest is the first of the output

		c, fd := fresh()
		c.say("hello\n")
		c.expect("hello")
		c.TCPConn.Close()
		sv.closes(t, fd, "client_closed")

		// Half-closed: the answer still comes, then the end.
		c, fd = fresh()
		c.say("slow\n")
		c.CloseWrite()
		c.mustEnd(t, "answer\n")
		if life := sv.closes(t, fd, "client_closed"); len(life) != 4 {
			t.Errorf("half-closed: %q", life)
		}

		c, fd = fresh()
		c.reset()
		sv.closes(t, fd, "reset")

		c, fd = fresh()
		c.say("close\n")
		c.mustEnd(t, "bye\n")
		sv.closes(t, fd, "server_closed by script")

		c, fd = fresh()
		c.say("reset\n")
		if rest, err := c.rest(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("close with reset: %q, %v", rest, err)
		}
		sv.closes(t, fd, "server_closed by script")

		c, fd = fresh()
		c.say("throw\n")
		c.mustEnd(t, "before\n")
		sv.closes(t, fd, "error_in_callback")
		sv.Log.wait(t, "thrown on purpose")

		// Closed by the script while the client closes and while it resets.
		for i := range 4 {
			c, fd = fresh()
			c.say("slow\nand more")
			sv.Out.wait(t, "\n"+fd+" receive")
			if i%2 == 0 {
				c.reset()
			} else {
				c.TCPConn.Close()
			}
			sv.Out.wait(t, "\n"+fd+" close ")
			if err := orderly(sv.lives()[fd]); err != nil {
				t.Error(err)
			}
		}

		// Reset while its callback waits and its inbox is over the cap: the
		// session is not read then, and must neither spin nor be forgotten.
		other, _ := fresh()
		c, fd = fresh()
		c.say("hold\n")
		c.expect("holding")
		sent := fillUntilBlocked(t, c, 3, 32<<20)
		eventually(t, fmt.Sprintf("the session is paused after %d bytes", sent), func() bool {
			got := other.answer("stats")
			return strings.Contains(got, " read_pauses=") && !strings.Contains(got, " read_pauses=0")
		})
		before := sv.cpu(t)
		c.reset()
		for begun := time.Now(); time.Since(begun) < time.Second; {
			other.say("ping\n")
			other.expect("ping")
			time.Sleep(50 * time.Millisecond)
		}
		if used := sv.cpu(t) - before; used > 400*time.Millisecond {
			t.Errorf("the server used %v of processor time in a second with nothing to do but a reset session", used)
		}
		other.say("open " + fd + "\n")
		sv.closes(t, fd, "reset")

		// Whoever is left ends with the server; then the workers, then all.
		other.say("ping\n")
		other.expect("ping")
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		other.mustEnd(t, "")
		out := sv.Out.String()
		for fd, life := range sv.lives() {
			if err := orderly(life); err != nil {
				t.Errorf("session %s: %v", fd, err)
			}
		}
		if n := strings.Count(out, "close shutdown\n"); n != 2 {
			t.Errorf("%d sessions closed by the shutdown, want 2", n)
		}
		want := strings.Repeat("worker stop\n", s.workers) + "shutdown\n"
		if !strings.HasSuffix(out, want) || strings.Count(out, "worker stop\n") != s.workers {
			t.Errorf("the end of the output is not onWorkerStop of each worker and onShutdown:\n%s", sv.Out.tail())
		}
	})
}

func TestErrorPolicyKeep(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = []string{"--set", "error_policy=keep"}
		sv := serve(t, s, lifeScript)
		c := sv.dial(t)
		c.line()
		for range 3 {
			c.say("throw\n")
			c.expect("before")
			c.say("alive\n")
			c.expect("alive")
		}
		sv.Log.waitCount(t, "thrown on purpose", 3)
		if sv.Out.count("close") > 0 {
			t.Errorf("the session was closed:\n%s", sv.Out.tail())
		}
	})
}

func TestMaxConnection(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = []string{"--set", "max_connection=3"}
		sv := serve(t, s, lifeScript)
		var in []*client
		for range 3 {
			c := sv.dial(t)
			c.line()
			in = append(in, c)
		}
		for range 5 {
			c := sv.dial(t)
			if rest, err := c.rest(); rest != "" || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a refused client got %q, %v", rest, err)
			}
		}
		if got, want := in[0].answer("stats"), "connection_num=3 abort_count=5 refused_max_connection=5 "; !strings.HasPrefix(got, want) {
			t.Errorf("stats: %s, want %s", got, want)
		}
		sv.Log.wait(t, "client refused reason=max_connection")
		sv.Out.waitCount(t, " receive\n", 1) // the stats; what came before has been read too
		if n := len(sv.lives()); n != 3 {
			t.Errorf("%d sessions had events, want 3:\n%s", n, sv.Out.tail())
		}
		// Room again: the next one is served.
		in[1].TCPConn.Close()
		sv.Out.wait(t, " close client_closed")
		eventually(t, "a client is served when another has left", func() bool {
			c, err := net.Dial("tcp", sv.Addr)
			if err != nil {
				return false
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			n, _ := c.Read(make([]byte, 16))
			return n > 0
		})
	})
}

// Both sides end sessions at any moment, in every way: each still ends once.
func TestCloseRace(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		lives := 600
		if s.race {
			lives = 200
		}
		sv := serve(t, s, lifeScript)
		var group sync.WaitGroup
		for k := range 20 {
			group.Add(1)
			go func() {
				defer group.Done()
				dice := rand.New(rand.NewSource(int64(k)))
				for range lives / 20 {
					c, err := net.DialTimeout("tcp", sv.Addr, patience)
					if err != nil {
						t.Error(err)
						return
					}
					c.SetDeadline(time.Now().Add(patience))
					conn := c.(*net.TCPConn)
					words := []string{"close\n", "reset\n", "throw\n", "hi\n", "slow\n"}
					for range dice.Intn(3) {
						conn.Write([]byte(words[dice.Intn(len(words))]))
						if dice.Intn(2) == 0 {
							conn.Read(make([]byte, 100))
						}
					}
					switch dice.Intn(3) {
					case 0:
						conn.SetLinger(0)
					case 1:
						conn.CloseWrite()
						if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
							t.Errorf("the server did not end the stream of a half-closed client: %v", err)
						}
					}
					conn.Close()
				}
			}()
		}
		group.Wait()
		sv.Out.waitCount(t, " close ", lives)
		for fd, life := range sv.lives() {
			if err := orderly(strip(life, "returned")); err != nil {
				t.Errorf("session %s: %v", fd, err)
			}
		}
		sv.stop(t, syscall.SIGTERM)
		if n := sv.Out.count(" close "); n != lives {
			t.Errorf("%d sessions, %d onClose", lives, n)
		}
	})
}

// strip leaves out the returns, and so the check that messages do not
// overlap: a callback that throws does not return.
func strip(life []string, word string) (rest []string) {
	for i, what := range life {
		if what != word && (what != "receive" || i == 0) {
			rest = append(rest, what)
		}
	}
	return rest
}

const bigReplyScript = `
server:set{ close_timeout = 2 }
local reply = {}
for i = 1, 3 * 256 do reply[i] = ("%015d\n"):format(i) .. ("."):rep(4080) end
reply = table.concat(reply)
function onReceive(server, fd)
  server:send(fd, reply)
  server:close(fd)
end
function onClose(server, fd, reactor_id, reason) print("close " .. reason) end`

// A reply and a close: the reply arrives whole, though the client still sends
// and reads slowly, longer than close_timeout.
func TestReplyBeforeCloseArrivesWhole(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, bigReplyScript)
		var group sync.WaitGroup
		for k := range 6 {
			c := sv.dial(t)
			if k%2 == 0 {
				c.SetReadBuffer(128 << 10)
			}
			group.Add(2)
			quiet := make(chan struct{})
			go func() { // it sends on until it is told off or has the reply
				defer group.Done()
				b := make([]byte, 4096)
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for {
					if _, err := c.Write(b); err != nil {
						return
					}
					select {
					case <-quiet:
						return
					case <-tick.C:
					}
				}
			}()
			go func() {
				defer group.Done()
				defer close(quiet)
				got, err := readSlowly(c, 3<<20/150, 20*time.Millisecond)
				if err != nil {
					t.Errorf("after %d bytes: %v", len(got), err)
					return
				}
				if len(got) != 3<<20 {
					t.Errorf("%d bytes arrived, want %d", len(got), 3<<20)
					return
				}
				for i := range 3 * 256 {
					if line := got[i*4096 : i*4096+4096]; line != fmt.Sprintf("%015d\n", i+1)+strings.Repeat(".", 4080) {
						t.Errorf("line %d is wrong: %q", i+1, line)
						return
					}
				}
			}()
		}
		group.Wait()
		sv.Out.waitCount(t, "close server_closed", 6)
	})
}

// readSlowly reads to the end of the stream, at most n bytes each pace.
func readSlowly(c *client, n int, pace time.Duration) (string, error) {
	var all strings.Builder
	tick := time.NewTicker(pace)
	defer tick.Stop()
	b := make([]byte, n)
	for {
		<-tick.C
		k, err := c.Read(b)
		all.Write(b[:k])
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
	}
}

const countScript = `
local rest, count = {}, {}
function onReceive(server, fd, reactor_id, data)
  local text, from = (rest[fd] or "") .. data, 1
  while true do
    local at = text:find("\n", from, true)
    if not at then break end
    count[fd] = (count[fd] or 0) + 1
    assert(server:send(fd, text:sub(from, at)))
    from = at + 1
  end
  rest[fd] = text:sub(from)
end
function onClose(server, fd, reactor_id, reason)
  print("closed " .. fd .. " " .. reason .. " after " .. (count[fd] or 0))
end
function onConnect(server, fd) server:send(fd, fd .. "\n") end
function onWorkerStop(server, id) print("worker stop " .. id) end
function onShutdown(server) print("shutdown") end`

// TERM under load: every message that onReceive got has its answer arrive.
func TestTermUnderLoad(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) { termUnderLoad(t, s, syscall.SIGTERM) })
	t.Run("SIGINT", func(t *testing.T) { termUnderLoad(t, setup{workers: 4}, syscall.SIGINT) })
}

func termUnderLoad(t *testing.T, s setup, sig syscall.Signal) {
	const clients = 50
	s.flags = []string{"--set", "max_wait_time=60"}
	sv := serve(t, s, countScript)
	type end struct {
		fd       string
		answered int
	}
	ends := make(chan end, clients)
	var group sync.WaitGroup
	var ready sync.WaitGroup
	for range clients {
		c := sv.dial(t)
		fd := c.line()
		ready.Add(1)
		group.Add(2)
		flight := make(chan struct{}, 4) // batches of fifty not answered yet
		over := make(chan struct{})
		go func() {
			defer group.Done()
			for i := 0; ; i += 50 {
				var b strings.Builder
				for k := range 50 {
					fmt.Fprintf(&b, "message %d\n", i+k)
				}
				select {
				case flight <- struct{}{}:
				case <-over:
					return
				}
				if _, err := io.WriteString(c, b.String()); err != nil {
					return
				}
			}
		}()
		go func() {
			defer group.Done()
			defer close(over)
			r := bufio.NewReader(c)
			n := 0
			begun := sync.OnceFunc(ready.Done)
			defer begun()
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					if line != "" || isTimeout(err) {
						t.Errorf("session %s: after %d answers %q, %v", fd, n, line, err)
					}
					break
				}
				if line != fmt.Sprintf("message %d\n", n) {
					t.Errorf("session %s: answer %d is %q", fd, n, line)
					break
				}
				if n++; n%50 == 0 {
					<-flight
				}
				if n == 1000 {
					begun()
				}
			}
			ends <- end{fd, n}
		}()
	}
	ready.Wait()
	if code := sv.stop(t, sig); code != 0 {
		t.Errorf("exit code %d", code)
	}
	group.Wait()
	close(ends)
	out := sv.Out.String()
	total := 0
	for e := range ends {
		if want := fmt.Sprintf("closed %s shutdown after %d\n", e.fd, e.answered); !strings.Contains(out, want) {
			got := regexp.MustCompile("closed " + e.fd + " .*\n").FindString(out)
			t.Errorf("session %s got %d answers; the script says: %s", e.fd, e.answered, got)
		}
		total += e.answered
	}
	if n := strings.Count(out, "closed "); n != clients {
		t.Errorf("%d clients, %d onClose", clients, n)
	}
	for id := range s.workers {
		if n := strings.Count(out, fmt.Sprintf("worker stop %d\n", id)); n != 1 {
			t.Errorf("onWorkerStop of worker %d ran %d times", id, n)
		}
	}
	if n := strings.Count(out, "shutdown\n"); n != 1 || !strings.HasSuffix(out, "shutdown\n") {
		t.Errorf("onShutdown ran %d times, or not last:\n%s", n, sv.Out.tail())
	}
	t.Logf("%d messages answered", total)
}

const termScript = `
local co = require "co"
server:set{ max_wait_time = 1 }
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "begun\n")
  if data == "compute\n" then
    while true do end
  end
  co.sleep(tonumber(data:match("%S+")))
  server:send(fd, "finished\n")
  print("finished")
end
function onClose(server, fd, reactor_id, reason) print("close " .. reason) end
function onShutdown(server) print("shutdown") end`

func TestTermWhileCallbackWaits(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		begin := func(what string, flags ...string) (*server, *client) {
			s := s
			s.flags = flags
			sv := serve(t, s, termScript)
			sv.quiet = true
			c := sv.dial(t)
			c.say(what + "\n")
			c.expect("begun")
			return sv, c
		}
		t.Run("short", func(t *testing.T) {
			sv, c := begin("0.5", "--set", "max_wait_time=20")
			if code := sv.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			c.mustEnd(t, "finished\n")
			if out := sv.Out.String(); out != "finished\nclose shutdown\nshutdown\n" {
				t.Errorf("the script printed %q", out)
			}
		})
		t.Run("long", func(t *testing.T) {
			sv, _ := begin("100")
			begun := time.Now()
			if code := sv.stop(t, syscall.SIGTERM); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
			if took := time.Since(begun); took < 900*time.Millisecond || took > 10*time.Second {
				t.Errorf("it took %v with max_wait_time = 1", took)
			}
			if log := sv.Log.String(); !regexp.MustCompile(`cut short: onReceive .*app\.lua:9, waiting in co\.sleep .*session 1`).MatchString(log) {
				t.Errorf("the log does not say what was cut short, and where:\n%s", sv.Log.tail())
			}
			if out := sv.Out.String(); !regexp.MustCompile(`^close \S+\nshutdown\n$`).MatchString(out) {
				t.Errorf("the script printed:\n%s", out)
			}
		})
		t.Run("compute", func(t *testing.T) {
			sv, _ := begin("compute")
			if code := sv.stop(t, syscall.SIGINT); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
			sv.Log.wait(t, "cut short: worker 0: a callback that computes without a wait")
		})
		t.Run("twice", func(t *testing.T) {
			sv, _ := begin("100", "--set", "max_wait_time=1000")
			sv.cmd.Process.Signal(syscall.SIGTERM)
			sv.Log.wait(t, "waiting up to")
			if code := sv.stop(t, syscall.SIGTERM); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
			sv.Log.wait(t, "forced to stop by a second signal")
		})
	})
}

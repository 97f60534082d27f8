package tests

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Idle clients, by the thousand, with a heartbeat that watches them: what each
// costs in memory of the process, before and after it has said something, and
// what they all cost in processor time.

const idleScript = `
server:set{ heartbeat_check_interval = 5, heartbeat_idle_time = 600, max_connection = 100000 }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`

// crowd is a server with many clients.
type crowd struct {
	t     testing.TB
	sv    *server
	conns []*net.TCPConn
}

// grow dials until there are n clients. They come from many addresses: one has
// no more ports than that.
func (c *crowd) grow(n int) {
	c.t.Helper()
	to, err := net.ResolveTCPAddr("tcp", c.sv.Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	for len(c.conns) < n {
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+len(c.conns)%200))}
		conn, err := net.DialTCP("tcp", from, to)
		if err != nil {
			c.t.Fatalf("client %d: %v", len(c.conns), err)
		}
		c.conns = append(c.conns, conn)
	}
}

func (c *crowd) leave() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// talk has every client say something and hear it.
func (c *crowd) talk() {
	c.t.Helper()
	text := strings.Repeat("x", 64)
	b := make([]byte, len(text))
	for _, conn := range c.conns {
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte(text)); err != nil {
			c.t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != text {
			c.t.Fatalf("heard %q, %v", b, err)
		}
	}
}

// memory is what the server's process has in memory. Not its share of it: that
// becomes more when another server with the same program ends.
func (c *crowd) memory() int {
	c.t.Helper()
	path := fmt.Sprintf("/proc/%d/smaps_rollup", c.sv.cmd.Process.Pid)
	m := regexp.MustCompile(`(?m)^Rss:\s+(\d+) kB`).FindStringSubmatch(read(c.t, path))
	if m == nil {
		c.t.Fatalf("%s has no Rss", path)
	}
	kb, _ := strconv.Atoi(m[1])
	return kb << 10
}

// rested is the memory when the server has given back what it can: it has not
// become less for longer than a server that rests takes to do so.
func (c *crowd) rested() int {
	c.t.Helper()
	least := c.memory()
	for since := time.Now(); time.Since(since) < 6*time.Second; time.Sleep(100 * time.Millisecond) {
		if now := c.memory(); now < least-64<<10 {
			least, since = now, time.Now()
		}
	}
	return c.memory()
}

// processorTime is what the server has used of it.
func (c *crowd) processorTime() time.Duration {
	c.t.Helper()
	stat := read(c.t, fmt.Sprintf("/proc/%d/stat", c.sv.cmd.Process.Pid))
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// A thousand idle clients cost a few hundred kilobytes, and none is taken for
// dead. Only what is grossly more is found here; see TestSoakIdle.
func TestIdleClientsCostLittle(t *testing.T) {
	t.Parallel()
	const few, many, most = 200, 2000, 700
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := &crowd{t: t, sv: serve(t, setup{mode: mode, workers: 2}, idleScript)}
			defer c.leave()
			c.grow(few)
			c.talk()
			before := c.memory()
			c.grow(many)
			c.talk()
			each := func() int { return (c.memory() - before) / (many - few) }
			for tries := 3; each() > most; tries-- {
				if tries == 0 {
					t.Fatalf("an idle client takes %d bytes, at most %d are allowed", each(), most)
				}
				// The server may have given memory back before, and taken some
				// again. It does so anew when there is something to give.
				for range 10 {
					c.talk()
				}
				for end := time.Now().Add(patience / 3); each() > most && time.Now().Before(end); {
					time.Sleep(100 * time.Millisecond)
				}
			}
			t.Logf("%d bytes for each", each())
			c.talk() // all are there still
		})
	}
}

// What a burst has left is given back when the server rests, long before the
// next collection would be due.
func TestRestGivesMemoryBack(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	c := &crowd{t: t, sv: serve(t, setup{workers: 1}, `
function onReceive(server, fd, reactor_id, data)
  local n = 0
  for i = 1, 120 do n = n + #(("x"):rep(100000) .. i) end
  server:send(fd, n .. "\n")
end`)}
	conn := c.sv.dial(t)
	before := c.memory()
	conn.say("go")
	conn.line()
	after := c.memory()
	if after-before < 6*mib {
		t.Fatalf("a burst of 12 MiB takes %d KiB", (after-before)>>10)
	}
	eventually(t, "most of it has been given back", func() bool { return c.memory()-before < (after-before)/2 })
}

// The same with as many clients as descriptors allow, to the byte: make soak. It
// leaves none for others, and so runs alone.
func TestSoakIdle(t *testing.T) {
	if os.Getenv("SWOON_SOAK") == "" {
		t.Skip("SWOON_SOAK is not set")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	steps := []int{2000, 10000}
	if most := int(limit.Max) - 200; most > steps[1] { // some are for the processes themselves
		steps = append(steps, min(most, 100_000))
	}
	const most, share = 450, 0.01
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			c := &crowd{t: t, sv: serve(t, setup{mode: mode, workers: 2}, idleScript)}
			defer c.leave()
			var memory [2][]int // before and after they have spoken
			for _, n := range steps {
				c.grow(n)
				memory[0] = append(memory[0], c.rested())
				c.talk()
				memory[1] = append(memory[1], c.rested())
			}
			begin, used := time.Now(), c.processorTime()
			for time.Since(begin) < 10*time.Second {
				time.Sleep(100 * time.Millisecond)
			}
			rest := float64(c.processorTime()-used) / float64(time.Since(begin))
			t.Logf("%8s %15s %15s", "clients", "before", "after")
			for i, n := range steps {
				t.Logf("%8d %10d KiB  %10d KiB", n, memory[0][i]>>10, memory[1][i]>>10)
			}
			last := len(steps) - 1
			for i, when := range []string{"before", "after"} {
				each := (memory[i][last] - memory[i][0]) / (steps[last] - steps[0])
				t.Logf("each takes %d bytes %s it has spoken", each, when)
				if each > most {
					t.Errorf("at most %d are allowed", most)
				}
			}
			t.Logf("at rest %d clients use %.2f %% of a processor", len(c.conns), 100*rest)
			if rest > share {
				t.Errorf("at most %.0f %% are allowed", 100*share)
			}
			c.talk()
		})
	}
}

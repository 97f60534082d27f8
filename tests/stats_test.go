package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a server tells of itself in numbers.

const statsScript = `
local co = require "co"
local function field(st, path)
  for part in path:gmatch("[^/]+") do st = st and st[part] end
  return st
end
function onConnect(server, fd) co.sleep(0.05) server:send(fd, "hello\n") end
function onReceive(server, fd, reactor_id, data)
  for line in data:gmatch("[^\n]+") do
    if line == "nap" then
      co.sleep(0.2)
      server:send(fd, "\n")
    elseif line == "quit" then
      server:close(fd)
    elseif line == "gc" then
      collectgarbage()
      server:send(fd, "\n")
    else
      server:send(fd, tostring(field(server:stats(), line)) .. "\n")
    end
  end
end
function onClose() end`

// number asks for one number of the server.
func (c *client) number(path string) float64 {
	c.t.Helper()
	c.say(path + "\n")
	line := c.line()
	f, err := strconv.ParseFloat(line, 64)
	if err != nil {
		c.t.Fatalf("%s is %q", path, line)
	}
	return f
}

// Every number of Swoole's list is there, and those that can be counted from
// outside are right.
func TestStats(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "max_connection=3")
		sv := serve(t, s, statsScript)
		begin := time.Now()
		c := sv.dial(t)
		c.expect("hello")
		for _, name := range strings.Fields(`start_time connection_num abort_count accept_count close_count worker_num task_worker_num
			user_worker_num idle_worker_num dispatch_count request_count response_count total_recv_bytes total_send_bytes
			concurrency session_round min_fd max_fd worker_request_count worker_response_count worker_dispatch_count
			worker_concurrency task_queue_num task_idle_worker_num tasking_num task_count coroutine_num coroutine_peek_num
			pipe_packet_msg_id generation goroutine_num descriptor_num heap_bytes resident_bytes`) {
			c.number(name)
		}
		other, gone := sv.dial(t), sv.dial(t)
		other.expect("hello")
		gone.expect("hello")
		refused := sv.dial(t)
		refused.rest()
		gone.say("quit\n")
		gone.rest()
		gone.Close()
		want := map[string]float64{
			"accept_count": 3, "connection_num": 2, "close_count": 1, "closed_server_closed": 1, "refused_max_connection": 1, "abort_count": 1,
			"worker_num": float64(s.workers), "session_round": 3, "min_fd": 1, "max_fd": 2, "events/onConnect/count": 3, "events/onClose/count": 1,
			"generation": 1,
		}
		for name, n := range want {
			eventually(t, fmt.Sprintf("%s is %v", name, n), func() bool {
				c.say(name + "\n")
				return c.line() == fmt.Sprint(n)
			})
		}
		if at := c.number("start_time"); at < float64(begin.Unix()-60) || at > float64(time.Now().Unix()) {
			t.Errorf("started at %v", at)
		}

		// Three waiting callbacks are told apart from the many short ones.
		before := c.number("events/onReceive/count")
		for range 3 {
			other.say("nap\n")
			other.expect("")
		}
		for range 100 {
			c.number("worker_num")
		}
		eventually(t, "every message is counted", func() bool { return c.number("events/onReceive/count") >= before+104 })
		if p50, most := c.number("events/onConnect/p50"), c.number("events/onConnect/max"); p50 < 0.05 || most < p50 {
			t.Errorf("onConnect takes %v seconds, at most %v", p50, most)
		}
		if p999, most := c.number("events/onReceive/p999"), c.number("events/onReceive/max"); p999 < 0.2*0.98 || most < p999 || most > 20 {
			t.Errorf("of a thousand onReceive 999 take at most %v seconds, all at most %v", p999, most)
		}
		if n := c.number("coroutine_peek_num"); n < 1 {
			t.Error("nobody has ever waited")
		}
	})
}

// The file is whole at every moment, in both forms, and follows its settings.
func TestStatsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const script = `
		server:set{ stats_file = "%s", stats_timer_interval = %d }
		function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	first := filepath.Join(dir, "stats.json")
	sv := serve(t, setup{workers: 2}, fmt.Sprintf(script, first, 20))
	type stats struct {
		AcceptCount int `json:"accept_count"`
		Events      map[string]struct {
			Count         int
			P50, P99, Max float64
		}
	}
	load := func() (st stats) {
		t.Helper()
		b, err := os.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &st); err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		return st
	}
	eventually(t, "the file is there", func() bool {
		_, err := os.Stat(first)
		return err == nil
	})
	c := sv.dial(t)
	for range 40 {
		c.say("hello\n")
		c.expect("hello")
	}
	eventually(t, "it tells what has happened", func() bool {
		st := load()
		return st.AcceptCount == 1 && st.Events["onReceive"].Count == 40 && st.Events["onReceive"].Max > 0
	})

	second := filepath.Join(dir, "stats.txt")
	sv.save(t, fmt.Sprintf(script, second, 20))
	line := regexp.MustCompile(`^[A-Za-z0-9_.]+: -?[0-9.e+-]+$`)
	eventually(t, "the other file tells it too", func() bool {
		b, err := os.ReadFile(second)
		if err != nil {
			return false
		}
		for _, l := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
			if !line.MatchString(l) {
				t.Fatalf("a line is %q", l)
			}
		}
		return strings.Contains(string(b), "\nonReceive_count: 40\n") && strings.Contains(string(b), "\ngeneration: 2\n")
	})

	// Where it cannot be written: said once; then it can.
	later := filepath.Join(dir, "later")
	sv.save(t, fmt.Sprintf(script, filepath.Join(later, "stats"), 10))
	sv.Log.wait(t, "stats_file: cannot be written")
	if err := os.Mkdir(later, 0o755); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it can be written now", func() bool {
		_, err := os.Stat(filepath.Join(later, "stats"))
		return err == nil
	})
	if n := sv.Log.count("stats_file: cannot be written"); n != 1 {
		t.Errorf("the fault was reported %d times", n)
	}
	if code := sv.stop(t, 15); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	b := read(t, filepath.Join(later, "stats"))
	if !strings.Contains(b, "closed_shutdown: 1\n") {
		t.Errorf("the last state is not written:\n%s", b)
	}
}

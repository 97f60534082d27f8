package tests

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The server of the first tutorial with both of its clients: every event it
// shows, what it prints, and what its clients print.
func TestTCPServerScript(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs("../scripts/tcp_server.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []setup{{mode: "base", workers: 3}, {mode: "process", workers: 3, race: true}} {
		t.Run(s.mode, func(t *testing.T) {
			s.args = []string{"0"}
			sv := serveFile(t, s, path)

			// The start: each worker, task workers too, the manager, the server.
			for id := range 5 {
				sv.Out.wait(t, fmt.Sprintf("%d--start\n", id))
			}
			sv.Out.wait(t, "manager start.\n")
			sv.Out.wait(t, "Start\n")
			if !regexp.MustCompile(`(?m)^Swoon \S+\narray\(\d+\) \{$`).MatchString(sv.Out.String()) {
				t.Errorf("no version and addresses:\n%s", sv.Out)
			}

			syncClient(t, sv)
			async, asyncPort := asyncClient(t, sv)
			hello := func(c *client) string {
				c.take(len("Hello "))
				fd := strings.TrimSuffix(c.take(2), "!")
				return fd
			}
			c := sv.dial(t)
			fd := hello(c)
			c.say("text\n")
			c.expect("text")
			sv.Out.wait(t, "Get Message From Client "+fd+":text\n")

			// The second port.
			m := regexp.MustCompile(`\[::1\]:\d+`).FindString(sv.Log.String())
			conn, err := net.Dial("tcp", m)
			if err != nil {
				t.Fatal(err)
			}
			six := &client{conn.(*net.TCPConn), t, nil}
			defer six.Close()
			hello(six)
			six.say("over IPv6\n")
			six.expect("over IPv6")

			// Everybody.
			c.say("all to all of you\n")
			for _, o := range []*client{c, six} {
				o.expect("to all of you")
			}
			async.Out.wait(t, "Receive: to all of you\n")

			c.say("task work\n")
			c.expect("task: work")
			sv.Out.wait(t, "Task 0 from Worker ")
			sv.Out.wait(t, "Task 0 finish: handled\n")
			c.say("pipe over there\n")
			sv.Out.wait(t, ": over there\n")
			if !regexp.MustCompile(`Worker (0 has a message from Worker 2|1 has a message from Worker 0|2 has a message from Worker 1): over there`).MatchString(sv.Out.String()) {
				t.Errorf("the message went astray:\n%s", sv.Out)
			}
			c.say("timer\n")
			sv.Out.waitCount(t, "Timer 100\n", 3)

			// One worker ends, another takes its place; the client stays.
			c.say("stop\n")
			sv.Out.waitCount(t, "--stop\n", 1)
			sv.Out.waitCount(t, "--start\n", 6)
			c.say("still there\n")
			c.expect("still there")

			// The server closes a connection; then it ends.
			c.say("close\n")
			if rest, err := c.rest(); rest != "" || err != nil {
				t.Errorf("closed with %q, %v", rest, err)
			}
			sv.Out.wait(t, "Client "+fd+" close connection\n")
			six.say("shutdown\n")
			if code := sv.wait(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			out := sv.Out.String()
			if strings.Count(out, "--stop\n") != 6 || !strings.HasSuffix(out, "manager stop.\nShutdown\n") {
				t.Errorf("the end is\n%s", sv.Out.tail())
			}
			if code := async.end(); code != 0 || !strings.HasSuffix(async.Out.String(), "Connection close\n") {
				t.Errorf("the client that does not wait ended with %d:\n%s", code, async.Out)
			}
			if want := "string(9) \"127.0.0.1\"\n  [\"port\"]=>\n  int(" + asyncPort + ")\n"; !strings.Contains(async.Out.String(), want) {
				t.Errorf("its address is not in\n%s", async.Out)
			}
		})
	}
}

// syncClient runs the client that does one thing after the other: each answer
// is there before the next number goes. What onConnect sends comes first, alone
// or with the first answer.
func syncClient(t *testing.T, sv *server) {
	t.Helper()
	p := start(t, setup{}, "run", "../scripts/sync_client.lua", "100", sv.Port)
	if code := p.end(); code != 0 {
		t.Errorf("the client that waits ended with %d", code)
	}
	out := p.Out.String()
	if n := strings.Count(out, "Get Message From Server:"); n != 100 {
		t.Errorf("%d messages:\n%s", n, out)
	}
	var all strings.Builder
	all.WriteString("Hello 1!")
	for i := range 100 {
		fmt.Fprintf(&all, "%d\n", i)
	}
	got := strings.ReplaceAll(strings.ReplaceAll(out, "Get Message From Server:", ""), "\n\n", "\n")
	got = strings.Replace(got, "Hello 1!\n", "Hello 1!", 1)
	if !strings.HasPrefix(all.String(), got) || !strings.HasSuffix(got, "98\n") && !strings.HasSuffix(got, "99\n") {
		t.Errorf("it was told\n%s", out)
	}
	sv.Out.wait(t, "Client 1 close connection\n")
	one := start(t, setup{}, "run", "../scripts/sync_client.lua", "one", sv.Port)
	if code := one.end(); code != 0 || !regexp.MustCompile(`^Get Message From Server:Hello 2!(\d+)?\n$`).MatchString(one.Out.String()) {
		t.Errorf("with one number: exit code %d, printed %q", code, one.Out)
	}
	none := start(t, setup{}, "run", "../scripts/sync_client.lua", "one", "1")
	if code := none.end(); code != 1 || !strings.HasSuffix(none.Out.String(), "[111]\n") {
		t.Errorf("without a server: exit code %d, printed %q", code, none.Out)
	}
}

// asyncClient starts the client that does not wait, and returns its port when
// its hundred lines have come back.
func asyncClient(t *testing.T, sv *server) (p *program, port string) {
	t.Helper()
	p = start(t, setup{}, "run", "../scripts/async_client.lua", sv.Port)
	p.Out.wait(t, "99\n") // it may come as a piece of its own
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(&want, "%d\n", i)
	}
	head, rest, _ := strings.Cut(p.Out.String(), "Receive: Hello 3!")
	if got := strings.ReplaceAll(rest, "Receive: ", ""); got != want.String() {
		t.Errorf("it received %q", got)
	}
	m := regexp.MustCompile(`(?s)^bool\(true\)\narray\(\d\) \{\n.*\["port"\]=>\n  int\((\d+)\)\n\}\nint\(\d+\)\n$`).FindStringSubmatch(head)
	if m == nil {
		t.Fatalf("when it is connected it prints\n%s", head)
	}
	return p, m[1]
}

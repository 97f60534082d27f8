package tests

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The task server of Swoole's tutorials and its client, from scripts/.

// The first task server of Swoole's tutorials, and what it prints.
func TestTaskServerScript(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags, s.args = []string{"--set", "task_worker_num=3"}, []string{"2", "0.5"}
		path, err := filepath.Abs("../scripts/task_server.lua")
		if err != nil {
			t.Fatal(err)
		}
		sv := serveFile(t, s, path)
		sv.Out.wait(t, " onStart\n")
		c := sv.dial(t)
		c.say("12345")
		if got := c.take(len("Data in Task 0")); got != "Data in Task 0" {
			t.Errorf("the client got %q", got)
		}
		sv.Out.wait(t, "Result: Task 0's result\n")
		got := regexp.MustCompile(`(?m)^.* onStart$`).ReplaceAllString(sv.Out.String(), "1.9.0 onStart")
		got = regexp.MustCompile(`from Worker \d+`).ReplaceAllString(got, "from Worker 3")
		// The task may begin before the worker has had time for its next line.
		const goesOn = "Continue Handle Worker\n"
		begun := "Get Message From Client 1:12345\n"
		got = strings.Replace(strings.Replace(got, goesOn, "", 1), begun, begun+goesOn, 1)
		const want = `1.9.0 onStart
1Client Connect.
Get Message From Client 1:12345
Continue Handle Worker
This Task 0 from Worker 3
Data: {"fd":1}
Task 0 Handle 0 times...
Task 0 Handle 1 times...
Task 0 finish
Result: Task 0's result
`
		if got != want {
			t.Errorf("got:\n%s", got)
		}
		if i := strings.Index(sv.Out.String(), goesOn); i > strings.Index(sv.Out.String(), "Task 0 Handle 0") {
			t.Errorf("the worker waited for the task:\n%s", sv.Out)
		}
		c.Close()
		sv.Out.wait(t, "Client Close.\n")
	})
}

// Three clients at once and two task workers: for each client the lines of the
// tutorial, in their order; two tasks run at one time while the worker answers,
// and the third begins when one of them has ended.
func TestTaskServerScriptWithThreeClients(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs("../scripts/task_server.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []setup{{mode: "base", workers: 1}, {mode: "process", workers: 3, race: true}} {
		s.flags, s.args = []string{"--set", "task_worker_num=2"}, []string{"2", "0.5"}
		sv := serveFile(t, s, path)
		clients := []*client{sv.dial(t), sv.dial(t), sv.dial(t)}
		for i, c := range clients {
			c.say(fmt.Sprintf("text %d", i+1))
		}
		var tasks []string
		for i, c := range clients {
			c.take(len("Data in Task "))
			id := c.take(1)
			tasks = append(tasks, id)
			sv.Out.wait(t, "Result: Task "+id+"'s result\n")
			c.Close()
			sv.Out.waitCount(t, "Client Close.\n", i+1)
		}
		out := sv.Out.String()
		if n := strings.Count(out, "Continue Handle Worker\n"); n != 3 {
			t.Errorf("the workers went on %d times", n)
		}
		if n := strings.Count(out, "\n"); n != 1+3*10 {
			t.Errorf("%d lines", n)
		}
		for i, id := range tasks {
			fd := strconv.Itoa(i + 1)
			at := -1
			for _, line := range []string{
				" onStart\n",
				"\n" + fd + "Client Connect.\n",
				"\nGet Message From Client " + fd + ":text " + fd + "\n",
				"\nThis Task " + id + " from Worker ",
				"\nData: {\"fd\":" + fd + "}\n",
				"\nTask " + id + " Handle 0 times...\n",
				"\nTask " + id + " Handle 1 times...\n",
				"\nTask " + id + " finish\n",
				"\nResult: Task " + id + "'s result\n",
			} {
				next := strings.Index(out, line)
				if next <= at || strings.Count(out, line) != 1 {
					t.Errorf("client %s: %q is not there once, behind the line before it", fd, line)
				}
				at = next
			}
		}
		running := 0
		for line := range strings.Lines(out) {
			switch {
			case strings.HasPrefix(line, "This Task "):
				running++
			case strings.HasSuffix(line, " Handle 1 times...\n"):
				running--
			}
			if running > 2 {
				t.Errorf("%d tasks run on two task workers", running)
			}
		}
		if t.Failed() {
			t.Fatalf("%s", out)
		}
		if first := strings.Index(out, " Handle 1 times"); strings.Count(out[:first], "This Task ") != 2 {
			t.Errorf("two tasks did not run at one time:\n%s", out)
		}
	}
}

// Both sides of the tutorial: an interactive client that sends each line, and
// goes on while its task runs.
func TestTaskClientScript(t *testing.T) {
	t.Parallel()
	for _, race := range []bool{false, true} {
		s := setup{mode: "base", workers: 2, race: race, flags: []string{"--set", "task_worker_num=2"}, args: []string{"2", "0.05"}}
		server, err := filepath.Abs("../scripts/task_server.lua")
		if err != nil {
			t.Fatal(err)
		}
		sv := serveFile(t, s, server)
		p := start(t, setup{race: race}, "run", "../scripts/task_client.lua", sv.Port)
		p.Out.wait(t, "Enter Msg:")
		fmt.Fprintln(p.in, "12345")
		p.Out.wait(t, "Received: Data in Task 0\n")
		if got := p.Out.String(); got != "Enter Msg:Enter Msg:Received: Data in Task 0\n" {
			t.Errorf("the client printed %q", got)
		}
		fmt.Fprintln(p.in, "6")
		sv.Out.wait(t, ":6\n")
		fmt.Fprintln(p.in, "7")
		sv.Out.wait(t, ":7\n")
		p.Out.wait(t, "Data in Task 1") // the two may come as one
		p.Out.wait(t, "Data in Task 2")
		p.in.Close()
		if code := p.end(); code != 0 || !strings.HasSuffix(p.Out.String(), "Client close connection\n") {
			t.Errorf("exit code %d, printed %q", code, p.Out)
		}
		sv.Out.wait(t, "Client Close.\n")
	}
	p := start(t, setup{}, "run", "../scripts/task_client.lua", "1")
	if code := p.end(); code != 0 || !strings.HasPrefix(p.Out.String(), "Error: ") || !strings.HasSuffix(p.Out.String(), "[111]\n") {
		t.Errorf("without a server: exit code %d, printed %q", code, p.Out)
	}
}

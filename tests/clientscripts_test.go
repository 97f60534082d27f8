package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The clients among the tutorials' scripts, as their readers run them.

// lengthServer is the server that they talk to, where it lies.
func lengthServer(t *testing.T, s setup) *server {
	t.Helper()
	path, err := filepath.Abs("../scripts/length_protocol_server.lua")
	if err != nil {
		t.Fatal(err)
	}
	return serveFile(t, s, path)
}

// Two requests at once make two connections, the next two use them; and what
// else the pool does.
func TestPoolClient(t *testing.T) {
	t.Parallel()
	sv := lengthServer(t, setup{workers: 2})
	p := start(t, setup{race: true}, "run", "../scripts/pool_client.lua", sv.Port)
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSuffix(p.Out.String(), "\n"), "\n")
	if len(lines) != 14 {
		t.Fatalf("printed\n%s", p.Out)
	}
	slices.Sort(lines[:4]) // who is first is nobody's promise
	slices.Sort(lines[4:6])
	const want = `received the server got {"a":"a"}
received the server got {"b":"b"}
socket_pool 127.0.0.1 connect
socket_pool 127.0.0.1 connect
received the server got {"c":"c"}
received the server got {"d":"d"}
socket_pool 127.0.0.1 connect
the third: max_waiting
the second: timeout
socket_pool 127.0.0.1 connect
another: true
evicted: 1
after that: draining
drained: true`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	sv.Out.waitCount(t, " left: client_closed\n", 4)
	if n := sv.Out.count(" connected from "); n != 4 {
		t.Errorf("the server saw %d connections", n)
	}
	p = start(t, setup{}, "run", "../scripts/pool_client.lua", "1")
	const refused = "no connection: connection_refused: 127.0.0.1:1: connection refused\n"
	p.expect(1, refused+refused)
}

// Dates and heartbeats over one connection, as the tutorial's log shows.
func TestLengthProtocolClient(t *testing.T) {
	t.Parallel()
	for _, race := range []bool{false, true} {
		sv := lengthServer(t, setup{workers: 2, race: race, args: []string{"0.1"}})
		p := start(t, setup{race: race}, "run", "../scripts/length_protocol_client.lua", sv.Port, "0.05", "0.1")
		p.Out.waitCount(t, "received the server got ", 3)
		p.Out.waitCount(t, "heartbeat: HeartBeat\n", 2)
		sv.Out.waitCount(t, "1 is alive\n", 2)
		dated := regexp.MustCompile(`^sent (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)$`)
		var sent, received []string
		for line := range strings.Lines(p.Out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if m := dated.FindStringSubmatch(line); m != nil {
				sent = append(sent, m[1])
			} else if date, ok := strings.CutPrefix(line, `received the server got "`); ok {
				received = append(received, strings.TrimSuffix(date, `"`))
			} else if line != "heartbeat: HeartBeat" {
				t.Errorf("printed %q", line)
			}
		}
		if len(received) > len(sent) || !slices.Equal(received, sent[:len(received)]) {
			t.Errorf("sent %q, received %q", sent, received)
		}
		sv.Out.wait(t, fmt.Sprintf("1 sent 31 bytes: %q\n", sent[0]))
		// The server leaves: the client says so, and ends.
		sv.stop(t, syscall.SIGTERM)
		if code := p.end(); code != 0 || p.Out.count("closed: server_closed\n") != 1 {
			t.Errorf("exit code %d", code)
		}
	}
	start(t, setup{}, "run", "../scripts/length_protocol_client.lua", "1").expect(1, "cannot connect: 127.0.0.1:1: connection refused\n")
}

// terminal is a program that runs at a terminal of its own.
type terminal struct {
	t   *testing.T
	cmd *exec.Cmd
	tty *os.File // what is typed
	Out *transcript
	end chan struct{}
}

// atTerminal runs swoon at a pseudo-terminal.
func atTerminal(t *testing.T, s setup, args ...string) *terminal {
	t.Helper()
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	x := &terminal{t: t, cmd: exec.Command(binary(t, s.race), args...), tty: tty, Out: newTranscript(t), end: make(chan struct{})}
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = screen, screen, screen
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.end)
		b := make([]byte, 4096)
		for { // it fails when nobody has the terminal open any more
			n, err := x.tty.Read(b)
			x.Out.Write(bytes.ReplaceAll(b[:n], []byte("\r\n"), []byte("\n")))
			if err != nil {
				x.cmd.Wait()
				return
			}
		}
	}()
	t.Cleanup(func() {
		x.cmd.Process.Kill()
		<-x.end
		x.tty.Close()
		if t.Failed() {
			t.Logf("the terminal shows\n%s", x.Out.tail())
		}
	})
	return x
}

// press types keys.
func (x *terminal) press(keys string) {
	x.t.Helper()
	if _, err := x.tty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (x *terminal) exit() int {
	x.t.Helper()
	eventually(x.t, "the program ends", func() bool {
		select {
		case <-x.end:
			return true
		default:
			return false
		}
	})
	return x.cmd.ProcessState.ExitCode()
}

// The interactive client at a terminal: what is typed is seen, corrected with
// the keys of terminals, sent with each Enter; Ctrl-D ends it, Ctrl-C too.
func TestTaskClientAtTerminal(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs("../scripts/task_server.lua")
	if err != nil {
		t.Fatal(err)
	}
	const erase, ctrlD, ctrlC = "\x7f", "\x04", "\x03"
	sv := serveFile(t, setup{mode: "process"}, path)
	x := atTerminal(t, setup{}, "run", "../scripts/task_client.lua", sv.Port)
	x.Out.wait(t, "Enter Msg:")
	x.press("123")
	x.Out.wait(t, "Enter Msg:123") // seen before it is sent
	x.press("99" + erase + erase + "45\n")
	sv.Out.wait(t, ":12345\n")
	x.Out.wait(t, "\nEnter Msg:")
	x.Out.wait(t, "Received: Data in Task 0\n")
	x.press(ctrlD)
	if code := x.exit(); code != 0 || !strings.HasSuffix(x.Out.String(), "Client close connection\n") {
		t.Errorf("exit code %d", code)
	}
	sv.Out.waitCount(t, "Client Close.\n", 1)

	x = atTerminal(t, setup{}, "run", "../scripts/task_client.lua", sv.Port)
	x.Out.wait(t, "Enter Msg:")
	x.press("not sent" + ctrlC)
	if code := x.exit(); code != 128+2 {
		t.Errorf("after Ctrl-C: exit code %d", code)
	}
	sv.Out.waitCount(t, "Client Close.\n", 2)
}

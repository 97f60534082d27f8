package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A story runs the built binary as a user does and talks to it over sockets.

// patience is how long a condition may take to come true on a busy machine.
const patience = 60 * time.Second

// built are the two binaries, made once: the shipped one and the same under the
// race detector.
var built = struct {
	sync.Mutex
	dir  string
	path map[bool]string
}{path: map[bool]string{}}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// binary is the path of swoon. SWOON_BIN and SWOON_RACE_BIN name ready ones.
func binary(t testing.TB, race bool) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	env := "SWOON_BIN"
	if race {
		env = "SWOON_RACE_BIN"
	}
	if p := os.Getenv(env); p != "" {
		return p
	}
	if p := built.path[race]; p != "" {
		return p
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "swoon-story")
		if err != nil {
			t.Fatal(err)
		}
		built.dir = dir
	}
	out := filepath.Join(built.dir, "swoon")
	args := []string{"build", "-o", out, "swoon/cmd/swoon"}
	if race {
		out += "-race"
		args = []string{"build", "-race", "-o", out, "swoon/cmd/swoon"}
	}
	cmd := exec.Command("go", args...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, msg)
	}
	built.path[race] = out
	return out
}

// setup says which binary a story runs, in which mode and on how many loops.
type setup struct {
	race    bool
	mode    string
	workers int
	procs   int      // GOMAXPROCS; 0: as it is
	env     []string // more environment
	flags   []string // more flags of run
	args    []string // arguments of the script
	ulimit  int      // descriptors; 0: as it is
	passed  []passed // sockets, as systemd passes them
}

// everyMode runs a story in both modes: one worker on one processor, and four;
// four also under the race detector.
func everyMode(t *testing.T, story func(t *testing.T, s setup)) {
	for _, mode := range []string{"base", "process"} {
		for _, s := range []setup{
			{mode: mode, workers: 1, procs: 1},
			{mode: mode, workers: 4},
			{mode: mode, workers: 4, race: true},
		} {
			name := fmt.Sprintf("%s%d", mode, s.workers)
			if s.race {
				name += "race"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				story(t, s)
			})
		}
	}
}

// server is a running swoon.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	Script string
	Addr   string
	Port   string
	Out    *transcript // what the script printed
	Log    *transcript // banner and log
	exited chan struct{}
	code   int
	quiet  bool // the exit is not checked by cleanup
	waited bool // the story has waited for the end
}

var listening = regexp.MustCompile(`listening\s+(\S+):(\d+)\n`)

// serve writes the script into a directory of its own and runs it.
func serve(t testing.TB, s setup, script string) *server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.lua")
	save(t, path, script)
	return serveFile(t, s, path)
}

// serveFile runs a script where it lies and waits until it listens.
func serveFile(t testing.TB, s setup, path string) *server {
	t.Helper()
	sv := launch(t, s, path)
	sv.Log.wait(t, "process    ")
	m := listening.FindStringSubmatch(sv.Log.String())
	if m == nil {
		t.Fatalf("the banner names no address:\n%s", sv.Log)
	}
	sv.Addr, sv.Port = m[1]+":"+m[2], m[2]
	return sv
}

// launch runs a script without waiting for anything.
func launch(t testing.TB, s setup, path string) *server {
	t.Helper()
	args := []string{"run", "--port", "0"}
	if s.mode != "" {
		args = append(args, "--mode", s.mode)
	}
	if s.workers > 0 {
		args = append(args, "--workers", fmt.Sprint(s.workers))
	}
	args = append(append(append(args, s.flags...), path), s.args...)
	cmd := exec.Command(binary(t, s.race), args...)
	if s.ulimit > 0 {
		cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, s.ulimit), binary(t, s.race)}, args...)...)
	}
	cmd.Env = append(os.Environ(), s.env...)
	s.pass(cmd)
	if s.procs > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", s.procs))
	}
	if s.race {
		cmd.Env = append(cmd.Env, "GORACE=halt_on_error=1 exitcode=66")
	}
	sv := &server{t: t, cmd: cmd, Script: path, Out: newTranscript(t), Log: newTranscript(t), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = sv.Out.File, sv.Log.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			sv.code = exit.ExitCode()
		} else if err != nil {
			sv.code = -1
		}
		close(sv.exited)
	}()
	t.Cleanup(sv.cleanup)
	return sv
}

// cleanup stops the server; it must be there still, end by itself, with exit
// code 0, and the race detector must have nothing to say.
func (sv *server) cleanup() {
	select {
	case <-sv.exited:
		if !sv.waited && !sv.quiet {
			sv.t.Errorf("the server has ended: %s", sv.cmd.ProcessState)
		}
	default:
		sv.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-sv.exited:
		case <-time.After(patience):
			sv.cmd.Process.Kill()
			<-sv.exited
			sv.t.Errorf("the server did not stop\n%s", sv.Log.tail())
		}
		if sv.code != 0 && !sv.quiet {
			sv.t.Errorf("exit code %d\n%s", sv.code, sv.Log.tail())
		}
	}
	if log := sv.Log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "internal error") || strings.Contains(log, "fatal error") {
		sv.t.Errorf("the server reports:\n%s", sv.Log.tail())
	}
	if sv.t.Failed() {
		sv.t.Logf("log:\n%s", sv.Log.tail())
		sv.t.Logf("output:\n%s", sv.Out.tail())
	}
}

// stop sends a signal, waits for the end and returns the exit code.
func (sv *server) stop(t testing.TB, sig syscall.Signal) int {
	t.Helper()
	sv.cmd.Process.Signal(sig)
	return sv.wait(t)
}

// wait waits until the server has ended and returns its exit code.
func (sv *server) wait(t testing.TB) int {
	t.Helper()
	sv.waited = true
	select {
	case <-sv.exited:
	case <-time.After(patience):
		t.Fatalf("the server did not end\n%s", sv.Log.tail())
	}
	return sv.code
}

// save replaces the script as editors do: a new file is renamed over the old.
func (sv *server) save(t testing.TB, script string) {
	t.Helper()
	save(t, sv.Script, script)
}

func save(t testing.TB, path, text string) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// dial connects a client. Its deadline ends a story that hangs.
func (sv *server) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", sv.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(4 * patience))
	t.Cleanup(func() { c.Close() })
	return &client{c.(*net.TCPConn), t, nil}
}

// client is one connection.
type client struct {
	*net.TCPConn
	t   testing.TB
	buf []byte
}

// say sends text.
func (c *client) say(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// line reads up to and without the next newline.
func (c *client) line() string {
	c.t.Helper()
	for {
		if i := bytes.IndexByte(c.buf, '\n'); i >= 0 {
			line := string(c.buf[:i])
			c.buf = c.buf[i+1:]
			return line
		}
		c.more()
	}
}

// take reads exactly n bytes.
func (c *client) take(n int) string {
	c.t.Helper()
	for len(c.buf) < n {
		c.more()
	}
	text := string(c.buf[:n])
	c.buf = c.buf[n:]
	return text
}

func (c *client) more() {
	c.t.Helper()
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if n == 0 && err != nil {
		c.t.Fatalf("read: %v (have %q)", err, c.buf)
	}
	c.buf = append(c.buf, b[:n]...)
}

// expect reads a line and compares it.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// rest reads to the end of the stream and reports how it ended.
func (c *client) rest() (string, error) {
	var b bytes.Buffer
	b.Write(c.buf)
	_, err := b.ReadFrom(c.TCPConn)
	return b.String(), err
}

// reset closes with an RST.
func (c *client) reset() {
	c.SetLinger(0)
	c.Close()
}

// transcript collects what a process writes. It is a file that the process has
// as its own, not a pipe that somebody must read out first: what has been
// written can be seen at once, so that a line of the log that came before a
// printed one is there when that one is.
type transcript struct {
	*os.File
	mu   sync.Mutex
	text bytes.Buffer // of the file, as far as it has been read
}

func newTranscript(t testing.TB) *transcript {
	t.Helper()
	f, err := os.CreateTemp("", "transcript")
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(f.Name())
	t.Cleanup(func() { f.Close() })
	return &transcript{File: f}
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	// By an offset of our own: that of the file is where the process writes.
	tr.text.ReadFrom(io.NewSectionReader(tr.File, int64(tr.text.Len()), 1<<40))
	return tr.text.String()
}

// tail is the end, for failures.
func (tr *transcript) tail() string {
	s := tr.String()
	if len(s) > 6000 {
		s = "...\n" + s[len(s)-6000:]
	}
	return s
}

func (tr *transcript) count(text string) int { return strings.Count(tr.String(), text) }

// wait waits until text has been written.
func (tr *transcript) wait(t testing.TB, text string) {
	t.Helper()
	tr.waitCount(t, text, 1)
}

// waitCount waits until text has been written n times.
func (tr *transcript) waitCount(t testing.TB, text string, n int) {
	t.Helper()
	for end := time.Now().Add(patience); tr.count(text) < n; {
		if time.Now().After(end) {
			t.Fatalf("%q was not written %d times:\n%s", text, n, tr.tail())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// eventually waits until cond is true.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dialTCP connects without a test's cleanup, for clients that come in thousands.
func dialTCP(addr string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// script writes a script into a directory of its own.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.lua")
	save(t, path, text)
	return path
}

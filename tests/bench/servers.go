package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// kind is one sort of server that can be measured.
type kind struct {
	name, title string
	binary      string // in -bin; found on the path if build is empty
	args        func(o *options, port string, frames bool) []string
	build       string // what makes the binary
}

var kinds = []kind{
	swoon("base"),
	swoon("process"),
	{
		name: "bare", title: "bare Go loop, no script", binary: "barego", build: "make bench-build", args: flags,
	},
	{
		name: "gnet", title: "gnet, no script", binary: "gnetecho", build: "make bench-build", args: flags,
	},
	{
		name: "net", title: "Go net, no script", binary: "gonet", build: "make bench-build", args: flags,
	},
	{
		name: "node", title: "Node", binary: "node",
		args: func(o *options, port string, frames bool) []string {
			args := []string{filepath.Join(o.scripts, "echo.js"), port}
			if frames {
				args = append(args, "frames")
			}
			return args
		},
	},
}

func flags(_ *options, port string, frames bool) []string {
	return []string{"-addr", "127.0.0.1:" + port, "-frames=" + strconv.FormatBool(frames)}
}

func swoon(mode string) kind {
	return kind{
		name: mode, title: "Swoon, " + mode + " mode", binary: "swoon", build: "make build",
		args: func(o *options, port string, frames bool) []string {
			script := "echo.lua"
			if frames {
				script = "frames.lua"
			}
			return []string{"run", "--mode", mode, "--workers", "1", "--host", "127.0.0.1", "--port", port, filepath.Join(o.scripts, script)}
		},
	}
}

// path is where the binary of k is.
func (k *kind) path(o *options) (string, error) {
	if k.build == "" {
		path, err := exec.LookPath(k.binary)
		if err != nil {
			return "", fmt.Errorf("%s is needed for %q: %w", k.binary, k.name, err)
		}
		return path, nil
	}
	path := filepath.Join(o.bin, k.binary)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is needed for %q: build it by `%s` (%w)", path, k.name, k.build, err)
	}
	return path, nil
}

// present are the servers that are measured unless others are asked for: all but
// those that are not on this machine.
func present() (names []string) {
	for _, k := range kinds {
		if k.build == "" {
			if _, err := exec.LookPath(k.binary); err != nil {
				continue
			}
		}
		names = append(names, k.name)
	}
	return names
}

func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func serverNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// server is a child process that listens.
type server struct {
	kind   *kind
	frames bool
	cmd    *exec.Cmd
	port   uint16
	out    tail
	gone   chan struct{} // closed when the process has ended
}

// start runs a server of kind k on the core of the load. Only the main
// goroutine may call it, see init.
func start(k *kind, o *options, frames bool) (*server, error) {
	binary, err := k.path(o)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{kind: k, frames: frames, port: port, gone: make(chan struct{})}
	args := append([]string{"-c", strconv.Itoa(o.core), binary}, k.args(o, strconv.Itoa(int(port)), frames)...)
	// taskset becomes the server: the process id stays.
	s.cmd = exec.Command("taskset", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (taskset, of util-linux, binds it to a core): %w", k.name, err)
	}
	go func() {
		s.cmd.Wait()
		close(s.gone)
	}()
	return s, nil
}

// freePort asks the kernel for a port that nobody uses now.
func freePort() (uint16, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}

const readyWithin = 10 * time.Second

// ready waits until the server takes connections.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var d net.Dialer
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-again.C:
		case <-s.gone:
			return fmt.Errorf("%s ended before it listened: %s%s", s.kind.name, s.cmd.ProcessState, s.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on port %d: %w%s", s.kind.name, s.port, err, s.said())
		}
	}
}

// stop ends the process and waits until it has.
func (s *server) stop() {
	s.cmd.Process.Kill()
	<-s.gone
}

// said is the last of what the server printed, for an error message.
func (s *server) said() string {
	text := strings.TrimSpace(s.out.String())
	if text == "" {
		return ""
	}
	return "\nits last words:\n" + text
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLen = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if extra := len(t.text) - tailLen; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

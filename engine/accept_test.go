package engine

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func hasIPv6(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on this machine: ", err)
	}
	ln.Close()
}

func knock(t *testing.T, network, addr string) {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, "hello")
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Errorf("no answer from %s: %v", addr, err)
	}
}

func TestListenIPv6(t *testing.T) {
	hasIPv6(t)
	infos := make(chan Info, 1)
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		infos <- s.Info()
		f.Send(s, data)
	}}
	e, addr := serve(t, Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "::1", Port: 0}}}}, h)
	if !strings.HasPrefix(addr, "[::1]:") || strings.HasSuffix(addr, ":0") {
		t.Errorf("listens on %s", addr)
	}
	knock(t, "tcp6", addr)
	if i := <-infos; i.Kind != TCP6 || i.RemoteIP != "::1" || i.ServerPort != e.Ports()[0].Addr().Port {
		t.Errorf("the session says %+v", i)
	}
}

// 0.0.0.0 and :: are two addresses; both can have one port.
func TestListenOnBothFamilies(t *testing.T) {
	hasIPv6(t)
	for try := 0; ; try++ {
		probe, err := net.Listen("tcp4", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		port := probe.Addr().(*net.TCPAddr).Port
		probe.Close()
		h := &funcs{receive: func(f *Fiber, s *Session, data string) { f.Send(s, data) }}
		e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "0.0.0.0", Port: port}}, {Listen: Listen{Host: "::", Port: port}}}}, h)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Stop()
		if err := e.Listen(); err != nil {
			if try < 5 {
				continue // somebody else was faster
			}
			t.Fatal(err)
		}
		e.Accept()
		knock(t, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		knock(t, "tcp6", fmt.Sprintf("[::1]:%d", port))
		return
	}
}

func TestListenErrors(t *testing.T) {
	listenError := func(want Listen) string {
		t.Helper()
		e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: "127.0.0.1", Port: 0}}, {Listen: want}}}, &funcs{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Stop()
		if err := e.Listen(); err != nil {
			return err.Error()
		}
		return "listens"
	}
	_, addr := serve(t, Options{Workers: 1}, &funcs{})
	_, port, _ := strings.Cut(addr, ":")
	var used int
	fmt.Sscan(port, &used)
	for _, c := range []struct {
		listen Listen
		want   []string
	}{
		{Listen{Host: "127.0.0.1", Port: used}, []string{"listen tcp " + addr, "address already in use", "another server"}},
		{Listen{Host: "192.0.2.1", Port: 0}, []string{"192.0.2.1", "no interface of this machine"}},
		{Listen{Host: "example.com", Port: 0}, []string{"example.com", "must be an IP address"}},
		{Listen{Host: "", Port: 0}, []string{"must be an IP address"}},
	} {
		got := listenError(c.listen)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("listen on %v: %q does not say %q", c.listen, got, want)
			}
		}
	}
	t.Run("privileged", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may listen anywhere")
		}
		if got := listenError(Listen{Host: "127.0.0.1", Port: 81}); !strings.Contains(got, "port above 1023") {
			if got == "listens" {
				t.Skip("this machine has no privileged ports")
			}
			t.Errorf("got %q", got)
		}
	})
	if got := (&ListenError{Listen{Host: "x"}, syscall.EACCES}).Error(); !strings.Contains(got, "port above 1023") {
		t.Errorf("got %q", got)
	}
}

// A server out of descriptors lives, serves those it has, and takes the rest
// when some go. It runs in a process of its own, which has only 64.
func TestOutOfDescriptors(t *testing.T) {
	const variable, clients = "SWOON_TEST_FEW_DESCRIPTORS", 200
	if os.Getenv(variable) != "" {
		fewDescriptors(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	var addr string
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "address ")
		if !strings.HasPrefix(lines.Text(), "address ") {
			addr = ""
		}
	}
	answers := make(chan net.Conn, clients)
	var all []net.Conn
	for range clients {
		c := dial(t, addr)
		all = append(all, c)
		go func() {
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Errorf("a client was lost: %v", err)
			}
			answers <- c
		}()
	}
	// Whoever has an answer asks once more and makes room.
	for range clients {
		select {
		case c := <-answers:
			io.WriteString(c, "y")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Errorf("a served client was lost: %v", err)
			}
			c.Close()
		case <-time.After(15 * time.Second):
			t.Fatal("the server serves no more")
		}
	}
	knock(t, "tcp", addr)
	stop.Close()
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server: %v\n%s", err, strings.Join(said, "\n"))
	}
}

func fewDescriptors(t *testing.T) {
	var log strings.Builder
	e, addr := serve(t, Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}, &funcs{receive: echo})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("address %s\n", addr)
	io.Copy(io.Discard, os.Stdin)
	balanced(t, e)
	st := e.Stats(nil)
	if st.Refused[OutOfDescriptors] == 0 {
		t.Error("descriptors never ran out: the test tests nothing")
	}
	if st.Accepted != 201 {
		t.Errorf("%d clients came in, want 201", st.Accepted)
	}
	if cut := e.Drain(func(string) {}); len(cut) > 0 {
		t.Errorf("cut short: %q", cut)
	}
	if n := strings.Count(log.String(), "cannot accept"); n < 1 || n > 200 {
		t.Errorf("logged %d times", n)
	}
}

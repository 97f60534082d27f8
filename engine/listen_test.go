package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// listenOn starts an engine on one address and returns it, or why it cannot.
func listenOn(t *testing.T, o PortOptions) (*Engine, error) {
	t.Helper()
	e, err := New(Options{Workers: 1, Ports: []PortOptions{o}}, &packetFuncs{funcs: funcs{receive: echo}, packet: sendBack})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !e.Draining() { // the test has not stopped it itself
			e.Stop()
		}
	})
	if err := e.Listen(); err != nil {
		return nil, err
	}
	e.Accept()
	return e, nil
}

// says checks that an error says all of this.
func says(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
}

func unixKinds(t *testing.T, test func(t *testing.T, k Kind, path string)) {
	for _, k := range []Kind{UnixStream, UnixDgram} {
		t.Run(k.String(), func(t *testing.T) { test(t, k, filepath.Join(t.TempDir(), "s")) })
	}
}

// knockUnix gets an echo from a unix socket of either kind.
func knockUnix(t *testing.T, k Kind, path string) {
	t.Helper()
	if k == UnixDgram {
		c := unixPeer(t, path)
		say(t, c, "hello")
		hear(t, c, "hello")
		return
	}
	knock(t, "unix", path)
}

func TestUnixSockets(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		e, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: k}})
		if err != nil {
			t.Fatal(err)
		}
		knockUnix(t, k, path)
		if got := e.Ports()[0].Addr(); got != (Listen{Host: path, Kind: k}) {
			t.Errorf("it listens on %#v", got)
		}
		e.Stop()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file is left behind: %v", err)
		}
	})
}

func TestAbstractUnixSockets(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		name := "@swoon-test-" + path
		if _, err := listenOn(t, PortOptions{Listen: Listen{Host: name, Kind: k}}); err != nil {
			t.Fatal(err)
		}
		knockUnix(t, k, name)
		_, err := listenOn(t, PortOptions{Listen: Listen{Host: name, Kind: k}})
		says(t, err, "address already in use", "another server has that name")
	})
}

// A file that a dead server left behind is replaced.
func TestAbandonedSocket(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		abandon(t, k, path)
		if _, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: k}}); err != nil {
			t.Fatal(err)
		}
		knockUnix(t, k, path)
	})
}

// abandon leaves a socket's file as a killed server does.
func abandon(t *testing.T, k Kind, path string) {
	t.Helper()
	how := unix.SOCK_STREAM
	if k == UnixDgram {
		how = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_UNIX, how|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

// A living server keeps its path, whatever it speaks there, and does not see
// the one that came second.
func TestSocketInUse(t *testing.T) {
	for _, first := range []Kind{UnixStream, UnixDgram} {
		for _, second := range []Kind{UnixStream, UnixDgram} {
			t.Run(fmt.Sprint(first, "-", second), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "s")
				e, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: first}})
				if err != nil {
					t.Fatal(err)
				}
				_, err = listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: second}})
				says(t, err, "address already in use: another server listens at this path")
				knockUnix(t, first, path)
				if st := e.Stats(nil); st.Accepted > 1 || st.Packets > 1 {
					t.Errorf("the first server was disturbed: %d clients, %d packets", st.Accepted, st.Packets)
				}
			})
		}
	}
}

// A server that is about to listen has its path already.
func TestSocketBoundOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: UnixStream}})
	says(t, err, "another server listens at this path")
}

func TestFileThatIsNoSocket(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: k}})
		says(t, err, "listen "+Listen{Kind: k}.network()+" "+path, "a file at this path that is no socket")
		if text, err := os.ReadFile(path); string(text) != "precious" {
			t.Errorf("the file holds %q, %v", text, err)
		}
		link := path + ".link"
		abandon(t, k, path+".dead")
		if err := os.Symlink(path+".dead", link); err != nil {
			t.Fatal(err)
		}
		_, err = listenOn(t, PortOptions{Listen: Listen{Host: link, Kind: k}})
		says(t, err, "no socket")
		if _, err := os.Lstat(link); err != nil {
			t.Error(err)
		}
	})
}

func TestSocketErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		listen Listen
		want   []string
	}{
		{Listen{Host: filepath.Join(dir, "none", "s"), Kind: UnixStream}, []string{"there is no directory " + filepath.Join(dir, "none")}},
		{Listen{Host: "/" + strings.Repeat("x", maxPath), Kind: UnixStream}, []string{"has 108 bytes", "may have 107"}},
		{Listen{Host: "@" + strings.Repeat("x", maxPath), Kind: UnixDgram}, []string{"has 108 bytes"}},
		{Listen{Host: "@", Kind: UnixStream}, []string{"needs a path"}},
		{Listen{Host: "", Kind: UnixDgram}, []string{"needs a path"}},
		{Listen{Host: "/tmp/x", Kind: TCP}, []string{"a path is listened on with unix_stream or unix_dgram, not tcp"}},
		{Listen{Host: "127.0.0.1", Kind: UDP6}, []string{"listen udp 127.0.0.1:0", "udp6 needs an IPv6 address"}},
		{Listen{Host: "127.0.0.1", Kind: TCP6}, []string{"tcp6 needs an IPv6 address"}},
		{Listen{Host: "SYSTEMD", Kind: TCP}, []string{"listen tcp SYSTEMD", "LISTEN_FDS is not set"}},
		{Listen{Host: "SYSTEMD", Port: 5, Kind: TCP}, []string{"declare port 0"}},
	} {
		_, err := listenOn(t, PortOptions{Listen: c.listen})
		says(t, err, c.want...)
	}
	// The longest that there may be.
	path := filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	if _, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: UnixStream}}); err != nil {
		t.Error(err)
	}
	knock(t, "unix", path)
}

// The file is its owner's alone, or as the options say, whatever the umask is.
func TestModeOfTheSocket(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		for i, c := range []struct{ umask, mode, want uint32 }{
			{0, 0, 0o600}, {0o777, 0o660, 0o660}, {0o022, 0o666, 0o666},
		} {
			at := fmt.Sprint(path, i)
			old := syscall.Umask(int(c.umask))
			e, err := listenOn(t, PortOptions{Listen: Listen{Host: at, Kind: k}, SocketOptions: SocketOptions{SocketMode: c.mode}})
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(at); err != nil || uint32(st.Mode().Perm()) != c.want {
				t.Errorf("mode %o under umask %o: %v, %v", c.mode, c.umask, st.Mode(), err)
			}
			o := *e.Ports()[0].Options()
			o.SocketMode = 0o640
			if err := e.Ports()[0].Set(o); err != nil {
				t.Error(err)
			}
			if st, err := os.Stat(at); err != nil || st.Mode().Perm() != 0o640 {
				t.Errorf("changed to 640: %v, %v", st.Mode(), err)
			}
		}
	})
}

// What another server has put in the place of our file is not ours to remove.
func TestFileOfAnotherServer(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		e, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: k}})
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(path)
		if _, err := listenOn(t, PortOptions{Listen: Listen{Host: path, Kind: k}}); err != nil {
			t.Fatal(err)
		}
		e.Stop()
		knockUnix(t, k, path)
	})
}

// Of many servers that find an abandoned path at the same time, one gets it.
func TestAbandonedSocketIsTakenOnce(t *testing.T) {
	unixKinds(t, func(t *testing.T, k Kind, path string) {
		for round := range 20 {
			at := fmt.Sprint(path, round)
			abandon(t, k, at)
			var won atomic.Int32
			var wg sync.WaitGroup
			for range 8 {
				e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: at, Kind: k}}}}, &packetFuncs{packet: sendBack})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { e.Stop() })
				wg.Go(func() {
					if err := e.Listen(); err == nil {
						won.Add(1)
					} else if !errors.Is(err, unix.EADDRINUSE) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := won.Load(); n != 1 {
				t.Fatalf("%d servers listen on one path", n)
			}
			if err := abandoned(at); err == nil {
				t.Fatal("nobody listens there")
			}
		}
	})
}

// What a unix client sent before it closed is handled, also when it was not
// being read just then.
func TestUnixClientSendsAndLeaves(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		path := filepath.Join(t.TempDir(), "s")
		o.Ports[0].Listen = Listen{Host: path, Kind: UnixStream}
		o.InboxEvents = 1
		var g gate
		var got atomic.Int64
		ends := make(chan Reason, 1)
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				if got.Load() == 0 {
					g.pass(f)
				}
				got.Add(int64(len(data)))
			},
			close: func(f *Fiber, s *Session, r Reason) { ends <- r },
		}
		e, err := New(o, h)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Stop()
		if err := e.Listen(); err != nil {
			t.Fatal(err)
		}
		e.Accept()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		write := func(n int) {
			if _, err := c.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			sent += n
		}
		write(1)
		eventually(t, "the callback waits", func() bool { return g.waiting() == 1 })
		s := e.Sessions(0, 1)[0]
		for e.Stats(nil).Paused == 0 {
			write(100)
			eventually(t, "it is read, or reading has stopped", func() bool {
				return s.Info().RecvQueued == sent-1 || e.Stats(nil).Paused > 0
			})
		}
		for range 20 { // these are not read until it goes on
			write(1000)
		}
		c.Close()
		g.open()
		if r := from(t, ends); r != ClientClosed {
			t.Errorf("it ended as %v", r)
		}
		if got.Load() != int64(sent) {
			t.Errorf("%d bytes of %d arrived", got.Load(), sent)
		}
	})
}

func TestUnixSessionInfo(t *testing.T) {
	dir := t.TempDir()
	path, own := filepath.Join(dir, "s"), filepath.Join(dir, "client")
	infos := make(chan Info, 2)
	h := &funcs{receive: func(f *Fiber, s *Session, data string) {
		infos <- s.Info()
		f.Send(s, data)
	}}
	e, err := New(Options{Workers: 1, Ports: []PortOptions{{Listen: Listen{Host: path, Kind: UnixStream}}}}, h)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	e.Accept()
	knock(t, "unix", path)
	if i := from(t, infos); i.Kind != UnixStream || i.RemoteIP != "" || i.RemotePort != 0 || i.ServerPort != 0 || i.ServerFD != e.Ports()[0].FD() {
		t.Errorf("an unnamed client: %+v", i)
	}
	c, err := net.DialUnix("unix", &net.UnixAddr{Name: own, Net: "unix"}, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "x")
	if i := from(t, infos); i.RemoteIP != own {
		t.Errorf("a client with a path: %+v", i)
	}
}

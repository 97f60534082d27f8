package tests

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Unix sockets: clients of this machine, found by a path.

// dialUnix connects a client to a path.
func dialUnix(t testing.TB, path string) *unixClient {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(4 * patience))
	return &unixClient{c.(*net.UnixConn), t}
}

type unixClient struct {
	*net.UnixConn
	t testing.TB
}

func (c *unixClient) say(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *unixClient) expect(want string) {
	c.t.Helper()
	got, b := "", make([]byte, 64<<10)
	for len(got) < len(want) {
		n, err := c.Read(b)
		if err != nil {
			c.t.Fatalf("got %q, then %v; want %q", got, err, want)
		}
		got += string(b[:n])
	}
	if got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// up starts a server that need not have an address with a port.
func up(t testing.TB, s setup, text string) *server {
	t.Helper()
	sv := launch(t, s, script(t, text))
	sv.Log.wait(t, "process    ")
	return sv
}

func TestUnixServer(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		sv := up(t, s, `
server:set{ host = "`+dir+`/s" }
function onStart(server) print("at " .. server.host, server.port, server.type) end
function onConnect(server, fd)
  local c = server:getClientInfo(fd)
  print(("%d: '%s' %d %d %d"):format(fd, c.remote_ip:match("[^/]*$"), c.remote_port, c.server_port, c.socket_type))
  assert(c.server_fd == server.ports[1].sock)
end
function onReceive(server, fd, reactor_id, data)
  server:send(fd, "you said " .. data)
  if data == "bye" then server:close(fd) end
end
function onClose(server, fd, reactor_id, reason) print(fd .. " left: " .. reason) end`)
		sv.Log.wait(t, "listening  unix:"+dir+"/s\n")
		sv.Out.wait(t, "at "+dir+"/s\t0\t5\n")

		// A client without a path of its own, and one with.
		c := dialUnix(t, dir+"/s")
		sv.Out.wait(t, "1: '' 0 0 5\n")
		c.say("hello")
		c.expect("you said hello")
		named, err := net.DialUnix("unix", &net.UnixAddr{Name: dir + "/me", Net: "unix"}, &net.UnixAddr{Name: dir + "/s", Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		sv.Out.wait(t, "2: 'me' 0 0 5\n")

		// A megabyte each way, with the close after it.
		long := strings.Repeat("0123456789abcdef", 1<<16)
		big := dialUnix(t, dir+"/s")
		go big.Write([]byte(long))
		heard := ""
		for b := make([]byte, 64<<10); len(strings.ReplaceAll(heard, "you said ", "")) < len(long); {
			n, err := big.Read(b)
			if err != nil {
				t.Fatalf("after %d bytes: %v", len(heard), err)
			}
			heard += string(b[:n])
		}
		if strings.ReplaceAll(heard, "you said ", "") != long {
			t.Error("other bytes came back")
		}
		big.Close()
		sv.Out.wait(t, "3 left: client_closed\n")

		named.Close()
		sv.Out.wait(t, "2 left: client_closed\n")
		c.say("bye")
		c.expect("you said bye")
		sv.Out.wait(t, "1 left: server_closed\n")

		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if _, err := os.Lstat(dir + "/s"); !os.IsNotExist(err) {
			t.Errorf("the socket's file is left behind: %v", err)
		}
	})
}

// As a shell script would: netcat and socat.
func TestUnixClientsOfTheShell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up(t, setup{}, `
server:set{ host = "`+dir+`/s" }
server:listen("@swoon-story-`+filepath.Base(dir)+dir+`")
function onReceive(server, fd, reactor_id, data) server:send(fd, data:upper()) end`)
	for _, client := range [][]string{
		{"nc", "-N", "-U", dir + "/s"},
		{"socat", "-t", "10", "-", "UNIX:" + dir + "/s"},
		{"socat", "-t", "10", "-", "ABSTRACT:swoon-story-" + filepath.Base(dir) + dir},
	} {
		cmd := exec.Command(client[0], client[1:]...)
		cmd.Stdin = strings.NewReader("hello\n")
		if out, err := cmd.CombinedOutput(); string(out) != "HELLO\n" || err != nil {
			t.Errorf("%v: %q, %v", client, out, err)
		}
	}
}

// Half a stream: a client that has said all it has to say still hears the
// answer.
func TestUnixHalfClose(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		up(t, s, `
server:set{ host = "`+dir+`/s" }
local co = require "co"
function onReceive(server, fd, reactor_id, data)
  co.sleep(0.05)
  server:send(fd, "heard " .. #data)
end`)
		c := dialUnix(t, dir+"/s")
		c.say("question")
		c.CloseWrite()
		c.expect("heard 8")
	})
}

// A server that was killed leaves its file behind: the next one takes it.
func TestUnixServerAfterAKill(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"unix_stream", "unix_dgram"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			text := `
server:set{ host = "` + dir + `/s", sock_type = "` + kind + `" }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
function onPacket(server, data, client) print("packet " .. data) end`
			sv := up(t, setup{}, text)
			sv.quiet = true
			sv.stop(t, syscall.SIGKILL)
			if _, err := os.Lstat(dir + "/s"); err != nil {
				t.Fatalf("nothing is left behind, the story tests nothing: %v", err)
			}
			sv = up(t, setup{}, text)
			if kind == "unix_stream" {
				c := dialUnix(t, dir+"/s")
				c.say("hello")
				c.expect("hello")
				return
			}
			c, err := net.Dial("unixgram", dir+"/s")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write([]byte("hello"))
			sv.Out.wait(t, "packet hello\n")
		})
	}
}

// Two servers do not get one path, and a file that is no socket is nobody's to
// remove.
func TestUnixPathThatIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `
server:set{ host = "` + dir + `/s" }
function onConnect() print("a client") end
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	first := up(t, setup{}, text)
	second := launch(t, setup{}, script(t, text))
	if code := second.wait(t); code != 3 {
		t.Errorf("exit code %d", code)
	}
	second.Log.wait(t, "listen unix "+dir+"/s: address already in use: another server listens at this path")
	if n := first.Out.count("a client"); n > 0 {
		t.Error("the first server was disturbed")
	}
	c := dialUnix(t, dir+"/s")
	c.say("still here?")
	c.expect("still here?")

	save(t, dir+"/notes", "precious")
	third := launch(t, setup{}, script(t, strings.Replace(text, dir+"/s", dir+"/notes", 1)))
	if code := third.wait(t); code != 3 {
		t.Errorf("exit code %d", code)
	}
	third.Log.wait(t, "there is a file at this path that is no socket (it is left alone)")
	if got := read(t, dir+"/notes"); got != "precious" {
		t.Errorf("the file says %q", got)
	}
}

// Nobody but the owner may connect, unless the script says who else may.
func TestWhoMayConnect(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "swoon-story") // where others can go
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := `
server:set{ host = "` + dir + `/s" }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	sv := up(t, setup{}, text)
	mode := func() os.FileMode {
		st, err := os.Stat(dir + "/s")
		if err != nil {
			t.Fatal(err)
		}
		return st.Mode().Perm()
	}
	if mode() != 0o600 {
		t.Errorf("the mode is %v", mode())
	}
	stranger := func() (string, error) {
		cmd := exec.Command("nc", "-N", "-U", dir+"/s")
		cmd.Stdin = strings.NewReader("hello")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	root := os.Geteuid() == 0 // only root can be somebody else
	if root {
		if out, err := stranger(); err == nil {
			t.Errorf("a stranger got in: %q", out)
		}
	}
	sv.save(t, strings.Replace(text, `/s" }`, `/s", unix_socket_mode = "0666" }`, 1))
	sv.Log.wait(t, "reloaded generation=2")
	if mode() != 0o666 {
		t.Errorf("the mode is %v", mode())
	}
	if root {
		if out, err := stranger(); err != nil || out != "hello" {
			t.Errorf("%q, %v", out, err)
		}
	}
}

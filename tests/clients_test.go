package tests

import (
	"net"
	"strings"
	"testing"
)

// max_connection_per_ip: more clients of one address are refused, those of
// others are not. It counts the sessions that were there before it was set.
func TestClientsOfOneAddress(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		text := `
server:set{ @LIMIT@ }
function onConnect(server, fd) server:send(fd, "welcome\n") end
function onReceive(server, fd, reactor_id, data) server:send(fd, server.generation .. "\n") end`
		limit := func(l string) string { return strings.Replace(text, "@LIMIT@", l, 1) }
		sv := serve(t, s, limit(""))
		from := func(ip string) *client {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: patience}
			c, err := d.Dial("tcp", sv.Addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return &client{c.(*net.TCPConn), t, nil}
		}
		var there []*client
		for range 3 {
			c := from("127.0.0.2")
			c.expect("welcome")
			there = append(there, c)
		}
		sv.save(t, limit("max_connection_per_ip = 2"))
		sv.Log.wait(t, `reloaded generation=2`)
		if got, _ := from("127.0.0.2").rest(); got != "" {
			t.Errorf("a fourth client is let in: %q", got)
		}
		sv.Log.wait(t, "client refused reason=max_connection_per_ip remote=127.0.0.2:")
		from("127.0.0.3").expect("welcome")
		for _, c := range there {
			c.say("still here?\n")
			c.expect("2")
		}
		// Two of the three leave: there is room for one.
		there[0].Close()
		there[1].Close()
		eventually(t, "there is room again", func() bool {
			c := from("127.0.0.2")
			c.say("in?\n")
			b := make([]byte, 1)
			n, _ := c.Read(b)
			return n == 1
		})
	})
}

// first_data_timeout closes clients that connect and say nothing; who has
// spoken once may be silent for as long as he likes.
func TestClientsThatSayNothing(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serve(t, s, `
server:set{ first_data_timeout = 2 }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end
function onClose(server, fd, reactor_id, reason) print(fd .. " closed: " .. reason) end`)
		speaks := sv.dial(t)
		speaks.say("hello\n")
		speaks.expect("hello")
		silent := sv.dial(t)
		if got, err := silent.rest(); got != "" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		sv.Out.wait(t, "2 closed: timeout_silent\n")
		another := sv.dial(t)
		another.rest()
		sv.Out.wait(t, "3 closed: timeout_silent\n")
		speaks.say("still here\n")
		speaks.expect("still here")
	})
}

// Settings of Swoole that have nothing to do here are taken, with one line that
// says why; a reload says only what is new.
func TestSettingsThatDoNothing(t *testing.T) {
	t.Parallel()
	text := `
server:set{ task_ipc_mode = 3, enable_coroutine = true }
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`
	sv := serve(t, setup{mode: "base", workers: 1}, text)
	sv.Log.wait(t, "app.lua:2: setting 'task_ipc_mode' does nothing here: tasks go through memory")
	sv.Log.wait(t, "app.lua:2: setting 'enable_coroutine' does nothing here: every callback may wait")
	sv.save(t, text+"\nserver:set{ open_cpu_affinity = true }")
	sv.Log.wait(t, "setting 'open_cpu_affinity' does nothing here")
	if n := sv.Log.count("does nothing here"); n != 3 {
		t.Errorf("%d notices", n)
	}
}

package scripting

import (
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// Where VMs that are only asked are, and that they go when nothing asks them.
func TestReactorVMs(t *testing.T) {
	was := formerLook
	formerLook = 5 * time.Millisecond
	t.Cleanup(func() { formerLook = was }) // after startHost's, which ends what reads it
	script := func(settings string) string {
		return "server:set{ " + settings + " }\nfunction onReceive(server, fd, rid, data) server:send(fd, data) end"
	}
	asks := script(`package_length_func = function(data) return 3 end`)
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			h := startHost(t, asks, [2]string{"mode", mode}, [2]string{"worker_num", "2"})
			say := func(c net.Conn, text string) {
				t.Helper()
				got := make([]byte, len(text))
				c.SetDeadline(time.Now().Add(time.Minute))
				c.Write([]byte(text))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
					t.Fatalf("%q, %v", got, err)
				}
			}
			vms := func() (live, former int) {
				for _, l := range h.engine.Reactors() {
					h.onLoop(l, func() {
						if s := seatOf(l); s.live != nil && l.OnlyReads() {
							live++
						}
						former += len(seatOf(l).former)
					})
				}
				return live, former
			}
			reload := func(text string) {
				t.Helper()
				if err := os.WriteFile(h.script, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if r := h.ReloadAndWait("test", false); !r.OK {
					t.Fatal(r)
				}
			}
			reactors := map[string]int{"base": 0, "process": 2}[mode]
			check := func(when string, live, former int) {
				t.Helper()
				await(t, when, func() bool { a, b := vms(); return a == live && b == former })
			}
			check("at first", reactors, 0)
			first := h.gen.Load()
			c, err := net.Dial("tcp", h.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			say(c, "abcdef")
			reload(asks)
			check("after a reload", reactors, 0)
			await(t, "the first VMs are closed", func() bool { return first.alive.Load() == 0 })
			second := h.gen.Load()

			reload(script(""))
			check("with nothing to ask", 0, 0)
			await(t, "the second VMs are closed", func() bool { return second.alive.Load() == 0 })
			say(c, "abc")
			check("with a session of before", 0, 1)
			former := h.gen.Load().formers[h.gen.Load().ports[0]]
			if former == nil || former.id != second.id || former.control != nil {
				t.Fatalf("former code is %+v", former)
			}
			reload(script("open_eof_check = true"))
			say(c, "abcdef")
			check("and one more reload", 0, 1)
			if g := h.gen.Load(); g.formers[g.ports[0]] != former {
				t.Error("the former code has changed")
			}

			reload(asks)
			say(c, "abc")
			check("when it is asked again", reactors, 1) // until it is looked at
			c.Close()
			await(t, "the session ends", func() bool { return h.engine.Stats(nil).Sessions == 0 })
			check("without the session", reactors, 0)
			await(t, "the former VM is closed", func() bool { return former.alive.Load() == 0 })
			reload(asks)
			if n := len(h.gen.Load().formers); n != 0 {
				t.Errorf("%d former codes are kept for nobody", n)
			}
		})
	}
}

// await waits until cond is true.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

package tests

import (
	"strings"
	"syscall"
	"testing"
)

// The first five minutes: the scripts of the guide, as a newcomer runs them.

func TestEcho(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		sv := serveFile(t, s, "../scripts/echo.lua")
		c := sv.dial(t)
		c.say("hello\n")
		c.expect("hello")
		if code := sv.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestHello(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{}, "../scripts/hello.lua")
	sv.Out.wait(t, "listening on 127.0.0.1:"+sv.Port+"\n")
	c := sv.dial(t)
	c.expect("Hello 1!")
	sv.Out.wait(t, "1 connected from 127.0.0.1:")
	c.say("how are you\n")
	c.expect("You said: how are you")
	c.say("bye\n")
	c.expect("Goodbye.")
	if rest, err := c.rest(); rest != "" || err != nil {
		t.Errorf("after the goodbye: %q, %v", rest, err)
	}
	sv.Out.wait(t, "1 left: server_closed\n")
}

func TestSlowStallsNobody(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{procs: 1}, "../scripts/slow.lua")
	slow, fast := sv.dial(t), sv.dial(t)
	slow.say("slow\n")
	slow.expect("this takes three seconds...")
	for range 100 {
		fast.say("fast\n")
		fast.expect("fast")
	}
	slow.expect("done")
	fast.say("ask\n")
	if got := fast.take(len("your name? ")); got != "your name? " {
		t.Fatalf("got %q", got)
	}
	fast.say("Bob\n")
	fast.expect("hello, Bob")
}

func TestChatEditedWhilePeopleTalk(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		script := read(t, "../scripts/chat.lua")
		sv := serve(t, s, script)
		ada, bob, eve := sv.dial(t), sv.dial(t), sv.dial(t)
		for i, c := range []*client{ada, bob, eve} {
			for !strings.HasPrefix(c.line(), "* welcome") {
			}
			c.say("/name " + []string{"Ada", "Bob", "Eve"}[i] + "\n")
			for !strings.HasSuffix(c.line(), "is now "+[]string{"Ada", "Bob", "Eve"}[i]) {
			}
		}
		hear := func(c *client, want string) {
			t.Helper()
			for {
				line := c.line()
				if strings.HasPrefix(line, "* ") {
					continue // joins and names of the others
				}
				if line != want {
					t.Fatalf("heard %q, want %q", line, want)
				}
				return
			}
		}
		bob.say("good mor") // half a line, kept across the reload
		ada.say("hello\n")
		hear(bob, "Ada: hello")
		hear(eve, "Ada: hello")

		sv.save(t, strings.Replace(script, `": " .. line`, `" says: " .. line`, 1))
		sv.Log.wait(t, "reloaded generation=2")
		bob.say("ning\n")
		hear(ada, "Bob says: good morning")
		hear(eve, "Bob says: good morning")

		sv.save(t, script+"\nif then\n")
		sv.Log.wait(t, "syntax error near 'then'")
		log := sv.Log.String()
		if !strings.Contains(log, "if then\n") || !strings.Contains(log, "^") || !strings.Contains(log, "app.lua:") {
			t.Errorf("the error does not show the line:\n%s", log)
		}
		eve.say("who is here\n")
		hear(ada, "Eve says: who is here")
		hear(bob, "Eve says: who is here")
	})
}

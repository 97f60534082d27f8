package tests

import (
	"strings"
	"testing"
)

// A callback that eats memory is stopped; the server serves on.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"strings": `local t = {} for i = 1, 1e6 do t[i] = ("x"):rep(1e5) .. i end`,
		"tables":  `local t = {} while true do t = {t, {}, {1, 2, 3}, a = 1, b = {}} end`,
		"fibers":  `local t = {} while true do t = {t, coroutine.wrap(function() end)} end`,
	} {
		t.Run(name, func(t *testing.T) {
			sv := serve(t, setup{mode: "base", workers: 1, flags: []string{"--set", "memory_limit=200M"}}, `
				function onReceive(server, fd, reactor_id, data)
				  if data == "grow" then `+body+` end
				  server:send(fd, "ok\n")
				end`)
			for range 3 {
				grow, other := sv.dial(t), sv.dial(t)
				grow.say("grow")
				if rest, _ := grow.rest(); rest != "" {
					t.Errorf("the callback that grows answered %q", rest)
				}
				other.say("hello")
				other.expect("ok")
			}
			sv.Log.waitCount(t, "(memory_limit)", 3)
			if n := sv.Log.count("(memory_limit)"); n != 3 {
				t.Errorf("stopped %d callbacks, want 3:\n%s", n, sv.Log.tail())
			}
			if !strings.Contains(sv.Log.String(), "app.lua:3") {
				t.Errorf("the log does not say where:\n%s", sv.Log.tail())
			}
		})
	}
}

// strict makes an accidental global an error, at the place where it is written.
func TestStrict(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1}, `
		server:set{ strict = true, error_policy = "keep" }
		count = 0
		function onReceive(server, fd, reactor_id, data)
		  count = count + 1
		  if data == "bad" then conut = 1 end
		  server:send(fd, count .. "\n")
		end
		function onError(server, event, err) server:send(err.fd, err.message .. "\n") end`)
	c := sv.dial(t)
	c.say("good")
	c.expect("1")
	c.say("bad")
	c.expect("app.lua:6: assignment to undefined global 'conut' (strict = true): write local, or define it at the top level of the file")
	c.say("good")
	c.expect("3")
}

package scripting

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// startHost serves a script inside the test.
func startHost(t testing.TB, script string, flags ...[2]string) *Host {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.lua")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Script: path, Out: io.Discard, NoReload: true, Flags: append([][2]string{{"port", "0"}}, flags...)})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.RequestStop(0)
		if code, cut := h.Wait(); code != 0 {
			t.Errorf("stopped with %d: %v", code, cut)
		}
	})
	return h
}

// What a message may allocate, and no goroutine switch beside: the budgets hold
// the message path. An echo has the message's text and its Lua value.
var budgets = []struct {
	name    string
	script  string
	at      int     // messages sent at once
	allowed float64 // allocations per message
}{
	{"echo", `function onReceive(server, fd, rid, data) server:send(fd, data) end`, 1, 2.2},
	{"frames", `server:set{ open_length_check = true, package_length_type = "N", package_body_offset = 4 }
		function onReceive(server, fd, rid, data) server:send(fd, data) end`, 16, 2.2},
	{"lines", `server:set{ open_eof_split = true, package_eof = "\n" }
		function onReceive(server, fd, rid, data) server:send(fd, data) end`, 16, 2.2},
	// The callback never returns: every message ends a wait of its.
	{"waits", `function onReceive(server, fd, rid, data)
			while data do
				server:send(fd, data)
				data = server:recv(fd, 60)
			end
		end`, 1, 3.2},
	{"tasks", `server:set{ task_worker_num = 1 }
		function onReceive(server, fd, rid, data) server:task(data, -1, function(_, _, back) server:send(fd, back) end) end
		function onTask(server, id, src, data) return data end
		function onFinish() end`, 1, 16},
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, b := range budgets {
		for _, mode := range []string{"base", "process"} {
			t.Run(b.name+", "+mode, func(t *testing.T) {
				h := startHost(t, b.script, [2]string{"mode", mode}, [2]string{"worker_num", "1"})
				c, err := net.Dial("tcp", h.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(time.Minute))
				one := make([]byte, 64)
				one[3], one[63] = 60, '\n' // a frame of either kind
				msg := bytes.Repeat(one, b.at)
				got := make([]byte, len(msg))
				round := func() {
					if _, err := c.Write(msg); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(c, got); err != nil {
						t.Fatal(err)
					}
				}
				rounds := 10000 / b.at
				for range rounds / 10 {
					round()
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range rounds {
					round()
				}
				runtime.ReadMemStats(&after)
				messages := float64(rounds * b.at)
				per := float64(after.Mallocs-before.Mallocs) / messages
				t.Logf("%.2f allocations, %.0f bytes a message", per, float64(after.TotalAlloc-before.TotalAlloc)/messages)
				if per > b.allowed {
					t.Errorf("%.2f allocations a message, %.1f are allowed", per, b.allowed)
				}
			})
		}
	}
}

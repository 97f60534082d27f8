package scripting

import (
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

// The budget of an echo is the message's text and its Lua value, and no
// goroutine switch but the loop's own wait.
func TestEchoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, mode := range []string{"base", "process"} {
		t.Run(mode, func(t *testing.T) {
			h := startHost(t, `function onReceive(server, fd, rid, data) server:send(fd, data) end`,
				[2]string{"mode", mode}, [2]string{"worker_num", "1"})
			c, err := net.Dial("tcp", h.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			msg, got := make([]byte, 64), make([]byte, 64)
			round := func() {
				if _, err := c.Write(msg); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, got); err != nil {
					t.Fatal(err)
				}
			}
			const rounds = 20000
			for range rounds / 10 {
				round()
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				round()
			}
			runtime.ReadMemStats(&after)
			per := float64(after.Mallocs-before.Mallocs) / rounds
			t.Logf("%.2f allocations, %.0f bytes a message", per, float64(after.TotalAlloc-before.TotalAlloc)/rounds)
			if per > 3 {
				t.Errorf("%.2f allocations a message, at most 3 are allowed", per)
			}
		})
	}
}

package client

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"swoon/scripting/scriptingtest"
)

// Round trips of 64 bytes to an echo peer in the same process: clients of a
// script on one VM, which wait or call back, beside the same in plain Go.
func BenchmarkRoundTrips(b *testing.B) {
	for _, clients := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("go/%d", clients), func(b *testing.B) { tripsInGo(b, clients) })
		b.Run(fmt.Sprintf("waiting/%d", clients), func(b *testing.B) {
			tripsInLua(b, clients, `
co.run(function()
  for i = 1, CLIENTS do
    co.go(function()
      local c = assert(client.connect("127.0.0.1", PORT, { timeout = 60 }))
      for i = 1, N do c:send(text) assert(c:recv() == text) end
      c:close()
    end)
  end
end)`)
		})
		b.Run(fmt.Sprintf("callbacks/%d", clients), func(b *testing.B) {
			tripsInLua(b, clients, `
local left = co.waitgroup()
for i = 1, CLIENTS do
  left:add()
  local c, n = client.new(), 0
  c:on("connect", function(c) c:send(text) end)
  c:on("receive", function(c, data)
    n = n + 1
    if n < N then c:send(text) else c:close() end
  end)
  c:on("close", function() left:done() end)
  c:connect("127.0.0.1", PORT)
end
left:wait()`)
		})
	}
}

// cpu is how much CPU the process has had: on a machine that others use too it
// says more than the clock. Both ends are in it.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, trips int, took, used time.Duration) {
	b.ReportMetric(float64(trips)/took.Seconds(), "trips/s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(trips)/1e3, "cpu-us/trip")
}

func tripsInGo(b *testing.B, clients int) {
	port := peer(b, echo)
	n := b.N/clients + 1
	text := strings.Repeat("x", 64)
	var wg sync.WaitGroup
	began, used := time.Now(), cpu()
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			buf := make([]byte, 64<<10)
			for range n {
				c.Write([]byte(text))
				if k, err := c.Read(buf); err != nil || string(buf[:k]) != text {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	report(b, n*clients, time.Since(began), cpu()-used)
}

func tripsInLua(b *testing.B, clients int, code string) {
	port := peer(b, echo)
	n, used := b.N/clients+1, cpu()
	out := scriptingtest.Run(b, modules, strings.NewReplacer("CLIENTS", fmt.Sprint(clients), "PORT", fmt.Sprint(port), "N ", fmt.Sprint(n, " ")).Replace(`
local client, co, now = require "client", require "co", require("time").monotonic
local text, began = ("x"):rep(64), now()
`+code+`
io.write(now() - began)`))
	var took float64
	if _, err := fmt.Sscan(out, &took); err != nil {
		b.Fatalf("%v: %q", err, out)
	}
	report(b, n*clients, time.Duration(took*1e9), cpu()-used)
}

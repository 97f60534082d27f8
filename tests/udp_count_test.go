package tests

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kernelDrops is what the kernel says of the UDP socket of a local port: the
// packets that did not fit into its buffer.
func kernelDrops(t *testing.T, port int) (drops int) {
	t.Helper()
	for line := range strings.Lines(read(t, "/proc/net/udp")) {
		f := strings.Fields(line)
		if len(f) < 13 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		n, err := strconv.Atoi(f[12])
		if err != nil {
			t.Fatalf("/proc/net/udp: %q", line)
		}
		drops += n
	}
	return drops
}

// 200,000 packets from eight sockets, as fast as they go: each is handled and
// answered, or was dropped by the kernel, whose numbers are the server's.
func TestEveryPacketIsAccountedFor(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 25000
	for _, s := range []setup{{mode: "base", workers: 2}, {mode: "process", workers: 2}} {
		t.Run(s.mode, func(t *testing.T) {
			sv := serve(t, s, `
local shared = require "shared"
local seen, answered = shared.atomic("seen"), shared.atomic("answered")
server:listen("127.0.0.1", 0, "udp")
function onPacket(server, data, client)
  seen:add()
  if server:sendto(client.address, client.port, data) then answered:add() end
end
function onReceive(server, fd)
  local st = server:stats()
  server:send(fd, ("%d %d %d %d %d\n"):format(st.packet_count, st.udp_kernel_drops, seen:get(), answered:get(), st.response_count))
end`)
			addr := sv.udpAt(t, 0)
			_, text, _ := net.SplitHostPort(addr)
			port, _ := strconv.Atoi(text)
			var got atomic.Int64
			var ports []int
			var wg sync.WaitGroup
			for i := range clients {
				c := dialUDP(t, addr)
				c.Conn.(*net.UDPConn).SetReadBuffer(4 << 20)
				ports = append(ports, c.LocalAddr().(*net.UDPAddr).Port)
				go func() {
					b := make([]byte, 100)
					for {
						if _, err := c.Read(b); err != nil {
							return // the test is over
						}
						got.Add(1)
					}
				}()
				wg.Go(func() {
					b := fmt.Appendf(nil, "%d of many", i)
					for range each {
						if _, err := c.Write(b); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			const sent = clients * each
			c := sv.dial(t)
			var read, drops, seen, answered, responses, asked int
			begin := time.Now()
			eventually(t, "the numbers agree", func() bool {
				c.say("count\n")
				fmt.Sscan(c.line(), &read, &drops, &seen, &answered, &responses)
				asked++
				done := read+drops == sent && seen == read && answered == seen && responses == answered+asked-1
				if !done && time.Since(begin) > patience-time.Second {
					t.Fatalf("%d sent; read %d, dropped %d, handled %d, answered %d, responses %d with %d to us", sent, read, drops, seen, answered, responses, asked-1)
				}
				return done
			})
			t.Logf("%d sent, %d read, %d dropped by the kernel; %v after the last", sent, read, drops, time.Since(begin))
			if n := kernelDrops(t, port); n != drops {
				t.Errorf("the kernel says it dropped %d, the server %d", n, drops)
			}
			if seen == 0 {
				t.Error("no packet was handled")
			}
			var lost int
			eventually(t, "answers have come or were dropped on the way", func() bool {
				lost = 0
				for _, port := range ports {
					lost += kernelDrops(t, port)
				}
				return int(got.Load())+lost == answered
			})
		})
	}
}

package tests

import (
	"io"
	"testing"
)

// onBufferFull runs once when the high watermark is reached, onBufferEmpty once
// when the outbox is back at the low one; not again in between.
func TestWatermarks(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "socket_buffer_size=1M", "--set", "buffer_high_watermark=512K", "--set", "buffer_low_watermark=1K")
		sv := serve(t, s, `
			local big = ("x"):rep(65536)
			function onConnect(server, fd)
			  server:after(1, function()
			    local n = 0
			    while server:send(fd, big) do n = n + #big end
			    print("sent", n)
			  end)
			end
			function onReceive() end
			function onBufferFull(server, fd) print("full", fd, server:getClientInfo(fd).send_queued_bytes >= 512 * 1024) end
			function onBufferEmpty(server, fd) print("empty", fd, server:getClientInfo(fd).send_queued_bytes <= 1024) end`)
		c := sv.dial(t)
		sv.Out.wait(t, "full\t1\ttrue\n")
		if n := sv.Out.count("empty"); n != 0 {
			t.Errorf("empty was told %d times before anything was read", n)
		}
		go io.Copy(io.Discard, c)
		sv.Out.wait(t, "empty\t1\ttrue\n")
		if full, empty := sv.Out.count("full"), sv.Out.count("empty"); full != 1 || empty != 1 {
			t.Errorf("told full %d times and empty %d times, want once each", full, empty)
		}
	})
}

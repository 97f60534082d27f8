package tests

import (
	"fmt"
	"strconv"
	"testing"
)

// Ten thousand fibers may wait: they take 12 KB each, all told.
func TestManyFibersWait(t *testing.T) {
	t.Parallel()
	const fibers = 10000
	sv := serve(t, setup{mode: "base", workers: 1}, `
		local co = require "co"
		local gate = co.channel(0)
		function onReceive(server, fd, rid, data)
			if data == "open" then
				for i = 1, `+strconv.Itoa(fibers)+` do gate:push(i) end
				return server:send(fd, "opened\n")
			end
			local left = `+strconv.Itoa(fibers)+`
			for i = 1, left do
				co.go(function()
					gate:pop()
					left = left - 1
				end)
			end
			server:send(fd, "waiting\n")
			while left > 0 do co.sleep(0.01) end
			server:send(fd, "done\n")
		end
	`)
	a, b := sv.dial(t), sv.dial(t)
	a.say("go")
	a.expect("waiting")
	// What was used on the way there goes when the server rests.
	eventually(t, fmt.Sprintf("%d fibers that wait take at most 120 MB", fibers), func() bool { return sv.rss(t) <= 120<<20 })
	b.say("open")
	b.expect("opened")
	a.expect("done")
}

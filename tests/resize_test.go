package tests

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const resizeScript = `
local co = require "co"
server:set{ worker_num = WORKERS, task_worker_num = TASKS, open_eof_split = true, package_eof = "\n" }
function onConnect(server, fd)
  if fd % 5 == 0 then co.sleep(0.001) end
  server:session(fd).next = 1
end
function onReceive(server, fd, reactor_id, data)
  local s, n = server:session(fd), tonumber(data)
  if data == "info\n" then
    local st = server:stats()
    return server:send(fd, ("%d of %d, %d\n"):format(server.worker_id, st.worker_num, st.request_count))
  end
  if s.next ~= n then print("order: session " .. fd .. " got " .. n .. ", wants " .. s.next) end
  s.next = n + 1
  if n % 7 == 0 then co.sleep(0.002) end
  if n % 11 == 0 then server:task(n) end
  server:send(fd, data)
end
function onTask(server, id, src, n) return n end
function onFinish(server, id, n) if n % 11 ~= 0 then print("order: result " .. n) end end
function onClose(server, fd) if not server:session(fd).next then print("order: onClose without data") end end
function onError(server, event, err) print("order: " .. event .. ": " .. err.message) end
`

// The number of workers changes by reloads while clients talk: no session
// notices, no message is lost, doubled or out of its order.
func TestWorkersChangeByReload(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.workers = 0 // a flag would win over the script
		version := func(workers, tasks int) string {
			return strings.NewReplacer("WORKERS", fmt.Sprint(workers), "TASKS", fmt.Sprint(tasks)).Replace(resizeScript)
		}
		sv := serve(t, s, version(2, 1))
		var stop atomic.Bool
		var talk sync.WaitGroup
		for i := range 24 {
			talk.Go(func() {
				for !stop.Load() {
					if err := recite(sv.Addr, i, &stop); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		watcher := sv.dial(t)
		last := 0
		for i, n := range []int{8, 1, 4, 3, 6, 2} {
			sv.save(t, version(n, 1+n%3))
			sv.Log.waitCount(t, "reloaded", i+1)
			eventually(t, "the workers are there", func() bool {
				watcher.say("info\n")
				var id, workers, requests int
				if _, err := fmt.Sscanf(watcher.line(), "%d of %d, %d", &id, &workers, &requests); err != nil {
					t.Fatal(err)
				}
				if requests < last {
					t.Errorf("request_count went from %d to %d", last, requests)
				}
				last = requests
				return workers == n && id < n
			})
		}
		stop.Store(true)
		talk.Wait()
		if out := sv.Out.String(); strings.Contains(out, "order:") {
			t.Errorf("the script complains:\n%s", sv.Out.tail())
		}
	})
}

// recite is one client's stay: numbered lines, several on their way at a time.
func recite(addr string, i int, stop *atomic.Bool) error {
	c, err := dialTCP(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	n := 0
	for range 1 + rand.IntN(40) {
		var text strings.Builder
		first := n + 1
		for range 8 {
			n++
			fmt.Fprintf(&text, "%d\n", n)
		}
		if _, err := c.Write([]byte(text.String())); err != nil {
			return err
		}
		for want := first; want <= n; want++ {
			line, err := r.ReadString('\n')
			if err != nil || line != fmt.Sprintf("%d\n", want) {
				return fmt.Errorf("client %d got %q, %v; wants %d", i, line, err, want)
			}
		}
		if stop.Load() {
			break
		}
	}
	return nil
}

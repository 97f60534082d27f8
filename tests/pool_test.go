package tests

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// echoPeer answers frames, and prints how many clients it has had at once.
const echoPeer = `
server:set{ open_length_check = true, package_length_type = "N", package_body_offset = 4, hot_reload = false }
local n, most = 0, 0
function onConnect() n = n + 1 if n > most then most = n print("most " .. most) end end
function onClose() n = n - 1 end
function onReceive(server, fd, reactor_id, data) server:send(fd, data) end`

// poolUsers is a script of many fibers that share one pool. A round that fails is
// tried again; which names it failed with is counted.
const poolUsers = `
local co, pool, pack = require "co", require "pool", require "pack"
local port, fibers, rounds, mortal = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]), arg[4]
local p = pool.new{ host = "127.0.0.1", port = port, max = 20, acquire_timeout = 60, client = {
  timeout = 60, open_length_check = true, package_length_type = "N", package_body_offset = 4 } }
local right, wrong, errors, most, done = 0, 0, {}, 0, 0
local function ask(c, text)
  local ok, name = c:send(pack.pack("N", #text) .. text)
  if not ok then error({ name = name }) end
  local answer, name = c:recv()
  if not answer then error({ name = name }) end
  if answer == "" then error({ name = "closed_by_peer" }) end
  most = math.max(most, p.size)
  if answer:sub(5) == text then right = right + 1 else wrong = wrong + 1 end
end
local function fail(name)
  errors[name] = (errors[name] or 0) + 1
  if errors[name] == 1 then print("error " .. name) end
  co.sleep(0.02)
end
co.run(function()
  for i = 1, fibers do
    co.go(function()
      local left = rounds
      while left > 0 or mortal and not errors.connection_refused do -- it is missed in any case
        local ok, err, name = pcall(p.use, p, ask, "fiber " .. i .. " round " .. left)
        if not ok then fail(type(err) == "table" and err.name or "raised: " .. tostring(err))
        elseif err == false then fail(name)
        else
          left = left - 1
          if i == 1 and left == rounds - 2 then print("some rounds are done") end
        end
      end
      done = done + 1
    end)
  end
end)
local s = p:stats()
for name in pairs(errors) do io.write("failed ", name, "\n") end
print(("right %d wrong %d done %d most %d"):format(right, wrong, done, most))
print(("borrowed %d waiting %d leaked %d timeouts %d size %d = idle %d"):format(s.borrowed, s.waiting, s.leaked, s.timeouts, s.size, s.idle))
print("drained", p:drain(60), p.size)
`

// Many fibers, few connections: every answer is the right one, and there are
// never more connections than max.
func sharePool(t *testing.T, s setup, fibers, rounds int) {
	peer := serve(t, setup{mode: "base", workers: 1}, echoPeer)
	p := alone(t, s, poolUsers, peer.Port, fmt.Sprint(fibers), fmt.Sprint(rounds))
	p.expect(0, fmt.Sprintf("some rounds are done\nright %d wrong 0 done %d most 20\nborrowed 0 waiting 0 leaked 0 timeouts 0 size 20 = idle 20\ndrained\ttrue\t0\n", fibers*rounds, fibers))
	if n := peer.Out.count("most "); n != 20 {
		t.Errorf("the peer had %d clients at once", n)
	}
}

// The same with the peer killed in the middle and started again: errors have
// names, and the pool heals by itself.
func sharePoolOfMortals(t *testing.T, s setup, fibers, rounds int) {
	port := []string{"--port", freePort(t)} // of the second one too
	peer := serve(t, setup{mode: "base", workers: 1, flags: port}, echoPeer)
	peer.quiet = true
	p := alone(t, s, poolUsers, peer.Port, fmt.Sprint(fibers), fmt.Sprint(rounds), "mortal")
	p.Out.wait(t, "some rounds are done\n")
	peer.stop(t, syscall.SIGKILL)
	p.Out.wait(t, "error connection_refused\n")
	again := serve(t, setup{mode: "base", workers: 1, flags: port}, echoPeer)
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := p.Out.String()
	m := regexp.MustCompile(`(?m)^right (\d+) wrong 0 `).FindStringSubmatch(out)
	if m == nil || numbers(t, m[1])[0] < fibers*rounds {
		t.Errorf("not all answers are right")
	}
	for _, want := range []string{
		fmt.Sprintf(" wrong 0 done %d most 20\n", fibers),
		"borrowed 0 waiting 0 leaked 0 timeouts 0 size ", "drained\ttrue\t0\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %q", want)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^failed (.*)$`).FindAllStringSubmatch(out, -1) {
		switch m[1] {
		case "connection_refused", "reset", "closed_by_peer", "server_closed", "broken_pipe":
		default:
			t.Errorf("a round failed with %q", m[1])
		}
	}
	for _, sv := range []*server{peer, again} {
		if n := sv.Out.count("most "); n > 20 {
			t.Errorf("the peer had %d clients at once", n)
		}
	}
}

func TestPoolIsShared(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{}, {race: true}} {
		sharePool(t, s, 100, 10)
		sharePoolOfMortals(t, s, 100, 10)
	}
}

// TestSoakPool is the same with 2,000 fibers of 50 rounds.
func TestSoakPool(t *testing.T) {
	t.Parallel()
	if os.Getenv("SWOON_SOAK") == "" {
		t.Skip("set SWOON_SOAK=30m, or run make soak")
	}
	sharePool(t, setup{}, 2000, 50)
	sharePoolOfMortals(t, setup{}, 2000, 50)
}

// Requests go on through pools while the script is reloaded again and again:
// each answer is the right one, none fails, and the connections stay.
func TestPoolsAcrossReloads(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{mode: "base", workers: 2}, {mode: "process", workers: 4, race: true}} {
		t.Run(s.mode, func(t *testing.T) {
			peer := serve(t, setup{mode: "base", workers: 1}, strings.Replace(echoPeer, "n = n + 1", `n = n + 1 print("another")`, 1))
			text := strings.ReplaceAll(`
local pool, pack = require "pool", require "pack"
local p = pool.new{ host = "127.0.0.1", port = PEER, max = 3, client = {
  timeout = 30, open_length_check = true, package_length_type = "N", package_body_offset = 4 } }
server:set{ open_eof_split = true, package_eof = "\n" }
local function ask(c, text)
  assert(c:send(pack.pack("N", #text) .. text))
  return assert(c:recv()):sub(5)
end
function onReceive(server, fd, reactor_id, data)
  local answer, name = p:use(ask, data)
  server:send(fd, answer or name .. "\n")
end
-- `, "PEER", peer.Port)
			sv := serve(t, s, text)
			const clients, reloads = 12, 6
			var stop atomic.Bool
			var rounds atomic.Int64
			var wg sync.WaitGroup
			for i := range clients {
				c := sv.dial(t)
				wg.Go(func() {
					for n := 0; !stop.Load(); n++ {
						said := fmt.Sprintf("client %d says %d", i, n)
						c.say(said + "\n")
						if got := c.line(); got != said {
							t.Errorf("%q is answered %q", said, got)
							return
						}
						rounds.Add(1)
					}
				})
			}
			defer wg.Wait()
			defer stop.Store(true)
			for n := range reloads {
				before := rounds.Load()
				eventually(t, "requests are answered", func() bool { return rounds.Load() > before+50 })
				sv.save(t, text+fmt.Sprint(n))
				sv.Log.wait(t, fmt.Sprintf("reloaded generation=%d", n+2))
			}
			// Old and new code have up to max each for a moment. Without a handover
			// each reload would make all of them anew.
			if n, most := peer.Out.count("another"), s.workers*3*3; n > most {
				t.Errorf("%d connections were made, at most %d expected", n, most)
			}
		})
	}
}

package tests

import (
	"fmt"
	"net"
	"sort"
	"strings"
	"testing"
	"time"
)

// What docs/dispatch.md promises of packets in each mode, cell by cell.

const dispatchPacketScript = `
local shared, co = require "shared", require "co"
local n = shared.table("counts")
server:set{ mode = "process", worker_num = 4, sock_type = "udp" }

function onPacket(server, data, client)
  local what, arg = data:match("^(%a+) ?(%S*)")
  local function answer(text) server:sendto(client.address, client.port, text) end
  if what == "who" then
    answer(tostring(server.worker_id))
  elseif what == "count" then
    answer(tostring(n:get(arg) or 0))
  elseif what == "hold" then
    n:incr("begun")
    while not n:get("go") do co.sleep(0.002) end
    answer("held " .. server.worker_id)
  elseif what == "mark" then
    n:incr("marked")
    answer("marked")
  elseif what == "go" then
    n:set("go", true)
    answer("gone")
  elseif what == "number" then
    if tonumber(arg) % 3 == 0 then co.sleep(0.001) end
    answer("number " .. arg)
  end
end
`

// packetRow is one line of the table of packets; the first of each pair is with
// ordered = true.
type packetRow struct {
	mode, name     string
	same, together [2]string
}

func packetTable(t *testing.T) (rows []packetRow) {
	for _, line := range strings.Split(read(t, "../docs/dispatch.md"), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || !strings.Contains(cells[1], "`") || strings.Contains(cells[1], "dispatch_mode") {
			continue
		}
		mode, name, _ := strings.Cut(strings.TrimSpace(cells[1]), " ")
		cell := func(i int) string { return strings.TrimSpace(cells[i]) }
		rows = append(rows, packetRow{mode, strings.Trim(name, "`"), [2]string{cell(2), cell(3)}, [2]string{cell(4), cell(5)}})
	}
	if len(rows) != 8 {
		t.Fatalf("the table has %d modes", len(rows))
	}
	return rows
}

func TestDispatchTableOfPackets(t *testing.T) {
	t.Parallel()
	for _, row := range packetTable(t) {
		for i, flags := range [][]string{{"dispatch_mode=" + row.mode}, {"dispatch_mode=" + row.name, "ordered=false"}} {
			t.Run(strings.Join(flags, ","), func(t *testing.T) {
				t.Parallel()
				s := setup{}
				for _, f := range flags {
					s.flags = append(s.flags, "--set", f)
				}
				packetCells(t, serve(t, s, dispatchPacketScript), row.same[i], row.together[i])
			})
		}
	}
}

func packetCells(t *testing.T, sv *server, sameCell, togetherCell string) {
	same := word(t, sameCell, "one packet", "a sender", "an address")
	together := word(t, togetherCell, "one at a time", "may overlap", "may overlap, on several workers")
	at := sv.udpAt(t, 0)
	ask := func(c *sender, q string) string {
		t.Helper()
		c.say(q)
		return c.hear()
	}
	c := dialUDP(t, at)

	// The same worker for one packet, for a sender, for all of an address.
	used := map[string]int{}
	for range 80 {
		used[ask(c, "who")]++
	}
	if (len(used) > 1) != (same == 0) {
		t.Errorf("one sender's packets by worker: %v", used)
	}
	one, many := map[string]int{}, map[string]int{}
	for i := range 20 {
		one[ask(dialUDP(t, at), "who")]++
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}
		conn, err := d.Dial("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * patience))
		many[ask(&sender{conn, t}, "who")]++
	}
	if (len(one) == 1) != (same == 2) || len(many) == 1 {
		t.Errorf("senders of one address by worker: %v, of twenty: %v", one, many)
	}

	// One at a time, or overlapping. Who asks may share the worker with who waits.
	other := dialUDP(t, at)
	count := func(what, want string) {
		t.Helper()
		eventually(t, what+" is "+want, func() bool { return ask(other, "count "+what) == want })
	}
	held := dialUDP(t, at)
	for range 8 {
		held.say("hold")
	}
	held.say("mark")
	if together == 0 {
		count("begun", "1")
		for range 20 {
			if got := ask(other, "count marked"); got != "0" {
				t.Error("a packet has overtaken a callback that waits for its sender")
			}
		}
	} else {
		count("begun", "8")
		count("marked", "1")
	}
	ask(other, "go")
	workers := map[string]bool{}
	var order []string
	for range 9 {
		what, id, _ := strings.Cut(held.hear(), " ")
		order = append(order, what)
		if what == "held" {
			workers[id] = true
		}
	}
	if (len(workers) > 1) != (together == 2) {
		t.Errorf("callbacks of one sender's packets on workers %v", workers)
	}
	if together == 0 && order[8] != "marked" {
		t.Errorf("answers in the order %v", order)
	}

	// The order of the answers.
	var want, got []string
	for i := range 100 {
		want = append(want, fmt.Sprint("number ", i))
		c.say(want[i])
	}
	for range want {
		got = append(got, c.hear())
	}
	if together != 0 {
		sort.Strings(got)
		sort.Strings(want)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got)
	}
}

package engine

import (
	"fmt"
	"testing"
)

// Unordered, the modes that choose for each event send packets where there is
// least to do: those of one batch too, and those that wait count.
func TestPacketsToTheIdle(t *testing.T) {
	for _, m := range []DispatchMode{IdleWorker, FewestPerCall, FewestEvents} {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			var door gate
			held := make(chan int, 100)
			o := dispatched(m, unordered)
			o.Ports[0] = PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: UDP}}
			e := servePackets(t, o, func(f *Fiber, p *Packet) {
				if p.Data == "w" {
					held <- f.Loop().ID()
					door.pass(f)
				}
				sendBack(f, p)
			})
			c := peer(t, e.Ports()[0])
			for round := range 2 {
				used := map[int]bool{}
				for range 4 {
					say(t, c, "w")
				}
				for range 4 {
					used[from(t, held)] = true
				}
				if len(used) != 4 {
					t.Errorf("round %d: four waiting callbacks on workers %v", round, used)
				}
			}
			noIdle := e.Stats(nil).NoIdleWorker // of the second round
			say(t, c, "x")
			hear(t, c, "x")
			if m == IdleWorker && e.Stats(nil).NoIdleWorker != noIdle+1 {
				t.Error("no idle worker: not counted")
			}
			door.open()
			eventually(t, "nothing is on the books", func() bool {
				for _, l := range e.Workers() {
					if l.load(nil, FewestEvents) != 0 || l.load(nil, FewestPerCall) != 0 {
						return false
					}
				}
				return true
			})
		})
	}
}

// Packets and sessions weigh alike: a session's message goes to the worker that
// no packet keeps busy.
func TestSessionsAvoidPackets(t *testing.T) {
	var door gate
	held := make(chan int, 100)
	o := dispatched(IdleWorker, unordered)
	o.Ports = append(o.Ports, PortOptions{Listen: Listen{Host: "127.0.0.1", Kind: UDP}})
	o.Ports[0].Listen = Listen{Host: "127.0.0.1"}
	h := &packetFuncs{funcs: funcs{receive: func(f *Fiber, s *Session, data string) { held <- f.Loop().ID() }},
		packet: func(f *Fiber, p *Packet) {
			held <- f.Loop().ID()
			door.pass(f)
		}}
	e, err := New(o, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	e.Accept()
	defer e.Stop()
	defer door.open()
	udp := peer(t, e.Ports()[1])
	used := map[int]bool{}
	for range 3 {
		say(t, udp, "w")
		used[from(t, held)] = true
	}
	c := dial(t, e.Ports()[0].Addr().String())
	for range 5 {
		write(t, c, "x")
		if w := from(t, held); used[w] {
			t.Errorf("a message on worker %d, which a packet keeps; %v", w, used)
		}
		eventually(t, "it is off the books", func() bool {
			sum := int64(0)
			for _, l := range e.Workers() {
				sum += l.load(nil, IdleWorker)
			}
			return sum == 3
		})
	}
}

package engine

import (
	"strconv"
	"testing"
)

// Events come out as they went in, and rooms that go round hold nothing of those
// who had them before.
func TestInboxRooms(t *testing.T) {
	var a, b inbox
	pushed, popped := 0, 0
	for _, burst := range []int{1, 2, 5, 31, 32, 33, 100, 3, 32, 1} {
		for range burst {
			pushed++
			a.push(event{data: strconv.Itoa(pushed)})
			b.push(event{data: "of another"})
		}
		for range burst / 2 {
			popped++
			if ev := a.pop(); ev.data != strconv.Itoa(popped) {
				t.Fatalf("%q came, want %d", ev.data, popped)
			}
		}
		for b.n > 0 {
			if ev := b.pop(); ev.data != "of another" {
				t.Fatalf("%q", ev.data)
			}
		}
		if b.more != nil || b.bytes.Load() != 0 {
			t.Error("an empty inbox has memory")
		}
		r := rooms.Get().(*fifo[event])
		if r.len() != 0 || r.head != 0 || cap(r.list) > mostRoom {
			t.Errorf("a free room has %d events, and room for %d", r.len(), cap(r.list))
		}
		for i, ev := range r.list[:cap(r.list)] {
			if ev != (event{}) {
				t.Errorf("place %d of a free room holds %v", i, ev)
			}
		}
		rooms.Put(r)
	}
	for a.n > 0 {
		popped++
		if ev := a.pop(); ev.data != strconv.Itoa(popped) {
			t.Fatalf("%q came, want %d", ev.data, popped)
		}
	}
	if popped != pushed {
		t.Errorf("%d of %d", popped, pushed)
	}
}

func TestInboxAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	var in inbox
	if n := testing.AllocsPerRun(1000, func() {
		for range 16 {
			in.push(event{data: "x"})
		}
		for in.n > 0 {
			in.pop()
		}
	}); n > 0.5 {
		t.Errorf("16 events together cost %g allocations", n)
	}
}

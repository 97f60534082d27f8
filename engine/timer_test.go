package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// heapModel is what a timer heap promises, the slow way.
type heapModel []*Timer

func (m heapModel) sorted() heapModel {
	slices.SortFunc(m, func(a, b *Timer) int {
		if earlier(a, b) {
			return -1
		}
		return 1
	})
	return m
}

// drive does with a heap what ops say, beside the model.
func drive(t *testing.T, ops []byte) {
	var h timerHeap
	var model heapModel
	timers := make([]Timer, 64)
	for i, op := range ops {
		tm := &timers[int(op)%len(timers)]
		at := slices.Index(model, tm)
		if (at >= 0) != tm.armed() {
			t.Fatalf("step %d: armed is %v", i, tm.armed())
		}
		switch {
		case op >= 192 && at >= 0:
			h.remove(tm)
			model = slices.Delete(model, at, at+1)
		default:
			h.add(tm, int64(1+ops[(i*7+3)%len(ops)]%16)) // many ties
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
			model = append(model, tm)
		}
		if h.len() != len(model) {
			t.Fatalf("step %d: %d timers, want %d", i, h.len(), len(model))
		}
		for k, tm := range h.heap {
			if tm.pos != k+1 {
				t.Fatalf("step %d: timer at %d thinks it is at %d", i, k, tm.pos-1)
			}
			if k > 0 && earlier(tm, h.heap[(k-1)/4]) {
				t.Fatalf("step %d: a timer is earlier than its parent", i)
			}
		}
	}
	for _, want := range model.sorted() {
		if h.heap[0] != want || h.next() != want.when {
			t.Fatal("the heap gives them in another order")
		}
		h.remove(want)
	}
	if h.next() != 0 {
		t.Fatal("an empty heap has a next timer")
	}
}

func FuzzTimerHeap(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 2, 193, 1, 1})
	random := make([]byte, 3000)
	for i := range random {
		random[i] = byte(rand.IntN(256))
	}
	f.Add(random)
	f.Fuzz(func(t *testing.T, ops []byte) { drive(t, ops) })
}

func TestTimersFireInOrder(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1}, &funcs{})
	l := e.Workers()[0]
	var fired []int
	done := make(chan bool)
	onLoop(l, func() {
		at := Now() + int64(5*time.Millisecond)
		timers := make([]Timer, 500)
		var want []int
		for _, i := range rand.Perm(len(timers)) {
			due := at
			if i >= 300 { // the first 300 are due at one time: in the order they are set
				due = at + int64(i)*1000
			} else {
				want = append(want, i)
			}
			l.SetTimer(&timers[i], due, i, func(tm *Timer) { fired = append(fired, tm.Owner().(int)) })
		}
		for i := 300; i < 500; i++ {
			want = append(want, i)
		}
		l.StopTimer(&timers[400])
		l.StopTimer(&timers[400])
		want = slices.DeleteFunc(want, func(i int) bool { return i == 400 })
		last := new(Timer)
		l.SetTimer(last, at+int64(2*time.Millisecond), nil, func(*Timer) {
			if !slices.Equal(fired, want) {
				t.Errorf("fired %v, want %v", fired, want)
			}
			close(done)
		})
	})
	from(t, done)
}

// A time-out without end does not end at once.
func TestEndlessTimeout(t *testing.T) {
	e, _ := serve(t, Options{Workers: 1}, &funcs{})
	l := e.Workers()[0]
	ended := make(chan error, 1)
	l.Spawn(RootGo, func(f *Fiber) { ended <- sleep(f, math.MaxInt64) })
	eventually(t, "it waits", func() bool { return e.Stats(nil).Fibers == 1 })
	onLoop(l, func() {})
	onLoop(l, func() { l.CancelIf(errStop, func(*Fiber) bool { return true }) })
	if err := from(t, ended); err != errStop {
		t.Errorf("the wait ended with %v", err)
	}
}

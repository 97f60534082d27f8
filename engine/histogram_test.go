package engine

import (
	"sync/atomic"
	"testing"
	"time"
)

// durations is a Histogram that keeps everything.
type durations struct {
	list  []int64
	times int64
}

func (d *durations) Record(ns, times int64) {
	d.list = append(d.list, ns)
	d.times += times
}
func (d *durations) Add(other Histogram) {
	o := other.(*durations)
	d.list = append(d.list, o.list...)
	d.times += o.times
}
func (d *durations) Below(float64) int64 { return 0 }
func (d *durations) Max() (n int64) {
	for _, v := range d.list {
		n = max(n, v)
	}
	return n
}

// Counts are exact. What is begun often is sampled, and counts for all; what
// waits or computes for long is always there, and counts for itself.
func TestClock(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.NewHistogram = func() Histogram { return &durations{} }
		const quick, slow = 3200, 5
		var n atomic.Int64
		e, addr := serve(t, o, &funcs{
			connect: func(f *Fiber, s *Session) {
				f.Clock(1, false)
				sleep(f, 20*time.Millisecond)
			},
			receive: func(f *Fiber, s *Session, data string) {
				f.Clock(2, true)
				switch data {
				case "hog":
					noticed := int64(0) // when the watchdog came
					for noticed == 0 || nanotime() < noticed+int64(50*time.Millisecond) {
						if f.loop.Interrupt.Load() != 0 {
							f.loop.Interrupted()
							if noticed == 0 {
								noticed = nanotime()
							}
						}
					}
				case "nap":
					sleep(f, 60*time.Millisecond)
					f.Clock(3, false) // another within
				}
				n.Add(1)
				f.Send(s, "x")
			},
			close: func(f *Fiber, s *Session, r Reason) { f.Clock(4, false) },
		})
		c := dial(t, addr)
		round := func(text string) {
			c.Write([]byte(text))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		for range quick {
			round("go")
		}
		for range slow {
			round("hog")
			round("nap")
		}
		c.Close()
		balanced(t, e)
		k := e.Kinds(nil)
		eventually(t, "the loops have told", func() bool {
			k = e.Kinds(nil)
			return k[4].Count == 1 && k[4].Latency != nil
		})
		for kind, want := range map[int]uint64{0: 0, 1: 1, 2: quick + 2*slow, 3: slow, 4: 1} {
			if k[kind].Count != want {
				t.Errorf("kind %d: %d, want %d", kind, k[kind].Count, want)
			}
		}
		if d := k[1].Latency.(*durations); len(d.list) != 1 || d.list[0] < int64(20*time.Millisecond) || d.times != 1 {
			t.Errorf("onConnect took %v", d)
		}
		if k[3].Latency != nil || k[0].Latency != nil {
			t.Error("what ran within another was timed for itself")
		}
		d := k[2].Latency.(*durations)
		long := 0
		for _, ns := range d.list {
			if ns >= int64(40*time.Millisecond) {
				long++
			}
		}
		if long < 2*slow || long > 2*slow+20 {
			t.Errorf("%d long callbacks were seen, %d there were", long, 2*slow)
		}
		if all := int64(quick + 2*slow); d.times < all*8/10 || d.times > all*12/10 {
			t.Errorf("%d callbacks are counted in %d, of %d", d.times, len(d.list), all)
		}
	})
}

// What loops that have ended knew stays in the sums.
func TestClockOfALoopThatEnds(t *testing.T) {
	o := Options{Workers: 3, NewHistogram: func() Histogram { return &durations{} }}
	e, _ := serve(t, o, &funcs{})
	for _, l := range e.Workers() {
		l.Spawn(RootWorker, func(f *Fiber) {
			f.Clock(7, false)
			sleep(f, 1)
		})
	}
	done := func() bool {
		k := e.Kinds(nil)[7]
		return k.Count == 3 && k.Latency != nil && k.Latency.(*durations).times == 3
	}
	eventually(t, "all have run", done)
	r, err := e.Prepare(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	gone := e.Workers()[1:]
	r.Commit()
	for _, l := range gone {
		onLoop(l, l.Leave)
		e.Retire(l)
	}
	eventually(t, "they have ended", func() bool { return len(e.roster.Load().all) == 2 })
	if !done() {
		t.Errorf("what they knew is lost: %+v", e.Kinds(nil)[7])
	}
}

// Sessions are counted by why they ended.
func TestReasonsAreCounted(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			if data == "x" {
				s.Close(ServerClosed, false)
			}
		}})
		for range 3 {
			c := dial(t, addr)
			c.Write([]byte("x"))
			c.Read(make([]byte, 1))
			c.Close()
		}
		dial(t, addr).Close()
		eventually(t, "all have come", func() bool { return e.Stats(nil).Accepted == 4 })
		balanced(t, e)
		eventually(t, "they are counted", func() bool {
			st := e.Stats(nil)
			return st.ClosedFor[ServerClosed] == 3 && st.ClosedFor[ClientClosed] == 1 && len(st.ClosedFor) == 2 &&
				st.LastID == 4 && st.MinID == 0 && st.MaxID == 0 && st.Concurrency == 0 && st.IdleWorkers == st.Workers
		})
	})
}

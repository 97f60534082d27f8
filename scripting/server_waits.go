package scripting

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"swoon/engine"
)

// WaitStatus is a group of fibers that wait for the same at the same place.
type WaitStatus struct {
	What       string  `json:"what"`       // co.sleep, server:recv…
	In         string  `json:"in"`         // the callback
	Place      string  `json:"place"`      // file:line, or empty
	Generation uint64  `json:"generation"` // of its code; 0: not a script's
	Count      int     `json:"count"`
	Longest    float64 `json:"longest"` // seconds
}

// DrainStatus is a generation that has been replaced and is not done.
type DrainStatus struct {
	Generation uint64       `json:"generation"`
	Workers    []int        `json:"workers"`   // where; -1 is the control VM
	Callbacks  int          `json:"callbacks"` // under way, or promised: results of tasks
	Left       float64      `json:"left"`      // seconds until they are cut
	Waiting    []WaitStatus `json:"waiting"`   // what they wait for
}

type waitKey struct {
	what, in, place string
	generation      uint64
}

type waitGroup struct {
	count   int
	longest time.Duration
}

// waitTable gathers waits by what and place.
type waitTable map[waitKey]waitGroup

func (t waitTable) note(k waitKey, g waitGroup) {
	old := t[k]
	t[k] = waitGroup{old.count + g.count, max(old.longest, g.longest)}
}

func (t waitTable) add(more waitTable) {
	for k, g := range more {
		t.note(k, g)
	}
}

// list has the largest groups first.
func (t waitTable) list() []WaitStatus {
	list := make([]WaitStatus, 0, len(t))
	for k, g := range t {
		list = append(list, WaitStatus{k.what, k.in, k.place, k.generation, g.count, g.longest.Seconds()})
	}
	slices.SortFunc(list, func(a, b WaitStatus) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Place, b.Place), cmp.Compare(a.What, b.What),
			cmp.Compare(a.In, b.In), cmp.Compare(a.Generation, b.Generation))
	})
	return list
}

// drainTable gathers what drains, by generation.
type drainTable map[uint64]*drainGroup

type drainGroup struct {
	workers   []int
	callbacks int
	left      float64
	waits     waitTable
}

func (t drainTable) of(generation uint64) *drainGroup {
	g := t[generation]
	if g == nil {
		g = &drainGroup{waits: waitTable{}}
		t[generation] = g
	}
	return g
}

// begin notes an instance that drains. Baton holder.
func (g *drainGroup) begin(in *Instance) {
	g.callbacks += in.underWay
	g.left = max(g.left, in.left())
}

func (t drainTable) add(worker int, more drainTable) {
	for generation, m := range more {
		g := t.of(generation)
		g.workers = append(g.workers, worker)
		g.callbacks += m.callbacks
		g.left = max(g.left, m.left)
		g.waits.add(m.waits)
	}
}

// list has the oldest generation first.
func (t drainTable) list() []DrainStatus {
	list := make([]DrainStatus, 0, len(t))
	for generation, g := range t {
		list = append(list, DrainStatus{generation, notNil(g.workers), g.callbacks, g.left, g.waits.list()})
	}
	slices.SortFunc(list, func(a, b DrainStatus) int { return cmp.Compare(a.Generation, b.Generation) })
	return list
}

// fibersAtOnce is how many waiting fibers are looked at in one go, so that a
// loop with very many serves its clients in between.
const fibersAtOnce = 512

// loopLook is a question to one loop. The loop writes it until it is done.
type loopLook struct {
	loop  *engine.Loop
	host  *Host
	begun atomic.Bool
	done  chan struct{}
	next  int // the fiber to go on with

	requests   uint64
	generation uint64
	timers     int
	fibers     int
	waits      waitTable
	drains     drainTable
}

func newLoopLook(h *Host, l *engine.Loop) *loopLook {
	a := &loopLook{loop: l, host: h, done: make(chan struct{}), waits: waitTable{}, drains: drainTable{}}
	l.Call(a.look)
	return a
}

// look is one go. Baton holder.
func (a *loopLook) look() {
	if !a.begun.Swap(true) {
		a.self()
	}
	list, all := a.loop.WaitingFrom(a.next, fibersAtOnce)
	for _, i := range list {
		a.note(i)
	}
	a.fibers += len(list)
	if a.next += fibersAtOnce; a.next < all {
		a.loop.Call(a.look)
		return
	}
	close(a.done)
}

func (a *loopLook) note(i engine.WaitInfo) {
	k := waitKey{what: i.What, in: i.Root.String()}
	g := waitGroup{1, i.For}
	c, ok := i.Data.(*call)
	if ok && c.in.stage != dead {
		k.in, k.generation = c.title(), c.in.gen.id
		if c.at != nil {
			k.place = c.in.vm.Place(c.at)
		}
		if c.in.stage == draining {
			a.drains.of(k.generation).waits.note(k, g)
		}
	}
	a.waits.note(k, g)
}

// title names the callback.
func (c *call) title() string {
	if c.name != "" {
		return c.name
	}
	return c.ev.String()
}

// answer waits for the loop; nil: it is busy. begun is when all were asked.
func (a *loopLook) answer(begun time.Time) *loopLook {
	for _, patience := range []time.Duration{busyAfter, askFor} {
		select {
		case <-a.done:
			return a
		default:
		}
		t := time.NewTimer(patience - time.Since(begun))
		select {
		case <-a.done:
			t.Stop()
			return a
		case <-t.C:
		}
		if !a.begun.Load() {
			break
		}
	}
	return nil
}

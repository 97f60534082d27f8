package scripting

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// The detector of deadlocks: fibers that wait, without a time-out, for something
// of their own VM that nobody can ever give them. Nothing of the kind can come
// from outside the VM, so it is enough to look at the VM's own values. What is
// reported is certain; where a look cannot be certain it says nothing.

const (
	stuckAfter  = 5 * time.Second        // a wait is looked at when it is so old
	stuckSlow   = 5 * time.Minute        // the longest time between two looks
	stuckRetry  = 100 * time.Millisecond // when a fiber is about to go on
	stuckSteps  = 50_000                 // values that one look follows: some ms
	stuckRounds = 100                    // of taking out, in one look
	stuckNames  = 20                     // places in one report
)

// stuck is what a VM knows of fibers that wait for its own objects. Baton holder.
type stuck struct {
	armed bool
	timer engine.Timer
	every time.Duration
	last  uint64          // the youngest fiber of the look before
	tries int             // looks put off because a fiber was about to go on
	told  map[uint64]bool // reported, by fiber
}

// Gives is what only certain fibers can end a wait for.
type Gives interface {
	// Givers are fibers of which each must go on before the wait can end.
	Givers() []uint64
}

// WaitOn is Wait for something that belongs to this VM: on is what other code of
// the VM must reach to end the wait, the Value of its object, or a []any of which
// one is enough; or it is a Gives. With it the detector of deadlocks can tell
// when nobody will.
func (in *Instance) WaitOn(L *lua.LState, what string, on any, timeout time.Duration, begin func(w Waiter) bool) (any, error) {
	c, ok := in.loop.Current().Data.(*call)
	if !ok || timeout > 0 {
		return in.Wait(L, what, timeout, begin)
	}
	c.on = on
	defer func() { c.on = nil }() // also when a cancelled wait raises
	if !in.stuck.armed {
		in.stuck.armed, in.stuck.every = true, stuckAfter
		in.armStuck(stuckAfter)
	}
	return in.Wait(L, what, timeout, begin)
}

func (in *Instance) armStuck(d time.Duration) {
	in.loop.SetTimer(&in.stuck.timer, engine.Now()+int64(d), in, func(t *engine.Timer) {
		if in := t.Owner().(*Instance); in.stage != dead {
			in.lookForStuck()
		}
	})
}

// lookForStuck looks once, and says when to look again.
func (in *Instance) lookForStuck() {
	s := &in.stuck
	var all []engine.WaitInfo
	waits, old, youngest := 0, 0, uint64(0)
	for _, i := range in.loop.Waiting() {
		c, ok := i.Data.(*call)
		if !ok || c.in != in {
			continue
		}
		if i.Ready && s.tries < 20 {
			s.tries++
			in.armStuck(stuckRetry)
			return
		} else if i.Ready {
			s.tries = 0
			in.armStuck(s.every)
			return
		}
		all = append(all, i)
		if c.on == nil {
			continue
		}
		waits++
		if i.For >= stuckAfter {
			old++
			youngest = max(youngest, i.ID)
		}
	}
	s.tries = 0
	switch {
	case waits == 0:
		s.armed, s.told = false, nil
		return
	case youngest > s.last:
		s.every = stuckAfter
	default:
		s.every = min(2*s.every, stuckSlow)
	}
	s.last = youngest
	if old > 0 && (in.stage == live || in.stage == draining || in.lone != nil) {
		in.reportStuck(in.findStuck(all))
	}
	in.armStuck(s.every)
}

// findStuck returns those that nobody can wake: it begins with all that might
// be, and takes out who can be woken by somebody who is not among them, until no
// more go. None, if it cannot tell.
func (in *Instance) findStuck(all []engine.WaitInfo) []engine.WaitInfo {
	if len(in.kept.all) > 0 || len(in.held) > 0 {
		return nil // what modules keep open may call anything
	}
	r := vm.NewReach(stuckSteps)
	among := map[uint64]bool{}
	for _, i := range all {
		c := i.Data.(*call)
		if c.name == "co.defer" {
			return nil // the callback around it is not to be seen
		}
		if c.on != nil && i.For >= stuckAfter {
			among[i.ID] = true
			r.Hide(c.th, c.at)
		}
	}
	for _, i := range all {
		if !among[i.ID] {
			i.Data.(*call).reach(r)
		}
	}
	in.roots(r)
	for round := 0; ; round++ {
		if round == stuckRounds || !r.Follow() {
			return nil
		}
		changed := false
		for _, i := range all {
			if c := i.Data.(*call); among[i.ID] && c.canWake(r, among) {
				delete(among, i.ID)
				c.reach(r)
				changed = true
			}
		}
		if len(among) == 0 {
			return nil
		}
		if !changed {
			break
		}
	}
	var list []engine.WaitInfo
	for _, i := range all {
		if among[i.ID] {
			list = append(list, i)
		}
	}
	return list
}

// reach adds what the callback has.
func (c *call) reach(r *vm.Reach) {
	r.Thread(c.th, c.at)
	if c.more == nil {
		return
	}
	for _, e := range c.more.endings {
		r.Add(e.lua)
		for _, v := range e.args {
			r.Add(v)
		}
	}
}

// canWake says whether somebody who is not among those that wait for ever can
// end the wait.
func (c *call) canWake(r *vm.Reach, among map[uint64]bool) bool {
	switch on := c.on.(type) {
	case Gives:
		for _, id := range on.Givers() {
			if among[id] {
				return false
			}
		}
		return true
	case []any:
		for _, o := range on {
			if r.Met[o] {
				return true
			}
		}
		return false
	}
	return r.Met[c.on]
}

// roots adds what the VM can call of itself.
func (in *Instance) roots(r *vm.Reach) {
	r.Roots(in.vm)
	functions := func(list []*lua.LFunction) {
		for _, fn := range list {
			r.Add(fn)
		}
	}
	functions(in.on[:])
	functions(in.decl.on[:])
	functions(in.decl.processes)
	for _, c := range in.decl.commands {
		r.Add(c.fn)
	}
	settings := func(list []given) {
		for _, g := range list {
			r.Add(g.value)
		}
	}
	settings(in.decl.values)
	for _, p := range append([]*portDecl{in.decl.primary}, in.decl.ports...) {
		functions(p.on[:])
		settings(p.values)
	}
	r.Add(in.server.value)
	r.Add(in.server.methods)
	for _, t := range in.metas {
		r.Add(t)
	}
	for _, t := range in.timers.byID {
		r.Add(t.fn)
		for _, v := range t.args {
			r.Add(v)
		}
	}
	for s := range in.subs {
		r.Add(s.fn)
	}
	for a := range in.tasks.awaited {
		r.Add(a.fn)
	}
	for _, t := range in.tasks.running {
		r.Add(t.data)
	}
	for _, v := range in.own {
		if h, ok := v.(vm.Holder); ok {
			h.EachValue(r.Add)
		}
	}
}

// reportStuck logs those that were not reported yet.
func (in *Instance) reportStuck(list []engine.WaitInfo) {
	var places []string
	fresh := 0
	for _, i := range list {
		if in.stuck.told[i.ID] {
			continue
		}
		if in.stuck.told == nil {
			in.stuck.told = map[uint64]bool{}
		}
		in.stuck.told[i.ID] = true
		if fresh++; fresh <= stuckNames {
			places = append(places, fmt.Sprintf("fiber %d in %s, %s", i.ID, i.What, i.Data.(*call).Where()))
		}
	}
	if fresh == 0 {
		return
	}
	in.Log(slog.LevelWarn, "deadlock: fibers wait for what nobody can give them any more", "fibers", fresh, "waits", strings.Join(places, "; "))
}

package pool

import (
	"fmt"
	"math"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// wish is how something is to be borrowed.
type wish struct {
	timeout  time.Duration // 0: none
	priority int
	hold     bool
}

// readWish reads a time-out, or a table of options, and a priority.
func (p *Pool) readWish(L *lua.LState, what string, timeout, priority lua.LValue) wish {
	w := wish{timeout: p.cfg.acquire}
	if t, ok := timeout.(*lua.LTable); ok {
		vm.Each(t, func(k, v lua.LValue) bool {
			switch k {
			case lua.LString("timeout"), lua.LString("priority"):
			case lua.LString("hold"):
				b, ok := v.(lua.LBool)
				if w.hold = bool(b); !ok {
					vm.Raise(L, "%s: option 'hold' must be true or false, not %s", what, v.Type())
				}
			default:
				vm.Raise(L, "%s: there is no option '%s'%s", what, k.String(), scripting.Suggest(k.String(), []string{"timeout", "priority", "hold"}))
			}
			return true
		})
		timeout, priority = t.RawGetString("timeout"), t.RawGetString("priority")
	}
	if timeout != lua.LNil {
		f, ok := scripting.Number(timeout)
		if !ok || math.IsNaN(f) || f > 1e9 {
			vm.Raise(L, "%s: 'timeout' must be a number of seconds, not %s", what, timeout.String())
		}
		if w.timeout = 0; f >= 0 {
			w.timeout = max(time.Duration(f*float64(time.Second)), 1)
		}
	}
	if priority != lua.LNil {
		f, ok := scripting.Number(priority)
		if !ok || f != math.Trunc(f) || f < 0 || f >= float64(p.cfg.priorities) {
			vm.Raise(L, "%s: 'priority' must be a whole number from 0 to %d, not %s", what, p.cfg.priorities-1, priority.String())
		}
		w.priority = int(f)
	}
	return w
}

func acquire(in *scripting.Instance, L *lua.LState) int {
	const what = "pool:acquire"
	p := self(in, L, what)
	e, err := p.acquire(L, p.readWish(L, what, L.Get(2), L.Get(3)))
	if err != nil {
		return in.Fail(L, err)
	}
	L.Push(e.object)
	return 1
}

// acquire borrows an object.
func (p *Pool) acquire(L *lua.LState, want wish) (*entry, error) {
	p.begin()
	if p.state != open {
		return nil, errDraining
	}
	if p.lines.n == 0 {
		if e := p.atOnce(); e != nil {
			p.borrow(L, e, want)
			p.keepMin()
			return e, nil
		}
	}
	if limit := p.cfg.maxWaiting; limit >= 0 && p.size() >= p.cfg.max && p.lines.n-p.supply.jobs.Len()-len(p.idle) >= limit {
		p.count.refused++
		return nil, errWaiting
	}
	e, err := p.wait(L, want)
	if err != nil {
		if err == scripting.ErrTimeout {
			p.count.timeouts++
			err = p.late(want)
		}
		return nil, err
	}
	p.borrow(L, e, want)
	return e, nil
}

// late is the failure of one who has waited for too long: it says who has what.
func (p *Pool) late(want wish) error {
	text := fmt.Sprintf("pool '%s': nothing came within %v: %d of %d borrowed", p.cfg.name, want.timeout, p.borrowed, p.cfg.max)
	if l := p.oldest(); l != nil {
		text += fmt.Sprintf(", one for %v at %s", time.Since(l.since).Round(time.Millisecond), l.place)
	}
	for _, n := range []struct {
		n    int
		what string
	}{{p.creating, "being made"}, {p.checking, "being checked"}, {p.lines.n, "more fibers waiting"}} {
		if n.n > 0 {
			text += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	return &scripting.Errno{Name: "timeout", Code: 110, Text: text}
}

// oldest is the loan that has lasted longest, or nil.
func (p *Pool) oldest() (oldest *loan) {
	for _, e := range p.all {
		if e.loan != nil && (oldest == nil || e.loan.since.Before(oldest.since)) {
			oldest = e.loan
		}
	}
	return oldest
}

// wait waits for the object that comes next.
func (p *Pool) wait(L *lua.LState, want wish) (*entry, error) {
	var me *waiting
	defer func() { // a wait that is cancelled raises
		if me != nil && p.lines.remove(me) {
			p.supply.cut(p.lines.n)
			p.look()
		}
	}()
	v, err := p.in.Wait(L, "pool:acquire", want.timeout, func(w scripting.Waiter) bool {
		me = p.lines.add(w, want.priority)
		p.dispense()
		return true
	})
	if err != nil {
		return nil, err
	}
	return v.(*entry), nil
}

// checksBorrowed says whether a function of the script checks what is lent.
func (p *Pool) checksBorrowed() bool { return p.cfg.checkBorrow && p.cfg.check != nil }

// atOnce takes an idle object that needs no check of the script's.
func (p *Pool) atOnce() *entry {
	if p.checksBorrowed() {
		return nil
	}
	for len(p.idle) > 0 {
		if e := p.takeIdle(); p.fit(e) {
			p.borrowed++
			return e
		}
	}
	return nil
}

// fit reports whether an idle object can be lent, as far as Go can tell; else it
// is closed.
func (p *Pool) fit(e *entry) bool {
	switch {
	case p.old(e):
		p.evict(e)
	case p.cfg.checkBorrow && !p.looksGood(e):
		p.invalid(e)
	default:
		return true
	}
	return false
}

// takeIdle takes the idle object that is lent next.
func (p *Pool) takeIdle() *entry {
	i := 0
	if p.cfg.lifo {
		i = len(p.idle) - 1
	}
	e := p.idle[i]
	p.removeIdle(i)
	return e
}

func (p *Pool) removeIdle(i int) {
	copy(p.idle[i:], p.idle[i+1:])
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	if i < p.next {
		p.next--
	}
}

// borrow notes who has an object that was counted as borrowed, and where.
func (p *Pool) borrow(L *lua.LState, e *entry, want wish) {
	p.count.acquired++
	l := &loan{place: scripting.Place(L), since: time.Now()}
	e.loan = l
	if !want.hold {
		p.in.AtEnd(l, func() { p.leak(e, l) })
	}
}

// leak takes an object back whose fiber has ended with it.
func (p *Pool) leak(e *entry, l *loan) {
	if e.loan != l {
		return
	}
	e.loan = nil
	e.back = "the end of its fiber"
	p.count.leaked++
	p.in.Log(warn, "an object of a pool was not given back by its fiber: it is closed and replaced", "pool", p.cfg.name, "borrowed", l.place)
	p.borrowed--
	p.destroy(e)
	p.settle()
}

// dispense serves those who wait: with what is idle, or by having more made.
func (p *Pool) dispense() {
	if p.checksBorrowed() {
		for len(p.idle) > 0 && p.lines.n > p.supply.checks {
			if e := p.takeIdle(); p.old(e) {
				p.evict(e)
			} else {
				p.verify(e, p.supply.add(true))
			}
		}
	} else {
		for len(p.idle) > 0 && p.lines.n > 0 {
			if e := p.takeIdle(); p.fit(e) {
				p.give(e)
			}
		}
	}
	for p.lines.n > p.supply.jobs.Len() && p.size() < p.cfg.max {
		p.make()
	}
}

// give lends a good object to whoever is next, or lays it aside.
func (p *Pool) give(e *entry) {
	for {
		w, ok := p.lines.first()
		if !ok {
			break
		}
		if w.Wake(e) {
			p.borrowed++
			return
		}
	}
	p.layAside(e)
}

func (p *Pool) layAside(e *entry) {
	e.since = time.Now()
	p.idle = append(p.idle, e)
}

// settle is called when something has changed that others may wait for.
func (p *Pool) settle() {
	p.dispense()
	p.keepMin()
	p.look()
}

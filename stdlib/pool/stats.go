package pool

import (
	"sort"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// counts are what has happened in a pool since it was made.
type counts struct {
	created, destroyed, acquired, released, timeouts, refused, createErrors, invalid, evicted, leaked, takenOver, handedOver int
}

func stats(_ *scripting.Instance, L *lua.LState) int {
	p := scripting.Self[*Pool](L)
	t := L.CreateTable(0, 24)
	for name, n := range map[string]int{
		"size": p.size(), "idle": len(p.idle), "borrowed": p.borrowed, "creating": p.creating, "checking": p.checking, "closing": p.closing,
		"waiting": p.lines.n, "min": p.cfg.min, "max": p.cfg.max,
		"created": p.count.created, "destroyed": p.count.destroyed, "acquired": p.count.acquired, "released": p.count.released,
		"timeouts": p.count.timeouts, "refused": p.count.refused, "create_errors": p.count.createErrors, "invalid": p.count.invalid,
		"evicted": p.count.evicted, "leaked": p.count.leaked, "taken_over": p.count.takenOver, "handed_over": p.count.handedOver,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	L.Push(t)
	return 1
}

// lent are the objects that are lent, the oldest loan first.
func (p *Pool) lent() (list []*entry) {
	for _, e := range p.all {
		if e.loan != nil {
			list = append(list, e)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].loan.since.Before(list[j].loan.since) })
	return list
}

func loans(_ *scripting.Instance, L *lua.LState) int {
	p := scripting.Self[*Pool](L)
	t := L.NewTable()
	for i, e := range p.lent() {
		l := L.CreateTable(0, 3)
		l.RawSetString("object", e.object)
		l.RawSetString("place", lua.LString(e.loan.place))
		l.RawSetString("seconds", lua.LNumber(time.Since(e.loan.since).Seconds()))
		vm.RawSet(L, t, vm.Int(i+1), l)
	}
	L.Push(t)
	return 1
}

// watchLoans names in the log who has an object for longer than leakTime, once
// for each loan.
func (p *Pool) watchLoans() {
	if p.cfg.leakTime == 0 {
		return
	}
	p.watcher.Set(p.in, p.cfg.leakTime, func() {
		for _, e := range p.lent() {
			if d := time.Since(e.loan.since); d >= p.cfg.leakTime && !e.loan.told {
				e.loan.told = true
				p.in.Log(warn, "an object of a pool is borrowed for long", "pool", p.cfg.name, "borrowed", e.loan.place, "for", d.Round(time.Millisecond))
			}
		}
		p.watchLoans()
	})
}

package pool

import (
	"math"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// filling is a fiber that waits until there are n objects.
type filling struct {
	n int
	w scripting.Waiter
}

func fill(in *scripting.Instance, L *lua.LState) int {
	const what = "pool:fill"
	p := self(in, L, what)
	n := p.cfg.min
	if f, ok := scripting.Number(L.Get(2)); ok {
		if n = int(f); f != math.Trunc(f) || n < 0 || n > p.cfg.max {
			vm.Raise(L, "bad argument #1 'n' to '%s' (0 to %d, which is max, expected, got %v)", what, p.cfg.max, lua.LNumber(f))
		}
	}
	p.begin()
	if p.state != open || p.retired {
		return in.Fail(L, errDraining)
	}
	for p.size() < n {
		p.make()
	}
	if len(p.all) >= n {
		return done(in, L, nil)
	}
	_, err := in.Wait(L, what, scripting.Timeout(L, 3, what), func(w scripting.Waiter) bool {
		p.filling = append(p.filling, &filling{n, w})
		return true
	})
	return done(in, L, err)
}

func clearIdle(in *scripting.Instance, L *lua.LState) int {
	p := self(in, L, "pool:clear")
	n := len(p.idle)
	p.clear()
	p.settle()
	L.Push(lua.LNumber(n))
	return 1
}

func (p *Pool) clear() {
	for len(p.idle) > 0 {
		p.destroy(p.takeIdle())
	}
}

func drain(in *scripting.Instance, L *lua.LState) int {
	const what = "pool:drain"
	p := self(in, L, what)
	if p.state == open {
		p.state = draining
	}
	p.settle()
	if p.empty() {
		return done(in, L, nil)
	}
	_, err := in.Wait(L, what, scripting.Timeout(L, 2, what), func(w scripting.Waiter) bool {
		p.drainers = append(p.drainers, w)
		return true
	})
	return done(in, L, err)
}

func closePool(in *scripting.Instance, L *lua.LState) int {
	p := self(in, L, "pool:close")
	was := p.state != closed
	p.state = closed
	for {
		w, ok := p.lines.first()
		if !ok {
			break
		}
		w.Fail(errDraining)
	}
	p.look()
	L.Push(lua.LBool(was))
	return 1
}

// empty says whether a pool has ended with all that it had.
func (p *Pool) empty() bool {
	return p.state == closed && p.size() == 0 && p.closing == 0
}

// look tells those who wait for the pool to be filled, or drained, and ends one
// that has served all who waited.
func (p *Pool) look() {
	kept := p.filling[:0]
	for _, f := range p.filling {
		switch {
		case len(p.all) >= f.n:
			f.w.Wake(nil)
		case p.state != open || p.retired:
			f.w.Fail(errDraining)
		case f.w.Open():
			kept = append(kept, f)
		}
	}
	clear(p.filling[len(kept):])
	p.filling = kept
	if p.state == draining && p.lines.n == 0 {
		p.state = closed
	}
	if p.state != closed {
		return
	}
	p.stopAlarms()
	p.clear()
	if p.empty() {
		for _, w := range p.drainers {
			w.Wake(nil)
		}
		p.drainers = nil
		p.in.Unkeep(p)
	}
}

func (p *Pool) stopAlarms() {
	p.evictor.Stop()
	p.refiller.Stop()
	p.watcher.Stop()
}

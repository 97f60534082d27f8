package pool

import (
	"fmt"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

func release(in *scripting.Instance, L *lua.LState) int {
	p := self(in, L, "pool:release")
	return done(in, L, p.giveBack(L, "pool:release", true))
}

func destroy(in *scripting.Instance, L *lua.LState) int {
	p := self(in, L, "pool:destroy")
	return done(in, L, p.giveBack(L, "pool:destroy", false))
}

// giveBack takes argument 1 back.
func (p *Pool) giveBack(L *lua.LState, what string, good bool) error {
	v := L.Get(2)
	if v == lua.LNil || v == lua.LFalse {
		vm.Raise(L, "bad argument #1 'object' to '%s' (what acquire returned expected, got %s)", what, v.Type())
	}
	e := p.all[v]
	if e == nil || e.loan == nil {
		text := "the object is not of this pool, or it was closed"
		if e != nil {
			text = "the object is not borrowed: it was given back at " + e.back
		}
		return &scripting.Errno{Name: "not_borrowed", Code: 22, Text: fmt.Sprintf("pool '%s': %s", p.cfg.name, text)}
	}
	e.back = scripting.Place(L)
	p.returned(e, good)
	return nil
}

// returned ends a loan.
func (p *Pool) returned(e *entry, good bool) {
	p.in.NotAtEnd(e.loan)
	e.loan = nil
	p.borrowed--
	p.count.released++
	switch {
	case !good || p.state == closed:
		p.destroy(e)
	case p.old(e):
		p.evict(e)
	case p.retired && p.lines.n == 0:
		p.handOver(e)
	case p.cfg.checkReturn && p.cfg.check != nil:
		p.verify(e, nil)
	case p.cfg.checkReturn && !p.looksGood(e):
		p.invalid(e)
	default:
		p.layAside(e)
	}
	p.settle()
}

// use borrows an object for the length of a call.
func use(in *scripting.Instance, L *lua.LState) int {
	const what = "pool:use"
	p := self(in, L, what)
	want, n := wish{timeout: p.cfg.acquire}, 2
	if t, ok := L.Get(2).(*lua.LTable); ok {
		want, n = p.readWish(L, what, t, lua.LNil), 3
		if want.hold {
			vm.Raise(L, "%s: option 'hold' means nothing here: the object goes back when fn has ended", what)
		}
	}
	fn, ok := L.Get(n).(*lua.LFunction)
	if !ok {
		vm.Raise(L, "bad argument #%d 'fn' to '%s' (function expected, got %s)", n-1, what, L.Get(n).Type())
	}
	e, err := p.acquire(L, want)
	if err != nil {
		return in.Fail(L, err)
	}
	l, good := e.loan, false
	defer func() {
		if e.loan == l { // the script has not given it back itself
			e.back = l.place
			p.returned(e, good)
		}
	}()
	args := []lua.LValue{e.object}
	for i := n + 1; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	var results []lua.LValue
	errv, ok := vm.Of(L).Protect(L, fn, func(th *lua.LState) {
		for i := 1; i <= th.GetTop(); i++ {
			results = append(results, th.Get(i))
		}
	}, args...)
	if !ok {
		vm.RaiseValue(L, errv)
	}
	good = true
	for _, v := range results {
		L.Push(v)
	}
	return len(results)
}

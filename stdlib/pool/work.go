package pool

import (
	"log/slog"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/client"

	lua "github.com/yuin/gopher-lua"
)

const warn = slog.LevelWarn

// make has a fiber make one more object, for whoever is next when it is there.
func (p *Pool) make() {
	if p.takeOver() {
		return
	}
	p.creating++
	j := p.supply.add(false)
	p.in.SpawnKept(func() {
		fn := p.cfg.create
		if fn == nil {
			fn = p.cfg.maker.Function()
		}
		var object lua.LValue
		var fail *scripting.Errno
		p.in.CallbackResults("pool '"+p.cfg.name+"' create", fn, nil, func(th *vm.Thread, err *vm.Error) {
			object, fail = product(th, err)
		})
		p.creating--
		awaited := j.at != nil
		p.supply.done(j)
		if fail == nil && p.all[object] != nil {
			fail = failed("create returned an object that is in the pool already")
		}
		if fail != nil {
			p.notMade(fail, awaited)
		} else {
			p.count.created++
			if p.down {
				p.down = false
				p.in.Log(slog.LevelInfo, "a pool can make objects again", "pool", p.cfg.name)
			}
			p.take(object, time.Now())
		}
		p.settle()
	})
}

func failed(text string) *scripting.Errno {
	return &scripting.Errno{Name: "create_failed", Code: 5, Text: text}
}

// product is what create has returned: an object, or why there is none.
func product(th *vm.Thread, err *vm.Error) (lua.LValue, *scripting.Errno) {
	if err != nil {
		return nil, failed(err.Message)
	}
	v := lua.LValue(lua.LNil)
	if th.Results() > 0 {
		v = th.Get(1)
	}
	switch v.(type) {
	case *lua.LTable, *lua.LUserData, *lua.LFunction:
		return v, nil
	}
	if lua.LVAsBool(v) {
		return nil, failed("create must return a table or another object, not a " + v.Type().String())
	}
	switch {
	case th.Results() > 2:
		return nil, &scripting.Errno{Name: th.Get(2).String(), Code: 5, Text: th.Get(3).String()}
	case th.Results() > 1:
		return nil, failed(th.Get(2).String())
	}
	return nil, failed("create returned nothing")
}

// take adds an object that was made at that time.
func (p *Pool) take(object lua.LValue, made time.Time) {
	e := &entry{object: object, made: made}
	p.all[object] = e
	switch {
	case p.state == closed:
		p.destroy(e)
	case p.retired && p.lines.n == 0:
		p.handOver(e)
	default:
		p.give(e)
	}
}

// notMade fails the one who is next, if the object was for somebody who waits
// still.
func (p *Pool) notMade(fail *scripting.Errno, awaited bool) {
	p.count.createErrors++
	for awaited {
		w, ok := p.lines.first()
		if !ok {
			break
		}
		if w.Fail(fail) {
			return
		}
	}
	for _, f := range p.filling {
		f.w.Fail(fail)
	}
	p.filling = nil
	if !p.down {
		p.down = true
		p.in.Log(warn, "a pool cannot make an object", "pool", p.cfg.name, "reason", fail.Name, "text", fail.Text)
	}
	if p.state == open && !p.retired && !p.refiller.Pending() {
		p.refiller.Set(p.in, refillTime, p.settle)
	}
}

// refillTime is how long a pool that cannot keep min objects waits before it
// tries again.
const refillTime = time.Second

// looksGood is the check of an object that Go can look at.
func (p *Pool) looksGood(e *entry) bool {
	c := clientOf(e)
	return c == nil || p.cfg.check != nil || c.Fresh()
}

// clientOf is the object if it is a client, else nil.
func clientOf(e *entry) *client.Client {
	if u, ok := e.object.(*lua.LUserData); ok {
		c, _ := u.Value.(*client.Client)
		return c
	}
	return nil
}

// verify has a fiber ask the script whether an object is good. j is not nil when
// somebody waits for it.
func (p *Pool) verify(e *entry, j *job) {
	p.checking++
	p.in.SpawnKept(func() {
		what, good := "pool '"+p.cfg.name+"' check", false
		p.in.CallbackResults(what, p.cfg.check, []lua.LValue{e.object}, func(th *vm.Thread, err *vm.Error) {
			if err != nil {
				p.in.Report(what, err)
				return
			}
			good = th.Results() > 0 && lua.LVAsBool(th.Get(1))
		})
		p.checking--
		if j != nil {
			p.supply.done(j)
		}
		switch {
		case !good:
			p.invalid(e)
		case p.state == closed:
			p.destroy(e)
		case p.retired && p.lines.n == 0:
			p.handOver(e)
		default:
			p.give(e)
		}
		p.settle()
	})
}

func (p *Pool) invalid(e *entry) {
	p.count.invalid++
	p.destroy(e)
}

// destroy closes an object that nobody has.
func (p *Pool) destroy(e *entry) {
	delete(p.all, e.object)
	p.count.destroyed++
	if fn := p.cfg.close; fn != nil {
		p.closing++
		p.in.SpawnLast(func() {
			p.in.Callback("pool '"+p.cfg.name+"' close", fn, e.object)
			p.closing--
			p.look()
		})
		return
	}
	if c := clientOf(e); c != nil {
		c.Discard()
	}
}

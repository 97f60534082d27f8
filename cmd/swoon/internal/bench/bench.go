// Package bench is the Lua module "bench": the client scripts of `swoon bench
// --script` make their requests by it.
package bench

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"swoon/cmd/swoon/internal/load"
	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Run is one load by a script. It belongs to the holder of the VM's baton, but
// for what is said of other goroutines.
type Run struct {
	*load.Script
	// Failed is called once, with what went wrong, when the load is not to go on.
	Failed func(error)

	running atomic.Bool // the clock has been started
	started bool

	setUp   int // how many setups have returned
	gate    []scripting.Waiter
	working int // fibers that have not ended
	join    scripting.Waiter
	err     *vm.Error // the first of a fiber
}

const doc = "Requests of a client script, which `swoon bench --script client.lua host:port` runs: when they are due, and how long they took. " +
	"bench.host and bench.port are the server's (of a unix socket host is the path, and port 0), bench.address is both as they were given, bench.connections is how many clients there are to be."

// Module declares bench, for scripts that are run by r; nil: by another command.
func Module(r *Run) scripting.Module {
	m := scripting.Module{
		Name: "bench", Doc: doc,
		Funcs: []scripting.Func{{
			Name: "run", Params: []scripting.Param{{Name: "setup", Type: "function"}}, Returns: "table",
			Doc: "Make requests until the time is over. setup(n) is called for every connection, from 1 on, each in a fiber of its own; it connects, and returns the function that makes one request and waits for its answer. " +
				"That is called again and again, at the rate that was asked for or as fast as it returns, and timed. An error in either ends the load. " +
				"Once in a script. Returns messages, per_second and latency: seconds, as mean, p50, p90, p99, p999 and max.",
			Fn: func(in *scripting.Instance, L *lua.LState) int { return r.run(in, L) },
		}},
		Values: map[string]lua.LValue{},
	}
	if r != nil {
		t := r.Load.Target
		m.Values["host"], m.Values["port"], m.Values["address"] = lua.LString(t.Host), lua.LNumber(t.Port), lua.LString(t.Name)
		m.Values["connections"] = lua.LNumber(r.Load.Conns)
	}
	return m
}

const what = "bench.run"

func (r *Run) run(in *scripting.Instance, L *lua.LState) int {
	if r == nil {
		vm.Raise(L, "bench.run: only `swoon bench --script` says whom to load, and for how long")
	}
	in.MustRun(L, what)
	if r.started {
		vm.Raise(L, "bench.run: it has been called before: one load is measured at a time")
	}
	r.started = true
	setup := L.CheckFunction(1)
	worker := L.NewFunction(func(L *lua.LState) int { return r.worker(in, L, setup) })
	for i := range r.Load.Conns {
		r.working++
		_, err := in.Call(L, what, worker, []lua.LValue{lua.LNumber(i + 1)}, func(_ *vm.Thread, err *vm.Error) { r.ended(in, err) })
		if err != nil {
			r.working--
			r.stop(L, fmt.Sprintf("the fiber of connection %d cannot be started: %v", i+1, err))
		}
		if r.err != nil {
			break
		}
	}
	r.wait(in, L)
	if r.err != nil {
		r.stop(L, r.err.Message)
	}
	report, err := r.Report()
	if err != nil {
		r.stop(L, err.Error())
	}
	L.Push(table(L, report))
	return 1
}

// wait waits until every fiber has ended, or one has failed.
func (r *Run) wait(in *scripting.Instance, L *lua.LState) {
	limit := r.Load.Timeout // for the setups
	for r.working > 0 && r.err == nil {
		_, err := in.Wait(L, what, limit, func(w scripting.Waiter) bool {
			r.join = w
			return true
		})
		if err == nil {
			continue // woken: by the last, by one that failed, or when all were set up
		}
		if r.setUp < r.Load.Conns {
			r.stop(L, fmt.Sprintf("%d of %d setups have not returned within %s", r.Load.Conns-r.setUp, r.Load.Conns, r.Load.Timeout))
		}
		if left := r.Left() + r.Load.Timeout; left > 0 {
			limit = left
			continue
		}
		r.stop(L, fmt.Sprintf("%d of %d requests were not answered within %s of the end", r.working, r.Load.Conns, r.Load.Timeout))
	}
}

// stop ends the script: whoever runs it stops it, and tells what is wrong.
func (r *Run) stop(L *lua.LState, text string) {
	r.End()
	r.Failed(errors.New(text))
	vm.RaiseUncatchable(L, &vm.Error{Message: text, Kind: vm.KindKilled})
}

// ended is called when a fiber has.
func (r *Run) ended(in *scripting.Instance, err *vm.Error) {
	r.working--
	if err != nil && r.err == nil {
		r.err = err
		in.Report(what, err) // its traceback
	}
	if r.err != nil || r.working == 0 {
		r.join.Wake(nil)
	}
}

// worker is the life of one fiber.
func (r *Run) worker(in *scripting.Instance, L *lua.LState, setup *lua.LFunction) int {
	number := L.CheckInt(1)
	L.Push(setup)
	L.Push(lua.LNumber(number))
	L.Call(1, 1)
	request, ok := L.Get(-1).(*lua.LFunction)
	if !ok {
		vm.Raise(L, "setup(%d) returned %s: it must return the function that makes a request", number, L.Get(-1).Type())
	}
	r.arrive(in, L)
	for n := uint64(0); r.err == nil; n++ {
		due, wait, ok := r.Next(number-1, n)
		if !ok {
			break
		}
		if wait > 0 {
			in.Sleep(L, wait)
		}
		L.Push(request)
		L.Call(0, 0)
		r.Done(due)
	}
	return 0
}

// arrive waits until every setup has returned. The last starts the clock.
func (r *Run) arrive(in *scripting.Instance, L *lua.LState) {
	if r.setUp++; r.setUp == r.Load.Conns {
		r.Begin()
		r.running.Store(true)
		for _, w := range r.gate {
			w.Wake(nil)
		}
		r.gate = nil
		r.join.Wake(nil)
		return
	}
	in.Wait(L, what, 0, func(w scripting.Waiter) bool {
		r.gate = append(r.gate, w)
		return true
	})
}

func table(L *lua.LState, r *load.Report) *lua.LTable {
	t, l := L.NewTable(), L.NewTable()
	t.RawSetString("messages", lua.LNumber(r.Messages))
	t.RawSetString("per_second", lua.LNumber(r.PerSecond))
	t.RawSetString("latency", l)
	for name, v := range map[string]float64{
		"mean": r.Latency.Mean, "p50": r.Latency.P50, "p90": r.Latency.P90, "p99": r.Latency.P99, "p999": r.Latency.P999, "max": r.Latency.Max,
	} {
		l.RawSetString(name, lua.LNumber(v))
	}
	return t
}

// Started reports whether the script has called bench.run. Not while it runs.
func (r *Run) Started() bool { return r.started }

// Live calls show about twice a second until done is closed, on the goroutine
// that calls it.
func (r *Run) Live(show func(load.Progress), done <-chan struct{}) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last load.Progress
	for {
		select {
		case <-tick.C:
			if r.running.Load() {
				last = r.Progress(last)
				show(last)
			}
		case <-done:
			return
		}
	}
}

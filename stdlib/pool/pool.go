// Package pool is the Lua module "pool": connections, or whatever is dear to
// make, made when they are needed, lent one at a time, and used again.
//
// pool.go declares it, config.go reads what a pool is to be like. lend.go lends,
// line.go is those who wait, giveback.go takes back, work.go makes, checks and
// closes; evict.go looks after what lies idle, drain.go ends a pool, stats.go
// counts, handover.go hands clients to the pool of the next generation.
package pool

import (
	"container/list"
	"time"

	"swoon/scripting"
	"swoon/stdlib/client"

	lua "github.com/yuin/gopher-lua"
)

const answer = "boolean, string?, string?"

// Module declares pool.
var Module = scripting.Module{
	Name: "pool",
	Doc: "Pools of connections of any kind: made when they are needed, lent to one fiber at a time, used again. A pool belongs to its VM: with four workers there are four of it. " +
		"Times are seconds; a negative one is without limit, or never. Names of failures: timeout (its text says where the oldest loan was made), max_waiting, draining, create_failed (or what create said), not_borrowed. " +
		"When the script is reloaded, the idle clients of a pool go to the next generation's pool for the same host, port and options of clients, whatever else has changed; " +
		"those that a create has made go to the pool with the same key, where there is one: say in it all that a connection depends on.",
	Funcs: []scripting.Func{{
		Name: "new", Params: []scripting.Param{{Name: "options", Type: "table"}}, Returns: "pool", Doc: "A pool. The top level of a script may make it. Options: " + optionDoc + ".", Fn: newPool,
	}},
	Types: []*scripting.Type{Type},
}

// Type is a pool.
var Type = &scripting.Type{
	Name: "pool",
	Doc:  "A pool of connections.",
	Methods: []scripting.Func{
		{
			Name: "acquire", Params: []scripting.Param{{Name: "timeout", Type: "any"}, {Name: "priority", Type: "number?"}}, Returns: "any, string?, string?",
			Doc: "Borrow an object: an idle one, or a new one while there are fewer than max, or the first that comes back; lower priorities are served first. It must be given back before the fiber that has borrowed it ends: else the log names where it was borrowed, and it is closed and replaced. " +
				"acquire{ timeout =, priority =, hold = true } borrows it for longer than the fiber.",
			Fn: acquire,
		},
		{Name: "get", Params: []scripting.Param{{Name: "timeout", Type: "any"}, {Name: "priority", Type: "number?"}}, Returns: "any, string?, string?", Doc: "acquire by its other name.", Fn: acquire},
		{
			Name: "release", Params: []scripting.Param{{Name: "object", Type: "any"}}, Returns: answer,
			Doc: "Give an object back. Fails with not_borrowed when it was given back before; the text says where.", Fn: release,
		},
		{Name: "put", Params: []scripting.Param{{Name: "object", Type: "any"}}, Returns: answer, Doc: "release by its other name.", Fn: release},
		{Name: "destroy", Params: []scripting.Param{{Name: "object", Type: "any"}}, Returns: answer, Doc: "Give an object back that is broken: it is closed, and replaced if it is needed.", Fn: destroy},
		{
			Name: "use", Params: []scripting.Param{{Name: "fn", Type: "any"}, {Name: "...", Type: "any"}}, Returns: "...any",
			Doc: "Borrow an object, call fn(object, ...), and give it back, whatever happens; returns what fn returned. When fn raises or is cancelled the object is closed, as nobody knows what state it is in. When there is none to be had: false, a name and a text, as acquire. " +
				"use({ timeout =, priority = }, fn, ...) waits as acquire does with these.",
			Fn: use,
		},
		{Name: "fill", Params: []scripting.Param{{Name: "n", Type: "number?"}, {Name: "timeout", Type: "number?"}}, Returns: answer, Doc: "Make objects until there are n (min), and wait for that. Fails with what create said.", Fn: fill},
		{Name: "clear", Returns: "number", Doc: "Close all idle objects; returns how many.", Fn: clearIdle},
		{
			Name: "drain", Params: []scripting.Param{{Name: "timeout", Type: "number?"}}, Returns: answer,
			Doc: "Lend no more, serve those who wait already, wait until all is given back and closed. On timeout it goes on draining.", Fn: drain,
		},
		{Name: "close", Returns: "boolean", Doc: "Lend no more, fail those who wait, close what is idle, and the rest when it is given back.", Fn: closePool},
		{
			Name: "stats", Returns: "table",
			Doc: "Numbers: size (idle, borrowed, creating and checking), idle, borrowed, creating, checking, closing, waiting (fibers), min, max; and counts: created, destroyed, acquired, released, timeouts, refused (max_waiting), create_errors, invalid, evicted, leaked, taken_over (from the generation before), handed_over (to the next).",
			Fn:  stats,
		},
		{
			Name: "loans", Returns: "table",
			Doc: "Who has what: a list of { object =, place = (where it was borrowed), seconds = (how long ago) }, oldest first.",
			Fn:  loans,
		},
	},
	Fields: []scripting.Param{{Name: "name", Type: "string"}, {Name: "size", Type: "number"}, {Name: "idle", Type: "number"}, {Name: "borrowed", Type: "number"}, {Name: "waiting", Type: "number"}},
	Field: func(_ *scripting.Instance, v any, name string) lua.LValue {
		p := v.(*Pool)
		switch name {
		case "name":
			return lua.LString(p.cfg.name)
		case "size":
			return lua.LNumber(p.size())
		case "idle":
			return lua.LNumber(len(p.idle))
		case "borrowed":
			return lua.LNumber(p.borrowed)
		case "waiting":
			return lua.LNumber(p.lines.n)
		}
		return nil
	},
}

// Pool is one pool of one VM. Everything belongs to the baton holder.
type Pool struct {
	in        *scripting.Instance
	object    *lua.LUserData
	cfg       config
	lay       *client.Depot // where they are handed over; nil: they are not
	retired   bool          // the VM has been replaced, at retiredAt
	retiredAt time.Time
	key       string // under which its clients are handed over; "": they are not

	all      map[lua.LValue]*entry // by object
	idle     []*entry              // what was given back last is at the end
	lines    lines                 // of those who wait
	supply   supply                // of what they wait for
	borrowed int
	creating int
	checking int
	closing  int
	begun    bool
	state    state
	down     bool // the last attempt to make an object has failed
	filling  []*filling
	drainers []scripting.Waiter
	evictor  scripting.Alarm
	refiller scripting.Alarm
	watcher  scripting.Alarm
	next     int // the idle entry that the evictor looks at next
	count    counts
}

// state is whether a pool still lends.
type state uint8

const (
	open     state = iota
	draining       // those who wait are served
	closed
)

// entry is one object.
type entry struct {
	object lua.LValue
	made   time.Time
	since  time.Time // it is idle
	loan   *loan     // nil: it is not lent
	back   string    // where it was given back last
}

// loan is one time that an object is lent.
type loan struct {
	place string
	since time.Time
	told  bool // the log has named it, see leakTime
}

// Failures of a pool.
var (
	errWaiting  = &scripting.Errno{Name: "max_waiting", Code: 11, Text: "too many fibers wait for an object of the pool (max_waiting)"}
	errDraining = &scripting.Errno{Name: "draining", Code: 108, Text: "the pool lends no more: it is drained or closed"}
)

func newPool(in *scripting.Instance, L *lua.LState) int {
	p := &Pool{in: in, all: map[lua.LValue]*entry{}}
	p.cfg = readConfig(in, L)
	p.lines.all = make([]list.List, p.cfg.priorities)
	p.object = in.NewObject(Type, p)
	p.key = p.handoverKey()
	in.Keep(p)
	if p.key != "" {
		p.lay = client.DepotOf(in, L)
	}
	if p.cfg.autostart {
		in.WhenLive(p.begin)
	}
	L.Push(p.object)
	return 1
}

// begin makes the first objects, and starts to look after them.
func (p *Pool) begin() {
	if p.begun || p.state != open {
		return
	}
	p.begun = true
	p.watchIdle()
	p.watchLoans()
	p.keepMin()
}

// size is how many objects there are, or are being made.
func (p *Pool) size() int { return len(p.all) + p.creating }

// self is the pool whose method runs.
func self(in *scripting.Instance, L *lua.LState, what string) *Pool {
	in.MustRun(L, what)
	return scripting.Self[*Pool](L)
}

// done answers true, or the error.
func done(in *scripting.Instance, L *lua.LState, err error) int {
	if err != nil {
		return in.Fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

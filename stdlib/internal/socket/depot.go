package socket

import (
	"sync"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// Depot is where sockets lie that nobody uses now, by key, for whichever VM and
// generation wants one next. Each stays for a while only. One per host. Any
// goroutine.
type Depot struct {
	counts *scripting.ClientCounts

	mu    sync.Mutex
	at    map[string][]lying
	timer *time.Timer // runs sweep; nil: nothing lies there
	over  bool
}

type lying struct {
	s     *Socket
	until time.Time
}

// Limits of a depot.
const (
	LieTime = time.Minute // that a socket lies there at most
	MaxLie  = 256         // sockets under one key
	sweep   = 5 * time.Second
)

type depotSpec struct{}

func (depotSpec) Differ(scripting.Spec) string              { return "" }
func (depotSpec) Adopt(any, scripting.Spec) (func(), error) { return nil, nil }

// DepotOf is the host's depot. Baton holder.
func DepotOf(in *scripting.Instance, L *lua.LState) *Depot {
	return in.Shared(L, "client.depot", "", depotSpec{}, func() any {
		d := &Depot{counts: in.ClientCounts(), at: map[string][]lying{}}
		in.AtHostEnd(d.end)
		return d
	}).(*Depot)
}

// Put leaves a socket there. One that must not be used again, and one too many,
// is closed; then it reports false.
func (d *Depot) Put(key string, s *Socket) bool {
	if !s.Fresh() {
		s.Close(true)
		return false
	}
	d.mu.Lock()
	if d.over || len(d.at[key]) >= MaxLie {
		d.mu.Unlock()
		s.Close(false)
		return false
	}
	d.at[key] = append(d.at[key], lying{s, time.Now().Add(LieTime)})
	if d.timer == nil {
		d.timer = time.AfterFunc(sweep, d.sweep)
	}
	d.mu.Unlock()
	d.counts.Idle.Add(1)
	return true
}

// Take takes a socket that can be used again, the one that was left last; nil if
// there is none.
func (d *Depot) Take(key string) *Socket {
	for {
		d.mu.Lock()
		list := d.at[key]
		if len(list) == 0 {
			d.mu.Unlock()
			return nil
		}
		s := list[len(list)-1].s
		list[len(list)-1] = lying{}
		if d.at[key] = list[:len(list)-1]; len(list) == 1 {
			delete(d.at, key)
		}
		d.mu.Unlock()
		d.counts.Idle.Add(-1)
		if s.Fresh() {
			return s
		}
		s.Close(true)
	}
}

// sweep closes what has lain there for too long.
func (d *Depot) sweep() {
	now := time.Now()
	var old []*Socket
	d.mu.Lock()
	for key, list := range d.at {
		kept := list[:0]
		for _, l := range list {
			if l.until.Before(now) {
				old = append(old, l.s)
			} else {
				kept = append(kept, l)
			}
		}
		clear(list[len(kept):])
		if d.at[key] = kept; len(kept) == 0 {
			delete(d.at, key)
		}
	}
	if d.timer = nil; len(d.at) > 0 && !d.over {
		d.timer = time.AfterFunc(sweep, d.sweep)
	}
	d.mu.Unlock()
	d.close(old)
}

func (d *Depot) close(list []*Socket) {
	d.counts.Idle.Add(-int64(len(list)))
	for _, s := range list {
		s.Close(false)
	}
}

// end closes all when the server has stopped.
func (d *Depot) end() {
	d.mu.Lock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
	var all []*Socket
	for _, list := range d.at {
		for _, l := range list {
			all = append(all, l.s)
		}
	}
	d.at = map[string][]lying{}
	d.mu.Unlock()
	d.close(all)
}

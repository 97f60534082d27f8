package meet

import (
	"slices"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// choice is one push or pop of those that a fiber waits for.
type choice struct {
	ch   *Chan
	push bool
	v    lua.LValue
}

// attempt is the case without a wait.
func (c *choice) attempt(at int) (d Done, ok bool) {
	c.ch.mu.Lock()
	defer c.ch.mu.Unlock()
	return c.locked(at)
}

// locked is attempt under the lock of the channel.
func (c *choice) locked(at int) (d Done, ok bool) {
	v, state := lua.LNil, Blocked
	if c.push {
		state = c.ch.push(c.v)
	} else {
		v, state = c.ch.pop()
	}
	return Done{at, v, state == Moved}, state != Blocked
}

// await tries the cases once more, from one of them on, and only if none can go
// through does w stand in line at all of them. Every channel stands still
// meanwhile. So whoever meets w later finds a fiber that certainly waits, and is
// itself one that certainly runs: a value goes from hand to hand in one step, and
// a fiber that both pushes to a channel and pops from it never meets itself. ok
// says that nothing has w.
func await(w scripting.Waiter, cases []choice, from int) (d Done, ok bool) {
	var one [1]*Channel
	locks := one[:0]
	for i := range cases {
		locks = append(locks, cases[i].ch.Channel)
	}
	slices.SortFunc(locks, func(a, b *Channel) int { return int(int64(a.id) - int64(b.id)) })
	locks = slices.Compact(locks)
	for _, c := range locks {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	for i := range cases {
		at := (from + i) % len(cases)
		if d, ok = cases[at].locked(at); ok {
			return d, true
		}
	}
	for at, c := range cases {
		if c.push {
			c.ch.pushes.add(w, pushing{c.v, at})
		} else {
			c.ch.pops.add(w, at)
		}
	}
	return Done{}, false
}

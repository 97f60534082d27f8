package meet

import (
	"sync"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

// Channel is a queue of values with room for capacity of them. With no room a
// value goes from hand to hand: a push and a pop end together, or neither does.
// Any goroutine.
type Channel struct {
	what string // for lists of waiting fibers
	id   uint64 // the order in which several are locked

	mu       sync.Mutex
	capacity int
	items    []lua.LValue // a ring
	head, n  int
	pops     line[int] // with the number of the case in a select
	pushes   line[pushing]
	closed   bool
	pushed   uint64
	popped   uint64
}

type pushing struct {
	v  lua.LValue
	at int // the case in a select
}

// Done is how a wait on a channel ends.
type Done struct {
	Case  int        // which case of a select it was
	Value lua.LValue // of a pop
	Open  bool       // false: the channel is closed, nothing was moved
}

// State is what became of an attempt.
type State uint8

// The states: Moved, the value has gone through; Blocked, it would have to
// wait; Closed, it never will.
const (
	Moved State = iota
	Blocked
	Closed
)

var lastChannel atomic.Uint64

// NewChannel makes a channel; what is its name in lists of waiting fibers.
func NewChannel(what string, capacity int) *Channel {
	return &Channel{what: what, capacity: capacity, id: lastChannel.Add(1)}
}

// Push adds v if that needs no wait.
func (c *Channel) Push(v lua.LValue) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.push(v)
}

// Pop takes the oldest value if that needs no wait.
func (c *Channel) Pop() (lua.LValue, State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pop()
}

// push hands v to the oldest pop that waits, or stores it.
func (c *Channel) push(v lua.LValue) State {
	if c.closed {
		return Closed
	}
	for e, ok := c.pops.first(); ok; e, ok = c.pops.first() {
		c.pops.drop()
		if e.w.Wake(Done{e.with, v, true}) {
			c.pushed++
			c.popped++
			return Moved
		}
	}
	if c.n >= c.capacity {
		return Blocked
	}
	c.put(v)
	c.pushed++
	return Moved
}

// pop takes the oldest value, or where nothing is inside the one of the oldest
// push that waits.
func (c *Channel) pop() (lua.LValue, State) {
	if c.n > 0 {
		v := c.items[c.head]
		c.take()
		return v, Moved
	}
	for e, ok := c.pushes.first(); ok; e, ok = c.pushes.first() {
		c.pushes.drop()
		if e.w.Wake(Done{e.with.at, lua.LNil, true}) {
			c.pushed++
			c.popped++
			return e.with.v, Moved
		}
	}
	if c.closed {
		return lua.LNil, Closed
	}
	return lua.LNil, Blocked
}

// put stores v behind the others. The ring may be larger than capacity after a
// change of capacity.
func (c *Channel) put(v lua.LValue) {
	if c.n == len(c.items) {
		ring := make([]lua.LValue, max(8, 2*len(c.items)))
		for i := range c.n {
			ring[i] = c.items[(c.head+i)%len(c.items)]
		}
		c.items, c.head = ring, 0
	}
	c.items[(c.head+c.n)%len(c.items)] = v
	c.n++
}

// take removes the oldest value and lets a push that waits have its place.
func (c *Channel) take() {
	c.items[c.head] = nil
	c.head = (c.head + 1) % len(c.items)
	c.n--
	c.popped++
	if c.n == 0 && len(c.items) > 1024 {
		c.items, c.head = nil, 0
	}
	c.refill()
}

func (c *Channel) refill() {
	for c.n < c.capacity {
		e, ok := c.pushes.first()
		if !ok {
			return
		}
		c.pushes.drop()
		if e.w.Wake(Done{e.with.at, lua.LNil, true}) {
			c.put(e.with.v)
			c.pushed++
		}
	}
}

// Close ends the channel: all waits end, and what is inside can still be
// popped. It reports whether it was this call that did.
func (c *Channel) Close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed = true
	for e, ok := c.pops.first(); ok; e, ok = c.pops.first() {
		c.pops.drop()
		e.w.Wake(Done{e.with, lua.LNil, false})
	}
	for e, ok := c.pushes.first(); ok; e, ok = c.pushes.first() {
		c.pushes.drop()
		e.w.Wake(Done{e.with.at, lua.LNil, false})
	}
	return true
}

// Reopen makes a closed channel take values again.
func (c *Channel) Reopen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.closed
	c.closed = false
	return was
}

// Resize changes the capacity. What is inside stays, also if it is more.
func (c *Channel) Resize(capacity int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.capacity = capacity
	c.refill()
}

// Info is what is known of a channel.
type Info struct {
	Capacity, Length    int
	Consumers           int  // fibers that wait in pop
	Producers           int  // fibers that wait in push
	Full                bool // a push would wait
	Closed              bool
	PushCount, PopCount uint64
}

// Info describes the channel as it is now.
func (c *Channel) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	pops := c.pops.count()
	return Info{c.capacity, c.n, pops, c.pushes.count(), c.n >= c.capacity && pops == 0, c.closed, c.pushed, c.popped}
}

// Len is how many values are inside.
func (c *Channel) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

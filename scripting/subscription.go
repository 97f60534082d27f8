package scripting

import (
	"sync"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// Subscription calls a Lua function for what happens outside its VM: a change
// of a shared table, of a file. Events come in order, one call at a time, each
// as a fiber of its own on the VM that subscribed; a call that waits makes the
// next event wait. What is subscribed to in onWorkerStart is delivered from the
// moment the generation is live, and a subscription ends with its generation.
type Subscription struct {
	in   *Instance
	what string
	fn   *lua.LFunction
	args func(L *lua.LState, event any) []lua.LValue
	stop func()
	max  int

	mu     sync.Mutex
	queue  []any
	lost   int // events that found the queue full
	active bool
	ready  bool // the generation is live
	over   bool
}

// Lost is the event that follows a gap: how many events found the queue full.
type Lost int

// Subscribe makes a subscription. args turns an event that Post was given, or a
// Lost, into arguments of fn; stop is called once when the subscription ends,
// and may be nil. At most max events wait. Baton holder.
func (in *Instance) Subscribe(L *lua.LState, what string, fn *lua.LFunction, max int, args func(*lua.LState, any) []lua.LValue, stop func()) *Subscription {
	in.mustRun(L, what)
	s := &Subscription{in: in, what: what, fn: fn, args: args, stop: stop, max: max, ready: in.stage == live || in.stage == draining}
	if in.subs == nil {
		in.subs = map[*Subscription]bool{}
	}
	in.subs[s] = true
	if in.stage == warming {
		in.held = append(in.held, s.open)
	}
	return s
}

// open begins to deliver.
func (s *Subscription) open() {
	s.mu.Lock()
	s.ready = true
	s.wake()
	s.mu.Unlock()
}

// wake starts the call for the next event, unless one is under way. Under mu.
func (s *Subscription) wake() {
	if s.ready && !s.active && !s.over && len(s.queue) > 0 {
		s.active = true
		s.in.loop.Spawn(engine.RootGo, s.deliver)
	}
}

// Post hands an event over; false when the subscription is over. Any goroutine.
func (s *Subscription) Post(event any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if len(s.queue) >= s.max {
		s.lost++
		return true
	}
	if s.lost > 0 {
		s.queue = append(s.queue, Lost(s.lost))
		s.lost = 0
	}
	s.queue = append(s.queue, event)
	s.wake()
	return true
}

// next takes an event off the queue; nil at its end.
func (s *Subscription) next() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	if len(s.queue) == 0 {
		if n := s.lost; n > 0 {
			s.lost = 0
			return Lost(n)
		}
		return nil
	}
	ev := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return ev
}

// deliver calls the function for one event.
func (s *Subscription) deliver(f *engine.Fiber) {
	if ev := s.next(); ev != nil && s.in.stage != dead {
		in := s.in
		c := in.begin(f, evError, s.what, s.fn)
		for _, a := range s.args(c.th.State(), ev) {
			c.th.Push(a)
		}
		err := c.th.Run(0)
		c.end()
		if err != nil {
			in.failed(f, s.what, 0, err)
		}
	}
	s.mu.Lock()
	s.active = false
	if s.lost > 0 && len(s.queue) == 0 {
		s.queue = append(s.queue, Lost(s.lost))
		s.lost = 0
	}
	s.wake()
	s.mu.Unlock()
}

// Stop ends the subscription: what waits is dropped. It reports whether it was
// this call that did. Baton holder.
func (s *Subscription) Stop() bool {
	s.mu.Lock()
	was := s.over
	s.over = true
	s.queue = nil
	s.mu.Unlock()
	if was {
		return false
	}
	delete(s.in.subs, s)
	if s.stop != nil {
		s.stop()
	}
	return true
}

// unsubscribe ends all subscriptions of the VM.
func (in *Instance) unsubscribe() {
	for s := range in.subs {
		s.Stop()
	}
}

// Package engine owns sockets, loops, sessions, workers, tasks and timers. It
// knows nothing of Lua: a Handler is called with events.
//
// # The path of one message
//
// Read the files in the order in which a byte meets them:
//
//	accept    accept.go    a goroutine that never runs a callback takes the client
//	adopt     read.go      the session gets a slot, a tag and a place in a poller
//	read      read.go      into the loop's one buffer
//	frame     frame/       a pure function cuts messages; framing.go makes the string
//	dispatch  read.go      straight on (Base), or inbox and run queue (Process)
//	handle    serve.go     the worker takes one event of one session
//	call      serve.go     Handler.Receive
//	send      outbox.go    into the session's outbox
//	flush     outbox.go    at the end of the turn
//
// Around it: loop.go is the turn, baton.go who runs it, fiber.go what waits,
// mailbox.go how others reach it, timer.go when; close.go how a session ends,
// drain.go how a server does; task.go the task workers; watchdog.go and
// memory.go the limits.
//
// # Who owns what
//
//	struct    owner                    from elsewhere
//	Loop      holder of its baton      mail (its lock), state and other atomics
//	Fiber     holder of its loop's     token (one compare-and-swap); who wins it
//	          baton                    owns result until the fiber runs again
//	Session   reactor: slot interest   under mu: fd state reason out and flags
//	          eof partial linger       inbox: the loop (Base), mu (Process)
//	Timer     holder of the loop       -
//	taskPool  nobody                   its lock
//	registry  nobody                   its lock
//
// # Lock order
//
// taskPool.mu and registry.mu are leaves, except that registry.mu may be taken
// under Session.mu. Session.mu may be held when a mailbox.mu is taken, and when
// a baton is passed (a channel with room, which never blocks). No lock is held
// when a callback runs or a fiber waits.
package engine

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
//	                       (inline.go: some ask the script for it)
//	dispatch  read.go      straight on (Base), or inbox and run queue (Process);
//	          dispatch.go  of which worker
//	handle    serve.go     the worker takes one event of one session
//	call      serve.go     Handler.Receive
//	send      send.go      checked, and into the session's outbox (outbox.go)
//	flush     outbox.go    at the end of the turn
//
// Packets have no session: udp.go reads them on a goroutine of their port's, and
// packet.go runs their callbacks on the worker that their peer belongs to.
//
// Ports are made in listen.go, of addresses (address.go), paths (socketfile.go)
// and sockets from systemd (systemd.go); sockopt.go is what the kernel is told.
//
// Around it: loop.go is a loop, turn.go its turn, baton.go who runs it, fiber.go what waits,
// mailbox.go how others reach it, timer.go when; registry.go has the sessions by
// id, heartbeat.go and idlequeue.go those that are idle; close.go how one ends,
// drain.go how a server does; roster.go how many loops there are, move.go how
// a session goes from one to another; task.go and taskpool.go the task workers,
// taskqueue.go what lies before them, taskwait.go who waits for them and
// taskcircle.go who would for ever, message.go what loops say to one another;
// watchdog.go (which ticks by ticker.go) and memory.go the limits.
//
// # Who owns what
//
//	struct    owner                    from elsewhere
//	Loop      holder of its baton      mail (its lock), state and other atomics
//	Fiber     holder of its loop's     token (one compare-and-swap); who wins it
//	          baton                    owns result until the fiber runs again
//	Session   reactor: slot interest   under mu: fd state reason out aside and
//	          eof partial idlePos      flags; worker, home, reactor to write
//	                                   inbox: the loop (Base), mu (Process)
//	Port      nobody                   opts (replaced as a whole); dispatch while
//	                                   packets go to workers, sending while the
//	                                   socket of packets may be closed
//	Timer     holder of the loop       -
//	roster    nobody                   replaced as a whole under rosterMu
//	taskPool  nobody                   its lock
//	Task      its maker, the pool,     -
//	          the worker that runs it
//	registry  nobody                   its lock
//
// # Lock order
//
// Engine.placing may be taken under Session.mu, rosterMu under placing;
// registry.mu is a leaf, and may be taken under Session.mu and placing.
// Port.dispatch may be taken under placing, Port.sending under Engine.portsMu.
// Session.mu, Port.dispatch and taskPool.mu may be held when a mailbox.mu is
// taken, and when a baton is passed (a channel with room, which never blocks); so
// may the lock of a fiber's wait for tasks, which may be taken under the pool's.
// No lock is held when a callback runs or a fiber waits.
package engine

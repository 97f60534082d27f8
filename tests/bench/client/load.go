// Package client loads an echo server, checks every byte that comes back, and
// tells what that cost the server.
//
// One goroutine on one thread does it all, so that it can share a core with
// the server: then the two take turns, nothing runs beside them, and the
// server's CPU time per message is a figure that repeats.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Load says what to do to a server.
type Load struct {
	Addr  netip.AddrPort // IPv4, loopback
	Conns int            // connections; Churn: at a time
	Size  int            // bytes of a message
	Depth int            // messages under way per connection; 1 is ping-pong
	Churn bool           // a connection lasts for one message
	Rate  float64        // messages a second over all, whether or not replies come; 0 waits for replies

	Warm time.Duration // under load, but not counted
	Time time.Duration // counted

	PID  int // the server's process; 0 leaves its CPU time out
	Core int // the core the load runs on; negative: any
}

// Patience is how long the last replies, or a connection, may take.
const Patience = 3 * time.Second

// Report is what came of a Load.
type Report struct {
	Messages int // Churn: connections
	Time     time.Duration
	CPU      time.Duration // of the server
	Unit     time.Duration // of one bare 64-byte send and receive at that time
	delays   []uint32      // nanoseconds from send, or due time, to reply; sorted
}

// PerSecond is the messages echoed each second.
func (r *Report) PerSecond() float64 { return float64(r.Messages) / r.Time.Seconds() }

// Cost is the server's CPU time per message, in units.
func (r *Report) Cost() float64 {
	if r.Messages == 0 || r.Unit == 0 {
		return 0
	}
	return r.CPU.Seconds() / float64(r.Messages) / r.Unit.Seconds()
}

// Delay is the time within which the share q of all replies came. With Rate it
// counts from when the message was due, so waiting in line is part of it.
func (r *Report) Delay(q float64) time.Duration {
	if len(r.delays) == 0 {
		return 0
	}
	return time.Duration(r.delays[min(int(q*float64(len(r.delays))), len(r.delays)-1)])
}

func (l *Load) validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(!l.Addr.Addr().Is4() || !l.Addr.Addr().IsLoopback(), "address %s: only IPv4 loopback is loaded", l.Addr)
	refuse(l.Conns < 1, "%d connections: at least 1", l.Conns)
	refuse(l.Size < 1, "%d bytes: at least 1", l.Size)
	refuse(l.Depth < 1, "depth %d: at least 1", l.Depth)
	refuse(l.Churn && l.Depth != 1, "depth %d: a connection that lasts for one message has depth 1", l.Depth)
	refuse(l.Churn && l.Rate != 0, "rate %g: churn goes as fast as replies come", l.Rate)
	refuse(l.Rate < 0, "rate %g: at least 0", l.Rate)
	refuse(l.Time <= 0, "time %s: more than 0", l.Time)
	return errors.Join(errs...)
}

// Run does what l says. An error that is a *Fault is the server's doing.
func (l Load) Run(ctx context.Context) (*Report, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	type outcome struct {
		report *Report
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		// Never unlocked: the thread, bound to a core, ends with the goroutine.
		runtime.LockOSThread()
		r, err := l.run(ctx)
		done <- outcome{r, err}
	}()
	o := <-done
	return o.report, o.err
}

func (l *Load) run(ctx context.Context) (*Report, error) {
	if l.Core >= 0 {
		var only unix.CPUSet
		only.Set(l.Core)
		if err := unix.SchedSetaffinity(0, &only); err != nil {
			return nil, fmt.Errorf("bind to core %d: %w", l.Core, err)
		}
	}
	g, err := newGenerator(ctx, l)
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.open(); err != nil {
		return nil, err
	}
	if err := g.load(); err != nil {
		return nil, err
	}
	if err := g.finish(); err != nil {
		return nil, err
	}
	r := &g.report
	if r.Messages == 0 {
		return nil, fmt.Errorf("no message was echoed within %s", l.Time)
	}
	r.Unit = g.unit.cost()
	slices.Sort(r.delays)
	return r, nil
}

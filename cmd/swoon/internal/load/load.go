// Package load makes the load of `swoon bench`: it sends messages to a server
// over many connections, checks every byte that comes back, and tells how long
// the answers took and what they cost.
//
// Read the files in this order:
//
//	load.go       what is to be done, and by how many threads
//	target.go     whom to
//	framing.go    how a message is told from the next
//	content.go    what is in it, and what came in its place
//	schedule.go   when it is due
//	conn.go       one connection
//	generator.go  a thread's connections: open, load, finish
//	openloop.go   what it does at a rate
//	take.go       what comes back; fault.go, what may be wrong with it
//	recorder.go   how long it took
//	report.go     all of it, for people and for programs
//	script.go     the same for a script's requests
//	unit.go       the server's CPU time, and the unit that it is told in
//
// Each thread has connections, a poller and a share of the rate of its own;
// nothing is shared by them but the clock.
package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Load says what to do to a server.
type Load struct {
	Target  Target
	Conns   int // connections; Churn: at a time
	Threads int // each runs its share of the connections; at most Conns
	Framing Framing

	Size   int    // bytes of a message's body, made up anew for each
	Text   []byte // the body of every message; nil: as Size says
	Answer []byte // the body of the answer to Text; nil: the message comes back

	Depth int     // messages under way per connection; 1 is ping-pong
	Churn bool    // a connection lasts for one message
	Rate  float64 // messages a second over all that are due, whether or not answers come; 0 waits for answers

	Warm    time.Duration // under load, but not counted
	Time    time.Duration // counted
	Timeout time.Duration // how long a connection, or the last answers, may take

	PID  int // the server's process, for its CPU time; 0 leaves that out
	Core int // the core that the load runs on; negative: any

	Live func(Progress) // called about twice a second while it is counted, if set
}

// Limits of a Load.
const (
	MaxConns = 1 << 20
	MaxSize  = 64 << 20
	MaxDepth = 1 << 16
	MaxRate  = 1e8
)

// Validate says everything that is wrong with l.
func (l *Load) Validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(l.Conns < 1 || l.Conns > MaxConns, "connections: %d is not in 1..%d", l.Conns, MaxConns)
	refuse(l.Threads < 1 || l.Threads > max(l.Conns, 1), "threads: %d is not in 1..%d, the number of connections", l.Threads, l.Conns)
	refuse(l.Text == nil && (l.Size < 1 || l.Size > MaxSize), "size: %d bytes is not in 1..%d", l.Size, MaxSize)
	refuse(l.Text == nil && l.Answer != nil, "expect: there is no text that it would answer")
	refuse(l.Depth < 1 || l.Depth > MaxDepth, "pipeline: %d is not in 1..%d", l.Depth, MaxDepth)
	refuse(l.Churn && l.Depth > 1, "pipeline: %d: a connection that lasts for one message has a pipeline of 1", l.Depth)
	refuse(!(l.Rate >= 0 && l.Rate <= MaxRate), "rate: %g is not in 0..%g", l.Rate, float64(MaxRate))
	refuse(l.Time <= 0, "duration: %s: it must be more than 0", l.Time)
	refuse(l.Warm < 0, "warm: %s: it must be 0 or more", l.Warm)
	refuse(l.Timeout <= 0, "timeout: %s: it must be more than 0", l.Timeout)
	refuse(l.PID < 0, "pid: %d: it must be more than 0", l.PID)
	refuse(l.Core >= 0 && l.Threads > 1, "core: %d threads do not share one core", l.Threads)
	if len(errs) == 0 {
		if _, err := newContents(l); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		var files unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
			refuse(uint64(l.Conns+spareFiles) > files.Cur, "connections: %d need more descriptors than the limit of %d lets have (ulimit -n)", l.Conns, files.Cur)
		}
	}
	return errors.Join(errs...)
}

// spareFiles is how many descriptors are needed besides those of connections.
const spareFiles = 32

// epoch anchors the clock of all threads.
var epoch = time.Now()

// now is the monotonic time in nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }

// run is a Load under way; what its threads share.
type run struct {
	*Load
	data  *contents
	start chan struct{} // closed when every thread has its connections
	from  int64         // when counting begins; set before start is closed
	until atomic.Int64  // and when it ends
	usage usage
}

// Run does what l says. When ctx ends the load ends early: what has come until
// then is reported. An error that is a *Fault is the server's doing.
func (l Load) Run(ctx context.Context) (*Report, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	data, err := newContents(&l)
	if err != nil {
		return nil, err
	}
	if l.PID > 0 {
		if _, err := processCPU(l.PID); err != nil {
			return nil, err
		}
	}
	r := &run{Load: &l, data: data, start: make(chan struct{})}
	r.until.Store(math.MaxInt64)
	// A thread may be in the kernel without the scheduler knowing it.
	if before := runtime.GOMAXPROCS(0); before <= l.Threads {
		runtime.GOMAXPROCS(l.Threads + 1)
		defer runtime.GOMAXPROCS(before)
	}
	return r.threads(ctx)
}

// threads runs a generator on each thread, and waits for all.
func (r *run) threads(ctx context.Context) (*Report, error) {
	broken, giveUp := context.WithCancelCause(context.Background())
	defer giveUp(nil)
	generators := make([]*generator, r.Threads)
	var opened, done sync.WaitGroup
	opened.Add(r.Threads)
	for i := range generators {
		g := &generator{run: r, number: i, broken: broken, rec: NewRecorder()}
		generators[i] = g
		done.Add(1)
		go func() {
			defer done.Done()
			// Never unlocked: the thread, which may be bound to a core, ends
			// with the goroutine.
			runtime.LockOSThread()
			var once sync.Once
			err := g.live(func() {
				once.Do(opened.Done)
				select {
				case <-r.start:
				case <-broken.Done():
				}
			})
			once.Do(opened.Done)
			if err != nil {
				giveUp(err)
			}
		}()
	}
	watched := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(ctx, broken, ended, generators)
	}()
	opened.Wait()
	begin := now()
	r.from = begin + int64(r.Warm)
	if r.until.Load() == math.MaxInt64 { // not interrupted yet
		r.until.CompareAndSwap(math.MaxInt64, r.from+int64(r.Time))
	}
	close(r.start)
	done.Wait()
	close(ended)
	<-watched
	if err := context.Cause(broken); err != nil {
		return nil, err
	}
	return r.report(generators)
}

// watch ends the load early when ctx ends, and shows how it goes on.
func (r *run) watch(ctx, broken context.Context, ended chan struct{}, generators []*generator) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	interrupted := ctx.Done()
	var last Progress
	for {
		select {
		case <-interrupted:
			interrupted = nil
			for t := now(); ; {
				old := r.until.Load()
				if old <= t || r.until.CompareAndSwap(old, t) {
					break
				}
			}
		case <-tick.C:
			select {
			case <-r.start:
			default:
				continue // connections are being made
			}
			if r.Live != nil && broken.Err() == nil {
				last = r.progress(generators, last)
				r.Live(last)
			}
		case <-ended:
			return
		}
	}
}

// Progress is what is known of a load while it runs.
type Progress struct {
	Elapsed   time.Duration // counted so far; 0 or less while it warms up
	Time      time.Duration // to be counted
	Messages  uint64        // answered so far
	PerSecond float64       // since the last time
	P50, P99  time.Duration // of the messages since the last time

	at int64
}

func (r *run) progress(generators []*generator, last Progress) Progress {
	t := now()
	p := Progress{Elapsed: time.Duration(t - r.from), Time: r.Time, at: t}
	recent := newHistogram()
	for _, g := range generators {
		p.Messages += g.rec.collect(recent)
	}
	since := max(last.at, r.from)
	if t > since {
		p.PerSecond = float64(p.Messages-last.Messages) / (float64(t-since) / 1e9)
	}
	p.P50, p.P99 = time.Duration(recent.ValueAtPercentile(50)), time.Duration(recent.ValueAtPercentile(99))
	return p
}

// Command bench measures what an echoed message costs: Swoon in both modes
// beside a bare Go loop (barego) and gnet (gnetecho), neither of which runs a
// script. The figure is CPU time of the server per message, in units of one
// bare 64-byte loopback send and receive made at the same time; it repeats
// where messages per second do not.
//
// All servers run throughout, bound to one core together with the load; the
// rounds take them in turn, so that what the machine does in the meantime
// meets all of them alike.
//
//	bench -bin bin -rounds 5 -d 1s
//	bench -servers base,bare -cases pipe,open
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"swoon-bench/client"
)

func init() {
	// Children are told to die with the thread that started them. The main
	// goroutine starts them all, and stays on the main thread.
	runtime.LockOSThread()
}

// options is the command line.
type options struct {
	bin, script, out string
	servers, cases   []string
	rounds           int
	warm, time       time.Duration
	core             int
}

// benchCase is one row of the report.
type benchCase struct {
	name, title string
	load        client.Load
	extra       bool // only when asked for
}

var cases = []benchCase{
	{name: "ping64", title: "64 B, 64 conns", load: client.Load{Conns: 64, Size: 64, Depth: 1}},
	{name: "ping1000", title: "64 B, 1,000 conns", load: client.Load{Conns: 1000, Size: 64, Depth: 1}},
	{name: "pipe", title: "1 KiB x16, 64 conns", load: client.Load{Conns: 64, Size: 1024, Depth: 16}},
	{name: "churn", title: "connect, 64 B, close", load: client.Load{Conns: 64, Size: 64, Depth: 1, Churn: true}},
	{name: "open", title: "64 B, 20,000/s", load: client.Load{Conns: 64, Size: 64, Depth: 1, Rate: 20000}, extra: true},
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Nothing here may hang: three times what it should take is enough.
	ctx, cancel := context.WithTimeout(ctx, time.Minute+3*o.expected())
	err = run(ctx, o)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	var servers, names string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "directory of the binaries swoon, barego and gnetecho")
	f.StringVar(&o.script, "script", "tests/bench/echo.lua", "what Swoon serves")
	f.StringVar(&o.out, "out", "bench-out", "directory for the report, bench.md")
	f.StringVar(&servers, "servers", strings.Join(serverNames(), ","), "which servers, in this order")
	f.StringVar(&names, "cases", strings.Join(caseNames(false), ","), "which of "+strings.Join(caseNames(true), ","))
	f.IntVar(&o.rounds, "rounds", 5, "how often each server meets each case")
	f.DurationVar(&o.time, "d", time.Second, "measured time of each meeting")
	f.DurationVar(&o.warm, "warm", 200*time.Millisecond, "time under load before it")
	f.IntVar(&o.core, "core", -1, "core for servers and load (default: the last one allowed)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.servers, o.cases = strings.Split(servers, ","), strings.Split(names, ",")
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%s: there are only flags, see -help", f.Arg(0))
	}
	if o.rounds < 1 || o.time <= 0 || o.warm < 0 {
		return nil, fmt.Errorf("-rounds must be at least 1, -d more than 0, -warm at least 0")
	}
	for _, name := range o.servers {
		if kindOf(name) == nil {
			return nil, fmt.Errorf("no server is called %q, there are %s", name, strings.Join(serverNames(), ", "))
		}
	}
	for _, name := range o.cases {
		if caseOf(name) == nil {
			return nil, fmt.Errorf("no case is called %q, there are %s", name, strings.Join(caseNames(true), ", "))
		}
	}
	if o.core < 0 {
		var allowed unix.CPUSet
		if err := unix.SchedGetaffinity(0, &allowed); err != nil {
			return nil, fmt.Errorf("which cores are there: %w", err)
		}
		for i := range 1024 {
			if allowed.IsSet(i) {
				o.core = i
			}
		}
	}
	return o, nil
}

func caseNames(extra bool) (names []string) {
	for _, c := range cases {
		if extra || !c.extra {
			names = append(names, c.name)
		}
	}
	return names
}

func caseOf(name string) *benchCase {
	for i := range cases {
		if cases[i].name == name {
			return &cases[i]
		}
	}
	return nil
}

// expected is how long all rounds take when nothing goes wrong.
func (o *options) expected() time.Duration {
	return time.Duration(o.rounds*len(o.servers)*len(o.cases)) * (o.warm + o.time + 100*time.Millisecond)
}

func run(ctx context.Context, o *options) error {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, name := range o.servers {
		s, err := start(kindOf(name), o)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "%d rounds, about %s\n", o.rounds, o.expected().Round(time.Second))
	res := newResults()
	for round := range o.rounds {
		for _, name := range o.cases {
			c := caseOf(name)
			for i := range servers {
				// Who goes first changes from round to round.
				s := servers[(i+round)%len(servers)]
				r, err := measure(ctx, o, s, c)
				if err != nil {
					return fmt.Errorf("%s, %s: %w%s", s.kind.name, c.title, err, s.said())
				}
				res.add(c.name, s.kind.name, r)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d is done\n", round+1, o.rounds)
	}
	rows := res.rows(o)
	if err := writeText(os.Stdout, rows); err != nil {
		return err
	}
	return writeReport(filepath.Join(o.out, "bench.md"), o, rows)
}

func measure(ctx context.Context, o *options, s *server, c *benchCase) (*client.Report, error) {
	l := c.load
	l.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), s.port)
	l.Warm, l.Time, l.Core, l.PID = o.warm, o.time, o.core, s.cmd.Process.Pid
	return l.Run(ctx)
}

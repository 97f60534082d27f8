// Command bench measures what an echoed message costs: Swoon in both modes
// beside a bare Go loop (barego), gnet (gnetecho), package net (gonet) and Node,
// if it is there. The figure is CPU time of the server per message, in units of
// one bare 64-byte loopback send and receive made at the same time; it repeats
// where messages per second do not. `swoon bench` makes the load.
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
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	// Children are told to die with the thread that started them. The main
	// goroutine starts them all, and stays on the main thread.
	runtime.LockOSThread()
}

// options is the command line.
type options struct {
	bin, scripts, out string
	servers, cases    []string
	rounds            int
	warm, time        time.Duration
	core              int
}

// benchCase is one column of the table.
type benchCase struct {
	name, title string
	load        string // flags of swoon bench
	frames      bool   // messages have their length in front
	extra       bool   // only when asked for

	base, process float64 // what Swoon is to stay below
}

var cases = []benchCase{
	{name: "ping64", title: "64 B, 64 conns", load: "-c 64 -s 64", base: 0.92, process: 1.4},
	{name: "ping1000", title: "64 B, 1,000 conns", load: "-c 1000 -s 64", base: 1.45, process: 1.8},
	{name: "pipe", title: "1 KiB x16", load: "-c 64 -s 1k -p 16", base: 0.15, process: 0.22},
	{name: "frames", title: "frames, 64 B x16", load: "-c 64 -s 64 -p 16 --framing length", frames: true, base: 0.25, process: 0.32},
	{name: "churn", title: "connect, 64 B, close", load: "-c 64 -s 64 --churn", base: 7.0, process: 8.5},
	{name: "open", title: "64 B, 20,000/s", load: "-c 64 -s 64 --rate 20000", extra: true},
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
	f.StringVar(&o.bin, "bin", "bin", "directory of the binaries swoon, barego, gnetecho and gonet")
	f.StringVar(&o.scripts, "scripts", "tests/bench", "directory of what Swoon and Node serve")
	f.StringVar(&o.out, "out", "bench-out", "directory for the report, bench.md")
	f.StringVar(&servers, "servers", strings.Join(present(), ","), "which servers, in this order, of "+strings.Join(serverNames(), ","))
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
	return time.Duration(o.rounds*len(o.servers)*len(o.cases)) * (o.warm + o.time + 150*time.Millisecond)
}

func run(ctx context.Context, o *options) error {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, name := range o.servers {
		for _, frames := range []bool{false, true} {
			if !o.wants(frames) {
				continue
			}
			s, err := start(kindOf(name), o, frames)
			if err != nil {
				return err
			}
			servers = append(servers, s)
		}
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
				if s.frames != c.frames {
					continue
				}
				r, err := measure(ctx, o, s, c)
				for again := 0; again < 3 && err != nil && strings.Contains(err.Error(), nothing); again++ {
					r, err = measure(ctx, o, s, c) // the machine had other things to do
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w%s", s.kind.name, c.title, err, s.said())
				}
				res.add(c.name, s.kind.name, r)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d is done\n", round+1, o.rounds)
	}
	text := res.table(o).text() + "\n" + res.details(o).text()
	if _, err := os.Stdout.WriteString(text); err != nil {
		return err
	}
	return res.write(filepath.Join(o.out, "bench.md"), o)
}

// wants says whether a case needs servers of this kind.
func (o *options) wants(frames bool) bool {
	for _, name := range o.cases {
		if caseOf(name).frames == frames {
			return true
		}
	}
	return false
}

// report is what swoon bench prints, as far as it is of use here.
type report struct {
	Cost      float64 `json:"cost"`
	ServerCPU float64 `json:"server_cpu"` // seconds a message
	PerSecond float64 `json:"per_second"`
	Latency   struct {
		P99 float64 `json:"p99"` // seconds
	} `json:"latency"`
}

// nothing is what swoon bench says when it was not given the core for a moment
// that long.
const nothing = "no message was answered in the time that is counted"

func measure(ctx context.Context, o *options, s *server, c *benchCase) (*report, error) {
	args := append([]string{"bench", "--json", "--core", strconv.Itoa(o.core), "--pid", strconv.Itoa(s.cmd.Process.Pid),
		"--warm", o.warm.String(), "--duration", o.time.String()}, strings.Fields(c.load)...)
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "swoon"), append(args, fmt.Sprintf("127.0.0.1:%d", s.port))...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("%s", strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("what swoon bench printed cannot be read: %w", err)
	}
	return r, nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"swoon/cmd/swoon/internal/rtmin"
	"swoon/scripting"

	"github.com/spf13/cobra"
)

func runCommand(code *int) *cobra.Command {
	var host, mode, socket string
	var port, workers int
	var sets []string
	var noReload bool
	cmd := &cobra.Command{
		Use:   "run [flags] app.lua [args...]",
		Short: "Serve a script (what swoon app.lua does)",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("which script? usage: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o := scripting.Options{Script: args[0], Args: args[1:], Modules: modules, Out: os.Stdout, NoReload: noReload}
			given := func(flag, name, value string) {
				if cmd.Flags().Changed(flag) {
					o.Flags = append(o.Flags, [2]string{name, value})
				}
			}
			given("host", "host", host)
			given("port", "port", fmt.Sprint(port))
			given("mode", "mode", mode)
			given("workers", "worker_num", fmt.Sprint(workers))
			for _, s := range sets {
				name, value, ok := strings.Cut(s, "=")
				if !ok || name == "" {
					return fmt.Errorf("--set %s: write it name=value", s)
				}
				o.Flags = append(o.Flags, [2]string{name, value})
			}
			*code = serve(o, socket)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "address to listen on")
	f.IntVar(&port, "port", 0, "port to listen on; 0 lets the kernel choose")
	f.StringVar(&mode, "mode", "", "base or process")
	f.IntVar(&workers, "workers", 0, "number of workers")
	f.StringArrayVar(&sets, "set", nil, "a setting, as name=value; may be repeated")
	f.BoolVar(&noReload, "no-reload", false, "do not watch the script for changes")
	f.StringVar(&socket, "socket", "", "path of the control socket, which reload, stop and status talk to (default: one that they find by the script)")
	f.SetInterspersed(false) // what follows the script is the script's
	return cmd
}

// serve runs a server from start to end and returns the exit code.
func serve(o scripting.Options, socket string) int {
	// A server's live heap is small beside what it turns over: fewer
	// collections give back most of what they cost.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
		done := make(chan struct{})
		defer close(done)
		go giveBack(done)
	}
	signal.Ignore(syscall.SIGPIPE) // print to a closed pipe must not end the server
	background := asDaemon()
	out := new(output)
	if background == nil {
		out.to(os.Stdout)
	}
	o.Out = out
	p := &process{memory: newMemory(), terminal: isTerminal(os.Stdin)}
	o.Status = func(s scripting.Status, text string) { p.supervisor.status(s, text) }
	o.Applied, o.Bound = p.applied, p.bound
	o.NewHistogram = newHistogram
	h, err := scripting.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFor(err)
	}
	if h.Alone() {
		return runAlone(h, p.memory)
	}
	s := h.Settings()
	if s.Daemonize && background == nil {
		return detach()
	}
	p.memory(s)
	fail := func(err error, code int) int {
		fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
		return code
	}
	if p.account, err = findAccount(s.User, s.Group); err != nil {
		return fail(err, exitScript)
	}
	log, sink, err := openLog(s)
	if err != nil {
		return fail(err, exitScript)
	}
	p.sink, p.log = sink, log
	defer sink.file.close()
	slog.SetDefault(log)
	out.to(background.prints(sink.file))
	if s.PidFile != "" {
		pid, stale, err := openPidFile(s.PidFile)
		if err != nil {
			return fail(err, exitScript)
		}
		p.pid = pid
		if stale != 0 {
			log.Warn("pid_file: the one of a server that has ended without removing it is replaced", "file", s.PidFile, "pid", stale)
		}
	}
	p.supervisor = newNotifier(log)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGWINCH)
	if err := rtmin.Notify(signals); err != nil {
		log.Warn("SIGRTMIN would end the process", "error", err)
	}
	go p.handle(signals, h)

	code := p.run(h, o, socket, background)
	if err := p.pid.remove(); err != nil {
		log.Warn("pid_file: cannot be removed", "error", err)
	}
	return code
}

// process is what the process as a whole answers to.
type process struct {
	memory     func(*scripting.Settings)
	supervisor *notifier
	account    *account // to become; nil: as it is
	pid        *pidFile
	sink       *logSink
	log        *slog.Logger
	terminal   bool // it runs in one
}

// run serves until a stop and returns the exit code.
func (p *process) run(h *scripting.Host, o scripting.Options, socket string, background *daemon) int {
	fail := func(err error, code int) int {
		p.log.Error(err.Error())
		if !p.sink.file.onTerminal() {
			fmt.Fprintf(os.Stderr, "swoon: %v\n", err) // whoever has started it looks there
		}
		return code
	}
	admin, err := openAdmin(h, p.log, o.Script, socket)
	if err != nil {
		return fail(err, exitListen)
	}
	defer func() { admin.Close() }()
	if err := h.Start(p.log); err != nil && !errors.Is(err, scripting.ErrInterrupted) {
		return fail(err, exitFor(err))
	} else if err == nil {
		p.supervisor.keepAlive(h.Answers)
		admin.Started()
		banner(os.Stderr, h, o)
		if err := background.ready(p.sink.file); err != nil {
			p.log.Warn("daemonize: whoever has started the server is not told", "error", err)
		}
	}
	code, cut := h.Wait()
	for _, line := range cut {
		p.log.Warn("cut short: " + line)
	}
	p.log.Info("stopped", "exit", code)
	admin.Stopped(code, cut)
	return code
}

// bound is called when the server listens: what needs root is done.
func (p *process) bound() error {
	if p.account == nil {
		return nil
	}
	p.sink.file.give(p.account)
	if p.pid != nil {
		p.account.give(p.pid.f)
	}
	return p.account.become()
}

// applied follows a change of the settings.
func (p *process) applied(s *scripting.Settings) {
	p.memory(s)
	if err := p.sink.apply(s); err != nil {
		p.log.Error("the log goes on as it was", "error", err)
	}
}

// newMemory is what tells the Go runtime of memory_limit.
func newMemory() func(*scripting.Settings) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func(*scripting.Settings) {}
	}
	return func(s *scripting.Settings) {
		limit := int64(math.MaxInt64)
		if s.MemoryLimit > 0 {
			limit = int64(s.MemoryLimit)
		}
		debug.SetMemoryLimit(limit) // collect more eagerly before the limit is reached
	}
}

// handle turns signals into requests. A second TERM or INT ends the process at
// once.
func (p *process) handle(signals <-chan os.Signal, h *scripting.Host) {
	stopping := false
	for s := range signals {
		switch s {
		case syscall.SIGUSR1:
			p.reopen()
			h.Reload("SIGUSR1", false)
		case syscall.SIGUSR2:
			p.reopen()
			h.Reload("SIGUSR2", true)
		case syscall.SIGWINCH, rtmin.Signal: // also a terminal that has another size
			p.reopen()
		case syscall.SIGQUIT:
			h.Dump(os.Stderr)
		case syscall.SIGHUP:
			// A terminal that goes away takes the server that runs in it with
			// it; one that runs elsewhere is told that its log was moved.
			if !p.terminal {
				p.reopen()
				continue
			}
			fallthrough
		default:
			if stopping {
				fmt.Fprintln(os.Stderr, "swoon: forced to stop by a second signal")
				os.Exit(exitForced)
			}
			stopping = true
			h.RequestStop(exitOK)
		}
	}
}

// reopen opens the log file anew.
func (p *process) reopen() {
	if err := p.sink.file.reopen(); err != nil {
		p.log.Error("the log goes on in the file that it has", "error", err)
	}
}

// banner tells a person what runs and where.
func banner(w io.Writer, h *scripting.Host, o scripting.Options) {
	s := h.Settings()
	var listening []string
	for _, a := range h.Addrs() {
		listening = append(listening, a.String())
	}
	script := o.Script
	if rel, err := filepath.Rel(".", script); err == nil && len(rel) < len(script) {
		script = rel
	}
	workers := fmt.Sprintf("%d worker%s", s.Workers, plural(s.Workers))
	if s.TaskWorkers > 0 {
		workers += fmt.Sprintf(", %d task worker%s", s.TaskWorkers, plural(s.TaskWorkers))
	}
	reload := "save the script to reload it"
	if o.NoReload || !s.HotReload {
		reload = "SIGUSR1 reloads the script"
	}
	fmt.Fprintf(w, "\n  swoon %s serves %s\n\n    listening  %s\n    mode       %s, %s\n    process    %d; %s, Ctrl-C to stop\n\n",
		version, script, strings.Join(listening, "\n               "), s.Mode, workers, os.Getpid(), reload)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

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
	}
	signal.Ignore(syscall.SIGPIPE) // print to a closed pipe must not end the server
	var level slog.LevelVar
	var supervisor *notifier
	o.Status = func(s scripting.Status, text string) { supervisor.status(s, text) }
	memory := func(s *scripting.Settings) {
		if os.Getenv("GOMEMLIMIT") != "" {
			return
		}
		limit := int64(math.MaxInt64)
		if s.MemoryLimit > 0 {
			limit = int64(s.MemoryLimit)
		}
		debug.SetMemoryLimit(limit) // collect more eagerly before the limit is reached
	}
	o.Applied = func(s *scripting.Settings) {
		level.Set(s.LogLevel)
		memory(s)
	}
	o.NewHistogram = newHistogram
	h, err := scripting.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFor(err)
	}
	if h.Alone() {
		return runAlone(h, memory, &level)
	}
	memory(h.Settings())
	log, closeLog, err := openLog(h.Settings(), &level)
	if err != nil {
		fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
		return exitScript
	}
	defer closeLog()
	slog.SetDefault(log)
	supervisor = newNotifier(log)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT)
	go handle(signals, h)

	admin, err := openAdmin(h, log, o.Script, socket)
	if err != nil {
		log.Error(err.Error())
		return exitListen
	}
	defer admin.Close()
	if err := h.Start(log); err != nil && !errors.Is(err, scripting.ErrInterrupted) {
		log.Error(err.Error())
		return exitFor(err)
	} else if err == nil {
		supervisor.keepAlive(h.Answers)
		admin.Started()
		banner(os.Stderr, h, o)
	}
	code, cut := h.Wait()
	for _, line := range cut {
		log.Warn("cut short: " + line)
	}
	log.Info("stopped", "exit", code)
	admin.Stopped(code, cut)
	return code
}

// handle turns signals into requests. A second TERM or INT ends the process at
// once.
func handle(signals <-chan os.Signal, h *scripting.Host) {
	stopping := false
	for s := range signals {
		switch s {
		case syscall.SIGUSR1:
			h.Reload("SIGUSR1", false)
		case syscall.SIGUSR2:
			h.Reload("SIGUSR2", true)
		case syscall.SIGQUIT:
			h.Dump(os.Stderr)
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

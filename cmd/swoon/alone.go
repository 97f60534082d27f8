package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"swoon/scripting"
)

// runAlone runs a script that is no server from start to end and returns the
// exit code.
func runAlone(h *scripting.Host, memory func(*scripting.Settings)) int {
	memory(h.Settings())
	log, sink, err := openLog(h.Settings())
	if err != nil {
		h.Discard()
		fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
		return exitScript
	}
	defer sink.file.close()
	slog.SetDefault(log)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT)
	go handleAlone(signals, h, log)
	return h.Run(log)
}

// handleAlone turns signals into requests: TERM and INT end the script, with
// the exit code that shells expect; a second one ends the process at once.
func handleAlone(signals <-chan os.Signal, h *scripting.Host, log *slog.Logger) {
	stopping := false
	for s := range signals {
		switch s {
		case syscall.SIGUSR1, syscall.SIGUSR2:
			log.Warn("a script that runs alone is not reloaded", "signal", s)
		case syscall.SIGQUIT:
			h.Dump(os.Stderr)
		default:
			code := 128 + int(s.(syscall.Signal))
			if stopping {
				os.Exit(code)
			}
			stopping = true
			h.RequestStop(code)
		}
	}
}

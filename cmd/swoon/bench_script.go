package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"swoon/cmd/swoon/internal/bench"
	"swoon/cmd/swoon/internal/load"
	"swoon/scripting"
)

// runScript lets a script make it.
func (b *benchFlags) runScript(ctx context.Context, args []string, code *int) (*load.Report, error) {
	s, err := load.NewScript(b.script, b.load)
	if err != nil {
		return nil, flagged(err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	signal.Ignore(syscall.SIGPIPE)
	var failure error
	var h *scripting.Host
	run := &bench.Run{Script: s, Failed: func(err error) {
		failure = err
		h.RequestStop(exitScript)
	}}
	o := scripting.Options{Script: b.script, Args: args, Modules: withBench(run), Out: os.Stdout, NoReload: true}
	if b.asJSON {
		o.Out = os.Stderr // the report alone goes to the standard output
	}
	if h, err = scripting.New(o); err != nil {
		return nil, err
	}
	if !h.Alone() {
		return nil, fmt.Errorf("%s is a server: a client script runs by itself, and calls bench.run", b.script)
	}
	log, sink, err := openLog(h.Settings())
	if err != nil {
		h.Discard()
		return nil, err
	}
	defer sink.file.close()
	slog.SetDefault(log)
	defer context.AfterFunc(ctx, s.End)()
	done, ended := make(chan struct{}), make(chan struct{})
	show := b.liveLine()
	go func() {
		defer close(ended)
		if show != nil {
			run.Live(show.show, done)
		}
	}()
	exit := h.Run(log)
	close(done)
	<-ended
	if show != nil {
		show.clear()
	}
	switch {
	case failure != nil:
		return nil, fmt.Errorf("%s: %w", b.script, failure)
	case exit != 0:
		*code = exit
		return nil, nil
	case !run.Started():
		return nil, fmt.Errorf("%s has ended without a call of bench.run", b.script)
	}
	return s.Report()
}

// withBench are the modules, with bench for r.
func withBench(r *bench.Run) []scripting.Module {
	list := append([]scripting.Module(nil), modules...)
	for i := range list {
		if m := bench.Module(r); list[i].Name == m.Name {
			list[i] = m
		}
	}
	return list
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"swoon/cmd/swoon/internal/load"
	"swoon/engine/frame"

	"github.com/spf13/cobra"
)

// benchFlags is the command line of bench, as far as it is not a load.Load yet.
type benchFlags struct {
	load           load.Load
	script         string
	text, expect   string
	eof            string
	prefix         string
	size           string
	asJSON, silent bool
}

func benchCommand(code *int) *cobra.Command {
	var b benchFlags
	l := &b.load
	cmd := &cobra.Command{
		Use:   "bench [flags] address [script's args...]",
		Short: "Load a server, check every byte of its answers, and tell how long they took",
		Long: "Load a server, check every byte of its answers, and tell how long they took.\n\n" +
			"The address is host:port, :port for this machine, or the path of a unix socket.\n" +
			"The server is taken to echo, unless --expect says what it answers to --text, or a\n" +
			"--script makes the requests. With --rate messages are due at that rate whether or\n" +
			"not answers come, and time counts from then: a server that stalls is seen to.",
		Example: "  swoon bench 127.0.0.1:9501                            64 connections, 64 bytes there and back\n" +
			"  swoon bench -c 1000 -s 1k -p 16 :9501                 more of everything\n" +
			"  swoon bench --rate 20000 -d 1m :9501                  what users see at 20,000 messages a second\n" +
			"  swoon bench --framing length -p 16 :9501              open_length_check with its defaults\n" +
			"  swoon bench --framing eof --eof '\\n' --text ping --expect pong :9501\n" +
			"  swoon bench --script client.lua -c 100 :9501          requests made by a script",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("whom? usage: %s", cmd.UseLine())
			}
			if len(args) > 1 && b.script == "" {
				return fmt.Errorf("%s: one server at a time; usage: %s", args[1], cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible()
			defer stop()
			if err := b.complete(ctx, cmd, args[0]); err != nil {
				return err
			}
			var report *load.Report
			var err error
			if b.script != "" {
				report, err = b.runScript(ctx, args[1:], code)
			} else {
				report, err = b.run(ctx)
			}
			if err != nil {
				return failed(cmd, code, err)
			}
			if report == nil { // the script has said why
				return nil
			}
			if b.asJSON {
				return report.JSON(cmd.OutOrStdout())
			}
			report.Text(cmd.OutOrStdout())
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVarP(&l.Conns, "connections", "c", 64, "connections; with --churn: at a time")
	f.StringVarP(&b.size, "size", "s", "64", "bytes of a message's body, 1 to 64M, made up anew for each message; k and M are 1024s")
	f.StringVar(&b.text, "text", "", "the body of every message instead, with \\n, \\r, \\t, \\0, \\xHH and \\\\")
	f.StringVar(&b.expect, "expect", "", "the body of the answer to --text (default: the message comes back)")
	f.IntVarP(&l.Depth, "pipeline", "p", 1, "messages under way on a connection; 1 waits for each answer")
	f.Float64VarP(&l.Rate, "rate", "r", 0, "messages a second over all connections; 0 is as fast as answers come")
	f.DurationVarP(&l.Time, "duration", "d", 10*time.Second, "how long it is counted")
	f.DurationVar(&l.Warm, "warm", 500*time.Millisecond, "how long the load runs before that")
	f.DurationVar(&l.Timeout, "timeout", 10*time.Second, "how long a connection, and the last answers, may take")
	f.BoolVar(&l.Churn, "churn", false, "a new connection for each message; --rate is connections a second then")
	f.IntVarP(&l.Threads, "threads", "t", 0, "threads that make the load (default: half of the processors, as many as there are connections at most)")
	f.StringVar(&l.Framing.Kind, "framing", "raw", "how messages are told apart: "+strings.Join(load.Framings, ", "))
	f.StringVar(&b.eof, "eof", `\r\n\r\n`, "with eof: package_eof")
	f.StringVar(&l.Framing.LengthType, "length-type", frame.DefaultLengthType, "with length: package_length_type, a letter of "+frame.LengthTypes)
	f.IntVar(&l.Framing.LengthOffset, "length-offset", 0, "with length: package_length_offset")
	f.IntVar(&l.Framing.BodyOffset, "body-offset", frame.DefaultBodyOffset, "with length: package_body_offset")
	f.StringVar(&b.prefix, "prefix", "", "with text: prefix of package_length_text")
	f.IntVar(&l.Framing.Digits, "digits", 4, "with text: digits of package_length_text")
	f.StringVar(&b.script, "script", "", "a Lua script that makes the requests, by the module bench")
	f.IntVar(&l.PID, "pid", 0, "the server's process, on this machine: tells its CPU time per message, too")
	f.IntVar(&l.Core, "core", -1, "the core that the load runs on, in one thread")
	f.BoolVar(&b.asJSON, "json", false, "print one JSON object")
	f.BoolVarP(&b.silent, "quiet", "q", false, "no line that shows how it goes on")
	f.SetInterspersed(true)
	return cmd
}

// needs says which flags mean something only together with another.
var needs = []struct{ flag, with, value string }{
	{"expect", "text", ""},
	{"eof", "framing", "eof"},
	{"length-type", "framing", "length"}, {"length-offset", "framing", "length"}, {"body-offset", "framing", "length"},
	{"prefix", "framing", "text"}, {"digits", "framing", "text"},
}

// theScripts are the flags whose matter is a script's own, if there is one.
var theScripts = strings.Fields("size text expect pipeline churn threads framing eof length-type length-offset body-offset prefix digits pid core")

// complete makes a Load of the flags. Errors are the user's.
func (b *benchFlags) complete(ctx context.Context, cmd *cobra.Command, address string) (err error) {
	given := cmd.Flags().Changed
	for _, n := range needs {
		if given(n.flag) && (!given(n.with) || n.value != "" && cmd.Flag(n.with).Value.String() != n.value) {
			return fmt.Errorf("--%s means something only with --%s", n.flag, strings.TrimSpace(n.with+" "+n.value))
		}
	}
	if b.script != "" {
		for _, name := range theScripts {
			if given(name) {
				return fmt.Errorf("--%s: with --script that is up to the script", name)
			}
		}
	}
	if given("text") && given("size") {
		return errors.New("--size and --text: a message has one of them")
	}
	l := &b.load
	if l.Size, err = bytesOf(b.size); err != nil {
		return fmt.Errorf("--size %s: %w", b.size, err)
	}
	for _, t := range []struct {
		flag, value string
		to          *[]byte
	}{{"text", b.text, &l.Text}, {"expect", b.expect, &l.Answer}} {
		if given(t.flag) {
			if *t.to, err = unescape(t.value); err != nil {
				return fmt.Errorf("--%s %q: %w", t.flag, t.value, err)
			}
		}
	}
	eof, err := unescape(b.eof)
	if err != nil {
		return fmt.Errorf("--eof %q: %w", b.eof, err)
	}
	prefix, err := unescape(b.prefix)
	if err != nil {
		return fmt.Errorf("--prefix %q: %w", b.prefix, err)
	}
	l.Framing.EOF, l.Framing.Prefix = string(eof), string(prefix)
	if given("threads") && l.Threads < 1 {
		return fmt.Errorf("--threads %d: at least 1", l.Threads)
	}
	if !given("threads") {
		l.Threads = max(1, min(runtime.NumCPU()/2, l.Conns))
		if l.Core >= 0 {
			l.Threads = 1
		}
	}
	if given("core") && (l.Core < 0 || l.Core >= 1024) {
		return fmt.Errorf("--core %d: it is not in 0..1023", l.Core)
	}
	if given("pid") && l.PID < 1 {
		return fmt.Errorf("--pid %d: at least 1", l.PID)
	}
	if l.Target, err = load.ParseTarget(ctx, address); err != nil {
		return err
	}
	if b.script != "" {
		return nil // NewScript looks at the rest
	}
	if err := l.Validate(); err != nil {
		return flagged(err)
	}
	return nil
}

// flagged writes what Validate says as people see it.
func flagged(err error) error {
	return errors.New("--" + strings.ReplaceAll(err.Error(), "\n", "\n  --"))
}

// interruptible is a context that the first SIGINT or SIGTERM ends: what has
// been measured until then is told. The second ends the process.
func interruptible() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// run makes the load itself.
func (b *benchFlags) run(ctx context.Context) (*load.Report, error) {
	show := b.liveLine()
	if show != nil {
		b.load.Live = show.show
		defer show.clear()
	}
	return b.load.Run(ctx)
}

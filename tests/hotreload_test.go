package tests

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The stories of hot reload lie in testdata/reload, written so that they can be
// read as its documentation. Besides testscript's own commands they use:
//
//	serve [flags]           run app.lua and wait until it listens
//	save FILE FROM          replace FILE by a copy of FROM, as an editor does; $FREE is a free port
//	signal USR1             send a signal to the server
//	log REGEXP              wait for it in the log, behind what was found before
//	out REGEXP              the same for what the script prints; ! means not there
//	logged, printed REGEXP  the same, wherever it stands
//	say NAME TEXT           client NAME sends a line; it connects when first named
//	dial NAME HOST PORT     client NAME connects there instead; ! means it cannot
//	hear NAME REGEXP        the next line that client NAME gets must match
//	until NAME TEXT REGEXP  say it again and again until the answer matches
//	swarm N DEPTH           N clients keep DEPTH messages in flight each
//	swarm stop              they finish; every answer must have come, once, in order
//	reloads N               N times: save app.lua, or send USR1, and wait until it is live
//	mark, steady            note goroutines, descriptors and memory; they must come back to it
//	exits CODE              stop with TERM and check the exit code
//
// In the race rows $RELOADS is smaller.

func TestHotReload(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{mode: "base", workers: 4}, {mode: "process", workers: 4}, {mode: "base", workers: 4, race: true}, {mode: "process", workers: 4, race: true}} {
		name := s.mode
		if s.race {
			name += "race"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testscript.RunT(oneByOne{t}, testscript.Params{
				Dir: "testdata/reload",
				Setup: func(env *testscript.Env) error {
					reloads := "300"
					if s.race {
						reloads = "100"
					} else if os.Getenv("SWOON_SOAK") != "" {
						reloads = "1000"
					}
					env.Setenv("RELOADS", reloads)
					env.Setenv("MODE", s.mode)
					env.Setenv("FREE", freePort(t))
					p := &play{t: t, s: s, dir: env.WorkDir, clients: map[string]*client{}}
					env.Values["play"] = p
					env.Defer(p.end)
					return nil
				},
				Cmds: playCommands,
			})
		})
	}
}

// tried is the last port that freePort looked at.
var tried atomic.Int32

// freePort is a port that nobody listens on, and that no other story is given:
// it lies below those the system gives away by itself.
func freePort(t *testing.T) string {
	const first, many = 12000, 20000
	tried.CompareAndSwap(0, int32(os.Getpid()%many)+1)
	for range many {
		port := strconv.Itoa(first + int(tried.Add(1))%many)
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// oneByOne runs the scripts of a mode one after the other: each loads the machine enough.
type oneByOne struct{ *testing.T }

func (o oneByOne) Parallel()     {}
func (o oneByOne) Verbose() bool { return testing.Verbose() }
func (o oneByOne) Run(name string, f func(testscript.T)) {
	o.T.Run(name, func(t *testing.T) { f(oneByOne{t}) })
}

// play is one story being played.
type play struct {
	t       *testing.T
	s       setup
	dir     string
	server  *server
	logAt   int
	outAt   int
	clients map[string]*client
	swarm   *swarm
	marked  []int
	saves   int
}

func (p *play) end() {
	if p.swarm != nil {
		p.swarm.stop.Store(true)
	}
	for _, c := range p.clients {
		c.Close()
	}
	if p.server != nil {
		p.server.cleanup()
	}
}

type command = func(ts *testscript.TestScript, neg bool, args []string)

// act makes a command of a method that needs n arguments; -1: any number.
func act(n int, do func(p *play, ts *testscript.TestScript, neg bool, args []string)) command {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if n >= 0 && len(args) != n {
			ts.Fatalf("%d arguments are needed", n)
		}
		do(ts.Value("play").(*play), ts, neg, args)
	}
}

var playCommands = map[string]command{
	"serve":  act(-1, (*play).serve),
	"save":   act(2, (*play).save),
	"signal": act(1, (*play).signal),
	"log": act(1, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		p.logAt = find(ts, p.server.Log, p.logAt, neg, args[0])
	}),
	"logged": act(1, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		find(ts, p.server.Log, 0, neg, args[0])
	}),
	"out": act(1, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		p.outAt = find(ts, p.server.Out, p.outAt, neg, args[0])
	}),
	"printed": act(1, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		find(ts, p.server.Out, 0, neg, args[0])
	}),
	"say": act(2, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		p.client(ts, args[0]).say(args[1] + "\n")
	}),
	"dial":    act(3, (*play).dial),
	"hear":    act(2, (*play).hear),
	"until":   act(3, (*play).until),
	"swarm":   act(-1, (*play).herd),
	"reloads": act(1, (*play).reloads),
	"mark":    act(0, (*play).mark),
	"steady":  act(0, (*play).steady),
	"exits": act(1, func(p *play, ts *testscript.TestScript, neg bool, args []string) {
		p.server.quiet = true
		if code := p.server.stop(p.t, syscall.SIGTERM); strconv.Itoa(code) != args[0] {
			ts.Fatalf("exit code %d", code)
		}
	}),
}

func (p *play) serve(ts *testscript.TestScript, neg bool, args []string) {
	s := p.s
	s.flags = args
	for _, a := range args {
		if a == "--workers" {
			s.workers = 0
		}
	}
	if strings.Contains(ts.ReadFile("app.lua"), "worker_num =") {
		s.workers = 0 // flags would win over what the script says
	}
	p.server = launch(quiet{p.t}, s, filepath.Join(p.dir, "app.lua"))
	p.server.Log.wait(p.t, "process    ")
	m := listening.FindStringSubmatch(p.server.Log.String())
	p.server.Addr, p.server.Port = m[1]+":"+m[2], m[2]
	ts.Setenv("PORT", m[2])
}

// quiet keeps cleanups for the end of the story.
type quiet struct{ *testing.T }

func (quiet) Cleanup(func()) {}

func (p *play) save(ts *testscript.TestScript, neg bool, args []string) {
	text, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	save(p.t, ts.MkAbs(args[0]), strings.ReplaceAll(string(text), "$FREE", ts.Getenv("FREE")))
}

// dial connects a client to another port than the primary one.
func (p *play) dial(ts *testscript.TestScript, neg bool, args []string) {
	tcp, err := dialTCP(net.JoinHostPort(args[1], args[2]))
	if neg {
		if err == nil {
			ts.Fatalf("somebody listens there")
		}
		return
	}
	ts.Check(err)
	tcp.SetDeadline(time.Now().Add(40 * patience))
	p.clients[args[0]] = &client{tcp, p.t, nil}
}

func (p *play) signal(ts *testscript.TestScript, neg bool, args []string) {
	sig, ok := map[string]syscall.Signal{"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM}[args[0]]
	if !ok {
		ts.Fatalf("which signal?")
	}
	p.server.cmd.Process.Signal(sig)
}

// find waits for a pattern behind at and returns where it ends.
func find(ts *testscript.TestScript, tr *transcript, at int, neg bool, pattern string) int {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	if neg {
		if m := re.FindString(tr.String()[at:]); m != "" {
			ts.Fatalf("it should not be there: %q", m)
		}
		return at
	}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if m := re.FindStringIndex(tr.String()[at:]); m != nil {
			return at + m[1]
		}
		if time.Now().After(end) {
			ts.Fatalf("no match for %q in\n%s", pattern, tr.String()[at:])
		}
	}
}

func (p *play) client(ts *testscript.TestScript, name string) *client {
	c := p.clients[name]
	if c == nil {
		tcp, err := dialTCP(p.server.Addr)
		ts.Check(err)
		tcp.SetDeadline(time.Now().Add(40 * patience))
		c = &client{tcp, p.t, nil}
		p.clients[name] = c
	}
	return c
}

func (p *play) hear(ts *testscript.TestScript, neg bool, args []string) {
	got := p.client(ts, args[0]).line()
	if ok, err := regexp.MatchString("^(?:"+args[1]+")$", got); !ok {
		ts.Fatalf("%s heard %q, not %q (%v)", args[0], got, args[1], err)
	}
}

func (p *play) until(ts *testscript.TestScript, neg bool, args []string) {
	c := p.client(ts, args[0])
	re := regexp.MustCompile("^(?:" + args[2] + ")$")
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c.say(args[1] + "\n")
		got := c.line()
		if re.MatchString(got) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s hears %q, never %q", args[0], got, args[2])
		}
	}
}

// swarm is many clients that keep messages in flight. Each message must be
// answered once, in order, by generations that only grow.
type swarm struct {
	stop    atomic.Bool
	answers atomic.Int64
	wg      sync.WaitGroup
	mu      sync.Mutex
	wrong   []string
}

func (p *play) herd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 1 && args[0] == "stop" {
		w := p.swarm
		p.swarm = nil
		w.stop.Store(true)
		w.wg.Wait()
		ts.Logf("%d answers", w.answers.Load())
		if len(w.wrong) > 0 {
			ts.Fatalf("%s", strings.Join(w.wrong, "\n"))
		}
		return
	}
	if len(args) != 2 {
		ts.Fatalf("how many clients, how many messages?")
	}
	n, _ := strconv.Atoi(args[0])
	depth, _ := strconv.Atoi(args[1])
	w := &swarm{}
	p.swarm = w
	for id := range n {
		tcp, err := dialTCP(p.server.Addr)
		ts.Check(err)
		tcp.SetDeadline(time.Now().Add(40 * patience))
		w.wg.Add(1)
		go func() {
			defer w.wg.Done()
			defer tcp.Close()
			if err := converse(&client{tcp, p.t, nil}, id, depth, &w.stop, &w.answers); err != nil {
				w.mu.Lock()
				w.wrong = append(w.wrong, fmt.Sprintf("client %d: %v", id, err))
				w.mu.Unlock()
			}
		}()
	}
	p.flows(ts)
}

// flows waits until each client of the swarm could have had an answer.
func (p *play) flows(ts *testscript.TestScript) {
	if p.swarm == nil {
		return
	}
	was := p.swarm.answers.Load()
	for end := time.Now().Add(patience); p.swarm.answers.Load() < was+200; time.Sleep(time.Millisecond) {
		p.swarm.mu.Lock()
		wrong := p.swarm.wrong
		p.swarm.mu.Unlock()
		if len(wrong) > 0 || time.Now().After(end) {
			ts.Fatalf("the swarm stands still: %s", strings.Join(wrong, "\n"))
		}
	}
}

var reloadedLine = regexp.MustCompile(`reloaded generation=(\d+)`)

// reloads makes n reloads, one after the other: every tenth by a save, the
// others by a signal, which has no debounce.
func (p *play) reloads(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := ts.ReadFile("app.lua")
	for i := range n {
		if i%10 == 0 {
			p.saves++
			save(p.t, ts.MkAbs("app.lua"), fmt.Sprintf("%s\n-- save %d\n", text, p.saves))
		} else {
			p.server.cmd.Process.Signal(syscall.SIGUSR1)
		}
		p.logAt = find(ts, p.server.Log, p.logAt, false, `reloaded generation=\d+`)
		if i%50 == 0 {
			p.flows(ts)
		}
	}
}

// usage is goroutines, descriptors and memory in megabytes; the script answers
// "stats" with the first two.
func (p *play) usage(ts *testscript.TestScript) []int {
	c := p.client(ts, "the one who counts")
	c.say("stats\n")
	f := strings.Fields(c.line())
	var list []int
	for _, s := range f {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		list = append(list, n)
	}
	return append(list, p.server.megabytes(p.t))
}

func (p *play) mark(ts *testscript.TestScript, neg bool, args []string) { p.marked = p.usage(ts) }

func (p *play) steady(ts *testscript.TestScript, neg bool, args []string) {
	allow := 64 // megabytes: how far the collector lets garbage pile up varies
	if p.s.race {
		allow = 512 // the detector keeps shadows
	}
	var now []int
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		now = p.usage(ts)
		if now[0] <= p.marked[0]+40 && now[1] <= p.marked[1] && now[2] <= p.marked[2]+allow {
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("goroutines, descriptors, megabytes: %v, marked were %v", now, p.marked)
		}
	}
	ts.Logf("goroutines, descriptors, megabytes: %v, marked were %v", now, p.marked)
}

// From a save to the first answer of the new code: a script of 500 lines with
// three modules, four workers. The times are reported, not judged: a machine
// that does other things too has its own.
func TestSaveToFirstAnswer(t *testing.T) {
	saves := 50
	if os.Getenv("SWOON_SOAK") != "" {
		saves = 200
	}
	dir := t.TempDir()
	for i := range 3 {
		save(t, filepath.Join(dir, fmt.Sprintf("m%d.lua", i)), "local M = {}\n"+strings.Repeat("function M.f(a, b) return a + b end\n", 60)+"return M\n")
	}
	var b strings.Builder
	b.WriteString("server:set{ worker_num = 4 }\nlocal m0, m1, m2 = require 'm0', require 'm1', require 'm2'\n")
	for i := range 160 {
		fmt.Fprintf(&b, "local function work%d(x)\n  return m0.f(x, %d) * m1.f(x, 2)\nend\n", i, i)
	}
	text := strings.ReplaceAll(b.String(), "local function", "function")
	version := func(i int) string {
		return fmt.Sprintf("%sfunction onReceive(server, fd, reactor_id, data) server:send(fd, \"%d\\n\") end\n", text, i)
	}
	path := filepath.Join(dir, "app.lua")
	save(t, path, version(0))
	sv := serveFile(t, setup{mode: "base"}, path)
	c, err := net.Dial("tcp", sv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(40 * patience))
	cl := &client{c.(*net.TCPConn), t, nil}
	times := make([]time.Duration, saves)
	for i := range saves {
		want := strconv.Itoa(i + 1)
		begun := time.Now()
		save(t, path, version(i+1))
		for end := begun.Add(patience); ; {
			cl.say("x")
			if cl.line() == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("save %d is not answered", i+1)
			}
		}
		times[i] = time.Since(begun)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	t.Logf("save to first answer, %d saves of %d lines: p50 %v, p99 %v, worst %v (the debounce is 20 ms of it)", saves,
		strings.Count(version(0), "\n")+3*62, times[saves/2], times[saves*99/100], times[saves-1])
}

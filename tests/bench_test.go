package tests

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// swoon bench, as a user runs it.

// benched is what swoon bench --json prints, as far as it is looked at.
type benched struct {
	Messages  uint64
	Seconds   float64
	Corrected bool
	Unsent    uint64
	Latency   struct{ Count, P50, P75, P99, Max float64 }
	ServerCPU float64 `json:"server_cpu"`
	Cost      float64
}

// quick are flags of a bench that is over soon.
func quick(args ...string) []string {
	return append([]string{"bench", "--json", "--warm", "50ms", "-d", "400ms", "--timeout", "30s"}, args...)
}

func benchOf(t *testing.T, race bool, args ...string) (r benched) {
	t.Helper()
	p := start(t, setup{race: race}, quick(args...)...)
	if code := p.end(); code != 0 {
		t.Fatalf("bench %q ends with %d\n%s", args, code, p.Log)
	}
	if err := json.Unmarshal([]byte(p.Out.String()), &r); err != nil {
		t.Fatalf("%v\n%s", err, p.Out)
	}
	if r.Messages == 0 || r.Latency.Count == 0 || r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P99 {
		t.Errorf("bench %q: %+v", args, r)
	}
	return r
}

const echoing = `function onReceive(server, fd, rid, data) server:send(fd, data) end`

func TestBench(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	sv := serve(t, setup{workers: 2}, `
		local function echo(server, fd, rid, data) server:send(fd, data) end
		onReceive = echo
		server:listen("`+path+`", 0, 5)
	`)
	pid := func() string { return strconv.Itoa(sv.cmd.Process.Pid) }
	benchOf(t, true, "-c", "20", "-t", "2", sv.Addr)
	if r := benchOf(t, false, "-c", "4", "-p", "16", "-s", "1k", "--pid", pid(), sv.Addr); r.ServerCPU <= 0 || r.Cost <= 0 || r.Corrected {
		t.Errorf("%+v", r)
	}
	if r := benchOf(t, false, "-c", "4", "--rate", "1000", sv.Addr); !r.Corrected || r.Latency.Count < 390 || r.Latency.Count > 410 {
		t.Errorf("%+v", r)
	}
	benchOf(t, false, "-c", "4", "--churn", path)
	benchOf(t, false, "-c", "4", "--text", `a\tb\x00`, "unix:"+path)

	// What people read; the line that shows how it goes on is for terminals.
	p := start(t, setup{}, "bench", "--warm", "10ms", "-d", "300ms", sv.Addr)
	if p.end() != 0 || p.Log.String() != "" {
		t.Errorf("a log:\n%s", p.Log)
	}
	for _, want := range []string{sv.Addr, "64 connections; ", "every byte checked", "99 %", "--rate shows what users would see"} {
		if !strings.Contains(p.Out.String(), want) {
			t.Errorf("%q is not in\n%s", want, p.Out)
		}
	}
}

// What is framed by the flags is framed for the server's settings, with the same
// names and defaults.
func TestBenchFramings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ settings, flags string }{
		{`open_eof_split = true`, `--framing eof`},
		{`open_eof_split = true, package_eof = "\n"`, `--framing eof --eof \n -s 300`},
		{`open_length_check = true`, `--framing length`},
		{`open_length_check = true, package_length_type = "v", package_length_offset = 3, package_body_offset = 1`,
			`--framing length --length-type v --length-offset 3 --body-offset 1`},
		{`package_length_text = { prefix = "*", digits = 5 }`, `--framing text --prefix * --digits 5`},
	} {
		sv := serve(t, setup{}, `
			server:set{ `+c.settings+` }
			function onReceive(server, fd, rid, data)
				server:send(fd, data)
				if #data ~= last and last then error("messages of " .. last .. " and " .. #data .. " bytes") end
				last = #data
			end
		`)
		benchOf(t, false, append(strings.Fields(c.flags), "-c", "3", "-p", "5", sv.Addr)...)
	}
}

// A server that answers wrongly is named with what is wrong, and where.
func TestBenchFindsFaults(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`data = data:sub(1, -2) .. "!"`: "message 9: altered: byte 63 of 64 is not what it should be",
		`data = ""`:                     "message 9: ",
		`data = data .. data`:           "message 10: doubled: message 9 came again in its place",
		`return server:close(fd)`:       "message 9: broken: the server closed the connection, 1 answers are missing",
		`require("co").sleep(600)`:      "message 9: unanswered: 0 of 64 bytes of the answer came, then nothing for 2s",
		`error("boom")`:                 "message 9: broken: the server closed the connection",
	} {
		sv := serve(t, setup{}, `
			local n = {}
			function onReceive(server, fd, rid, data)
				n[fd] = (n[fd] or 0) + 1
				if n[fd] == 10 then `+change+` end
				server:send(fd, data)
			end
		`)
		timeout := "2s"
		if !strings.Contains(want, "unanswered") && change != `data = ""` {
			timeout = "30s"
		}
		p := start(t, setup{}, quick("-c", "1", "--timeout", timeout, sv.Addr)...)
		if code := p.end(); code != 1 || !strings.Contains(p.Log.String(), "connection 0, "+want) || p.Out.String() != "" {
			t.Errorf("%s: exit code %d, want %q\n%s%s", change, code, want, p.Log, p.Out)
		}
		if strings.Contains(change, "sleep") { // it has to be cut short
			sv.quiet = true
			sv.cmd.Process.Kill()
		}
	}
}

func TestBenchScript(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{}, echoing)
	client := func(body string) string {
		return script(t, `
			local bench, client, co = require "bench", require "client", require "co"
			assert(bench.connections == 5)
			local r = bench.run(function(n) `+body+` end)
			print("done", r.messages > 0, r.latency.p99 > 0, arg[1])
		`)
	}
	connect := `
		local c = assert(client.connect(bench.host, bench.port))
		local text = "hello from " .. n
		return function() assert(c:send(text)) assert(c:recv() == text) end
	`
	for _, race := range []bool{false, true} {
		p := start(t, setup{race: race}, quick("-c", "5", "--script", client(connect), sv.Addr, "x")...)
		if code := p.end(); code != 0 || !strings.HasSuffix(p.Log.String(), "done\ttrue\ttrue\tx\n") || !strings.Contains(p.Out.String(), `"script":`) {
			t.Errorf("exit code %d\n%s%s", code, p.Log, p.Out)
		}
	}
	// Requests that are due while one waits are late: it counts.
	stalls := client(`
		local first = true
		return function() if first then first = false co.sleep(0.5) end end
	`)
	if r := benchOf(t, false, "-c", "5", "--rate", "400", "--warm", "0s", "-d", "1500ms", "--script", stalls, sv.Addr); r.Latency.P75 < 0.1 || r.Latency.Count < 590 || !r.Corrected {
		t.Errorf("a stall of 0.5 s: %+v", r)
	}
	for body, want := range map[string]string{
		`error("no setup")`: "no setup",
		`return 5`:          "setup(1) returned number: it must return the function",
		`return function() error("no answer") end`: "no answer",
		`co.sleep(600)`:                                   "5 of 5 setups have not returned within 300ms",
		`return function() co.sleep(600) end`:             "5 of 5 requests were not answered within 300ms of the end",
		`return function() bench.run(function() end) end`: "one load is measured at a time",
		`client.connect(bench.host, bench.port).none() `:  "none",
	} {
		timeout := "30s"
		if strings.Contains(want, "300ms") {
			timeout = "300ms"
		}
		p := start(t, setup{}, quick("-c", "5", "--timeout", timeout, "--script", client(body), sv.Addr)...)
		if code := p.end(); code != 1 || !strings.Contains(p.Log.String(), want) || p.Out.String() != "" {
			t.Errorf("%s: exit code %d, want %q\n%s%s", body, code, want, p.Log, p.Out)
		}
	}
	for text, want := range map[string]string{
		`print(1)`: "has ended without a call of bench.run",
		echoing:    "is a server: a client script runs by itself",
		`x x`:      "parse error near 'x'",
	} {
		p := start(t, setup{}, quick("--script", script(t, text), sv.Addr)...)
		if code := p.end(); code != 1 || !strings.Contains(p.Log.String(), want) {
			t.Errorf("%s: exit code %d, want %q\n%s", text, code, want, p.Log)
		}
	}
	alone(t, setup{}, `print(pcall(require("bench").run, print))`).expect(0, "false\tbench.run: only `swoon bench --script` says whom to load, and for how long\n")
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                     "whom?",
		":80 :81":                              "one server at a time",
		"80":                                   "is no address",
		"-c 0 :80":                             "--connections: 0 is not in",
		"-p 0 --rate -1 :80":                   "--pipeline: 0 is not in 1..65536\n  --rate: -1",
		"-s 1x :80":                            "--size 1x: it is no number of bytes",
		"-s 5 --text x :80":                    "a message has one of them",
		"--expect x :80":                       "--expect means something only with --text",
		"--eof x :80":                          "--eof means something only with --framing eof",
		"--framing length --digits 3 :80":      "--digits means something only with --framing text",
		"--framing lines :80":                  `--framing: "lines" is none of raw, eof, length, text`,
		"--text \\q :80":                       `\q is none of`,
		"--text \\x1 :80":                      `two hexadecimal digits must follow \x`,
		"--framing eof --eof a --text bab :80": "--text: a message of 3 bytes cannot be framed so",
		"--script x.lua -p 4 :80":              "--pipeline: with --script that is up to the script",
		"--core 5000 :80":                      "--core 5000",
		"-t 0 :80":                             "--threads 0: at least 1",
		"--churn -p 2 :80":                     "--pipeline: 2: a connection that lasts for one message has a pipeline of 1",
	} {
		p := start(t, setup{}, append([]string{"bench"}, strings.Fields(args)...)...)
		if code := p.end(); code != 2 || !strings.Contains(p.Log.String(), want) {
			t.Errorf("bench %s: exit code %d, want %q\n%s", args, code, want, p.Log)
		}
	}
	p := start(t, setup{}, "bench", ":1")
	if code := p.end(); code != 1 || !strings.Contains(p.Log.String(), "nobody listens on :1") {
		t.Errorf("exit code %d\n%s", code, p.Log)
	}
}

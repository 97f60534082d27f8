package main

import (
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"

	"swoon/scripting"
)

// What a server spends its time on, for the profile-guided build: short
// messages and long ones, frames, connections that come and go, scripts that
// compute and scripts that wait, in both modes.
var profiled = []struct{ script, flags string }{
	{echoScript, "-c 64"},
	{echoScript, "-c 64 -s 1k -p 16"},
	{echoScript, "-c 64 --churn"},
	{"server:set{ open_length_check = true }\n" + echoScript, "-c 64 -p 16 --framing length"},
	{"server:set{ open_eof_split = true, package_eof = '\\n' }\n" + echoScript, "-c 64 -p 4 --framing eof --eof \\n"},
	{`
		local json, co = require "json", require "co"
		server:set{ open_eof_split = true, package_eof = "\n" }
		local seen = {}
		function onReceive(server, fd, rid, data)
			local words, n = {}, 0
			for word in data:gmatch("%w+") do
				n = n + 1
				words[n] = word:upper()
				seen[word] = (seen[word] or 0) + 1
			end
			local s = server:session(fd)
			s.count = (s.count or 0) + n
			local back = json.decode(json.encode{ words = words, count = n })
			table.sort(back.words, function(a, b) return a < b end)
			if n % 2 == 0 then co.sleep(0) end
			assert(#back.words == n, table.concat(back.words, ","))
			server:send(fd, data)
		end`, `-c 32 -p 2 --framing eof --eof \n --text some_words_with_1234_and_more_of_them`},
}

const echoScript = `function onReceive(server, fd, rid, data) server:send(fd, data) end`

// TestProfile writes the profile that the build is guided by to the file that
// SWOON_PROFILE names; `make profile` runs it. SWOON_BIN makes the load, in a
// process of its own.
func TestProfile(t *testing.T) {
	out := os.Getenv("SWOON_PROFILE")
	if out == "" {
		t.Skip("SWOON_PROFILE names no file")
	}
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debug.SetGCPercent(400) // as serve does
	type running struct {
		h     *scripting.Host
		flags string
	}
	var all []running
	for _, mode := range []string{"base", "process"} {
		for _, p := range profiled {
			script := filepath.Join(t.TempDir(), "app.lua")
			if err := os.WriteFile(script, []byte(p.script), 0o644); err != nil {
				t.Fatal(err)
			}
			h, err := scripting.New(scripting.Options{
				Script: script, Modules: modules, Out: io.Discard, NoReload: true, NewHistogram: newHistogram,
				Flags: [][2]string{{"port", "0"}, {"mode", mode}, {"worker_num", "1"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Start(slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				h.RequestStop(0)
				h.Wait()
			}()
			all = append(all, running{h, p.flags})
		}
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	for _, r := range all {
		args := append([]string{"bench", "-q", "-d", "2s"}, strings.Fields(r.flags)...)
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "_", " ")
		}
		if text, err := exec.Command(os.Getenv("SWOON_BIN"), append(args, r.h.Addr().String())...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
}

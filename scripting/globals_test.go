package scripting

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestUndefinedGlobals(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("util.lua", "shared = 1\nlocal M = {}\nfunction M.f() return sharde end\nreturn M\n")
	write("app.lua", `local util = require "util"
_G.dynamic = 1
limit = 10
function helper() return limit + shared + dynamic end
function onReceive(server, fd)
  totl = helper()
  print(totl, limti, string.format, unknown_thing)
  local function inner() limit = 11 return limit end
end`)
	h, err := New(Options{Script: filepath.Join(dir, "app.lua"), Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"app.lua:6: assignment to undefined global 'totl' inside a function (write local, or define it at the top level)",
		"app.lua:7: undefined global 'totl'",
		"app.lua:7: undefined global 'limti' (did you mean 'limit'?)",
		"app.lua:7: undefined global 'unknown_thing'",
		"util.lua:3: undefined global 'sharde' (did you mean 'shared'?)",
	}
	got := h.Undefined()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

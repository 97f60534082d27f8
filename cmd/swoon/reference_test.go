package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/manual"

	"github.com/yuin/gopher-lua/parse"
)

// The reference pages are written from the declarations, so that neither can
// say what the other does not. SWOON_WRITE_DOCS=1 go test ./cmd/swoon writes
// them.
func TestReferencePages(t *testing.T) {
	const dir = "../../docs/reference"
	pages := manual.Pages(scripting.NewReference(modules))
	if os.Getenv("SWOON_WRITE_DOCS") != "" {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	const how = ": SWOON_WRITE_DOCS=1 go test ./cmd/swoon writes the pages"
	for name, text := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v%s", err, how)
		} else if string(got) != text {
			t.Errorf("docs/reference/%s does not say what the declarations say%s", name, how)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := pages[e.Name()]; !ok {
			t.Errorf("docs/reference/%s belongs to nothing%s", e.Name(), how)
		}
	}
}

var (
	annotation = regexp.MustCompile(`(?m)^---@(param|return|field|class|type) (.*)$`)
	basic      = strings.Fields("nil any boolean true false string number integer function table fun")
)

// Every stub is Lua, and names no type that is not there.
func TestStubs(t *testing.T) {
	stubs := manual.Stubs(scripting.NewReference(modules))
	known := slices.Clone(basic)
	for _, text := range stubs {
		for _, m := range annotation.FindAllStringSubmatch(text, -1) {
			if m[1] == "class" {
				known = append(known, m[2])
			}
		}
	}
	for name, text := range stubs {
		if _, err := parse.Parse(strings.NewReader(text), name); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		for _, m := range annotation.FindAllStringSubmatch(text, -1) {
			fields := strings.Fields(m[2])
			kind := fields[0]
			switch m[1] {
			case "class":
				continue
			case "param", "field":
				kind = fields[1]
			}
			kind = strings.ReplaceAll(kind, "fun(...):", "fun")
			for atom := range strings.SplitSeq(kind, "|") {
				if atom = strings.TrimSuffix(strings.TrimSuffix(atom, "?"), "[]"); !slices.Contains(known, atom) {
					t.Errorf("%s: there is no type %q in %q", name, atom, m[0])
				}
			}
		}
	}
	for _, m := range modules {
		text := stubs[m.Name+".lua"]
		if !strings.HasPrefix(text, "---@meta "+m.Name+"\n") {
			t.Errorf("the stub of %s does not name its module", m.Name)
		}
		for _, f := range m.Funcs {
			if f.Doc == "" {
				t.Errorf("%s.%s has no doc", m.Name, f.Name)
			}
			if !strings.Contains(text, "."+f.Name+"(") && !strings.Contains(text, `["`+f.Name+`"] = function(`) {
				t.Errorf("the stub of %s has no %s", m.Name, f.Name)
			}
		}
	}
}

// swoon stubs writes the files, and leaves a configuration alone that is there.
func TestStubsCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	run := func() string {
		var out bytes.Buffer
		code := 0
		root := commands(&code)
		root.SetOut(&out)
		root.SetArgs([]string{"stubs", "lib/stubs"})
		if err := root.Execute(); err != nil || code != 0 {
			t.Fatal(err, code)
		}
		return out.String()
	}
	if got := run(); !strings.Contains(got, ".luarc.json written") {
		t.Errorf("the first time it says\n%s", got)
	}
	for _, name := range []string{"server.lua", "json.lua", "base.lua"} {
		if _, err := os.Stat(filepath.Join("lib/stubs", name)); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(".luarc.json"); err != nil || !strings.Contains(string(text), `["lib/stubs"]`) {
		t.Errorf("the configuration is %s, %v", text, err)
	}
	if err := os.WriteFile(".luarc.json", []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := run(); !strings.Contains(got, `.luarc.json is there already: "workspace.library" in it must name "lib/stubs"`) {
		t.Errorf("the second time it says\n%s", got)
	}
	if text, _ := os.ReadFile(".luarc.json"); string(text) != "{}" {
		t.Errorf("the configuration was overwritten with %s", text)
	}
}

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every example says what it shows, how to run it and what to type; swoon finds
// no fault with it, and a story runs it.
func TestEveryScriptIsAnExample(t *testing.T) {
	t.Parallel()
	var stories strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name != "scripts_test.go" {
			stories.WriteString(read(t, name))
		}
	}
	entries, err := os.ReadDir("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".lua") {
			t.Errorf("what is scripts/%s?", name)
			continue
		}
		path := "../scripts/" + name
		var header strings.Builder
		for line := range strings.Lines(read(t, path)) {
			if !strings.HasPrefix(line, "--") {
				break
			}
			header.WriteString(line)
		}
		for _, want := range []string{"-- " + name + ": ", "--   swoon scripts/" + name} {
			if !strings.Contains(header.String(), want) {
				t.Errorf("the comment at the top of %s does not say %q:\n%s", name, want, header.String())
			}
		}
		if !strings.Contains(stories.String(), `"../scripts/`+name) && !strings.Contains(stories.String(), `"`+name+`"`) {
			t.Errorf("no story runs %s", name)
		}
		if out, err := exec.Command(binary(t, false), "check", path).CombinedOutput(); err != nil {
			t.Errorf("swoon check %s: %v\n%s", name, err, out)
		}
	}
}

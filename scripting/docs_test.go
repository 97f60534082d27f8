package scripting

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The settings page is written from the table of settings, so that neither can
// say what the other does not. SWOON_WRITE_DOCS=1 go test ./scripting writes it.
func TestSettingsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nGiven to `server:set{...}` at the top level of a script, or on the command line as `--set name=value`.\n" +
		"Sizes are bytes, or text such as `\"2M\"`; times are seconds unless a name says otherwise. A wrong value, an unknown name and a setting\n" +
		"that this version does not have are errors, all of them reported together.\n\n" +
		"<!-- written by go test ./scripting from scripting/settings.go -->\n\n| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settingTable {
		b.WriteString("| `" + s.name + "` | " + s.def + " | " + s.doc + " |\n")
	}
	b.WriteString("\nOld names: ")
	for i, alias := range slices.Sorted(maps.Keys(settingAliases)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + alias + "` (" + settingAliases[alias] + ")")
	}
	b.WriteString(".\n")
	const path = "../docs/settings.md"
	if os.Getenv("SWOON_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s does not say what the table of settings says: SWOON_WRITE_DOCS=1 go test ./scripting writes it", path)
	}
}

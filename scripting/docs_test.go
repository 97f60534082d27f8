package scripting

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

var (
	wanted = regexp.MustCompile(`': (.+?)(?: \(or .*\))? expected, got`)
	within = regexp.MustCompile(`is not (?:0 or )?in (\S+\.\.\S+)`)
)

// takes says what a setting wants, in the words in which it refuses what it does
// not want; "" where the doc has to say it.
func takes(name string) (text string) {
	if _, fault := set(name, &lua.LTable{}); wanted.MatchString(fault) {
		text = wanted.FindStringSubmatch(fault)[1]
	}
	if _, fault := set(name, lua.LNumber(-1e300)); strings.Contains(text, "number") && within.MatchString(fault) {
		text += " " + within.FindStringSubmatch(fault)[1]
	}
	return text
}

// The settings page is written from the table of settings, so that neither can
// say what the other does not. SWOON_WRITE_DOCS=1 go test ./scripting writes it.
func TestSettingsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nGiven to `server:set{...}` at the top level of a script, or on the command line as `--set name=value`.\n" +
		"Sizes are bytes, or text such as `\"2M\"`; times are seconds unless a name says otherwise. A wrong value, an unknown name and a setting\n" +
		"that this version does not have are errors, all of them reported together.\n\n" +
		"A setting *of a port* is one of the server's own port when the server sets it, and of every port that sets nothing itself. A change\n" +
		"that a reload cannot make is refused, with everything else of that reload.\n\n" +
		"<!-- written by go test ./scripting from scripting/settings.go -->\n\n| setting | takes | default | of | changes by a reload | meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range settingTable {
		of, live := "the server", "yes"
		if s.port != nil {
			of = "a port"
		}
		if s.fixed != "" {
			live = "no: " + s.fixed
		}
		if s.isAddress() {
			live = "yes: another port takes its place"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", s.name, takes(s.name), s.def, of, live, s.doc)
	}
	b.WriteString("\nOld names: ")
	for i, alias := range slices.Sorted(maps.Keys(settingAliases)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + alias + "` (" + settingAliases[alias] + ")")
	}
	b.WriteString(".\n\n## Taken, and without effect\n\nSettings of Swoole that have nothing to do here; a notice in the log says so.\n\n| setting | why |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(idleSettings)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, idleSettings[name])
	}
	b.WriteString("\n## Refused\n\nSettings of Swoole that are an error here, which says why.\n\n| settings | each |\n|---|---|\n")
	for _, r := range refusals {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(strings.Fields(r.names), "`, `"), r.why)
	}
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

package tests

// The arrows between packages, and what may stand at the root of the
// repository. Both are looked at as the code is, not as a page says it should
// be; the rules themselves are plain functions, so that a test can show them
// refusing something.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// importRule says what the packages of one part of the tree may import.
type importRule struct {
	part    string   // import path; it covers what lies below, too
	allowed []string // beyond the part itself and std; "/..." covers what lies below, "*" any library
	refused []string // of what would be allowed otherwise
	because string
}

// importRules is looked through from the top; the first part that covers a
// package decides. Code under test only: test files may import what they like.
var importRules = []importRule{
	{
		part:    "swoon/engine/frame",
		refused: []string{"net/...", "os/...", "syscall/...", "time"},
		because: "framers are pure functions over bytes: std only, and nothing that reaches the kernel or a clock",
	},
	{
		part:    "swoon/engine",
		allowed: []string{"golang.org/x/sys/unix"},
		because: "the engine knows std and x/sys/unix, and never Lua; what needs a library is an interface that cmd wires",
	},
	{
		part:    "swoon/scripting",
		allowed: []string{"swoon/engine/...", "github.com/yuin/gopher-lua/...", "github.com/fsnotify/fsnotify"},
		because: "scripting sees the engine, the Lua machine and the file watcher; system calls are the engine's",
	},
	{
		part:    "swoon/stdlib",
		allowed: []string{"swoon/scripting/...", "swoon/engine/frame", "github.com/yuin/gopher-lua/..."},
		because: "a Lua module reaches the host through scripting only, and may use the pure framers",
	},
	{
		part:    "swoon/cmd",
		allowed: []string{"swoon/engine/...", "swoon/scripting/...", "swoon/stdlib/...", "*"},
		because: "what runs does not lean on what tests it",
	},
	{
		part:    "swoon/tests",
		allowed: []string{"swoon/engine/...", "swoon/scripting/...", "swoon/stdlib/...", "*"},
		because: "tests look at the parts of the tree that have a rule",
	},
}

// covers reports whether pattern, an import path with or without "/...",
// covers path.
func covers(pattern, path string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return path == pattern
}

func coveredByAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, path) })
}

// isOwn and isStd sort import paths: std's first element has no dot in it.
func isOwn(path string) bool { return covers("swoon/...", path) }

func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !isOwn(path) && path != "C" && !strings.Contains(first, ".")
}

// forbidden says why package from may not import to; "" means that it may.
func forbidden(from, to string) string {
	if covers("swoon/cmd/...", to) && !covers("swoon/cmd/...", from) {
		return "nobody imports cmd: it is where everything is wired, so it comes last"
	}
	if to == "C" {
		return "the binary is static and built without cgo"
	}
	for _, rule := range importRules {
		if !covers(rule.part+"/...", from) {
			continue
		}
		if coveredByAny(rule.refused, to) {
			return rule.because
		}
		if isStd(to) || covers(rule.part+"/...", to) || coveredByAny(rule.allowed, to) {
			return ""
		}
		if !isOwn(to) && slices.Contains(rule.allowed, "*") {
			return ""
		}
		return rule.because
	}
	return "no rule covers this package: give its part of the tree one in tests/imports_test.go"
}

// linkname matches the directive as the compiler reads it: at the start of a line.
var linkname = regexp.MustCompile(`(?m)^//go:linkname\b`)

// mayLinkname reports whether the Go file at path, relative to the root and
// with slashes, may bind itself to names that other packages do not export.
func mayLinkname(path string) bool {
	return strings.HasPrefix(path, "scripting/vm/internal/inside/")
}

func TestImports(t *testing.T) {
	t.Parallel()
	type listed struct {
		ImportPath string
		Imports    []string
		Error      *struct{ Err string }
	}
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Error", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	edges := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("what go list printed cannot be read: %v", err)
		}
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		for _, to := range p.Imports {
			edges++
			if why := forbidden(p.ImportPath, to); why != "" {
				t.Errorf("%s imports %s\n\t%s", p.ImportPath, to, why)
			}
		}
	}
	if edges == 0 {
		t.Error("go list showed no import at all: this test looks in the wrong place")
	}
}

func TestLinkname(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (rel == ".git" || rel == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") || mayLinkname(rel) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil && linkname.Match(text) {
			t.Errorf("%s uses go:linkname; only scripting/vm/internal/inside may", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestImportRulesRefuse shows that the rules can fail, edge by edge, and that
// they let pass what the code needs.
func TestImportRulesRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"swoon/engine", "swoon/engine/frame", true},
		{"swoon/engine", "golang.org/x/sys/unix", true},
		{"swoon/engine", "net/netip", true},
		{"swoon/engine", "golang.org/x/sys/cpu", false},
		{"swoon/engine", "github.com/yuin/gopher-lua", false},
		{"swoon/engine", "swoon/scripting", false},
		{"swoon/engine", "swoon/stdlib/json", false},
		{"swoon/engine", "C", false},
		{"swoon/engine/poll", "swoon/scripting", false},
		{"swoon/engine/frame", "encoding/binary", true},
		{"swoon/engine/frame", "bytes", true},
		{"swoon/engine/frame", "syscall", false},
		{"swoon/engine/frame", "os", false},
		{"swoon/engine/frame", "os/signal", false},
		{"swoon/engine/frame", "net", false},
		{"swoon/engine/frame", "time", false},
		{"swoon/engine/frame", "golang.org/x/sys/unix", false},
		{"swoon/engine/frame", "swoon/engine", false},
		{"swoon/engine/frames", "golang.org/x/sys/unix", true}, // another package, by name only alike
		{"swoon/scripting", "swoon/engine", true},
		{"swoon/scripting", "swoon/engine/frame", true},
		{"swoon/scripting", "swoon/scripting/vm", true},
		{"swoon/scripting", "github.com/fsnotify/fsnotify", true},
		{"swoon/scripting/vm", "github.com/yuin/gopher-lua/parse", true},
		{"swoon/scripting", "golang.org/x/sys/unix", false},
		{"swoon/scripting", "swoon/stdlib", false},
		{"swoon/scripting", "github.com/yuin/gopher-lua2", false},
		{"swoon/stdlib/json", "swoon/scripting", true},
		{"swoon/stdlib/json", "swoon/scripting/vm", true},
		{"swoon/stdlib/json", "swoon/stdlib/internal/text", true},
		{"swoon/stdlib/pack", "swoon/engine/frame", true},
		{"swoon/stdlib/pack", "swoon/engine/frame/deep", false},
		{"swoon/stdlib/client", "swoon/engine", false},
		{"swoon/stdlib/client", "golang.org/x/sys/unix", false},
		{"swoon/cmd/swoon", "github.com/spf13/cobra", true},
		{"swoon/cmd/swoon", "swoon/engine", true},
		{"swoon/cmd/swoon", "swoon/stdlib", true},
		{"swoon/cmd/swoon", "swoon/tests", false},
		{"swoon/tests", "swoon/scripting", true},
		{"swoon/tests/host", "github.com/rogpeppe/go-internal/testscript", true},
		{"swoon/tests", "swoon/cmd/swoon", false},
		{"swoon/stdlib", "swoon/cmd/swoon/flags", false},
		{"swoon/extra", "fmt", false},
	} {
		why := forbidden(c.from, c.to)
		if c.ok && why != "" {
			t.Errorf("%s -> %s is refused: %s", c.from, c.to, why)
		}
		if !c.ok && why == "" {
			t.Errorf("%s -> %s passes", c.from, c.to)
		}
	}

	directive := "//go:" + "linkname now time.now"
	if !linkname.MatchString("package x\n\n" + directive + "\n") {
		t.Error("a directive is not recognised")
	}
	if linkname.MatchString("package x\n\n// says " + directive + "\n") {
		t.Error("a word in a comment is taken for a directive")
	}
	if mayLinkname("engine/loop.go") || mayLinkname("scripting/vm/internal/insider.go") || !mayLinkname("scripting/vm/internal/inside/pc.go") {
		t.Error("the exception covers something else than scripting/vm/internal/inside")
	}
}

// rootNames is what may stand at the root of the repository, beside dot files.
var rootNames = []string{
	"LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
	"cmd", "docs", "engine", "scripting", "scripts", "stdlib", "tests",
}

// strangers returns the first elements of files that do not belong at the root.
func strangers(files []string) []string {
	var out []string
	for _, f := range files {
		top, _, _ := strings.Cut(f, "/")
		if top != "" && top[0] != '.' && !slices.Contains(rootNames, top) && !slices.Contains(out, top) {
			out = append(out, top)
		}
	}
	return out
}

func TestRootLayout(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../.git"); err != nil {
		t.Skip("not a git checkout: what belongs to the project cannot be told from what was built")
	}
	// A checkout may belong to somebody else than the one who tests it.
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, name := range strangers(strings.Split(string(out), "\x00")) {
		t.Errorf("%s does not belong at the root; it holds only dot files and %s", name, strings.Join(rootNames, ", "))
	}
}

func TestRootLayoutRefuses(t *testing.T) {
	t.Parallel()
	got := strangers([]string{"engine/loop.go", ".ci/run", "README.md", "bin/swoon", "notes.txt", "bin/barego", "cmdline/x.go", ""})
	if want := []string{"bin", "notes.txt", "cmdline"}; !slices.Equal(got, want) {
		t.Errorf("strangers are %s, want %s", fmt.Sprint(got), fmt.Sprint(want))
	}
}

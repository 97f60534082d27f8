package tests

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// failure is what a method answers false with.
type failure struct {
	name, text string
	code       int
}

// failures reads every failure that has a name from the code itself.
func failures(t *testing.T) (list []failure) {
	t.Helper()
	set := token.NewFileSet()
	for _, dir := range []string{"../engine", "../scripting", "../stdlib"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.CompositeLit); ok && isErrno(lit.Type) {
					if f, ok := readFailure(lit); ok {
						list = append(list, f)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func isErrno(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name == "Errno"
	case *ast.SelectorExpr:
		return x.Sel.Name == "Errno"
	}
	return false
}

// readFailure reads a literal whose name, number and text are written there; one
// that is made from others at run time has their name.
func readFailure(lit *ast.CompositeLit) (f failure, ok bool) {
	values := map[string]ast.Expr{}
	for i, e := range lit.Elts {
		if kv, keyed := e.(*ast.KeyValueExpr); keyed {
			values[kv.Key.(*ast.Ident).Name] = kv.Value
		} else {
			values[[]string{"Name", "Code", "Text"}[i]] = e
		}
	}
	text := func(name string) (string, bool) {
		b, ok := values[name].(*ast.BasicLit)
		if !ok {
			return "", false
		}
		if b.Kind != token.STRING {
			return b.Value, true
		}
		s, err := strconv.Unquote(b.Value)
		return s, err == nil
	}
	f.name, ok = text("Name")
	number, ok2 := text("Code")
	f.code, _ = strconv.Atoi(number)
	f.text, _ = text("Text")
	return f, ok && ok2
}

// The page of failures is written from the code, so that none is missing.
// SWOON_WRITE_DOCS=1 go test -run FailuresPage ./tests
// writes it.
func TestFailuresPage(t *testing.T) {
	t.Parallel()
	numbers, texts := map[string][]int{}, map[string][]string{}
	for _, f := range failures(t) {
		if !slices.Contains(numbers[f.name], f.code) {
			numbers[f.name] = append(numbers[f.name], f.code)
		}
		if f.text != "" && !slices.Contains(texts[f.name], f.text) {
			texts[f.name] = append(texts[f.name], f.text)
		}
	}
	names := slices.Collect(maps.Keys(numbers))
	for _, name := range names {
		slices.Sort(numbers[name])
		slices.Sort(texts[name])
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.Compare(numbers[a], numbers[b]), strings.Compare(a, b))
	})
	var b strings.Builder
	b.WriteString("# Failures\n\nA method that fails answers `false`, or `nil` where `false` could be an answer, then a name that does not change\n" +
		"and a sentence for people, which may tell more than the one here. `server:getLastError()` is the number of the last\n" +
		"failure on this worker: Swoole's where Swoole has one for it, else the system's, else one of a group. Names tell more\n" +
		"failures apart than numbers do; what several parts have in common has one name, and sometimes a number for each.\n\n" +
		"<!-- written by go test ./tests from the code -->\n\n| number | name | what it says |\n|---|---|---|\n")
	for _, name := range names {
		var n []string
		for _, code := range numbers[name] {
			n = append(n, strconv.Itoa(code))
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", strings.Join(n, ", "), name, strings.Join(texts[name], "; "))
	}
	const path = "../docs/errors.md"
	if os.Getenv("SWOON_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("%s does not say what the code says: SWOON_WRITE_DOCS=1 go test -run FailuresPage ./tests writes it (%v)", path, err)
	}
}

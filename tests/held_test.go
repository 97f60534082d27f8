package tests

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"swoon/scripting"
)

// Every setting, callback, method and field of the server is held by a story
// that fails when it is ignored; heldBy names one of each, found by ignoring them
// one after the other. A new name needs a
// story, and a row in held_names_test.go.

// names are all there are, with what they are and how a script writes them.
func scriptNames() map[string]*regexp.Regexp {
	r := scripting.NewReference(nil)
	list := map[string]*regexp.Regexp{}
	add := func(kind, name, pattern string) { list[kind+" "+name] = regexp.MustCompile(pattern) }
	for _, s := range r.Settings {
		add("setting", s.Name, `\b`+s.Name+`\b`)
	}
	for _, c := range r.Callbacks {
		bare := strings.TrimPrefix(c.Name, "on")
		add("callback", c.Name, `\bon`+bare+`\b|(?i)"(on)?`+bare+`"`)
	}
	for _, m := range r.Server.Methods {
		add("method", m.Name, `[:.]`+m.Name+`\b`)
	}
	for alias := range r.Server.Aliases {
		add("method", alias, `[:.]`+alias+`\b`)
	}
	for _, f := range r.Server.Fields {
		add("field", f.Name, `\.`+f.Name+`\b`)
	}
	return list
}

func TestEveryNameIsHeld(t *testing.T) {
	t.Parallel()
	names := scriptNames()
	story := stories(t)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		by := heldBy[name]
		switch text, ok := story(by); {
		case by == "":
			t.Errorf("%s: no story fails when it is ignored: write one, and name it in heldBy", name)
		case !ok:
			t.Errorf("%s: heldBy names %s, and there is no such story", name, by)
		case !names[name].MatchString(text):
			t.Errorf("%s: heldBy names %s, which does not mention it", name, by)
		}
	}
	for name := range heldBy {
		if names[name] == nil {
			t.Errorf("%s: heldBy names what there is not", name)
		}
	}
}

// stories gives the text of a test, with that of all it uses in its directory:
// TestX of this one, scripting.TestX of that one; or of a file in testdata.
func stories(t *testing.T) func(name string) (text string, ok bool) {
	t.Helper()
	source := map[string]string{} // what is declared at the top level, by name
	for _, prefix := range []string{"", "scripting."} {
		set := token.NewFileSet()
		paths, err := filepath.Glob(filepath.Join("..", cmp.Or(strings.TrimSuffix(prefix, "."), "tests"), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b := read(t, path)
			file, err := parser.ParseFile(set, path, b, 0)
			if err != nil {
				t.Fatal(err)
			}
			add := func(name string, n ast.Node) {
				source[prefix+name] += b[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset]
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					add(f.Name.Name, f)
					continue
				}
				for _, spec := range d.(*ast.GenDecl).Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, n := range v.Names {
							add(n.Name, v)
						}
					}
				}
			}
		}
	}
	word, script := regexp.MustCompile(`\w+`), regexp.MustCompile(`\w+\.lua`)
	var collect func(prefix, name string, seen map[string]bool) string
	collect = func(prefix, name string, seen map[string]bool) string {
		text := source[prefix+name]
		if seen[name] || text == "" {
			return ""
		}
		seen[name] = true
		all := text
		for _, w := range word.FindAllString(text, -1) {
			all += collect(prefix, w, seen)
		}
		for _, file := range script.FindAllString(text, -1) {
			if b, err := os.ReadFile(filepath.Join("../scripts", file)); err == nil {
				all += string(b)
			}
		}
		return all
	}
	return func(name string) (string, bool) {
		if strings.HasPrefix(name, "testdata/") {
			b, err := os.ReadFile(name)
			return string(b), err == nil
		}
		prefix, bare := "", name
		if rest, ok := strings.CutPrefix(name, "scripting."); ok {
			prefix, bare = "scripting.", rest
		}
		// What every story uses says nothing of this one.
		text := collect(prefix, bare, map[string]bool{"heldBy": true, "launch": true, "server": true})
		return text, text != "" && strings.HasPrefix(bare, "Test")
	}
}

package scripting

import (
	"strings"
	"testing"
)

// What a script can use is documented, and what is documented is there.
func TestReferenceIsComplete(t *testing.T) {
	r := NewReference(nil)
	known := map[string]bool{}
	for _, m := range r.Server.Methods {
		known[m.Name] = true
		if m.Returns == "" || m.Doc == "" {
			t.Errorf("server:%s has no doc or no results: methodReturns in reference.go", m.Name)
		}
	}
	for _, f := range r.Server.Fields {
		known[f.Name] = true
	}
	for alias := range r.Server.Aliases {
		known[alias] = true
	}
	so := newVM(t).server
	for name := range so.builtin {
		if !known[name] {
			t.Errorf("server.%s is not documented: serverFields in reference.go", name)
		}
	}
	for name := range known {
		if !so.builtin[name] {
			t.Errorf("server.%s is documented, and is not there", name)
		}
	}
	documented := map[string]bool{}
	for _, c := range r.Callbacks {
		documented[c.Name] = true
		if c.Params[0] != theServer || !strings.HasSuffix(c.Doc, ".") {
			t.Errorf("%s is documented as %v %q", c.Name, c.Params, c.Doc)
		}
	}
	for e := range numEvents {
		if !documented[e.String()] {
			t.Errorf("%s is not documented: callbackDocs in reference.go", e)
		}
	}
}

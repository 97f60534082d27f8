package manual

import (
	"fmt"
	"sort"
	"strings"

	"swoon/scripting"
)

// Pages are the reference pages, by name: README.md, server.md, callbacks.md
// and one for each module.
func Pages(r scripting.Reference) map[string]string {
	pages := map[string]string{"server.md": serverPage(r), "callbacks.md": callbacksPage(r)}
	index := new(page)
	index.line("# Reference")
	index.note()
	index.line("")
	index.line("| page | what |")
	index.line("|---|---|")
	index.line("| [server](server.md) | the global `server`: methods and fields |")
	index.line("| [callbacks](callbacks.md) | the functions that Swoon calls |")
	index.line("| [settings](../settings.md) | what `server:set` takes |")
	modules := append([]scripting.Module(nil), r.Modules...)
	sort.Slice(modules, func(i, j int) bool { return modules[i].Name < modules[j].Name })
	for _, m := range modules {
		pages[m.Name+".md"] = modulePage(m)
		index.line("| [%s](%s.md) | %s |", m.Name, m.Name, firstSentence(m.Doc))
	}
	index.line("")
	index.line("`swoon stubs DIR` writes the same for editors that use the Lua language server.")
	pages["README.md"] = index.String()
	return pages
}

// page is one page being written.
type page struct{ strings.Builder }

func (b *page) line(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	b.WriteString(format + "\n")
}

// note says where the page comes from.
func (b *page) note() {
	b.line("")
	b.line("<!-- written by SWOON_WRITE_DOCS=1 go test ./cmd/swoon from the declarations in Go -->")
}

func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, "."), ":")
}

// signature is how a call is written: name(a, b?, ...) → results.
func signature(prefix string, f scripting.Func) string {
	var names []string
	for _, p := range f.Params {
		name := p.Name
		if strings.HasSuffix(p.Type, "?") {
			name += "?"
		}
		names = append(names, name)
	}
	return prefix + f.Name + "(" + strings.Join(names, ", ") + ")"
}

// function writes one function or method.
func (b *page) function(level, prefix string, f scripting.Func) {
	b.line("")
	b.line("%s `%s`", level, signature(prefix, f))
	b.line("")
	var kinds []string
	for _, p := range f.Params {
		if p.Name != "..." && strings.TrimSuffix(p.Type, "?") != "any" {
			kinds = append(kinds, "`"+p.Name+"` "+strings.TrimSuffix(p.Type, "?"))
		}
	}
	about := strings.Join(kinds, ", ")
	if f.Returns != "" {
		if about != "" {
			about += " "
		}
		about += "→ `" + f.Returns + "`"
	}
	if about != "" {
		b.line("%s", about)
		b.line("")
	}
	b.line("%s", f.Doc)
}

func (b *page) object(t *scripting.Type) {
	b.line("")
	b.line("## %s", t.Name)
	b.line("")
	b.line("%s", t.Doc)
	if len(t.Fields) > 0 {
		b.line("")
		b.line("| field | type |")
		b.line("|---|---|")
		for _, f := range t.Fields {
			b.line("| `%s` | `%s` |", f.Name, strings.ReplaceAll(f.Type, "|", "\\|"))
		}
	}
	for _, m := range t.Methods {
		b.function("###", t.Name+":", m)
	}
}

func modulePage(m scripting.Module) string {
	b := new(page)
	b.line("# %s", m.Name)
	b.note()
	b.line("")
	b.line("`local %s = require %q`", m.Name, m.Name)
	b.line("")
	b.line("%s", m.Doc)
	for _, f := range m.Funcs {
		b.function("##", m.Name+".", f)
	}
	if len(m.Values) > 0 {
		b.line("")
		b.line("## Constants")
		b.line("")
		names := sortedValues(m.Values)
		for i, name := range names {
			names[i] = "`" + name + "`"
		}
		b.line("%s", strings.Join(names, ", "))
	}
	for _, t := range m.Types {
		b.object(t)
	}
	if len(m.Later) > 0 {
		b.line("")
		b.line("Not in this version: `%s`.", strings.Join(m.Later, "`, `"))
	}
	return b.String()
}

func serverPage(r scripting.Reference) string {
	b := new(page)
	b.line("# server")
	b.note()
	b.line("")
	b.line("%s", r.Server.Doc)
	b.line("")
	b.line("| field | type | what |")
	b.line("|---|---|---|")
	for _, f := range r.Server.Fields {
		b.line("| `%s` | `%s` | %s |", f.Name, f.Type, f.Doc)
	}
	for _, m := range r.Server.Methods {
		b.function("##", "server:", m)
	}
	b.line("")
	b.line("## Old names")
	b.line("")
	var old []string
	for alias, name := range r.Server.Aliases {
		old = append(old, "`"+alias+"` (`"+name+"`)")
	}
	sort.Strings(old)
	b.line("%s.", strings.Join(old, ", "))
	for _, t := range r.Types {
		b.object(t)
	}
	return b.String()
}

func callbacksPage(r scripting.Reference) string {
	b := new(page)
	b.line("# Callbacks")
	b.note()
	b.line("")
	b.line("Global functions of the script, or functions given to `server:on` by the name of their event. Every callback may wait; the next event of its session waits for it.")
	for _, c := range r.Callbacks {
		b.function("##", "", c)
	}
	return b.String()
}

// Package manual writes what scripting declares for people and editors: stub
// files for the Lua language server, and reference pages.
package manual

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// Stubs are the stub files of the Lua language server (LuaLS), by name: one for
// each module, server.lua for the server and the callbacks, base.lua for what
// Swoon's Lua has beyond Lua 5.1.
func Stubs(r scripting.Reference) map[string]string {
	files := map[string]string{"server.lua": serverStub(r), "base.lua": baseStub}
	for _, m := range r.Modules {
		files[m.Name+".lua"] = moduleStub(m)
	}
	return files
}

// stub is one file being written.
type stub struct{ strings.Builder }

func (b *stub) line(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	b.WriteString(format + "\n")
}

// doc writes text as comment lines.
func (b *stub) doc(text string) {
	for l := range strings.SplitSeq(text, "\n") {
		b.line("---%s", l)
	}
}

// words are the keywords of Lua, which cannot be names.
var words = strings.Fields("and break do else elseif end false for function goto if in local nil not or repeat return then true until while")

func isWord(s string) bool { return slices.Contains(words, s) }

// types writes a declared type as LuaLS wants it.
func types(s string) string {
	switch s {
	case "function":
		return "fun(...): any"
	case "function?":
		return "nil|fun(...): any"
	}
	return s
}

// fn writes a function under a table's name, "." or ":" between them.
func (b *stub) fn(owner, sep string, f scripting.Func) {
	b.line("")
	b.doc(f.Doc)
	var names []string
	for _, p := range f.Params {
		kind, optional := strings.CutSuffix(p.Type, "?")
		if p.Name == "..." {
			b.line("---@param ... any")
			names = append(names, "...")
			continue
		}
		name := p.Name
		if isWord(name) {
			name += "_"
		}
		names = append(names, name)
		if optional || kind == "any" {
			name += "?"
		}
		b.line("---@param %s %s", name, types(kind))
	}
	for _, r := range Results(f.Returns) {
		b.line("---@return %s", r)
	}
	args := strings.Join(names, ", ")
	switch {
	case isWord(f.Name) && sep == ":":
		b.line("%s[%q] = function(self%s) end", owner, f.Name, strings.Join(append([]string{""}, names...), ", "))
	case isWord(f.Name):
		b.line("%s[%q] = function(%s) end", owner, f.Name, args)
	case owner == "":
		b.line("function %s(%s) end", f.Name, args)
	default:
		b.line("function %s%s%s(%s) end", owner, sep, f.Name, args)
	}
}

// Results splits the results of a declaration: "string|false, ..." has two.
func Results(s string) (list []string) {
	if s == "" {
		return nil
	}
	for part := range strings.SplitSeq(s, ", ") {
		if rest, ok := strings.CutPrefix(part, "..."); ok {
			part = "any ..."
			if rest != "" {
				part = rest + " ..."
			}
		}
		list = append(list, types(part))
	}
	return list
}

// object writes a class of objects.
func (b *stub) object(t *scripting.Type) {
	b.line("")
	b.doc(t.Doc)
	b.line("---@class %s", t.Name)
	for _, f := range t.Fields {
		kind, optional := strings.CutSuffix(f.Type, "?")
		name := f.Name
		if optional {
			name += "?"
		}
		b.line("---@field %s %s", name, types(kind))
	}
	local := identifier(t.Name)
	b.line("local %s = {}", local)
	for _, m := range t.Methods {
		b.fn(local, ":", m)
	}
}

// identifier makes a local's name of a class's.
func identifier(name string) string { return "_" + strings.ReplaceAll(name, ".", "_") }

// sortedValues are the names of constants in order.
func sortedValues(values map[string]lua.LValue) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func moduleStub(m scripting.Module) string {
	b := new(stub)
	b.line("---@meta %s", m.Name)
	for _, t := range m.Types {
		b.object(t)
	}
	b.line("")
	b.doc(m.Doc)
	b.line("---@class %slib", m.Name)
	local := identifier(m.Name + "lib")
	b.line("local %s = {}", local)
	for _, name := range sortedValues(m.Values) {
		b.line("")
		switch v := m.Values[name].(type) {
		case lua.LNumber, lua.LBool:
			b.line("%s.%s = %s", local, name, v.String())
		case lua.LString:
			b.line("%s.%s = %q", local, name, string(v))
		default:
			b.line("---@type any")
			b.line("%s.%s = nil", local, name)
		}
	}
	groups := map[string]bool{}
	for _, f := range m.Funcs {
		if group, _, ok := strings.Cut(f.Name, "."); ok && !groups[group] {
			groups[group] = true
			b.line("")
			b.line("%s.%s = {}", local, group)
		}
		b.fn(local, ".", f)
	}
	b.line("")
	b.line("return %s", local)
	return b.String()
}

func serverStub(r scripting.Reference) string {
	b := new(stub)
	b.line("---@meta")
	for _, t := range r.Types {
		b.object(t)
	}
	b.line("")
	b.line("---The settings that server:set takes.")
	b.line("---@class settings")
	for _, s := range r.Settings {
		b.line("---@field %s? any %s (default: %s)", s.Name, s.Doc, s.Default)
	}
	b.line("")
	b.doc(r.Server.Doc)
	b.line("---@class server")
	for _, f := range r.Server.Fields {
		b.line("---@field %s %s %s", f.Name, f.Type, f.Doc)
	}
	b.line("server = {}")
	methods := map[string]scripting.Func{}
	for _, m := range r.Server.Methods {
		if m.Name == "set" {
			m.Params = []scripting.Param{{Name: "settings", Type: "settings"}}
		}
		methods[m.Name] = m
		b.fn("server", ":", m)
	}
	aliases := make([]string, 0, len(r.Server.Aliases))
	for alias := range r.Server.Aliases {
		aliases = append(aliases, alias)
	}
	sort.Strings(aliases)
	for _, alias := range aliases {
		m := methods[r.Server.Aliases[alias]]
		m.Doc = "The old name of " + m.Name + "."
		m.Name = alias
		b.fn("server", ":", m)
	}
	for _, c := range r.Callbacks {
		b.fn("", "", c)
	}
	return b.String()
}

// baseStub is what the base library has beyond Lua 5.1.
const baseStub = `---@meta

---Values to bytes by a format, as in Lua 5.3.
---@param fmt string
---@param ... any
---@return string
function string.pack(fmt, ...) end

---Bytes to values by a format, as in Lua 5.3; the last result is where the rest begins.
---@param fmt string
---@param s string
---@param pos? number
---@return any ...
function string.unpack(fmt, s, pos) end

---How many bytes string.pack makes of a format of fixed length.
---@param fmt string
---@return number
function string.packsize(fmt) end

---The arguments as a list, with their number in n, as in Lua 5.2.
---@param ... any
---@return table
function table.pack(...) end

---The values of a list as results, as unpack.
---@param list table
---@param i? number
---@param j? number
---@return any ...
function table.unpack(list, i, j) end

---Copies the entries f to e of a list to the places from t on, of another list if one is given, as in Lua 5.3.
---@param a1 table
---@param f number
---@param e number
---@param t number
---@param a2? table
---@return table
function table.move(a1, f, e, t, a2) end

---The arguments of the script; [0] is its path.
---@type string[]
arg = {}
`

// Config is a .luarc.json for a project whose stubs lie in dir.
func Config(dir string) string {
	return fmt.Sprintf(`{
  "runtime.version": "Lua 5.1",
  "runtime.builtin": { "utf8": "enable", "bit32": "enable" },
  "workspace.library": [%q],
  "workspace.checkThirdParty": false,
  "diagnostics.disable": ["lowercase-global"]
}
`, dir)
}

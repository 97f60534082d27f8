// Package regex is the Lua module "regex": regular expressions that take time
// in proportion to the text, whatever the pattern.
package regex

import (
	"regexp"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

var (
	textParam = scripting.Param{Name: "text", Type: "string"}
	initParam = scripting.Param{Name: "init", Type: "number?"}
	most      = scripting.Param{Name: "limit", Type: "number?"}
	pattern   = scripting.Param{Name: "pattern", Type: "string"}
	flags     = scripting.Param{Name: "flags", Type: "string?"}
)

// methods are those of a compiled pattern, and under the same names functions
// of the module that take the pattern as text.
var methods = []struct {
	name    string
	params  []scripting.Param
	doc     string
	returns string
	fn      func(c *compiled, in *scripting.Instance, L *lua.LState) int
}{
	{"test", []scripting.Param{textParam, initParam},
		`Whether the pattern matches somewhere in the text, from byte init on.`,
		"boolean", test},
	{"match", []scripting.Param{textParam, initParam},
		`The groups of the first match, as results; the whole match where the pattern has no groups, nil where there is no match. A group that took no part is false. Where init is given, ^ matches there.`,
		"string|false|nil, ...", match},
	{"find", []scripting.Param{textParam, initParam},
		`The first and last byte of the first match, and its groups behind them; nil where there is no match. An empty match ends one before it begins, as with string.find.`,
		"number|nil, number, ...", find},
	{"exec", []scripting.Param{textParam, initParam},
		`The first match as a table: [0] the whole, [1] and on the groups (false for one that took no part), first and last, its bytes, and names, a table of the groups that have names. nil where there is no match.`,
		"table|nil", exec},
	{"findAll", []scripting.Param{textParam, most},
		`All matches, at most limit, as a list of tables as exec gives them.`,
		"table", findAll},
	{"gmatch", []scripting.Param{textParam},
		`An iterator over all matches, each as match gives it: for key, value in re:gmatch(text) do ... end.`,
		"function", gmatch},
	{"replace", []scripting.Param{textParam, {Name: "replacement", Type: "any"}, most},
		`The text with all matches, or the first limit, replaced, and how many were. In a replacement text $1 to $9, ${12} and ${name} stand for groups, $0 for the match, $$ for a dollar sign. A function is called with the groups (the match, where the pattern has none), a table is asked for the first of them; nil or false leaves the match as it is.`,
		"string, number", replace},
	{"split", []scripting.Param{textParam, most},
		`The parts of the text between the matches, as a list of at most limit parts.`,
		"table", split},
}

// Type is a compiled pattern.
var Type = newType()

func newType() *scripting.Type {
	t := &scripting.Type{
		Name: "regex",
		Doc:  "A compiled pattern. It may be kept and used for as long as one likes; compiling the same pattern again costs next to nothing.",
		Fields: []scripting.Param{{Name: "pattern", Type: "string"}, {Name: "flags", Type: "string"}, {Name: "groups", Type: "number"},
			{Name: "names", Type: "table"}},
		Field: field,
	}
	for _, m := range methods {
		t.Methods = append(t.Methods, scripting.Func{Name: m.name, Params: m.params, Doc: m.doc, Returns: m.returns,
			Fn: func(in *scripting.Instance, L *lua.LState) int { return m.fn(scripting.Self[*compiled](L), in, L) }})
	}
	return t
}

// field answers the fields: the pattern and its flags as they were given, how
// many groups it has, and the groups of those that have names.
func field(_ *scripting.Instance, v any, name string) lua.LValue {
	c := v.(*compiled)
	switch name {
	case "pattern":
		return lua.LString(c.pattern)
	case "flags":
		return lua.LString(c.flags)
	case "groups":
		return lua.LNumber(len(c.names))
	case "names":
		t := &lua.LTable{Metatable: lua.LNil}
		for i, name := range c.names {
			if name != "" {
				t.RawSetString(name, lua.LNumber(i+1))
			}
		}
		return t
	}
	return nil
}

// Module declares regex.
var Module = newModule()

func newModule() scripting.Module {
	m := scripting.Module{
		Name: "regex",
		Doc: `Regular expressions in the syntax of RE2 (that of Perl and PHP without back references and without looking ahead or behind). A match takes time in proportion to the text, whatever the pattern: no text can make a server hang. Long texts are matched while the callback waits and other clients are served.

Positions are bytes, counted from 1, as in Lua's string library. Patterns and texts are UTF-8: "." and "[^a]" match a whole character. Bytes that are not UTF-8 do no harm and come back as they were, each of them matched by ".", but a pattern cannot name them: "\xff" is the character U+00FF.

A pattern that is wrong raises an error that says where. Compiled patterns are kept, so that regex.match(pattern, text) need not be written as regex.compile(pattern):match(text) for speed. In Lua strings a backslash is written twice, or the pattern stands in long brackets: ` + "`[[\\d+]]`.",
		Types: []*scripting.Type{Type},
	}
	m.Funcs = []scripting.Func{
		{
			Name: "compile", Params: []scripting.Param{pattern, flags},
			Doc:     `A compiled pattern, an object. flags are letters: i (capitals and small letters are the same), m (^ and $ match at lines), s (. matches newlines too), U (as little as possible instead of as much).`,
			Returns: "regex",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				L.Push(in.NewObject(Type, mustCompile(L, "regex.compile", 1, true)))
				return 1
			},
		},
		{
			Name: "check", Params: []scripting.Param{pattern, flags},
			Doc:     `Whether a pattern can be compiled: true, or false, "bad_pattern" and a message. For patterns that come from outside.`,
			Returns: "boolean, string?, string?",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				if _, err := compile(L.ToString(1), L.OptString(2, "")); err != nil {
					L.Push(lua.LFalse)
					L.Push(lua.LString("bad_pattern"))
					L.Push(lua.LString(err.Error()))
					return 3
				}
				L.Push(lua.LTrue)
				return 1
			},
		},
		{
			Name: "escape", Params: []scripting.Param{textParam},
			Doc:     `A pattern that matches the text and nothing else.`,
			Returns: "string",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LString(regexp.QuoteMeta(L.ToString(1))))
				return 1
			},
		},
	}
	for _, method := range methods {
		m.Funcs = append(m.Funcs, scripting.Func{Name: method.name, Params: append([]scripting.Param{pattern}, method.params...),
			Doc: "compile(pattern):" + method.name + ". " + method.doc, Returns: method.returns,
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				return method.fn(mustCompile(L, "regex."+method.name, 1, false), in, L)
			}})
	}
	return m
}

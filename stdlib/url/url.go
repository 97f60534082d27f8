// Package url is the Lua module "url": URLs to parts and back, escapes and
// query strings.
package url

import (
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Reasons of a failure.
const (
	badURL    = "bad_url"
	badEscape = "bad_escape"
)

var text = []scripting.Param{{Name: "text", Type: "string"}}

// Module declares url.
var Module = scripting.Module{
	Name: "url",
	Doc: `URLs to parts and back, by RFC 3986; escapes and query strings.

The parts of a URL are as they stand in it, with their escapes: decode them when you need their text. A function that cannot take its text answers nil, a reason (bad_url or bad_escape) and a message.`,
	Funcs: []scripting.Func{
		{
			Name: "parse", Params: text,
			Doc:     `The parts of a URL, or of a reference such as "../x?y": scheme (in small letters), user, password, host (an IPv6 address without its brackets), port (a number), path, query and fragment. path is always there, the others where the URL has them: an empty query is "", none is nil. A URL with a blank, a wrong escape or a wrong port gives nil, "bad_url" and a message.`,
			Returns: "table|nil, string?, string?",
			Fn:      doParse,
		},
		{
			Name: "build", Params: []scripting.Param{{Name: "parts", Type: "table"}},
			Doc:     `The URL of the parts that parse names. What may not stand in its part is escaped; escapes that are there stay. query may also be a table, as buildQuery takes it.`,
			Returns: "string",
			Fn:      doBuild,
		},
		{
			Name: "resolve", Params: []scripting.Param{{Name: "base", Type: "string"}, {Name: "reference", Type: "string"}},
			Doc:     `Where a link leads to that stands in the document base: url.resolve("http://h/a/b", "../c") is "http://h/c". A base or a reference that is no URL gives nil, "bad_url" and a message.`,
			Returns: "string|nil, string?, string?",
			Fn:      doResolve,
		},
		{
			Name: "encode", Params: text,
			Doc:     `The text with everything but letters, digits and - . _ ~ as %XX, to be put into any part of a URL.`,
			Returns: "string",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LString(escape(L.ToString(1), &unreserved, false)))
				return 1
			},
		},
		{
			Name: "decode", Params: text,
			Doc:     `The text behind the escapes %XX, which may be any bytes. A % without two hexadecimal digits gives nil, "bad_escape" and a message.`,
			Returns: "string|nil, string?, string?",
			Fn:      func(_ *scripting.Instance, L *lua.LState) int { return decoded(L, false) },
		},
		{
			Name: "encodeForm", Params: text,
			Doc:     `The text as HTML forms and query strings encode it: blanks become +, everything but letters, digits and - . _ * becomes %XX.`,
			Returns: "string",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LString(form(L.ToString(1))))
				return 1
			},
		},
		{
			Name: "decodeForm", Params: text,
			Doc:     `As decode, and + is a blank.`,
			Returns: "string|nil, string?, string?",
			Fn:      func(_ *scripting.Instance, L *lua.LState) int { return decoded(L, true) },
		},
		{
			Name: "parseQuery", Params: text,
			Doc:     `The names and values of a query string or of a form's body, as two tables. The first has the last value of each name, always a string; the second a list of all its values. A name without = has the value "". A wrong escape gives nil, "bad_escape" and a message.`,
			Returns: "table|nil, table|string, string?",
			Fn:      parseQuery,
		},
		{
			Name: "buildQuery", Params: []scripting.Param{{Name: "values", Type: "table"}},
			Doc:     `The query string of a table of names and values: strings, numbers, booleans, or a list of these, whose name is repeated. The names come in the order of their bytes; a list of pairs {name, value} keeps its order.`,
			Returns: "string",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				q := &query{L: L, what: "url.buildQuery"}
				L.Push(lua.LString(q.table(L.CheckTable(1))))
				return 1
			},
		},
	},
}

// fail answers nil, a reason and a message.
func fail(L *lua.LState, reason, message string) int {
	L.Push(lua.LNil)
	L.Push(lua.LString(reason))
	L.Push(lua.LString(message))
	return 3
}

func decoded(L *lua.LState, plus bool) int {
	s, err := unescape(L.ToString(1), plus)
	if err != nil {
		return fail(L, badEscape, err.Error())
	}
	L.Push(lua.LString(s))
	return 1
}

func doParse(_ *scripting.Instance, L *lua.LState) int {
	p, err := parse(L.ToString(1))
	if err != nil {
		return fail(L, badURL, err.Error())
	}
	t := L.NewTable()
	put := func(name, value string, there bool) {
		if there {
			vm.RawSet(L, t, lua.LString(name), lua.LString(value))
		}
	}
	put("scheme", p.scheme, p.scheme != "")
	put("user", p.user, p.hasUser)
	put("password", p.password, p.hasPassword)
	put("host", p.host, p.hasAuthority)
	if p.port >= 0 {
		vm.RawSet(L, t, lua.LString("port"), vm.Int(p.port))
	}
	put("path", p.path, true)
	put("query", p.query, p.hasQuery)
	put("fragment", p.fragment, p.hasFragment)
	L.Push(t)
	return 1
}

// partNames are the keys that build takes.
var partNames = []string{"scheme", "user", "password", "host", "port", "path", "query", "fragment"}

func doBuild(_ *scripting.Instance, L *lua.LState) int {
	t := L.CheckTable(1)
	vm.Each(t, func(k, _ lua.LValue) bool {
		for _, name := range partNames {
			if k == lua.LString(name) {
				return true
			}
		}
		vm.Raise(L, "url.build: there is no part '%s'%s", k.String(), scripting.Suggest(k.String(), partNames))
		return false
	})
	p := parts{port: -1}
	get := func(name string, to *string, there *bool) {
		v := t.RawGetString(name)
		if v == lua.LNil {
			return
		}
		s, ok := scalar(v)
		if !ok {
			vm.Raise(L, "url.build: the part '%s' must be a string, not a %s", name, v.Type())
		}
		if *to = s; there != nil {
			*there = true
		}
	}
	get("scheme", &p.scheme, nil)
	get("user", &p.user, &p.hasUser)
	get("password", &p.password, &p.hasPassword)
	get("host", &p.host, &p.hasAuthority)
	get("path", &p.path, nil)
	get("fragment", &p.fragment, &p.hasFragment)
	if values, ok := t.RawGetString("query").(*lua.LTable); ok {
		q := &query{L: L, what: "url.build"}
		p.query, p.hasQuery = q.table(values), true
	} else {
		get("query", &p.query, &p.hasQuery)
	}
	if v := t.RawGetString("port"); v != lua.LNil {
		n, ok := vm.ParseNumber(v.String())
		if !ok || n != float64(int(n)) || n < 0 || n > 65535 {
			vm.Raise(L, "url.build: the part 'port' must be a number from 0 to 65535, not %s", v.String())
		}
		p.port = int(n)
	}
	if p.scheme != "" && !isScheme(p.scheme) {
		vm.Raise(L, "url.build: %q is no scheme", p.scheme)
	}
	if !p.hasAuthority && (p.hasUser || p.hasPassword || p.port >= 0) {
		vm.Raise(L, "url.build: user, password and port need a host")
	}
	if p.hasPassword && !p.hasUser {
		vm.Raise(L, "url.build: a password needs a user")
	}
	switch {
	case p.hasAuthority && p.path != "" && p.path[0] != '/':
		vm.Raise(L, "url.build: behind a host the path must begin with '/', not %q", p.path)
	case !p.hasAuthority && strings.HasPrefix(p.path, "//"):
		vm.Raise(L, "url.build: without a host the path cannot begin with '//'")
	}
	text := p.String()
	again, err := parse(text)
	if err != nil {
		vm.Raise(L, "url.build: %v", err)
	}
	if again.scheme != strings.ToLower(p.scheme) || again.hasAuthority != p.hasAuthority || again.port != p.port {
		vm.Raise(L, "url.build: %q would be read as other parts than these", text)
	}
	L.Push(lua.LString(text))
	return 1
}

func doResolve(_ *scripting.Instance, L *lua.LState) int {
	base, err := parse(L.ToString(1))
	if err != nil {
		return fail(L, badURL, "base: "+err.Error())
	}
	if base.scheme == "" {
		return fail(L, badURL, "base: it has no scheme")
	}
	reference, err := parse(L.ToString(2))
	if err != nil {
		return fail(L, badURL, "reference: "+err.Error())
	}
	t := resolve(&base, &reference)
	L.Push(lua.LString(t.String()))
	return 1
}

// Package log is the Lua module "log": lines in the host's log, with levels and
// fields.
package log

import (
	"log/slog"
	"sort"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// level is a level as scripts call it.
type level struct {
	name string
	slog slog.Level
	doc  string
}

var levels = []level{
	{"debug", slog.LevelDebug, "what only helps to find a fault"},
	{"info", slog.LevelInfo, "what goes on"},
	{"notice", scripting.LevelNotice, "what goes on and does not happen every day"},
	{"warning", slog.LevelWarn, "what is not right, but does not stop anything"},
	{"error", slog.LevelError, "what has failed"},
}

// Module declares log.
var Module = scripting.Module{
	Name: "log",
	Doc: "Lines in the host's log, each with its worker and generation. The setting log_level says which are written, log_file where to. " +
		"Further lines of a message are indented, so that none can pass for a line of its own.",
	Funcs: append(writers(), []scripting.Func{
		{
			Name: "enabled", Params: []scripting.Param{{Name: "level", Type: "string"}}, Returns: "boolean",
			Doc: "Whether lines of a level are written: for what is dear to put together.", Fn: enabled,
		},
		{
			Name: "with", Params: []scripting.Param{{Name: "fields", Type: "table"}}, Returns: "log.logger",
			Doc: "A logger that adds these fields to each of its lines.", Fn: with,
		},
	}...),
	Types: []*scripting.Type{loggerType},
}

var params = []scripting.Param{{Name: "message", Type: "any"}, {Name: "fields", Type: "table?"}}

// writers are the functions by level.
func writers() (fns []scripting.Func) {
	for _, l := range levels {
		fns = append(fns, scripting.Func{Name: l.name, Params: params, Doc: "Write a line of this level, " + l.doc + ": a message, and fields by name.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				return write(in, L, l.slog, L.Get(1), L.Get(2), nil)
			}})
	}
	return append(fns, scripting.Func{Name: "warn", Params: params, Doc: "The same as warning.",
		Fn: func(in *scripting.Instance, L *lua.LState) int {
			return write(in, L, slog.LevelWarn, L.Get(1), L.Get(2), nil)
		}})
}

// logger is what with returns: fields as keys and values.
type logger struct{ attrs []any }

var loggerType = &scripting.Type{Name: "log.logger", Doc: "Writes lines with fields of its own."}

func init() { loggerType.Methods = methods() } // they make more loggers

func methods() (fns []scripting.Func) {
	for _, f := range writers() {
		at := slog.LevelWarn
		for _, l := range levels {
			if l.name == f.Name {
				at = l.slog
			}
		}
		f.Fn = func(in *scripting.Instance, L *lua.LState) int {
			return write(in, L, at, L.Get(2), L.Get(3), scripting.Self[*logger](L).attrs)
		}
		fns = append(fns, f)
	}
	return append(fns, scripting.Func{
		Name: "with", Params: []scripting.Param{{Name: "fields", Type: "table"}}, Returns: "log.logger",
		Doc: "A logger with these fields too.",
		Fn: func(in *scripting.Instance, L *lua.LState) int {
			own := scripting.Self[*logger](L).attrs
			L.Push(in.NewObject(loggerType, &logger{fields(L, own[:len(own):len(own)], L.Get(2).(*lua.LTable))}))
			return 1
		},
	})
}

func with(in *scripting.Instance, L *lua.LState) int {
	L.Push(in.NewObject(loggerType, &logger{fields(L, nil, L.CheckTable(1))}))
	return 1
}

func enabled(in *scripting.Instance, L *lua.LState) int {
	name := L.CheckString(1)
	var names []string
	for _, l := range levels {
		if l.name == name || name == "warn" && l.name == "warning" {
			L.Push(lua.LBool(in.Logs(l.slog)))
			return 1
		}
		names = append(names, l.name)
	}
	vm.Raise(L, "bad argument #1 'level' to 'log.enabled' (unknown level '%s'%s)", name, scripting.Suggest(name, names))
	return 0
}

// write writes a line, unless its level is not wanted.
func write(in *scripting.Instance, L *lua.LState, at slog.Level, message, more lua.LValue, attrs []any) int {
	if !in.Logs(at) {
		return 0
	}
	if t, ok := more.(*lua.LTable); ok {
		attrs = fields(L, attrs[:len(attrs):len(attrs)], t)
	}
	in.Log(at, indent(text(L, message)), attrs...)
	return 0
}

// indent moves all lines but the first to the right.
func indent(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

// fields appends the fields of t, in the order of their names.
func fields(L *lua.LState, attrs []any, t *lua.LTable) []any {
	type field struct {
		name string
		v    lua.LValue
	}
	var list []field
	vm.Each(t, func(k, v lua.LValue) bool {
		list = append(list, field{text(L, k), v})
		return true
	})
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	for _, f := range list {
		attrs = append(attrs, fieldName(f.name), fieldValue(L, f.v, 0))
	}
	return attrs
}

// fieldName is a name that cannot be taken for the end of another field.
func fieldName(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == '=' || r == '"' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// maxDepth is how deeply the tables in a field are shown.
const maxDepth = 4

// fieldValue is a value as the log shows it.
func fieldValue(L *lua.LState, v lua.LValue, depth int) any {
	switch x := v.(type) {
	case lua.LString:
		return string(x)
	case lua.LBool:
		return bool(x)
	case *lua.LTable:
		if L.GetMetaField(x, "__tostring") == lua.LNil {
			return tableText(L, x, depth)
		}
	}
	return text(L, v)
}

// text is v as tostring writes it.
func text(L *lua.LState, v lua.LValue) string {
	if n, ok := v.(lua.LNumber); ok {
		return vm.Number(float64(n))
	}
	return L.ToStringMeta(v).String()
}

// tableText is {1, 2, name=value}.
func tableText(L *lua.LState, t *lua.LTable, depth int) string {
	if depth == maxDepth {
		return "{...}"
	}
	show := func(v lua.LValue) string {
		switch x := fieldValue(L, v, depth+1).(type) {
		case string:
			if _, isText := v.(lua.LString); isText && strings.ContainsAny(x, " ,{}=\"\n") {
				return strconv.Quote(x)
			}
			return x
		case bool:
			return strconv.FormatBool(x)
		}
		return ""
	}
	var parts, rest []string
	n := t.Len()
	for i := 1; i <= n; i++ {
		parts = append(parts, show(t.RawGetInt(i)))
	}
	vm.Each(t, func(k, v lua.LValue) bool {
		if i, ok := k.(lua.LNumber); !ok || i != lua.LNumber(int(i)) || i < 1 || int(i) > n {
			rest = append(rest, text(L, k)+"="+show(v))
		}
		return true
	})
	sort.Strings(rest)
	return "{" + strings.Join(append(parts, rest...), ", ") + "}"
}

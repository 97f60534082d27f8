// Package php is the Lua module "php": functions with PHP's names and meaning,
// so that a port reads as its original does.
//
// Reading order: php.go (the module), value.go (what PHP makes of a value), types.go,
// output.go, text.go, format.go, list.go, number.go, clock.go, stream.go,
// encode.go (the functions, by what they work on).
package php

import (
	"slices"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Module declares php.
var Module = newModule()

func newModule() scripting.Module {
	m := scripting.Module{
		Name: "php",
		Doc: `Functions with PHP's names and meaning, so that scripts which come from PHP read alike.

local php = require "php" gives a table of them; php.global() makes them global functions, so that echo("hello\n") may be written as it was.

Arrays are Lua tables: a list begins at 1, as everywhere in Lua, and what PHP keeps at index 0 is at 1. Positions in strings count from 0, as in PHP. A number without a fraction is an integer, any other a float. nil is null; json.null counts as null too. What PHP answers with false at a failure is false. What PHP only warns of, such as a missing argument, raises an error. Functions that change their array (array_push, sort) change the table that they are given. Functions that read arrays take session data as well.`,
		Values: constants,
		Open: func(in *scripting.Instance, L *lua.LState, t *lua.LTable) {
			L.G.Registry.RawSetString(moduleKey, t)
			for name, s := range map[string]*stream{"STDIN": {input: true}, "STDOUT": {}, "STDERR": {}} {
				t.RawSetString(name, in.NewObject(streamType, s))
			}
		},
		Types: []*scripting.Type{streamType},
	}
	for _, part := range [][]scripting.Func{outputFuncs, valueFuncs, textFuncs, formatFuncs, listFuncs, orderFuncs, numberFuncs, clockFuncs, streamFuncs, encodeFuncs, processFuncs} {
		m.Funcs = append(m.Funcs, part...)
	}
	m.Funcs = append(m.Funcs, scripting.Func{
		Name:    "global",
		Doc:     `Makes all names of the module global, and returns the module. print and unpack keep Lua's meaning. A global of the script that has one of the names is an error.`,
		Returns: "table",
		Fn:      global,
	})
	return m
}

// moduleKey is where a VM keeps the module's table for global.
const moduleKey = "swoon.php"

// lualike are names that mean something else in Lua and stay so.
var lualike = []string{"print", "unpack", "global"}

// global is php.global.
func global(_ *scripting.Instance, L *lua.LState) int {
	module := L.G.Registry.RawGetString(moduleKey).(*lua.LTable)
	g := L.G.Global
	vm.Each(module, func(k, v lua.LValue) bool {
		name := string(k.(lua.LString))
		if slices.Contains(lualike, name) {
			return true
		}
		if have := g.RawGetString(name); have != lua.LNil && have != v {
			vm.Raise(L, "php.global: there is a global '%s' already, a %s", name, have.Type())
		}
		g.RawSetString(name, v)
		return true
	})
	L.Push(module)
	return 1
}

// params reads a declaration such as "text string, length number?".
func params(spec string) (list []scripting.Param) {
	for part := range strings.SplitSeq(spec, ", ") {
		name, kind, _ := strings.Cut(part, " ")
		list = append(list, scripting.Param{Name: name, Type: kind})
	}
	return list
}

// row is a function declared in one line.
func row(name, spec, returns, doc string, fn func(in *scripting.Instance, L *lua.LState) int) scripting.Func {
	f := scripting.Func{Name: name, Doc: doc, Returns: returns, Fn: fn}
	if spec != "" {
		f.Params = params(spec)
	}
	return f
}

// pure is row for a function that needs its VM only.
func pure(name, spec, returns, doc string, fn func(L *lua.LState) lua.LValue) scripting.Func {
	return row(name, spec, returns, doc, func(_ *scripting.Instance, L *lua.LState) int {
		L.Push(fn(L))
		return 1
	})
}

package php

import (
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var outputFuncs = []scripting.Func{
	row("echo", "... any", "", "Writes the values to the script's output, without a newline. Whole lines are never torn apart by other workers; the rest of a line is shown when nothing more comes for a moment, before fgets and sleep, and by flush.", func(in *scripting.Instance, L *lua.LState) int {
		var b strings.Builder
		for i := 1; i <= L.GetTop(); i++ {
			b.WriteString(text(L, i))
		}
		in.Write(b.String())
		return 0
	}),
	row("print", "value any", "number", "As echo, with one value; the result is 1. Lua's print stays what it is after php.global().", func(in *scripting.Instance, L *lua.LState) int {
		in.Write(text(L, 1))
		L.Push(vm.Int(1))
		return 1
	}),
	row("flush", "", "", "Shows what echo has written of an unfinished line.", func(in *scripting.Instance, L *lua.LState) int {
		in.FlushOutput()
		return 0
	}),
	row("print_r", "value any, as_text any", "boolean|string", "Writes a value so that people can read it, with tables at every depth; with a second argument that is true the text is the result instead.", func(in *scripting.Instance, L *lua.LState) int {
		d := &dumper{L: L}
		d.readable(L.Get(1), 0)
		if flag(L, 2) {
			L.Push(lua.LString(d.b.String()))
			return 1
		}
		in.Write(d.b.String())
		L.Push(lua.LTrue)
		return 1
	}),
	row("var_dump", "... any", "", "Writes the values with their types and sizes, with tables at every depth.", func(in *scripting.Instance, L *lua.LState) int {
		d := &dumper{L: L}
		for i := 1; i <= L.GetTop(); i++ {
			d.typed(L.Get(i), 0)
		}
		in.Write(d.b.String())
		return 0
	}),
	row("printf", "format string, ... any", "number", "Writes what sprintf makes of its arguments; the result is its length.", func(in *scripting.Instance, L *lua.LState) int {
		s := sprintf(L, "printf", text(L, 1), rest(L, 2))
		in.Write(s)
		L.Push(vm.Int(len(s)))
		return 1
	}),
}

// rest are the arguments from n on.
func rest(L *lua.LState, n int) (list []lua.LValue) {
	for i := n; i <= L.GetTop(); i++ {
		list = append(list, L.Get(i))
	}
	return list
}

// dumper writes values for print_r and var_dump.
type dumper struct {
	L     *lua.LState
	b     strings.Builder
	above []*lua.LTable
	steps int
}

// maxDump is how deeply a value may nest.
const maxDump = 1000

// enter begins a table; false where it contains itself.
func (d *dumper) enter(t *lua.LTable) bool {
	for _, a := range d.above {
		if a == t {
			return false
		}
	}
	if len(d.above) == maxDump {
		vm.Raise(d.L, "php: the value nests deeper than %d", maxDump)
	}
	d.above = append(d.above, t)
	return true
}

func (d *dumper) leave() { d.above = d.above[:len(d.above)-1] }

func (d *dumper) each(t *lua.LTable, f func(k, v lua.LValue)) {
	most := vm.Of(d.L).MaxString()
	vm.Each(t, func(k, v lua.LValue) bool {
		if d.steps++; d.steps%checkEvery == 0 {
			vm.Check(d.L)
		}
		if d.b.Len() > most {
			vm.Raise(d.L, "php: the text would be longer than %d bytes", most)
		}
		f(k, v)
		return true
	})
}

func (d *dumper) pad(n int) {
	for range n {
		d.b.WriteByte(' ')
	}
}

// keyText is a key as it stands between brackets.
func keyText(L *lua.LState, k lua.LValue) string {
	switch x := k.(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(float64(x), -1)
	}
	return vm.Of(L).ToString(L, k)
}

func (d *dumper) readable(v lua.LValue, indent int) {
	t, ok := scripting.ReadTable(d.L, v)
	if !ok {
		if _, isFunction := v.(*lua.LFunction); isFunction {
			d.b.WriteString("Closure Object\n")
			d.pad(indent)
			d.b.WriteString("(\n")
			d.pad(indent)
			d.b.WriteString(")\n")
			return
		}
		d.b.WriteString(toText(d.L, v))
		return
	}
	d.b.WriteString("Array\n")
	if !d.enter(t) {
		d.b.WriteString(" *RECURSION*")
		return
	}
	d.pad(indent)
	d.b.WriteString("(\n")
	d.each(t, func(k, v lua.LValue) {
		d.pad(indent + 4)
		d.b.WriteString("[" + keyText(d.L, k) + "] => ")
		d.readable(v, indent+8)
		d.b.WriteByte('\n')
	})
	d.pad(indent)
	d.b.WriteString(")\n")
	d.leave()
}

func (d *dumper) typed(v lua.LValue, indent int) {
	d.pad(indent)
	switch x := v.(type) {
	case lua.LBool:
		d.b.WriteString("bool(" + x.String() + ")\n")
		return
	case lua.LNumber:
		kind := "float("
		if isInt(float64(x)) {
			kind = "int("
		}
		d.b.WriteString(kind + numberText(float64(x), -1) + ")\n")
		return
	case lua.LString:
		d.b.WriteString("string(" + strconv.Itoa(len(x)) + ") \"" + string(x) + "\"\n")
		return
	}
	if isNull(v) {
		d.b.WriteString("NULL\n")
		return
	}
	t, ok := scripting.ReadTable(d.L, v)
	if !ok {
		name := "Closure"
		if _, isFunction := v.(*lua.LFunction); !isFunction {
			name = vm.Of(d.L).ToString(d.L, v)
		}
		d.b.WriteString("object(" + name + ") {\n")
		d.pad(indent)
		d.b.WriteString("}\n")
		return
	}
	if !d.enter(t) {
		d.b.WriteString("*RECURSION*\n")
		return
	}
	d.b.WriteString("array(" + strconv.Itoa(size(t)) + ") {\n")
	d.each(t, func(k, v lua.LValue) {
		d.pad(indent + 2)
		key := keyText(d.L, k)
		if _, isText := k.(lua.LString); isText {
			key = `"` + key + `"`
		}
		d.b.WriteString("[" + key + "]=>\n")
		d.typed(v, indent+2)
	})
	d.pad(indent)
	d.b.WriteString("}\n")
	d.leave()
}

package vm

import (
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// fault puts what the interpreter itself complains about into the words of
// Lua and names the variable. f is the Lua function that runs, msg the message
// without its position; ok is false for messages that are fine.
//
// What error() raises never comes here: then the running function is error.
func fault(L *lua.LState, f *inside.Frame, msg string) (text string, ok bool) {
	p, pc, inst := f.Fn.Proto, f.Pc-1, f.Inst()
	a, b, c := int(inst>>18)&0xff, int(inst&0x1ff), int(inst>>9)&0x1ff
	if rest, found := strings.CutPrefix(msg, "attempt to index a non-table object("); found {
		typ, _, _ := strings.Cut(rest, ")")
		x, event := b, "__index"
		switch f.Op() {
		case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
			x, event = a, "__newindex"
		case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SELF:
		default:
			return "attempt to index a " + typ + " value", true
		}
		name := ""
		if lv := inside.Operand(L, f, x); lv.Type().String() == typ && L.GetMetaField(lv, event) == lua.LNil {
			name = named(variable(p, pc, x)) // else a metatable led to the value
		}
		return "attempt to index a " + typ + " value" + name, true
	}
	switch {
	case msg == "attempt to call a non-function object":
		return "attempt to call a " + inside.Operand(L, f, a).Type().String() + " value" + named(calleeName(f)), true
	case strings.HasPrefix(msg, "cannot perform ") || msg == "__unm undefined":
		x := b
		_, second := toNumber(inside.Operand(L, f, b))
		if second {
			x = c
		}
		return "attempt to perform arithmetic on a " + inside.Operand(L, f, x).Type().String() + " value" + arithName(L, f, second), true
	case msg == "__len undefined":
		return "attempt to get length of a " + inside.Operand(L, f, b).Type().String() + " value" + named(operandName(p, pc, b)), true
	case f.Op() == lua.OP_CONCAT && strings.HasPrefix(msg, "attempt to concatenate "):
		if at := inside.Of(L).Culprit; at >= 0 {
			return msg + named(variable(p, pc, at)), true
		}
		return "", false
	case msg == "too many recursions in gettable":
		return "loop in gettable", true
	case msg == "too many recursions in settable":
		return "loop in settable", true
	}
	return compareFault(msg)
}

// compareFault: PUC Lua has one wording for two values of the same type.
func compareFault(msg string) (string, bool) {
	rest, found := strings.CutPrefix(msg, "attempt to compare ")
	if !found {
		return "", false
	}
	if x, y, _ := strings.Cut(rest, " with "); x == y {
		return "attempt to compare two " + x + " values", true
	}
	return "", false
}

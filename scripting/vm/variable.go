package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// variable finds out from the code what the source calls the value in a
// register of f: the last instruction that put it there says where it came
// from. Only errors and tracebacks ask, so running code pays nothing.
// The answer is empty when more than one way leads to the register.
func variable(p *lua.FunctionProto, pc, reg int) (kind, name string) {
	if name := localName(p, pc, reg); name != "" {
		if name[0] == '(' {
			return "", "" // a hidden variable of a for loop
		}
		return "local", name
	}
	at := setter(p, pc, reg)
	if at < 0 {
		return "", ""
	}
	inst := p.Code[at]
	b, c, bx := int(inst&0x1ff), int(inst>>9)&0x1ff, int(inst&0x3ffff)
	switch int(inst >> 26) {
	case lua.OP_MOVE, lua.OP_MOVEN:
		if b < reg {
			return variable(p, at, b)
		}
	case lua.OP_GETGLOBAL:
		return "global", constantName(p, bx)
	case lua.OP_GETUPVAL:
		if b < len(p.DbgUpvalues) {
			return "upvalue", p.DbgUpvalues[b]
		}
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		return "field", fieldName(p, c)
	case lua.OP_SELF:
		return "method", fieldName(p, c)
	case lua.OP_LOADK:
		if s, ok := p.Constants[bx].(lua.LString); ok {
			return "constant", string(s)
		}
	}
	return "", ""
}

// operandName is variable for an operand, which may be a constant.
func operandName(p *lua.FunctionProto, pc, x int) (kind, name string) {
	if x&0x100 == 0 {
		return variable(p, pc, x)
	}
	if s, ok := p.Constants[x&0xff].(lua.LString); ok {
		return "constant", string(s)
	}
	return "", ""
}

func fieldName(p *lua.FunctionProto, x int) string {
	if x&0x100 == 0 {
		return "?"
	}
	return constantName(p, x&0xff)
}

func constantName(p *lua.FunctionProto, i int) string {
	if s, ok := p.Constants[i].(lua.LString); ok {
		return string(s)
	}
	return "?"
}

// localName is the local variable that lives in reg at pc, if any.
func localName(p *lua.FunctionProto, pc, reg int) string {
	for _, v := range p.DbgLocals {
		if v.StartPc > pc {
			break
		}
		if pc <= v.EndPc {
			if reg == 0 {
				return v.Name
			}
			reg--
		}
	}
	return ""
}

// setter is the instruction before pc that put its value into reg, or -1 when
// it may have been jumped over. It works like findsetreg of PUC Lua.
func setter(p *lua.FunctionProto, last, reg int) int {
	found, joint := -1, 0 // joint: where the furthest forward jump lands
	for pc := 0; pc < last; pc++ {
		inst := p.Code[pc]
		a, b := int(inst>>18)&0xff, int(inst&0x1ff)
		sets := a == reg
		skip := 0
		switch int(inst >> 26) {
		case lua.OP_LOADNIL:
			sets = a <= reg && reg <= b
		case lua.OP_CALL, lua.OP_TAILCALL, lua.OP_VARARG:
			sets = reg >= a
		case lua.OP_TFORLOOP:
			sets = reg >= a+2
		case lua.OP_SELF:
			sets = reg == a || reg == a+1
		case lua.OP_FORLOOP, lua.OP_FORPREP:
			sets = reg == a || reg == a+3
		case lua.OP_JMP:
			sets = false
			if to := pc + 1 + int(inst&0x3ffff) - 0x1ffff; to <= last && to > joint {
				joint = to
			}
		case lua.OP_CLOSURE:
			// What follows names the captured variables and is not executed.
			skip = int(p.FunctionPrototypes[inst&0x3ffff].NumUpvalues)
		case lua.OP_SETLIST:
			sets = false
			if inst>>9&0x1ff == 0 {
				skip = 1
			}
		case lua.OP_SETGLOBAL, lua.OP_SETUPVAL, lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_EQ, lua.OP_LT, lua.OP_LE,
			lua.OP_TEST, lua.OP_RETURN, lua.OP_CLOSE, lua.OP_NOP:
			sets = false
		}
		if sets {
			found = pc
			if pc < joint {
				found = -1 // only one of several ways here goes through pc
			}
		}
		pc += skip
	}
	return found
}

// named is " (kind 'name')", or nothing when there is no name.
func named(kind, name string) string {
	if name == "" {
		return ""
	}
	return " (" + kind + " '" + name + "')"
}

// calleeName is what the call instruction that f executes names the function.
func calleeName(f *inside.Frame) (kind, name string) {
	switch f.Op() {
	case inside.OpCall, inside.OpTailCall:
		return variable(f.Fn.Proto, f.Pc-1, int(f.Inst()>>18)&0xff)
	}
	return "", ""
}

// arithName names the operand that the arithmetic instruction of f failed on:
// the second if the first one is a number.
func arithName(L *lua.LState, f *inside.Frame, second bool) string {
	inst := f.Inst()
	switch f.Op() {
	case lua.OP_ADD, lua.OP_SUB, lua.OP_MUL, lua.OP_DIV, lua.OP_MOD, lua.OP_POW:
		if second {
			return named(operandName(f.Fn.Proto, f.Pc-1, int(inst>>9)&0x1ff))
		}
	case lua.OP_UNM:
	default:
		return ""
	}
	return named(operandName(f.Fn.Proto, f.Pc-1, int(inst&0x1ff)))
}

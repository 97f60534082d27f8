package inside

import (
	"fmt"
	_ "unsafe" // for the link to jumpTable

	lua "github.com/yuin/gopher-lua"
)

// instFunc is gopher-lua's type of the same name; its third parameter is a
// *callFrame, which Frame mirrors.
type instFunc func(L *lua.LState, inst uint32, base *Frame) int

// opCount is the number of gopher-lua's opcodes.
const opCount = lua.OP_NOP + 1

//go:linkname jumpTable github.com/yuin/gopher-lua.jumpTable
var jumpTable [opCount]instFunc

// The opcodes that other files and packages name.
const (
	OpCall     = lua.OP_CALL
	OpTailCall = lua.OP_TAILCALL
	OpTForLoop = lua.OP_TFORLOOP
	OpJmp      = lua.OP_JMP
	OpForLoop  = lua.OP_FORLOOP
	OpForPrep  = lua.OP_FORPREP
)

// MaxArray is the length of the longest list: keys from here on live in the
// hash part, so that a table keyed by an ever-growing number does not reserve
// a slot for each key it never had. A list that would cross it raises an error
// (see sparse), because gopher-lua's # and ipairs see the array part only.
const MaxArray = 1 << 20

// original keeps the opcodes as gopher-lua made them.
var original [opCount]instFunc

func wrap() {
	original = jumpTable
	for op, f := range original {
		if f == nil {
			broken("opcode %d has no function in the jump table", op)
		}
	}
	lua.MaxArrayIndex = MaxArray
	jumpTable[lua.OP_JMP] = opJmp
	jumpTable[lua.OP_FORLOOP] = opForLoop
	jumpTable[lua.OP_TFORLOOP] = opTForLoop
	jumpTable[lua.OP_CALL] = opCall
	jumpTable[lua.OP_TAILCALL] = opTailCall
	jumpTable[lua.OP_CLOSURE] = opClosure
	jumpTable[lua.OP_SETTABLE] = opSetTable
	jumpTable[lua.OP_SETLIST] = opSetList
	jumpTable[lua.OP_LEN] = opLen
}

// pending reports whether the interrupt word of L's loop is set.
func pending(L *lua.LState) bool {
	return L.Options.RegistryGrowStep >= mark && Of(L).Interrupt.Load() != 0
}

// Check sends L to the interrupt handler when the interrupt word is set. Long
// loops in Go library functions call it.
func Check(L *lua.LState) {
	if pending(L) {
		Of(L).OnInterrupt(L)
	}
}

func opJmp(L *lua.LState, inst uint32, _ *Frame) int {
	if pending(L) {
		Of(L).OnInterrupt(L)
	}
	Current(L).Pc += int(inst&0x3ffff) - 0x1ffff
	return 0
}

func opForLoop(L *lua.LState, inst uint32, base *Frame) int {
	if pending(L) {
		Of(L).OnInterrupt(L)
	}
	return original[lua.OP_FORLOOP](L, inst, base)
}

func opTForLoop(L *lua.LState, inst uint32, base *Frame) int {
	Check(L)
	return original[lua.OP_TFORLOOP](L, inst, base)
}

// checkDepth raises an ordinary error well before gopher-lua's own Go panic.
func checkDepth(L *lua.LState) {
	if step := L.Options.RegistryGrowStep; step >= mark && Current(L).Idx >= step-mark {
		L.RaiseError("stack overflow")
	}
}

func opCall(L *lua.LState, inst uint32, base *Frame) int {
	if step := L.Options.RegistryGrowStep; step >= mark {
		if Of(L).Interrupt.Load() != 0 {
			Of(L).OnInterrupt(L)
		}
		if Current(L).Idx >= step-mark {
			L.RaiseError("stack overflow")
		}
	}
	return original[lua.OP_CALL](L, inst, base)
}

func opTailCall(L *lua.LState, inst uint32, base *Frame) int {
	Check(L)
	return original[lua.OP_TAILCALL](L, inst, base)
}

// opClosure checks the depth too. Recursion through metamethods passes no CALL
// and ends in a Go panic that clears the innermost frame; with this check no
// closure can hold a variable of that frame.
func opClosure(L *lua.LState, inst uint32, base *Frame) int {
	checkDepth(L)
	return original[lua.OP_CLOSURE](L, inst, base)
}

// opSetTable stores into the array part of a plain table by itself, which pays
// for the look at the key, and watches lists that grow across MaxArray.
func opSetTable(L *lua.LState, inst uint32, base *Frame) int {
	f := Current(L)
	reg := registryOf(L).array
	t, ok := reg[f.LocalBase+int(inst>>18)&0xff].(*lua.LTable)
	if !ok {
		return original[lua.OP_SETTABLE](L, inst, base)
	}
	n, ok := rk(f, reg, int(inst&0x1ff)).(lua.LNumber)
	if !ok {
		return original[lua.OP_SETTABLE](L, inst, base)
	}
	i := int(n)
	if array := arrayOf(t); i >= 1 && i <= len(array) && lua.LNumber(i) == n && t.Metatable == lua.LNil && i < MaxArray-1 {
		array[i-1] = rk(f, reg, int(inst>>9)&0x1ff)
		return 0
	}
	if n >= MaxArray-1 && n <= MaxArray {
		CheckList(L, t, i)
	}
	return original[lua.OP_SETTABLE](L, inst, base)
}

// rk is an operand: a constant or a register.
func rk(f *Frame, reg []lua.LValue, x int) lua.LValue {
	if x&0x100 != 0 {
		return f.Fn.Proto.Constants[x&0xff]
	}
	return reg[f.LocalBase+x]
}

func opSetList(L *lua.LState, inst uint32, base *Frame) int {
	f := Current(L)
	n, c := int(inst&0x1ff), int(inst>>9)&0x1ff
	if c == 0 {
		c = int(f.Fn.Proto.Code[f.Pc])
	}
	if n == 0 {
		n = registryOf(L).top - (f.LocalBase + int(inst>>18)&0xff) - 1
	}
	if n += (c - 1) * lua.FieldsPerFlush; n >= MaxArray {
		L.RaiseError("%s", tooLong(n))
	}
	return original[lua.OP_SETLIST](L, inst, base)
}

// opLen catches a list that crossed MaxArray in an order CheckList cannot see,
// for instance filled from its end: better an error than a wrong length.
func opLen(L *lua.LState, inst uint32, base *Frame) int {
	if b := int(inst & 0x1ff); b&0x100 == 0 {
		t, ok := registryOf(L).array[Current(L).LocalBase+b].(*lua.LTable)
		if ok && ArrayLen(t) == MaxArray-1 && t.RawGetH(lua.LNumber(MaxArray)) != lua.LNil && dense(t, MaxArray-1) {
			L.RaiseError("%s", tooLong(MaxArray))
		}
	}
	return original[lua.OP_LEN](L, inst, base)
}

func tooLong(n int) string {
	return fmt.Sprintf("list too long (%d entries, limit %d)", n, MaxArray-1)
}

// CheckList raises an error when storing at key n would carry a list across
// MaxArray, where # and ipairs would lose sight of the rest. A table that is
// merely keyed by large numbers has holes and passes.
func CheckList(L *lua.LState, t *lua.LTable, n int) {
	switch {
	case n == MaxArray && dense(t, MaxArray-1):
		L.RaiseError("%s", tooLong(n))
	case n == MaxArray-1 && t.RawGetH(lua.LNumber(MaxArray)) != lua.LNil && dense(t, MaxArray-2):
		L.RaiseError("%s", tooLong(MaxArray))
	}
}

// dense reports whether slots 1..n of t are all in use.
func dense(t *lua.LTable, n int) bool {
	array := arrayOf(t)
	if len(array) < n {
		return false
	}
	for i := n - 1; i >= 0; i-- {
		if array[i] == lua.LNil {
			return false
		}
	}
	return true
}

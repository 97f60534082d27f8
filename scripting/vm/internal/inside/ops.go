package inside

import (
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

// original keeps the opcodes as gopher-lua made them.
var original [opCount]instFunc

func wrap() {
	original = jumpTable
	for op, f := range original {
		if f == nil {
			broken("opcode %d has no function in the jump table", op)
		}
	}
	jumpTable[lua.OP_JMP] = opJmp
	jumpTable[lua.OP_FORLOOP] = opForLoop
	jumpTable[lua.OP_TFORLOOP] = opTForLoopStock
	jumpTable[lua.OP_CALL] = opCall
	jumpTable[lua.OP_TAILCALL] = opTailCall
	jumpTable[lua.OP_CLOSURE] = opClosure
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

// opJmp looks at the depth, too: recursion through metamethods passes no CALL,
// but it has to end somewhere, and so has a condition.
func opJmp(L *lua.LState, inst uint32, _ *Frame) int {
	if step := L.Options.RegistryGrowStep; step >= mark {
		if Of(L).Interrupt.Load() != 0 {
			Of(L).OnInterrupt(L)
		}
		if Current(L).Idx >= step&limitMask {
			deep(L)
		}
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

func opTForLoopStock(L *lua.LState, inst uint32, base *Frame) int {
	Check(L)
	return original[lua.OP_TFORLOOP](L, inst, base)
}

// checkDepth looks closer at a thread with many frames.
func checkDepth(L *lua.LState) {
	if step := L.Options.RegistryGrowStep; step >= mark && Current(L).Idx >= step&limitMask {
		deep(L)
	}
}

func opCall(L *lua.LState, inst uint32, base *Frame) int {
	if step := L.Options.RegistryGrowStep; step >= mark {
		if Of(L).Interrupt.Load() != 0 {
			Of(L).OnInterrupt(L)
		}
		if Current(L).Idx >= step&limitMask {
			deep(L)
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

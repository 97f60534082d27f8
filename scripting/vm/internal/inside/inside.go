// Package inside is the only place of Swoon that reaches into gopher-lua's
// private parts: the jump table of the interpreter, the current call frame of
// a thread, the value stack and the tables.
//
// Every assumption is checked by name and type when the program starts. A
// gopher-lua that was changed underneath stops the program with the name of the
// broken assumption, never with wrong results.
//
// Everything here runs on the goroutine that holds the baton of the VM; init
// runs before any VM exists.
package inside

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// KnownGood is the gopher-lua version these assumptions were read from.
const KnownGood = "v1.1.2"

// Frame mirrors gopher-lua's callFrame. It is valid only while the call it
// describes is running: popped frames are recycled, even by other VMs.
type Frame struct {
	Idx        int
	Fn         *lua.LFunction
	Parent     *Frame
	Pc         int
	Base       int
	LocalBase  int
	ReturnBase int
	NArgs      int
	NRet       int
	TailCall   int
}

// Op is the opcode of the instruction this frame executes, or -1 when it is
// not a Lua function or has not begun.
func (f *Frame) Op() int {
	if f.Fn.IsG || f.Pc < 1 || f.Pc > len(f.Fn.Proto.Code) {
		return -1
	}
	return int(f.Fn.Proto.Code[f.Pc-1] >> 26)
}

// Line is the source line this frame executes, or -1 for a Go function.
func (f *Frame) Line() int {
	if f.Fn.IsG {
		return -1
	}
	pos := f.Fn.Proto.DbgSourcePositions
	i := f.Pc - 1
	if i < 0 {
		i = 0 // the frame was pushed but has not executed anything yet
	}
	if i >= len(pos) {
		return -1
	}
	return pos[i]
}

// PendingResults is how many results the call instruction of f waits for;
// -1 means as many as come.
func (f *Frame) PendingResults() int {
	if f.Op() != OpCall {
		return -1
	}
	return int(f.Fn.Proto.Code[f.Pc-1]>>9)&0x1ff - 1
}

// Global is a lua.Global with room for what the wrapped opcodes need. The
// embedded struct comes first, so that a pointer to one is a pointer to both.
type Global struct {
	lua.Global
	// Interrupt is the loop's interrupt word: non-zero sends the next wrapped
	// opcode to OnInterrupt. Any goroutine may write it.
	Interrupt *atomic.Uint32
	// OnInterrupt may raise a Lua error or return to go on.
	OnInterrupt func(L *lua.LState)
	// MaxString caps what one concatenation may build.
	MaxString int
	// Culprit is the register a failed concatenation stumbled over, -1 for none.
	// It is right at the moment of raising only.
	Culprit int
	// Owner is the VM.
	Owner any
}

// mark in Options.RegistryGrowStep tells our threads from those of a stock
// lua.NewState, whose Global has nothing behind its end. The low bits hold the
// frame limits of the thread, see SetLimit. After a thread was made nothing else
// reads this option.
const mark = 1 << 40

// Attach gives L, fresh from lua.NewState, an extended Global.
func Attach(L *lua.LState, g *Global) {
	g.Global = *L.G
	L.G = &g.Global
	if L.G.MainThread == nil {
		L.G.MainThread, L.G.CurrentThread = L, L
	}
}

// Ours reports whether L belongs to a VM made with Attach and SetLimit.
func Ours(L *lua.LState) bool { return L.Options.RegistryGrowStep >= mark }

// Of returns the extended Global of a thread that is ours.
func Of(L *lua.LState) *Global { return (*Global)(unsafe.Pointer(L.G)) }

// Current is the frame L executes now, nil when it is idle.
func Current(L *lua.LState) *Frame {
	return *(**Frame)(unsafe.Add(unsafe.Pointer(L), offCurrentFrame))
}

// Slots is how many stack slots L holds memory for.
func Slots(L *lua.LState) int { return cap(registryOf(L).array) }

func registryOf(L *lua.LState) *registry {
	return *(**registry)(unsafe.Add(unsafe.Pointer(L), offReg))
}

var offCurrentFrame, offReg uintptr

func broken(format string, args ...any) {
	panic("swoon: this gopher-lua is not the one Swoon was built for (known good: " + KnownGood + "): " +
		fmt.Sprintf(format, args...))
}

// offsetOf finds a field and checks the text of its type.
func offsetOf(t reflect.Type, name, typ string) uintptr {
	f, ok := t.FieldByName(name)
	if !ok {
		broken("%s has no field %s", t, name)
	}
	if f.Type.String() != typ {
		broken("%s.%s is a %s, expected %s", t, name, f.Type, typ)
	}
	return f.Offset
}

// mirror checks that ours begins with the same fields as theirs.
func mirror(theirs, ours reflect.Type, all bool) {
	if all && theirs.NumField() != ours.NumField() {
		broken("%s has %d fields, expected %d", theirs, theirs.NumField(), ours.NumField())
	}
	for i := range ours.NumField() {
		if i >= theirs.NumField() {
			broken("%s has only %d fields", theirs, i)
		}
		a, b := theirs.Field(i), ours.Field(i)
		same := a.Type == b.Type || a.Type.Kind() == reflect.Pointer && b.Type.Kind() == reflect.Pointer
		if a.Name != b.Name || a.Offset != b.Offset || !same {
			broken("field %d of %s is %s %s at %d, expected %s %s at %d",
				i, theirs, a.Name, a.Type, a.Offset, b.Name, b.Type, b.Offset)
		}
	}
}

func init() {
	state := reflect.TypeFor[lua.LState]()
	offCurrentFrame = offsetOf(state, "currentFrame", "*lua.callFrame")
	offReg = offsetOf(state, "reg", "*lua.registry")

	frame, _ := state.FieldByName("currentFrame")
	mirror(frame.Type.Elem(), reflect.TypeFor[Frame](), true)
	reg, _ := state.FieldByName("reg")
	alike(reg.Type.Elem(), reflect.TypeFor[registry]())

	if off := reflect.TypeFor[Global]().Field(0).Offset; off != 0 {
		broken("lua.Global is not at the start of our Global but at %d", off)
	}
	findFrames()
	findThreads()
	wrap()
}

// Reserve pushes n nils onto the stack of L and returns their slots, to be
// filled before anything else touches the stack.
func Reserve(L *lua.LState, n int) []lua.LValue {
	L.SetTop(L.GetTop() + n)
	r := registryOf(L)
	return r.array[r.top-n : r.top]
}

// Top is how many stack slots of L are in use.
func Top(L *lua.LState) int { return registryOf(L).top }

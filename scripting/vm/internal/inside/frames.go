package inside

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// A thread's frames lie in segments, and the list of these is made as long as
// it may ever be: for 4096 frames, as large as everything else of a thread that
// waits. Ours begin with room for FirstFrames; the wrapped opcodes, which count
// frames anyway, make room for more.

const (
	// FirstFrames is for how many frames a new thread has room.
	FirstFrames = 256
	// MostFrames is for how many it has at last.
	MostFrames = 4096

	// headroom is how many frames may be pushed without a wrapped opcode that
	// looks: metamethods without a condition, and Go functions that call others.
	// It is more than the 200 at which PUC Lua gives up.
	headroom = 224

	perSegment = 8
)

// frameStack mirrors gopher-lua's autoGrowingCallFrameStack.
type frameStack struct {
	segments []unsafe.Pointer
	segIdx   uint16
	segSp    uint8
}

var (
	offStack uintptr
	growing  unsafe.Pointer // the interface table of stacks that have segments
)

// iface is an interface value.
type iface struct{ tab, data unsafe.Pointer }

func stackOf(L *lua.LState) (s *frameStack, ok bool) {
	i := (*iface)(unsafe.Add(unsafe.Pointer(L), offStack))
	return (*frameStack)(i.data), i.tab == growing
}

func findFrames() {
	state := reflect.TypeFor[lua.LState]()
	offStack = offsetOf(state, "stack", "lua.callFrameStack")
	L := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 64, CallStackSize: 2*perSegment + 1, MinimizeStackMemory: true})
	defer L.Close()
	t := reflect.ValueOf(L).Elem().FieldByName("stack").Elem().Type()
	if got := t.String(); got != "*lua.autoGrowingCallFrameStack" {
		broken("a small stack is a %s, expected *lua.autoGrowingCallFrameStack", got)
	}
	alike(t.Elem(), reflect.TypeFor[frameStack]())
	growing = (*iface)(unsafe.Add(unsafe.Pointer(L), offStack)).tab
	if s, _ := stackOf(L); len(s.segments) != 3 {
		broken("room for %d frames has %d segments, expected 3", 2*perSegment+1, len(s.segments))
	}
}

// The option that says which threads are ours holds both limits: how many
// frames L may use, and at how many its wrapped opcodes look closer.
const (
	limitBits = 16
	limitMask = 1<<limitBits - 1
)

// SetLimit marks L as ours and says how many frames it may use.
func SetLimit(L *lua.LState, frames int) {
	look := frames
	if s, ok := stackOf(L); ok && len(s.segments) < MostFrames/perSegment {
		look = min(frames, len(s.segments)*perSegment-headroom)
	}
	L.Options.RegistryGrowStep = mark | frames<<limitBits | look
}

// Limit is what SetLimit set; zero for a thread that is not ours.
func Limit(L *lua.LState) int {
	return L.Options.RegistryGrowStep >> limitBits & (mark>>limitBits - 1)
}

// deep is called when L has so many frames that it must be looked at: it makes
// room, or raises an ordinary error well before gopher-lua's own Go panic.
func deep(L *lua.LState) {
	frames := Limit(L)
	if Current(L).Idx >= frames {
		L.RaiseError("stack overflow")
	}
	s, _ := stackOf(L)
	more := make([]unsafe.Pointer, min(2*len(s.segments), MostFrames/perSegment))
	copy(more, s.segments)
	s.segments = more
	SetLimit(L, frames)
}

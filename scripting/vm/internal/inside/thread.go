package inside

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua's NewThread makes a global environment for each thread, of 7 KB,
// and throws it away. Ours are copies of one that it has made, with a stack of
// frames and a stack of values of their own; what numbers are put into they
// have in common, as only one of a VM's threads runs at a time.

// Threads makes threads for one VM. Baton holder.
type Threads struct{ first *lua.LState }

// FirstSlots is how many values a new thread has room for: 2 KB, with the eight
// bytes that the Go runtime adds.
const FirstSlots = 127

// NewThreads makes one for the VM of L; its threads get L's options.
func NewThreads(L *lua.LState) *Threads {
	t := &Threads{}
	t.first, _ = L.NewThread()
	if _, ok := stackOf(t.first); !ok {
		broken("a thread has a stack that does not grow")
	}
	return t
}

// thread is what is made for each: its parts lie side by side.
type thread struct {
	L        lua.LState
	reg      registry
	stack    frameStack
	segments [FirstFrames / perSegment]unsafe.Pointer
}

//go:linkname newSegment github.com/yuin/gopher-lua.newCallFrameStackSegment
func newSegment() unsafe.Pointer

// New makes a thread.
func (t *Threads) New() *lua.LState {
	th := &thread{L: *t.first, reg: *registryOf(t.first)}
	th.reg.array = make([]lua.LValue, FirstSlots)
	th.reg.handler.data = unsafe.Pointer(&th.L)
	th.segments[0] = newSegment()
	th.stack.segments = th.segments[:]
	*(**registry)(unsafe.Add(unsafe.Pointer(&th.L), offReg)) = &th.reg
	(*iface)(unsafe.Add(unsafe.Pointer(&th.L), offStack)).data = unsafe.Pointer(&th.stack)
	return &th.L
}

// registry mirrors gopher-lua's: the stack of values.
type registry struct {
	array   []lua.LValue
	top     int
	growBy  int
	maxSize int
	alloc   unsafe.Pointer
	handler iface // the thread, for when it is full
}

// findThreads checks what New takes for granted.
func findThreads() {
	L := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 128, CallStackSize: 64})
	defer L.Close()
	r := registryOf(L)
	if r.handler.data != unsafe.Pointer(L) || r.top != 0 || len(r.array) != 128 {
		broken("a registry is not its thread's, or not empty")
	}
	frames, ok := reflect.TypeFor[lua.LState]().FieldByName("currentFrame")
	if !ok || !reflect.ValueOf(L).Elem().FieldByIndex(frames.Index).IsNil() {
		broken("a new thread has a frame")
	}
}

// alike checks that theirs is laid out as ours, field by field, where a pointer
// of any kind may be an unsafe one, and an interface its two words.
func alike(theirs, ours reflect.Type) {
	if theirs.NumField() != ours.NumField() {
		broken("%s has %d fields, expected %d", theirs, theirs.NumField(), ours.NumField())
	}
	for i := range ours.NumField() {
		a, b := theirs.Field(i), ours.Field(i)
		if a.Name != b.Name || a.Offset != b.Offset || shape(a.Type) != shape(b.Type) {
			broken("field %d of %s is %s %s at %d, expected %s %s at %d", i, theirs, a.Name, a.Type, a.Offset, b.Name, b.Type, b.Offset)
		}
	}
}

// shape is what the collector sees of a type.
func shape(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[iface]() || t.Kind() == reflect.Interface:
		return "interface"
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.UnsafePointer:
		return "pointer"
	case t.Kind() == reflect.Slice:
		return "slice of " + shape(t.Elem())
	}
	return t.Kind().String()
}

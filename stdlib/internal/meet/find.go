package meet

import (
	"fmt"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// What is shared by name, and how declarations of it are compared.

type atomicSpec struct {
	value float64
	bits  float64
}

func (s atomicSpec) Differ(old scripting.Spec) string {
	o := old.(atomicSpec)
	if s.bits != o.bits {
		return fmt.Sprintf("it has %v bits here, but %v", s.bits, o.bits)
	}
	if s.value != o.value {
		return fmt.Sprintf("it begins with %v here, but with %v", lua.LNumber(s.value), lua.LNumber(o.value))
	}
	return ""
}

// Adopt takes another first value: the atomic keeps the one it has.
func (s atomicSpec) Adopt(_ any, old scripting.Spec) (func(), error) {
	if s.bits != old.(atomicSpec).bits {
		return nil, fmt.Errorf("the number of bits cannot change")
	}
	return nil, nil
}

// FindAtomic is the atomic of this kind and name; value is what it begins with.
func FindAtomic(in *scripting.Instance, L *lua.LState, kind, name string, value, bits float64) *Atomic {
	if bits != 32 && bits != 64 {
		vm.Raise(L, "bad argument #3 'bits' to '%s' (32 or 64 expected, got %v)", kind, lua.LNumber(bits))
	}
	a := NewAtomic(kind+" '"+name+"'", bits == 64, 0)
	a.Check(L, 2, kind, "value", value)
	a.Set(int64(value))
	return in.Shared(L, kind, name, atomicSpec{value, bits}, func() any { return a }).(*Atomic)
}

type lockSpec struct{ kind string }

func (s lockSpec) Differ(old scripting.Spec) string {
	if o := old.(lockSpec); s != o {
		return fmt.Sprintf("it is a %s here, but a %s", s.kind, o.kind)
	}
	return ""
}

func (s lockSpec) Adopt(any, scripting.Spec) (func(), error) {
	return nil, fmt.Errorf("the kind of a lock cannot change")
}

// FindLock is the lock of this name; kind is mutex or rw.
func FindLock(in *scripting.Instance, L *lua.LState, what, name, kind string) *Lock {
	CheckKind(L, 2, what, kind)
	return in.Shared(L, what, name, lockSpec{kind}, func() any { return NewLock(what+" '"+name+"'", kind == "rw") }).(*Lock)
}

// CheckKind checks the kind of a lock, argument i of what.
func CheckKind(L *lua.LState, i int, what, kind string) {
	if kind != "mutex" && kind != "rw" {
		vm.Raise(L, "bad argument #%d 'kind' to '%s' (\"mutex\" or \"rw\" expected, got %q)", i, what, kind)
	}
}

type channelSpec struct{ capacity int }

func (s channelSpec) Differ(old scripting.Spec) string {
	if o := old.(channelSpec); s != o {
		return fmt.Sprintf("its capacity is %d here, but %d", s.capacity, o.capacity)
	}
	return ""
}

// Adopt takes another capacity: what is inside stays, also if it is more.
func (s channelSpec) Adopt(v any, _ scripting.Spec) (func(), error) {
	return func() { v.(*Channel).Resize(s.capacity) }, nil
}

// FindChannel is the channel of this name.
func FindChannel(in *scripting.Instance, L *lua.LState, what, name string, capacity float64) *Channel {
	n := Capacity(L, 2, what, capacity)
	return in.Shared(L, what, name, channelSpec{n}, func() any { return NewChannel(what+" '"+name+"'", n) }).(*Channel)
}

// maxCapacity is more than fits into memory, so that a slip of the pen is found.
const maxCapacity = 1 << 30

// Capacity checks the capacity of a channel, argument i of what.
func Capacity(L *lua.LState, i int, what string, f float64) int {
	if f != float64(int(f)) || !(f >= 0) || f > maxCapacity {
		vm.Raise(L, "bad argument #%d 'capacity' to '%s' (a whole number from 0 to %d expected, got %v)", i, what, maxCapacity, lua.LNumber(f))
	}
	return int(f)
}

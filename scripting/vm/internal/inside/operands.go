package inside

import (
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// init replaces the opcodes that turn numbers into strings and back in ways of
// gopher-lua's own. It runs after wrap: Go initialises files in their order,
// and inside.go comes first.
func init() {
	jumpTable[lua.OP_CONCAT] = opConcat
	jumpTable[lua.OP_FORPREP] = opForPrep
}

// Operand is what an instruction of f names by x: a constant or a register.
func Operand(L *lua.LState, f *Frame, x int) lua.LValue {
	if x&0x100 != 0 {
		return f.Fn.Proto.Constants[x&0xff]
	}
	if i := f.LocalBase + x; i < len(registryOf(L).array) && registryOf(L).array[i] != nil {
		return registryOf(L).array[i]
	}
	return lua.LNil
}

// Inst is the instruction f executes; zero when there is none.
func (f *Frame) Inst() uint32 {
	if f.Op() < 0 {
		return 0
	}
	return f.Fn.Proto.Code[f.Pc-1]
}

// opForPrep takes numerals written as strings, as other arithmetic does, and
// complains in the words of PUC Lua.
func opForPrep(L *lua.LState, inst uint32, base *Frame) int {
	a := Current(L).LocalBase + int(inst>>18)&0xff
	reg := registryOf(L).array
	for i, what := range [...]string{"initial value", "limit", "step"} {
		if _, ok := reg[a+i].(lua.LNumber); ok {
			continue
		}
		s, ok := reg[a+i].(lua.LString)
		f, good := ParseNumber(string(s))
		if !ok || !good {
			L.RaiseError("'for' %s must be a number", what)
		}
		reg[a+i] = lua.LNumber(f)
	}
	return original[lua.OP_FORPREP](L, inst, base)
}

func joinable(lv lua.LValue) bool {
	switch lv.(type) {
	case lua.LString, lua.LNumber:
		return true
	}
	return false
}

func opConcat(L *lua.LState, inst uint32, _ *Frame) int {
	lbase := Current(L).LocalBase
	a, b, c := lbase+int(inst>>18)&0xff, lbase+int(inst&0x1ff), lbase+int(inst>>9)&0x1ff
	last := c
	for c > b {
		reg := registryOf(L).array
		from := c + 1
		for from > b && joinable(reg[from-1]) {
			from--
		}
		if from < c {
			reg[from] = join(L, reg[from:c+1])
			c = from
			continue
		}
		// One of the last two has a metamethod, or this cannot be done.
		fn := concatFunc(L, reg[c-1], reg[c])
		if fn == nil {
			bad := c - 1
			at := bad - lbase
			if joinable(reg[bad]) {
				if bad, at = c, c-lbase; c != last {
					at = -1 // what a metamethod returned has no name
				}
			}
			if Ours(L) {
				Of(L).Culprit = at
			}
			L.RaiseError("attempt to concatenate a %s value", reg[bad].Type())
		}
		L.Push(fn)
		L.Push(reg[c-1])
		L.Push(reg[c])
		L.Call(2, 1)
		c--
		registryOf(L).array[c] = L.Get(-1)
		L.Pop(1)
	}
	r := registryOf(L)
	r.array[a] = r.array[c]
	r.top = max(r.top, a+1)
	return 0
}

func concatFunc(L *lua.LState, x, y lua.LValue) *lua.LFunction {
	if fn, ok := L.GetMetaField(x, "__concat").(*lua.LFunction); ok {
		return fn
	}
	fn, _ := L.GetMetaField(y, "__concat").(*lua.LFunction)
	return fn
}

// join builds one string of strings and numbers.
func join(L *lua.LState, list []lua.LValue) lua.LValue {
	var room [64]byte
	var ends [8]int
	digits, at := room[:0], ends[:0]
	size := 0
	for _, lv := range list {
		switch x := lv.(type) {
		case lua.LString:
			size += len(x)
		case lua.LNumber:
			digits = AppendNumber(digits, float64(x))
			at = append(at, len(digits))
		}
	}
	size += len(digits)
	if Ours(L) {
		if limit := Of(L).MaxString; size > limit {
			L.RaiseError("string too large (%d bytes, limit %d)", size, limit)
		}
	}
	if size == 0 {
		return lua.LString("")
	}
	b := make([]byte, 0, size)
	n, from := 0, 0
	for _, lv := range list {
		if s, ok := lv.(lua.LString); ok {
			b = append(b, s...)
			continue
		}
		b = append(b, digits[from:at[n]]...)
		from = at[n]
		n++
	}
	return lua.LString(unsafe.String(unsafe.SliceData(b), len(b)))
}

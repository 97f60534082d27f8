package vm

import (
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// openBit32 offers the bit32 library of Lua 5.2.
func (v *VM) openBit32() {
	fold := func(start uint32, op func(a, b uint32) uint32) func(L *lua.LState) uint32 {
		return func(L *lua.LState) uint32 {
			n := start
			for i := 1; i <= L.GetTop(); i++ {
				n = op(n, checkBits(L, i))
			}
			return n
		}
	}
	and := fold(math.MaxUint32, func(a, b uint32) uint32 { return a & b })
	lib := map[string]lua.LGFunction{
		"btest": func(L *lua.LState) int {
			L.Push(lua.LBool(and(L) != 0))
			return 1
		},
	}
	for name, fn := range map[string]func(L *lua.LState) uint32{
		"band": and,
		"bor":  fold(0, func(a, b uint32) uint32 { return a | b }),
		"bxor": fold(0, func(a, b uint32) uint32 { return a ^ b }),
		"bnot": func(L *lua.LState) uint32 { return ^checkBits(L, 1) },
		"lshift": func(L *lua.LState) uint32 {
			n := checkBits(L, 1)
			return shift(n, checkInt(L, 2))
		},
		"rshift": func(L *lua.LState) uint32 {
			n := checkBits(L, 1)
			return shift(n, -checkInt(L, 2))
		},
		"arshift": func(L *lua.LState) uint32 {
			n, by := checkBits(L, 1), checkInt(L, 2)
			if by < 0 || n < 1<<31 {
				return shift(n, -by)
			}
			return uint32(int32(n) >> min(by, 31))
		},
		"lrotate": func(L *lua.LState) uint32 {
			n := checkBits(L, 1)
			return bits.RotateLeft32(n, checkInt(L, 2)&31)
		},
		"rrotate": func(L *lua.LState) uint32 {
			n := checkBits(L, 1)
			return bits.RotateLeft32(n, -(checkInt(L, 2) & 31))
		},
		"extract": func(L *lua.LState) uint32 {
			n := checkBits(L, 1)
			at, mask := checkField(L, 2)
			return n >> at & mask
		},
		"replace": func(L *lua.LState) uint32 {
			n, x := checkBits(L, 1), checkBits(L, 2)
			at, mask := checkField(L, 3)
			return n&^(mask<<at) | x&mask<<at
		},
	} {
		lib[name] = func(L *lua.LState) int {
			L.Push(lua.LNumber(fn(L)))
			return 1
		}
	}
	v.register("bit32", lib)
}

// checkBits is argument n modulo 2^32.
func checkBits(L *lua.LState, n int) uint32 {
	f := math.Floor(checkNumber(L, n))
	if f >= 0 && f <= math.MaxUint32 {
		return uint32(f)
	}
	if f = math.Mod(f, 1<<32); f < 0 {
		f += 1 << 32
	}
	if f != f {
		return 0
	}
	return uint32(f)
}

// shift moves to the left, or to the right by a negative number.
func shift(n uint32, by int) uint32 {
	switch {
	case by >= 32 || by <= -32:
		return 0
	case by >= 0:
		return n << by
	}
	return n >> -by
}

// checkField is the field and optional width that begin at argument n.
func checkField(L *lua.LState, n int) (at int, mask uint32) {
	at = checkInt(L, n)
	width := optInt(L, n+1, 1)
	if at < 0 {
		argError(L, n, "field cannot be negative")
	}
	if width < 1 {
		argError(L, n+1, "width must be positive")
	}
	if at > 32 || width > 32 || at+width > 32 {
		Raise(L, "trying to access non-existent bits")
	}
	return at, uint32(1<<width - 1)
}

package vm

import (
	lua "github.com/yuin/gopher-lua"
)

// byteValues are the boxed numbers 0 to 255: string.byte allocates nothing.
var byteValues = func() (list [256]lua.LValue) {
	for i := range list {
		list[i] = lua.LNumber(i)
	}
	return list
}()

// maxSlice is how many results string.byte, utf8.codepoint and string.unpack may
// have; the value stack of a thread ends at 1<<18.
const maxSlice = 200_000

// fromEnd makes a position counted from the end one from the start.
func fromEnd(pos, size int) int {
	if pos < 0 {
		pos += size + 1
	}
	return max(pos, 0)
}

func strSub(L *lua.LState) int {
	s := checkString(L, 1)
	from, to := fromEnd(checkInt(L, 2), len(s)), fromEnd(optInt(L, 3, -1), len(s))
	from, to = max(from, 1), min(to, len(s))
	if from > to {
		L.Push(lua.LString(""))
	} else {
		L.Push(lua.LString(s[from-1 : to]))
	}
	return 1
}

func strByte(L *lua.LState) int {
	s := checkString(L, 1)
	from := fromEnd(optInt(L, 2, 1), len(s))
	to := min(fromEnd(optInt(L, 3, from), len(s)), len(s))
	from = max(from, 1)
	if from > to {
		return 0
	}
	if to-from >= maxSlice {
		Raise(L, "stack overflow (string slice too long)")
	}
	for _, c := range []byte(s[from-1 : to]) {
		L.Push(byteValues[c])
	}
	return to - from + 1
}

func strLen(L *lua.LState) int {
	L.Push(lua.LNumber(len(checkString(L, 1))))
	return 1
}

func strChar(L *lua.LState) int {
	n := L.GetTop()
	b := make([]byte, n)
	for i := range n {
		c := checkInt(L, i+1)
		if c < 0 || c > 255 {
			argError(L, i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	L.Push(lua.LString(b))
	return 1
}

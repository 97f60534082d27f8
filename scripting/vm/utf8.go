package vm

import (
	lua "github.com/yuin/gopher-lua"
)

const maxRune = 0x10ffff

// openUtf8 offers the utf8 library of Lua 5.3.
func (v *VM) openUtf8() {
	t := v.register("utf8", map[string]lua.LGFunction{
		"char": utf8Char, "codepoint": utf8Codepoint, "len": utf8Len, "offset": utf8Offset,
	})
	step := v.Function(utf8Next)
	t.RawSetString("codes", v.Function(func(L *lua.LState) int {
		s := checkString(L, 1)
		L.Push(step)
		L.Push(lua.LString(s))
		L.Push(lua.LNumber(0))
		return 3
	}))
	t.RawSetString("charpattern", lua.LString("[\x00-\x7f\xc2-\xf4][\x80-\xbf]*"))
}

func isContinuation(c byte) bool { return c&0xc0 == 0x80 }

// decodeRune reads the character at s[i:]; size is 0 where there is none. As in
// Lua 5.3 the halves of UTF-16 pairs pass; overlong forms do not.
func decodeRune(s string, i int) (r rune, size int) {
	c := s[i]
	if c < 0x80 {
		return rune(c), 1
	}
	least := rune(0)
	switch {
	case c >= 0xc0 && c < 0xe0:
		r, size, least = rune(c&0x1f), 2, 0x80
	case c >= 0xe0 && c < 0xf0:
		r, size, least = rune(c&0x0f), 3, 0x800
	case c >= 0xf0 && c < 0xf8:
		r, size, least = rune(c&0x07), 4, 0x10000
	default:
		return 0, 0
	}
	if i+size > len(s) {
		return 0, 0
	}
	for k := 1; k < size; k++ {
		if !isContinuation(s[i+k]) {
			return 0, 0
		}
		r = r<<6 | rune(s[i+k]&0x3f)
	}
	if r < least || r > maxRune {
		return 0, 0
	}
	return r, size
}

func encodeRune(b []byte, r int) []byte {
	switch {
	case r < 0x80:
		return append(b, byte(r))
	case r < 0x800:
		return append(b, 0xc0|byte(r>>6), 0x80|byte(r&0x3f))
	case r < 0x10000:
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return append(b, 0xf0|byte(r>>18), 0x80|byte(r>>12&0x3f), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
}

func utf8Char(L *lua.LState) int {
	b := make([]byte, 0, 4*L.GetTop())
	for i := 1; i <= L.GetTop(); i++ {
		r := checkInt(L, i)
		if r < 0 || r > maxRune {
			argError(L, i, "value out of range")
		}
		b = encodeRune(b, r)
	}
	L.Push(lua.LString(b))
	return 1
}

func utf8Codepoint(L *lua.LState) int {
	s := checkString(L, 1)
	from := fromEnd(optInt(L, 2, 1), len(s))
	to := fromEnd(optInt(L, 3, from), len(s))
	if from < 1 {
		argError(L, 2, "out of range")
	}
	if to > len(s) {
		argError(L, 3, "out of range")
	}
	if to-from >= maxSlice {
		Raise(L, "string slice too long")
	}
	n := 0
	for i := from - 1; i < to; n++ {
		r, size := decodeRune(s, i)
		if size == 0 {
			Raise(L, "invalid UTF-8 code")
		}
		L.Push(lua.LNumber(r))
		i += size
	}
	return n
}

func utf8Len(L *lua.LState) int {
	s := checkString(L, 1)
	from, to := fromEnd(optInt(L, 2, 1), len(s)), fromEnd(optInt(L, 3, -1), len(s))
	if from < 1 || from > len(s)+1 {
		argError(L, 2, "initial position out of string")
	}
	if to > len(s) {
		argError(L, 3, "final position out of string")
	}
	n := 0
	for i := from - 1; i < to; n++ {
		_, size := decodeRune(s, i)
		if size == 0 {
			L.Push(lua.LNil)
			L.Push(lua.LNumber(i + 1))
			return 2
		}
		i += size
	}
	L.Push(lua.LNumber(n))
	return 1
}

// utf8Offset is where the n-th character, counted from position i, begins.
func utf8Offset(L *lua.LState) int {
	s, n := checkString(L, 1), checkInt(L, 2)
	def := 1
	if n <= 0 {
		def = len(s) + 1
	}
	i := fromEnd(optInt(L, 3, def), len(s)) - 1
	if i < 0 || i > len(s) {
		argError(L, 3, "position out of range")
	}
	cont := func(i int) bool { return i < len(s) && isContinuation(s[i]) }
	switch {
	case n == 0:
		for i > 0 && cont(i) {
			i--
		}
		L.Push(lua.LNumber(i + 1))
		return 1
	case cont(i):
		Raise(L, "initial position is a continuation byte")
	case n < 0:
		for ; n < 0 && i > 0; n++ {
			for i--; i > 0 && cont(i); i-- {
			}
		}
	default:
		for n--; n > 0 && i < len(s); n-- {
			for i++; cont(i); i++ {
			}
		}
	}
	if n == 0 {
		L.Push(lua.LNumber(i + 1))
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

// utf8Next is the iterator of utf8.codes.
func utf8Next(L *lua.LState) int {
	s, i := checkString(L, 1), checkInt(L, 2)-1
	if i < 0 {
		i = 0
	} else if i < len(s) {
		for i++; i < len(s) && isContinuation(s[i]); i++ {
		}
	}
	if i >= len(s) {
		return 0
	}
	r, size := decodeRune(s, i)
	if size == 0 || i+size < len(s) && isContinuation(s[i+size]) {
		Raise(L, "invalid UTF-8 code")
	}
	L.Push(lua.LNumber(i + 1))
	L.Push(lua.LNumber(r))
	return 2
}

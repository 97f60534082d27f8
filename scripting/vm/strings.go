package vm

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openString replaces the functions of gopher-lua's string library that can
// take the process down, never end, or damage binary data.
func (v *VM) openString() {
	t := v.L.G.Global.RawGetString("string").(*lua.LTable)
	for name, fn := range map[string]lua.LGFunction{
		"find":   func(L *lua.LState) int { return strFind(L, true) },
		"match":  func(L *lua.LState) int { return strFind(L, false) },
		"gmatch": strGmatch,
		"gfind":  strGmatch,
		"gsub":   v.strGsub,
		"rep":    v.strRep,
		"sub":    strSub,
		"byte":   strByte,
		"char":   strChar,
		"len":    strLen,
		"pack":   v.strPack, "unpack": strUnpack, "packsize": strPackSize,
		"format":  v.strFormat,
		"reverse": strReverse,
		"upper":   func(L *lua.LState) int { return strCase(L, 'a', 'z') },
		"lower":   func(L *lua.LState) int { return strCase(L, 'A', 'Z') },
	} {
		t.RawSetString(name, v.Function(fn))
	}
	t.RawSetString("gfind", t.RawGetString("gmatch")) // its name in Lua 5.0
	t.RawSetString("dump", v.Function(unavailable("string.dump", "compiled code is not exchanged between VMs")))
}

// checkString is L.CheckString with PUC Lua's message.
func checkString(L *lua.LState, n int) string {
	switch x := L.Get(n).(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(x)
	}
	typeError(L, n, "string")
	return ""
}

// tooLarge raises the error of every operation that would build a string over
// the limit.
func tooLarge(L *lua.LState, size, limit int) {
	Raise(L, "string too large (%d bytes, limit %d)", size, limit)
}

const specials = "^$*+?.([%-"

func strFind(L *lua.LState, find bool) int {
	s, p := checkString(L, 1), checkString(L, 2)
	init := optInt(L, 3, 1)
	if init < 0 {
		init += len(s) + 1
	}
	init = min(max(init-1, 0), len(s))
	if find && (lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(p, specials)) {
		at := strings.Index(s[init:], p)
		if at < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(init + at + 1))
		L.Push(lua.LNumber(init + at + len(p)))
		return 2
	}
	var m matcher
	m.init(L, s, p)
	start, anchored := 0, false
	if p != "" && p[0] == '^' {
		start, anchored = 1, true
	}
	for at := init; at <= len(s); at++ {
		m.level = 0
		if e := m.match(at, start); e >= 0 {
			if !find {
				return m.pushCaptures(at, e, true)
			}
			L.Push(lua.LNumber(at + 1))
			L.Push(lua.LNumber(e))
			return m.pushCaptures(at, e, false) + 2
		}
		if anchored {
			break
		}
	}
	L.Push(lua.LNil)
	return 1
}

func strGmatch(L *lua.LState) int {
	m := new(matcher)
	m.init(L, checkString(L, 1), checkString(L, 2))
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		m.L = L
		for ; at <= len(m.src); at++ {
			m.level = 0
			if e := m.match(at, 0); e >= 0 {
				s := at
				if at = e; e == s {
					at++ // an empty match must not be found again
				}
				return m.pushCaptures(s, e, true)
			}
		}
		L.Push(lua.LNil)
		return 1
	}))
	return 1
}

func (v *VM) strGsub(L *lua.LState) int {
	s, p := checkString(L, 1), checkString(L, 2)
	repl := L.Get(3)
	switch x := repl.(type) {
	case lua.LString, *lua.LTable, *lua.LFunction:
	case lua.LNumber:
		repl = lua.LString(numberText(x))
	default:
		argError(L, 3, "string/function/table expected")
	}
	most := optInt(L, 4, len(s)+1)
	var m matcher
	m.init(L, s, p)
	start, anchored := 0, false
	if p != "" && p[0] == '^' {
		start, anchored = 1, true
	}
	var b strings.Builder
	n, at := 0, 0
	for n < most {
		m.level = 0
		e := m.match(at, start)
		if e >= 0 {
			n++
			m.replace(&b, repl, at, e)
			if b.Len() > v.opt.MaxString {
				tooLarge(L, b.Len(), v.opt.MaxString)
			}
		}
		if e > at {
			at = e
		} else if at < len(s) {
			b.WriteByte(s[at])
			at++
		} else {
			break
		}
		if anchored {
			break
		}
	}
	if at < len(s) {
		b.WriteString(s[at:])
	}
	L.Push(lua.LString(b.String()))
	L.Push(lua.LNumber(n))
	return 2
}

// replace writes what stands for the match src[s:e].
func (m *matcher) replace(b *strings.Builder, repl lua.LValue, s, e int) {
	L := m.L
	var lv lua.LValue
	switch r := repl.(type) {
	case lua.LString:
		for i := 0; i < len(r); i++ {
			if r[i] != '%' || i+1 >= len(r) {
				b.WriteByte(r[i])
				continue
			}
			i++
			switch c := r[i]; {
			case !isDigit(c):
				b.WriteByte(c)
			case c == '0':
				b.WriteString(m.src[s:e])
			default:
				b.WriteString(m.capturedText(int(c-'1'), s, e))
			}
		}
		return
	case *lua.LTable:
		lv = index(L, r, m.captured(0, s, e))
	case *lua.LFunction:
		L.Push(r)
		L.Call(m.pushCaptures(s, e, true), 1)
		lv = L.Get(-1)
		L.Pop(1)
	}
	switch x := lv.(type) {
	case lua.LString:
		b.WriteString(string(x))
	case lua.LNumber:
		b.WriteString(numberText(x))
	default:
		if lua.LVAsBool(lv) {
			Raise(L, "invalid replacement value (a %s)", lv.Type())
		}
		b.WriteString(m.src[s:e])
	}
}

func (v *VM) strRep(L *lua.LState) int {
	s, n := checkString(L, 1), checkInt(L, 2)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	if n > v.opt.MaxString/len(s) {
		size := v.opt.MaxString + 1
		if n < 1<<40 {
			size = len(s) * n
		}
		tooLarge(L, size, v.opt.MaxString)
	}
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

func strReverse(L *lua.LState) int {
	s := checkString(L, 1)
	b := make([]byte, len(s))
	for i := range len(s) {
		b[len(s)-1-i] = s[i]
	}
	L.Push(lua.LString(b))
	return 1
}

// strCase flips the case of the ASCII letters lo..hi and leaves every other
// byte alone: strings are bytes.
func strCase(L *lua.LState, lo, hi byte) int {
	s := checkString(L, 1)
	b := []byte(s)
	for i, c := range b {
		if c >= lo && c <= hi {
			b[i] = c ^ 0x20
		}
	}
	L.Push(lua.LString(b))
	return 1
}

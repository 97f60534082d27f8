package php

import (
	"encoding/hex"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// What the functions of text.go do.

func digest(L *lua.LState, sum []byte) lua.LValue {
	if flag(L, 2) {
		return lua.LString(sum)
	}
	return lua.LString(hex.EncodeToString(sum))
}

func percent(s, keep string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func unpercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// room refuses a result of n times size bytes that would be too long.
func room(L *lua.LState, what string, size, n int) {
	if most := vm.Of(L).MaxString(); size > 0 && n > most/size {
		vm.Raise(L, "php.%s: the result would be longer than %d bytes", what, most)
	}
}

// needle is argument n, which may not be empty.
func needle(L *lua.LState, n int, what, name string) string {
	s := text(L, n)
	if s == "" {
		vm.Raise(L, "bad argument #%d '%s' to 'php.%s' (cannot be empty)", n, name, what)
	}
	return s
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 0x20
		}
	}
	return string(b)
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 0x20
		}
	}
	return string(b)
}

// window turns an offset and a length, as substr and array_slice have them, into
// a place and an end. length is nil where it is not given.
func window(size, offset int, length *int) (from, to int) {
	if offset < 0 {
		offset = max(offset+size, 0)
	}
	from, to = min(offset, size), size
	if length != nil {
		if *length < 0 {
			to = max(size+*length, from)
		} else {
			to = from + min(*length, size-from)
		}
	}
	return from, to
}

func optional(L *lua.LState, n int, what, name string) *int {
	if L.Get(n) == lua.LNil {
		return nil
	}
	v := whole(L, n, what, name, 0)
	return &v
}

func substr(L *lua.LState) lua.LValue {
	s := text(L, 1)
	from, to := window(len(s), whole(L, 2, "substr", "offset", 0), optional(L, 3, "substr", "length"))
	return lua.LString(s[from:to])
}

func position(L *lua.LState, what string, fold, last bool) lua.LValue {
	s, n := text(L, 1), text(L, 2)
	offset := whole(L, 3, what, "offset", 0)
	if offset > len(s) || offset < -len(s) {
		vm.Raise(L, "bad argument #3 'offset' to 'php.%s' (lies outside of the string)", what)
	}
	if fold {
		s, n = lower(s), lower(n)
	}
	i := -1
	switch {
	case !last:
		if offset < 0 {
			offset += len(s)
		}
		if i = strings.Index(s[offset:], n); i >= 0 {
			i += offset
		}
	case offset >= 0:
		if i = strings.LastIndex(s[offset:], n); i >= 0 {
			i += offset
		}
	default: // the needle begins there at the latest
		end := min(len(s)+offset+len(n), len(s))
		i = strings.LastIndex(s[:end], n)
	}
	if i < 0 {
		return lua.LFalse
	}
	return vm.Int(i)
}

func strReplace(L *lua.LState) lua.LValue {
	subject := text(L, 3)
	replace := func(from, to string) {
		if from == "" {
			return
		}
		if n := strings.Count(subject, from); n > 0 {
			if most := vm.Of(L).MaxString(); len(to) > len(from) && n > (most-len(subject))/(len(to)-len(from)) {
				vm.Raise(L, "php.str_replace: the result would be longer than %d bytes", most)
			}
			subject = strings.ReplaceAll(subject, from, to)
		}
	}
	list, isList := scripting.ReadTable(L, L.Get(1))
	with, isList2 := scripting.ReadTable(L, L.Get(2))
	switch {
	case isList2 && !isList:
		vm.Raise(L, "bad argument #2 'replace' to 'php.str_replace' (a list goes with a list to search for only)")
	case !isList:
		replace(text(L, 1), text(L, 2))
	default:
		for i := 1; i <= list.Len(); i++ {
			to := ""
			if !isList2 {
				to = text(L, 2)
			} else {
				to = toText(L, with.RawGetInt(i))
			}
			replace(toText(L, list.RawGetInt(i)), to)
		}
	}
	return lua.LString(subject)
}

// How str_pad fills up.
const (
	padLeft  = 0
	padRight = 1
	padBoth  = 2
)

func strPad(L *lua.LState) lua.LValue {
	s, length, with := text(L, 1), whole(L, 2, "str_pad", "length", 0), " "
	if L.Get(3) != lua.LNil {
		with = needle(L, 3, "str_pad", "pad_string")
	}
	kind := whole(L, 4, "str_pad", "pad_type", padRight)
	if kind < padLeft || kind > padBoth {
		vm.Raise(L, "bad argument #4 'pad_type' to 'php.str_pad' (STR_PAD_LEFT, STR_PAD_RIGHT or STR_PAD_BOTH expected)")
	}
	room(L, "str_pad", 1, length)
	gap := length - len(s)
	if gap <= 0 {
		return lua.LString(s)
	}
	fill := func(n int) string { return strings.Repeat(with, n/len(with)+1)[:n] }
	left := 0
	switch kind {
	case padLeft:
		left = gap
	case padBoth:
		left = gap / 2
	}
	return lua.LString(fill(left) + s + fill(gap-left))
}

// trimmer makes trim and its kin.
func trimmer(name, where string, left, right bool) scripting.Func {
	return pure(name, "string string, characters string?", "string", "The string without blanks, newlines and zero bytes "+where+", or without the given characters, among which a..z means a range.", func(L *lua.LState) lua.LValue {
		set := " \n\r\t\v\x00"
		if L.Get(2) != lua.LNil {
			set = ranges(text(L, 2))
		}
		s := text(L, 1)
		for left && s != "" && strings.IndexByte(set, s[0]) >= 0 {
			s = s[1:]
		}
		for right && s != "" && strings.IndexByte(set, s[len(s)-1]) >= 0 {
			s = s[:len(s)-1]
		}
		return lua.LString(s)
	})
}

// ranges writes out the ranges in a list of characters.
func ranges(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if i+3 < len(s) && s[i+1] == '.' && s[i+2] == '.' && s[i+3] >= s[i] {
			for c := int(s[i]); c <= int(s[i+3]); c++ {
				b = append(b, byte(c))
			}
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func explode(L *lua.LState) lua.LValue {
	sep, s := needle(L, 1, "explode", "separator"), text(L, 2)
	limit := optional(L, 3, "explode", "limit")
	var parts []string
	switch {
	case limit == nil:
		parts = strings.Split(s, sep)
	case *limit >= 0:
		parts = strings.SplitN(s, sep, max(*limit, 1))
	default:
		parts = strings.Split(s, sep)
		parts = parts[:max(len(parts)+*limit, 0)]
	}
	list := make([]lua.LValue, len(parts))
	for i, p := range parts {
		list[i] = lua.LString(p)
	}
	return vm.NewList(list)
}

func implode(L *lua.LState, what string) lua.LValue {
	sep, n := "", 1
	if _, ok := scripting.ReadTable(L, L.Get(1)); !ok {
		sep, n = text(L, 1), 2
	}
	t := table(L, n, what, "array")
	var b strings.Builder
	most, i := vm.Of(L).MaxString(), 0
	vm.Each(t, func(_, v lua.LValue) bool {
		if i++; i%checkEvery == 0 {
			vm.Check(L)
		}
		if i > 1 {
			b.WriteString(sep)
		}
		b.WriteString(toText(L, v))
		if b.Len() > most {
			vm.Raise(L, "php.%s: the result would be longer than %d bytes", what, most)
		}
		return true
	})
	return lua.LString(b.String())
}

package php

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var textFuncs = []scripting.Func{
	pure("strlen", "string string", "number", "The length in bytes.", func(L *lua.LState) lua.LValue { return vm.Int(len(text(L, 1))) }),
	pure("substr", "string string, offset number, length number?", "string", "A part of the string, by its offset from 0 (negative: from the end) and its length (negative: so many left out at the end).", substr),
	pure("strpos", "haystack string, needle string, offset number?", "number|false", "The offset from 0 of the first needle, false if there is none: compare with false, as 0 is true in Lua.", func(L *lua.LState) lua.LValue { return position(L, "strpos", false, false) }),
	pure("stripos", "haystack string, needle string, offset number?", "number|false", "As strpos, whatever the case of ASCII letters.", func(L *lua.LState) lua.LValue { return position(L, "stripos", true, false) }),
	pure("strrpos", "haystack string, needle string, offset number?", "number|false", "The offset from 0 of the last needle, false if there is none.", func(L *lua.LState) lua.LValue { return position(L, "strrpos", false, true) }),
	pure("strstr", "haystack string, needle string, before_needle any", "string|false", "The string from the first needle on, or, with a third argument that is true, up to it; false if there is none.", func(L *lua.LState) lua.LValue {
		s := text(L, 1)
		i := strings.Index(s, text(L, 2))
		switch {
		case i < 0:
			return lua.LFalse
		case flag(L, 3):
			return lua.LString(s[:i])
		}
		return lua.LString(s[i:])
	}),
	pure("substr_count", "haystack string, needle string", "number", "How often the needle is there, without overlaps.", func(L *lua.LState) lua.LValue {
		return vm.Int(strings.Count(text(L, 1), needle(L, 2, "substr_count", "needle")))
	}),
	pure("str_contains", "haystack string, needle string", "boolean", "Whether the needle is there.", func(L *lua.LState) lua.LValue {
		return lua.LBool(strings.Contains(text(L, 1), text(L, 2)))
	}),
	pure("str_starts_with", "haystack string, needle string", "boolean", "Whether the string begins with the needle.", func(L *lua.LState) lua.LValue {
		return lua.LBool(strings.HasPrefix(text(L, 1), text(L, 2)))
	}),
	pure("str_ends_with", "haystack string, needle string", "boolean", "Whether the string ends with the needle.", func(L *lua.LState) lua.LValue {
		return lua.LBool(strings.HasSuffix(text(L, 1), text(L, 2)))
	}),
	pure("str_replace", "search any, replace any, subject string", "string", "The subject with every search replaced. search may be a list, and replace then too: they are taken in turn.", strReplace),
	pure("str_repeat", "string string, times number", "string", "The string so many times.", func(L *lua.LState) lua.LValue {
		s, n := text(L, 1), whole(L, 2, "str_repeat", "times", 0)
		if n < 0 {
			vm.Raise(L, "bad argument #2 'times' to 'php.str_repeat' (0 or more expected, got %d)", n)
		}
		room(L, "str_repeat", len(s), n)
		return lua.LString(strings.Repeat(s, n))
	}),
	pure("str_pad", "string string, length number, pad_string string?, pad_type number?", "string", "The string filled up to a length, with blanks or pad_string, at its end, or as STR_PAD_LEFT or STR_PAD_BOTH say.", strPad),
	pure("str_split", "string string, length number?", "table", "The string in pieces of length (1) bytes.", func(L *lua.LState) lua.LValue {
		s, n := text(L, 1), whole(L, 2, "str_split", "length", 1)
		if n < 1 {
			vm.Raise(L, "bad argument #2 'length' to 'php.str_split' (1 or more expected, got %d)", n)
		}
		var list []lua.LValue
		for len(s) > n {
			list = append(list, lua.LString(s[:n]))
			s = s[n:]
		}
		return vm.NewList(append(list, lua.LString(s)))
	}),
	pure("strrev", "string string", "string", "The bytes in reverse.", func(L *lua.LState) lua.LValue {
		s := text(L, 1)
		b := make([]byte, len(s))
		for i := range len(s) {
			b[len(s)-1-i] = s[i]
		}
		return lua.LString(b)
	}),
	pure("strtolower", "string string", "string", "ASCII capitals as small letters; other bytes stay.", func(L *lua.LState) lua.LValue { return lua.LString(lower(text(L, 1))) }),
	pure("strtoupper", "string string", "string", "ASCII small letters as capitals; other bytes stay.", func(L *lua.LState) lua.LValue { return lua.LString(upper(text(L, 1))) }),
	pure("ucfirst", "string string", "string", "The first letter as a capital.", func(L *lua.LState) lua.LValue {
		s := text(L, 1)
		return lua.LString(upper(s[:min(1, len(s))]) + s[min(1, len(s)):])
	}),
	pure("lcfirst", "string string", "string", "The first letter as a small one.", func(L *lua.LState) lua.LValue {
		s := text(L, 1)
		return lua.LString(lower(s[:min(1, len(s))]) + s[min(1, len(s)):])
	}),
	pure("ucwords", "string string", "string", "The first letter of each word as a capital; words end at blanks.", func(L *lua.LState) lua.LValue {
		b := []byte(text(L, 1))
		for i, c := range b {
			if c >= 'a' && c <= 'z' && (i == 0 || strings.IndexByte(" \t\r\n\f\v", b[i-1]) >= 0) {
				b[i] = c - 0x20
			}
		}
		return lua.LString(b)
	}),
	trimmer("trim", "at both ends", true, true),
	trimmer("ltrim", "at its start", true, false),
	trimmer("rtrim", "at its end", false, true),
	trimmer("chop", "at its end (as rtrim)", false, true),
	pure("strcmp", "a string, b string", "number", "-1, 0 or 1: how the strings compare, byte by byte.", func(L *lua.LState) lua.LValue { return vm.Int(strings.Compare(text(L, 1), text(L, 2))) }),
	pure("strcasecmp", "a string, b string", "number", "As strcmp, whatever the case of ASCII letters.", func(L *lua.LState) lua.LValue {
		return vm.Int(strings.Compare(lower(text(L, 1)), lower(text(L, 2))))
	}),
	pure("explode", "separator string, string string, limit number?", "table", "The parts of the string between separators, as a list; with a limit at most so many, or, when it is negative, all but so many at the end.", explode),
	pure("implode", "separator any, array any", "string", "The values of a table as one string with a separator between them; the separator may be left out.", func(L *lua.LState) lua.LValue { return implode(L, "implode") }),
	pure("join", "separator any, array any", "string", "As implode.", func(L *lua.LState) lua.LValue { return implode(L, "join") }),
	pure("nl2br", "string string", "string", "The string with <br /> before each newline.", func(L *lua.LState) lua.LValue {
		r := strings.NewReplacer("\r\n", "<br />\r\n", "\n", "<br />\n", "\r", "<br />\r")
		return lua.LString(r.Replace(text(L, 1)))
	}),
	pure("htmlspecialchars", "string string", "string", "The string with & < > \" and ' as HTML entities.", func(L *lua.LState) lua.LValue {
		r := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;")
		return lua.LString(r.Replace(text(L, 1)))
	}),
	pure("ord", "string string", "number", "The first byte as a number; 0 for an empty string.", func(L *lua.LState) lua.LValue {
		if s := text(L, 1); s != "" {
			return vm.Int(int(s[0]))
		}
		return vm.Int(0)
	}),
	pure("chr", "codepoint number", "string", "The byte of a number, modulo 256.", func(L *lua.LState) lua.LValue {
		return lua.LString([]byte{byte(whole(L, 1, "chr", "codepoint", 0))})
	}),
	pure("bin2hex", "string string", "string", "The bytes as hexadecimal digits.", func(L *lua.LState) lua.LValue { return lua.LString(hex.EncodeToString([]byte(text(L, 1)))) }),
	pure("hex2bin", "string string", "string|false", "The bytes of hexadecimal digits; false for anything else.", func(L *lua.LState) lua.LValue {
		b, err := hex.DecodeString(text(L, 1))
		if err != nil {
			return lua.LFalse
		}
		return lua.LString(b)
	}),
	pure("md5", "string string, binary any", "string", "The MD5 sum as hexadecimal digits, or as bytes when binary is true.", func(L *lua.LState) lua.LValue {
		sum := md5.Sum([]byte(text(L, 1)))
		return digest(L, sum[:])
	}),
	pure("sha1", "string string, binary any", "string", "The SHA-1 sum as hexadecimal digits, or as bytes when binary is true.", func(L *lua.LState) lua.LValue {
		sum := sha1.Sum([]byte(text(L, 1)))
		return digest(L, sum[:])
	}),
	pure("crc32", "string string", "number", "The CRC-32 checksum.", func(L *lua.LState) lua.LValue {
		return lua.LNumber(crc32.ChecksumIEEE([]byte(text(L, 1))))
	}),
	pure("base64_encode", "string string", "string", "The bytes in Base64.", func(L *lua.LState) lua.LValue {
		return lua.LString(base64.StdEncoding.EncodeToString([]byte(text(L, 1))))
	}),
	pure("base64_decode", "string string", "string|false", "The bytes of a Base64 text, with blanks and without its end padding allowed; false when it is none.", func(L *lua.LState) lua.LValue {
		s := strings.TrimRight(strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, text(L, 1)), "=")
		b, err := base64.RawStdEncoding.DecodeString(s)
		if err != nil {
			return lua.LFalse
		}
		return lua.LString(b)
	}),
	pure("urlencode", "string string", "string", "The string as form values are encoded: blanks as +, all but letters, digits and - _ . as %XX.", func(L *lua.LState) lua.LValue {
		return lua.LString(strings.ReplaceAll(percent(text(L, 1), "-_. "), " ", "+"))
	}),
	pure("rawurlencode", "string string", "string", "The string with all but letters, digits and - _ . ~ as %XX.", func(L *lua.LState) lua.LValue {
		return lua.LString(percent(text(L, 1), "-_.~"))
	}),
	pure("urldecode", "string string", "string", "The reverse of urlencode; a % that is no escape stays.", func(L *lua.LState) lua.LValue {
		return lua.LString(unpercent(strings.ReplaceAll(text(L, 1), "+", " ")))
	}),
	pure("rawurldecode", "string string", "string", "The reverse of rawurlencode; a % that is no escape stays.", func(L *lua.LState) lua.LValue {
		return lua.LString(unpercent(text(L, 1)))
	}),
}

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

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

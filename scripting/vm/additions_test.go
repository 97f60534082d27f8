package vm

import "testing"

// TestAdditions: what Swoon gives beyond Lua 5.1.
func TestAdditions(t *testing.T) {
	for src, want := range map[string]string{
		`print(load("return 1 + ...")(2), load("return x", "=n", "t", {x = 7})())`: "3\t7\n",
		`print(load("x =", "=n"))`:                                                     "nil\tn:1: syntax error near '<eof>'\n",
		`print(load("x", "=n", "b"))`:                                                  "nil\tattempt to load a text chunk (mode is 'b')\n",
		`print(pcall(load, "return 1", "=n", "t", 5))`:                                 "false\tbad argument #4 to '?' (table expected, got number)\n",
		`print(xpcall(function(...) return select('#', ...), ... end, print, 1, nil))`: "true\t2\t1\tnil\n",
		`print(bit32.band(0xff, 0x0f), bit32.bnot(0), bit32.lshift(1, 31), bit32.rshift(-1, 28), bit32.band())`:                                                                                                                "15\t4294967295\t2147483648\t15\t4294967295\n",
		`print(bit32.arshift(-16, 2), bit32.arshift(16, -2), bit32.arshift(-1, 99), bit32.lshift(1, 32), bit32.lshift(8, -3))`:                                                                                                 "4294967292\t64\t4294967295\t0\t1\n",
		`print(bit32.extract(0xabcd, 4, 8), bit32.replace(0, 0xff, 4, 4), bit32.lrotate(0x80000001, 1), bit32.rrotate(1, 33), bit32.bxor(-1, 1), bit32.bor(), bit32.btest(1, 3), bit32.btest(1, 2), bit32.extract(-1, 0, 32))`: "188\t240\t3\t2147483648\t4294967294\t0\ttrue\tfalse\t4294967295\n",
		`print(pcall(bit32.extract, 1, 30, 3)) print(pcall(bit32.extract, 1, -1)) print(pcall(bit32.bnot))`:                                                                                                                    "false\ttrying to access non-existent bits\nfalse\tbad argument #2 to '?' (field cannot be negative)\nfalse\tbad argument #1 to '?' (number expected, got no value)\n",
		`print(utf8.char(228, 8364, 128512), utf8.char(), utf8.len("äö€"), utf8.len("a\255"))`:                                                                                                                                 "ä€😀\t\t3\tnil\t2\n",
		`print(utf8.codepoint("ä€", 1, -1)) print(utf8.offset("aä€", 3), utf8.offset("aä€", -1), utf8.offset("aä€", 0, 3), utf8.offset("a", 5))`:                                                                               "228\t8364\n4\t4\t2\tnil\n",
		`for p, c in utf8.codes("aä€") do io.write(p, ":", c, " ") end for c in ("aä€"):gmatch(utf8.charpattern) do io.write("[", c, "]") end print()`:                                                                         "1:97 2:228 4:8364 [a][ä][€]\n",
		`print(pcall(function() for _ in utf8.codes("\192\128") do end end)) print(pcall(utf8.codepoint, "a", 3)) print(pcall(utf8.char, -1)) print(utf8.len("", 1), utf8.len("abc", 4), utf8.len("abc", -1))`:                 "false\tapp.lua:1: invalid UTF-8 code\nfalse\tbad argument #3 to '?' (out of range)\nfalse\tbad argument #1 to '?' (value out of range)\n0\t0\t1\n",
		`print(string.unpack(">I2 s1 z d", string.pack(">I2 s1 z d", 258, "abc", "zz", 1.5)))`:                                                                                                                                 "258\tabc\tzz\t1.5\t18\n",
		`print(string.pack("<i3", -2):byte(1, -1)) print(string.pack(">I2 <I2 =I2", 1, 1, 1):byte(1, -1))`:                                                                                                                     "254\t255\t255\n0\t1\t1\t0\t1\t0\n",
		`print(string.packsize("!8 b i4 d"), string.packsize("!4 b Xi4"), string.packsize("c10 x B"))`:                                                                                                                         "16\t4\t12\n",
		`print(string.unpack("<i16", string.pack("<i16", -5)), (string.unpack(">f", string.pack(">f", 0.5))))`:                                                                                                                 "-5\t0.5\n",
		`print(string.unpack("bB", "\255\255"), string.unpack("i8", string.pack("i8", -1)))`:                                                                                                                                   "-1\t-1\t9\n",
		`print(pcall(string.pack, "b", 200)) print(pcall(string.pack, "B", -1)) print(pcall(string.pack, "i4", 1.5)) print(pcall(string.pack, "q")) print(pcall(string.pack, "i17", 1)) print(pcall(string.unpack, "i4", "abc")) print(pcall(string.packsize, "s")) print(pcall(string.unpack, "i16", ("\1"):rep(16)))`: "false\tbad argument #2 to '?' (integer overflow)\nfalse\tbad argument #2 to '?' (unsigned overflow)\nfalse\tbad argument #2 to '?' (number has no integer representation)\nfalse\tinvalid format option 'q'\nfalse\tintegral size (17) out of limits [1,16]\nfalse\tbad argument #2 to '?' (data string too short)\nfalse\tbad argument #1 to '?' (variable-length format)\nfalse\t16-byte integer does not fit into Lua Integer\n",
		`print(string.format("%s %s", nil, true), ("%s"):format(setmetatable({}, {__tostring = function() return "T" end})))`: "nil true\tT\n",
		`print(#string.format("%c%s", 0, "a\0b"), ("a\0b"):find("[\0]"), ("a\0b"):match("\0(.)"))`:                            "4\t2\tb\n",
		`print(tonumber("inf"), tonumber("nan"), tonumber("10\0x"), tonumber("0x1p4"), ("x"):gsub("x", "a%"))`:                "nil\tnil\tnil\t16\ta%\t1\n",
		`print(("abc"):sub(2, math.huge), ("abc"):sub(-math.huge, 2), 5 % math.huge, -5 % math.huge)`:                         "bc\tab\t5\tinf\n",
		`print(0xffffffffffffffff == 2^64, 1e400 == math.huge, 00010)`:                                                        "true\ttrue\t10\n",
	} {
		if got := out(t, src); got != want {
			t.Errorf("%s\n got: %q\nwant: %q", src, got, want)
		}
	}
}

package regex_test

import (
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/json"
	"swoon/stdlib/regex"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{json.Module, regex.Module}

const begin = `local regex, json = require "regex", require "json"
local function show(v) return json.encode(v, {sort_keys = true, invalid_utf8 = "replace"}) end
`

func TestModule(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`print(regex.match([[\d+]], "ab 123 45"))`, "123"},
		{`print(regex.match([[(\w+)=(\w*)]], "key=value"))`, "key\tvalue"},
		{`print(regex.match("(a)?(b)", "b"))`, "false\tb"},
		{`print(regex.match("x", "abc"))`, "nil"},
		{`print(regex.match("b", "abcb", 3))`, "b"},
		{`print(regex.find("b", "abcb", 3), "|", regex.find("b", "abcb", -1))`, "4\t|\t4\t4"},
		{`print(regex.find("^b", "ab", 2))`, "2\t2"},
		{`print(regex.find("b(.)", "abc"))`, "2\t3\tc"},
		{`print(regex.find("", "abc", 4), regex.find("", "abc", 5))`, "4\tnil"},
		{`print(regex.find("x*", "abc"))`, "1\t0"},
		{`print(regex.find("ü", "größe über"))`, "9\t10"},
		{`print(regex.test("^a", "abc"), regex.test("^b", "abc"), regex.test("b", "abc", 3))`, "true\tfalse\tfalse"},
		{`local m = regex.exec([[(?P<day>\d+)\.(?P<month>\d+)(\.)?]], "on 24.12 at")
			print(m[0], m[1], m[2], m[3], m.first, m.last, m.names.day, m.names.month, #m)`, "24.12\t24\t12\tfalse\t4\t8\t24\t12\t3"},
		{`print(regex.exec("a", "b"))`, "nil"},
		{`local t = {} for _, m in ipairs(regex.findAll("a(.)", "abacad", 2)) do t[#t + 1] = m[0] .. m[1] .. m.first end print(table.concat(t, " "))`, "abb1 acc3"},
		{`print(#regex.findAll("x", "abc"), #regex.findAll("b*", "abc"), #regex.findAll("a", "aaa", 0))`, "0\t3\t0"},
		{`for k, v in regex.gmatch([[(\w+)=(\w+)]], "a=1, b=2") do print(k, v) end`, "a\t1\nb\t2"},
		{`local n = 0 for w in regex.compile([[\w+]]):gmatch("one two three") do n = n + #w end print(n)`, "11"},
		{`print(regex.replace("b+", "abbcb", "<$0>"))`, "a<bb>c<b>\t2"},
		{`print(regex.replace("(.)(.)", "abcd", "$2${1}$$", 1))`, "ba$cd\t1"},
		{`print(regex.replace("(?P<x>a)|b", "abc", "[${x}]"))`, "[a][]c\t2"},
		{`print(regex.replace("[a-z]+", "ab 1 cd", string.upper))`, "AB 1 CD\t2"},
		{`print(regex.replace("(.)(.)", "abcd", function(a, b) if a == "a" then return b .. a end end))`, "bacd\t2"},
		{`print(regex.replace([[\$(\w+)]], "$user in $place", {user = "Ann"}))`, "Ann in $place\t2"},
		{`print(regex.replace("x", "axb", 7))`, "a7b\t1"},
		{`print(regex.replace("", "ab", "-"))`, "-a-b-\t3"},
		{`print(regex.replace("x", "abc", "y", 0))`, "abc\t0"},
		{`print(show(regex.split([[,\s*]], "a, b,c")))`, `["a","b","c"]`},
		{`print(show(regex.split(",", "a,b,c", 2)))`, `["a","b,c"]`},
		{`print(show(regex.split(",", "")), show(regex.split("", "abc")), show(regex.split(",", "a", 0)))`, "[\"\"]\t[\"a\",\"b\",\"c\"]\t{}"},
		{`print(regex.escape("1+1=2?"), regex.test(regex.escape("a.b"), "axb"))`, "1\\+1=2\\?\tfalse"},
		{`print(regex.check("a|b"), regex.check("(a"))`, "true\tfalse\tbad_pattern\tmissing closing ) in the pattern \"(a\""},
		{`local re = regex.compile("(?P<n>a)(b)", "is") print(re.pattern, re.flags, re.groups, show(re.names), tostring(re))`, "(?P<n>a)(b)\tis\t2\t{\"n\":1}\tregex"},
		{`print(regex.compile("ABC", "i"):test("xabcx"), regex.compile("^b$", "m"):test("a\nb\nc"), regex.compile("a.b", "s"):test("a\nb"), regex.compile("a+", "U"):match("aaa"))`, "true\ttrue\ttrue\ta"},
		{`print(#regex.match(".", "\255x"), regex.find("x", "\255\254x"), #regex.replace("x", "\255x\254", ""))`, "1\t3\t2"},
		{`print(regex.match("..", "äö") == "äö", regex.test([[^\x{e4}$]], "ä"))`, "true\ttrue"},
		{`print(regex.match("a\0b", "xa\0b") == "a\0b")`, "true"},
	} {
		if got := scriptingtest.Eval(t, modules, begin+c.lua); got != c.want {
			t.Errorf("%s\n\tprints %s\n\twant   %s", c.lua, got, c.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`regex.compile("a(b")`, "regex.compile: missing closing ) in the pattern \"a(b\""},
		{`regex.compile("a**")`, "regex.compile: invalid nested repetition operator ** at byte 2 in the pattern \"a**\""},
		{`regex.compile("(?=a)")`, "regex.compile: invalid or unsupported Perl syntax (?= at byte 1 (there is no looking ahead or behind: it cannot be done in linear time) in the pattern \"(?=a)\""},
		{`regex.compile([[(a)\1]])`, `regex.compile: invalid escape sequence \1 at byte 4 (there are no back references: they cannot be done in linear time) in the pattern "(a)\\1"`},
		{`regex.compile("a", "x")`, "regex.compile: there is no flag \"x\"; the flags are i (any case), m (^ and $ at lines), s (. matches newlines) and U (as little as possible)"},
		{`regex.compile("(b", "i")`, "regex.compile: missing closing ) in the pattern \"(b\""},
		{`regex.compile(("a"):rep(40000))`, "regex.compile: the pattern has 40000 bytes, more than 32768"},
		{`regex.compile(("(a{1,200}b{1,200}){1,2}"):rep(100))`, "regex.compile: the pattern is too large: it takes "},
		{`regex.match("(", "a")`, "regex.match: missing closing ) in the pattern \"(\""},
		{`regex.match("a")`, "bad argument #2 'text' to 'regex.match' (string expected, got no value)"},
		{`regex.match("a", "b", 1.5)`, "bad argument #3 'init' to 'regex.match' (a whole number expected, got 1.5)"},
		{`regex.split("a", "b", -1)`, "bad argument #3 'limit' to 'regex.split' (a whole number from 0 to 1000000 expected, got -1)"},
		{`regex.replace("(?P<name>a)", "a", "${nam}")`, `regex.replace: there is no group "nam" (did you mean 'name'?) in the replacement "${nam}"`},
		{`regex.replace("a", "a", "$1")`, `regex.replace: there is no group 1, the pattern has 0 in the replacement "$1"`},
		{`regex.replace("a", "a", "5$")`, `regex.replace: a $ at the end (write $$ for a dollar sign) in the replacement "5$"`},
		{`regex.replace("a", "a", "$x")`, `regex.replace: "$x" names no group (write ${name}, or $$ for a dollar sign) in the replacement "$x"`},
		{`regex.replace("a", "a", "${x")`, `regex.replace: ${ without } in the replacement "${x"`},
		{`regex.replace("a", "a", true)`, "bad argument #3 'replacement' to 'regex.replace' (string, table or function expected, got boolean)"},
		{`regex.replace("a", "a", function() return {} end)`, `regex.replace: the replacement of "a" cannot be a table`},
		{`regex.compile("a"):mach("a")`, "a regex has no 'mach' (did you mean 'match'?)"},
		{`regex.compile("a").match("a")`, "calling 'match' without its regex: write obj:match(...) with a colon"},
		{`regex.findAll("a?", ("a"):rep(100001))`, "regex.findAll: more than 100000 matches: regex.gmatch makes no table of each"},
		{`regex.test(("(a{0,100}b?)"):rep(40), ("a"):rep(3e6))`, `regex: 3000000 bytes of text are too many for the pattern "(a{0,100}b?)(a{0,100}b?)`},
	} {
		if got := scriptingtest.EvalError(t, modules, begin+c.lua); !strings.HasPrefix(got, "app.lua:3: "+c.want) {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", c.lua, got, c.want)
		}
	}
}

// A long text is matched while other fibers of the worker run; what its
// replacement function does may wait too.
func TestLongTextsWait(t *testing.T) {
	got := scriptingtest.Run(t, modules, `
		local regex = require "regex"
		local text = ("abc "):rep(500000) .. "needle"
		local ticks = 0
		local id = server:tick(1, function() ticks = ticks + 1 end)
		local first = regex.find("(?:[a-z]+ )*(need)le$", text)
		while ticks == 0 do regex.test("(?:[a-z]+ )*(need)lf$", text) end
		server:clearTimer(id)
		print(first, (regex.replace("needle", text, function(m) return m:upper() end)):sub(-6))`)
	if want := "1\tNEEDLE\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestCacheIsBounded(t *testing.T) {
	got := scriptingtest.Eval(t, modules, begin+`
		for i = 1, 3000 do assert(regex.test("^x" .. i .. "$", "x" .. i)) end
		print(regex.test("^x1$", "x1"), regex.compile("i/x"):test("x"), regex.compile("x", "i"):test("X"))`)
	if want := "true\tfalse\ttrue"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

package php

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/internal/stdin"
	"swoon/stdlib/json"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modules = []scripting.Module{json.Module, Module}

const begin = `require("php").global() `

// Expressions that read alike in both languages, but for the brackets of
// arrays, and the JSON of their values. PHP is asked too, where it is installed.
var alike = []struct{ expr, want string }{
	{`strlen("grüße")`, `7`},
	{`substr("hello", 1, 3)`, `"ell"`},
	{`substr("hello", -3)`, `"llo"`},
	{`substr("hello", -3, -1)`, `"ll"`},
	{`substr("hello", 9)`, `""`},
	{`substr("hello", 2, -9)`, `""`},
	{`substr("hello", -99, 2)`, `"he"`},
	{`strpos("hello", "l")`, `2`},
	{`strpos("hello", "l", 3)`, `3`},
	{`strpos("hello", "l", -1)`, `false`},
	{`strpos("hello", "z")`, `false`},
	{`stripos("HELLO", "el")`, `1`},
	{`strrpos("hello", "l")`, `3`},
	{`strrpos("hello", "l", -3)`, `2`},
	{`strstr("user@host", "@")`, `"@host"`},
	{`strstr("user@host", "@", true)`, `"user"`},
	{`strstr("user", "@")`, `false`},
	{`substr_count("aaaa", "aa")`, `2`},
	{`str_contains("abc", "")`, `true`},
	{`str_starts_with("abc", "ab")`, `true`},
	{`str_ends_with("abc", "ab")`, `false`},
	{`str_replace("a", "b", "banana")`, `"bbnbnb"`},
	{`str_replace({"a", "n"}, {"1", "2"}, "banana")`, `"b12121"`},
	{`str_replace({"a", "n"}, "-", "banana")`, `"b-----"`},
	{`str_replace({"a", "b"}, {"b"}, "ab")`, `""`},
	{`str_repeat("ab", 3)`, `"ababab"`},
	{`str_pad("5", 3, "0", STR_PAD_LEFT)`, `"005"`},
	{`str_pad("x", 6, "ab", STR_PAD_BOTH)`, `"abxaba"`},
	{`str_pad("x", 4)`, `"x   "`},
	{`str_pad("xyz", 2)`, `"xyz"`},
	{`str_split("abcde", 2)`, `["ab","cd","e"]`},
	{`strrev("abc")`, `"cba"`},
	{`strtolower("ABC") . strtoupper("xyz")`, `"abcXYZ"`},
	{`ucfirst("hello world") . lcfirst("ABC") . ucwords("a b-c\td")`, `"Hello worldaBCA B-c\tD"`},
	{`trim("  a b \t\n\0")`, `"a b"`},
	{`ltrim("  a ") . "|" . rtrim(" a  ") . "|" . chop("a ")`, `"a | a|a"`},
	{`trim("abcXcba", "a..c")`, `"X"`},
	{`rtrim("1.500", "0")`, `"1.5"`},
	{`strcmp("a", "b") + strcasecmp("A", "a")`, `-1`},
	{`explode(",", "a,b,,c")`, `["a","b","","c"]`},
	{`explode(",", "a,b,c", 2)`, `["a","b,c"]`},
	{`explode(",", "a,b,c", -1)`, `["a","b"]`},
	{`explode(",", "a,b,c", 0)`, `["a,b,c"]`},
	{`explode(",", "abc", -1)`, `[]`},
	{`implode(", ", {1, 2.5, "x", true, null, false})`, `"1, 2.5, x, 1, , "`},
	{`implode({"a", "b"})`, `"ab"`},
	{`join("-", {["x"]=1, ["y"]=2})`, `"1-2"`},
	{`nl2br("a\nb")`, `"a<br \/>\nb"`},
	{`htmlspecialchars("<a href='x'>\"&\"")`, `"&lt;a href=&#039;x&#039;&gt;&quot;&amp;&quot;"`},
	{`ord("A") + ord("")`, `65`},
	{`bin2hex(chr(65) . chr(255) . chr(-1))`, `"41ffff"`},
	{`hex2bin("4142") . md5("a") . sha1("a")`, `"AB0cc175b9c0f1b6a831c399e26977266186f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`},
	{`crc32("The quick brown fox jumped over the lazy dog.")`, `2191738434`},
	{`base64_encode("a\0b") . base64_decode("YQ ==")`, `"YQBia"`},
	{`urlencode("a b&c=d/e~f") . rawurlencode("a b~é")`, `"a+b%26c%3Dd%2Fe%7Efa%20b~%C3%A9"`},
	{`urldecode("a+b%20c%") . rawurldecode("a+b%41")`, `"a b c%a+bA"`},
	{`sprintf("%05d|%5d|%-5d|%+d|%x|%X|%o|%b|%c|%%|%u", 42, 42, 42, 42, 255, 255, 8, 5, 65, 3)`, `"00042|   42|42   |+42|ff|FF|10|101|A|%|3"`},
	{`sprintf("%s|%10s|%-10s|%'*10s|%.2s", "ab", "ab", "ab", "ab", "abc")`, `"ab|        ab|ab        |********ab|ab"`},
	{`sprintf("%.2f|%08.3f|%5.1f|%f|%.0f|%-8.2f|", 3.14159, 3.14159, 3.14159, 1.5, 2.5, 1.005)`, `"3.14|0003.142|  3.1|1.500000|2|1.00    |"`},
	{`sprintf("%e|%.2e|%E|%g|%G|%g", 1500, 0.00012345, 12345.678, 0.00001234, 1.5e20, 123456)`, `"1.500000e+3|1.23e-4|1.234568E+4|1.234e-5|1.5E+20|123456"`},
	{`sprintf("%2$s %1$s %2$05d", "a", "7")`, `"7 a 00007"`},
	{`sprintf("%d %d %d %s", "12abc", 3.9, true, 1.0)`, `"12 3 1 1"`},
	{`sprintf("%05d|%+05d|%5s|%05.1f", -42, 7, -1, -2.345)`, `"-0042|+0007|   -1|-02.3"`},
	{`vsprintf("%s-%s", {"a", "b"})`, `"a-b"`},
	{`number_format(1234567.891) . number_format(1234567.891, 2) . number_format(0.5) . number_format(-1234.567, 2, ",", ".")`, `"1,234,5681,234,567.891-1.234,57"`},
	{`number_format(-0.4) . "|" . number_format(999) . "|" . number_format(1000)`, `"0|999|1,000"`},
	{`count({1, 2, 3}) + count({["a"]=1}) + sizeof({})`, `4`},
	{`in_array("2", {1, 2, 3})`, `true`},
	{`in_array("2", {1, 2, 3}, true)`, `false`},
	{`in_array("abc", {0})`, `false`},
	{`in_array(null, {0})`, `true`},
	{`in_array("", {null})`, `true`},
	{`in_array("1e1", {"10"})`, `true`},
	{`in_array("a", {true})`, `true`},
	{`in_array({1, 2}, {{1, 2}})`, `true`},
	{`array_search("b", {["x"]="a", ["y"]="b"})`, `"y"`},
	{`array_search("z", {"a"})`, `false`},
	{`array_key_exists("a", {["a"]=1})`, `true`},
	{`array_keys({["a"]=1, ["b"]=2})`, `["a","b"]`},
	{`array_values({["a"]=1, ["b"]=2})`, `[1,2]`},
	{`array_merge({1, 2}, {3}, {["a"]=1}, {["a"]=2})`, ``},
	{`array_merge({1, 2}, {3})`, `[1,2,3]`},
	{`array_merge({["a"]=1, ["b"]=2}, {["a"]=3})`, `{"a":3,"b":2}`},
	{`array_slice({1, 2, 3, 4}, 1, 2)`, `[2,3]`},
	{`array_slice({1, 2, 3, 4}, -2)`, `[3,4]`},
	{`array_slice({1, 2, 3, 4}, 1, -1)`, `[2,3]`},
	{`array_reverse({1, 2, 3})`, `[3,2,1]`},
	{`array_values(array_unique({1, "1", 2, 2.0}))`, `[1,2]`},
	{`array_flip({"a", "b"})`, ``},
	{`array_flip({["x"]="a"})`, `{"a":"x"}`},
	{`array_combine({"a", "b"}, {1, 2})`, `{"a":1,"b":2}`},
	{`array_chunk({1, 2, 3}, 2)`, `[[1,2],[3]]`},
	{`array_values(array_diff({1, 2, 3}, {"2"}))`, `[1,3]`},
	{`array_values(array_intersect({1, 2, 3}, {"2"}))`, `[2]`},
	{`array_sum({1, 2.5, "3"}) + array_product({2, 3})`, `12.5`},
	{`array_column({{["id"]=1, ["n"]="a"}, {["id"]=2, ["n"]="b"}}, "n")`, `["a","b"]`},
	{`array_column({{["id"]="x", ["n"]="a"}}, "n", "id")`, `{"x":"a"}`},
	{`range(1, 5)`, `[1,2,3,4,5]`},
	{`range(5, 1, 2)`, `[5,3,1]`},
	{`range("a", "e", 2)`, `["a","c","e"]`},
	{`range(0, 1, 0.25)`, ``},
	{`min(3, 1, 2) + max({1, 5, 2})`, `6`},
	{`max("apple", "banana") . min("10", 9)`, `"banana9"`},
	{`abs(-5) + floor(5.7) + ceil(5.2) + sqrt(16)`, `20`},
	{`round(1234.5678, 2) . round(2.5) . round(-2.5) . round(1250, -2) . round(-0.4)`, `"1234.573-31300-0"`},
	{`round(1.005, 2)`, `1.01`},
	{`round(5.055, 2)`, `5.06`},
	{`intdiv(-7, 2) + fmod(7.5, 2)`, `-1.5`},
	{`pow(2, 10) + intdiv(7, 2)`, `1027`},
	{`dechex(255) . decbin(5) . decoct(8) . hexdec("ff") . bindec("101") . octdec("17")`, `"ff10110255515"`},
	{`intval("12abc") + intval(" 7") + intval(3.99) + intval(-3.99) + intval("1e3")`, `1019`},
	{`intval("ff", 16) + intval("0x1A", 16) + intval("0x1A", 0) + intval("012", 0) + intval("101", 2)`, `322`},
	{`intval(null) + intval(true) + intval({1}) + intval({})`, `2`},
	{`floatval("1.5abc") + floatval("-.5e1x")`, `-3.5`},
	{`strval(1.0) . strval(0.1 + 0.2) . strval(1e25) . strval(1.5e-7) . strval(true) . strval(123456789012)`, `"10.31.0E+251.5E-71123456789012"`},
	{`boolval("0") == false && boolval("0.0") == true && boolval({}) == false`, `true`},
	{`isset(null) == false && isset(0) == true && isset(1, null) == false`, ``},
	{`empty(0) == true && empty("0") == true && empty("") == true && empty({}) == true && empty("a") == false && empty(null) == true`, `true`},
	{`gettype(1) . gettype(1.5) . gettype("a") . gettype(true) . gettype({}) . gettype(null)`, `"integerdoublestringbooleanarrayNULL"`},
	{`is_array({}) && is_string("") && is_int(5) && is_float(1.5) && is_bool(false) && is_null(null) && is_scalar(1)`, `true`},
	{`is_numeric("1e5") && is_numeric(" 1") && is_numeric("1 ") && is_numeric(".5")`, `true`},
	{`is_numeric("1x") || is_numeric("") || is_numeric("0x1A") || is_numeric(".")`, `false`},
	{`is_nan(NAN) && is_infinite(INF) && is_finite(1)`, ``},
	{`date("Y-m-d H:i:s", 0) . gmdate(" D, d M Y N jS z t L B G g A y n U e T P c r", 86400 * 45.0)`, ``},
	{`gmdate("D, d M Y N jS z t L B G g A y n U T P O p c r W o I u v \\Y\\m", 1234567890)`, `"Fri, 13 Feb 2009 5 13th 43 28 0 021 23 11 PM 09 2 1234567890 GMT +00:00 +0000 Z 2009-02-13T23:31:30+00:00 Fri, 13 Feb 2009 23:31:30 +0000 07 2009 0 000000 000 Ym"`},
	{`gmdate("L t W o S", 951782400)`, `"1 29 09 2000 th"`},
	{`checkdate(2, 29, 2024)`, `true`},
	{`checkdate(2, 29, 2023)`, `false`},
	{`json_encode({["a"]="é/\"", ["b"]={1, 1.5, true, null}, ["c"]={}})`, `"{\"a\":\"\\u00e9\\\/\\\"\",\"b\":[1,1.5,true,null],\"c\":[]}"`},
	{`json_encode("é/", JSON_UNESCAPED_UNICODE + JSON_UNESCAPED_SLASHES)`, `"\"\u00e9\/\""`},
	{`json_encode({["a"]={1, 2}, ["b"]={}}, JSON_PRETTY_PRINT)`, `"{\n    \"a\": [\n        1,\n        2\n    ],\n    \"b\": []\n}"`},
	{`json_decode("[1,{\"a\":[]}]", true)`, `[1,{"a":[]}]`},
	{`json_decode("[1", true)`, `null`},
	{`json_decode("[[1]]", true, 1)`, `null`},
	{`print_r({["a"]=1, ["b"]={["c"]="x", ["d"]={}}, ["e"]=null, ["f"]=1.5, ["g"]=false}, true)`, ``},
	{`print_r({["a"]=1, ["b"]={["c"]="x", ["d"]={}}, ["f"]=1.5, ["g"]=false}, true)`, `"Array\n(\n    [a] => 1\n    [b] => Array\n        (\n            [c] => x\n            [d] => Array\n                (\n                )\n\n        )\n\n    [f] => 1.5\n    [g] => \n)\n"`},
	{`print_r("x", true) . print_r(5, true) . print_r(null, true)`, `"x5"`},
	{`pack("Na*", 1, "x") == "\0\0\0\1x"`, `true`},
	{`call_user_func("strlen", "abc")`, ``},
}

// asLua makes Lua of an expression, asPHP PHP.
func asLua(e string) string {
	for _, r := range [][2]string{{" . ", " .. "}, {" && ", " and "}, {" || ", " or "}} {
		e = replaceOutside(e, r[0], r[1])
	}
	return e
}

var field = regexp.MustCompile(`\["(\w+)"\]=`)

func asPHP(e string) string {
	e = field.ReplaceAllString(e, `"$1"=>`)
	e = replaceOutside(replaceOutside(e, "{", "["), "}", "]")
	return strings.ReplaceAll(e, "$", `\$`)
}

// replaceOutside replaces outside of double quotes.
func replaceOutside(s, from, to string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			b.WriteString(s[i : i+2])
			i++
			continue
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], from):
			b.WriteString(to)
			i += len(from) - 1
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestFunctions(t *testing.T) {
	var code strings.Builder
	code.WriteString(begin + "local null = require('json').null\n")
	for _, c := range alike {
		if c.want != "" {
			fmt.Fprintf(&code, "echo(json_encode(%s) , \"\\n\")\n", asLua(c.expr))
		} else {
			code.WriteString("echo(\"\\n\")\n")
		}
	}
	got := strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n")
	for i, c := range alike {
		if c.want != "" && got[i] != c.want {
			t.Errorf("%s\n\tis   %s\n\twant %s", asLua(c.expr), got[i], c.want)
		}
	}
}

func TestAsPHP(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("php is not installed (Debian: php-cli)")
	}
	var code strings.Builder
	for _, c := range alike {
		if c.want != "" {
			fmt.Fprintf(&code, "echo json_encode(%s), \"\\n\";\n", asPHP(c.expr))
		}
	}
	out, err := exec.Command(php, "-d", "display_errors=0", "-d", "date.timezone=UTC", "-r", code.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, code.String())
	}
	got := strings.Split(string(out), "\n")
	n := 0
	for _, c := range alike {
		if c.want == "" {
			continue
		}
		if n >= len(got) || got[n] != c.want {
			t.Errorf("%s\n\tis %s in PHP\n\t%s here", asPHP(c.expr), got[n], c.want)
		}
		n++
	}
}

const dumped = `var_dump(1, 1.5, -0.5, 1e25, 0.1, "añ", true, false, null, 1/3, 123456789012, 1e100, 0.00001);
var_dump({["a"]=1, ["b"]={["c"]="x", ["d"]={}}, ["e"]={["f"]=null}});
echo("a", 1, true, null, 1.5, 0.1 + 0.7, "\n");
print_r({["x"]={["y"]=1}}); print_r("end\n");
printf("%s-%d\n", "a", 5);`

const dumpedText = "int(1)\nfloat(1.5)\nfloat(-0.5)\nfloat(1.0E+25)\nfloat(0.1)\nstring(3) \"añ\"\nbool(true)\nbool(false)\nNULL\n" +
	"float(0.3333333333333333)\nint(123456789012)\nfloat(1.0E+100)\nfloat(1.0E-5)\n" +
	"array(3) {\n  [\"a\"]=>\n  int(1)\n  [\"b\"]=>\n  array(2) {\n    [\"c\"]=>\n    string(1) \"x\"\n    [\"d\"]=>\n    array(0) {\n    }\n  }\n" +
	"  [\"e\"]=>\n  array(1) {\n    [\"f\"]=>\n    NULL\n  }\n}\n" +
	"a111.50.8\nArray\n(\n    [x] => Array\n        (\n            [y] => 1\n        )\n\n)\nend\na-5\n"

func TestOutput(t *testing.T) {
	code := strings.ReplaceAll(strings.ReplaceAll(dumped, "null}", "json.null}"), " null", " nil")
	got := scriptingtest.Eval(t, modules, begin+"local json = require 'json' "+code) + "\n"
	if got != dumpedText {
		t.Errorf("printed\n%s\nwant\n%s", got, dumpedText)
	}
	got = scriptingtest.Eval(t, modules, begin+`local t = {1} t.t = t print_r(t) var_dump(t) var_dump({x = print}) print_r(print) echo({}, print_r)`)
	for _, want := range []string{"[t] => Array\n *RECURSION*\n", "  [\"t\"]=>\n  *RECURSION*\n", "object(Closure) {\n  }\n", "Closure Object\n(\n)\n", "Array"} {
		if !strings.Contains(got, want) {
			t.Errorf("printed\n%s\nwhich has no\n%s", got, want)
		}
	}
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("php is not installed (Debian: php-cli)")
	}
	out, err := exec.Command(php, "-r", strings.NewReplacer(`echo(`, `echo `, `"\n");`+"\n", `"\n";`+"\n").Replace(asPHP(dumped))).CombinedOutput()
	if err != nil || string(out) != dumpedText {
		t.Errorf("PHP prints %v\n%s\nwant\n%s", err, out, dumpedText)
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`strlen()`, "bad argument #1 'string' to 'php.strlen' (string expected, got no value)"},
		{`count("x")`, "bad argument #1 'array' to 'php.count' (table expected, got string)"},
		{`implode(",")`, "bad argument #2 'array' to 'php.implode' (table expected, got no value)"},
		{`explode("", "a")`, "bad argument #1 'separator' to 'php.explode' (cannot be empty)"},
		{`str_repeat("a", -1)`, "bad argument #2 'times' to 'php.str_repeat' (0 or more expected, got -1)"},
		{`str_repeat("abc", 1e9)`, "php.str_repeat: the result would be longer than 268435456 bytes"},
		{`substr("a", 0.5)`, "bad argument #2 'offset' to 'php.substr' (a whole number expected, got 0.5)"},
		{`strpos("a", "b", 5)`, "bad argument #3 'offset' to 'php.strpos' (lies outside of the string)"},
		{`sprintf("a %d")`, "php.sprintf: no argument #1 for the conversion at byte 3 of the format"},
		{`sprintf("%y", 1)`, "php.sprintf: an unknown conversion %y at byte 1 of the format"},
		{`sprintf("%5", 1)`, "php.sprintf: an unfinished conversion at byte 1 of the format"},
		{`sprintf("%99999999d", 1)`, "php.sprintf: a number larger than 1048576 at byte 1 of the format"},
		{`intdiv(1, 0)`, "php.intdiv: division by zero"},
		{`rand(5, 1)`, "php.rand: min (5) is greater than max (1)"},
		{`rand(5)`, "php.rand: give min and max, or neither"},
		{`range(1, 1e9)`, "php.range: more than 10000000 entries"},
		{`range(1, 2, 0)`, "bad argument #3 'step' to 'php.range' (cannot be 0)"},
		{`min()`, "php.min: there is no value"},
		{`sort({1, x = 2})`, "php.sort: the table is no list, it has other keys too"},
		{`array_combine({1}, {})`, "php.array_combine: 1 keys and 0 values"},
		{`array_flip({{}})`, "php.array_flip: a value is a table; only strings and numbers can become keys"},
		{`sleep(1)`, "php.sleep cannot be used while the script loads: the top level only declares (do it in onWorkerStart)"},
		{`fgets(STDIN)`, "php.fgets cannot be used while the script loads: the top level only declares (do it in onWorkerStart)"},
		{`fgets(STDOUT)`, "bad argument #1 'stream' to 'php.fgets' (STDOUT can only be written to)"},
		{`fwrite(STDIN, "x")`, "bad argument #1 'stream' to 'php.fwrite' (STDIN can only be read from)"},
		{`fwrite("x", "y")`, "bad argument #1 'stream' to 'php.fwrite' (STDIN, STDOUT or STDERR expected, got string; files are opened with io.open)"},
		{`json_encode(1, 32)`, "bad argument #2 'flags' to 'php.json_encode' (32 is none of the flags that the module has a name for)"},
		{`json_encode(print, JSON_THROW_ON_ERROR)`, "php.json_encode: value: cannot encode a function"},
		{`exit(999)`, "bad argument #1 'status' to 'php.exit' (a string, or a number from 0 to 254, expected, got 999)"},
		{`require("php").strlne("x")`, "module 'php' has no 'strlne' (did you mean 'strlen'?)"},
	} {
		if got := scriptingtest.EvalError(t, modules, begin+"\n"+c.lua); got != "app.lua:2: "+c.want {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", c.lua, got, c.want)
		}
	}
	got := scriptingtest.EvalError(t, modules, "function count() end\n"+begin)
	if want := "app.lua:2: php.global: there is a global 'count' already, a function"; got != want {
		t.Errorf("failed with %q, want %q", got, want)
	}
}

func TestLists(t *testing.T) {
	got := scriptingtest.Eval(t, modules, begin+`
		local t = {3, 1, 2}
		echo(array_push(t, 9, 8), array_pop(t), array_shift(t), array_unshift(t, 7, 6), implode(",", t), "\n")
		sort(t) echo(implode(",", t), "\n")
		rsort(t) echo(implode(",", t), "\n")
		usort(t, function(a, b) return a - b end) echo(implode(",", t), "\n")
		echo(implode(",", array_map(function(v) return v * 2 end, t)), " ", implode(",", array_filter(t, function(v) return v > 6 end)), " ",
			array_reduce(t, function(c, v) return c + v end, 0), " ", implode(",", array_filter({0, 1, "", "a"})), "\n")
		echo(array_pop({}) == nil, array_shift({}) == nil, "\n")
		local s = {"b", "a", "10", 9} sort(s) echo(implode(",", s), "\n")
		echo(json_encode(array_merge({1}, {a = 2}, {3})), json_encode({1, nil, 3}), json_last_error(), json_last_error_msg(), "\n")
		echo(json_encode({f = print}) == false, json_last_error(), json_last_error_msg(), "\n")
		local d = json_decode('{"a":null,"b":[null]}') echo(isset(d.a), isset(d.b[1]), d.a == nil, #d.b, "\n")
		for i = 1, 100 do local n = rand(1, 6) assert(n >= 1 and n <= 6 and n % 1 == 0) end
		assert(rand() <= getrandmax() and time() > 1e9 and microtime(true) >= time() and microtime():match("^0%.%d+ %d+$") and hrtime(true) >= 0 and #hrtime() == 2)
		assert(type(getmypid()) == "number" and getenv("NO SUCH") == false and call_user_func_array(strlen, {"abc"}) == 3 and call_user_func(substr, "abc", 1) == "bc")
		assert(print ~= require("php").print and mktime(0, 0, 0, 1, 1, 2020) == os.time{year = 2020, month = 1, day = 1, hour = 0})
		assert(is_callable(print) and is_callable("strlen") and not is_callable("nothing") and function_exists("echo") and is_float(0/0))`)
	want := "58357,6,1,2,9\n1,2,6,7,9\n9,7,6,2,1\n1,2,6,7,9\n2,4,12,14,18 7,9 25 1,a\n11\n9,10,a,b\n" +
		`{"1":1,"2":3,"a":2}{"1":1,"3":3}0No error` + "\n18Type is not supported: value.f: cannot encode a function\n11"
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// Session data is read as tables are.
func TestSessionData(t *testing.T) {
	s := scriptingtest.Serve(t, modules, begin+`
		function onReceive(server, fd, reactor, data)
			local s = server:session(fd)
			s.list = {3, 1, 2}
			s.name = "x"
			array_push(s.list, 5)
			server:send(fd, implode(" ", {count(s), implode(",", s.list), in_array(1, s.list, true), json_encode(s), s.list[4]}) .. "\n")
		end`)
	c, err := net.Dial("tcp", s.Host.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(scriptingtest.Patience))
	io.WriteString(c, "x")
	got, err := bufio.NewReader(c).ReadString('\n')
	if want := `2 3,1,2,5 1 {"list":[3,1,2,5],"name":"x"} 5` + "\n"; got != want {
		t.Errorf("answered %q, want %q (%v)", got, want, err)
	}
}

// fgets waits for lines while other callbacks run, and ends with false.
func TestInput(t *testing.T) {
	r, w := io.Pipe()
	defer func(old *stdin.Reader) { input = old }(input)
	input = stdin.New(r)
	go func() {
		for _, s := range []string{"one\ntw", "o\n", "a long line\n", "rest"} {
			io.WriteString(w, s)
		}
		w.Close()
	}()
	got := scriptingtest.Run(t, modules, `
		local php = require "php"
		php.fwrite(php.STDOUT, "> ")
		php.echo(php.fgets(php.STDIN), php.trim(php.fgets(php.STDIN)), php.fgets(php.STDIN, 5), "|", php.fgets(php.STDIN), php.feof(php.STDIN) and "early" or "", "\n")
		php.echo(php.fgets(php.STDIN), php.fgets(php.STDIN) == false, php.feof(php.STDIN), php.fgets(php.STDIN) == false, "\n")
		php.usleep(10) php.sleep(0.001) php.flush() php.fflush(php.STDOUT)`)
	if want := "> one\ntwoa lo|ng line\n\nrest111\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

package json_test

import (
	"fmt"
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/json"
)

var modules = []scripting.Module{json.Module}

const begin = `local json = require "json" `

// Each line is an expression and the text it must encode to.
var encodes = []struct{ lua, want string }{
	{`nil`, `null`},
	{`json.null`, `null`},
	{`true`, `true`},
	{`false`, `false`},
	{`0`, `0`},
	{`1e15`, `1000000000000000`},
	{`9007199254740991`, `9007199254740991`},
	{`-9007199254740992`, `-9007199254740992`},
	{`2^60`, `1152921504606847000`},
	{`1e20`, `100000000000000000000`},
	{`1e21`, `1e+21`},
	{`0.1`, `0.1`},
	{`1/3`, `0.3333333333333333`},
	{`1e-7`, `1e-7`},
	{`5e-324`, `5e-324`},
	{`"a\"b\\c/d\b\f\n\r\t\0\031\127"`, `"a\"b\\c/d\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`},
	{`"grüße 😀 seven"`, `"grüße 😀 seven"`},
	{`{}`, `{}`},
	{`json.array{}`, `[]`},
	{`json.array()`, `[]`},
	{`json.object{}`, `{}`},
	{`{json.array(), {}, json.object()}`, `[[],{},{}]`},
	{`{1, 2, {3}}`, `[1,2,[3]]`},
	{`{a = {b = "c"}}`, `{"a":{"b":"c"}}`},
	{`{[""] = 1}`, `{"":1}`},
	{`{1, json.null, 3}`, `[1,null,3]`},
	{`json.object{"a", "b"}`, `{"1":"a","2":"b"}`},
	{`json.object{[5] = 1, x = 2}`, `{"5":1,"x":2}`},
	{`json.object{[1.5] = 1}`, `{"1.5":1}`},
	{`setmetatable({1}, {__index = {2, 3}})`, `[1]`},
	{`json.decode("[]")`, `[]`},
	{`json.decode("{}")`, `{}`},
	{`json.decode('{"a":[],"b":{},"c":[null]}')`, `{"a":[],"b":{},"c":[null]}`},
	{`(function() local t = json.decode("[1]") t[1] = nil return t end)()`, `[]`},
	{`(function() local t = {1, x = 1} t.x = nil return t end)()`, `[1]`},
	{`(function() local t = {} for i = 1, 3 do t[i] = i t[-i] = i end for i = 1, 3 do t[-i] = nil end return t end)()`, `[1,2,3]`},
	{`(function() local u = {} return {u, u} end)()`, `[{},{}]`},
	{`{setmetatable({}, {__jsontype = "array"}), setmetatable({"a"}, {__jsontype = "object"})}`, `[[],{"1":"a"}]`},
}

func TestEncode(t *testing.T) {
	var code strings.Builder
	code.WriteString(begin)
	for _, c := range encodes {
		fmt.Fprintf(&code, "print(json.encode(%s))\n", c.lua)
	}
	got := strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n")
	for i, c := range encodes {
		if got[i] != c.want {
			t.Errorf("%s gives %s, want %s", c.lua, got[i], c.want)
		}
	}
}

func TestEncodeOptions(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`{1,{a=json.array(),b={}}}, {pretty=true}`, "[\n  1,\n  {\n    \"a\": [],\n    \"b\": {}\n  }\n]"},
		{`{a={1}}, {pretty="\t"}`, "{\n\t\"a\": [\n\t\t1\n\t]\n}"},
		{`{a=1}, {pretty=1}`, "{\n \"a\": 1\n}"},
		{`{a=1}, {pretty=false}`, `{"a":1}`},
		{`{b=1,a=2,c={z=1,y=2}}, {sort_keys=true}`, `{"a":2,"b":1,"c":{"y":2,"z":1}}`},
		{`{}, {empty="array"}`, `[]`},
		{`json.object(), {empty="array"}`, `{}`},
		{`"é😀<", {ascii=true}`, `"\u00e9\ud83d\ude00<"`},
		{`"a/b//c", {escape_slashes=true}`, `"a\/b\/\/c"`},
		{`{["a/b"]="/"}, {escape_slashes=true}`, `{"a\/b":"\/"}`},
		{`"a\255b", {invalid_utf8="replace"}`, `"a` + "\uFFFD" + `b"`},
		{`"a\255b", {invalid_utf8="keep"}`, "\"a\xffb\""},
		{`"\237\160\128", {invalid_utf8="replace", ascii=true}`, `"\ufffd\ufffd\ufffd"`},
		{`{{{1}}}, {max_depth=3}`, `[[[1]]]`},
		{`"1234567890", {max_size=12}`, `"1234567890"`},
	} {
		if got := scriptingtest.Eval(t, modules, begin+"print(json.encode("+c.lua+"))"); got != c.want {
			t.Errorf("%s gives %s, want %s", c.lua, got, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`print`, `data: cannot encode a function`},
		{`{user = {fn = print}}`, `data.user.fn: cannot encode a function`},
		{`{{1, {["odd key"] = io.stdout}}}`, `data[1][2]["odd key"]: cannot encode a userdata (file (`},
		{`{coroutine.create(function() end)}`, `data[1]: cannot encode a thread`},
		{`{x = 0/0}`, `data.x: JSON has no `},
		{`{1, 1/0}`, `data[2]: JSON has no inf`},
		{`-1/0`, `data: JSON has no -inf`},
		{`(function() local t = {a = {}} t.a.b = t return t end)()`, `data.a.b: the table contains itself`},
		{`{1, nil, 3}`, `data[2]: nothing there: a list with holes (fill them with json.null)`},
		{`{l = {[3] = 1}}`, `data.l: the key 3 is a number, and the table is no list from 1 on`},
		{`{1, [9] = 2}`, `data: a list of 1 that also has the key 9: it has holes`},
		{`{l = {1, 2, x = 1}}`, `data.l: a list of 2 that also has the key "x" (json.object makes an object of it)`},
		{`{l = {1, [true] = 1}}`, `data.l: a list cannot have a boolean as a key`},
		{`json.array{x = 1}`, `data: an array cannot have the key "x"`},
		{`{[true] = 1}`, `data: cannot encode a boolean as a key`},
		{`json.object{[1] = 1, ["1"] = 2}`, `data: the key "1" is there as a number and as a string`},
		{`{s = "ab\255"}`, `data.s: the string is not UTF-8 at its byte 3 (invalid_utf8 = 'replace' or 'keep' writes it all the same)`},
		{`{o = {["\255"] = 1}}`, `data.o: the key "\xff": the string is not UTF-8 at its byte 1`},
		{`{{{1}}}, {max_depth = 2}`, `data[1][1]: nested deeper than 2 (max_depth)`},
		{`"12345678901", {max_size = 12}`, `data: the text would be longer than 12 bytes (max_size)`},
		{`{1, 2, 3, 4, 5, 6, 7}, {max_size = 14}`, `data: the text would be longer than 14 bytes (max_size)`},
		{`1, {prety = true}`, `there is no option 'prety' (did you mean 'pretty'?)`},
		{`1, {pretty = "x"}`, `option 'pretty' must be true, a number of blanks from 1 to 16, or "\t", not "x"`},
		{`1, {pretty = 17}`, `option 'pretty' must be true, a number of blanks`},
		{`1, {empty = "list"}`, `option 'empty' must be 'object' or 'array', not "list"`},
		{`1, {max_depth = 0}`, `option 'max_depth' must be a whole number from 1 to 10000, not 0`},
		{`1, {sort_keys = 1}`, `option 'sort_keys' must be true or false, not 1`},
		{`1, {ascii = true, invalid_utf8 = "keep"}`, `option 'ascii' leaves no way to keep bytes that are not UTF-8`},
	} {
		got := scriptingtest.EvalError(t, modules, begin+"json.encode("+c.lua+")")
		if !strings.HasPrefix(got, "app.lua:1: json.encode: "+c.want) {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", c.lua, got, c.want)
		}
	}
	got := scriptingtest.EvalError(t, modules, begin+`json.array(setmetatable({}, {}))`)
	if want := "app.lua:1: json.array: the table has a metatable of its own, which the mark would replace (give that one the field __jsontype = \"array\")"; got != want {
		t.Errorf("failed with %q, want %q", got, want)
	}
}

// A text that is right, and what encode makes of its value.
var decodes = []struct{ text, want string }{
	{`null`, `null`},
	{` true `, `true`},
	{"\t[\r\n1 , 2\n]", `[1,2]`},
	{`{"a" : {"b":[ ]} , "c":"d"}`, `{"a":{"b":[]},"c":"d"}`},
	{`-0`, `-0`},
	{`0.5`, `0.5`},
	{`1E2`, `100`},
	{`1e-2`, `0.01`},
	{`-1.25e+3`, `-1250`},
	{`123456789012345`, `123456789012345`},
	{`9007199254740993`, `9007199254740992`},
	{`0.1000000000000000055511151231257827`, `0.1`},
	{`1e-400`, `0`},
	{`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"\"\\/\b\f\n\r\té😀"`},
	{`"\u0000"`, `"\u0000"`},
	{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
	{`{"":null}`, `{"":null}`},
	{`["","x"]`, `["","x"]`},
	{`[[[[[[]]]]]]`, `[[[[[[]]]]]]`},
}

func TestDecode(t *testing.T) {
	var code strings.Builder
	code.WriteString(begin)
	for _, c := range decodes {
		fmt.Fprintf(&code, "print(json.encode(json.parse(%s)))\n", quote(c.text))
	}
	got := strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n")
	for i, c := range decodes {
		if got[i] != c.want {
			t.Errorf("%s comes back as %s, want %s", c.text, got[i], c.want)
		}
	}
}

func quote(s string) string { return "[==[\n" + s + "]==]" }

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ text, options, reason, want string }{
		{``, ``, `syntax`, `line 1 column 1: expected a value, the text ends`},
		{`{"a":1,}`, ``, `syntax`, `line 1 column 8: expected a key behind the comma, found }`},
		{`[1,]`, ``, `syntax`, `line 1 column 4: expected a value behind the comma, found ]`},
		{"[1,\n 2\n 3]", ``, `syntax`, `line 3 column 2: expected ',' or ']' in an array, found 3`},
		{`["ü" x]`, ``, `syntax`, `line 1 column 6: expected ',' or ']' in an array, found x`},
		{`{a:1}`, ``, `syntax`, `line 1 column 2: expected a key in double quotes, found a`},
		{`{'a':1}`, ``, `syntax`, `line 1 column 2: expected a key in double quotes, found ' (strings stand in double quotes)`},
		{`{"a" 1}`, ``, `syntax`, `line 1 column 6: expected ':' behind a key, found 1`},
		{`{"a":1`, ``, `syntax`, `line 1 column 7: expected ',' or '}' in an object, the text ends`},
		{`{"a"`, ``, `syntax`, `line 1 column 5: expected ':' behind a key, the text ends`},
		{`[1, // one`, ``, `syntax`, `line 1 column 5: expected a value, found a comment, which JSON does not have`},
		{`[NaN]`, ``, `syntax`, `line 1 column 2: expected a value, found NaN`},
		{`True`, ``, `syntax`, `line 1 column 1: expected a value, found True`},
		{`nul`, ``, `syntax`, `line 1 column 1: expected a value, found nul`},
		{`01`, ``, `syntax`, `line 1 column 1: a number cannot begin with 01`},
		{`-`, ``, `syntax`, `line 1 column 2: expected a digit, the text ends`},
		{`1.`, ``, `syntax`, `line 1 column 3: expected a digit behind the point, the text ends`},
		{`1e+`, ``, `syntax`, `line 1 column 4: expected a digit in the exponent, the text ends`},
		{`+1`, ``, `syntax`, `line 1 column 1: expected a value, found +`},
		{`.5`, ``, `syntax`, `line 1 column 1: expected a value, found .`},
		{`1 2`, ``, `syntax`, `line 1 column 3: more text after the value: found 2`},
		{`["abc`, ``, `syntax`, `line 1 column 2: the string that begins here has no end`},
		{`"abc\`, ``, `syntax`, `line 1 column 1: the string that begins here has no end`},
		{"\"a\tb\"", ``, `syntax`, `line 1 column 3: a control character in a string must be written \u0009`},
		{`"\x"`, ``, `syntax`, `line 1 column 2: there is no such escape as a backslash before what follows: found x`},
		{`"\u12g4"`, ``, `syntax`, `line 1 column 2: \u wants four hexadecimal digits`},
		{"\uFEFF1", ``, `syntax`, `line 1 column 1: expected a value, found a byte order mark`},
		{"\"a\xff\"", ``, `invalid_utf8`, `line 1 column 3: the byte 0xff is not UTF-8 (invalid_utf8 = 'replace' or 'keep' reads it all the same)`},
		{`"\ud800"`, ``, `invalid_utf8`, `line 1 column 2: \ud800 is half of a pair that is not there`},
		{`1e999`, ``, `out_of_range`, `line 1 column 1: the number 1e999 is too large`},
		{`[[[]]]`, `max_depth=2`, `too_deep`, `line 1 column 3: nested deeper than 2 (max_depth)`},
		{strings.Repeat("[", 600), ``, `too_deep`, `line 1 column 513: nested deeper than 512 (max_depth)`},
		{`"123456789"`, `max_size=10`, `too_large`, `the text has 11 bytes, more than 10 (max_size)`},
		{"{\"a\":1,\n\"a\":2}", `duplicates="refuse"`, `duplicate_key`, `line 2 column 1: the key "a" comes twice`},
		{`[9007199254740993]`, `big_integers="refuse"`, `out_of_range`, `line 1 column 2: the integer 9007199254740993 is not below 2^53`},
	} {
		got := scriptingtest.Eval(t, modules, begin+"local v, reason, text = json.decode("+quote(c.text)+", {"+c.options+"}) print(v, reason) print(text)")
		if !strings.HasPrefix(got, "nil\t"+c.reason+"\n"+c.want) {
			t.Errorf("%s\n\tgives %s\n\twant  %s: %s", c.text, got, c.reason, c.want)
		}
	}
	got := scriptingtest.EvalError(t, modules, begin+`json.parse("[1")`)
	if want := "app.lua:1: json.parse: line 1 column 3: expected ',' or ']' in an array, the text ends"; got != want {
		t.Errorf("failed with %q, want %q", got, want)
	}
	got = scriptingtest.EvalError(t, modules, begin+`json.decode({})`)
	if want := "app.lua:1: bad argument #1 'text' to 'json.decode' (string expected, got table)"; got != want {
		t.Errorf("failed with %q, want %q", got, want)
	}
}

func TestDecodeOptions(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`json.decode("[9007199254740993, 1]", {big_integers="string"})`, `["9007199254740993",1]`},
		{`json.decode('"a\255"', {invalid_utf8="replace"})`, "\"a\uFFFD\""},
		{`json.decode('"\\ud800x"', {invalid_utf8="replace"})`, "\"\uFFFDx\""},
		{`json.decode('"a\255"', {invalid_utf8="keep"}), {invalid_utf8="keep"}`, "\"a\xff\""},
		{`json.decode('"\\udc00"', {invalid_utf8="keep"}), {invalid_utf8="keep"}`, "\"\xed\xb0\x80\""},
		{`json.decode(("["):rep(600) .. ("]"):rep(600), {max_depth=600}), {max_depth=600}`, strings.Repeat("[", 600) + strings.Repeat("]", 600)},
	} {
		if got := scriptingtest.Eval(t, modules, begin+"print(json.encode("+c.lua+"))"); got != c.want {
			t.Errorf("%s gives %s, want %s", c.lua, got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	got := scriptingtest.Eval(t, modules, begin+`
		local d = json.decode('{"z":1,"a":[1,2,null],"m":{},"n":null}')
		print(#d.a, d.a[3] == json.null, d.n == json.null, d.n == nil, tostring(d.n))
		local keys = {} for k in pairs(d) do keys[#keys + 1] = k end
		print(table.concat(keys, ","))
		d.a[#d.a + 1] = "x" table.insert(d.a, 1, "y") d.m.q = true
		print(json.encode(d))
		print(json.isArray(d.a), json.isArray(d.m), json.isArray({}), json.isArray(json.array()), json.isArray({1}), json.isArray("x"))
		local v, reason = json.decode("false") print(v, reason)`)
	want := "3\ttrue\ttrue\tfalse\tnull\nz,a,m,n\n" + `{"z":1,"a":["y",1,2,null,"x"],"m":{"q":true},"n":null}` +
		"\ntrue\tfalse\tfalse\ttrue\ttrue\tfalse\nfalse\tnil"
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

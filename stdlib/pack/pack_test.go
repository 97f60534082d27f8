package pack_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/scripting/vm"
	"swoon/stdlib/json"
	"swoon/stdlib/pack"

	lua "github.com/yuin/gopher-lua"
)

var modules = []scripting.Module{pack.Module, json.Module}

const begin = `local pack, json = require "pack", require "json"
local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function show(t, ...)
	if not t then return "false", ... end
	for k, v in pairs(t) do if type(v) == "string" then t[k] = hex(v) end end
	return json.encode(json.object(t), {sort_keys = true})
end
`

// Format and arguments in a form that Lua and PHP both read, and the bytes. PHP
// answers the same where it is installed, but for those marked.
var packs = []struct {
	args, want string
	ours       bool // PHP has no such thing, or cuts silently
}{
	{`"a5", "ab"`, "6162000000", false},
	{`"A5", "ab"`, "6162202020", false},
	{`"Z5", "ab"`, "6162000000", false},
	{`"a2", "abcd"`, "6162", false},
	{`"Z3", "abcd"`, "616200", false},
	{`"a", "abcd"`, "61", false},
	{`"a0", "abcd"`, "", false},
	{`"a*", "abcd"`, "61626364", false},
	{`"A*", "ab "`, "616220", false},
	{`"Z*", "abcd"`, "6162636400", false},
	{`"H*", "1f2e3"`, "1f2e30", false},
	{`"h*", "1f2e3"`, "f1e203", false},
	{`"H3", "ABCDEF"`, "abc0", false},
	{`"H", "7"`, "70", false},
	{`"cC", -1, 255`, "ffff", false},
	{`"c3", 1, -2, 127`, "01fe7f", false},
	{`"sSnv", -2, 65534, 258, 258`, "fefffeff01020201", false},
	{`"iIlL", -1, 4294967295, -2147483648, 1`, "ffffffffffffffff0000008001000000", false},
	{`"NV", 3735928559, 3735928559`, "deadbeefefbeadde", false},
	{`"N", -1`, "ffffffff", false},
	{`"qQJP", -1, 1, 258, 258`, "ffffffffffffffff010000000000000000000000000001020201000000000000", false},
	{`"fgG", 1.5, 1.5, 1.5`, "0000c03f0000c03f3fc00000", false},
	{`"deE", -2.25, -2.25, -2.25`, "00000000000002c000000000000002c0c002000000000000", false},
	{`"N*", 1, 2, 3`, "000000010000000200000003", false},
	{`"N*"`, "", false},
	{`"Cx2C", 1, 2`, "01000002", false},
	{`"N2X3C", 1, 2, 255`, "0000000100ff", false},
	{`"C@4C", 1, 2`, "0100000002", false},
	{`"C3@1C", 1, 2, 3, 4`, "0104", false},
	{`"Na*", 5, "hello"`, "0000000568656c6c6f", false},
	{`"a4a4", "\0\1", "x"`, "0001000078000000", false},
	{`"N a*  C", 1, "x", 2`, "000000017802", true},
}

var unpacks = []struct {
	args, want string
	ours       bool
}{
	{`"Nlen/a*body", "\0\0\0\5hello"`, `{"body":"68656c6c6f","len":5}`, false},
	{`"c2chars/nint", "\4\0\160\0"`, `{"chars1":4,"chars2":0,"int":40960}`, false},
	{`"c/C", "\255"`, `["too_short"]`, true},
	{`"C4", "abcd"`, `{"1":97,"2":98,"3":99,"4":100}`, false},
	{`"C*", "ab"`, `{"1":97,"2":98}`, false},
	{`"C*x", "ab"`, `{"x1":97,"x2":98}`, false},
	{`"C1x", "ab"`, `{"x":97}`, false},
	{`"N*", "abcdefg"`, `{"1":1633837924}`, false},
	{`"sa/Sb/nc/vd", "\254\255\254\255\1\2\1\2"`, `{"a":-2,"b":65534,"c":258,"d":513}`, false},
	{`"la/Lb/ic/Id", "\255\255\255\255\255\255\255\255\0\0\0\128\0\0\0\128"`, `{"a":-1,"b":4294967295,"c":-2147483648,"d":2147483648}`, false},
	{`"qa/Pb/Jc", "\255\255\255\255\255\255\255\255\2\1\0\0\0\0\0\0\0\0\0\0\0\0\1\2"`, `{"a":-1,"b":258,"c":258}`, false},
	{`"fa/gb/Gc", "\0\0\192\63\0\0\192\63\63\192\0\0"`, `{"a":1.5,"b":1.5,"c":1.5}`, false},
	{`"da/eb/Ec", "\0\0\0\0\0\0\2\192\0\0\0\0\0\0\2\192\192\2\0\0\0\0\0\0"`, `{"a":-2.25,"b":-2.25,"c":-2.25}`, false},
	{`"a4a/A4b/Z4c", "a\0 \0b \0 c\0d "`, `{"a":"61002000","b":"62","c":"63"}`, false},
	{`"A*", " a \t\r\n\0 "`, `{"1":"2061"}`, false},
	{`"Z*z", "ab\0cd"`, `{"z":"6162"}`, false},
	{`"H*a", "\31\46"`, `{"a":"31663265"}`, false},
	{`"h3a/Cb", "\31\46\7"`, `{"a":"663165","b":7}`, false},
	{`"Hx", "\31"`, `{"x":"31"}`, false},
	{`"Ca/x2/Cb/X2/Cc", "\1\2\3\4"`, `{"a":1,"b":4,"c":3}`, false},
	{`"Ca/@3/Cb", "\1\2\3\4"`, `{"a":1,"b":4}`, false},
	{`"Ca", "\1\2\3", 2`, `{"a":3}`, false},
	{`"C2/n", "\1\2\3\4"`, `{"1":1,"2":2,"3":772}`, true},
	{` "N len / a* body " , "\0\0\0\1x"`, `{"body":"78","len":1}`, true},
	{`"Qx", "\255\255\255\255\255\255\255\255"`, `["out_of_range"]`, true},
}

func TestPack(t *testing.T) {
	var code strings.Builder
	code.WriteString(begin)
	for _, c := range packs {
		fmt.Fprintf(&code, "print(hex(pack.pack(%s)))\n", c.args)
	}
	for i, got := range strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n") {
		if want := packs[i].want; got != want {
			t.Errorf("pack(%s) gives %s, want %s", packs[i].args, got, want)
		}
	}
}

func TestUnpack(t *testing.T) {
	var code strings.Builder
	code.WriteString(begin)
	for _, c := range unpacks {
		fmt.Fprintf(&code, "print(show(pack.unpack(%s)))\n", c.args)
	}
	for i, got := range strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n") {
		if f := strings.Split(got, "\t"); f[0] == "false" {
			got = `["` + f[1] + `"]`
		}
		if want := unpacks[i].want; got != want {
			t.Errorf("unpack(%s) gives %s, want %s", unpacks[i].args, got, want)
		}
	}
}

// TestAsPHP compares with PHP, which the formats come from.
func TestAsPHP(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("php is not installed (Debian: php-cli)")
	}
	// Decimal escapes of Lua are octal ones in PHP.
	octal := func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] != '\\' || s[i+1] < '0' || s[i+1] > '9' {
				b.WriteByte(s[i])
				continue
			}
			n, j := 0, i+1
			for ; j < len(s) && j < i+4 && s[j] >= '0' && s[j] <= '9'; j++ {
				n = n*10 + int(s[j]-'0')
			}
			fmt.Fprintf(&b, "\\x%02x", n)
			i = j - 1
		}
		return b.String()
	}
	var code strings.Builder
	code.WriteString(`function show($t) { foreach ($t as $k => $v) if (is_string($v)) $t[$k] = bin2hex($v);
		ksort($t); return json_encode($t, JSON_FORCE_OBJECT); }` + "\n")
	var want, what []string
	for _, c := range packs {
		if !c.ours {
			fmt.Fprintf(&code, "echo bin2hex(pack(%s)), \"\\n\";\n", octal(c.args))
			want, what = append(want, c.want), append(what, "pack("+c.args+")")
		}
	}
	for _, c := range unpacks {
		if !c.ours {
			fmt.Fprintf(&code, "echo show(unpack(%s)), \"\\n\";\n", octal(c.args))
			want, what = append(want, c.want), append(what, "unpack("+c.args+")")
		}
	}
	out, err := exec.Command(php, "-d", "display_errors=stderr", "-r", code.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("PHP says\n%s", out)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s is %s in PHP, %s here", what[i], got[i], want[i])
		}
	}
}

// TestAsPerl compares the letters that Perl has with the same meaning.
func TestAsPerl(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("perl is not installed")
	}
	var code strings.Builder
	var cases []int
	for i, c := range packs {
		format, _, _ := strings.Cut(c.args[1:], `"`)
		if !c.ours && !strings.ContainsAny(format, "gGeEJP") {
			args := strings.ReplaceAll(c.args, `@`, `\@`) // no array
			fmt.Fprintf(&code, "print unpack('H*', pack(%s)), \"\\n\";\n", args)
			cases = append(cases, i)
		}
	}
	out, err := exec.Command(perl, "-e", code.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(cases) {
		t.Fatalf("Perl says\n%s", out)
	}
	for n, i := range cases {
		if got[n] != packs[i].want {
			t.Errorf("pack(%s) is %s in Perl, %s here", packs[i].args, got[n], packs[i].want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`pack.pack("N")`, `pack.pack: letter 'N' at position 1: there is no argument #2 for it (number expected)`},
		{`pack.pack("Na3", 1)`, `pack.pack: letter 'a' at position 2: there is no argument #3 for it (string expected)`},
		{`pack.pack("CN", 1, "x")`, `pack.pack: letter 'N' at position 2: argument #3 must be a number, not a string`},
		{`pack.pack("a", {})`, `pack.pack: letter 'a' at position 1: argument #2 must be a string, not a table`},
		{`pack.pack("C", 256)`, `pack.pack: letter 'C' at position 1: argument #2, 256, does not fit in 1 byte`},
		{`pack.pack("n", -32769)`, `pack.pack: letter 'n' at position 1: argument #2, -32769, does not fit in 2 bytes`},
		{`pack.pack("N", 1.5)`, `pack.pack: letter 'N' at position 1: argument #2 must be a whole number, not 1.5`},
		{`pack.pack("N", 0/0)`, `pack.pack: letter 'N' at position 1: argument #2 must be a whole number, not `},
		{`pack.pack("Q", 1/0)`, `pack.pack: letter 'Q' at position 1: argument #2, inf, does not fit in 8 bytes`},
		{`pack.pack("f", 1e300)`, `pack.pack: letter 'f' at position 1: argument #2, 1e+300, does not fit in 4 bytes`},
		{`pack.pack("C", 1, 2)`, `pack.pack: argument #3 has no letter: the format takes 1 value`},
		{`pack.pack("Ny", 1)`, `pack.pack: position 2: there is no letter 'y'`},
		{`pack.pack("N/n", 1, 2)`, `pack.pack: position 2: there is no letter '/' (the slash belongs to the formats of unpack)`},
		{`pack.pack("H4", "12")`, `pack.pack: letter 'H' at position 1: argument #2 has 2 digits, fewer than 4`},
		{`pack.pack("H*", "1g")`, `pack.pack: letter 'H' at position 1: argument #2 must hold hexadecimal digits, not 'g'`},
		{`pack.pack("CX2", 1)`, `pack.pack: letter 'X' at position 2: there are 1 bytes to go back over, not 2`},
		{`pack.pack("x*")`, `pack.pack: letter 'x' at position 1: '*' says nothing here, give a number`},
		{`pack.pack("x999999999")`, `pack.pack: letter 'x' at position 1: the result would be longer than 268435456 bytes`},
		{`pack.pack("x99999999999999999999")`, `pack.pack: letter 'x' at position 1: the count is too large`},
		{`pack.unpack("Na/na", "aaaaaaaa")`, `pack.unpack: letter 'n' at position 4: the name "a" is given to two values`},
		{`pack.unpack("N", "aaaa", 5)`, `bad argument #3 'offset' to 'pack.unpack' (must be a whole number from 0 to the data's length, 4)`},
		{`pack.size("Na*")`, `pack.size: letter 'a' at position 2: '*' has no fixed length`},
		{`pack.values("C*", ("x"):rep(9000))`, `pack.values: letter 'C' at position 1: more than 8000 results: pack.unpack gives a table`},
	} {
		if got := scriptingtest.EvalError(t, modules, begin+c.lua); !strings.HasPrefix(got, "app.lua:8: "+c.want) {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", c.lua, got, c.want)
		}
	}
	for _, c := range []struct{ lua, want string }{
		{`pack.unpack("Nlen/nkind", "abcde")`, "false\ttoo_short\tletter 'n' at position 6: needs 2 bytes at offset 4, and 1 is left"},
		{`pack.unpack("a4", "abc")`, "false\ttoo_short\tletter 'a' at position 1: needs 4 bytes at offset 0, and 3 are left"},
		{`pack.unpack("@4", "abc")`, "false\ttoo_short\tletter '@' at position 1: offset 4 lies beyond the 3 bytes of data"},
		{`pack.values("J", ("\255"):rep(8))`, "false\tout_of_range\tletter 'J' at position 1: 18446744073709551615 is beyond 2^53, where Lua numbers are not exact (a8 gives the bytes, H16 their digits)"},
		{`pack.values("C/n", "\1\2\3\4")`, "1\t515"},
		{`pack.values("C", "\1\2", 1)`, "2"},
		{`pack.size("Na3H3x2X@20C")`, "21"},
	} {
		if got := scriptingtest.Eval(t, modules, begin+"print("+c.lua+")"); got != c.want {
			t.Errorf("%s\n\tgives %s\n\twant  %s", c.lua, got, c.want)
		}
	}
}

type host struct{}

func (host) Block(_ *lua.LState, _ string, f func(context.Context)) error {
	f(context.Background())
	return nil
}
func (host) Print(string)          {}
func (host) Exit(int)              {}
func (host) Declaring() bool       { return false }
func (host) Interrupt(*lua.LState) {}

func function(t testing.TB, name string) func(*lua.LState) int {
	for _, f := range pack.Module.Funcs {
		if f.Name == name {
			return func(L *lua.LState) int { return f.Fn(nil, L) }
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// FuzzUnpack: any format on any data ends in results or an ordinary error, and
// what numbers were read make the same bytes again.
func FuzzUnpack(f *testing.F) {
	for _, c := range unpacks {
		format, rest, _ := strings.Cut(strings.TrimLeft(c.args, ` "`), `"`)
		f.Add(format, []byte(rest))
	}
	f.Add("cCsSnv", []byte("abcdefghijklmnop"))
	v := vm.New(vm.Options{Host: host{}})
	f.Cleanup(v.Close)
	values, packs, unpack := v.Function(function(f, "values")), v.Function(function(f, "pack")), v.Function(function(f, "unpack"))
	call := func(t *testing.T, fn *lua.LFunction, args ...lua.LValue) []lua.LValue {
		out, err := v.Call(fn, lua.MultRet, args...)
		if err != nil && err.Kind != vm.KindRun {
			t.Fatalf("%v %s", err.Full(), err.GoStack)
		}
		return out
	}
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		call(t, unpack, lua.LString(format), lua.LString(data))
		if strings.Trim(format, "cCsSnviIlLNVqQPJH123456789") != "" {
			return
		}
		// As a format of values the letters want slashes between them.
		var split strings.Builder
		for i := range len(format) {
			if i > 0 && format[i] > '9' {
				split.WriteByte('/')
			}
			split.WriteByte(format[i])
		}
		got := call(t, values, lua.LString(split.String()), lua.LString(data))
		if len(got) == 0 || got[0] == lua.LFalse {
			return
		}
		again := call(t, packs, append([]lua.LValue{lua.LString(format)}, got...)...)
		if len(again) != 1 {
			t.Fatalf("%q of %x gives %v, which cannot be packed", format, data, got)
		}
		b := again[0].(lua.LString)
		if strings.Contains(format, "H") {
			return // an odd number of digits leaves half a byte out
		}
		if len(b) > len(data) || string(b) != string(data[:len(b)]) {
			t.Fatalf("%q of %s gives %v, which makes %s", format, hex.EncodeToString(data), got, hex.EncodeToString([]byte(b)))
		}
	})
}

func BenchmarkPack(b *testing.B) {
	v := vm.New(vm.Options{Host: host{}})
	defer v.Close()
	fn := v.Function(function(b, "pack"))
	for b.Loop() {
		if _, err := v.Call(fn, 1, lua.LString("Cna*"), lua.LNumber(7), lua.LNumber(500), lua.LString("0123456789")); err != nil {
			b.Fatal(err)
		}
	}
}

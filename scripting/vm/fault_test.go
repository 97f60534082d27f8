package vm

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// puc is how PUC Lua 5.1 words what we say with the value first.
var puc = regexp.MustCompile(`(attempt to (?:index|call|get length of|concatenate|perform arithmetic on)) (local|upvalue|field|method|global) ('[^']*') \(a (\w+) value\)`)

func valueFirst(s string) string { return puc.ReplaceAllString(s, "$1 a $4 value ($2 $3)") }

// run gives the output of one file by PUC Lua and by a VM.
func both(t *testing.T, file, src string) (got, want string) {
	t.Helper()
	bin := realLua(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+file, []byte(src), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, file)
	cmd.Dir = dir
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	v, h := newVM(t)
	c, fail := Compile("", "@"+file, []byte(src))
	if fail == nil {
		_, fail = v.Call(c.Function(v), 0)
	}
	if fail != nil {
		t.Fatal(fail.Full())
	}
	v.FlushOutput()
	return h.out.String(), string(b)
}

// TestFaults: the messages of the interpreter are PUC Lua's, on the same line
// and with the same variable, but for the order of the words.
func TestFaults(t *testing.T) {
	src, err := os.ReadFile("testdata/faults.lua")
	if err != nil {
		t.Fatal(err)
	}
	got, want := both(t, "faults.lua", string(src))
	want = valueFirst(want)
	// A constant has a name here; an operand with two origins has none.
	got = strings.ReplaceAll(got, " (constant 'abc')", "")
	want = strings.ReplaceAll(want, " (field 'q')", "")
	compare(t, got, want)
}

func TestFaultNames(t *testing.T) {
	v, _ := newVM(t)
	for src, want := range map[string]string{
		`local t = setmetatable({}, {__concat = function() return nil end}) return "a" .. "b" .. t`:      "attempt to concatenate a nil value",
		`local t = setmetatable({}, {__concat = function() return {} end}) return "a" .. (t .. "b")`:     "attempt to concatenate a table value",
		`local t = setmetatable({}, {__concat = function() return {} end}) local x return x .. "a" .. t`: "attempt to concatenate a nil value (local 'x')",
		`local t = setmetatable({}, {__concat = function() return {} end}) return 1 .. "a" .. t`:         "attempt to concatenate a table value",
		`local x = "a" return x + 1`: "attempt to perform arithmetic on a string value (local 'x')",
		`return 2 ^ "zz"`:            "attempt to perform arithmetic on a string value (constant 'zz')",
		`local t = {} t.__index = t setmetatable(t, t) return t.x`:                                     "loop in gettable",
		`local t = {} setmetatable(t, {__newindex = t}) t.x = 1`:                                       "loop in settable",
		`local function f() local a, b; do local c = 1 end return function() return b.x end end f()()`: "attempt to index a nil value (upvalue 'b')",
		`for i = 1, 2 do local a = i end for j = 1, 2 do local k; k.x = 1 end`:                         "attempt to index a nil value (local 'k')",
		`local a do local b, c, d = 1, 2, 3 end local e, f f()`:                                        "attempt to call a nil value (local 'f')",
		`error("attempt to call a non-function object")`:                                               "attempt to call a non-function object",
		`error("attempt to compare nil with nil")`:                                                     "attempt to compare nil with nil",
		`assert(false, "app.lua:1: attempt to compare nil with nil")`:                                  "attempt to compare nil with nil",
		`coroutine.wrap(function() error("attempt to compare nil with nil") end)()`:                    "attempt to compare nil with nil",
		`coroutine.wrap(function() local q = nil + 1 end)()`:                                           "attempt to perform arithmetic on a nil value",
		`local s = "x" s.y.z = 1`:                                                                      "attempt to index a nil value (field 'y')",
		`local s = "x" s.y = 1`:                                                                        "attempt to index a string value (local 's')",
	} {
		err := v.do(t, src)
		if err == nil || strings.TrimPrefix(strings.TrimPrefix(err.Message, "app.lua:1: "), "app.lua:1: ") != want {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestDates compares os.time and os.date with C's in two zones.
func TestDates(t *testing.T) {
	bin := realLua(t)
	src, err := os.ReadFile("testdata/dates.lua")
	if err != nil {
		t.Fatal(err)
	}
	if zone := os.Getenv("SWOON_DATES"); zone != "" {
		v, h := newVM(t)
		if err := v.do(t, string(src)); err != nil {
			t.Fatal(err.Full())
		}
		_ = os.WriteFile(zone, h.out.Bytes(), 0o666)
		return
	}
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York"} {
		out := t.TempDir() + "/out"
		again := exec.Command(os.Args[0], "-test.run=^TestDates$") // Go reads TZ once
		again.Env = append(os.Environ(), "TZ="+zone, "SWOON_DATES="+out)
		if b, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		got, _ := os.ReadFile(out)
		cmd := exec.Command(bin, "-", "app.lua")
		cmd.Stdin = strings.NewReader(string(src))
		cmd.Env = append(os.Environ(), "TZ="+zone)
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		compare(t, string(got), string(want))
	}
}

package scripting

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

func TestPlainRefusesByPath(t *testing.T) {
	in := newVM(t)
	for code, want := range map[string]string{
		`return print`:                       "data: cannot send a function to a task",
		`return {user = {callback = print}}`: "data.user.callback: cannot send a function to a task",
		`return {1, 2, {x = {coroutine.create(function() end)}}}`: "data[3].x[1]: cannot send a thread to a task",
		`return {["a b"] = {[1.5] = server}}`:                     `data["a b"][1.5]: cannot send a userdata to a task`,
		`return {[true] = print}`:                                 "data[true]: cannot send a function to a task",
		`return {ok = {[print] = 1}}`:                             "data.ok: cannot send a function as a key to a task",
		`return {ok = {[{}] = 1}}`:                                "data.ok: cannot send table as a key to a task",
		`local t = {} t.me = t return t`:                          "data.me: cannot send a table that contains itself to a task",
		`local t = {a = {b = {}}} t.a.b.c = t.a return t`:         "data.a.b.c: cannot send a table that contains itself to a task",
		`local t = {} for i = 1, 300 do t = {t} end return t`:     "cannot send a table nested deeper than 200 to a task",
		`local t = {} for i = 1, 199 do t = {t} end return t`:     "",
		`local x = {1} return {x, x, {x}}`:                        "", // the same table twice is no cycle
		`return {1, nil, 3, n = 3}`:                               "",
		`return setmetatable({1}, {__index = print})`:             "",
		`return io.stdout`:                                        "data: cannot send a userdata to a task",
		`return nil`:                                              "",
	} {
		out, err := eval(t, in, code)
		if err != "" {
			t.Fatal(err)
		}
		got := ""
		if _, bad := toPlain(out[0]); bad != nil {
			got = bad.message("data", "a task")
		}
		if got != want && !(strings.Contains(code, "300") && strings.HasSuffix(got, want)) {
			t.Errorf("%s:\n got %q\nwant %q", code, got, want)
		}
	}
}

// same compares two Lua values of two VMs by value; NaN equals itself.
func same(a, b lua.LValue) bool {
	ta, ok := a.(*lua.LTable)
	if !ok {
		na, isNumber := a.(lua.LNumber)
		nb, alsoNumber := b.(lua.LNumber)
		if isNumber && alsoNumber {
			return math.Float64bits(float64(na)) == math.Float64bits(float64(nb)) || na != na && nb != nb
		}
		return a == b
	}
	tb, ok := b.(*lua.LTable)
	if !ok {
		return false
	}
	n := 0
	equal := true
	ta.ForEach(func(k, v lua.LValue) {
		n++
		equal = equal && same(v, vm.RawGet(tb, k))
	})
	tb.ForEach(func(lua.LValue, lua.LValue) { n-- })
	return equal && n == 0
}

// build makes a Lua value out of fuzz bytes.
func build(L *lua.LState, b *[]byte, depth int) lua.LValue {
	next := func(n int) []byte {
		n = min(n, len(*b))
		out := (*b)[:n]
		*b = (*b)[n:]
		return out
	}
	kind := next(1)
	if len(kind) == 0 {
		return lua.LNil
	}
	switch kind[0] % 7 {
	case 0:
		return lua.LNil
	case 1:
		return lua.LBool(kind[0]&8 != 0)
	case 2:
		var eight [8]byte
		copy(eight[:], next(8))
		return lua.LNumber(math.Float64frombits(binary.LittleEndian.Uint64(eight[:])))
	case 3:
		return lua.LNumber(int8(kind[0]))
	case 4:
		return lua.LString(next(int(kind[0] / 8)))
	}
	t := L.NewTable()
	if depth < 6 {
		for i := range int(kind[0]/7) % 8 {
			v := build(L, b, depth+1)
			var key lua.LValue = lua.LNumber(i + 1)
			if kind[0]%7 == 6 {
				key = build(L, b, 99)
			}
			if n, isNumber := key.(lua.LNumber); key == lua.LNil || isNumber && n != n {
				continue
			}
			if _, isTable := key.(*lua.LTable); isTable {
				continue
			}
			vm.RawSet(L, t, key, v)
		}
	}
	return t
}

// FuzzPlain sends values through every copy there is: to another VM, and into
// a session and out again. They must arrive as they were.
func FuzzPlain(f *testing.F) {
	f.Add([]byte{6 + 7*3, 4 + 8, 'a', 2, 1, 2, 3, 4, 5, 6, 7, 8, 1})
	f.Add([]byte{5 + 7*7, 3, 0, 3, 0, 0, 3})
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0x80})
	f.Add([]byte{4 + 8*3, 0, 0xff, '\n'})
	a, b := lua.NewState(lua.Options{SkipOpenLibs: true}), lua.NewState(lua.Options{SkipOpenLibs: true})
	f.Fuzz(func(t *testing.T, data []byte) {
		v := build(a, &data, 0)
		plain, bad := toPlain(v)
		if bad != nil {
			t.Fatal(bad.message("data", "a task"))
		}
		if got := toLua(b, plain); !same(v, got) {
			t.Errorf("copied: %s became %s", describe(v), describe(got))
		}
		if got := toLua(b, fromNode(toNode(plain))); !same(v, got) {
			t.Errorf("through a session: %s became %s", describe(v), describe(got))
		}
		if c, d := cost(toNode(plain)), cost(toNode(fromNode(toNode(plain)))); c != d {
			t.Errorf("cost %d, of a copy %d", c, d)
		}
	})
}

func describe(v lua.LValue) string {
	t, ok := v.(*lua.LTable)
	if !ok {
		return fmt.Sprintf("%q", v.String())
	}
	var parts []string
	t.ForEach(func(k, v lua.LValue) { parts = append(parts, fmt.Sprintf("[%q]=%s", k.String(), describe(v))) })
	return "{" + strings.Join(parts, ", ") + "}"
}

// Out of a VM and into one again, a table is the same.
func TestPlainThereAndBack(t *testing.T) {
	in := newVM(t)
	for _, code := range []string{
		`{}`, `{1, 2, 3}`, `{1, nil, 3}`, `{nil, nil, 3}`, `{false, "x", 0.5, {}}`, `{a = 1, b = "x", c = {d = false}}`,
		`{1, 2, n = 2, [1.5] = "x", [true] = false, [-1] = {}, [100] = "far"}`, `{[2] = "b", [1] = "a"}`, `{[1e15] = 1, ["1"] = 2}`,
		`(function() local t = {1, 2, 3, 4} t[4] = nil t[2] = nil t.gone = 1 t.gone = nil return t end)()`,
		`(function() local t = {} for i = 1, 300 do t[i] = {id = i, tags = {"a", i}} end return t end)()`,
	} {
		out, err := eval(t, in, "return "+code)
		if err != "" {
			t.Fatal(err)
		}
		first, bad := toPlain(out[0])
		if bad != nil {
			t.Fatal(bad.message("data", "a task"))
		}
		want := plainText(first)
		held, _ := holdPlain(out[0])
		if got := plainText(held); got != want {
			t.Errorf("%s is %s when it passes, %s when it stays", code, want, got)
		}
		back := toLua(in.vm.State(), first)
		again, _ := toPlain(back)
		if got := plainText(again); got != want {
			t.Errorf("%s comes back as %s, want %s", code, got, want)
		}
		in.vm.SetGlobal("was", out[0])
		in.vm.SetGlobal("is", back)
		if _, err := eval(t, in, `
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end
assert(same(was, is) and #was == #is, "another table")
is[#is + 1] = "more" is.more = "more" is[1] = nil is.more = nil -- and one like any other
for k, v in pairs(is) do is[k] = nil end
assert(next(is) == nil)`); err != "" {
			t.Errorf("%s: %s", code, err)
		}
	}
}

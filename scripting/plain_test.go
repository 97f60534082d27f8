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

package inside

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestNewListAndRecord(t *testing.T) {
	list := NewList([]lua.LValue{lua.LNumber(7), lua.LString("x"), lua.LFalse})
	if list.Len() != 3 || RawGetInt(list, 3) != lua.LFalse {
		t.Errorf("the list has %d entries, the third is %v", list.Len(), RawGetInt(list, 3))
	}
	rec := NewRecord([]lua.LValue{lua.LString("b"), lua.LNumber(1), lua.LString("a"), lua.LNumber(2), lua.LString("b"), lua.LNumber(3)})
	var got []lua.LValue
	Each(rec, func(k, v lua.LValue) bool {
		got = append(got, k, v)
		return true
	})
	want := []lua.LValue{lua.LString("b"), lua.LNumber(3), lua.LString("a"), lua.LNumber(2)}
	if len(got) != len(want) {
		t.Fatalf("the record holds %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the record holds %v, want %v", got, want)
		}
	}
	if k, _, ok := Next(rec, lua.LString("b")); !ok || k != lua.LString("a") {
		t.Errorf("next after b is %v", k)
	}
	L := lua.NewState()
	defer L.Close()
	RawSet(L, rec, lua.LString("b"), lua.LNil)
	if k, _, ok := Next(rec, lua.LNil); !ok || k != lua.LString("a") {
		t.Errorf("the first key is %v after b went", k)
	}
}

func TestShape(t *testing.T) {
	L := lua.NewState()
	defer L.Close()
	lt := &lua.LTable{Metatable: lua.LNil}
	for i, key := range []lua.LValue{lua.LNumber(1), lua.LNumber(2), lua.LString("x"), lua.LNumber(9), lua.LTrue} {
		RawSet(L, lt, key, lua.LNumber(i))
	}
	if list, others := Shape(lt); len(list) != 2 || others != 3 {
		t.Errorf("the shape is %v and %d others", list, others)
	}
	RawSet(L, lt, lua.LString("x"), lua.LNil)
	RawSet(L, lt, lua.LNumber(2), lua.LNil)
	if list, others := Shape(lt); len(list) != 1 || others != 2 {
		t.Errorf("the shape is %v and %d others", list, others)
	}
}

package scripting

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Null crosses from VM to VM and is the one null of each.
func TestNullIsPlainData(t *testing.T) {
	a, b := newVM(t), newVM(t)
	null := NullOf(a.vm.State())
	if null != NullOf(a.vm.State()) || null == NullOf(b.vm.State()) || !IsNull(null) || IsNull(lua.LNil) {
		t.Fatal("each VM must have one null of its own")
	}
	plain, err := toPlain(null)
	if err != nil {
		t.Fatal(err.message("data", "a task"))
	}
	if got := toLua(b.vm.State(), plain); got != NullOf(b.vm.State()) {
		t.Errorf("null arrives as %v", got)
	}
	a.vm.SetGlobal("null", null)
	for code, want := range map[string]string{
		"return null == null, tostring(null)": "true\tnull",
		"return null.x":                       "error: test:1: attempt to index null (field 'x'): compare with json.null first",
		"null.x = 1":                          "error: test:1: attempt to set field 'x' of null",
	} {
		if got := run(t, a, code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

func TestReadTable(t *testing.T) {
	in := newVM(t)
	L := in.vm.State()
	st := newStore()
	in.vm.SetGlobal("s", in.wrap(st, st.root))
	if got := run(t, in, `s.list = {1, 2} s.name = "x"`); got != "" {
		t.Fatal(got)
	}
	copied, ok := ReadTable(L, in.vm.GetGlobal("s"))
	if !ok || copied.RawGetString("name") != lua.LString("x") || copied.RawGetString("list").(*lua.LTable).Len() != 2 {
		t.Errorf("session data reads as %v, %v", copied, ok)
	}
	plain := L.NewTable()
	if same, ok := ReadTable(L, plain); !ok || same != plain {
		t.Error("a table must be itself")
	}
	if _, ok := ReadTable(L, lua.LString("x")); ok {
		t.Error("a string is no table")
	}
}

// What a table is marked as goes along, through bytes and sessions too.
func TestMarksArePlainData(t *testing.T) {
	a, b := newVM(t), newVM(t)
	L := a.vm.State()
	list, object := L.NewTable(), L.NewTable()
	list.Metatable, object.Metatable = MarkMeta(L, ArrayMark), MarkMeta(L, ObjectMark)
	list.Append(object)
	plain, err := toPlain(list)
	if err != nil {
		t.Fatal(err.message("data", "a task"))
	}
	bytes, unpacked := unpackPlain(packPlain(plain))
	if unpacked != nil {
		t.Fatal(unpacked)
	}
	for way, v := range map[string]any{"a task": plain, "bytes": bytes, "a session": fromNode(toNode(plain))} {
		got := toLua(b.vm.State(), v).(*lua.LTable)
		inner, _ := got.RawGetInt(1).(*lua.LTable)
		if MarkOf(got) != ArrayMark || inner == nil || MarkOf(inner) != ObjectMark {
			t.Errorf("through %s the marks are lost", way)
		}
		if got.Metatable != MarkMeta(b.vm.State(), ArrayMark) {
			t.Errorf("through %s the mark is not that of the VM", way)
		}
	}
}

package shared

import (
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/table"

	lua "github.com/yuin/gopher-lua"
)

var errChanged = &scripting.Errno{Name: "changed", Code: 11, Text: "the value is not the old one any more"}

func cas(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:cas"
	t, k, l := self(in, L, what), checkKey(L, what), life(L, 5, what)
	if L.Get(4) == lua.LNil {
		return casDelete(in, L, t, k)
	}
	if t.Columns() != nil {
		return casRow(in, L, t, what, k, l)
	}
	v := freeze(L, 4)
	match := matches(L, t)
	return answer(in, L, what, t.Change(k, l, func(old lua.LValue, there bool) (lua.LValue, error) {
		if !match(old, nil, there) {
			return nil, errChanged
		}
		return v, nil
	}))
}

// matches compares what is under a key with argument 3 of cas.
func matches(L *lua.LState, t *table.Table) func(v lua.LValue, row []lua.LValue, there bool) bool {
	const what = "shared.table:cas"
	want := L.Get(3)
	switch {
	case want == lua.LNil:
		return func(_ lua.LValue, _ []lua.LValue, there bool) bool { return !there }
	case t.Columns() == nil:
		want = freeze(L, 3)
		return func(v lua.LValue, _ []lua.LValue, there bool) bool { return there && scripting.Same(v, want) }
	}
	at, vals, err := fit(L, t.Columns(), what, cells(L, 3, what))
	if err != nil {
		if _, long := err.(*table.TooLong); !long {
			vm.Raise(L, "%s: %s", what, err.Error())
		}
		return func(lua.LValue, []lua.LValue, bool) bool { return false } // no row can hold it
	}
	return func(_ lua.LValue, row []lua.LValue, there bool) bool {
		for i, v := range vals {
			if there = there && at[i] < len(row) && row[at[i]] == v; !there {
				break
			}
		}
		return there
	}
}

func casRow(in *scripting.Instance, L *lua.LState, t *table.Table, what string, k table.Key, l table.Life) int {
	match := matches(L, t)
	at, vals, err := fit(L, t.Columns(), what, cells(L, 4, what))
	if err == nil {
		err = t.ChangeRow(k, l, func(_ *table.Columns, row []lua.LValue, there bool) error {
			if !match(nil, row, there) {
				return errChanged
			}
			for i, v := range vals {
				row[at[i]] = v
			}
			return nil
		})
	}
	return answer(in, L, what, err)
}

func casDelete(in *scripting.Instance, L *lua.LState, t *table.Table, k table.Key) int {
	if L.Get(3) == lua.LNil {
		vm.Raise(L, "shared.table:cas: old and new are both nil")
	}
	if !t.DeleteIf(k, matches(L, t)) {
		return in.Fail(L, errChanged)
	}
	L.Push(lua.LTrue)
	return 1
}

func del(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:del"
	t, k := self(in, L, what), checkKey(L, what)
	L.Push(lua.LBool(t.Delete(k)))
	return 1
}

func exists(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:exists"
	t, k := self(in, L, what), checkKey(L, what)
	L.Push(lua.LBool(t.Has(k)))
	return 1
}

func countKeys(in *scripting.Instance, L *lua.LState) int {
	L.Push(lua.LNumber(self(in, L, "shared.table:count").Count()))
	return 1
}

func keys(in *scripting.Instance, L *lua.LState) int {
	t, most := self(in, L, "shared.table:keys"), -1
	if v := L.Get(2); v != lua.LNil {
		f, _ := scripting.Number(v)
		if !(f >= 0) {
			vm.Raise(L, "bad argument #1 'max' to 'shared.table:keys' (a number from 0 expected, got %v)", v)
		}
		most = int(min(f, 1<<30))
	}
	out := L.NewTable()
	w := t.Walk()
	for n := 1; most < 0 || n <= most; n++ {
		k, ok := w.Next()
		if !ok {
			break
		}
		out.RawSetInt(n, k.Value())
		if n%4096 == 0 {
			vm.Check(L)
		}
	}
	L.Push(out)
	return 1
}

func iterate(in *scripting.Instance, L *lua.LState) int {
	return Iterate(L, self(in, L, "shared.table:iterate"))
}

// Iterate pushes an iterator over the keys and values of t.
func Iterate(L *lua.LState, t *table.Table) int {
	w := t.Walk()
	L.Push(L.NewFunction(func(L *lua.LState) int {
		for {
			k, ok := w.Next()
			if !ok {
				L.Push(lua.LNil)
				return 1
			}
			if t.Columns() != nil {
				if row, c, ok := t.Row(k); ok {
					L.Push(k.Value())
					L.Push(rowTable(L, c, row))
					return 2
				}
			} else if v, ok := t.Get(k); ok {
				L.Push(k.Value())
				L.Push(scripting.Thaw(L, v))
				return 2
			}
		}
	}))
	return 1
}

func expire(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:expire"
	t, k := self(in, L, what), checkKey(L, what)
	l := table.Life(0)
	if L.Get(3) != lua.LNil {
		l = life(L, 3, what)
	}
	L.Push(lua.LBool(t.Expire(k, time.Duration(l))))
	return 1
}

func timeLeft(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:ttl"
	t, k := self(in, L, what), checkKey(L, what)
	switch d, ok := t.TTL(k); {
	case !ok:
		L.Push(lua.LFalse)
	case d == 0:
		L.Push(lua.LTrue)
	default:
		L.Push(lua.LNumber(d.Seconds()))
	}
	return 1
}

func clearAll(in *scripting.Instance, L *lua.LState) int {
	self(in, L, "shared.table:clear").Clear()
	L.Push(lua.LTrue)
	return 1
}

func tableStats(in *scripting.Instance, L *lua.LState) int {
	x := self(in, L, "shared.table:stats").Stats()
	t := L.CreateTable(0, 12)
	for name, n := range map[string]float64{
		"num": float64(x.Num), "bytes": float64(x.Bytes), "max_bytes": float64(x.MaxBytes), "hits": float64(x.Hits), "misses": float64(x.Misses),
		"insert_count": float64(x.Inserts), "update_count": float64(x.Updates), "delete_count": float64(x.Deletes),
		"expired_count": float64(x.Expired), "evicted_count": float64(x.Evicted), "watch_num": float64(x.Watchers),
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	L.Push(t)
	return 1
}

// watchType is what watch returns.
var watchType = &scripting.Type{
	Name: "shared.watch", Doc: "A watch of a shared table.",
	Methods: []scripting.Func{{
		Name: "stop", Returns: "boolean", Doc: "End the watch; false if it had ended.",
		Fn: func(_ *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LBool(scripting.Self[*scripting.Subscription](L).Stop()))
			return 1
		},
	}},
}

// maxEvents is how many changes may wait for the callback of one watch.
const maxEvents = 10000

func watch(in *scripting.Instance, L *lua.LState) int {
	const what = "shared.table:watch"
	t := self(in, L, what)
	w := &table.Watch{}
	fn, ok := L.Get(2).(*lua.LFunction)
	if !ok {
		k := checkKey(L, what)
		w.Key = &k
		if fn, ok = L.Get(3).(*lua.LFunction); !ok {
			vm.Raise(L, "bad argument #2 'callback' to '%s' (function expected, got %s)", what, L.Get(3).Type())
		}
	}
	sub := in.Subscribe(L, what, fn, maxEvents, changed, func() { t.Unwatch(w) })
	w.Post = func(ev table.Event) { sub.Post(ev) }
	t.Watch(w)
	L.Push(in.NewObject(watchType, sub))
	return 1
}

// changed are the arguments of a watch's callback.
func changed(L *lua.LState, event any) []lua.LValue {
	ev, ok := event.(table.Event)
	if !ok {
		return []lua.LValue{lua.LNil, lua.LNumber(event.(scripting.Lost)), lua.LString("missed")}
	}
	v := lua.LNil
	if ev.Columns != nil {
		v = rowTable(L, ev.Columns, ev.Row)
	} else {
		v = scripting.Thaw(L, ev.Value)
	}
	return []lua.LValue{ev.Key.Value(), v, lua.LString(ev.Kind.String())}
}

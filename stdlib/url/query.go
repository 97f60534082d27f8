package url

import (
	"sort"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// checkEvery is after how many pairs a long loop lets itself be stopped.
const checkEvery = 1024

// parseQuery is url.parseQuery: two tables, the last value of each name and the
// list of all.
func parseQuery(_ *scripting.Instance, L *lua.LState) int {
	s := strings.TrimPrefix(L.ToString(1), "?")
	last, all := L.NewTable(), L.NewTable()
	for n := 1; s != ""; n++ {
		if n%checkEvery == 0 {
			vm.Check(L)
		}
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		k, err := unescape(k, true)
		if err == nil {
			v, err = unescape(v, true)
		}
		if err != nil {
			return fail(L, badEscape, err.Error())
		}
		key, value := lua.LString(k), lua.LString(v)
		list, ok := all.RawGetString(k).(*lua.LTable)
		if !ok {
			list = L.NewTable()
			vm.RawSet(L, all, key, list)
		}
		list.Append(value)
		vm.RawSet(L, last, key, value)
	}
	L.Push(last)
	L.Push(all)
	return 2
}

// query writes pairs.
type query struct {
	L    *lua.LState
	what string
	b    strings.Builder
}

// add writes a name with a value, or with each value of a list.
func (q *query) add(name string, v lua.LValue, inList bool) {
	text := ""
	switch x := v.(type) {
	case lua.LString:
		text = string(x)
	case lua.LNumber:
		text = vm.Number(float64(x))
	case lua.LBool:
		text = x.String()
	default:
		t, ok := scripting.ReadTable(q.L, v)
		if !ok || inList {
			vm.Raise(q.L, "%s: the value of %q cannot be a %s", q.what, name, v.Type())
		}
		list, others := vm.Shape(t)
		if others > 0 {
			vm.Raise(q.L, "%s: the value of %q must be a list, and it has other keys too", q.what, name)
		}
		for i, e := range list {
			if (i+1)%checkEvery == 0 {
				vm.Check(q.L)
			}
			q.add(name, e, true)
		}
		return
	}
	if q.b.Len() > 0 {
		q.b.WriteByte('&')
	}
	q.b.WriteString(form(name) + "=" + form(text))
}

// table writes a table: its string keys in order of their bytes, or a list of
// pairs {name, value} in its order.
func (q *query) table(t *lua.LTable) string {
	list, others := vm.Shape(t)
	if len(list) > 0 {
		if others > 0 {
			vm.Raise(q.L, "%s: a table of names, or a list of pairs, not both in one", q.what)
		}
		for i, e := range list {
			pair, ok := e.(*lua.LTable)
			if !ok || pair.Len() != 2 {
				vm.Raise(q.L, "%s: entry %d must be a pair {name, value}", q.what, i+1)
			}
			name, ok := scalar(pair.RawGetInt(1))
			if !ok {
				vm.Raise(q.L, "%s: the name in entry %d cannot be a %s", q.what, i+1, pair.RawGetInt(1).Type())
			}
			q.add(name, pair.RawGetInt(2), false)
		}
		return q.b.String()
	}
	type member struct {
		name string
		v    lua.LValue
	}
	members := make([]member, 0, others)
	vm.Each(t, func(k, v lua.LValue) bool {
		name, ok := scalar(k)
		if !ok {
			vm.Raise(q.L, "%s: a name cannot be a %s", q.what, k.Type())
		}
		members = append(members, member{name, v})
		return true
	})
	sort.Slice(members, func(i, j int) bool { return members[i].name < members[j].name })
	for _, m := range members {
		q.add(m.name, m.v, false)
	}
	return q.b.String()
}

func scalar(v lua.LValue) (string, bool) {
	switch x := v.(type) {
	case lua.LString:
		return string(x), true
	case lua.LNumber:
		return vm.Number(float64(x)), true
	}
	return "", false
}

// form is s as HTML forms encode it.
func form(s string) string {
	s = escape(s, &formText, false)
	return strings.ReplaceAll(s, " ", "+")
}

// formText is what form leaves alone; blanks become + behind it.
var formText = charset("-._* ")

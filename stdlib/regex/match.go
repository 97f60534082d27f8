package regex

import (
	"context"
	"math"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// The methods. The pattern, or its object, is argument 1 of each, the text
// argument 2.

const (
	maxMatches = 1_000_000 // of one call
	maxList    = 100_000   // that findAll makes tables of
	checkEvery = 4096      // matches, after which a loop lets itself be stopped
)

func elsewhere(f func()) func(context.Context) { return func(context.Context) { f() } }

// from is where to begin: argument n, counted as string.find does.
func from(L *lua.LState, n, size int, what string) int {
	v := L.Get(n)
	if v == lua.LNil {
		return 0
	}
	f, _ := scripting.Number(v)
	if f != math.Trunc(f) {
		vm.Raise(L, "bad argument #%d 'init' to '%s' (a whole number expected, got %s)", n, what, v.String())
	}
	if f < 0 {
		f += float64(size) + 1
	}
	return int(min(max(f-1, 0), float64(size)+1))
}

// limit is argument n, how many to take; most when it is not given.
func limit(L *lua.LState, n, most int, what string) (count int, given bool) {
	v := L.Get(n)
	if v == lua.LNil {
		return most + 1, false
	}
	f, _ := scripting.Number(v)
	if f != math.Trunc(f) || f < 0 || f > float64(most) {
		vm.Raise(L, "bad argument #%d 'limit' to '%s' (a whole number from 0 to %d expected, got %s)", n, what, most, v.String())
	}
	return int(f), true
}

// first finds the first match in the text from init on; nil: there is none.
func (c *compiled) first(in *scripting.Instance, L *lua.LState, what string) (s string, m []int) {
	s = L.ToString(2)
	at := from(L, 3, len(s), what)
	if at > len(s) {
		return s, nil
	}
	c.work(in, L, len(s)-at, func() { m = c.re.FindStringSubmatchIndex(s[at:]) })
	for i := range m {
		if m[i] >= 0 {
			m[i] += at
		}
	}
	return s, m
}

// all finds up to n matches.
func (c *compiled) all(in *scripting.Instance, L *lua.LState, s string, n int) (list [][]int) {
	if n == 0 {
		return nil
	}
	c.work(in, L, len(s), func() { list = c.re.FindAllStringSubmatchIndex(s, n) })
	return list
}

// group is what a group matched; false when it took no part.
func group(s string, m []int, i int) lua.LValue {
	if m[2*i] < 0 {
		return lua.LFalse
	}
	return lua.LString(s[m[2*i]:m[2*i+1]])
}

// push pushes the groups of a match, or the whole of it where the pattern has
// none and whole says so.
func push(L *lua.LState, s string, m []int, whole bool) int {
	n := len(m)/2 - 1
	if n == 0 && whole {
		L.Push(group(s, m, 0))
		return 1
	}
	for i := 1; i <= n; i++ {
		L.Push(group(s, m, i))
	}
	return n
}

// table describes a match.
func (c *compiled) table(L *lua.LState, s string, m []int) *lua.LTable {
	groups := make([]lua.LValue, len(m)/2-1)
	for i := range groups {
		groups[i] = group(s, m, i+1)
	}
	t := vm.NewList(groups)
	vm.RawSet(L, t, vm.Int(0), group(s, m, 0))
	vm.RawSet(L, t, lua.LString("first"), vm.Int(m[0]+1))
	vm.RawSet(L, t, lua.LString("last"), vm.Int(m[1]))
	var names *lua.LTable
	for i, name := range c.names {
		if name == "" {
			continue
		}
		if names == nil {
			names = L.NewTable()
			vm.RawSet(L, t, lua.LString("names"), names)
		}
		if v := group(s, m, i+1); v != lua.LFalse {
			vm.RawSet(L, names, lua.LString(name), v)
		}
	}
	return t
}

func none(L *lua.LState) int {
	L.Push(lua.LNil)
	return 1
}

func test(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s := L.ToString(2)
	at, found := from(L, 3, len(s), "regex.test"), false
	if at <= len(s) {
		c.work(in, L, len(s)-at, func() { found = c.re.MatchString(s[at:]) })
	}
	L.Push(lua.LBool(found))
	return 1
}

func match(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s, m := c.first(in, L, "regex.match")
	if m == nil {
		return none(L)
	}
	return push(L, s, m, true)
}

func find(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s, m := c.first(in, L, "regex.find")
	if m == nil {
		return none(L)
	}
	L.Push(vm.Int(m[0] + 1))
	L.Push(vm.Int(m[1]))
	return 2 + push(L, s, m, false)
}

func exec(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s, m := c.first(in, L, "regex.exec")
	if m == nil {
		return none(L)
	}
	L.Push(c.table(L, s, m))
	return 1
}

func findAll(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s := L.ToString(2)
	n, given := limit(L, 3, maxList, "regex.findAll")
	found := c.all(in, L, s, n)
	if !given && len(found) > maxList {
		vm.Raise(L, "regex.findAll: more than %d matches: regex.gmatch makes no table of each", maxList)
	}
	list := make([]lua.LValue, len(found))
	for i, m := range found {
		if i%checkEvery == checkEvery-1 {
			vm.Check(L)
		}
		list[i] = c.table(L, s, m)
	}
	L.Push(vm.NewList(list))
	return 1
}

func gmatch(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s := L.ToString(2)
	found := c.all(in, L, s, maxMatches+1)
	if len(found) > maxMatches {
		vm.Raise(L, "regex.gmatch: more than %d matches", maxMatches)
	}
	L.Push(L.NewFunction(func(L *lua.LState) int {
		if len(found) == 0 {
			return none(L)
		}
		m := found[0]
		found = found[1:]
		return push(L, s, m, true)
	}))
	return 1
}

func split(c *compiled, in *scripting.Instance, L *lua.LState) int {
	s := L.ToString(2)
	n, given := limit(L, 3, maxMatches, "regex.split")
	var parts []string
	c.work(in, L, len(s), func() { parts = c.re.Split(s, n) })
	if !given && len(parts) > maxMatches {
		vm.Raise(L, "regex.split: more than %d parts", maxMatches)
	}
	list := make([]lua.LValue, len(parts))
	for i, p := range parts {
		list[i] = lua.LString(p)
	}
	L.Push(vm.NewList(list))
	return 1
}

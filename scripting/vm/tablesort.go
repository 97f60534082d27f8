package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// sorter sorts as PUC Lua does, step by step, so that equal elements end in the
// same order and a wrong order function meets the same end. It works on the
// table itself: a comparison may wait, and others see and change the list.
type sorter struct {
	L     *lua.LState
	t     *lua.LTable
	fn    *lua.LFunction
	steps int
}

func tabSort(L *lua.LState) int {
	s := sorter{L: L, t: checkTable(L, 1)}
	n := s.t.Len()
	if L.Get(2) != lua.LNil {
		s.fn = checkFunction(L, 2)
	}
	s.sort(1, n)
	return 0
}

func (s *sorter) get(i int) lua.LValue {
	if list := inside.List(s.t); uint(i-1) < uint(len(list)) {
		return list[i-1]
	}
	return inside.RawGetInt(s.t, i)
}

func (s *sorter) set(i int, v lua.LValue) {
	if list := inside.List(s.t); uint(i-1) < uint(len(list)) && v != lua.LNil {
		list[i-1] = v
		return
	}
	inside.RawSetInt(s.L, s.t, i, v)
}

func (s *sorter) less(a, b lua.LValue) bool {
	L := s.L
	if s.steps++; s.steps%checkEvery == 0 || s.fn != nil {
		inside.Check(L)
	}
	if s.fn != nil {
		L.Push(s.fn)
		L.Push(a)
		L.Push(b)
		L.Call(2, 1)
		v := L.Get(-1)
		L.Pop(1)
		return lua.LVAsBool(v)
	}
	switch x := a.(type) {
	case lua.LNumber:
		if y, ok := b.(lua.LNumber); ok {
			return x < y
		}
	case lua.LString:
		if y, ok := b.(lua.LString); ok {
			return x < y
		}
	}
	if a.Type() != b.Type() {
		raiseAt(L, 0, "attempt to compare "+a.Type().String()+" with "+b.Type().String())
	}
	if fn, ok := L.GetMetaField(a, "__lt").(*lua.LFunction); !ok || L.GetMetaField(b, "__lt") != lua.LValue(fn) {
		raiseAt(L, 0, "attempt to compare two "+a.Type().String()+" values")
	}
	return L.LessThan(a, b)
}

func (s *sorter) wrong() { Raise(s.L, "invalid order function for sorting") }

// sort is auxsort of PUC Lua: quicksort with the median of three as pivot.
func (s *sorter) sort(lo, up int) {
	for lo < up {
		a, b := s.get(lo), s.get(up)
		if s.less(b, a) {
			s.set(lo, b)
			s.set(up, a)
		}
		if up-lo == 1 {
			break
		}
		i := (lo + up) / 2
		p, a := s.get(i), s.get(lo)
		if s.less(p, a) {
			s.set(i, a)
			s.set(lo, p)
		} else if b := s.get(up); s.less(b, p) {
			s.set(i, b)
			s.set(up, p)
		}
		if up-lo == 2 {
			break
		}
		p = s.get(i)
		b = s.get(up - 1)
		s.set(i, b)
		s.set(up-1, p)
		i = lo
		j := up - 1
		for {
			i++
			for a = s.get(i); s.less(a, p); a = s.get(i) {
				if i > up {
					s.wrong()
				}
				i++
			}
			j--
			for b = s.get(j); s.less(p, b); b = s.get(j) {
				if j < lo {
					s.wrong()
				}
				j--
			}
			if j < i {
				break
			}
			s.set(i, b)
			s.set(j, a)
		}
		a, b = s.get(up-1), s.get(i)
		s.set(up-1, b)
		s.set(i, a)
		if i-lo < up-i {
			s.sort(lo, i-1)
			lo = i + 1
		} else {
			s.sort(i+1, up)
			up = i - 1
		}
	}
}

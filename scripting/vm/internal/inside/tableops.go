package inside

import (
	lua "github.com/yuin/gopher-lua"
)

func wrapTables() {
	jumpTable[lua.OP_GETTABLE] = opGetTable
	jumpTable[lua.OP_SETTABLE] = opSetTable
	jumpTable[lua.OP_SETTABLEKS] = opSetTableKS
	jumpTable[lua.OP_SETLIST] = opSetList
	jumpTable[lua.OP_TFORLOOP] = opTForLoop
}

// Markers make a Lua function known to the for-in loop, which then does its
// work without calling it. A function made with the upvalues of a marked one,
// and the same meaning for tables, counts as marked too.
var (
	markNext   = &lua.Upvalue{}
	markIPairs = &lua.Upvalue{}
)

// MarkNext says that fn is next.
func MarkNext(fn *lua.LFunction) { fn.Upvalues = []*lua.Upvalue{markNext} }

// MarkIPairs says that fn is the iterator of ipairs.
func MarkIPairs(fn *lua.LFunction) { fn.Upvalues = []*lua.Upvalue{markIPairs} }

// rk is an operand: a constant or a register.
func rk(f *Frame, reg []lua.LValue, x int) lua.LValue {
	if x&0x100 != 0 {
		return f.Fn.Proto.Constants[x&0xff]
	}
	return reg[f.LocalBase+x]
}

func opGetTable(L *lua.LState, inst uint32, base *Frame) int {
	f, r := Current(L), registryOf(L)
	reg := r.array
	obj, key := reg[f.LocalBase+int(inst&0x1ff)], rk(f, reg, int(inst>>9)&0x1ff)
	n, ok := key.(lua.LNumber)
	if !ok {
		return original[lua.OP_GETTABLE](L, inst, base)
	}
	v, plain := lua.LNil, false
	if t, ok := obj.(*lua.LTable); ok {
		v = of(t).number(n)
		plain = t.Metatable == lua.LNil
	}
	if !plain && v == lua.LNil {
		v = Index(L, obj, key)
		reg = r.array // a call may have moved it
	}
	a := f.LocalBase + int(inst>>18)&0xff
	reg[a] = v
	if a >= r.top {
		r.top = a + 1
	}
	return 0
}

// metaLoop is how many metatables an access may go through.
const metaLoop = 100

// Index is obj[key] with metamethods.
func Index(L *lua.LState, obj, key lua.LValue) lua.LValue {
	for range metaLoop {
		t, ok := obj.(*lua.LTable)
		if ok {
			if v := RawGet(t, key); v != lua.LNil || t.Metatable == lua.LNil {
				return v
			}
		}
		switch h := L.GetMetaField(obj, "__index").(type) {
		case *lua.LNilType:
			if !ok {
				return L.GetTable(obj, key) // knows how to complain
			}
			return h
		case *lua.LFunction:
			L.Push(h)
			L.Push(obj)
			L.Push(key)
			L.Call(2, 1)
			v := L.Get(-1)
			L.Pop(1)
			return v
		default:
			obj = h
		}
	}
	L.RaiseError("too many recursions in gettable")
	return nil
}

func opSetTable(L *lua.LState, inst uint32, base *Frame) int {
	f := Current(L)
	reg := registryOf(L).array
	obj := reg[f.LocalBase+int(inst>>18)&0xff]
	key, v := rk(f, reg, int(inst&0x1ff)), rk(f, reg, int(inst>>9)&0x1ff)
	lt, ok := obj.(*lua.LTable)
	if !ok || lt.Metatable != lua.LNil {
		assign(L, obj, key, v)
		return 0
	}
	t := of(lt)
	if n, ok := key.(lua.LNumber); ok {
		i := int(n)
		if uint(i-1) < uint(len(t.array)) && lua.LNumber(i) == n && (v != lua.LNil || i < len(t.array)) {
			t.array[i-1] = v
			return 0
		}
	}
	t.set(L, key, v)
	return 0
}

// assign is obj[key] = v with metamethods.
func assign(L *lua.LState, obj, key, v lua.LValue) {
	for range metaLoop {
		t, ok := obj.(*lua.LTable)
		if ok && t.Metatable == lua.LNil {
			of(t).set(L, key, v)
			return
		}
		h := L.GetMetaField(obj, "__newindex")
		if ok && (h == lua.LNil || RawGet(t, key) != lua.LNil) {
			of(t).set(L, key, v)
			return
		}
		switch x := h.(type) {
		case *lua.LNilType:
			L.SetTable(obj, key, v) // knows how to complain
			return
		case *lua.LFunction:
			L.Push(x)
			L.Push(obj)
			L.Push(key)
			L.Push(v)
			L.Call(3, 0)
			return
		default:
			obj = x
		}
	}
	L.RaiseError("too many recursions in settable")
}

func opSetTableKS(L *lua.LState, inst uint32, base *Frame) int {
	f := Current(L)
	reg := registryOf(L).array
	lt, ok := reg[f.LocalBase+int(inst>>18)&0xff].(*lua.LTable)
	if !ok {
		return original[lua.OP_SETTABLEKS](L, inst, base)
	}
	t := of(lt)
	key, v := rk(f, reg, int(inst&0x1ff)), rk(f, reg, int(inst>>9)&0x1ff)
	s, ok := key.(lua.LString)
	switch {
	case !ok:
		return original[lua.OP_SETTABLEKS](L, inst, base)
	case t.Metatable == lua.LNil:
		t.setString(string(s), key, v)
	default:
		assign(L, lt, key, v)
	}
	return 0
}

// opSetList puts what the constructor gave an index of its own, as in
// {[3] = x, 1, 2}, back in its place.
func opSetList(L *lua.LState, inst uint32, base *Frame) int {
	f := Current(L)
	reg := registryOf(L).array
	t, ok := reg[f.LocalBase+int(inst>>18)&0xff].(*lua.LTable)
	r := original[lua.OP_SETLIST](L, inst, base)
	if ok {
		of(t).settle(L)
	}
	return r
}

// settle makes what holds for every table hold after the library's own methods
// may have lengthened the array.
func (t *table) settle(L *lua.LState) {
	if len(t.dict) == 0 {
		return
	}
	for key := range t.dict {
		if i := index(key); i != 0 && i <= len(t.array) {
			delete(t.dict, key)
		}
	}
	t.join(L)
}

// opTForLoop runs loops over pairs, ipairs and next by itself.
func opTForLoop(L *lua.LState, inst uint32, base *Frame) int {
	Check(L)
	f, r := Current(L), registryOf(L)
	a := f.LocalBase + int(inst>>18)&0xff
	reg := r.array
	var key, v lua.LValue
	switch x := reg[a].(type) {
	case *lua.LUserData:
		w := asWalk(x)
		if w == nil {
			return original[lua.OP_TFORLOOP](L, inst, base)
		}
		key, v = w.next()
	case *lua.LFunction:
		t, ok := reg[a+1].(*lua.LTable)
		if !ok || len(x.Upvalues) != 1 {
			return original[lua.OP_TFORLOOP](L, inst, base)
		}
		switch x.Upvalues[0] {
		case markNext:
			if reg[a+2] != lua.LNil {
				return original[lua.OP_TFORLOOP](L, inst, base)
			}
			w := newWalk(t)
			reg[a] = w.value()
			key, v = w.next()
		case markIPairs:
			i, ok := reg[a+2].(lua.LNumber)
			if !ok {
				return original[lua.OP_TFORLOOP](L, inst, base)
			}
			key, v = lua.LNil, of(t).number(i+1)
			if v != lua.LNil {
				key = Int(int(i) + 1)
			}
		default:
			return original[lua.OP_TFORLOOP](L, inst, base)
		}
	default:
		return original[lua.OP_TFORLOOP](L, inst, base)
	}
	n := int(inst>>9) & 0x1ff // how many variables the loop has
	reg[a+3] = key
	if n > 1 {
		reg[a+4] = v
	}
	for i := 2; i < n; i++ {
		reg[a+3+i] = lua.LNil
	}
	r.top = max(r.top, a+3+n)
	if key != lua.LNil {
		reg[a+2] = key
		f.Pc += int(f.Fn.Proto.Code[f.Pc]&0x3ffff) - 0x1ffff
	}
	f.Pc++
	return 0
}

func (w *walk) value() lua.LValue { return &w.LUserData }

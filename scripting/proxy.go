package scripting

import (
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// proxy is a table of a store as a script sees it: indexing, assignment, #,
// pairs, ipairs and the table functions work on it as on a table, but what
// they touch lies in Go.
type proxy struct {
	st *store
	n  *node
}

// snapshot copies the table out.
func (p *proxy) snapshot() any {
	p.st.mu.Lock()
	defer p.st.mu.Unlock()
	return fromNode(p.n)
}

func (in *Instance) wrap(st *store, v any) lua.LValue {
	n, ok := v.(*node)
	if !ok {
		return toLua(in.vm.State(), v)
	}
	return &lua.LUserData{Value: &proxy{st, n}, Env: in.vm.State().G.Global, Metatable: in.server.proxyMeta}
}

func proxyOf(v lua.LValue) *proxy {
	if ud, ok := v.(*lua.LUserData); ok {
		p, _ := ud.Value.(*proxy)
		return p
	}
	return nil
}

// open locks the store, or raises when its session has ended.
func (p *proxy) open(L *lua.LState) {
	p.st.mu.Lock()
	if p.st.over {
		p.st.mu.Unlock()
		vm.Raise(L, "session_closed: the session has ended, and its data with it")
	}
}

func (p *proxy) get(L *lua.LState, key any) any {
	p.open(L)
	defer p.st.mu.Unlock()
	return p.n.get(key)
}

func (p *proxy) set(L *lua.LState, key, val any) {
	p.open(L)
	err := p.st.put(p.n, key, val)
	p.st.mu.Unlock()
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
}

func (p *proxy) len(L *lua.LState) int {
	p.open(L)
	defer p.st.mu.Unlock()
	return len(p.n.list)
}

func proxyKey(L *lua.LState, v lua.LValue) any {
	switch x := v.(type) {
	case lua.LNumber:
		if x != x {
			vm.Raise(L, "table index is NaN")
		}
		return float64(x)
	case lua.LString:
		return string(x)
	case lua.LBool:
		return bool(x)
	case *lua.LNilType:
		vm.Raise(L, "table index is nil")
	}
	vm.Raise(L, "%s as a key cannot be kept in a session", article(v.Type().String()))
	return nil
}

func proxyValue(L *lua.LState, key any, v lua.LValue) any {
	plain, err := toPlain(v)
	if err != nil {
		root := "value"
		if s, ok := key.(string); ok {
			root = s
		}
		vm.Raise(L, "%s%s: cannot keep %s in a session", root, err.path, err.what)
	}
	return toNode(plain)
}

// newProxyMeta makes the metatable of proxies.
func (in *Instance) newProxyMeta() *lua.LTable {
	L := in.vm.State()
	meta := L.NewTable()
	def := func(name string, fn func(L *lua.LState, p *proxy) int) {
		meta.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			p := proxyOf(L.Get(1))
			if p == nil {
				vm.Raise(L, "session data expected")
			}
			return fn(L, p)
		}))
	}
	def("__index", func(L *lua.LState, p *proxy) int {
		if L.Get(2) == lua.LNil {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(in.wrap(p.st, p.get(L, proxyKey(L, L.Get(2)))))
		return 1
	})
	def("__newindex", func(L *lua.LState, p *proxy) int {
		key := proxyKey(L, L.Get(2))
		p.set(L, key, proxyValue(L, key, L.Get(3)))
		return 0
	})
	def("__len", func(L *lua.LState, p *proxy) int {
		L.Push(lua.LNumber(p.len(L)))
		return 1
	})
	def("__eq", func(L *lua.LState, p *proxy) int {
		q := proxyOf(L.Get(2))
		L.Push(lua.LBool(q != nil && p.n == q.n))
		return 1
	})
	def("__tostring", func(L *lua.LState, p *proxy) int {
		L.Push(lua.LString("session data"))
		return 1
	})
	meta.RawSetString("__metatable", lua.LString("session data"))
	return meta
}

// installData teaches the base library about proxies. For a table each
// function does what it did before.
func (in *Instance) installData() {
	L := in.vm.State()
	in.server.proxyMeta = in.newProxyMeta()
	replace := func(t *lua.LTable, name string, fn func(L *lua.LState, p *proxy) int) *lua.LFunction {
		stock, ok := t.RawGetString(name).(*lua.LFunction)
		if !ok {
			return nil
		}
		plain := stock.GFunction
		f := L.NewFunction(func(L *lua.LState) int {
			if p := proxyOf(L.Get(1)); p != nil {
				return fn(L, p)
			}
			return plain(L)
		})
		f.Upvalues = stock.Upvalues // pairs and ipairs keep their iterator there
		t.RawSetString(name, f)
		return f
	}
	g := L.G.Global
	next := replace(g, "next", in.proxyNext)
	step := L.NewFunction(func(L *lua.LState) int {
		p := proxyOf(L.Get(1))
		i := L.CheckInt(2) + 1
		v := p.get(L, float64(i))
		if v == nil {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(i))
		L.Push(in.wrap(p.st, v))
		return 2
	})
	replace(g, "pairs", func(L *lua.LState, p *proxy) int {
		L.Push(next)
		L.Push(L.Get(1))
		L.Push(lua.LNil)
		return 3
	})
	replace(g, "ipairs", func(L *lua.LState, p *proxy) int {
		L.Push(step)
		L.Push(L.Get(1))
		L.Push(lua.LNumber(0))
		return 3
	})
	unpack := func(L *lua.LState, p *proxy) int {
		from, to := L.OptInt(2, 1), L.OptInt(3, p.len(L))
		if to-from > 8000 {
			vm.Raise(L, "too many results to unpack")
		}
		for i := from; i <= to; i++ {
			L.Push(in.wrap(p.st, p.get(L, float64(i))))
		}
		return max(to-from+1, 0)
	}
	replace(g, "unpack", unpack)
	lib, ok := g.RawGetString("table").(*lua.LTable)
	if !ok {
		return
	}
	replace(lib, "insert", in.proxyInsert)
	replace(lib, "remove", in.proxyRemove)
	replace(lib, "concat", in.proxyConcat)
	replace(lib, "getn", func(L *lua.LState, p *proxy) int {
		L.Push(lua.LNumber(p.len(L)))
		return 1
	})
	sort, _ := lib.RawGetString("sort").(*lua.LFunction)
	replace(lib, "sort", func(L *lua.LState, p *proxy) int { return in.proxySort(L, p, sort) })
}

func (in *Instance) proxyNext(L *lua.LState, p *proxy) int {
	var key any
	if L.Get(2) != lua.LNil {
		key = proxyKey(L, L.Get(2))
	}
	p.open(L)
	k, v, err := p.n.next(key)
	p.st.mu.Unlock()
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
	if k == nil {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(toLua(L, k))
	L.Push(in.wrap(p.st, v))
	return 2
}

func (in *Instance) proxyInsert(L *lua.LState, p *proxy) int {
	n := p.len(L)
	at, arg := n+1, 2
	switch L.GetTop() {
	case 2:
	case 3:
		at, arg = L.CheckInt(2), 3
	default:
		vm.Raise(L, "wrong number of arguments to 'insert'")
	}
	if at < 1 || at > n+1 {
		vm.Raise(L, "bad argument #2 to 'insert' (position %d is not in 1..%d)", at, n+1)
	}
	val := proxyValue(L, nil, L.Get(arg))
	p.open(L)
	var err error
	if at == n+1 || val == nil {
		err = p.st.put(p.n, float64(at), val)
	} else if err = p.st.put(p.n, float64(n+1), p.n.list[n-1]); err == nil {
		copy(p.n.list[at:n], p.n.list[at-1:n-1])
		p.n.list[at-1] = nil
		p.st.bytes -= cost(p.n.list[n]) // put counted the shifted value twice
		p.st.bytes += cost(val)
		p.n.list[at-1] = val
	}
	p.st.mu.Unlock()
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
	return 0
}

func (in *Instance) proxyRemove(L *lua.LState, p *proxy) int {
	n := p.len(L)
	at := L.OptInt(2, n)
	if at < 1 || at > n {
		L.Push(lua.LNil)
		return 1
	}
	p.open(L)
	v := p.n.list[at-1]
	copy(p.n.list[at-1:], p.n.list[at:])
	p.n.list[n-1] = nil
	p.n.trim()
	p.st.bytes -= cost(v) + cost(float64(0))
	out := fromNode(v)
	p.st.mu.Unlock()
	L.Push(toLua(L, out))
	return 1
}

func (in *Instance) proxyConcat(L *lua.LState, p *proxy) int {
	sep := L.OptString(2, "")
	from, to := L.OptInt(3, 1), L.OptInt(4, p.len(L))
	var b strings.Builder
	for i := from; i <= to; i++ {
		v := toLua(L, p.get(L, float64(i)))
		if !lua.LVCanConvToString(v) {
			vm.Raise(L, "invalid value (%s) at index %d in table for 'concat'", v.Type(), i)
		}
		b.WriteString(v.String())
		if i < to {
			b.WriteString(sep)
		}
	}
	L.Push(lua.LString(b.String()))
	return 1
}

// proxySort sorts a copy and writes it back.
func (in *Instance) proxySort(L *lua.LState, p *proxy, sort *lua.LFunction) int {
	p.open(L)
	plain := fromNode(&node{list: append([]any(nil), p.n.list...)})
	p.st.mu.Unlock()
	t := toLua(L, plain).(*lua.LTable)
	args := []lua.LValue{sort, t}
	if L.GetTop() >= 2 {
		args = append(args, L.Get(2))
	}
	for _, a := range args {
		L.Push(a)
	}
	L.Call(len(args)-1, 0)
	sorted, err := toPlain(t)
	if err != nil {
		vm.Raise(L, "%s", err.message("table", "a session"))
	}
	p.open(L)
	defer p.st.mu.Unlock()
	n := toNode(sorted).(*node)
	copy(p.n.list, n.list)
	return 0
}

package scripting

import (
	"slices"

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
	plain, err := holdPlain(v)
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
	replace := func(t *lua.LTable, name string, fn func(L *lua.LState, p *proxy) int) {
		stock, ok := t.RawGetString(name).(*lua.LFunction)
		if !ok {
			return
		}
		plain := stock.GFunction
		f := L.NewFunction(func(L *lua.LState) int {
			if p := proxyOf(L.Get(1)); p != nil {
				return fn(L, p)
			}
			if name == "pairs" && pairsOf(L) {
				return 3
			}
			return plain(L)
		})
		f.Upvalues = stock.Upvalues // pairs and ipairs keep their iterator there
		t.RawSetString(name, f)
	}
	g := L.G.Global
	replace(g, "next", in.proxyNext)
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
	// pairs walks the keys as they are now: another VM may add keys meanwhile,
	// which next could not survive.
	replace(g, "pairs", func(L *lua.LState, p *proxy) int {
		keys := p.keys(L)
		L.Push(L.NewFunction(func(L *lua.LState) int {
			for len(keys) > 0 {
				k := keys[0]
				keys = keys[1:]
				if v := p.get(L, k); v != nil {
					L.Push(toLua(L, k))
					L.Push(in.wrap(p.st, v))
					return 2
				}
			}
			L.Push(lua.LNil)
			return 1
		}))
		return 1
	})
	replace(g, "ipairs", func(L *lua.LState, p *proxy) int {
		L.Push(step)
		L.Push(L.Get(1))
		L.Push(lua.LNumber(0))
		return 3
	})
	unpack := func(L *lua.LState, p *proxy) int {
		items := p.items(L)
		from, to := L.OptInt(2, 1), L.OptInt(3, len(items))
		if to-from > 8000 {
			vm.Raise(L, "too many results to unpack")
		}
		for i := from; i <= to; i++ {
			v := any(nil)
			if i >= 1 && i <= len(items) {
				v = items[i-1]
			}
			L.Push(in.wrap(p.st, v))
		}
		return max(to-from+1, 0)
	}
	replace(g, "unpack", unpack)
	lib, ok := g.RawGetString("table").(*lua.LTable)
	if !ok {
		return
	}
	replace(lib, "unpack", unpack)
	replace(lib, "insert", in.proxyInsert)
	replace(lib, "remove", in.proxyRemove)
	concat, _ := lib.RawGetString("concat").(*lua.LFunction)
	replace(lib, "concat", func(L *lua.LState, p *proxy) int { return in.proxyConcat(L, p, concat) })
	replace(lib, "getn", func(L *lua.LState, p *proxy) int {
		L.Push(lua.LNumber(p.len(L)))
		return 1
	})
	sort, _ := lib.RawGetString("sort").(*lua.LFunction)
	replace(lib, "sort", func(L *lua.LState, p *proxy) int { return in.proxySort(L, p, sort) })
}

// pairsOf calls the __pairs of an object of a module, if it has one.
func pairsOf(L *lua.LState) bool {
	ud, ok := L.Get(1).(*lua.LUserData)
	if !ok {
		return false
	}
	fn, ok := L.GetMetaField(ud, "__pairs").(*lua.LFunction)
	if !ok {
		return false
	}
	L.Push(fn)
	L.Push(ud)
	L.Call(1, 3)
	return true
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
	at, arg := 0, 2
	switch L.GetTop() {
	case 2:
	case 3:
		if at, arg = L.CheckInt(2), 3; at == 0 {
			at = -1 // 0 means the end to insert
		}
	default:
		vm.Raise(L, "wrong number of arguments to 'insert'")
	}
	val := proxyValue(L, nil, L.Get(arg))
	p.open(L)
	err := p.st.insert(p.n, at, val)
	p.st.mu.Unlock()
	if err != nil {
		vm.Raise(L, "%s", err.Error())
	}
	return 0
}

func (in *Instance) proxyRemove(L *lua.LState, p *proxy) int {
	at := 0
	if L.Get(2) != lua.LNil {
		if at = L.CheckInt(2); at == 0 {
			at = -1
		}
	}
	p.open(L)
	out := fromNode(p.st.remove(p.n, at))
	p.st.mu.Unlock()
	L.Push(toLua(L, out))
	return 1
}

// items copies the list part, so that a function sees one state of it though
// another VM may write at the same time.
func (p *proxy) items(L *lua.LState) []any {
	p.open(L)
	defer p.st.mu.Unlock()
	return append([]any(nil), p.n.list...)
}

// keys lists the keys in the order of next.
func (p *proxy) keys(L *lua.LState) []any {
	p.open(L)
	defer p.st.mu.Unlock()
	keys := make([]any, 0, len(p.n.list)+p.n.live)
	for i := range p.n.list {
		keys = append(keys, float64(i+1))
	}
	for i, k := range p.n.keys {
		if p.n.vals[i] != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// proxyConcat gives the stock function a copy of the list.
func (in *Instance) proxyConcat(L *lua.LState, p *proxy, concat *lua.LFunction) int {
	items := p.items(L)
	t := L.CreateTable(len(items), 0)
	for i, v := range items {
		if _, isTable := v.(*node); isTable {
			v = &plainTable{} // to be refused
		}
		t.RawSetInt(i+1, toLua(L, v))
	}
	L.Replace(1, t)
	return concat.GFunction(L)
}

// proxySort sorts a copy of the list, its tables as proxies so that they stay
// the tables they are, and writes it back.
func (in *Instance) proxySort(L *lua.LState, p *proxy, sort *lua.LFunction) int {
	items := p.items(L)
	t := L.CreateTable(len(items), 0)
	for i, v := range items {
		t.RawSetInt(i+1, in.wrap(p.st, v))
	}
	L.Replace(1, t)
	sort.GFunction(L)
	p.open(L)
	defer p.st.mu.Unlock()
	if !slices.Equal(items, p.n.list) {
		vm.Raise(L, "the list was changed while it was being sorted")
	}
	for i := range items {
		if q := proxyOf(t.RawGetInt(i + 1)); q != nil {
			p.n.list[i] = q.n
		} else {
			p.n.list[i], _ = holdPlain(t.RawGetInt(i + 1))
		}
	}
	return 0
}

package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// Holder is a value of Go, behind a userdata, that keeps Lua values.
type Holder interface {
	// EachValue calls f for all of them. Baton holder.
	EachValue(f func(lua.LValue))
}

// Reach follows Lua values to everything that code which has them can get at.
// What it has met it does not follow again, so more can be added at any time.
type Reach struct {
	// Skip are threads that are not looked into.
	Skip map[*lua.LState]bool
	// Met are the Go values of the userdata that were met.
	Met map[any]bool

	seen  map[any]bool
	todo  []lua.LValue
	steps int
}

// NewReach is a Reach that gives up after so many values.
func NewReach(steps int) *Reach {
	return &Reach{Skip: map[*lua.LState]bool{}, Met: map[any]bool{}, seen: map[any]bool{}, steps: steps}
}

// Add notes v as something to follow.
func (r *Reach) Add(v lua.LValue) {
	switch x := v.(type) {
	case *lua.LTable:
		r.note(x, x == nil, v)
	case *lua.LFunction:
		r.note(x, x == nil, v)
	case *lua.LUserData:
		r.note(x, x == nil, v)
	case *lua.LState:
		r.note(x, x == nil || r.Skip[x], v)
	}
}

func (r *Reach) note(key any, skip bool, v lua.LValue) {
	if !skip && !r.seen[key] {
		r.seen[key] = true
		r.todo = append(r.todo, v)
	}
}

// Follow goes on until there is nothing more, or what Add was given is too much
// to look at: then it is false.
func (r *Reach) Follow() bool {
	for len(r.todo) > 0 {
		v := r.todo[len(r.todo)-1]
		r.todo = r.todo[:len(r.todo)-1]
		r.steps--
		switch x := v.(type) {
		case *lua.LTable:
			inside.Each(x, func(k, v lua.LValue) bool {
				r.Add(k)
				r.Add(v)
				r.steps--
				return r.steps > 0
			})
			r.Add(x.Metatable)
		case *lua.LFunction:
			r.function(x)
		case *lua.LUserData:
			r.userdata(x)
		case *lua.LState:
			r.thread(x)
		}
		if r.steps <= 0 {
			return false
		}
	}
	return true
}

func (r *Reach) function(f *lua.LFunction) {
	r.Add(f.Env)
	for _, u := range f.Upvalues {
		if u != nil {
			r.Add(u.Value())
		}
	}
}

func (r *Reach) userdata(u *lua.LUserData) {
	r.Add(u.Env)
	r.Add(u.Metatable)
	if h, ok := u.Value.(Holder); ok {
		r.Met[h] = true
		h.EachValue(r.Add)
	}
}

func (r *Reach) thread(L *lua.LState) {
	r.Add(L.Env)
	if L.Parent != nil {
		r.Add(L.Parent)
	}
	for _, v := range inside.Stack(L) {
		r.Add(v)
		r.steps--
	}
	for f := inside.Current(L); f != nil; f = f.Parent {
		if f.Fn != nil {
			r.function(f.Fn)
		}
	}
}

// Roots adds what all code of the VM can get at.
func (r *Reach) Roots(v *VM) {
	g := v.L.G
	r.Add(g.Global)
	r.Add(g.Registry)
	r.Add(v.loaded)
	r.Add(v.preload)
	r.Add(v.L.GetMetatable(lua.LString("")))
	r.Add(v.L)
}

// Hide makes the Reach skip the threads from the innermost one of a call out to
// th's own.
func (r *Reach) Hide(th *Thread, innermost *lua.LState) {
	for L := innermost; L != nil && L != th.vm.L && L != th.L; L = L.Parent {
		r.Skip[L] = true
	}
	r.Skip[th.L] = true
}

// Thread adds the threads of a call; it takes Hide back.
func (r *Reach) Thread(th *Thread, innermost *lua.LState) {
	for L := innermost; L != nil && L != th.vm.L && L != th.L; L = L.Parent {
		delete(r.Skip, L)
	}
	delete(r.Skip, th.L)
	r.Add(th.L)
	if innermost != nil {
		r.Add(innermost)
	}
}

package scripting

import (
	"fmt"
	"sync"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// What all VMs share lives in Go, once, under its kind and its name: who asks
// first makes it, everybody else finds it, in whichever worker and generation.
// It lives as long as the process.

// Spec is how a script declares a shared object.
type Spec interface {
	// Differ says in what the spec differs from an older one of its type, as in
	// "capacity is 10, not 20"; "" if in nothing. Any goroutine.
	Differ(old Spec) string
	// Adopt is asked when a newer generation declares v otherwise than it is. It
	// returns what to do when that generation goes live (nil: nothing), or why
	// it cannot be. What hurts nobody it may do at once. Any goroutine.
	Adopt(v any, old Spec) (swap func(), err error)
}

// sharedObjects is the registry of a host. Any goroutine.
type sharedObjects struct {
	mu sync.Mutex
	at map[sharedKey]*sharedObject
}

type sharedKey struct{ kind, name string }

type sharedObject struct {
	value any
	now   sharedAs
	next  sharedAs // of a newer generation that is not live yet
}

// sharedAs is one declaration of a shared object.
type sharedAs struct {
	spec  Spec
	where string
	gen   *Generation
	swap  func() // what is left to do when it comes into force, nil: nothing
}

// Shared finds the shared object of this kind and name, or makes it. Asking for
// it with another spec raises an error that names both places, unless a newer
// generation asks and the object can adopt the change. Baton holder.
func (in *Instance) Shared(L *lua.LState, kind, name string, spec Spec, create func() any) any {
	key := sharedKey{kind, name}
	v, pending, fault := in.host.shared.find(key, sharedAs{spec: spec, where: place(L), gen: in.gen}, create)
	if fault != "" {
		vm.Raise(L, "%s '%s': %s", kind, name, fault)
	}
	if pending {
		in.held = append(in.held, func() { in.host.shared.swap(key, in.gen) })
	}
	return v
}

// find is Shared on the registry. pending says that the declaration comes into
// force when its generation goes live.
func (r *sharedObjects) find(key sharedKey, as sharedAs, create func() any) (v any, pending bool, fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.at[key]
	if o != nil && o.now.gen != as.gen && !o.now.gen.wentLive.Load() {
		o = nil // made by a version of the script that never went live
	}
	if o == nil {
		if r.at == nil {
			r.at = map[sharedKey]*sharedObject{}
		}
		o = &sharedObject{value: create(), now: as}
		r.at[key] = o
		return o.value, false, ""
	}
	said := &o.now
	if o.next.gen == as.gen {
		said = &o.next
	}
	diff := as.spec.Differ(said.spec)
	switch {
	case said.gen == as.gen && diff != "":
		return nil, false, diff + " at " + said.where
	case said.gen == as.gen:
		return o.value, said.swap != nil, ""
	case as.gen.id < said.gen.id:
		return o.value, false, "" // old code: what it wants was right in its time
	}
	if diff != "" {
		swap, err := as.spec.Adopt(o.value, o.now.spec)
		if err != nil {
			return nil, false, fmt.Sprintf("%s at %s: %v (restart the server, or give it another name)", diff, o.now.where, err)
		}
		as.swap = func() {}
		if swap != nil {
			as.swap = swap
		}
	}
	if !as.gen.wentLive.Load() {
		o.next = as
		return o.value, as.swap != nil, ""
	}
	o.now = as
	o.now.enforce()
	return o.value, false, ""
}

// enforce does what is left to do for a declaration that is in force now.
func (as *sharedAs) enforce() {
	if as.swap != nil {
		as.swap()
		as.swap = nil
	}
}

// swap puts the declaration of a newer generation in force. Every worker of it
// comes here, the first one does it.
func (r *sharedObjects) swap(key sharedKey, gen *Generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.at[key]; o != nil && o.next.gen == gen {
		o.now, o.next = o.next, sharedAs{}
		o.now.enforce()
	}
}

// Forget takes a shared object out of the registry, if it is still v that
// stands there: whoever asks next makes a new one. Any goroutine.
func (in *Instance) Forget(kind, name string, v any) {
	r := &in.host.shared
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := (sharedKey{kind, name}); r.at[key] != nil && r.at[key].value == v {
		delete(r.at, key)
	}
}

// SharedNames lists the shared objects of a kind.
func (in *Instance) SharedNames(kind string) []string {
	r := &in.host.shared
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for key := range r.at {
		if key.kind == kind {
			names = append(names, key.name)
		}
	}
	return names
}

// Own is what a module keeps for one VM under key, made when it is first asked
// for. Baton holder.
func Own[T any](in *Instance, key any, create func() T) T {
	if v, ok := in.own[key]; ok {
		return v.(T)
	}
	if in.own == nil {
		in.own = map[any]any{}
	}
	v := create()
	in.own[key] = v
	return v
}

// SourceLine is the line of the script that called the running function.
func (in *Instance) SourceLine(L *lua.LState) string { return in.vm.SourceLine(L) }

package table

import (
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// Kind is what happened to a key.
type Kind uint8

// The kinds of changes.
const (
	Stored Kind = iota
	Deleted
	Expired
	Evicted
)

func (k Kind) String() string {
	return [...]string{"set", "del", "expired", "evicted"}[k]
}

// Event is one change: what is under the key now, or was until it went.
type Event struct {
	Kind    Kind
	Key     Key
	Value   lua.LValue
	Row     []lua.LValue
	Columns *Columns
}

// Watch hears of changes: of one key, or of all.
type Watch struct {
	Key  *Key
	Post func(Event) // under a lock of the table: it must not wait, nor use the table
}

// Watch adds a watch.
func (t *Table) Watch(w *Watch) {
	for {
		old := t.watchers.Load()
		var list []*Watch
		if old != nil {
			list = append(list, *old...)
		}
		list = append(list, w)
		if t.watchers.CompareAndSwap(old, &list) {
			return
		}
	}
}

// Unwatch removes a watch.
func (t *Table) Unwatch(w *Watch) {
	for {
		old := t.watchers.Load()
		if old == nil {
			return
		}
		list := slices.DeleteFunc(slices.Clone(*old), func(x *Watch) bool { return x == w })
		next := &list
		if len(list) == 0 {
			next = nil
		}
		if t.watchers.CompareAndSwap(old, next) {
			return
		}
	}
}

// tell posts a change of e to who watches.
func (s *shard) tell(e *entry, kind Kind) {
	list := s.t.watchers.Load()
	if list == nil {
		return
	}
	for _, w := range *list {
		if w.Key == nil || *w.Key == e.key {
			w.Post(Event{kind, e.key, e.val, e.row, s.t.Columns()})
		}
	}
}

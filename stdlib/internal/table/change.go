package table

import (
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// Failures of a change.
var (
	ErrFull     = &scripting.Errno{Name: "table_full", Code: 12, Text: "the table is full (max_bytes)"}
	ErrTooLarge = &scripting.Errno{Name: "value_too_large", Code: 27, Text: "the value alone is larger than the table (max_bytes)"}
)

// Life says how long what is stored lives: a time to live, or one of these.
type Life time.Duration

const (
	// Usual is the table's own time to live.
	Usual Life = -1
	// Same leaves the time of what is there alone; it is Usual where nothing is.
	Same Life = -2
)

// IfNew is l for what is new, and Same for what is there.
func IfNew(l Life) Life {
	if l < 0 {
		return Same
	}
	return -3 - l
}

func (t *Table) deadline(l Life) int64 {
	if l < Same {
		l = -3 - l
	}
	if l < 0 {
		return deadline(time.Duration(t.ttl.Load()))
	}
	return deadline(time.Duration(l))
}

// Put stores a frozen value under k.
func (t *Table) Put(k Key, v lua.LValue, l Life) error {
	return t.Change(k, l, func(lua.LValue, bool) (lua.LValue, error) { return v, nil })
}

// Change replaces what is under k by what f makes of it; there says whether
// there is something. f may be called more than once, under the lock, and must
// change nothing; an error of f leaves all as it is.
func (t *Table) Change(k Key, l Life, f func(old lua.LValue, there bool) (lua.LValue, error)) error {
	s := t.shard(k)
	for {
		s.mu.Lock()
		e := s.live(k)
		old := lua.LNil
		if e != nil {
			old = e.val
		}
		v, err := f(old, e != nil)
		if err != nil {
			s.mu.Unlock()
			return err
		}
		room, err := s.store(e, k, v, nil, overhead+k.size()+scripting.Size(v), l)
		s.mu.Unlock()
		if err != nil || room == 0 {
			return err
		}
		if err := t.makeRoom(room); err != nil {
			return err
		}
	}
}

// ChangeRow is Change for a table with columns: f changes the row, which begins
// with a default for each column if it is new. It is a copy.
func (t *Table) ChangeRow(k Key, l Life, f func(c *Columns, row []lua.LValue, there bool) error) error {
	s := t.shard(k)
	for {
		s.mu.Lock()
		e, c := s.live(k), t.Columns()
		row := make([]lua.LValue, 0, len(c.List))
		if e != nil {
			row = append(row, e.row...)
		}
		row = c.pad(row)
		if err := f(c, row, e != nil); err != nil {
			s.mu.Unlock()
			return err
		}
		room, err := s.store(e, k, nil, row, overhead+k.size()+rowSize(row), l)
		s.mu.Unlock()
		if err != nil || room == 0 {
			return err
		}
		if err := t.makeRoom(room); err != nil {
			return err
		}
	}
}

// store puts a value into e, or into a new entry. Where there is no room it
// changes nothing and returns how many bytes must be free before it is tried
// again.
func (s *shard) store(e *entry, k Key, v lua.LValue, row []lua.LValue, size int, l Life) (room int, err error) {
	grow := size
	if e != nil {
		grow -= e.size
	}
	if !s.t.reserve(grow) {
		if max := int(s.t.maxBytes.Load()); max > 0 && size > max {
			return 0, ErrTooLarge
		}
		if e != nil && s.t.lru.Load() {
			s.touch(e) // it is to go last
		}
		return grow, nil
	}
	if e == nil {
		e = &entry{key: k.keep(), val: v, row: row, size: size}
		s.insert(e)
		s.expireAt(e, s.t.deadline(l))
	} else {
		e.val, e.row, e.size = v, row, size
		s.updates++
		if s.t.lru.Load() {
			s.touch(e)
		}
		if l > Same {
			s.expireAt(e, s.t.deadline(l))
		}
	}
	s.tell(e, Stored)
	return 0, nil
}

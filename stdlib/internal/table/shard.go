package table

import (
	"sync"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

// shard is one part of a table. Everything in it belongs to the holder of mu,
// but for used.
type shard struct {
	t  *Table
	mu sync.Mutex
	m  map[Key]*entry

	newest, oldest *entry       // in the order of use, or of storing where use does not count
	due            dueHeap      // those with a time to live, the first to go first
	used           atomic.Int64 // when oldest was used last; 0: the shard is empty

	hits, misses, inserts, updates, deletes, expired, evicted uint64

	_ [64]byte // keeps neighbours out of each other's cache lines
}

// entry is what lies under one key.
type entry struct {
	key     Key
	val     lua.LValue   // frozen; tables without columns
	row     []lua.LValue // tables with columns
	size    int
	expires int64 // 0: never
	heapAt  int   // place in due + 1
	used    int64

	newer, older *entry
}

// overhead is what an entry costs beside key and value: itself and its place in
// the map.
const overhead = 160

// live is the entry under k, unless its time is over.
func (s *shard) live(k Key) *entry {
	e := s.m[k]
	if e == nil || e.expires == 0 || e.expires > now() {
		return e
	}
	s.expire(e)
	return nil
}

// find is live for a use.
func (s *shard) find(k Key) *entry {
	e := s.live(k)
	if e != nil && s.t.lru.Load() {
		s.touch(e)
	}
	return e
}

// touch makes e the one used last.
func (s *shard) touch(e *entry) {
	e.used = now()
	if s.newest != e {
		s.unlink(e)
		s.link(e)
	}
	s.used.Store(s.oldest.used)
}

func (s *shard) link(e *entry) {
	e.older = s.newest
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

func (s *shard) unlink(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	e.newer, e.older = nil, nil
}

// insert adds e, whose bytes are reserved.
func (s *shard) insert(e *entry) {
	s.m[e.key] = e
	e.used = 1
	if s.t.lru.Load() {
		e.used = now()
	}
	s.link(e)
	s.used.Store(s.oldest.used)
	s.inserts++
}

// remove takes e out and gives its bytes back.
func (s *shard) remove(e *entry) {
	delete(s.m, e.key)
	s.unlink(e)
	s.due.remove(e)
	s.t.bytes.Add(-int64(e.size))
	if s.oldest != nil {
		s.used.Store(s.oldest.used)
	} else {
		s.used.Store(0)
	}
}

// take removes e because somebody asked for it.
func (s *shard) take(e *entry) {
	s.remove(e)
	s.deletes++
	s.tell(e, Deleted)
}

package table

// reserve counts n more bytes, or fewer if n is negative, unless the table
// would grow beyond its limit.
func (t *Table) reserve(n int) bool {
	limit := t.maxBytes.Load()
	for {
		was := t.bytes.Load()
		if n > 0 && limit > 0 && was+int64(n) > limit {
			return false
		}
		if t.bytes.CompareAndSwap(was, was+int64(n)) {
			return true
		}
	}
}

// fits reports whether n more bytes would fit now.
func (t *Table) fits(n int) bool {
	limit := t.maxBytes.Load()
	return limit <= 0 || t.bytes.Load()+int64(n) <= limit
}

// makeRoom removes what is old, and in an LRU table what was not used for
// longest, until n bytes are free. No lock is held.
func (t *Table) makeRoom(n int) error {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.purge()
		s.mu.Unlock()
		if t.fits(n) {
			return nil
		}
	}
	if !t.lru.Load() {
		return ErrFull
	}
	for !t.fits(n) {
		s := t.leastUsed()
		if s == nil {
			return ErrFull
		}
		s.mu.Lock()
		if e := s.oldest; e != nil {
			s.remove(e)
			s.evicted++
			s.tell(e, Evicted)
		}
		s.mu.Unlock()
	}
	return nil
}

// leastUsed is the shard whose oldest entry was not used for longest; nil when
// the table is empty.
func (t *Table) leastUsed() (found *shard) {
	var least int64
	for i := range t.shards {
		if used := t.shards[i].used.Load(); used != 0 && (found == nil || used < least) {
			found, least = &t.shards[i], used
		}
	}
	return found
}

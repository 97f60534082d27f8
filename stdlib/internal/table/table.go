// Package table is a map that all VMs share: it grows, may be capped in bytes,
// forget what is old or not used, keep rows of typed columns, and tell who
// watches it what changes. It is plain Go under the locks of its shards; any
// goroutine may use it.
//
// Reading order: table.go, key.go, shard.go (one part of the map), change.go
// (how a value gets in), room.go (bytes and eviction), expiry.go, columns.go,
// watch.go.
package table

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// shards is how many parts a table has, each with a lock of its own.
const shards = 64

// Options of a table.
type Options struct {
	Columns  *Columns      // nil: a value of any kind under each key
	MaxBytes int           // 0: no limit
	TTL      time.Duration // of what is stored without one; 0: for ever
	LRU      bool          // when full, what was not used for longest goes
}

// Table is the map.
type Table struct {
	seed   maphash.Seed
	shards [shards]shard

	columns  atomic.Pointer[Columns]
	maxBytes atomic.Int64
	ttl      atomic.Int64
	lru      atomic.Bool
	bytes    atomic.Int64

	ended    atomic.Bool
	alarm    alarm
	watchers atomic.Pointer[[]*Watch]
}

// New makes an empty table.
func New(o Options) *Table {
	t := &Table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		s := &t.shards[i]
		s.t, s.m = t, map[Key]*entry{}
	}
	t.columns.Store(o.Columns)
	t.SetLimits(o)
	return t
}

// SetLimits puts other options in force, but for the columns. What is stored
// keeps its time to live.
func (t *Table) SetLimits(o Options) {
	t.maxBytes.Store(int64(o.MaxBytes))
	t.ttl.Store(int64(o.TTL))
	t.lru.Store(o.LRU)
}

// Columns are the columns, nil for a table without.
func (t *Table) Columns() *Columns { return t.columns.Load() }

// SetColumns puts columns in force that extend those that are.
func (t *Table) SetColumns(c *Columns) { t.columns.Store(c) }

var epoch = time.Now()

// now is the monotonic time in nanoseconds, never 0.
func now() int64 { return int64(time.Since(epoch)) + 1 }

// Get is the value under k.
func (t *Table) Get(k Key) (lua.LValue, bool) {
	s := t.shard(k)
	s.mu.Lock()
	e := s.find(k)
	if e == nil {
		s.misses++
		s.mu.Unlock()
		return nil, false
	}
	s.hits++
	v := e.val
	s.mu.Unlock()
	return v, true
}

// Row is the row under k, a value for each column. It is not to be changed.
func (t *Table) Row(k Key) (row []lua.LValue, c *Columns, ok bool) {
	s := t.shard(k)
	s.mu.Lock()
	e := s.find(k)
	if e == nil {
		s.misses++
		s.mu.Unlock()
		return nil, nil, false
	}
	s.hits++
	row = e.row
	s.mu.Unlock()
	c = t.Columns()
	if len(row) < len(c.List) {
		row = c.pad(row[:len(row):len(row)])
	}
	return row, c, true
}

// Has reports whether there is something under k. It counts as no use.
func (t *Table) Has(k Key) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live(k) != nil
}

// Delete removes k and reports whether it was there.
func (t *Table) Delete(k Key) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(k)
	if e == nil {
		return false
	}
	s.take(e)
	return true
}

// DeleteIf removes k if it is there and match says so of what it holds.
func (t *Table) DeleteIf(k Key, match func(v lua.LValue, row []lua.LValue, there bool) bool) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(k)
	if e == nil {
		return false
	}
	row := e.row
	if c := t.Columns(); c != nil {
		row = c.pad(row[:len(row):len(row)])
	}
	if !match(e.val, row, true) {
		return false
	}
	s.take(e)
	return true
}

// Expire gives what is under k another time to live, 0: for ever. It reports
// whether it was there.
func (t *Table) Expire(k Key, ttl time.Duration) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(k)
	if e != nil {
		s.expireAt(e, deadline(ttl))
	}
	return e != nil
}

// TTL is how long k has to live, 0: for ever.
func (t *Table) TTL(k Key) (time.Duration, bool) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(k)
	switch {
	case e == nil:
		return 0, false
	case e.expires == 0:
		return 0, true
	}
	return time.Duration(max(e.expires-now(), 1)), true
}

// Count is how many keys there are.
func (t *Table) Count() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.purge()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}

// Clear removes everything.
func (t *Table) Clear() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for s.oldest != nil {
			s.take(s.oldest)
		}
		s.mu.Unlock()
	}
}

// End removes everything for good: it is for whoever uses the table to ask
// whether it has Ended.
func (t *Table) End() {
	t.ended.Store(true)
	t.Clear()
}

// Ended reports whether End was called.
func (t *Table) Ended() bool { return t.ended.Load() }

// Walk is a loop over the keys of a table. A key that is there from beginning
// to end comes exactly once; one that comes or goes meanwhile comes once or not
// at all.
type Walk struct {
	t    *Table
	next int
	keys []Key
}

// Walk begins a loop.
func (t *Table) Walk() *Walk { return &Walk{t: t} }

// Next is the next key.
func (w *Walk) Next() (k Key, ok bool) {
	for len(w.keys) == 0 {
		if w.next == shards {
			return k, false
		}
		s := &w.t.shards[w.next]
		w.next++
		s.mu.Lock()
		s.purge()
		w.keys = make([]Key, 0, len(s.m))
		for k := range s.m {
			w.keys = append(w.keys, k)
		}
		s.mu.Unlock()
	}
	k = w.keys[0]
	w.keys = w.keys[1:]
	return k, true
}

// Stats are counts of a table since it was made, and what it holds now.
type Stats struct {
	Num, Bytes, MaxBytes                                                int
	Hits, Misses, Inserts, Updates, Deletes, Expired, Evicted, Watchers uint64
}

// Stats adds up the counts.
func (t *Table) Stats() Stats {
	var x Stats
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.purge()
		x.Num += len(s.m)
		x.Hits += s.hits
		x.Misses += s.misses
		x.Inserts += s.inserts
		x.Updates += s.updates
		x.Deletes += s.deletes
		x.Expired += s.expired
		x.Evicted += s.evicted
		s.mu.Unlock()
	}
	x.Bytes, x.MaxBytes = int(t.bytes.Load()), int(t.maxBytes.Load())
	if w := t.watchers.Load(); w != nil {
		x.Watchers = uint64(len(*w))
	}
	return x
}

// Bytes is what the keys and values count against the limit.
func (t *Table) Bytes() int { return int(t.bytes.Load()) }

// rowSize is what a row counts.
func rowSize(row []lua.LValue) int {
	n := 0
	for _, v := range row {
		n += scripting.Size(v)
	}
	return n
}

package engine

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// memoryWatch looks at the size of the heap. Dead objects count until they are
// collected, so a heap over the limit is collected before anybody is blamed.
// The watchdog's.
type memoryWatch struct {
	limit  uint64
	sample [1]metrics.Sample
	next   int64 // do not look again before
}

const (
	memoryLook  = int64(4 * time.Millisecond)
	memoryAgain = int64(200 * time.Millisecond) // after a collection
)

func newMemoryWatch(limit uint64) *memoryWatch {
	m := &memoryWatch{limit: limit}
	m.sample[0].Name = "/memory/classes/heap/objects:bytes"
	return m
}

func (m *memoryWatch) heap() uint64 {
	metrics.Read(m.sample[:])
	return m.sample[0].Value.Uint64()
}

// over reports whether the heap is larger than the limit with all dead objects
// gone.
func (m *memoryWatch) over(now int64) bool {
	if m.limit == 0 || now < m.next {
		return false
	}
	m.next = now + memoryLook
	if m.heap() <= m.limit {
		return false
	}
	runtime.GC()
	m.next = nanotime() + memoryAgain
	return m.heap() > m.limit
}

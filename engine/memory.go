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
	sample [1]metrics.Sample
	next   int64 // do not look again before
}

const (
	memoryLook  = int64(4 * time.Millisecond)
	memoryAgain = int64(200 * time.Millisecond) // after a collection
)

func newMemoryWatch() *memoryWatch {
	m := &memoryWatch{}
	m.sample[0].Name = "/memory/classes/heap/objects:bytes"
	return m
}

func (m *memoryWatch) heap() uint64 {
	metrics.Read(m.sample[:])
	return m.sample[0].Value.Uint64()
}

// over reports whether the heap is larger than limit bytes (0: no limit) with all dead objects
// gone.
func (m *memoryWatch) over(limit uint64, now int64) bool {
	if limit == 0 || now < m.next {
		return false
	}
	m.next = now + memoryLook
	if m.heap() <= limit {
		return false
	}
	runtime.GC()
	m.next = nanotime() + memoryAgain
	return m.heap() > limit
}

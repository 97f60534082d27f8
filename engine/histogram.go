package engine

import "sync"

// How long callbacks take. Counts are exact. Of the clock, which costs more than
// a short callback, one in sampleEvery of the callbacks that are begun most
// often is timed and counts for all; one that waits, or computes for long, is
// timed always and counts for itself.

// Histogram collects durations. What it is made of is wired by whoever makes the
// engine; nothing of it is called by two goroutines at once.
type Histogram interface {
	// Record adds a duration in nanoseconds, times over.
	Record(nanoseconds, times int64)
	// Add adds what other, made by the same maker, has collected.
	Add(other Histogram)
	// Below is the duration that percent of what was recorded do not exceed.
	Below(percent float64) (nanoseconds int64)
	// Max is the longest.
	Max() (nanoseconds int64)
}

// MaxKinds is how many kinds of callbacks a handler may tell apart.
const MaxKinds = 32

// sampleEvery is one in how many is timed of what is begun most often.
const sampleEvery = 16

// latency is how long the callbacks of a loop took, by kind.
type latency struct {
	mu    sync.Mutex
	kinds [MaxKinds]Histogram // made when first needed
}

// Clock counts the callback that f begins as one of a kind of the handler's,
// and starts its clock unless f runs another one; often says that one in
// sampleEvery will do. Baton holder.
func (f *Fiber) Clock(kind uint8, often bool) {
	l := f.loop
	l.count.kinds[kind]++
	if f.clocked || l.eng.opts.NewHistogram == nil {
		return
	}
	f.clocked, f.kind, f.weight = true, kind, 1
	if often {
		if l.sample++; l.sample%sampleEvery != 0 {
			return
		}
		f.weight = sampleEvery
	}
	f.began = nanotime()
}

// slow notes, at since, that the callback of f is one that is timed for itself.
func (f *Fiber) slow(since int64) {
	if f.clocked && f.weight > 0 {
		f.weight = 0
		if f.began == 0 {
			f.began = since
		}
	}
}

// stopClock ends what Clock began.
func (f *Fiber) stopClock() {
	f.clocked = false
	if f.began == 0 {
		return
	}
	l, took := f.loop, nanotime()-f.began
	f.began = 0
	l.latency.mu.Lock()
	defer l.latency.mu.Unlock()
	h := l.latency.kinds[f.kind]
	if h == nil {
		h = l.eng.opts.NewHistogram()
		l.latency.kinds[f.kind] = h
	}
	h.Record(took, max(int64(f.weight), 1))
}

// addTo adds what the loop has collected to sums.
func (t *latency) addTo(sums *[MaxKinds]Histogram, empty func() Histogram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for kind, h := range t.kinds {
		if h == nil {
			continue
		}
		if sums[kind] == nil {
			sums[kind] = empty()
		}
		sums[kind].Add(h)
	}
}

// forget drops what the loop has collected.
func (t *latency) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.kinds[:])
}

// KindStats is what became of one kind of callback, on all loops.
type KindStats struct {
	Count   uint64    // begun
	Latency Histogram // of those that have returned; nil: none, or nobody collects
}

// Kinds adds up what all loops, also those that have ended, know of the
// handler's callbacks, by kind. Any goroutine.
func (e *Engine) Kinds(asking *Loop) [MaxKinds]KindStats {
	e.rosterMu.Lock()
	defer e.rosterMu.Unlock()
	var kinds [MaxKinds]KindStats
	var sums [MaxKinds]Histogram
	counts := e.past.kinds
	e.pastLatency.addTo(&sums, e.opts.NewHistogram)
	for _, l := range e.roster.Load().all {
		if l == asking {
			l.publishNow()
		}
		l.public.mu.Lock()
		for i, n := range l.public.count.kinds {
			counts[i] += n
		}
		l.public.mu.Unlock()
		l.latency.addTo(&sums, e.opts.NewHistogram)
	}
	for i := range kinds {
		kinds[i] = KindStats{counts[i], sums[i]}
	}
	return kinds
}

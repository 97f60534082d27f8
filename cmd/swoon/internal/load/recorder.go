package load

import (
	"math"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longestDelay is the longest time that is told from a longer one.
const longestDelay = int64(3600e9)

// newHistogram keeps times in nanoseconds to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longestDelay, 3) }

// Recorder collects how long answers took. Those who record hold its lock,
// whoever looks at it meanwhile takes it.
type Recorder struct {
	mu     sync.Mutex
	recent *hdrhistogram.Histogram // since the last look
	total  *hdrhistogram.Histogram
	count  uint64 // answers in the time that is counted
}

// NewRecorder makes an empty one.
func NewRecorder() *Recorder { return &Recorder{recent: newHistogram(), total: newHistogram()} }

// Record adds a delay in nanoseconds. Any goroutine.
func (r *Recorder) Record(delay int64) {
	r.mu.Lock()
	r.record(delay)
	r.count++
	r.mu.Unlock()
}

// record is Record without the answer's being counted; with the lock.
func (r *Recorder) record(delay int64) { r.recordTimes(delay, 1) }

func (r *Recorder) recordTimes(delay, times int64) {
	r.recent.RecordValues(min(max(delay, 1), longestDelay), times)
}

// collect adds what is new to into, and returns how many answers there were.
func (r *Recorder) collect(into *hdrhistogram.Histogram) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	into.Merge(r.recent)
	r.total.Merge(r.recent)
	r.recent.Reset()
	return r.count
}

// addTo adds everything to sum.
func (r *Recorder) addTo(sum *hdrhistogram.Histogram) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum.Merge(r.recent)
	sum.Merge(r.total)
	return r.count
}

// Latency is how long answers took, in seconds.
type Latency struct {
	Count int64   `json:"count"`
	Min   float64 `json:"min"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P75   float64 `json:"p75"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	P9999 float64 `json:"p9999"`
	Max   float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	s := func(ns float64) float64 { return math.Round(ns) / 1e9 }
	at := func(percent float64) float64 { return s(float64(h.ValueAtPercentile(percent))) }
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Count: h.TotalCount(), Min: s(float64(h.Min())), Mean: s(h.Mean()),
		P50: at(50), P75: at(75), P90: at(90), P95: at(95), P99: at(99), P999: at(99.9), P9999: at(99.99),
		Max: s(float64(h.Max())),
	}
}

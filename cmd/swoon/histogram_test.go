package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	a, b := newHistogram(), newHistogram()
	for i := int64(1); i <= 1000; i++ {
		h := a
		if i%3 == 0 {
			h = b
		}
		h.Record(i*int64(time.Millisecond), 1)
	}
	a.Add(b)
	near := func(name string, got, want int64) {
		t.Helper()
		if math.Abs(float64(got-want)) > float64(want)/50 {
			t.Errorf("%s is %v, want about %v", name, time.Duration(got), time.Duration(want))
		}
	}
	near("p50", a.Below(50), int64(500*time.Millisecond))
	near("p99", a.Below(99), int64(990*time.Millisecond))
	near("max", a.Max(), int64(time.Second))
	a.Record(int64(time.Microsecond), 16000)
	near("p50 with many short ones", a.Below(50), int64(time.Microsecond))
	a.Record(math.MaxInt64, 1)
	near("the longest", a.Max(), histogramMost*histogramStep)
	a.Record(-1, 1)
	a.Record(0, 1)
}

func BenchmarkHistogram(b *testing.B) {
	h := newHistogram()
	for i := range b.N {
		h.Record(int64(i), 1)
	}
}

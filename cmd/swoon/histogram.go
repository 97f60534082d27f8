package main

import (
	"swoon/engine"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// histogram collects durations of callbacks to two digits, in steps of 100 ns:
// from there up to eleven days, which is where longer ones count.
type histogram struct{ *hdrhistogram.Histogram }

const (
	histogramStep = 100
	histogramMost = 10_000_000_000_000
)

func newHistogram() engine.Histogram { return histogram{hdrhistogram.New(1, histogramMost, 2)} }

func (h histogram) Record(nanoseconds, times int64) {
	h.RecordValues(min(max(nanoseconds/histogramStep, 0), histogramMost), times)
}

func (h histogram) Add(other engine.Histogram) { h.Merge(other.(histogram).Histogram) }

func (h histogram) Below(percent float64) int64 {
	return h.ValueAtPercentile(percent) * histogramStep
}

func (h histogram) Max() int64 { return h.Histogram.Max() * histogramStep }

package load

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Script is a load whose messages are the requests of a script: this tells when
// they are due and keeps how long they took. Whoever runs the script makes them,
// Conns at a time; each has a number, from 0.
type Script struct {
	Load  Load // Target, Conns, Rate, Warm, Time and Timeout
	Name  string
	rec   *Recorder
	from  int64
	until atomic.Int64
	sched schedule

	mu     sync.Mutex
	took   time.Duration
	unsent uint64
}

// NewScript checks what is asked for.
func NewScript(name string, l Load) (*Script, error) {
	l.Size, l.Depth, l.Threads, l.Core = 1, 1, 1, -1 // these are the script's
	if err := l.Validate(); err != nil {
		return nil, err
	}
	s := &Script{Load: l, Name: name, rec: NewRecorder()}
	s.until.Store(math.MaxInt64)
	return s, nil
}

// Begin starts the clock. Before all that follows.
func (s *Script) Begin() {
	start := now()
	s.from = start + int64(s.Load.Warm)
	s.until.CompareAndSwap(math.MaxInt64, s.from+int64(s.Load.Time))
	s.sched = newSchedule(start, s.Load.Rate, 0, 1)
}

// End ends the load early. Any goroutine.
func (s *Script) End() {
	for t := now(); ; {
		if old := s.until.Load(); old <= t || s.until.CompareAndSwap(old, t) {
			return
		}
	}
}

// Next says when the n-th request of one of Conns is due, and how long that is
// from now; ok is false when the time is over. Without a rate it is due at once.
func (s *Script) Next(number int, n uint64) (due int64, wait time.Duration, ok bool) {
	t, until := now(), s.until.Load()
	if s.Load.Rate == 0 {
		return t, 0, t < until
	}
	stride := uint64(s.Load.Conns)
	n = uint64(number) + n*stride
	due = s.sched.at(n)
	if t < until && due < until {
		return due, max(time.Duration(due-t), 0), true
	}
	for ; due < until; due = s.sched.at(n) { // they were due, and never sent
		if due >= s.from {
			s.rec.mu.Lock()
			s.rec.record(until - due)
			s.rec.mu.Unlock()
			s.mu.Lock()
			s.unsent++
			s.mu.Unlock()
		}
		n += stride
	}
	return 0, 0, false
}

// Done keeps that a request that was due has been answered.
func (s *Script) Done(due int64) {
	t, until := now(), s.until.Load()
	s.rec.mu.Lock()
	if due >= s.from && due < until {
		s.rec.record(t - due)
	}
	if t >= s.from && t < until {
		s.rec.count++
	}
	s.rec.mu.Unlock()
}

// Left is how long the load goes on, less than 0 when it is over.
func (s *Script) Left() time.Duration { return time.Duration(s.until.Load() - now()) }

// Progress is how it goes on, since last.
func (s *Script) Progress(last Progress) Progress {
	r := run{Load: &s.Load, from: s.from}
	return r.progress([]*generator{{rec: s.rec}}, last)
}

// Report is what came of it.
func (s *Script) Report() (*Report, error) {
	out := &Report{
		Target: s.Load.Target.Name, Script: s.Name, Connections: s.Load.Conns, Threads: 1, Depth: 1,
		Rate: s.Load.Rate, Corrected: s.Load.Rate > 0, Unsent: s.unsent,
	}
	sum := newHistogram()
	out.Messages = s.rec.addTo(sum)
	out.Latency = latencyOf(sum)
	out.over(time.Duration(min(s.until.Load(), s.from+int64(s.Load.Time)) - s.from))
	if out.Messages == 0 {
		return nil, fmt.Errorf("%s: %w", s.Name, ErrNothing)
	}
	return out, nil
}

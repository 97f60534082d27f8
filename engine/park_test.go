package engine

import (
	"testing"
	"time"
)

// What a wait costs: from when a fiber parks until it goes on.

// On a loop that is busy: two fibers that let each other go first.
func BenchmarkParkBusy(b *testing.B) {
	e, _ := serve(b, Options{Workers: 1}, &funcs{})
	const fibers = 2
	done := make(chan struct{}, fibers)
	b.ReportAllocs()
	b.ResetTimer()
	for range fibers {
		e.Workers()[0].Spawn(RootGo, func(f *Fiber) {
			for range b.N / fibers {
				f.Yield("benchmark")
			}
			done <- struct{}{}
		})
	}
	for range fibers {
		<-done
	}
}

// On a loop that has nothing else to do: another goroutine wakes the fiber, as
// the end of a query or of a look-up does, and waits until it has gone on.
func BenchmarkParkIdle(b *testing.B) {
	e, _ := serve(b, Options{Workers: 1}, &funcs{})
	parked := make(chan Waiter)
	b.ReportAllocs()
	e.Workers()[0].Spawn(RootGo, func(f *Fiber) {
		for {
			w, err := f.Begin("benchmark")
			if err != nil {
				return
			}
			parked <- w
			f.Wait(0)
			if f.Cancelled() != nil {
				return
			}
		}
	})
	w := <-parked
	b.ResetTimer()
	for range b.N {
		w.Wake(nil)
		w = <-parked
	}
}

// By the clock of the loop.
func BenchmarkParkTimer(b *testing.B) {
	e, _ := serve(b, Options{Workers: 1}, &funcs{})
	const fibers = 1000
	done := make(chan struct{}, fibers)
	b.ReportAllocs()
	b.ResetTimer()
	for range fibers {
		e.Workers()[0].Spawn(RootGo, func(f *Fiber) {
			for range max(b.N/fibers, 1) {
				sleep(f, time.Nanosecond)
			}
			done <- struct{}{}
		})
	}
	for range fibers {
		<-done
	}
}

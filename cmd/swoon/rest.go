package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector runs seldom, see serve, and what a burst leaves would lie there
// until the next one. So when the server has come to rest, memory is collected
// once and given back to the system.

const (
	restLook    = time.Second
	restAfter   = 3       // looks in a row at which next to nothing was done
	restQuiet   = 1 << 20 // bytes made between two looks, at most
	restPart    = 8       // what there is to collect must be a part of this of what lives,
	restAtLeast = 1 << 20 // and so many bytes
)

// resting tells when the time has come.
type resting struct {
	before    uint64 // bytes that had been made at the last look
	collected uint64 // and when memory was given back last
	quiet     int
}

// due is asked at each look: made are the bytes ever made, live those that the
// last collection has left.
func (r *resting) due(made, live uint64) bool {
	quiet := made-r.before <= restQuiet
	r.before = made
	if !quiet {
		r.quiet = 0
		return false
	}
	r.quiet++
	if r.quiet < restAfter || made-r.collected < max(restAtLeast, live/restPart) {
		return false
	}
	r.collected = made
	return true
}

// giveBack does so until done is closed.
func giveBack(done <-chan struct{}) {
	tick := time.NewTicker(restLook)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	var r resting
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if r.due(sample[0].Value.Uint64(), sample[1].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

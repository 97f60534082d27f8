package engine

import (
	"testing"
	"time"
)

func TestTicker(t *testing.T) {
	tick, err := newTicker()
	if err != nil {
		t.Fatal(err)
	}
	defer tick.close()
	tick.every(time.Millisecond)
	for range 3 {
		tick.wait()
	}

	// A ticker that is stopped does not tick; closing it ends the wait.
	tick.every(0)
	ended := make(chan struct{})
	go func() { tick.wait(); close(ended) }()
	select {
	case <-ended:
		t.Error("it ticks, but was stopped")
	case <-time.After(20 * time.Millisecond):
	}
	tick.close()
	<-ended
}

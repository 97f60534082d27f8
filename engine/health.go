package engine

import "time"

// Answers says whether the server is alive: whether at least one worker comes
// to its next turn within d. All of them may be computing at once for a while;
// a watchdog gives them the time it has. Any goroutine.
func (e *Engine) Answers(d time.Duration) bool {
	workers := e.Workers()
	heard := make(chan struct{}, len(workers))
	for _, l := range workers {
		l.Call(func() { heard <- struct{}{} })
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-heard:
		return true
	case <-timer.C:
		return false
	}
}

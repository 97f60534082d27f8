package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The queue against a list that is searched: whatever is set, set anew and
// removed, the first is the one that is due first, and each knows its place.
func TestIdleQueue(t *testing.T) {
	var q idleQueue
	sessions := make([]Session, 300)
	due := map[*Session]int64{}
	for range 30000 {
		s := &sessions[rand.IntN(len(sessions))]
		if rand.IntN(3) == 0 {
			q.remove(s)
			delete(due, s)
		} else {
			due[s] = 1 + rand.Int64N(1000)
			q.set(s, due[s])
		}
		if len(q) != len(due) {
			t.Fatalf("%d sessions in the queue, want %d", len(q), len(due))
		}
		if len(q) == 0 {
			continue
		}
		var all []int64
		for _, at := range due {
			all = append(all, at)
		}
		if q[0].due != slices.Min(all) {
			t.Fatalf("the first is due at %d, want %d", q[0].due, slices.Min(all))
		}
		if i := s.idlePos; (i > 0) != (due[s] > 0) || i > 0 && (q[i-1].s != s || q[i-1].due != due[s]) {
			t.Fatalf("place %d of a session due at %d", i, due[s])
		}
	}
	for len(q) > 0 {
		s := q[0].s
		if q[0].due != due[s] {
			t.Fatalf("due at %d, want %d", q[0].due, due[s])
		}
		q.remove(s)
	}
}

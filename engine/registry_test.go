package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// An idle session is 288 bytes of the heap: the largest a session may be that
// has 288. A field more, and it has 320.
func TestSessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n > 288 {
		t.Errorf("a session has %d bytes", n)
	}
}

// The registry against a list: sessions come and go, old ones, new ones and any;
// each is found by its id, those that have gone are not, and all are in order.
func TestRegistry(t *testing.T) {
	e := &Engine{}
	r := &e.sessions
	var have []*Session
	drop := func(i int) {
		s := have[i]
		have = slices.Delete(have, i, i+1)
		r.mu.Lock()
		r.punch(r.seek(s.id))
		r.mu.Unlock()
		if found, err := e.Session(s.id); err == nil {
			t.Fatalf("%d has gone, and is found as %d", s.id, found.id)
		}
	}
	check := func() {
		t.Helper()
		if r.len() != len(have) {
			t.Fatalf("%d sessions, want %d", r.len(), len(have))
		}
		if all := e.Sessions(0, 0); !slices.Equal(all, have) {
			t.Fatalf("%d sessions are listed, want %d", len(all), len(have))
		}
		if r.live < (r.size-registryPageSize)/2 || len(r.pages) > r.size/registryPageSize+2 {
			t.Fatalf("%d pages, %d entries for %d sessions", len(r.pages), r.size, r.live)
		}
		last, lowest, highest := r.span()
		if last != r.next || len(have) > 0 && (lowest != have[0].id || highest != have[len(have)-1].id) || len(have) == 0 && lowest+highest != 0 {
			t.Fatalf("the span is %d, %d to %d", last, lowest, highest)
		}
		for _, i := range []int{0, len(have) / 3, len(have) - 1} {
			if i < 0 || i >= len(have) {
				continue
			}
			s := have[i]
			if found, err := e.Session(s.id); found != s {
				t.Fatalf("session %d: found %v, %v", s.id, found, err)
			}
			if list := e.Sessions(s.id, 2); !slices.Equal(list, have[i+1:min(i+3, len(have))]) {
				t.Fatalf("behind %d are %v", s.id, list)
			}
			if list := e.Sessions(s.id-1, 1); len(list) != 1 || list[0] != s {
				t.Fatalf("behind %d is %v, want %d", s.id-1, list, s.id)
			}
		}
	}
	for round := range 60 {
		for range rand.IntN(600) {
			s := &Session{}
			r.add(s)
			have = append(have, s)
		}
		check()
		for range rand.IntN(len(have) + 1) {
			switch i := rand.IntN(len(have)); round % 4 {
			case 0: // the oldest
				drop(0)
			case 1: // the newest
				drop(len(have) - 1)
			default:
				drop(i)
			}
		}
		check()
	}
	for len(have) > 0 {
		drop(rand.IntN(len(have)))
	}
	check()
}

func BenchmarkFindSession(b *testing.B) {
	e := &Engine{}
	var ids []SessionID
	for range 10000 {
		s := &Session{}
		e.sessions.add(s)
		ids = append(ids, s.id)
	}
	for i := 0; b.Loop(); i++ {
		e.Session(ids[i*7919%len(ids)])
	}
}

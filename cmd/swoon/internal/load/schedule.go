package load

// schedule says when the messages of an open loop are due: one every gap
// nanoseconds from a start on, by turns over all connections. It never waits
// for an answer. A message that cannot be sent when it is due, because its
// connection is busy, keeps its place and its time.
type schedule struct {
	start float64 // when the first is due, in nanoseconds
	gap   float64
	next  uint64 // number of the next
}

// newSchedule is the share of one of threads of a rate over all.
func newSchedule(start int64, rate float64, thread, threads int) schedule {
	gap := 1e9 / rate
	return schedule{start: float64(start) + gap*float64(thread), gap: gap * float64(threads)}
}

// at is when message number is due. It is reckoned from the start: nothing adds
// up.
func (s *schedule) at(number uint64) int64 { return int64(s.start + s.gap*float64(number)) }

// due is when the next message is.
func (s *schedule) due() int64 { return s.at(s.next) }

// take returns the number of the next message and when it is due, if that is
// not after t.
func (s *schedule) take(t int64) (number uint64, due int64, ok bool) {
	due = s.due()
	if due > t {
		return 0, 0, false
	}
	number = s.next
	s.next++
	return number, due, true
}

// before is the number of the first message, from the next on, that is not due
// before t.
func (s *schedule) before(t int64) uint64 {
	n := s.next
	if rest := (float64(t) - s.start) / s.gap; rest > float64(n) {
		n = max(n, uint64(rest)-1) // what is lost in a division is less than one
	}
	for s.at(n) < t {
		n++
	}
	return n
}

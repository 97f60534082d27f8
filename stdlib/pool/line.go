package pool

import (
	"container/list"

	"swoon/scripting"
)

// waiting is one fiber that waits for an object.
type waiting struct {
	w  scripting.Waiter
	in *list.List    // its line
	at *list.Element // nil: it waits no more
}

// lines are those who wait, one line for each priority, first come first served.
type lines struct {
	all []list.List
	n   int
}

func (l *lines) add(w scripting.Waiter, priority int) *waiting {
	x := &waiting{w: w, in: &l.all[priority]}
	x.at = x.in.PushBack(x)
	l.n++
	return x
}

// remove reports whether x was still in its line.
func (l *lines) remove(x *waiting) bool {
	if x.at == nil {
		return false
	}
	x.in.Remove(x.at)
	x.at = nil
	l.n--
	return true
}

// first takes the wait that is to be served next; ok is false if there is none.
// It may have ended already: only its Wake tells.
func (l *lines) first() (w scripting.Waiter, ok bool) {
	for i := range l.all {
		if front := l.all[i].Front(); front != nil {
			x := front.Value.(*waiting)
			l.remove(x)
			return x.w, true
		}
	}
	return w, false
}

// supply is what is being made or checked for those who wait, oldest first.
// What takes longer than they have waited counts no more: others need not wait
// for what hangs.
type supply struct {
	jobs   list.List
	checks int // of them
}

// job is one object on its way.
type job struct {
	check bool
	at    *list.Element // nil: nobody counts on it
}

func (s *supply) add(check bool) *job {
	j := &job{check: check}
	j.at = s.jobs.PushBack(j)
	if check {
		s.checks++
	}
	return j
}

// done is called when the job has ended.
func (s *supply) done(j *job) {
	if j.at == nil {
		return
	}
	s.jobs.Remove(j.at)
	j.at = nil
	if j.check {
		s.checks--
	}
}

// cut forgets the oldest until there are at most n.
func (s *supply) cut(n int) {
	for s.jobs.Len() > n {
		s.done(s.jobs.Front().Value.(*job))
	}
}

package engine

import (
	"sort"
	"time"
)

// lanes are ready tasks by priority, each priority a first-in first-out queue.
// Almost always there is one.
type lanes struct{ list []lane } // the highest priority first

// lane is the tasks of one priority, in the order of their seq. A task that
// has left it by another way than pop is a gap: place says so.
type lane struct {
	priority int
	fifo     fifo[*Task]
	gaps     int
}

// keepLanes is how many empty lanes are kept for the next task.
const keepLanes = 8

func (ls *lanes) push(t *Task) {
	i := sort.Search(len(ls.list), func(i int) bool { return ls.list[i].priority <= t.Priority })
	if i == len(ls.list) || ls.list[i].priority != t.Priority {
		if len(ls.list) > keepLanes {
			i -= ls.prune(i)
		}
		ls.list = append(ls.list, lane{})
		copy(ls.list[i+1:], ls.list[i:])
		ls.list[i] = lane{priority: t.Priority}
	}
	ls.list[i].fifo.push(t)
}

// prune removes empty lanes and returns how many there were before i.
func (ls *lanes) prune(i int) (before int) {
	kept := ls.list[:0]
	for k := range ls.list {
		if ls.list[k].first() != nil {
			kept = append(kept, ls.list[k])
		} else if k < i {
			before++
		}
	}
	clear(ls.list[len(kept):])
	ls.list = kept
	return before
}

// first is the task that runs next, or nil.
func (ls *lanes) first() *Task {
	for i := range ls.list {
		if t := ls.list[i].first(); t != nil {
			return t
		}
	}
	return nil
}

// pop removes what first returned.
func (ls *lanes) pop() {
	for i := range ls.list {
		if ls.list[i].first() != nil {
			ls.list[i].fifo.pop()
			return
		}
	}
}

// oldest is when the oldest task here was submitted, if that is before when.
func (ls *lanes) oldest(when time.Time) time.Time {
	for i := range ls.list {
		if t := ls.list[i].first(); t != nil && (when.IsZero() || t.Queued.Before(when)) {
			when = t.Queued
		}
	}
	return when
}

// lost makes a task that lies here a gap. The caller changes its place.
func (ls *lanes) lost(t *Task) {
	for i := range ls.list {
		if l := &ls.list[i]; l.priority == t.Priority {
			t.place = nowhere
			if l.gaps++; l.gaps > 64 && l.gaps*2 > l.fifo.len() {
				l.close()
			}
			return
		}
	}
}

// sort puts tasks that were pushed out of their order into it.
func (ls *lanes) sort() {
	for i := range ls.list {
		l := &ls.list[i]
		l.close()
		sort.Slice(l.fifo.list, func(a, b int) bool { return l.fifo.list[a].seq < l.fifo.list[b].seq })
	}
}

// first is the task at the head, or nil; gaps before it are closed.
func (l *lane) first() *Task {
	for l.fifo.len() > 0 {
		t := *l.fifo.peek()
		if t.place == inLane {
			return t
		}
		l.fifo.pop()
		l.gaps--
	}
	return nil
}

// close closes all gaps.
func (l *lane) close() {
	var all fifo[*Task]
	for l.fifo.len() > 0 {
		if t := l.fifo.pop(); t.place == inLane {
			all.push(t)
		}
	}
	l.fifo, l.gaps = all, 0
}

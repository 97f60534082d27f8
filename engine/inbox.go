package engine

import (
	"sync"
	"sync/atomic"
)

type eventKind uint8

const (
	evConnect eventKind = iota
	evData
	evFull  // the outbox has reached its high watermark
	evEmpty // and its low one
	evEnd
)

// event is one thing that happened to a session, in order.
type event struct {
	data   string
	kind   eventKind
	reason Reason
	to     int16 // the worker that a DispatchFunc has chosen: its id + 1
}

// inbox holds a session's events until their turn comes. Most sessions have
// none or one, which costs no memory of its own.
type inbox struct {
	bytes atomic.Int64 // of data; written by whoever may touch the inbox
	n     int32
	// running counts the callbacks and receivers of the session that run or wait.
	running int32
	one     event // the oldest
	more    *fifo[event]
}

func (in *inbox) push(ev event) {
	in.bytes.Store(in.bytes.Load() + int64(len(ev.data)))
	if in.n++; in.n == 1 {
		in.one = ev
		return
	}
	if in.more == nil {
		in.more = rooms.Get().(*fifo[event])
	}
	in.more.push(ev)
}

// rooms are for the events that came together, beyond the first. They go round
// among the sessions that have any.
var rooms = sync.Pool{New: func() any { return &fifo[event]{list: make([]event, 0, 8)} }}

// mostRoom is how many events a room that goes round may have had at once.
const mostRoom = 64

func (in *inbox) pop() event {
	ev := in.one
	in.bytes.Store(in.bytes.Load() - int64(len(ev.data)))
	in.one = event{}
	if in.n--; in.n > 0 {
		in.one = in.more.pop()
	} else if in.more != nil {
		if cap(in.more.list) <= mostRoom { // it is empty, and what is taken out is cleared
			rooms.Put(in.more)
		}
		in.more = nil
	}
	return ev
}

// drop removes the data events and reports what they were.
func (in *inbox) drop() (events int, bytes int64) {
	var keep []event
	for in.n > 0 {
		ev := in.pop()
		if ev.kind == evData {
			events++
			bytes += int64(len(ev.data))
		} else {
			keep = append(keep, ev)
		}
	}
	for _, ev := range keep {
		in.push(ev)
	}
	return events, bytes
}

package scripting

import (
	"math"
	"os"
	"runtime"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// What the engine is told of callbacks to count and time them: an event of the
// script, or one of these.
const (
	kindTimer = uint8(numEvents) + iota
	kindFiber
	numKinds
)

var _ [engine.MaxKinds - numKinds]struct{} // there is room for all

// callKind is the kind of a callback.
func callKind(ev event, name string) uint8 {
	switch name {
	case "":
		return uint8(ev)
	case "timer":
		return kindTimer
	}
	return kindFiber
}

// kindName is what stats call a kind.
func kindName(kind int) string {
	switch uint8(kind) {
	case kindTimer:
		return "timer"
	case kindFiber:
		return "co.go"
	}
	return event(kind).String()
}

// stat is one number of the statistics.
type stat struct {
	name  string
	value float64
}

// eventStat is how often a callback was begun, and how long it took: seconds
// from its beginning to its return, with its waits.
type eventStat struct {
	name           string
	count          uint64
	timed          bool
	p50, p99, p999 float64
	max            float64
}

// counters are all numbers of the server in the order in which they are shown;
// those of one worker come with in.
func (h *Host) counters(in *Instance) (list []stat) {
	num := func(name string, v float64) { list = append(list, stat{name, v}) }
	var loop *engine.Loop
	if in != nil {
		loop = in.loop
	}
	st := h.engine.Stats(loop)
	var refused uint64
	for reason, n := range st.Refused {
		if reason != engine.OutOfDescriptors { // they wait
			refused += n
		}
	}
	num("start_time", float64(st.Start.Unix()))
	num("generation", float64(h.gen.Load().id))
	num("connection_num", float64(st.Sessions))
	num("accept_count", float64(st.Accepted))
	num("close_count", float64(st.Closed))
	num("abort_count", float64(refused))
	byReason(num, "refused_", st.Refused)
	byReason(num, "closed_", st.ClosedFor)
	num("worker_num", float64(st.Workers))
	num("idle_worker_num", float64(st.IdleWorkers))
	num("task_worker_num", float64(st.TaskWorkers))
	num("task_idle_worker_num", float64(st.TaskWorkers-st.TaskBusy))
	num("user_worker_num", float64(st.Processes))
	num("request_count", float64(st.Requests))
	num("dispatch_count", float64(st.Requests))
	num("response_count", float64(st.Responses))
	num("concurrency", float64(st.Concurrency))
	num("total_recv_bytes", float64(st.RecvBytes))
	num("total_send_bytes", float64(st.SentBytes))
	num("dropped_messages", float64(st.Dropped))
	num("discarded_bytes", float64(st.Discarded))
	num("dispatch_discards", float64(st.Undispatched))
	num("no_idle_worker", float64(st.NoIdleWorker))
	packetStats(num, &st.PacketStats)
	num("read_pauses", float64(st.Paused))
	num("close_timeouts", float64(st.LingerCut))
	num("pipe_packet_msg_id", float64(st.Kinds[evPipeMessage]))
	num("session_round", float64(st.LastID))
	num("min_fd", float64(st.MinID))
	num("max_fd", float64(st.MaxID))
	num("coroutine_num", float64(st.Fibers))
	num("coroutine_peek_num", float64(st.MostFibers))
	num("task_queue_num", float64(st.TasksQueued))
	num("tasking_num", float64(st.TasksQueued+st.TasksRunning))
	num("task_count", float64(st.Tasks))
	h.taskStats(num)
	h.clients.stats(num)
	h.processStats(num)
	if in != nil {
		num("timer_num", float64(in.timers.count()))
	}
	if loop != nil && loop.ID() >= 0 {
		own := loop.Stats()
		num("worker_request_count", float64(own.Requests))
		num("worker_dispatch_count", float64(own.Requests))
		num("worker_response_count", float64(own.Sends))
		num("worker_concurrency", float64(own.Callbacks))
	}
	return list
}

// byReason adds one number for each reason there was.
func byReason(num func(string, float64), prefix string, counts map[engine.Reason]uint64) {
	for _, r := range engine.Reasons() {
		if n := counts[r]; n > 0 {
			num(prefix+r.String(), float64(n))
		}
	}
}

// processStats adds what is counted for the process as a whole, so that leaks
// can be seen from outside.
func (h *Host) processStats(num func(string, float64)) {
	num("goroutine_num", float64(runtime.NumGoroutine()))
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		num("descriptor_num", float64(len(names)-1))
	}
	m := memoryStatus()
	num("heap_bytes", float64(m.Heap))
	num("resident_bytes", float64(m.Resident))
}

// events are the callbacks that have been begun, in the order of the events.
func (h *Host) events(loop *engine.Loop) (list []eventStat) {
	kinds := h.engine.Kinds(loop)
	for kind := range int(numKinds) {
		k := kinds[kind]
		if k.Count == 0 {
			continue
		}
		e := eventStat{name: kindName(kind), count: k.Count}
		if l := k.Latency; l != nil {
			at := func(percent float64) float64 { return float64(l.Below(percent)) / 1e9 }
			e.timed = true
			e.p50, e.p99, e.p999, e.max = at(50), at(99), at(99.9), float64(l.Max())/1e9
		}
		list = append(list, e)
	}
	return list
}

// each calls num for every number of an event.
func (e *eventStat) each(num func(string, float64)) {
	num("count", float64(e.count))
	if e.timed {
		num("p50", e.p50)
		num("p99", e.p99)
		num("p999", e.p999)
		num("max", e.max)
	}
}

func (in *Instance) doStats(L *lua.LState) int {
	in.mustRun(L, "server:stats")
	counters := in.host.counters(in)
	t := L.CreateTable(0, len(counters)+1)
	for _, s := range counters {
		t.RawSetString(s.name, lua.LNumber(s.value))
	}
	list := in.host.events(in.loop)
	events := L.CreateTable(0, len(list))
	for i := range list {
		one := L.CreateTable(0, 8)
		list[i].each(func(name string, v float64) { one.RawSetString(name, lua.LNumber(v)) })
		events.RawSetString(list[i].name, one)
	}
	t.RawSetString("events", events)
	L.Push(t)
	return 1
}

// whole writes numbers without a fraction as such.
func whole(v float64) bool { return v == math.Trunc(v) && math.Abs(v) < 1<<53 }

package scripting

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"swoon/engine"
)

// ServerStatus is what a server says of itself. Durations are seconds, sizes bytes.
type ServerStatus struct {
	PID        int             `json:"pid"`
	Version    string          `json:"version"`
	Script     string          `json:"script"` // absolute
	State      string          `json:"state"`  // starting, running or stopping
	Mode       string          `json:"mode"`
	Generation uint64          `json:"generation"`
	Started    time.Time       `json:"started"`
	Uptime     float64         `json:"uptime"`
	Listeners  []string        `json:"listeners"`
	Workers    []WorkerStatus  `json:"workers"`
	Sessions   SessionStatus   `json:"sessions"`
	Requests   uint64          `json:"requests"`
	Fibers     int             `json:"fibers"` // that wait
	Waiting    []WaitStatus    `json:"waiting"`
	Draining   []DrainStatus   `json:"draining"`
	LastReload *ReloadStatus   `json:"last_reload"` // null before the first
	Timers     int             `json:"timers"`      // of the script
	Tasks      TaskQueueStatus `json:"tasks"`
	Memory     MemoryStatus    `json:"memory"`
	Goroutines int             `json:"goroutines"`
}

// WorkerStatus is one loop. A busy one computes and could not be asked: what
// only it knows is null, the rest is a turn old.
type WorkerStatus struct {
	ID         int     `json:"id"`    // -1: the control VM
	Kind       string  `json:"kind"`  // worker, task or control
	State      string  `json:"state"` // idle, waiting (callbacks do), busy
	Generation *uint64 `json:"generation"`
	Sessions   int64   `json:"sessions"`
	Fibers     int     `json:"fibers"` // that wait
	Requests   uint64  `json:"requests"`
	Timers     *int    `json:"timers"`
}

// SessionStatus counts clients.
type SessionStatus struct {
	Open     int64  `json:"open"`
	Accepted uint64 `json:"accepted"`
	Closed   uint64 `json:"closed"`
}

// TaskQueueStatus counts tasks.
type TaskQueueStatus struct {
	Queued  int    `json:"queued"`
	Running int    `json:"running"`
	Total   uint64 `json:"total"` // since the start
}

// MemoryStatus is the memory of the process: of live and dead objects, what the
// Go runtime has from the system, and what of the process is in memory.
type MemoryStatus struct {
	Heap     uint64 `json:"heap"`
	Runtime  uint64 `json:"runtime"`
	Resident uint64 `json:"resident"`
}

// ReloadStatus is a ReloadReport with durations in seconds.
type ReloadStatus struct {
	Generation uint64    `json:"generation"` // live afterwards
	OK         bool      `json:"ok"`
	TasksOnly  bool      `json:"tasks_only"`
	Recovered  int       `json:"recovered"`
	Why        string    `json:"why"`
	Phase      string    `json:"phase"` // where it failed, or empty
	Error      string    `json:"error"`
	Files      []string  `json:"files"`
	Changes    []string  `json:"changes"`
	At         time.Time `json:"at"`
	Took       float64   `json:"took"`
	Build      float64   `json:"build"`
	Warm       float64   `json:"warm"`
	Swap       float64   `json:"swap"`
	Draining   int       `json:"draining"`
}

func (r ReloadReport) status() *ReloadStatus {
	return &ReloadStatus{Generation: r.Generation, OK: r.OK, TasksOnly: r.TasksOnly, Recovered: r.Recovered, Why: r.Why,
		Phase: r.Phase, Error: r.Error, Files: notNil(r.Files), Changes: notNil(r.Changes), At: r.At,
		Took: r.Took.Seconds(), Build: r.Build.Seconds(), Warm: r.Warm.Seconds(), Swap: r.Swap.Seconds(), Draining: r.Draining}
}

// notNil makes a list that is [] in JSON and not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ServerStatus asks every loop what it does. It stalls none, and waits for a loop
// that computes for a moment only. Any goroutine.
func (h *Host) ServerStatus() *ServerStatus {
	s := &ServerStatus{PID: os.Getpid(), Script: h.script, State: "running", Mode: h.Settings().Mode.String(), Generation: h.gen.Load().id,
		Listeners: []string{}, Workers: []WorkerStatus{}, Waiting: []WaitStatus{}, Draining: []DrainStatus{},
		Memory: memoryStatus(), Goroutines: runtime.NumGoroutine()}
	if !h.running.Load() {
		s.State = "starting"
		return s
	}
	e := h.engine
	if h.stopping.Load() {
		s.State = "stopping"
	}
	for _, p := range e.Ports() {
		s.Listeners = append(s.Listeners, p.Addr().String())
	}
	h.askLoops(s)
	st := e.Stats(nil)
	s.Started, s.Uptime = st.Start.Round(time.Millisecond), time.Since(st.Start).Seconds()
	s.Sessions = SessionStatus{st.Sessions, st.Accepted, st.Closed}
	s.Tasks = TaskQueueStatus{st.TasksQueued, st.TasksRunning, st.Tasks}
	if r, ok := h.LastReload(); ok {
		s.LastReload = r.status()
	}
	return s
}

func memoryStatus() MemoryStatus {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	m := MemoryStatus{Heap: sample[0].Value.Uint64(), Runtime: sample[1].Value.Uint64()}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseUint(f[1], 10, 64)
			m.Resident = pages * uint64(os.Getpagesize())
		}
	}
	return m
}

const (
	// busyAfter is how long a loop may not answer until it is called busy.
	busyAfter = 250 * time.Millisecond
	// askFor is how long a loop that has begun to answer may take.
	askFor = 3 * time.Second
)

// askLoops fills in what the loops know, in the order of their ids.
func (h *Host) askLoops(s *ServerStatus) {
	loops := append(h.loops(), h.engine.Control())
	asked := make([]*loopLook, len(loops))
	for i, l := range loops {
		asked[i] = newLoopLook(h, l)
	}
	begun := time.Now()
	drains, waits := drainTable{}, waitTable{}
	for i, l := range loops {
		w := WorkerStatus{ID: i, Kind: "worker", State: "busy"}
		switch {
		case l == h.engine.Control():
			w.ID, w.Kind = -1, "control"
		case l.IsTask():
			w.Kind = "task"
		}
		known := l.Stats()
		w.Sessions, w.Requests, w.Fibers = known.Sessions, known.Requests, known.Fibers
		if a := asked[i].answer(begun); a != nil {
			w.State, w.Requests, w.Fibers = "idle", a.requests, a.fibers
			if a.fibers > 0 {
				w.State = "waiting"
			}
			if a.generation > 0 {
				w.Generation = &a.generation
			}
			w.Timers = &a.timers
			s.Timers += a.timers
			waits.add(a.waits)
			drains.add(w.ID, a.drains)
		}
		s.Requests += w.Requests
		s.Fibers += w.Fibers
		s.Workers = append(s.Workers, w)
	}
	s.Waiting, s.Draining = waits.list(), drains.list()
}

// self is what a loop says of itself. Baton holder.
func (a *loopLook) self() {
	a.requests = a.loop.Requests()
	s, ok := a.loop.Data.(*seat)
	if !ok {
		return // the server has not got that far
	}
	if in := s.live; in != nil {
		a.generation, a.timers = in.gen.id, in.timers.count()
	}
	for in := range s.draining {
		a.drains.of(in.gen.id).begin(in)
	}
}

// left is when a drain is cut, or 0 where nothing cuts it.
func (in *Instance) left() float64 {
	if when := in.drainTimer.When(); in.underWay > 0 && when > engine.Now() {
		return time.Duration(when - engine.Now()).Seconds()
	}
	return 0
}

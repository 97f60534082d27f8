package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"swoon/engine/frame"
)

// Mode says what dispatch does with a frame: Base handles it on the loop that
// read it, Process hands it to the session's worker loop.
type Mode uint8

// The modes, with Swoole's numbers.
const (
	Base    Mode = 1
	Process Mode = 2
)

func (m Mode) String() string {
	if m == Process {
		return "process"
	}
	return "base"
}

// Listen is one declared address. Port 0 lets the kernel choose.
type Listen struct {
	Host string
	Port int
}

func (l Listen) String() string { return hostPort(l.Host, l.Port) }

// Options configures an Engine. The zero value of a field means its default,
// see the table in defaults.
type Options struct {
	Mode        Mode
	Workers     int // loops that run callbacks
	Reactors    int // loops that own sockets; Process only
	TaskWorkers int
	Listen      []Listen
	Backlog     int
	Framer      frame.Framer

	MaxSessions int           // over it, clients are refused: max_connection
	InboxBytes  int           // bytes of frames one session may have unhandled before reading stops
	InboxEvents int           // the same in events
	WorkerBytes int64         // the same for all sessions of a worker
	OutboxBytes int           // hard cap of unsent bytes of one session: socket_buffer_size
	HighWater   int           // unsent bytes at which Water(full) is told; 0: four fifths of OutboxBytes
	LowWater    int           // at which, after that, Water(!full) is told
	TaskQueue   int           // tasks queued, not running
	MaxFibers   int           // fibers waiting on one loop: max_coroutine
	MaxSpares   int           // idle goroutines a loop keeps for the next wait
	CloseTime   time.Duration // how long a close waits for the peer: close_timeout
	DrainTime   time.Duration // how long a shutdown waits: max_wait_time
	MaxStretch  time.Duration // max_execution_time on workers; negative is off
	TaskStretch time.Duration // the same on task workers; 0 is off

	MemoryLimit uint64 // bytes of heap at which the script that runs longest is stopped; 0 is off

	TaskConcurrent bool // task_enable_coroutine: a task worker takes the next task while one waits
	NoDelayOff     bool // open_tcp_nodelay = false

	// ControlInterrupt is the control loop's interrupt word, when a VM that is
	// to live there has been made before the engine.
	ControlInterrupt *atomic.Uint32

	Logger *slog.Logger
}

// The defaults, in one place.
const (
	DefaultBacklog     = 512
	DefaultMaxSessions = 100_000
	DefaultInboxBytes  = 1 << 20
	DefaultInboxEvents = 1024
	DefaultWorkerBytes = 64 << 20
	DefaultOutboxBytes = 8 << 20
	DefaultTaskQueue   = 100_000
	DefaultMaxFibers   = 100_000
	DefaultMaxSpares   = 64
	DefaultCloseTime   = 5 * time.Second
	DefaultDrainTime   = 3 * time.Second
	DefaultMaxStretch  = 10 * time.Second
)

// readSize is the size of a loop's one read buffer, and so of the largest raw
// frame: what Swoole reads at once.
const readSize = 64 << 10

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if o.Mode == 0 {
		o.Mode = Base
	}
	def(&o.Workers, runtime.GOMAXPROCS(0))
	def(&o.Reactors, min(8, runtime.GOMAXPROCS(0), o.Workers))
	def(&o.Backlog, DefaultBacklog)
	def(&o.MaxSessions, DefaultMaxSessions)
	def(&o.InboxBytes, DefaultInboxBytes)
	def(&o.InboxEvents, DefaultInboxEvents)
	def(&o.OutboxBytes, DefaultOutboxBytes)
	def(&o.HighWater, o.OutboxBytes/5*4)
	def(&o.TaskQueue, DefaultTaskQueue)
	def(&o.MaxFibers, DefaultMaxFibers)
	def(&o.MaxSpares, DefaultMaxSpares)
	dur(&o.CloseTime, DefaultCloseTime)
	dur(&o.DrainTime, DefaultDrainTime)
	dur(&o.MaxStretch, DefaultMaxStretch)
	if o.WorkerBytes == 0 {
		o.WorkerBytes = DefaultWorkerBytes
	}
	if o.Framer == nil {
		o.Framer = frame.Raw{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports every fault of the options at once.
func (o *Options) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(o.Mode == 0 || o.Mode == Base || o.Mode == Process, "mode: %d is neither base nor process", o.Mode)
	check(o.Workers >= 0, "worker_num: %d is negative", o.Workers)
	check(o.Reactors >= 0, "reactor_num: %d is negative", o.Reactors)
	check(o.Workers == 0 || o.Reactors <= o.Workers, "reactor_num: %d is more than worker_num %d", o.Reactors, o.Workers)
	check(o.TaskWorkers >= 0, "task_worker_num: %d is negative", o.TaskWorkers)
	if high := o.HighWater; high > 0 && o.OutboxBytes > 0 {
		check(high <= o.OutboxBytes, "buffer_high_watermark: %d is more than socket_buffer_size %d", high, o.OutboxBytes)
		check(o.LowWater < high, "buffer_low_watermark: %d is not less than buffer_high_watermark %d", o.LowWater, high)
	}
	for _, l := range o.Listen {
		check(l.Port >= 0 && l.Port <= 65535, "port: %d is not in 0..65535", l.Port)
	}
	return errors.Join(faults...)
}

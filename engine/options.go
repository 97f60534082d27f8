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

// Options are what an Engine is made of. The zero value of a field means its
// default, here and in Limits and PortOptions.
type Options struct {
	Mode        Mode
	Workers     int // loops that run callbacks
	Reactors    int // loops that own sockets; Process only
	TaskWorkers int
	Processes   int // loops that have no sessions and no tasks, for what the handler likes
	Ports       []PortOptions
	Limits

	TaskStore TaskQueue // where tasks are kept; nil: in memory

	LastSession SessionID // ids of sessions begin behind it: start_session_id

	MaxSpares int // idle goroutines a loop keeps for the next wait

	// ControlInterrupt is the control loop's interrupt word, when a VM that is
	// to live there has been made before the engine.
	ControlInterrupt *atomic.Uint32

	// NewHistogram makes what collects how long callbacks take; nil: nobody
	// wants to know.
	NewHistogram func() Histogram

	Logger *slog.Logger
}

// Limits are the limits of the whole engine. They can be changed while it
// runs: SetLimits.
type Limits struct {
	MaxSessions     int           // over it, clients are refused: max_connection
	MaxPerAddress   int           // the same for clients of one address: max_connection_per_ip; 0 is no limit
	InboxBytes      int           // bytes of frames one session may have unhandled before reading stops
	InboxEvents     int           // the same in events
	WorkerBytes     int64         // the same for all sessions of a worker
	TaskQueue       int           // tasks queued, not running: task_queue_size
	DeadTasks       int           // tasks that failed for good and are kept; negative: none: task_dead_size
	MessageQueue    int           // messages that one loop has not handled: message_queue_size
	PacketQueue     int           // packets of one worker read and not begun before reading stops: packet_queue_size
	MaxFibers       int           // fibers waiting on one loop: max_coroutine
	MaxPacketFibers int           // callbacks of packets waiting on one loop before no other begins: max_packet_coroutine
	CloseTime       time.Duration // how long a close waits for the peer: close_timeout
	DrainTime       time.Duration // how long a shutdown waits: max_wait_time
	MaxStretch      time.Duration // max_execution_time on workers; negative is off
	TaskStretch     time.Duration // the same on task workers; 0 is off
	CallbackTime    time.Duration // how long a callback may take from its first wait on; 0 is off: callback_timeout
	MemoryLimit     uint64        // bytes of heap at which the script that runs longest is stopped; 0 is off

	SendLimits
	IdleLimits
	DispatchOptions

	TaskConcurrent bool // task_enable_coroutine: a task worker takes the next task while one waits
}

// PortOptions are the options of one port. But for the address they can be
// changed while it listens: Port.Set.
type PortOptions struct {
	Listen
	SocketOptions
	IdleOptions
	Backlog     int
	Framer      frame.Framer                // of sessions that begin from now on
	FramerOf    func(*Session) frame.Framer // in its place: a framer for one session alone. Called before the session can be found
	OutboxBytes int                         // hard cap of unsent bytes of one session: socket_buffer_size
	HighWater   int                         // unsent bytes at which Water(full) is told; 0: four fifths of OutboxBytes
	LowWater    int                         // at which, after that, Water(!full) is told
}

// The defaults, in one place.
const (
	DefaultBacklog         = 512
	DefaultMaxSessions     = 100_000
	DefaultInboxBytes      = 1 << 20
	DefaultInboxEvents     = 1024
	DefaultWorkerBytes     = 64 << 20
	DefaultOutboxBytes     = 8 << 20
	DefaultTaskQueue       = 100_000
	DefaultDeadTasks       = 1000
	DefaultMessages        = 10_000
	DefaultMaxFibers       = 100_000
	DefaultPacketQueue     = 1 << 16
	DefaultMaxPacketFibers = 4096
	DefaultMaxSpares       = 64
	DefaultCloseTime       = 5 * time.Second
	DefaultDrainTime       = 3 * time.Second
	DefaultMaxStretch      = 10 * time.Second
)

// readSize is the size of a loop's one read buffer, and so of the largest raw
// frame: what Swoole reads at once.
const readSize = 64 << 10

func def[T int | int64 | time.Duration](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

func (o *Options) setDefaults() {
	if o.Mode == 0 {
		o.Mode = Base
	}
	def(&o.Workers, runtime.GOMAXPROCS(0))
	def(&o.Reactors, min(8, runtime.GOMAXPROCS(0), o.Workers))
	def(&o.MaxSpares, DefaultMaxSpares)
	o.Limits.setDefaults()
	for i := range o.Ports {
		o.Ports[i].setDefaults()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func (m *Limits) setDefaults() {
	def(&m.MaxSessions, DefaultMaxSessions)
	def(&m.InboxBytes, DefaultInboxBytes)
	def(&m.InboxEvents, DefaultInboxEvents)
	def(&m.WorkerBytes, DefaultWorkerBytes)
	def(&m.TaskQueue, DefaultTaskQueue)
	def(&m.DeadTasks, DefaultDeadTasks)
	def(&m.MessageQueue, DefaultMessages)
	def(&m.MaxFibers, DefaultMaxFibers)
	def(&m.PacketQueue, DefaultPacketQueue)
	def(&m.MaxPacketFibers, DefaultMaxPacketFibers)
	def(&m.CloseTime, DefaultCloseTime)
	def(&m.DrainTime, DefaultDrainTime)
	def(&m.MaxStretch, DefaultMaxStretch)
}

func (p *PortOptions) setDefaults() {
	p.SocketOptions.setDefaults()
	def(&p.Backlog, DefaultBacklog)
	def(&p.OutboxBytes, DefaultOutboxBytes)
	def(&p.HighWater, p.OutboxBytes/5*4)
	if p.Framer == nil {
		p.Framer = frame.Raw{}
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
	if err := o.DispatchOptions.validate(o.Mode); err != nil {
		faults = append(faults, err)
	}
	check(o.TaskWorkers >= 0, "task_worker_num: %d is negative", o.TaskWorkers)
	check(o.Processes >= 0, "processes: %d is negative", o.Processes)
	for _, p := range o.Ports {
		if err := p.Validate(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// Validate reports every fault of the options of a port at once.
func (p *PortOptions) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	if high := p.HighWater; high > 0 && p.OutboxBytes > 0 {
		check(high <= p.OutboxBytes, "buffer_high_watermark: %d is more than socket_buffer_size %d", high, p.OutboxBytes)
		check(p.LowWater < high, "buffer_low_watermark: %d is not less than buffer_high_watermark %d", p.LowWater, high)
	}
	check(p.Kind <= UnixDgram, "sock_type: %d is not in 1..6", p.Kind)
	check(p.Port >= 0 && p.Port <= 65535, "port: %d is not in 0..65535", p.Port)
	return errors.Join(faults...)
}

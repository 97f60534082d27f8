package engine

import "fmt"

// Errno is a failure a script can meet: a stable name, Swoole's number for
// getLastError, and a sentence for people.
type Errno struct {
	Name string
	Code int
	Text string
}

func (e *Errno) Error() string { return e.Name + ": " + e.Text }

// Is makes errors of one name alike: the text may tell more.
func (e *Errno) Is(other error) bool {
	o, ok := other.(*Errno)
	return ok && o.Name == e.Name
}

// says is the same failure with a text of its own.
func (e *Errno) says(format string, args ...any) *Errno {
	return &Errno{e.Name, e.Code, fmt.Sprintf(format, args...)}
}

// The failures. Numbers are Swoole's where Swoole has one.
var (
	// ErrNoSession: no session has this id, or it has ended.
	ErrNoSession = &Errno{"no_such_session", 1005, "no session has this id (it may have closed)"}
	// ErrClosing: the session is being closed.
	ErrClosing = &Errno{"session_closing", 1003, "the session is being closed"}
	// ErrClosed: the session ended while the operation waited.
	ErrClosed = &Errno{"session_closed", 1004, "the session closed"}
	// ErrOutboxFull: the peer reads too slowly; nothing was queued.
	ErrOutboxFull = &Errno{"outbox_full", 1009, "the session's outbox is full (socket_buffer_size)"}
	// ErrTooLarge: one send larger than the whole outbox.
	ErrTooLarge = &Errno{"data_length_too_large", 1203, "the data is larger than socket_buffer_size"}
	// ErrEmpty: an empty send.
	ErrEmpty = &Errno{"empty_data", 550, "there is nothing to send"}
	// ErrTimeout: the wait's own time-out.
	ErrTimeout = &Errno{"timeout", 110, "timed out"}
	// ErrCancelled: the fiber was cancelled; every later wait fails at once too.
	ErrCancelled = &Errno{"cancelled", 10017, "the fiber was cancelled"}
	// ErrShutdown: the server is stopping.
	ErrShutdown = &Errno{"shutdown", 9003, "the server is shutting down"}
	// ErrQueueFull: the task queue holds task_queue_size tasks.
	ErrQueueFull = &Errno{"queue_full", 506, "the task queue is full (task_queue_size)"}
	// ErrMailboxFull: message_queue_size messages have not been handled.
	ErrMailboxFull = &Errno{"mailbox_full", 9006, "the worker has too many messages to handle (message_queue_size)"}
	// ErrTaskDeadline: the task was not begun, its deadline had passed.
	ErrTaskDeadline = &Errno{"deadline", 2003, "the task's deadline passed before a task worker was free"}
	// ErrTaskOverdue: the task was cancelled while it ran.
	ErrTaskOverdue = &Errno{"deadline", 2003, "the task's deadline passed while it ran"}
	// ErrTaskTimeout: the task goes on; nobody waits for its result any more.
	ErrTaskTimeout = &Errno{"timeout", 2003, "the task did not end within the time-out"}
	// ErrTaskFailed: the callback threw; the text says what.
	ErrTaskFailed = &Errno{"task_failed", 2002, "onTask failed"}
	// ErrTaskCut: the task was cancelled while it ran; the text says why.
	ErrTaskCut = &Errno{"task_cut", 2002, "the task was cancelled while it ran"}
	// ErrTaskLost: Swoon failed while it ran the task.
	ErrTaskLost = &Errno{"task_lost", 2002, "an internal error ended the task"}
	// ErrTaskEnded: a result after the last.
	ErrTaskEnded = &Errno{"task_ended", 509, "the task has ended: it sends no more results"}
	// ErrWouldDeadlock: a wait for a task that only workers could run that wait.
	ErrWouldDeadlock = &Errno{"would_deadlock", 509, "only this task worker, or others that wait for it, could run the task that it would wait for (task_enable_coroutine, more task workers, or server:task)"}
	// ErrNoTask: no dead task has this id.
	ErrNoTask = &Errno{"no_such_task", 1005, "no task of this id is among the dead"}
	// ErrNoTaskWorkers: task_worker_num is 0.
	ErrNoTaskWorkers = &Errno{"no_task_workers", 509, "there are no task workers (task_worker_num)"}
	// ErrBadWorker: no worker has this id.
	ErrBadWorker = &Errno{"no_such_worker", 505, "no worker has this id"}
	// ErrTooManyFibers: max_coroutine fibers wait on this worker.
	ErrTooManyFibers = &Errno{"max_coroutine", 10001, "too many fibers on this worker (max_coroutine)"}
	// ErrCannotWait: the script runs where nothing can wait, nor be started that could.
	ErrCannotWait = &Errno{"cannot_wait", 10006, "nothing can wait here: the script is asked in the middle of a read"}
	// ErrOtherWorker: the session belongs to another worker.
	ErrOtherWorker = &Errno{"other_worker", 507, "the session belongs to another worker"}
	// ErrBusy: another fiber is already waiting in the same place.
	ErrBusy = &Errno{"busy", 10002, "another fiber is already receiving from this session"}
	// ErrMemoryLimit: the process uses more memory than memory_limit.
	ErrMemoryLimit = &Errno{"memory_limit", 501, "the process uses more memory than memory_limit"}
	// ErrNoAddress: the sender of a packet has bound no address.
	ErrNoAddress = &Errno{"no_address", 89, "the peer has no address: it has bound no path"}
	// ErrNoPacketPort: there is nothing to send a packet from.
	ErrNoPacketPort = &Errno{"no_packet_port", 509, "no port of packets of this server reaches that address"}
	// ErrPacketTooLarge: no datagram can be so large.
	ErrPacketTooLarge = &Errno{"packet_too_large", 90, "the packet is larger than a datagram can be"}
	// ErrSendBufferFull: the kernel has no room for the packet; with a unix peer, the peer has none.
	ErrSendBufferFull = &Errno{"send_buffer_full", 105, "the kernel takes no packet for that address now"}
	// ErrNobodyListens: there is no socket at a unix peer's path.
	ErrNobodyListens = &Errno{"nobody_listens", 111, "nobody listens at that path"}
	// ErrUnreachable: the network says so.
	ErrUnreachable = &Errno{"unreachable", 101, "the address cannot be reached"}
	// ErrCallbackTime cancels a callback that takes longer than callback_timeout.
	ErrCallbackTime = &Errno{"callback_timeout", 2003, "took longer than callback_timeout, with its waits"}
	// ErrTimeLimit: a stretch ran longer than max_execution_time.
	ErrTimeLimit = &Errno{"max_execution_time", 2003, "ran longer than max_execution_time without a wait"}
)
